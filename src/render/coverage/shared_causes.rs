//! Nodes that cost several DaemonSets for the same reason: a node that is down, full or under pressure. They are reported
//! once instead of in every row.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};

use super::{is_down, is_trouble};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::Reason;
use crate::render::ViewOptions;
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL_OF_LONG, ListLength};
use crate::render::reason::summary;
use crate::render::style::Tone;
use crate::render::table::{Column, Columns};
use crate::render::text::{pluralize, sanitize};

/// The number of causes above a table.
const CAUSES: usize = 5;

/// One cause on one node, with the DaemonSets that it affects.
#[derive(Debug)]
pub(crate) struct NodeCause<'a> {
    pub(crate) node: &'a str,
    cause: String,
    /// `NAMESPACE/NAME`, sorted.
    daemon_sets: Vec<String>,
}

/// What keeps the node from being covered, in short; `None` if nothing does.
pub(crate) fn cause_in_short(row: &NodeCoverage<'_>) -> Option<String> {
    if is_down(row) {
        return Some("node not ready".into());
    }
    is_trouble(row).then(|| Reason::leading(&row.reasons).map(summary)).flatten()
}

/// The causes of all nodes, those that affect the most DaemonSets first.
pub(crate) fn node_causes<'a>(coverages: &[&Coverage<'a>]) -> Vec<NodeCause<'a>> {
    let mut tally: BTreeMap<(&'a str, String), BTreeSet<String>> = BTreeMap::new();
    for coverage in coverages {
        let name = || format!("{}/{}", coverage.namespace(), coverage.name());
        for row in &coverage.rows {
            if let Some(cause) = cause_in_short(row) {
                tally.entry((row.node, cause)).or_default().insert(name());
            }
        }
    }
    let cause = |((node, cause), daemon_sets): ((&'a str, String), BTreeSet<String>)| NodeCause {
        node,
        cause,
        daemon_sets: daemon_sets.into_iter().collect(),
    };
    let mut causes: Vec<NodeCause<'a>> = tally.into_iter().map(cause).collect();
    // The sort is stable: nodes with as many DaemonSets stay in the order of their names.
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.daemon_sets.len()));
    causes
}

/// The causes that affect several DaemonSets.
#[derive(Debug, Default)]
pub(crate) struct SharedCauses<'a> {
    causes: Vec<NodeCause<'a>>,
    pairs: HashSet<(&'a str, String)>,
}

impl<'a> SharedCauses<'a> {
    pub(crate) fn new(coverages: &[&Coverage<'a>]) -> Self {
        let causes: Vec<NodeCause<'a>> =
            node_causes(coverages).into_iter().filter(|cause| cause.daemon_sets.len() > 1).collect();
        let pairs = causes.iter().map(|cause| (cause.node, cause.cause.clone())).collect();
        Self { causes, pairs }
    }

    /// Whether the cause of the row was reported for its node.
    pub(super) fn has(&self, row: &NodeCoverage<'a>) -> bool {
        !self.pairs.is_empty() && cause_in_short(row).is_some_and(|cause| self.pairs.contains(&(row.node, cause)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }

    /// One line for each cause; nodes with the same cause and the same DaemonSets share a line.
    pub(crate) fn write(&self, out: &mut impl Write, screen: ViewOptions) -> io::Result<()> {
        let mut lines: Vec<(&NodeCause<'_>, Vec<&str>)> = Vec::new();
        for cause in &self.causes {
            let is_same = |known: &NodeCause<'_>| known.cause == cause.cause && known.daemon_sets == cause.daemon_sets;
            match lines.iter_mut().find(|(known, _)| is_same(known)) {
                Some((_, nodes)) => nodes.push(cause.node),
                None => lines.push((cause, vec![cause.node])),
            }
        }
        let (shown, more) = screen.style.names.split(&lines, CAUSES);
        for (cause, nodes) in shown {
            let nodes = screen.style.names.join(nodes, HANDFUL_OF_LONG, ", ", |node| sanitize(node));
            let affected = pluralize(cause.daemon_sets.len(), "DaemonSet");
            let names = screen.style.names.join(&cause.daemon_sets, HANDFUL_OF_LONG, ", ", |name| sanitize(name));
            screen.style.line(out, &format!("✗ {nodes}: {}: {affected} ({names})", cause.cause), Tone::Bad)?;
        }
        match more {
            0 => Ok(()),
            more => screen.style.line(out, &format!("✗ {more} more such nodes (--by-node lists them)"), Tone::Bad),
        }
    }

    /// The command that explains the node that affects the most DaemonSets.
    pub(crate) fn next_command(&self) -> Option<CommandLine> {
        self.causes.first().map(|cause| CommandLine::own_program("why-not").name(cause.node))
    }
}

/// `--by-node`: one row for each cause on each node.
pub(crate) fn by_node(out: &mut impl Write, causes: &[NodeCause<'_>], screen: ViewOptions) -> io::Result<()> {
    if causes.is_empty() {
        return Ok(());
    }
    let columns = Columns::<NodeCause<'_>>::new()
        .add(Column::text("NODE"), |cause| (sanitize(cause.node), Tone::Plain))
        .add(Column::number("DAEMONSETS"), |cause| (cause.daemon_sets.len().to_string(), Tone::Plain))
        .add(Column::text("NAMES").weight(1), |cause| {
            let names = if screen.is_terminal() { screen.style.names } else { ListLength::All };
            (names.join(&cause.daemon_sets, HANDFUL_OF_LONG, ",", |name| sanitize(name)), Tone::Plain)
        })
        .add(Column::text("REASON"), |cause| (cause.cause.clone(), Tone::Plain));
    columns.table(causes).write(out, screen.style, screen.headers)
}
