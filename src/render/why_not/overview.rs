//! One row per DaemonSet, the unhealthy ones first.

use std::io::{self, Write};

use super::{verdict_symbol, verdict_tone};
use crate::explain::diagnosis::{Diagnosis, Verdict};
use crate::placement::Placement;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::name_list::HANDFUL;
use crate::render::reason::summary;
use crate::render::style::{Tone, tone_of};
use crate::render::table::{Column, Columns};
use crate::render::text::{pluralize, sanitize};
use crate::snapshot::Node;

/// The number of causes that are shown on a terminal; `-o wide` shows all.
const CAUSES: usize = 2;

pub(crate) fn overview(
    out: &mut impl Write,
    diagnoses: &[Diagnosis<'_>],
    node: &Node,
    with_namespace: bool,
    screen: ViewOptions,
) -> io::Result<()> {
    if diagnoses.is_empty() {
        return Ok(());
    }
    if screen.headers {
        screen.style.line(
            out,
            &format!("Node {}{}", sanitize(&node.metadata.name), condition(node, screen)),
            Tone::Strong,
        )?;
        let (text, tone) = overview_line(diagnoses);
        screen.style.line(out, &text, tone)?;
        writeln!(out)?;
    }
    let mut order: Vec<&Diagnosis<'_>> = diagnoses.iter().collect();
    order.sort_by_key(|diagnosis| (diagnosis.verdict, diagnosis.namespace(), diagnosis.name()));
    columns(with_namespace, screen).table(order).write(out, screen.style, screen.headers)
}

fn columns<'a>(with_namespace: bool, screen: ViewOptions) -> Columns<'static, Diagnosis<'a>> {
    Columns::<Diagnosis<'a>>::new()
        .add_if(with_namespace, Column::text("NAMESPACE"), |diagnosis| (sanitize(diagnosis.namespace()), Tone::Plain))
        .add(Column::text("NAME"), |diagnosis| (sanitize(diagnosis.name()), Tone::Plain))
        .add(Column::text("VERDICT"), move |Diagnosis { verdict, .. }| {
            (screen.signed(verdict_symbol(*verdict), name_of(*verdict)), verdict_tone(*verdict))
        })
        .add(Column::text("STATE").weight(2), |Diagnosis { state, .. }| (state.name().to_owned(), tone_of(*state)))
        .add_if(screen.wide, Column::text("POD").weight(1), |diagnosis| {
            (diagnosis.pod.map(|pod| sanitize(&pod.metadata.name)).unwrap_or_default(), Tone::Plain)
        })
        .add(Column::text("WHY"), move |diagnosis| (causes(diagnosis, screen), Tone::Plain))
}

/// The conditions of the node that affect all DaemonSets.
fn condition(node: &Node, screen: ViewOptions) -> String {
    let ready = node.not_ready_condition();
    let down = ready.map(|condition| {
        let since = condition.last_transition_time.map(|time| format!(" for {}", age(time.timestamp(), screen.now)));
        format!(": NotReady{} ({})", since.unwrap_or_default(), sanitize(&condition.reason))
    });
    let cordoned = node.spec.unschedulable.then(|| ", cordoned (daemon pods still run)".to_owned());
    down.into_iter().chain(cordoned).collect()
}

pub(super) fn name_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Running => "Running",
        Verdict::WouldRun => "WouldRun",
        Verdict::Excluded => "Excluded",
        Verdict::Unknown => "Unknown",
        Verdict::Blocked => "Blocked",
        Verdict::NotHealthy => "NotHealthy",
    }
}

fn overview_line(diagnoses: &[Diagnosis<'_>]) -> (String, Tone) {
    let number = |verdict: Verdict| diagnoses.iter().filter(|diagnosis| diagnosis.verdict == verdict).count();
    let wanted = diagnoses.iter().filter(|diagnosis| diagnosis.placement == Placement::Run).count();
    let well = number(Verdict::Running) + number(Verdict::WouldRun);
    let unknown = number(Verdict::Unknown);
    let of_whom = format!("{wanted} of {} should run on this node", pluralize(diagnoses.len(), "DaemonSet"));
    let would = if number(Verdict::WouldRun) > 0 { "would run" } else { "healthy" };
    let bad = number(Verdict::Blocked) + number(Verdict::NotHealthy);
    let tone = match (bad, unknown) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Warning,
        _ => Tone::Bad,
    };
    let unknown = if unknown > 0 { format!(", {unknown} unknown") } else { String::new() };
    (format!("{of_whom}; {well} {would}{unknown}"), tone)
}

/// The first reasons, without duplicates.
fn causes(diagnosis: &Diagnosis<'_>, screen: ViewOptions) -> String {
    let mut causes: Vec<String> = Vec::new();
    for (_, reason) in diagnosis.failures() {
        let cause = summary(&reason.reason);
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    if causes.is_empty() && diagnosis.verdict != Verdict::Running {
        match diagnosis.checks.iter().filter(|check| check.result.is_unknown()).count() {
            0 => {}
            unknown => causes.push(format!("{} unknown", pluralize(unknown, "check"))),
        }
    }
    let room = if screen.style.width.is_some() { CAUSES } else { HANDFUL };
    screen.style.names.join(&causes, room, "; ", String::clone)
}
