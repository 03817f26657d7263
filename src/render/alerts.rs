//! The screen and the report of `alerts`.

mod causes;
mod remedies;
mod report;
mod text;

use std::io::{self, Write};

pub(crate) use report::Report;

use causes::ExcuseShown;

use super::ViewOptions;
use super::remedy::Remedy;
use super::rollout::screen::advice;
use super::style::Tone;
use super::table::{Column, Columns};
use super::text::{pluralize, sanitize};
use crate::alerts::{ActiveAlert, AlertState, DaemonSetAlerts};

/// An alert with its DaemonSet.
type Row<'r, 'a> = (&'r DaemonSetAlerts<'a>, &'r ActiveAlert<'a>);

/// Writes a table of the active alerts, then one block for each, then what no alert reports.
pub(crate) fn alerts(out: &mut impl Write, all: &[DaemonSetAlerts<'_>], screen: ViewOptions) -> io::Result<()> {
    let rows: Vec<Row<'_, '_>> = all.iter().flat_map(|of| of.active.iter().map(move |active| (of, active))).collect();
    if screen.headers {
        let tone = if rows.is_empty() { Tone::Good } else { Tone::Strong };
        screen.style.line(out, &title(all, &rows), tone)?;
    }
    if !rows.is_empty() {
        table(out, &rows, screen)?;
    }
    if !screen.headers {
        return Ok(());
    }
    for of in all {
        let mut written: Vec<Remedy> = Vec::new();
        if let Some(lag) = text::lag(of, screen.now).filter(|_| !of.active.is_empty()) {
            writeln!(out)?;
            screen.style.line(out, &format!("! {}: {lag}", name(of)), Tone::Warning)?;
        }
        for active in &of.active {
            writeln!(out)?;
            block(out, of, active, &mut written, screen)?;
        }
    }
    not_reported(out, all, screen)
}

/// `2 alerts firing, 1 pending (4 DaemonSets)`.
fn title(all: &[DaemonSetAlerts<'_>], rows: &[Row<'_, '_>]) -> String {
    let count = |state| rows.iter().filter(|(_, active)| active.state == state).count();
    let of_all = pluralize(all.len(), "DaemonSet");
    match (count(AlertState::Firing), count(AlertState::Pending)) {
        (0, 0) => format!("No alert is firing or pending ({of_all})"),
        (firing, pending) => format!("{} firing, {pending} pending ({of_all})", pluralize(firing, "alert")),
    }
}

fn table(out: &mut impl Write, rows: &[Row<'_, '_>], screen: ViewOptions) -> io::Result<()> {
    let number = |number: Option<usize>| (number.map_or_else(|| "?".to_owned(), |n| n.to_string()), Tone::Plain);
    let columns = Columns::<Row<'_, '_>>::new()
        .add(Column::text("ALERT"), |(_, active)| (active.alert.name().to_owned(), Tone::Plain))
        .add(Column::text("DAEMONSET"), |(of, _)| (name(of), Tone::Plain))
        .add(Column::text("STATE"), |(_, active)| (text::state_name(active.state).to_owned(), state_tone(active.state)))
        .add(Column::text("TRUE FOR").weight(3), |(_, active)| (text::at_least(active.since, screen.now), Tone::Plain))
        .add(Column::text("FIRES AFTER").weight(1), |(_, active)| (format!("{}m", active.alert.minutes()), Tone::Plain))
        .add_if(screen.wide, Column::number("DESIRED"), |(of, _)| number(of.status.desired))
        .add_if(screen.wide, Column::number("CURRENT"), |(of, _)| number(of.status.current))
        .add_if(screen.wide, Column::number("UPDATED"), |(of, _)| number(of.status.up_to_date))
        .add_if(screen.wide, Column::number("AVAILABLE"), |(of, _)| number(of.status.available))
        .add_if(screen.wide, Column::number("MISSCHEDULED"), |(of, _)| number(of.status.misscheduled))
        .add(Column::number("NODES").weight(2), |(_, active)| (active.causes.len().to_string(), Tone::Plain))
        .add(Column::text("VERDICT"), |(of, active)| (text::verdict_in_short(active, of), Tone::Plain));
    columns.table(rows).write(out, screen.style, screen.headers)
}

/// Writes an alert: how long it has been true, its nodes, and what ends it. Remedies in `written` are not repeated.
fn block(
    out: &mut impl Write,
    of: &DaemonSetAlerts<'_>,
    active: &ActiveAlert<'_>,
    written: &mut Vec<Remedy>,
    screen: ViewOptions,
) -> io::Result<()> {
    let style = screen.style;
    let head = format!("{}  {}", active.alert.name(), name(of));
    style.line(out, &head, Tone::Strong)?;
    let state = format!("  {}: {}", text::state_name(active.state), text::duration(active, screen.now));
    style.line(out, &state, state_tone(active.state))?;
    style.line(out, &format!("  {}", text::verdict(active, of)), Tone::Plain)?;
    let shown = match active.false_alarms.len() {
        1 => ExcuseShown::InVerdict,
        _ => ExcuseShown::Here,
    };
    for group in causes::groups(&active.causes) {
        let (sign, tone) = match group.is_false_alarm() {
            true => ('·', Tone::Quiet),
            false => ('✗', Tone::Bad),
        };
        style.line(out, &format!("{sign} {}", group.line(shown, screen.now, style.names)), tone)?;
    }
    let new: Vec<Remedy> =
        remedies::remedies(active, of).into_iter().filter(|remedy| !written.contains(remedy)).collect();
    for (index, remedy) in new.iter().enumerate() {
        advice(out, index + 1, remedy, screen)?;
    }
    written.extend(new);
    Ok(())
}

/// Writes what should raise an alert and does not.
fn not_reported(out: &mut impl Write, all: &[DaemonSetAlerts<'_>], screen: ViewOptions) -> io::Result<()> {
    if all.iter().all(|of| of.missed.is_empty()) {
        return Ok(());
    }
    writeln!(out)?;
    screen.style.line(out, "Not reported by any alert:", Tone::Strong)?;
    for of in all {
        for missed in &of.missed {
            let line = format!("! {}: {}", name(of), text::missed(missed, of, screen.now, screen.style.names));
            screen.style.line(out, &line, Tone::Warning)?;
        }
    }
    Ok(())
}

fn name(of: &DaemonSetAlerts<'_>) -> String {
    sanitize(&format!("{}/{}", of.coverage.namespace(), of.coverage.name()))
}

fn state_tone(state: AlertState) -> Tone {
    match state {
        AlertState::Firing => Tone::Bad,
        AlertState::Pending => Tone::Warning,
    }
}
