//! `--by LABEL`: one row per value of a node label.

use std::io::{self, Write};

use super::{difference, known_bar, number, reasons_in_short, reasons_on};
use crate::coverage::{Coverage, Group, NodeCoverage, by_label};
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::style::Tone;
use crate::render::table::{Column, Columns};
use crate::render::text::sanitize;

/// The value that is shown for nodes without the label.
pub(super) const NO_VALUE: &str = "<none>";

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
    columns(screen).table(&groups).write(out, screen.style, screen.headers)
}

fn columns<'r, 'a: 'r>(screen: ViewOptions) -> Columns<'r, Group<'r, 'a>> {
    let counted = |group: &Group<'r, 'a>| known_bar(group.available, group.desired);
    let in_state = |state: State, tone: Tone| {
        move |group: &Group<'r, 'a>| match (group.current, group.in_state(state)) {
            (None, _) => ("?".to_owned(), Tone::Warning),
            (_, 0) => ("0".to_owned(), Tone::Quiet),
            (_, number) => (number.to_string(), tone),
        }
    };
    Columns::<Group<'r, 'a>>::new()
        .add(Column::text("VALUE"), |group| (group.value.map_or_else(|| NO_VALUE.to_owned(), sanitize), Tone::Plain))
        .add_if(screen.is_terminal(), Column::text("").weight(1), counted)
        .add(Column::number("COVERED"), move |group| {
            (format!("{}/{}", number(group.available), number(group.desired)), counted(group).1)
        })
        .add(Column::number("MISSING"), in_state(State::Missing, Tone::Bad))
        .add(Column::number("NOT READY"), |group| difference(group.current, group.ready, Tone::Bad))
        .add(Column::number("MISSCHEDULED").weight(2), in_state(State::Misscheduled, Tone::Warning))
        .add(Column::number("EXCLUDED").weight(3), in_state(State::Excluded, Tone::Quiet))
        .add(Column::text("REASONS"), move |group| {
            let reasons = reasons_in_short(group.rows.iter().copied());
            (screen.style.names.join(&reasons, reasons_on(screen), "; ", String::clone), Tone::Plain)
        })
}

/// The title of a screen over one or more DaemonSets.
pub(super) fn subject(coverages: &[Coverage<'_>]) -> String {
    match coverages {
        [one] => format!("DaemonSet {}", sanitize(&format!("{}/{}", one.namespace(), one.name()))),
        several => format!("{} DaemonSets combined", several.len()),
    }
}
