//! One row per node of one DaemonSet, unhealthy nodes first.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{folded, known_bar, number, revision_in_words, uncounted_down_nodes};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, HANDFUL_OF_LONG};
use crate::render::reason::{detail, summary};
use crate::render::style::{Tone, symbol, tone_of};
use crate::render::table::{Column, Columns};
use crate::render::text::{pluralize, sanitize};
use crate::revision::revision_of;
use crate::snapshot::PodSummary;

/// The well-known label with the zone of a node.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The number of pods without a node that are listed.
const STRAYS: usize = 8;
/// The number of causes of exclusion that are listed.
const CAUSES: usize = 20;

/// How much of the table is folded, so that unhealthy nodes stay on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Folding {
    /// Excluded nodes only.
    Excluded,
    /// Also healthy nodes.
    Healthy,
    /// Also unhealthy nodes with the same reasons.
    Identical,
}

/// Writes the head and the table of one DaemonSet, limited to the rows in `shown`. On a terminal, rows are folded until
/// the table fits.
pub(crate) fn nodes(
    out: &mut impl Write,
    coverage: &Coverage<'_>,
    shown: &[&NodeCoverage<'_>],
    labels: &[String],
    screen: ViewOptions,
) -> io::Result<()> {
    let mut text = Vec::new();
    for folding in [Folding::Excluded, Folding::Healthy, Folding::Identical] {
        // Most rows take one line.
        let is_hopeless =
            folding == Folding::Excluded && screen.style.height.is_some_and(|height| shown.len() > 4 * height);
        if is_hopeless && !screen.unfolded {
            continue;
        }
        text.clear();
        folded_nodes(&mut text, coverage, shown, (folding, labels), screen)?;
        if screen.unfolded || !screen.does_not_fit(&text) {
            break;
        }
    }
    out.write_all(&text)?;
    if screen.headers && screen.does_not_fit(&text) {
        // The head has scrolled off the screen.
        writeln!(out)?;
        counts_line(out, coverage, screen)?;
    }
    if screen.headers && screen.is_terminal() { next_command(out, coverage, shown) } else { Ok(()) }
}

fn folded_nodes(
    out: &mut impl Write,
    coverage: &Coverage<'_>,
    shown: &[&NodeCoverage<'_>],
    (folding, labels): (Folding, &[String]),
    screen: ViewOptions,
) -> io::Result<()> {
    if screen.headers {
        head(out, coverage, screen)?;
    }
    let is_excluded = |row: &&&NodeCoverage<'_>| row.state == State::Excluded && !screen.unfolded;
    let (excluded, listed): (Vec<&&NodeCoverage<'_>>, Vec<&&NodeCoverage<'_>>) = shown.iter().partition(is_excluded);
    let mut listed: Vec<&NodeCoverage<'_>> = listed.into_iter().copied().collect();
    if !screen.is_sorted {
        listed.sort_by_key(|row| (row.state, row.node));
    }
    let is_well = |row: &&NodeCoverage<'_>| row.state == State::Available && row.reasons.is_empty();
    let well = match folding {
        Folding::Excluded => 0,
        Folding::Healthy | Folding::Identical => {
            let well = listed.iter().filter(|row| is_well(row)).count();
            listed.retain(|row| !is_well(row));
            well
        }
    };
    let identical = if folding == Folding::Identical { take_identical(&mut listed) } else { Vec::new() };
    for group in &identical {
        let Some(first) = group.first() else { continue };
        let nodes = screen.style.names.join(group, HANDFUL_OF_LONG, ", ", |row| sanitize(row.node));
        let line = format!(
            "{} {} ({}): {}: {nodes}",
            symbol(first.state),
            first.state.name(),
            pluralize(group.len(), "node"),
            reasons_in_short_of(first)
        );
        screen.style.line(out, &line, tone_of(first.state))?;
    }
    if !listed.is_empty() {
        columns(labels, screen).table(listed).write(out, screen.style, screen.headers)?;
    }
    if screen.headers {
        folds(out, well, excluded.into_iter().copied(), screen)?;
    }
    unmapped_pods(out, &coverage.unmapped_pods, screen)
}

/// The reasons of a row without what differs from node to node.
fn reasons_in_short_of(row: &NodeCoverage<'_>) -> String {
    let reasons: Vec<String> = row.reasons.iter().map(summary).collect();
    if reasons.is_empty() { "no reason known".into() } else { reasons.join("; ") }
}

/// Removes the rows that have the same state and reasons as several others, and returns them in groups.
fn take_identical<'r, 'a>(listed: &mut Vec<&'r NodeCoverage<'a>>) -> Vec<Vec<&'r NodeCoverage<'a>>> {
    /// The least number of rows that become one line.
    const GROUP: usize = 4;
    let mut groups: BTreeMap<(State, String), Vec<&'r NodeCoverage<'a>>> = BTreeMap::new();
    for row in listed.iter() {
        groups.entry((row.state, reasons_in_short_of(row))).or_default().push(row);
    }
    groups.retain(|_, rows| rows.len() >= GROUP);
    listed.retain(|row| !groups.contains_key(&(row.state, reasons_in_short_of(row))));
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((state, _), rows)| (*state, std::cmp::Reverse(rows.len())));
    groups.into_iter().map(|(_, rows)| rows).collect()
}

/// Writes the command that explains the first unhealthy node.
fn next_command(out: &mut impl Write, coverage: &Coverage<'_>, shown: &[&NodeCoverage<'_>]) -> io::Result<()> {
    let unhealthy = shown.iter().filter(|row| State::UNHEALTHY.contains(&row.state));
    let Some(worst) = unhealthy.min_by_key(|row| (row.state, row.node)) else { return Ok(()) };
    let line = CommandLine::own_program("why-not").name(worst.node).name(coverage.name());
    match line.namespace(coverage.namespace()).offered() {
        Some(line) => writeln!(out, "→ {line}"),
        None => Ok(()),
    }
}

