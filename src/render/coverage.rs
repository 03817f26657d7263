//! The screens of `coverage`.

mod groups;
mod map;
mod nodes;
mod report;
mod summary_table;

use std::collections::BTreeMap;

pub(crate) use groups::groups;
pub(crate) use map::map;
pub(crate) use nodes::nodes;
pub(crate) use report::Report;
pub(super) use report::{strategy, strategy_of};
pub(crate) use summary_table::summary_table;

use super::name_list::ListLength;
use super::reason::summary;
use super::style::{Style, Tone, bar};
use super::text::pluralize;
use crate::coverage::NodeCoverage;
use crate::explain::{Reason, State};
use crate::placement::{Placement, PlacementFailure};
use crate::rollout::{CurrentRevision, RevisionSource};

/// How a screen is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Colour and room.
    pub(crate) style: Style,
    /// `-o wide`.
    pub(crate) wide: bool,
    /// Not `--no-headers`.
    pub(crate) headers: bool,
    /// `--all`: nodes on which no pod is wanted are not folded.
    pub(crate) unfolded: bool,
    /// The moment that ages are counted to.
    pub(crate) now: jiff::Timestamp,
}

/// A number, or a question mark for what is not known.
fn number(value: Option<usize>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// The bar for what is known of it.
fn known_bar(available: Option<usize>, desired: Option<usize>) -> (String, Tone) {
    match (available, desired) {
        (Some(available), Some(desired)) => bar(available, desired),
        _ => ("?".to_owned(), Tone::Warning),
    }
}

/// How many of `whole` are not in `part`, in a tone that fits.
fn lacking(whole: Option<usize>, part: Option<usize>, tone: Tone) -> (String, Tone) {
    let lacking = whole.zip(part).map(|(whole, part)| whole.saturating_sub(part));
    match lacking {
        Some(0) => ("0".to_owned(), Tone::Quiet),
        lacking => (number(lacking), tone),
    }
}

/// `revision 86bf5b`, with what it rests on where that is no ControllerRevision. Safe text.
pub(in crate::render) fn revision_in_words(revision: &CurrentRevision) -> String {
    let by = match revision.source {
        Some(RevisionSource::ControllerRevision) | None => "",
        Some(RevisionSource::TemplateGeneration) => " (by template generation)",
        Some(RevisionSource::Status) => " (by .status)",
    };
    match revision.hash.known() {
        Some(Some(hash)) => format!("revision {}{by}", super::text::sanitize(hash)),
        Some(None) if by.is_empty() => "revision not made yet".into(),
        // The pods tell hashes, and none of them has it.
        Some(None) => format!("revision not on any node{by}"),
        None => format!("revision unknown{by}"),
    }
}

/// Whether the node is not wanted only because it is down. Such nodes leave the desired number, so that a zone may die
/// and all that is left be well covered: that must be said.
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

/// `2 nodes down and not counted`, if there are any.
fn down_and_not_counted<'r, 'a: 'r>(rows: impl Iterator<Item = &'r NodeCoverage<'a>>) -> Option<String> {
    match rows.filter(|row| is_down(row)).count() {
        0 => None,
        nodes => Some(format!("{} down and not counted", pluralize(nodes, "node"))),
    }
}

/// The first reasons of the rows in trouble, equal ones counted, the commonest first: `3 node not ready`.
fn reasons_in_short<'r, 'a: 'r>(rows: impl Iterator<Item = &'r NodeCoverage<'a>> + Clone) -> Vec<String> {
    // Why a node is not wanted is no trouble.
    let is_trouble =
        |row: &&NodeCoverage<'_>| !matches!(row.state, State::Available | State::Excluded | State::Unknown);
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows.clone().filter(is_trouble).filter(|row| !is_down(row)) {
        if let Some(reason) = Reason::leading(&row.reasons) {
            *tally.entry(summary(reason)).or_default() += 1;
        }
    }
    let mut tally: Vec<(String, usize)> = tally.into_iter().collect();
    tally.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let down = down_and_not_counted(rows);
    down.into_iter().chain(tally.into_iter().map(|(text, times)| format!("{times} {text}"))).collect()
}

/// Excluded rows with equal causes: `12 nodes: taint gpu=present:NoSchedule not tolerated`, the most first.
fn folded<'r, 'a: 'r>(rows: impl Iterator<Item = &'r NodeCoverage<'a>>) -> Vec<String> {
    let mut tally: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in rows {
        let causes: Vec<String> = row.reasons.iter().map(summary).collect();
        tally.entry(ListLength::Handful.list(&causes)).or_default().push(row.node);
    }
    let mut tally: Vec<(String, Vec<&str>)> = tally.into_iter().collect();
    tally.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    let line = |(causes, nodes): (String, Vec<&str>)| match nodes.as_slice() {
        [node] => format!("{}: {causes}", super::text::sanitize(node)),
        nodes => format!("{}: {causes}", pluralize(nodes.len(), "node")),
    };
    tally.into_iter().map(line).collect()
}
