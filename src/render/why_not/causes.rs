//! The causes for which a DaemonSet is not healthy, each with its nodes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::coverage::Coverage;
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::command_line::CommandLine;
use crate::render::coverage::{cause_in_short, why_none_is_eligible};
use crate::render::name_list::HANDFUL;
use crate::render::style::Tone;
use crate::render::text::{pluralize, sanitize};

/// The nodes with the same cause.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(super) state: State,
    /// Safe text.
    pub(super) text: String,
    pub(crate) nodes: Vec<String>,
}

/// The causes, the most urgent state first, then the one with the most nodes.
pub(crate) fn causes(coverage: &Coverage<'_>) -> Vec<Cause> {
    let mut nodes: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
    for row in &coverage.rows {
        if let Some(text) = cause_in_short(row) {
            nodes.entry((row.state, text)).or_default().push(row.node.to_owned());
        }
    }
    let mut causes: Vec<Cause> = nodes.into_iter().map(|((state, text), nodes)| Cause { state, text, nodes }).collect();
    causes.sort_by_key(|cause| (cause.state, std::cmp::Reverse(cause.nodes.len())));
    causes
}

pub(crate) fn title(
    out: &mut impl Write,
    coverage: &Coverage<'_>,
    causes: &[Cause],
    screen: ViewOptions,
) -> io::Result<()> {
    let tone = match (causes.is_empty(), coverage.counts.desired) {
        (true, Some(0)) => Tone::Warning,
        (true, _) => Tone::Good,
        (false, _) => Tone::Strong,
    };
    screen.style.line(out, &summary(coverage, causes), tone)
}

/// The number of causes and of their nodes.
pub(crate) fn summary(coverage: &Coverage<'_>, causes: &[Cause]) -> String {
    let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
    let nodes = causes.iter().map(|cause| cause.nodes.len()).sum::<usize>();
    let is_without_nodes = coverage.counts.desired == Some(0);
    match (causes.len(), is_without_nodes) {
        (0, true) => format!("{name}: {}", why_none_is_eligible(&coverage.rows)),
        (0, false) => format!("{name}: healthy on every eligible node"),
        (1, _) => format!("{name}: not healthy on {}, one cause", pluralize(nodes, "node")),
        (causes, _) => format!("{name}: not healthy on {}, {causes} causes", pluralize(nodes, "node")),
    }
}

impl Cause {
    /// Writes the number of the cause, its nodes, and for a cause that is not explained the command that does.
    pub(crate) fn heading(
        &self,
        out: &mut impl Write,
        number: usize,
        unexplained: Option<&Coverage<'_>>,
        screen: ViewOptions,
    ) -> io::Result<()> {
        let list = screen.style.names.join(&self.nodes, HANDFUL, ", ", |node| sanitize(node));
        let line = format!("{number}. {}: {}: {list}", pluralize(self.nodes.len(), "node"), self.text);
        writeln!(out)?;
        screen.style.line(out, &line, Tone::Strong)?;
        let command = unexplained.zip(self.nodes.first()).and_then(|(coverage, node)| {
            let line = CommandLine::own_program("why-not").name(node).name(coverage.name());
            line.namespace(coverage.namespace()).offered()
        });
        command.map_or(Ok(()), |line| writeln!(out, "→ {line}"))
    }

    /// Writes what the explanation of one node means for the others.
    pub(crate) fn footer(&self, out: &mut impl Write, screen: ViewOptions) -> io::Result<()> {
        match self.nodes.len() {
            1 => Ok(()),
            _ => {
                let text = "  The other nodes have the same cause: repeat commands that name a node for each of them.";
                screen.style.line(out, text, Tone::Quiet)
            }
        }
    }
}
