//! The screen of one rollout: its progress, its blockers, and the nodes in progress.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::labels::{
    WatchProgress, budget, phase_sentence, phase_tone, reasons, step_name, step_sign, step_tone, urgency,
};
use super::lock::pause_in_words;
use super::{awaiting_deletion, blocker, node_grid::cells};
use crate::coverage::Coverage;
use crate::explain::State;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::coverage::{revision_in_words, strategy};
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::remedy::Remedy;
use crate::render::style::{self, Tone};
use crate::render::table::{Column, Columns};
use crate::render::text::{sanitize, width, wrap};
use crate::rollout::{Blocker, NodeProgress, NodeStep, Phase, ProgressSample, RolloutStatus};

/// The number of nodes that are named as users of the budget; fewer on a terminal.
const BUDGET_USES: usize = 8;
const BUDGET_USES_ON_TERMINAL: usize = 4;
/// The number of nodes in progress that are listed on a terminal.
const IN_WORK: usize = 20;

/// Writes the status of a rollout. `notices`: safe text that comes first. `watched` adds what only a watch knows.
pub(crate) fn screen(
    out: &mut impl Write,
    coverage: &Coverage<'_>,
    rollout_status: &RolloutStatus<'_>,
    notices: &[String],
    watched: Option<WatchProgress<'_>>,
    screen: ViewOptions,
) -> io::Result<()> {
    let style = screen.style;
    if screen.headers {
        let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
        let head = format!("DaemonSet {name}  {}  {}", strategy(coverage), revision_in_words(rollout_status.revision));
        style.line(out, &head, Tone::Strong)?;
    }
    for notice in notices {
        style.line(out, &format!("! {notice}"), Tone::Warning)?;
    }
    style.line(out, &phase_sentence(rollout_status), phase_tone(rollout_status.phase))?;
    if let Some(text) = pause_in_words(rollout_status.daemon_set, screen.now) {
        style.line(out, &text, Tone::Warning)?;
    }
    for missing in &rollout_status.missing {
        style.line(out, &format!("? {}", sanitize(&missing.to_string())), Tone::Warning)?;
    }
    bars(out, rollout_status, screen)?;
    if let Some(watched) = watched {
        if let Some(speed) = speed(rollout_status, watched, screen.now) {
            style.line(out, &speed, Tone::Plain)?;
        }
        if let Some(text) = waits_for(watched) {
            style.line(out, &text, Tone::Warning)?;
        }
    }
    // The cells take few lines and come first, so that a long list of blockers does not push them off the screen.
    if watched.is_some() && !rollout_status.nodes.is_empty() {
        writeln!(out)?;
        cells(out, &rollout_status.nodes, screen)?;
    }
    failures(out, rollout_status, screen)?;
    in_progress(out, rollout_status, screen)?;
    to_delete(out, rollout_status, screen)?;
    outdated_misscheduled(out, rollout_status, screen)
}

/// Writes one bar for updated pods and one for available pods.
pub(crate) fn bars(out: &mut impl Write, rollout_status: &RolloutStatus<'_>, screen: ViewOptions) -> io::Result<()> {
    if rollout_status.phase == Phase::Unknown {
        return Ok(());
    }
    let (part, tone) = style::bar(rollout_status.updated, rollout_status.desired);
    let done = match rollout_status.updated_available {
        done if done == rollout_status.updated => String::new(),
        done => format!(", {done} of them available"),
    };
    let RolloutStatus { desired, updated, available, .. } = *rollout_status;
    let bar = |(cells, tone): (String, Tone)| match screen.is_terminal() {
        true => format!("{} ", screen.style.paint(&cells, tone)),
        false => String::new(),
    };
    writeln!(out, "{}{updated} of {desired} updated{done}", bar((part, tone)))?;
    writeln!(out, "{}{available} of {desired} available", bar(style::bar(available, desired)))
}

