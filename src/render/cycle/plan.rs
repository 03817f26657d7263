//! The plan, which is shown before any pod is replaced.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::report::indented;
use crate::coverage::Coverage;
use crate::cycle::{LockStatus, Plan, Planned, Policy, RemovalMethod, Steps};
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::coverage::strategy;
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::rollout::changes_in_words;
use crate::render::rollout::history::{Side, diff};
use crate::render::style::{Tone, symbol, tone_of};
use crate::render::table::{Column, Table};
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{History, TemplateChange};

/// The number of nodes that are shown on a terminal.
const SHOWN: usize = 30;

/// A plan with its inputs.
#[derive(Clone, Copy)]
pub(crate) struct PlanView<'a> {
    pub(crate) coverage: &'a Coverage<'a>,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) policy: &'a Policy,
    /// `None` for a saved cluster.
    pub(crate) lock: Option<&'a LockStatus>,
    /// `None` if the revisions could not be read.
    pub(crate) history: Option<&'a History<'a>>,
    /// Whether the changes of the template are shown as a diff, too.
    pub(crate) with_diff: bool,
}

pub(crate) fn plan(out: &mut impl Write, view: PlanView<'_>, screen: ViewOptions) -> io::Result<()> {
    let PlanView { coverage, plan, policy, lock, history, with_diff } = view;
    let style = screen.style;
    let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
    style.line(
        out,
        &format!("DaemonSet {name}  {}  revision {}", strategy(coverage), sanitize(plan.target)),
        Tone::Strong,
    )?;
    style.line(out, &head(plan, policy), Tone::Plain)?;
    for line in history.map(|history| changes(plan, history, screen.style.names)).unwrap_or_default() {
        style.line(out, &line, Tone::Plain)?;
    }
    if let Some(history) = history.filter(|_| with_diff) {
        diffs(out, plan, history, screen)?;
    }
    if !plan.nodes.is_empty() {
        writeln!(out)?;
        table(out, plan, screen)?;
    }
    skipped(out, plan, screen)?;
    let notes = notes(plan, policy, lock, screen);
    if !notes.is_empty() && !plan.nodes.is_empty() {
        writeln!(out)?;
    }
    notes.iter().try_for_each(|(text, tone)| style.line(out, text, *tone))
}

/// What the new pods change, one line for each revision that is replaced.
fn changes(plan: &Plan<'_>, history: &History<'_>, names: ListLength) -> Vec<String> {
    let changes = replaced_revisions(plan).into_iter().filter_map(|hash| Some((hash, history.changes_since(hash)?)));
    let line = |(hash, changes): (&str, Vec<TemplateChange>)| {
        format!("Changes from revision {}: {}", sanitize(hash), changes_in_words(&changes, names))
    };
    changes.filter(|(_, changes)| !changes.is_empty()).map(line).collect()
}

/// The hashes of the revisions whose pods are replaced.
fn replaced_revisions<'p>(plan: &Plan<'p>) -> BTreeSet<&'p str> {
    plan.nodes.iter().filter_map(|planned| planned.revision).collect()
}

/// Writes the diff from each revision that is replaced to the current template.
fn diffs(out: &mut impl Write, plan: &Plan<'_>, history: &History<'_>, screen: ViewOptions) -> io::Result<()> {
    let current = history.current().map_or(Side::Today(history), Side::Revision);
    for revision in replaced_revisions(plan).into_iter().filter_map(|hash| history.with_hash(hash)) {
        if !revision.is_current {
            writeln!(out)?;
            diff(out, Side::Revision(revision), current, screen.style)?;
        }
    }
    Ok(())
}

fn head(plan: &Plan<'_>, policy: &Policy) -> String {
    let what = if policy.all { "pods" } else { "outdated pods" };
    if plan.nodes.is_empty() {
        return format!("No {what} to replace");
    }
    let how = match policy.removal {
        RemovalMethod::Delete => "",
        RemovalMethod::Evict => ", by eviction",
    };
    let canary = policy.canary.map(|size| format!(" (canary: {size})")).unwrap_or_default();
    format!(
        "Will replace {what} on {}{canary}{how}; max unavailable: {} of {}",
        pluralize(plan.nodes.len(), "node"),
        plan.budget,
        plan.desired
    )
}

fn table(out: &mut impl Write, plan: &Plan<'_>, screen: ViewOptions) -> io::Result<()> {
    let (shown, more) = ListLength::for_terminal(screen.style.width).split(&plan.nodes, SHOWN);
    let mut table = Table::new(vec![
        Column::number("#"),
        Column::text("NODE"),
        Column::text("POD").weight(2),
        Column::text("REVISION").weight(1),
        Column::text("AGE").weight(3),
        Column::text("STATE"),
    ]);
    for (index, planned) in shown.iter().enumerate() {
        table.row(row(index, planned, screen));
    }
    table.write(out, screen.style, screen.headers)?;
    match more {
        0 => Ok(()),
        more => screen.style.line(out, &format!("… {}", pluralize(more, "more node")), Tone::Quiet),
    }
}

