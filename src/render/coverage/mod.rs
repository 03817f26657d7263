//! The screens of `coverage`.

mod fleet;
mod groups;
mod map;
mod nodes;
mod report;

use std::collections::BTreeMap;

pub(crate) use fleet::fleet;
pub(crate) use groups::groups;
pub(crate) use map::map;
pub(crate) use nodes::nodes;
pub(crate) use report::{Report, names};

use super::reason::short;
use super::style::Style;
use super::text::count;
use crate::coverage::Row;
use crate::explain::State;

/// How a screen is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Colour and room.
    pub(crate) style: Style,
    /// `-o wide`.
    pub(crate) wide: bool,
    /// Not `--no-headers`.
    pub(crate) titles: bool,
    /// `--all`: nodes on which no pod is wanted are not folded.
    pub(crate) unfolded: bool,
    /// The moment that ages are counted to.
    pub(crate) now: jiff::Timestamp,
}

/// A number, or a question mark for what is not known.
fn number(value: Option<usize>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// The first reasons of the rows in these states, equal ones counted, the commonest first: `3 node not ready`.
fn reasons_in_short<'r, 'a: 'r>(rows: impl Iterator<Item = &'r Row<'a>>) -> Vec<String> {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows.filter(|row| !matches!(row.state, State::Available | State::Excluded)) {
        if let Some(reason) = row.reasons.first() {
            *tally.entry(short(reason)).or_default() += 1;
        }
    }
    let mut tally: Vec<(String, usize)> = tally.into_iter().collect();
    tally.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    tally.into_iter().map(|(text, times)| format!("{times} {text}")).collect()
}

/// Excluded rows with equal causes: `12 nodes: taint gpu=present:NoSchedule not tolerated`, the most first.
fn folded<'r, 'a: 'r>(rows: impl Iterator<Item = &'r Row<'a>>) -> Vec<String> {
    let mut tally: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in rows {
        let causes: Vec<String> = row.reasons.iter().map(short).collect();
        tally.entry(causes.join(", ")).or_default().push(row.node);
    }
    let mut tally: Vec<(String, Vec<&str>)> = tally.into_iter().collect();
    tally.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    let line = |(causes, nodes): (String, Vec<&str>)| match nodes.as_slice() {
        [node] => format!("{}: {causes}", super::text::safe(node)),
        nodes => format!("{}: {causes}", count(nodes.len(), "node")),
    };
    tally.into_iter().map(line).collect()
}
