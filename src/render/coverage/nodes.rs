//! One row per node of one DaemonSet, unhealthy nodes first.

use std::io::{self, Write};

use super::{folded, known_bar, number, revision_in_words, uncounted_down_nodes};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::name_list::HANDFUL;
use crate::render::reason::detail;
use crate::render::style::{Tone, symbol, tone_of};
use crate::render::table::{Column, Columns};
use crate::render::text::{pluralize, sanitize};
use crate::revision::revision_of;
use crate::snapshot::PodSummary;

/// The well-known label with the zone of a node.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// On a terminal, more healthy nodes than this are folded into one line.
const WELL: usize = 100;
/// The number of pods without a node that are listed.
const STRAYS: usize = 8;
/// The number of causes of exclusion that are listed.
const CAUSES: usize = 20;

/// Writes the head and the table of one DaemonSet, limited to the rows in `shown`.
pub(crate) fn nodes(
    out: &mut impl Write,
    coverage: &Coverage<'_>,
    shown: &[&NodeCoverage<'_>],
    screen: ViewOptions,
) -> io::Result<()> {
    if screen.headers {
        head(out, coverage, screen)?;
    }
    let is_folded = |row: &&&NodeCoverage<'_>| row.state == State::Excluded && !screen.unfolded;
    let (excluded, listed): (Vec<&&NodeCoverage<'_>>, Vec<&&NodeCoverage<'_>>) = shown.iter().partition(is_folded);
    let mut listed: Vec<&NodeCoverage<'_>> = listed.into_iter().copied().collect();
    listed.sort_by_key(|row| (row.state, row.node));
    let well = fold_healthy(&mut listed, screen);
    if !listed.is_empty() {
        columns(screen).table(listed).write(out, screen.style, screen.headers)?;
    }
    folds(out, well, excluded.into_iter().copied(), screen)?;
    unmapped_pods(out, &coverage.unmapped_pods, screen)
}

/// Writes the nodes without a row: one line for the healthy ones, and one line per cause for the excluded ones.
fn folds<'r, 'a: 'r>(
    out: &mut impl Write,
    well: usize,
    excluded: impl Iterator<Item = &'r NodeCoverage<'a>>,
    screen: ViewOptions,
) -> io::Result<()> {
    if well > 0 {
        let line = format!("{} {well} nodes: Available (--all lists them)", symbol(State::Available));
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

/// Removes healthy rows on a terminal, where thousands of them would push unhealthy ones off the screen. Returns their
/// number.
fn fold_healthy(listed: &mut Vec<&NodeCoverage<'_>>, screen: ViewOptions) -> usize {
    let is_well = |row: &&&NodeCoverage<'_>| row.state == State::Available && row.reasons.is_empty();
    let well = listed.iter().filter(is_well).count();
    if screen.unfolded || screen.style.width.is_none() || well <= WELL {
        return 0;
    }
    listed.retain(|row| !is_well(&row));
    well
}

/// Writes two lines: the DaemonSet, and its counts.
fn head(out: &mut impl Write, coverage: &Coverage<'_>, screen: ViewOptions) -> io::Result<()> {
    let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
    let revision = revision_in_words(&coverage.revision);
    let strategy = sanitize(&super::report::strategy(coverage));
    screen.style.line(out, &format!("DaemonSet {name}  {strategy}  {revision}"), Tone::Strong)?;

    let counts = &coverage.counts;
    let (bar, tone) = known_bar(counts.available, counts.desired);
    let wanted = counts.desired.map_or_else(|| "? nodes".to_owned(), |desired| pluralize(desired, "node"));
    let covered = format!("{} of {wanted} covered", number(counts.available));
    let line = format!("{bar} {covered}{}", tally(coverage));
    screen.style.line(out, &line, tone)?;
    writeln!(out)
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

fn columns<'a>(screen: ViewOptions) -> Columns<'static, NodeCoverage<'a>> {
    Columns::<NodeCoverage<'a>>::new()
        .add(Column::text("NODE"), |row| plain(sanitize(row.node)))
        .add(Column::text("STATE"), |row| (format!("{} {}", symbol(row.state), row.state.name()), tone_of(row.state)))
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
        .add_if(screen.wide, Column::text("ZONE").weight(0), |row| {
            let zone = row.labels.and_then(|labels| labels.get(ZONE_LABEL));
            zone.map_or_else(dash, |zone| plain(sanitize(zone)))
        })
        .add_if(screen.wide, Column::text("HASH").weight(0), |row| {
            let hash = row.pods.first().and_then(|pod| revision_of(&pod.metadata.labels));
            hash.map_or_else(dash, |hash| plain(sanitize(hash)))
        })
        .add(Column::text("REASON"), move |row| {
            let reasons: Vec<String> =
                row.reasons.iter().map(|reason: &Reason| detail(reason, screen.now, screen.style.names)).collect();
            plain(screen.style.names.join(&reasons, HANDFUL, "; ", String::clone))
        })
}

fn plain(text: String) -> (String, Tone) {
    (text, Tone::Plain)
}

fn dash() -> (String, Tone) {
    ("-".to_owned(), Tone::Quiet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::ListLength;
    use crate::render::style::Style;

    fn healthy<'a>(node: &'a str) -> NodeCoverage<'a> {
        let (labels, placement) = (None, Some(Placement::Run));
        let state = State::Available;
        NodeCoverage {
            node,
            labels,
            placement,
            state,
            pods: Vec::new(),
            is_available: true,
            up_to_date: None,
            reasons: Vec::new(),
            wants_events: false,
        }
    }

    #[test]
    fn many_healthy_nodes_are_folded_on_a_terminal() {
        let screen = |width, unfolded| {
            let style = Style { color: false, width, names: ListLength::Handful };
            ViewOptions { unfolded, ..ViewOptions::new(style, jiff::Timestamp::UNIX_EPOCH) }
        };
        let mut rows: Vec<NodeCoverage<'_>> = (0..=WELL).map(|_| healthy("node")).collect();
        rows.push(NodeCoverage { state: State::Missing, ..healthy("lost") });
        let folded = |width, unfolded| {
            let mut listed: Vec<&NodeCoverage<'_>> = rows.iter().collect();
            let well = fold_healthy(&mut listed, screen(width, unfolded));
            (well, listed.len())
        };
        assert_eq!(folded(Some(80), false), (WELL + 1, 1));
        assert_eq!(folded(Some(80), true), (0, WELL + 2));
        assert_eq!(folded(None, false), (0, WELL + 2));
    }
}