fn row(index: usize, planned: &Planned<'_>, screen: ViewOptions) -> Vec<(String, Tone)> {
    let created = planned.created.map_or_else(|| "-".to_owned(), |created| age(created, screen.now));
    vec![
        ((index + 1).to_string(), Tone::Quiet),
        (sanitize(planned.node), Tone::Plain),
        (sanitize(&planned.pod.name), Tone::Plain),
        (planned.revision.map_or_else(|| "-".to_owned(), sanitize), Tone::Plain),
        (created, Tone::Plain),
        (format!("{} {}", symbol(planned.state), planned.state.name()), tone_of(planned.state)),
    ]
}

fn skipped(out: &mut impl Write, plan: &Plan<'_>, screen: ViewOptions) -> io::Result<()> {
    if plan.skipped.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    screen.style.line(out, &format!("{} skipped:", pluralize(plan.skipped.len(), "node")), Tone::Warning)?;
    let (shown, more) = ListLength::for_terminal(screen.style.width).split(&plan.skipped, SHOWN);
    for skipped in shown {
        let line = format!("{}: {}", sanitize(skipped.node), super::text::skip(&skipped.why, screen.now));
        indented(out, &line, Tone::Plain, screen)?;
    }
    match more {
        0 => Ok(()),
        more => indented(out, &format!("… {}", pluralize(more, "more node")), Tone::Quiet, screen),
    }
}

/// The steps on each node, if there are others than the replacement.
fn steps(policy: &Policy) -> Option<String> {
    let Steps { before, after, cordon } = policy.steps;
    let steps = [
        (cordon, "cordon"),
        (before, "--before"),
        (true, "replace the pod"),
        (policy.requires, "wait for --require"),
        (after, "--after"),
        (cordon, "uncordon"),
    ];
    let steps: Vec<&str> = steps.into_iter().filter_map(|(is_done, step)| is_done.then_some(step)).collect();
    (steps.len() > 1).then(|| format!("On each node: {}", steps.join(", ")))
}

/// What the user should know before confirming.
fn notes(plan: &Plan<'_>, policy: &Policy, lock: Option<&LockStatus>, screen: ViewOptions) -> Vec<(String, Tone)> {
    let mut notes = Vec::new();
    let up_to_date = (plan.up_to_date > 0).then(|| format!("{} up to date", pluralize(plan.up_to_date, "node")));
    // With --all, the pods of other nodes may be up to date.
    let what = if policy.all { "other node" } else { "outdated node" };
    let not_selected = (plan.not_selected > 0).then(|| format!("{} not selected", pluralize(plan.not_selected, what)));
    let rest: Vec<String> = up_to_date.into_iter().chain(not_selected).collect();
    if !rest.is_empty() {
        notes.push((rest.join("; "), Tone::Quiet));
    }
    if !plan.unfinished.is_empty() {
        let nodes: Vec<&str> = plan.unfinished.iter().map(|unfinished| unfinished.node).collect();
        let named = screen.style.names.join(&nodes, HANDFUL_OF_NODES, ", ", |node| sanitize(node));
        let nodes = pluralize(nodes.len(), "node");
        notes.push((
            format!("{nodes} still cordoned by an earlier cycle, to be finished first: {named}"),
            Tone::Warning,
        ));
    }
    if plan.nodes.is_empty() {
        return notes;
    }
    notes.extend(steps(policy).map(|text| (text, Tone::Plain)));
    if !plan.unavailable.is_empty() {
        let nodes = pluralize(plan.unavailable.len(), "node");
        let (counts, recovery) =
            if plan.unavailable.len() == 1 { ("counts", "it recovers") } else { ("count", "they recover") };
        let named = screen.style.names.join(&plan.unavailable, HANDFUL_OF_NODES, ", ", |node| sanitize(node));
        let mut text =
            format!("! {nodes} already unavailable ({named}), which {counts} against max unavailable {}", plan.budget);
        if plan.unavailable.len() >= plan.budget {
            let enough = plan.unavailable.len() + 1;
            text += &format!(": no other pod will be replaced until {recovery} (or use --max-unavailable {enough})");
        }
        notes.push((text, Tone::Warning));
    }
    if policy.max_failures >= plan.budget {
        let text = "! failed nodes count as unavailable, so a --max-failures value above the budget has no effect";
        notes.push((text.to_owned(), Tone::Warning));
    }
    notes.extend(lock.map(|lock| match super::text::lock_status(lock) {
        (text, true) => (text, Tone::Warning),
        (text, false) => (text, Tone::Quiet),
    }));
    notes
}
