//! One cell per node, or one per group of nodes if they do not fit.

use std::io::{self, Write};

use super::labels::{step_name, step_sign, step_tone, urgency};
use crate::render::ViewOptions;
use crate::render::style::Tone;
use crate::render::text::width;
use crate::rollout::{NodeProgress, NodeStep};

/// The maximum number of lines.
const LINES: usize = 4;
/// The number of cells per line without a terminal.
const PIPED_WIDTH: usize = 80;

/// Writes the cells in the order of the nodes, and a legend.
pub(crate) fn cells(out: &mut impl Write, nodes: &[NodeProgress<'_>], screen: ViewOptions) -> io::Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let columns = screen.style.width.unwrap_or(PIPED_WIDTH).max(1);
    let (cells, nodes_a_cell) = fitted(nodes, columns * LINES);
    for line in cells.chunks(columns) {
        let runs = line.chunk_by(|a, b| a == b);
        let paint = |run: &[NodeStep]| match run.first() {
            Some(&step) => screen.style.paint(&step_sign(step).to_string().repeat(run.len()), step_tone(step)),
            None => String::new(),
        };
        writeln!(out, "{}", runs.map(paint).collect::<String>())?;
    }
    legend(out, nodes, nodes_a_cell, screen)
}

/// The cells, and the number of nodes per cell. A cell shows the most urgent step of its nodes.
pub(super) fn fitted(nodes: &[NodeProgress<'_>], room: usize) -> (Vec<NodeStep>, usize) {
    let nodes_a_cell = nodes.len().div_ceil(room.max(1)).max(1);
    let worst = |some: &[NodeProgress<'_>]| some.iter().map(|progress| progress.step).min_by_key(|step| urgency(*step));
    (nodes.chunks(nodes_a_cell).filter_map(worst).collect(), nodes_a_cell)
}

fn legend(
    out: &mut impl Write,
    nodes: &[NodeProgress<'_>],
    nodes_a_cell: usize,
    screen: ViewOptions,
) -> io::Result<()> {
    const STEPS: [NodeStep; 6] = [
        NodeStep::Done,
        NodeStep::Starting,
        NodeStep::Replacing,
        NodeStep::Waiting,
        NodeStep::Failing,
        NodeStep::Outdated,
    ];
    let entry = |step: NodeStep| {
        let number = nodes.iter().filter(|progress| progress.step == step).count();
        (number > 0).then(|| (format!("{} {number} {}", step_sign(step), step_name(step)), step_tone(step)))
    };
    let grouped =
        (nodes_a_cell > 1).then(|| (format!("each cell shows the worst of {nodes_a_cell} nodes"), Tone::Quiet));
    let room = screen.style.width.unwrap_or(usize::MAX);
    let mut taken = 0;
    for (text, tone) in STEPS.into_iter().filter_map(entry).chain(grouped) {
        if taken > 0 && taken + 3 + width(&text) > room {
            writeln!(out)?;
            taken = 0;
        }
        let gap = if taken == 0 { "" } else { "   " };
        taken += gap.len() + width(&text);
        write!(out, "{gap}{}", screen.style.paint(&text, tone))?;
    }
    writeln!(out)
}