/// Writes the nodes without a row: one line for the healthy ones, and one line per cause for the excluded ones.
fn folds<'r, 'a: 'r>(
    out: &mut impl Write,
    well: usize,
    excluded: impl Iterator<Item = &'r NodeCoverage<'a>>,
    screen: ViewOptions,
) -> io::Result<()> {
    if well > 0 {
        let line = format!("{} {}: Available (--all lists them)", symbol(State::Available), pluralize(well, "node"));
        screen.style.line(out, &line, tone_of(State::Available))?;
    }
    let sign = symbol(State::Excluded);
    let causes = folded(excluded);
    let (shown, more) = screen.style.names.split(&causes, CAUSES);
    for cause in shown {
        screen.style.line(out, &format!("{sign} {}: {}", cause.nodes, cause.causes), Tone::Quiet)?;
    }
    match more {
        0 => Ok(()),
        more => screen.style.line(out, &format!("{sign} {more} more reasons (--all lists all nodes)"), Tone::Quiet),
    }
}

/// Writes the pods that cannot be mapped to a node of the cluster.
fn unmapped_pods(out: &mut impl Write, pods: &[&PodSummary], screen: ViewOptions) -> io::Result<()> {
    let (shown, more) = screen.style.names.split(pods, STRAYS);
    for pod in shown {
        let what = match pod.target_node() {
            Some(node) => format!("is assigned to node {node}, which does not exist"),
            None => "is not assigned to a node: the controller does not count it".into(),
        };
        screen.style.line(out, &sanitize(&format!("! pod {} {what}", pod.metadata.name)), Tone::Warning)?;
    }
    match more {
        0 => Ok(()),
        more => screen.style.line(out, &format!("! and {more} more such pods (-o wide lists all)"), Tone::Warning),
    }
}

/// Writes two lines: the DaemonSet, and its counts.
fn head(out: &mut impl Write, coverage: &Coverage<'_>, screen: ViewOptions) -> io::Result<()> {
    let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
    let revision = revision_in_words(&coverage.revision);
    let strategy = sanitize(&super::report::strategy(coverage));
    screen.style.line(out, &format!("DaemonSet {name}  {strategy}  {revision}"), Tone::Strong)?;
    counts_line(out, coverage, screen)?;
    writeln!(out)
}

