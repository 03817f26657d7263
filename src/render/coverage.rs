//! The screens and reports of `coverage`.

mod attention;
mod groups;
mod map;
mod nearest_miss;
mod nodes;
mod report;
mod shared_causes;
mod summary_table;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use attention::attention;
pub(crate) use groups::groups;
pub(crate) use map::map;
pub(crate) use nearest_miss::why_none_is_eligible;
pub(crate) use nodes::nodes;
pub(crate) use report::Report;
pub(super) use report::{strategy, strategy_of};
pub(crate) use shared_causes::{by_node, cause_in_short, node_causes};
pub(crate) use summary_table::summary_table;

use super::ViewOptions;
use super::name_list::{HANDFUL, ListLength};
use super::reason::summary;
use super::style::{Tone, bar};
use super::text::pluralize;
use crate::coverage::NodeCoverage;
use crate::explain::{Reason, State};
use crate::placement::{Placement, PlacementFailure};
use crate::revision::{CurrentRevision, RevisionSource};

/// A number, or a question mark if it is unknown.
fn number(value: Option<usize>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// A bar, or a question mark if a number is unknown.
fn known_bar(available: Option<usize>, desired: Option<usize>) -> (String, Tone) {
    match (available, desired) {
        (Some(available), Some(desired)) => bar(available, desired),
        _ => ("?".to_owned(), Tone::Warning),
    }
}

/// The difference of `whole` and `part`, in `tone` unless it is zero.
fn difference(whole: Option<usize>, part: Option<usize>, tone: Tone) -> (String, Tone) {
    let difference = whole.zip(part).map(|(whole, part)| whole.saturating_sub(part));
    match difference {
        Some(0) => ("0".to_owned(), Tone::Quiet),
        difference => (number(difference), tone),
    }
}

/// `revision 86bf5b`, with its source if it is not a ControllerRevision. Safe text.
pub(in crate::render) fn revision_in_words(revision: &CurrentRevision) -> String {
    let by = match revision.source {
        Some(RevisionSource::ControllerRevision) | None => "",
        Some(RevisionSource::TemplateGeneration) => " (by template generation)",
        Some(RevisionSource::Status) => " (by .status)",
    };
    match revision.hash.known() {
        Some(Some(hash)) => format!("revision {}{by}", super::text::sanitize(hash)),
        Some(None) if by.is_empty() => "revision not created yet".into(),
        // Pods have hashes, but none of them is the current one.
        Some(None) => format!("revision not on any node{by}"),
        None => format!("revision unknown{by}"),
    }
}

/// Whether the node is not eligible only because it is down. The desired number excludes such nodes, so that coverage
/// can be complete although a whole zone is down: the screens show their number.
fn is_down(row: &NodeCoverage<'_>) -> bool {
    let is_eligible = row.placement.is_none_or(|placement| placement == Placement::Run);
    let mut failures = row.reasons.iter().filter_map(|reason| match reason {
        Reason::NotEligible(failure) => Some(failure),
        _ => None,
    });
    let is_lifecycle = |failure: &PlacementFailure| match failure {
        PlacementFailure::Taint { taint } => taint.is_node_lifecycle_taint(),
        _ => false,
    };
    !is_eligible && failures.all(is_lifecycle)
}

/// `2 NotReady nodes excluded from DESIRED`, if there are any.
fn uncounted_down_nodes<'r, 'a: 'r>(rows: impl Iterator<Item = &'r NodeCoverage<'a>>) -> Option<String> {
    let nodes: BTreeSet<&str> = rows.filter(|row| is_down(row)).map(|row| row.node).collect();
    (!nodes.is_empty()).then(|| format!("{} excluded from DESIRED", pluralize(nodes.len(), "NotReady node")))
}

/// Whether the reasons of the row explain a problem.
fn is_trouble(row: &NodeCoverage<'_>) -> bool {
    match row.state {
        // Excluded nodes are not unhealthy.
        State::Available | State::Excluded => false,
        // That new pods are rejected is known even where the pods are not.
        State::Unknown => Reason::leading(&row.reasons).is_some_and(Reason::is_rejection),
        State::Missing
        | State::Failed
        | State::NotReady
        | State::Pending
        | State::Succeeded
        | State::Terminating
        | State::Starting
        | State::Misscheduled
        | State::Ready => true,
    }
}

/// The first reason of each unhealthy row, the most frequent first, as in `node not ready (3 nodes)`.
fn reasons_in_short<'r, 'a: 'r>(rows: impl Iterator<Item = &'r NodeCoverage<'a>> + Clone) -> Vec<String> {
    let mut tally: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in rows.clone().filter(|row| is_trouble(row) && !is_down(row)) {
        if let Some(reason) = Reason::leading(&row.reasons) {
            tally.entry(summary(reason)).or_default().insert(row.node);
        }
    }
    let mut tally: Vec<(String, usize)> = tally.into_iter().map(|(text, nodes)| (text, nodes.len())).collect();
    tally.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let down = uncounted_down_nodes(rows);
    let line = |(text, nodes): (String, usize)| format!("{text} ({})", pluralize(nodes, "node"));
    // Causes that can be fixed come first.
    tally.into_iter().map(line).chain(down).collect()
}

/// The number of reasons per row: on a terminal the most frequent ones; `-o wide` and a pipe show more.
fn reasons_on(screen: ViewOptions) -> usize {
    const ON_TERMINAL: usize = 2;
    if screen.is_terminal() && !screen.wide { ON_TERMINAL } else { HANDFUL }
}

/// Excluded nodes with the same causes.
struct ExcludedGroup {
    causes: String,
    /// The name of a single node, or the number of nodes. Safe text.
    nodes: String,
}

/// Groups excluded rows by their causes, the largest group first.
fn folded<'r, 'a: 'r>(rows: impl Iterator<Item = &'r NodeCoverage<'a>>) -> Vec<ExcludedGroup> {
    let mut tally: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in rows {
        let causes: Vec<String> = row.reasons.iter().map(summary).collect();
        tally.entry(ListLength::Handful.list(&causes)).or_default().push(row.node);
    }
    let mut tally: Vec<(String, Vec<&str>)> = tally.into_iter().collect();
    tally.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    let group = |(causes, nodes): (String, Vec<&str>)| ExcludedGroup {
        causes,
        nodes: match nodes.as_slice() {
            [node] => super::text::sanitize(node),
            nodes => pluralize(nodes.len(), "node"),
        },
    };
    tally.into_iter().map(group).collect()
}
