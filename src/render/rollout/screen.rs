//! One rollout: how far it is, what holds it, and the nodes in work.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::{
    Screen, Watched, budget, cells::cells, hold, phase_sentence, phase_tone, reasons, step_name, step_sign, step_tone,
    urgency,
};
use crate::coverage::Coverage;
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::coverage::{revision_in_words, strategy};
use crate::render::remedy::Remedy;
use crate::render::style::{Tone, bar};
use crate::render::table::{Column, Table};
use crate::render::text::{count, safe, width, wrap};
use crate::rollout::{Hold, Mark, Phase, Progress, Spending, Standing, Step};

/// So many who spend the budget are named; on a terminal not as many.
const SPENDERS: usize = 8;
const SPENDERS_ON_A_TERMINAL: usize = 4;
/// So many nodes in work are listed on a terminal.
const IN_WORK: usize = 20;
/// So many nodes are named in a line.
const NAMED: usize = 8;

/// Writes how a rollout stands; with `watched`, what is only known to whom watches it.
pub(crate) fn screen(
    out: &mut impl Write,
    coverage: &Coverage<'_>,
    standing: &Standing<'_>,
    watched: Option<Watched<'_>>,
    screen: Screen,
) -> io::Result<()> {
    let style = screen.style;
    if screen.titles {
        let name = safe(&format!("{}/{}", coverage.namespace(), coverage.name()));
        let head = format!("DaemonSet {name}  {}  {}", strategy(coverage), revision_in_words(standing.revision));
        style.line(out, &head, Tone::Strong)?;
    }
    style.line(out, &phase_sentence(standing), phase_tone(standing.phase))?;
    for missing in &standing.missing {
        style.line(out, &format!("? {}", safe(missing)), Tone::Warning)?;
    }
    bars(out, standing, screen)?;
    if let Some(watched) = watched {
        if let Some(speed) = speed(standing, watched, screen.now) {
            style.line(out, &speed, Tone::Plain)?;
        }
        if let Some(text) = waits_for(watched) {
            style.line(out, &text, Tone::Warning)?;
        }
    }
    // Of a few lines, so that they are seen also where what holds it fills the rest of a small terminal.
    if watched.is_some() && !standing.nodes.is_empty() {
        writeln!(out)?;
        cells(out, &standing.nodes, screen)?;
    }
    obstacles(out, standing, screen)?;
    in_work(out, standing, screen)?;
    to_delete(out, standing, screen)?;
    leftovers(out, standing, screen)
}

/// Writes the bars of what is updated and of what is available.
pub(crate) fn bars(out: &mut impl Write, standing: &Standing<'_>, screen: Screen) -> io::Result<()> {
    if standing.phase == Phase::Unknown {
        return Ok(());
    }
    let (part, tone) = bar(standing.updated, standing.desired);
    let done = match standing.updated_available {
        done if done == standing.updated => String::new(),
        done => format!(", {done} of them available"),
    };
    let updated =
        format!("{} {} of {} updated{done}", screen.style.paint(&part, tone), standing.updated, standing.desired);
    writeln!(out, "{updated}")?;
    let (part, tone) = bar(standing.available, standing.desired);
    writeln!(out, "{} {} of {} available", screen.style.paint(&part, tone), standing.available, standing.desired)
}