fn counts_line(out: &mut impl Write, coverage: &Coverage<'_>, screen: ViewOptions) -> io::Result<()> {
    let counts = &coverage.counts;
    let (bar, tone) = known_bar(counts.available, counts.desired);
    let wanted = counts.desired.map_or_else(|| "? nodes".to_owned(), |desired| pluralize(desired, "node"));
    let covered = format!("{} of {wanted} covered", number(counts.available));
    let bar = if screen.is_terminal() { format!("{bar} ") } else { String::new() };
    screen.style.line(out, &format!("{bar}{covered}{}", tally(coverage)), tone)
}

/// `, 2 Missing, 1 NotReady, 3 outdated`.
fn tally(coverage: &Coverage<'_>) -> String {
    let mut tally = String::new();
    for state in State::ALL {
        let number = coverage.in_state(state);
        if number > 0 && state != State::Available {
            tally.push_str(&format!(", {number} {}", state.name()));
        }
    }
    let is_old = |row: &&NodeCoverage<'_>| row.placement == Some(Placement::Run) && row.up_to_date == Some(false);
    match coverage.rows.iter().filter(is_old).count() {
        0 => {}
        old => tally.push_str(&format!(", {old} outdated")),
    }
    if let Some(down) = uncounted_down_nodes(coverage.rows.iter()) {
        tally.push_str(&format!(", {down}"));
    }
    match coverage.unmapped_pods.len() {
        0 => {}
        unmapped_pods => tally.push_str(&format!(", {} without a node", pluralize(unmapped_pods, "pod"))),
    }
    tally
}

fn columns<'f, 'a: 'f>(labels: &'f [String], screen: ViewOptions) -> Columns<'f, NodeCoverage<'a>> {
    let columns = Columns::<NodeCoverage<'a>>::new()
        .add(Column::text("NODE"), |row| plain(sanitize(row.node)))
        .add(Column::text("STATE"), move |row| (screen.signed(symbol(row.state), row.state.name()), tone_of(row.state)))
        .add(Column::text("SINCE").weight(3), move |row| {
            row.uncovered_since.map_or_else(dash, |since| plain(age(since, screen.now)))
        })
        .add(Column::text("POD").weight(4), |row| match row.pods.as_slice() {
            [] => dash(),
            [pod] => plain(sanitize(&pod.metadata.name)),
            [pod, others @ ..] => plain(sanitize(&format!("{} +{}", pod.metadata.name, others.len()))),
        })
        .add(Column::number("RESTARTS").weight(3), |row| match row.restarts() {
            Some(restarts) if restarts > 0 => (restarts.to_string(), Tone::Warning),
            Some(restarts) => plain(restarts.to_string()),
            None => dash(),
        })
        .add(Column::text("REVISION").weight(2), |row| match (row.pods.is_empty(), row.up_to_date) {
            (true, _) => dash(),
            (_, Some(true)) => plain("current".into()),
            (_, Some(false)) => ("outdated".into(), Tone::Warning),
            (_, None) => ("?".into(), Tone::Warning),
        })
        .add(Column::text("AGE").weight(1), move |row| {
            row.created().map_or_else(dash, |created| plain(age(created, screen.now)))
        })
        .add_if(screen.wide, Column::text("IMAGES").weight(0), |row| {
            let images: Vec<String> = row.pods.first().map(|pod| images(pod)).unwrap_or_default();
            if images.is_empty() { dash() } else { plain(images.join(",")) }
        })
        .add_if(screen.wide, Column::text("ZONE").weight(0), |row| {
            let zone = row.labels.and_then(|labels| labels.get(ZONE_LABEL));
            zone.map_or_else(dash, |zone| plain(sanitize(zone)))
        })
        .add_if(screen.wide, Column::text("HASH").weight(0), |row| {
            let hash = row.pods.first().and_then(|pod| revision_of(&pod.metadata.labels));
            hash.map_or_else(dash, |hash| plain(sanitize(hash)))
        });
    let columns = labels.iter().fold(columns, |columns, label| {
        columns.add(Column::text(label_title(label)).weight(3), move |row| {
            let value = row.labels.and_then(|labels| labels.get(label));
            value.map_or_else(dash, |value| plain(sanitize(value)))
        })
    });
    columns.add(Column::text("REASON"), move |row| {
        let reasons: Vec<String> =
            row.reasons.iter().map(|reason: &Reason| detail(reason, screen.now, screen.style.names)).collect();
        plain(screen.style.names.join(&reasons, HANDFUL, "; ", String::clone))
    })
}

