//! A row for every DaemonSet, those in trouble first.

use std::io::{self, Write};

use super::{Screen, verdict_sign, verdict_tone};
use crate::explain::way::{Outcome, Verdict, Way};
use crate::placement::Placement;
use crate::render::age::age;
use crate::render::names::HANDFUL;
use crate::render::reason::short;
use crate::render::style::{Tone, tone_of};
use crate::render::table::{Column, Table};
use crate::render::text::{count, safe};
use crate::snapshot::Node;

/// So many causes are shown on a terminal; `-o wide` shows all.
const CAUSES: usize = 2;

/// Writes the head and the table.
pub(crate) fn overview(
    out: &mut impl Write,
    ways: &[Way<'_>],
    node: &Node,
    with_namespace: bool,
    screen: Screen,
) -> io::Result<()> {
    if ways.is_empty() {
        return Ok(());
    }
    if screen.titles {
        screen.style.line(
            out,
            &format!("Node {}{}", safe(&node.metadata.name), condition(node, screen)),
            Tone::Strong,
        )?;
        let (text, tone) = summary(ways);
        screen.style.line(out, &text, tone)?;
        writeln!(out)?;
    }
    let mut order: Vec<&Way<'_>> = ways.iter().collect();
    order.sort_by_key(|way| (way.verdict, way.namespace(), way.name()));
    let mut columns = Vec::new();
    if with_namespace {
        columns.push(Column::text("NAMESPACE"));
    }
    columns.extend([Column::text("NAME"), Column::text("VERDICT"), Column::text("STATE").weight(2)]);
    if screen.wide {
        columns.push(Column::text("POD").weight(1));
    }
    columns.push(Column::text("WHY"));
    let mut table = Table::new(columns);
    for way in order {
        let mut cells = Vec::new();
        if with_namespace {
            cells.push((safe(way.namespace()), Tone::Plain));
        }
        let verdict = format!("{} {}", verdict_sign(way.verdict), name_of(way.verdict));
        cells.extend([
            (safe(way.name()), Tone::Plain),
            (verdict, verdict_tone(way.verdict)),
            (way.state.name().to_owned(), tone_of(way.state)),
        ]);
        if screen.wide {
            cells.push((way.pod.map(|pod| safe(&pod.metadata.name)).unwrap_or_default(), Tone::Plain));
        }
        cells.push((causes(way, screen), Tone::Plain));
        table.row(cells);
    }
    table.write(out, screen.style, screen.titles)
}

/// What is to be known of the node before all else.
fn condition(node: &Node, screen: Screen) -> String {
    let ready = node.condition("Ready").filter(|condition| condition.status != "True");
    let down = ready.map(|condition| {
        let since = condition.last_transition_time.map(|time| format!(" since {}", age(time.timestamp(), screen.now)));
        format!(": NotReady{} ({})", since.unwrap_or_default(), safe(&condition.reason))
    });
    let cordoned = node.spec.unschedulable.then(|| ", cordoned, which keeps no daemon pod out".to_owned());
    down.into_iter().chain(cordoned).collect()
}

/// The verdict's name.
pub(super) fn name_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Running => "Running",
        Verdict::WouldRun => "WouldRun",
        Verdict::NotWanted => "NotWanted",
        Verdict::Unknown => "Unknown",
        Verdict::Blocked => "Blocked",
        Verdict::NotHealthy => "NotHealthy",
    }
}

fn summary(ways: &[Way<'_>]) -> (String, Tone) {
    let number = |verdict: Verdict| ways.iter().filter(|way| way.verdict == verdict).count();
    let wanted = ways.iter().filter(|way| way.placement == Placement::Run).count();
    let well = number(Verdict::Running) + number(Verdict::WouldRun);
    let unknown = number(Verdict::Unknown);
    let of_whom = format!("{} of {} wanted here", wanted, count(ways.len(), "DaemonSet"));
    let would = if number(Verdict::WouldRun) > 0 { "would run" } else { "healthy" };
    let bad = number(Verdict::Blocked) + number(Verdict::NotHealthy);
    let tone = match (bad, unknown) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Warning,
        _ => Tone::Bad,
    };
    let unknown = if unknown > 0 { format!(", {unknown} unknown") } else { String::new() };
    (format!("{of_whom}, {well} {would}{unknown}"), tone)
}

/// The first reasons in short, each once.
fn causes(way: &Way<'_>, screen: Screen) -> String {
    let mut causes: Vec<String> = Vec::new();
    for (_, finding) in way.failures() {
        let cause = short(&finding.reason);
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    if causes.is_empty() && way.verdict != Verdict::Running {
        match way.checks.iter().filter(|check| check.outcome == Outcome::Unknown).count() {
            0 => {}
            unknown => causes.push(format!("{} unknown", count(unknown, "check"))),
        }
    }
    let room = if screen.style.width.is_some() { CAUSES } else { HANDFUL };
    screen.style.names.join(&causes, room, "; ", String::clone)
}
