//! A row for every DaemonSet, the ones that do not get on first.

use std::io::{self, Write};

use super::{Screen, budget, hold, phase_name, phase_tone};
use crate::render::names::HANDFUL;
use crate::render::style::{Tone, bar};
use crate::render::table::{Column, Table};
use crate::render::text::{count, safe};
use crate::rollout::{Phase, Standing};

/// So many who spend the budget are named in a row.
const SPENDERS: usize = 3;

/// Writes the table.
pub(crate) fn fleet(
    out: &mut impl Write,
    standings: &[Standing<'_>],
    with_namespace: bool,
    screen: Screen,
) -> io::Result<()> {
    if standings.is_empty() {
        return Ok(());
    }
    let namespace = |standing: &Standing<'_>| standing.daemon_set.metadata.namespace.clone().unwrap_or_default();
    let name = |standing: &Standing<'_>| standing.daemon_set.metadata.name.clone().unwrap_or_default();
    let mut order: Vec<&Standing<'_>> = standings.iter().collect();
    order.sort_by_cached_key(|standing| (urgency(standing.phase), namespace(standing), name(standing)));
    let mut columns = Vec::new();
    if with_namespace {
        columns.push(Column::text("NAMESPACE"));
    }
    columns.extend([
        Column::text("NAME"),
        Column::text("PHASE"),
        Column::text("").weight(1),
        Column::number("UPDATED"),
        Column::number("AVAILABLE"),
        Column::text("HELD BY"),
    ]);
    let mut table = Table::new(columns);
    for standing in order {
        let number = |number: usize| match standing.phase {
            Phase::Unknown => "?".to_owned(),
            _ => format!("{number}/{}", standing.desired),
        };
        let (bar, tone) = bar(standing.updated, standing.desired);
        let mut cells = Vec::new();
        if with_namespace {
            cells.push((safe(&namespace(standing)), Tone::Plain));
        }
        cells.extend([
            (safe(&name(standing)), Tone::Plain),
            (phase_name(standing.phase).to_owned(), phase_tone(standing.phase)),
            if standing.phase == Phase::Unknown { ("?".to_owned(), Tone::Warning) } else { (bar, tone) },
            (number(standing.updated), Tone::Plain),
            (number(standing.available), Tone::Plain),
            (held_by(standing, screen), Tone::Plain),
        ]);
        table.row(cells);
    }
    table.write(out, screen.style, screen.titles)
}

fn urgency(phase: Phase) -> usize {
    match phase {
        Phase::Stuck => 0,
        Phase::Unknown => 1,
        Phase::Progressing => 2,
        Phase::NotObserved => 3,
        Phase::WaitsForDeletion => 4,
        Phase::BeingDeleted => 5,
        Phase::Complete => 6,
    }
}

fn held_by(standing: &Standing<'_>, screen: Screen) -> String {
    let mut parts: Vec<String> = match standing.phase {
        Phase::Unknown => return standing.missing.iter().map(|missing| safe(missing)).collect::<Vec<_>>().join("; "),
        Phase::Complete => Vec::new(),
        _ => {
            let holds = standing.holds.iter();
            holds
                .map(|found| format!("{}{}", hold::short(&found.cause), hold::places(&found.nodes, screen.style.names)))
                .collect()
        }
    };
    if parts.is_empty() && standing.phase != Phase::Complete {
        parts.extend(budget(standing, SPENDERS, screen));
    }
    match standing.leftovers.len() {
        0 => {}
        nodes => parts.push(format!("an old pod on {} no longer counted", count(nodes, "node"))),
    }
    screen.style.names.join(&parts, HANDFUL, "; ", String::clone)
}
