//! One row per DaemonSet, the worst first.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::{difference, known_bar, number, reasons_in_short};
use crate::coverage::{Counts, Coverage};
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::name_list::HANDFUL;
use crate::render::style::Tone;
use crate::render::table::{Column, Columns};
use crate::render::text::{sanitize, truncate};

/// The number of reasons per row on a terminal; `-o wide` and a pipe show all.
const REASONS: usize = 2;
/// The width of one reason.
const REASON_WIDTH: usize = 60;

pub(crate) fn summary_table(
    out: &mut impl Write,
    coverages: &[&Coverage<'_>],
    with_namespace: bool,
    screen: ViewOptions,
) -> io::Result<()> {
    if coverages.is_empty() {
        return Ok(());
    }
    let mut order = coverages.to_vec();
    order.sort_by_cached_key(|coverage| urgency(coverage));
    columns(with_namespace, screen).table(order).write(out, screen.style, screen.headers)
}

/// The sort key: by the share of unavailable pods, then by misscheduled pods, then by outdated pods.
fn urgency(coverage: &Coverage<'_>) -> (Reverse<[usize; 3]>, String, String) {
    let counts = &coverage.counts;
    let missing = match (counts.unavailable, counts.desired) {
        // In parts per million, because floating-point numbers are not `Ord`.
        (Some(unavailable), Some(desired)) if desired > 0 => unavailable * 1_000_000 / desired,
        (None, _) => 1_000_000,
        _ => 0,
    };
    let misscheduled = counts.misscheduled.unwrap_or_default();
    let old = counts.current.unwrap_or_default().saturating_sub(counts.up_to_date.unwrap_or_default());
    (Reverse([missing, misscheduled, old]), coverage.namespace().to_owned(), coverage.name().to_owned())
}

fn columns<'a>(with_namespace: bool, screen: ViewOptions) -> Columns<'static, Coverage<'a>> {
    let counted = |coverage: &Coverage<'a>| known_bar(coverage.counts.available, coverage.counts.desired);
    Columns::<Coverage<'a>>::new()
        .add_if(with_namespace, Column::text("NAMESPACE"), |coverage| plain(sanitize(coverage.namespace())))
        .add(Column::text("NAME"), |coverage| plain(sanitize(coverage.name())))
        .add(Column::text("").weight(1), counted)
        .add(Column::number("COVERED"), move |coverage| {
            let Counts { available, desired, .. } = coverage.counts;
            (format!("{}/{}", number(available), number(desired)), counted(coverage).1)
        })
        .add(Column::number("MISSING"), |Coverage { counts, .. }| difference(counts.desired, counts.current, Tone::Bad))
        .add(Column::number("NOT READY"), |Coverage { counts, .. }| difference(counts.current, counts.ready, Tone::Bad))
        .add(Column::number("OUTDATED").weight(2), |Coverage { counts, .. }| {
            difference(counts.current, counts.up_to_date, Tone::Warning)
        })
        .add(Column::number("MISSCHEDULED").weight(3), |Coverage { counts, .. }| {
            difference(counts.misscheduled, Some(0), Tone::Warning)
        })
        .add_if(screen.wide, Column::text("STRATEGY").weight(0), |coverage| plain(super::report::strategy(coverage)))
        .add_if(screen.wide, Column::number("CURRENT").weight(0), |coverage| plain(number(coverage.counts.current)))
        .add_if(screen.wide, Column::number("READY").weight(0), |coverage| plain(number(coverage.counts.ready)))
        .add_if(screen.wide, Column::number("EXCLUDED").weight(0), |coverage| {
            (coverage.in_state(State::Excluded).to_string(), Tone::Quiet)
        })
        .add(Column::text("REASONS"), move |coverage| plain(reasons(coverage, screen)))
}

fn plain(text: String) -> (String, Tone) {
    (text, Tone::Plain)
}

fn reasons(coverage: &Coverage<'_>, screen: ViewOptions) -> String {
    if let (None, Some(status)) = (coverage.counts.available, &coverage.daemon_set.status) {
        let available = status.number_available.unwrap_or_default();
        let copy = format!(".status reports {available}/{}", status.desired_number_scheduled);
        let all = reasons_in_short(coverage.rows.iter());
        let all: Vec<String> = [copy].into_iter().chain(all).collect();
        return screen.style.names.join(&all, HANDFUL, "; ", String::clone);
    }
    if coverage.counts.desired == Some(0) && coverage.rows.iter().all(|row| row.pods.is_empty()) {
        return match super::folded(coverage.rows.iter()).first() {
            Some(largest) => format!("no eligible nodes: {} ({})", largest.causes, largest.nodes),
            None => "no nodes".into(),
        };
    }
    let all = reasons_in_short(coverage.rows.iter());
    let (room, columns) = match screen.style.width {
        Some(_) if !screen.wide => (REASONS, REASON_WIDTH),
        _ => (HANDFUL, usize::MAX),
    };
    screen.style.names.join(&all, room, "; ", |reason| truncate(reason, columns))
}