/// `2.5 nodes per minute, about 4m left`, and the time without progress.
pub(crate) fn speed(rollout_status: &RolloutStatus<'_>, watched: WatchProgress<'_>, now: Timestamp) -> Option<String> {
    if rollout_status.phase == Phase::Complete {
        return None;
    }
    // The rate does not apply to failing pods.
    let goes_on = rollout_status.nodes.iter().any(|node| !matches!(node.step, NodeStep::Done | NodeStep::Failing));
    let rate = watched.tracker.rate(ProgressSample::new(rollout_status), now).filter(|_| goes_on);
    let rate = rate.and_then(|rate| {
        let speed = format!("{:.1} nodes per minute", rate.nodes_per_minute);
        match rollout_status.phase {
            Phase::Progressing => {
                let left = age(now, now.saturating_add(rate.left).unwrap_or(Timestamp::MAX));
                Some(format!("{speed}, about {left} left"))
            }
            // The time of the next manual deletion is unknown.
            Phase::AwaitingDeletion => Some(speed),
            Phase::Unknown
            | Phase::NotObserved
            | Phase::Degraded
            | Phase::Blocked
            | Phase::Stuck
            | Phase::Complete
            | Phase::Deleting => None,
        }
    });
    let is_idle = now.duration_since(watched.tracker.last_progress()) >= SignedDuration::from_secs(30);
    // While nothing moves, a pace and a time left would be wrong.
    let rate = rate.filter(|_| !is_idle);
    let idle = is_idle
        .then(|| format!("no progress for {}{}", age(watched.tracker.last_progress(), now), fails_after(watched)));
    let parts: Vec<String> = rate.into_iter().chain(idle).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The deadline of `--stall-timeout`.
fn fails_after(watched: WatchProgress<'_>) -> String {
    let limit = watched.stall_timeout.and_then(|limit| SignedDuration::try_from(limit).ok());
    let limit =
        limit.and_then(|limit| Some(age(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH.checked_add(limit).ok()?)));
    limit.map(|limit| format!(" (fails after {limit}: --stall-timeout)")).unwrap_or_default()
}

/// The wait for `--revision`.
fn waits_for(watched: WatchProgress<'_>) -> Option<String> {
    let (eligible, current) = watched.waits_for?;
    Some(match current {
        Some(current) => format!("Waiting for revision {eligible} to become current (current revision: {current})"),
        None => format!("Waiting for revision {eligible} to become current"),
    })
}

/// Writes the use of the budget and the blockers, those that need intervention first.
pub(crate) fn failures(
    out: &mut impl Write,
    rollout_status: &RolloutStatus<'_>,
    screen: ViewOptions,
) -> io::Result<()> {
    let room = if screen.style.width.is_some() { BUDGET_USES_ON_TERMINAL } else { BUDGET_USES };
    let budget = budget(rollout_status, room, screen).filter(|_| rollout_status.phase != Phase::Complete);
    if budget.is_some() || !rollout_status.blockers.is_empty() {
        writeln!(out)?;
    }
    if let Some(budget) = budget {
        let is_dead = rollout_status.budget_used_by.iter().any(|budget_use| budget_use.needs_intervention);
        screen.style.line(out, &budget, if is_dead { Tone::Warning } else { Tone::Plain })?;
    }
    let mut blockers: Vec<&Blocker<'_>> = rollout_status.blockers.iter().collect();
    blockers.sort_by_key(|blocker| (!blocker.blocking, !blocker.needs_intervention));
    let mut written: Vec<Remedy> = Vec::new();
    for (found, text, nodes) in grouped(&blockers, screen) {
        let tone = if found.blocking { Tone::Bad } else { Tone::Warning };
        let sign = if found.blocking { '✗' } else { '!' };
        let line = match blocker::nodes_in_words(&nodes, screen.style.names) {
            Some(nodes) => format!("{sign} {nodes}: {text}"),
            None => format!("{sign} {text}"),
        };
        screen.style.line(out, &line, tone)?;
        let new = blocker::remedies(found, rollout_status).into_iter().filter(|remedy| !written.contains(remedy));
        let new: Vec<Remedy> = new.collect();
        for (index, remedy) in new.iter().enumerate() {
            advice(out, index + 1, remedy, screen)?;
        }
        written.extend(new);
    }
    Ok(())
}

/// Blockers with the same text as one, with all of their nodes: the first of them stands for the others.
fn grouped<'b, 'a>(blockers: &[&'b Blocker<'a>], screen: ViewOptions) -> Vec<(&'b Blocker<'a>, String, Vec<&'a str>)> {
    let mut groups: Vec<(&Blocker<'a>, String, Vec<&'a str>)> = Vec::new();
    for &found in blockers {
        let text = blocker::detail(&found.problem, screen.now, screen.style.names);
        let is_same = |(known, known_text, nodes): &&mut (&Blocker<'a>, String, Vec<&'a str>)| {
            known.blocking == found.blocking && *known_text == text && !nodes.is_empty() && !found.nodes.is_empty()
        };
        match groups.iter_mut().find(is_same) {
            Some((_, _, nodes)) => nodes.extend(&found.nodes),
            None => groups.push((found, text, found.nodes.clone())),
        }
    }
    groups
}

/// Writes a remedy below its cause, with its number.
pub(crate) fn advice(out: &mut impl Write, number: usize, remedy: &Remedy, screen: ViewOptions) -> io::Result<()> {
    let lead = format!("  {number}. ");
    let columns = screen.style.width.unwrap_or(usize::MAX);
    let text = remedy.text_with_outcome();
    for (line, part) in wrap(&text, columns.saturating_sub(width(&lead)), screen.style.names).into_iter().enumerate() {
        let lead = if line == 0 { lead.clone() } else { " ".repeat(width(&lead)) };
        writeln!(out, "{lead}{part}")?;
    }
    // Not wrapped, because they are for pasting.
    let indent = " ".repeat(width(&lead) + 2);
    remedy.lines().iter().try_for_each(|line| writeln!(out, "{indent}{}", screen.style.paint(line, Tone::Moving)))
}

/// Writes the nodes that are neither done nor waiting for their turn.
pub(crate) fn in_progress(
    out: &mut impl Write,
    rollout_status: &RolloutStatus<'_>,
    screen: ViewOptions,
) -> io::Result<()> {
    let is_in_work = |progress: &&NodeProgress<'_>| !matches!(progress.step, NodeStep::Done | NodeStep::Outdated);
    let mut nodes: Vec<&NodeProgress<'_>> = rollout_status.nodes.iter().filter(is_in_work).collect();
    if nodes.is_empty() {
        return Ok(());
    }
    nodes.sort_by_key(|progress| (urgency(progress.step), progress.node));
    let (shown, more) = ListLength::for_terminal(screen.style.width).split(&nodes, IN_WORK);
    writeln!(out)?;
    let columns = Columns::<NodeProgress<'_>>::new()
        .add(Column::text("NODE"), |progress| (sanitize(progress.node), Tone::Plain))
        .add(Column::text("STEP"), |NodeProgress { step, row, reasons, .. }| match row.state {
            // It is not known whether the controller has to create a pod.
            State::Unknown if reasons.is_empty() => ("? Unknown".to_owned(), Tone::Quiet),
            _ => (format!("{} {}", step_sign(*step), step_name(*step)), step_tone(*step)),
        })
        .add(Column::text("POD").weight(2), |progress| {
            let pod = progress.row.pods.first();
            (pod.map_or_else(|| "-".to_owned(), |pod| sanitize(&pod.metadata.name)), Tone::Plain)
        })
        .add(Column::text("AGE").weight(1), |progress| {
            let created = progress.row.created();
            (created.map_or_else(|| "-".to_owned(), |created| age(created, screen.now)), Tone::Plain)
        })
        .add(Column::text("REASON"), |progress| (reasons(progress, screen), Tone::Plain));
    columns.table(shown.iter().copied()).write(out, screen.style, screen.headers)?;
    match more {
        0 => Ok(()),
        more => screen.style.line(out, &format!("… {more} more nodes"), Tone::Quiet),
    }
}

/// With `OnDelete`: writes the nodes with outdated pods, and how to replace them.
fn to_delete(out: &mut impl Write, rollout_status: &RolloutStatus<'_>, screen: ViewOptions) -> io::Result<()> {
    if rollout_status.phase != Phase::AwaitingDeletion {
        return Ok(());
    }
    let waiting = || rollout_status.nodes.iter().filter(|progress| progress.step == NodeStep::Outdated);
    let names: Vec<&str> = waiting().map(|progress| progress.node).collect();
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let nodes = match names.len() {
        1 => "1 node with an outdated pod".to_owned(),
        nodes => format!("{nodes} nodes with outdated pods"),
    };
    let line = format!("{nodes}: {}", named(&names, screen));
    screen.style.line(out, &line, Tone::Warning)?;
    let remedies = awaiting_deletion::remedies(rollout_status);
    remedies.iter().enumerate().try_for_each(|(index, remedy)| advice(out, index + 1, remedy, screen))
}

/// The nodes of a line. Safe text.
fn named(nodes: &[&str], screen: ViewOptions) -> String {
    screen.style.names.join(nodes, HANDFUL_OF_NODES, ", ", |node| sanitize(node))
}

/// Writes the nodes that are no longer eligible but keep an outdated pod. `.status` does not show them.
fn outdated_misscheduled(
    out: &mut impl Write,
    rollout_status: &RolloutStatus<'_>,
    screen: ViewOptions,
) -> io::Result<()> {
    if rollout_status.outdated_misscheduled.is_empty() {
        return Ok(());
    }
    let nodes = match rollout_status.outdated_misscheduled.len() {
        1 => "1 ineligible node still runs an outdated pod".to_owned(),
        nodes => format!("{nodes} ineligible nodes still run outdated pods"),
    };
    let line = format!(
        "! {nodes}: {} (the rollout does not update them)",
        named(&rollout_status.outdated_misscheduled, screen)
    );
    screen.style.line(out, &line, Tone::Warning)
}