/// The title of a label's column, as in kubectl: its name in capitals, without the prefix.
fn label_title(label: &str) -> &'static str {
    // Titles are constants otherwise; these few live as long as the arguments of the process.
    sanitize(label.rsplit('/').next().unwrap_or(label)).to_uppercase().leak()
}

/// The images that the kubelet reports, by container.
fn images(pod: &PodSummary) -> Vec<String> {
    pod.status.container_statuses.iter().map(|status| sanitize(&status.image)).collect()
}

fn plain(text: String) -> (String, Tone) {
    (text, Tone::Plain)
}

fn dash() -> (String, Tone) {
    ("-".to_owned(), Tone::Quiet)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::ListLength;
    use crate::render::style::{Palette, Style};

    fn row<'a>(node: &'a str, state: State, reasons: Vec<Reason>) -> NodeCoverage<'a> {
        NodeCoverage {
            node,
            labels: None,
            placement: Some(Placement::Run),
            state,
            pods: Vec::new(),
            is_available: state == State::Available,
            uncovered_since: None,
            up_to_date: None,
            reasons,
            wants_events: false,
        }
    }

    fn lines(rows: &[NodeCoverage<'_>], height: Option<usize>, unfolded: bool) -> Vec<String> {
        let style = Style { palette: Palette::None, width: Some(80), height, names: ListLength::Handful };
        let screen = ViewOptions { unfolded, ..ViewOptions::new(style, jiff::Timestamp::UNIX_EPOCH) };
        let daemon_set = crate::testing::objects::daemon_set("logging", "agent", serde_json::json!({}));
        let coverage = Coverage {
            daemon_set: &daemon_set,
            revision: crate::revision::CurrentRevision::new(&daemon_set, &crate::snapshot::Known::Known(Vec::new())),
            counts: crate::coverage::Counts::default(),
            rows: Vec::new(),
            unmapped_pods: Vec::new(),
        };
        let mut out = Vec::new();
        nodes(&mut out, &coverage, &rows.iter().collect::<Vec<_>>(), &[], screen).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn healthy_nodes_are_folded_when_they_do_not_fit() {
        let names: Vec<String> = (0..59).map(|number| format!("n{number}")).collect();
        let mut rows: Vec<NodeCoverage<'_>> =
            names.iter().map(|name| row(name, State::Available, Vec::new())).collect();
        let trouble = Reason::CrashLoopBackOff { container: "main".into(), restarts: 7, last_exit: None };
        rows.push(row("bad", State::NotReady, vec![trouble]));
        let folded = lines(&rows, Some(24), false);
        assert!(folded.len() < 12, "{folded:?}");
        assert!(folded.iter().any(|line| line.starts_with("bad ")), "{folded:?}");
        assert!(folded.iter().any(|line| line == "■ 59 nodes: Available (--all lists them)"), "{folded:?}");
        assert_eq!(folded.last().unwrap(), "→ kubectl ds why-not bad agent -n logging");
        assert!(lines(&rows, Some(80), false).len() > 60);
        assert!(lines(&rows, Some(24), true).len() > 60);
        assert!(lines(&rows, None, false).len() > 60);
    }

    #[test]
    fn identical_trouble_is_folded_when_it_does_not_fit() {
        let names: Vec<String> = (0..50).map(|number| format!("n{number:02}")).collect();
        let reason = || Reason::ContainersNotReady { containers: vec!["main".into()] };
        let mut rows: Vec<NodeCoverage<'_>> =
            names[..49].iter().map(|name| row(name, State::NotReady, vec![reason()])).collect();
        rows.push(row(&names[49], State::Missing, vec![Reason::NotCreated]));
        let folded = lines(&rows, Some(24), false);
        assert!(folded.len() < 14, "{folded:?}");
        let group = "✗ NotReady (49 nodes): containers not ready: n00, n01, n02 and 46 more";
        assert!(folded.iter().any(|line| line == group), "{folded:?}");
        assert!(folded.iter().any(|line| line.starts_with("n49 ")), "{folded:?}");
    }
}