/// `2.5 nodes a minute, about 4m left`, and since when it got no further.
pub(crate) fn speed(standing: &Standing<'_>, watched: Watched<'_>, now: Timestamp) -> Option<String> {
    if standing.phase == Phase::Complete {
        return None;
    }
    // Pods in trouble do not come along at the pace of the others.
    let goes_on = standing.nodes.iter().any(|node| !matches!(node.step, Step::Done | Step::Failing));
    let pace = watched.headway.pace(Mark::of(standing), now).filter(|_| goes_on);
    let pace = pace.filter(|_| matches!(standing.phase, Phase::Progressing | Phase::WaitsForDeletion)).map(|pace| {
        let left = age(now, now.saturating_add(pace.left).unwrap_or(Timestamp::MAX));
        match standing.phase {
            // Nobody knows when the next pod will be deleted.
            Phase::WaitsForDeletion => format!("{:.1} nodes a minute", pace.nodes_per_minute),
            _ => format!("{:.1} nodes a minute, about {left} left", pace.nodes_per_minute),
        }
    });
    let idle = now.duration_since(watched.headway.advanced());
    let idle = (idle >= SignedDuration::from_secs(30))
        .then(|| format!("no progress for {}", age(watched.headway.advanced(), now)));
    let parts: Vec<String> = pace.into_iter().chain(idle).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What `--revision` waits for.
fn waits_for(watched: Watched<'_>) -> Option<String> {
    let (wanted, current) = watched.waits_for?;
    Some(match current {
        Some(current) => format!("Waits for revision {wanted} to become the current one, which is {current}"),
        None => format!("Waits for revision {wanted} to become the current one"),
    })
}

/// The budget, and what holds the rollout: the certain things first.
pub(crate) fn obstacles(out: &mut impl Write, standing: &Standing<'_>, screen: Screen) -> io::Result<()> {
    let room = if screen.style.width.is_some() { SPENDERS_ON_A_TERMINAL } else { SPENDERS };
    let budget = budget(standing, room, screen).filter(|_| standing.phase != Phase::Complete);
    if budget.is_some() || !standing.holds.is_empty() {
        writeln!(out)?;
    }
    if let Some(budget) = budget {
        let is_dead = standing.spent.iter().any(|spender| spender.lasts);
        screen.style.line(out, &budget, if is_dead { Tone::Warning } else { Tone::Plain })?;
    }
    let mut holds: Vec<&Hold<'_>> = standing.holds.iter().collect();
    holds.sort_by_key(|hold| (!hold.is_certain, !hold.lasts));
    let mut said: Vec<Remedy> = Vec::new();
    for found in holds {
        let tone = if found.is_certain { Tone::Bad } else { Tone::Warning };
        let sign = if found.is_certain { '✗' } else { '!' };
        let line = headed(
            &format!("{sign}{}", hold::places(&found.nodes, screen.style.names)),
            &hold::sentence(&found.cause, screen.now, screen.style.names),
        );
        screen.style.line(out, &line, tone)?;
        for remedy in hold::remedies(found, standing) {
            if said.contains(&remedy) {
                continue;
            }
            advice(out, &remedy, screen)?;
            said.push(remedy);
        }
    }
    Ok(())
}

/// `✗ on worker-1: what it is`, and without a place `✗ what it is`.
fn headed(head: &str, text: &str) -> String {
    let separator = if head.contains(' ') { ": " } else { " " };
    format!("{head}{separator}{text}")
}

/// What to do, below what it is for.
pub(crate) fn advice(out: &mut impl Write, remedy: &Remedy, screen: Screen) -> io::Result<()> {
    const LEAD: &str = "  → ";
    let columns = screen.style.width.unwrap_or(usize::MAX);
    for (number, part) in
        wrap(&remedy.text, columns.saturating_sub(width(LEAD)), screen.style.names).into_iter().enumerate()
    {
        let lead = if number == 0 { LEAD.to_owned() } else { " ".repeat(width(LEAD)) };
        writeln!(out, "{lead}{part}")?;
    }
    // Not broken: they are there to be pasted.
    remedy.lines().iter().try_for_each(|line| writeln!(out, "      {line}"))
}

/// The nodes at which something happens, or should.
pub(crate) fn in_work(out: &mut impl Write, standing: &Standing<'_>, screen: Screen) -> io::Result<()> {
    let is_in_work = |progress: &&Progress<'_>| !matches!(progress.step, Step::Done | Step::Outdated);
    let mut nodes: Vec<&Progress<'_>> = standing.nodes.iter().filter(is_in_work).collect();
    if nodes.is_empty() {
        return Ok(());
    }
    nodes.sort_by_key(|progress| (urgency(progress.step), progress.node));
    let room = if screen.style.width.is_some() { IN_WORK } else { nodes.len() };
    writeln!(out)?;
    let mut table = Table::new(vec![
        Column::text("NODE"),
        Column::text("STEP"),
        Column::text("POD").weight(2),
        Column::text("AGE").weight(1),
        Column::text("REASON"),
    ]);
    for progress in nodes.iter().take(room) {
        let pod = progress.row.pods.first().map_or_else(|| "-".to_owned(), |pod| safe(&pod.metadata.name));
        let created = progress.row.created().map_or_else(|| "-".to_owned(), |created| age(created, screen.now));
        table.row(vec![
            (safe(progress.node), Tone::Plain),
            (format!("{} {}", step_sign(progress.step), step_name(progress.step)), step_tone(progress.step)),
            (pod, Tone::Plain),
            (created, Tone::Plain),
            (reasons(progress, screen), Tone::Plain),
        ]);
    }
    table.write(out, screen.style, screen.titles)?;
    match nodes.len().saturating_sub(room) {
        0 => Ok(()),
        more => screen.style.line(out, &format!("… {more} more nodes in work"), Tone::Quiet),
    }
}

/// With `OnDelete`: which nodes wait, and how their pods are replaced.
fn to_delete(out: &mut impl Write, standing: &Standing<'_>, screen: Screen) -> io::Result<()> {
    if standing.phase != Phase::WaitsForDeletion {
        return Ok(());
    }
    let waiting = || standing.nodes.iter().filter(|progress| progress.step == Step::Outdated);
    let Some(first) = waiting().next() else { return Ok(()) };
    let names: Vec<&str> = waiting().map(|progress| progress.node).collect();
    writeln!(out)?;
    let line = format!("{} with an old pod: {}", count(names.len(), "node"), named(&names, screen));
    screen.style.line(out, &line, Tone::Warning)?;
    if let Some(pod) = first.row.pods.first() {
        let namespace = standing.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let line = CommandLine::in_namespace(namespace, "delete pod").name(&pod.metadata.name);
        let remedy = Remedy::run("delete an old pod, and wait for the new one before the next", [line]);
        advice(out, &remedy, screen)?;
    }
    Ok(())
}

/// The nodes of a line. Safe text.
fn named(nodes: &[&str], screen: Screen) -> String {
    screen.style.names.join(nodes, NAMED, ", ", |node| safe(node))
}

/// What `.status` does not tell: nodes that drop out of the count with their old pod still there.
fn leftovers(out: &mut impl Write, standing: &Standing<'_>, screen: Screen) -> io::Result<()> {
    if standing.leftovers.is_empty() {
        return Ok(());
    }
    let nodes = count(standing.leftovers.len(), "node");
    let verb = if standing.leftovers.len() == 1 { "runs" } else { "run" };
    let line = format!(
        "! {nodes} no longer counted {verb} an old pod: {}; no pod is wanted there, and none is updated",
        named(&standing.leftovers, screen)
    );
    screen.style.line(out, &line, Tone::Warning)
}

/// The words for who spends the budget, where no reason is known.
pub(super) fn spending_in_short(cause: Spending) -> &'static str {
    match cause {
        Spending::OldUnavailable => "its old pod is not available",
        Spending::NewUnavailable => "its new pod is not available yet",
        Spending::Missing => "it has no pod",
        Spending::Terminating => "its pod is being deleted",
        Spending::Duplicate => "it has more pods than one",
        Spending::BothRevisions => "it has an old and a new pod",
    }
}
