//! `--by LABEL`: one row per value of a node label.

use std::io::{self, Write};

use super::{difference, known_bar, number, reasons_in_short};
use crate::coverage::{Coverage, NodeCoverage, by_label};
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::style::Tone;
use crate::render::table::{Column, Table};
use crate::render::text::{sanitize, truncate};

/// The value that is shown for nodes without the label.
pub(super) const NO_VALUE: &str = "<none>";
/// The width of the reasons on a terminal.
const REASON_WIDTH: usize = 60;

/// Writes the table over all given DaemonSets.
pub(crate) fn groups<'a>(
    out: &mut impl Write,
    coverages: &[Coverage<'a>],
    label: &str,
    is_shown: impl Fn(&NodeCoverage<'a>) -> bool,
    screen: ViewOptions,
) -> io::Result<()> {
    let groups = by_label(coverages, label, is_shown);
    if screen.headers {
        screen.style.line(out, &format!("{} by {}", subject(coverages), sanitize(label)), Tone::Strong)?;
    }
    let mut table = Table::new(vec![
        Column::text("VALUE"),
        Column::text("").weight(1),
        Column::number("COVERED"),
        Column::number("MISSING"),
        Column::number("NOT READY"),
        Column::number("MISSCHEDULED").weight(2),
        Column::number("EXCLUDED").weight(3),
        Column::text("REASONS"),
    ]);
    for group in &groups {
        let (bar, tone) = known_bar(group.available, group.desired);
        let trouble = |state: State, tone: Tone| match (group.current, group.in_state(state)) {
            (None, _) => ("?".to_owned(), Tone::Warning),
            (_, 0) => ("0".to_owned(), Tone::Quiet),
            (_, number) => (number.to_string(), tone),
        };
        let reasons = reasons_in_short(group.rows.iter().copied()).join("; ");
        let reasons =
            if screen.style.width.is_some() && !screen.wide { truncate(&reasons, REASON_WIDTH) } else { reasons };
        table.row(vec![
            (group.value.map_or_else(|| NO_VALUE.to_owned(), sanitize), Tone::Plain),
            (bar, tone),
            (format!("{}/{}", number(group.available), number(group.desired)), tone),
            trouble(State::Missing, Tone::Bad),
            difference(group.current, group.ready, Tone::Bad),
            trouble(State::Misscheduled, Tone::Warning),
            trouble(State::Excluded, Tone::Quiet),
            (reasons, Tone::Plain),
        ]);
    }
    table.write(out, screen.style, screen.headers)
}

/// The title of a screen over one or more DaemonSets.
pub(super) fn subject(coverages: &[Coverage<'_>]) -> String {
    match coverages {
        [one] => format!("DaemonSet {}", sanitize(&format!("{}/{}", one.namespace(), one.name()))),
        several => format!("{} DaemonSets combined", several.len()),
    }
}
