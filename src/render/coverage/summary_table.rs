//! One row per DaemonSet, the worst first.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::nearest_miss::why_none_is_eligible;
use super::shared_causes::SharedCauses;
use super::{difference, known_bar, number, reasons_in_short, reasons_on};
use crate::coverage::{Counts, Coverage, NodeCoverage};
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::command_line::CommandLine;
use crate::render::name_list::HANDFUL;
use crate::render::style::{Tone, symbol};
use crate::render::table::{Column, Columns};
use crate::render::text::{pluralize, sanitize};

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
    if !screen.is_sorted {
        order.sort_by_cached_key(|coverage| urgency(coverage));
    }
    if !screen.is_terminal() || !screen.headers {
        let shared = SharedCauses::default();
        return columns(with_namespace, &shared, screen).table(order).write(out, screen.style, screen.headers);
    }
    let shared = SharedCauses::new(coverages);
    if !shared.is_empty() {
        shared.write(out, screen)?;
        writeln!(out)?;
    }
    let columns = columns(with_namespace, &shared, screen);
    let is_healthy = |coverage: &&&Coverage<'_>| is_healthy(coverage);
    let healthy = order.iter().filter(is_healthy).count();
    let mut table = Vec::new();
    columns.table(order.iter().copied()).write(&mut table, screen.style, true)?;
    if !screen.does_not_fit(&table) || screen.unfolded || healthy == 0 {
        out.write_all(&table)?;
        return next_command(out, &order, &shared);
    }
    order.retain(|coverage| !is_healthy(&coverage));
    if !order.is_empty() {
        columns.table(order.iter().copied()).write(out, screen.style, true)?;
    }
    let sign = symbol(State::Available);
    let line = format!("{sign} {}: every node covered (--all lists them)", pluralize(healthy, "DaemonSet"));
    screen.style.line(out, &line, Tone::Good)?;
    next_command(out, &order, &shared)
}

/// Whether the row shows no problem.
pub(super) fn is_healthy(coverage: &Coverage<'_>) -> bool {
    let counts = &coverage.counts;
    counts.desired.is_some_and(|desired| desired > 0)
        && counts.unavailable == Some(0)
        && counts.misscheduled == Some(0)
        && counts.up_to_date == counts.current
        && reasons_in_short(coverage.rows.iter()).is_empty()
}

/// Writes the command that explains the worst row.
fn next_command(out: &mut impl Write, order: &[&Coverage<'_>], shared: &SharedCauses<'_>) -> io::Result<()> {
    let worst = order.iter().find(|coverage| coverage.counts.unavailable.is_some_and(|unavailable| unavailable > 0));
    let of_worst =
        worst.map(|worst| CommandLine::own_program("coverage").namespace(worst.namespace()).name(worst.name()));
    match shared.next_command().or(of_worst).and_then(CommandLine::offered) {
        Some(line) => writeln!(out, "→ {line}"),
        None => Ok(()),
    }
}

/// The sort key: by the share of unavailable pods, then by misscheduled pods, then by outdated pods.
pub(super) fn urgency(coverage: &Coverage<'_>) -> (Reverse<[usize; 3]>, String, String) {
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

fn columns<'f, 'a: 'f>(
    with_namespace: bool,
    shared: &'f SharedCauses<'a>,
    screen: ViewOptions,
) -> Columns<'f, Coverage<'a>> {
    let counted = |coverage: &Coverage<'a>| known_bar(coverage.counts.available, coverage.counts.desired);
    Columns::<Coverage<'a>>::new()
        .add_if(with_namespace, Column::text("NAMESPACE"), |coverage| plain(sanitize(coverage.namespace())))
        .add(Column::text("NAME"), |coverage| plain(sanitize(coverage.name())))
        .add_if(screen.is_terminal(), Column::text("").weight(1), counted)
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
        .add(Column::text("REASONS"), move |coverage| plain(reasons(coverage, shared, screen)))
}

fn plain(text: String) -> (String, Tone) {
    (text, Tone::Plain)
}

fn reasons<'a>(coverage: &Coverage<'a>, shared: &SharedCauses<'a>, screen: ViewOptions) -> String {
    if let (None, Some(status)) = (coverage.counts.available, &coverage.daemon_set.status) {
        let available = status.number_available.unwrap_or_default();
        let copy = format!(".status reports {available}/{}", status.desired_number_scheduled);
        let all = reasons_in_short(coverage.rows.iter());
        let all: Vec<String> = [copy].into_iter().chain(all).collect();
        return screen.style.names.join(&all, HANDFUL, "; ", String::clone);
    }
    if coverage.counts.desired == Some(0) && coverage.rows.iter().all(|row| row.pods.is_empty()) {
        return why_none_is_eligible(&coverage.rows);
    }
    let own: Vec<&NodeCoverage<'a>> = coverage.rows.iter().filter(|row| !shared.has(row)).collect();
    let mut all = reasons_in_short(own.iter().copied());
    if own.len() < coverage.rows.len() {
        all.push(format!("{} (see above)", pluralize(coverage.rows.len() - own.len(), "node")));
    }
    screen.style.names.join(&all, reasons_on(screen), "; ", String::clone)
}
