//! `--map`: one cell per node, for thousands of nodes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::groups::{NO_VALUE, subject};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::name_list::HANDFUL_OF_NODES;
use crate::render::style::{Tone, symbol, tone_of};
use crate::render::text::{sanitize, width};

/// The number of cells per line without a terminal.
const PIPED_WIDTH: usize = 80;
/// The minimum number of cells per line, even if the name of the group is long.
const LEAST_CELLS: usize = 16;

/// Writes the map. Over several DaemonSets, a cell shows the worst state of its node.
pub(crate) fn map<'a>(
    out: &mut impl Write,
    coverages: &[Coverage<'a>],
    label: Option<&str>,
    is_shown: impl Fn(&NodeCoverage<'a>) -> bool,
    screen: ViewOptions,
) -> io::Result<()> {
    let groups = worst_by_group(coverages, label, is_shown);
    if screen.headers {
        let label = label.map(|label| format!(" by {}", sanitize(label))).unwrap_or_default();
        screen.style.line(out, &format!("{}{label}", subject(coverages)), Tone::Strong)?;
    }
    let total = screen.style.width.unwrap_or(PIPED_WIDTH);
    let name_width = groups.keys().map(|(_, name)| width(name)).max().unwrap_or_default();
    let name_width = name_width.min(total.saturating_sub(LEAST_CELLS + 2));
    let indent = if name_width == 0 { 0 } else { name_width + 2 };
    let cells = total.saturating_sub(indent).max(LEAST_CELLS);
    for ((_, name), nodes) in &groups {
        let states: Vec<State> = nodes.values().copied().collect();
        for (line, chunk) in states.chunks(cells).enumerate() {
            let name = if line == 0 { crate::render::text::truncate(name, name_width) } else { String::new() };
            let blank = " ".repeat(indent.saturating_sub(width(&name)));
            writeln!(out, "{name}{blank}{}", painted(chunk, screen))?;
        }
    }
    legend(out, groups.values().flat_map(BTreeMap::values).copied(), screen)?;
    unhealthy(out, groups.values().flatten().map(|(node, state)| (*node, *state)), screen)
}

/// Writes the names of the nodes that are not healthy, one line per state.
fn unhealthy<'a>(
    out: &mut impl Write,
    nodes: impl Iterator<Item = (&'a str, State)>,
    screen: ViewOptions,
) -> io::Result<()> {
    let mut by_state: BTreeMap<State, Vec<&str>> = BTreeMap::new();
    for (node, state) in nodes.filter(|(_, state)| State::UNHEALTHY.contains(state)) {
        by_state.entry(state).or_default().push(node);
    }
    for (state, nodes) in by_state {
        let nodes = screen.style.names.join(&nodes, HANDFUL_OF_NODES, ", ", |node| sanitize(node));
        screen.style.line(out, &format!("{} {}: {nodes}", symbol(state), state.name()), tone_of(state))?;
    }
    Ok(())
}

/// The groups by name, nodes without the label last. Each group maps its nodes to their worst states.
type Groups<'a> = BTreeMap<(bool, String), BTreeMap<&'a str, State>>;

fn worst_by_group<'a>(
    coverages: &[Coverage<'a>],
    label: Option<&str>,
    is_shown: impl Fn(&NodeCoverage<'a>) -> bool,
) -> Groups<'a> {
    let mut groups = Groups::new();
    for row in coverages.iter().flat_map(|coverage| &coverage.rows).filter(|row| is_shown(row)) {
        let value = label.map(|label| row.labels.and_then(|labels| labels.get(label)));
        let key = match value {
            None => (false, String::new()),
            Some(Some(value)) => (false, sanitize(value)),
            Some(None) => (true, NO_VALUE.to_owned()),
        };
        let cell = groups.entry(key).or_default().entry(row.node).or_insert(row.state);
        *cell = row.state.min(*cell);
    }
    groups
}

/// Paints runs of equal states at once, so that the output does not consist mostly of color codes.
fn painted(states: &[State], screen: ViewOptions) -> String {
    let runs = states.chunk_by(|a, b| a == b);
    let paint = |run: &[State]| match run.first() {
        Some(&state) => screen.style.paint(&symbol(state).to_string().repeat(run.len()), tone_of(state)),
        None => String::new(),
    };
    runs.map(paint).collect()
}

fn legend(out: &mut impl Write, states: impl Iterator<Item = State>, screen: ViewOptions) -> io::Result<()> {
    let mut tally: BTreeMap<State, usize> = BTreeMap::new();
    for state in states {
        *tally.entry(state).or_default() += 1;
    }
    let entry =
        |(state, number): (&State, &usize)| (format!("{} {number} {}", symbol(*state), state.name()), tone_of(*state));
    let mut line_width = 0;
    writeln!(out)?;
    for (text, tone) in tally.iter().map(entry) {
        let room = screen.style.width.unwrap_or(usize::MAX);
        if line_width > 0 && line_width + 3 + width(&text) > room {
            writeln!(out)?;
            line_width = 0;
        }
        let gap = if line_width == 0 { "" } else { "   " };
        line_width += gap.len() + width(&text);
        write!(out, "{gap}{}", screen.style.paint(&text, tone))?;
    }
    writeln!(out)
}
