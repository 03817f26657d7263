//! The screens of `rollout`.

pub(in crate::render) mod cells;
mod event;
mod fleet;
pub(crate) mod history;
mod hold;
mod report;
pub(in crate::render) mod screen;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub(crate) use event::{Ending, Event, Told, in_words as step_in_words, json_line, line, yaml};
pub(crate) use fleet::fleet;
pub(crate) use hold::sentence as hold_sentence;
pub(crate) use report::Report;
pub(crate) use screen::screen;

use super::names::{HANDFUL, ListLength};
use super::reason::{exit_in_short, sentence, short};
use super::style::{Style, Tone};
use super::text::{count, safe};
use crate::explain::Reason;
use crate::rollout::{Headway, Phase, Progress, Spender, Standing, Step, Strategy};

/// How a screen is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Colour and room.
    pub(crate) style: Style,
    /// Not `--no-headers`.
    pub(crate) titles: bool,
    /// The moment that ages are counted to.
    pub(crate) now: Timestamp,
}

/// What to add where a rollout is being watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched<'p> {
    /// How far it got, and when.
    pub(crate) headway: &'p Headway,
    /// The revision that is waited for, and the one that is the current one, where they differ.
    pub(crate) waits_for: Option<(i64, Option<i64>)>,
}

/// The name of a step, as the table and the JSON spell it.
fn step_name(step: Step) -> &'static str {
    match step {
        Step::Outdated => "Outdated",
        Step::Replacing => "Replacing",
        Step::Starting => "Starting",
        Step::Failing => "Failing",
        Step::Done => "Done",
        Step::Waiting => "Waiting",
    }
}

/// The sign of a step: one column, different for each.
fn step_sign(step: Step) -> char {
    match step {
        Step::Outdated => '□',
        Step::Replacing => '↓',
        Step::Starting => '◧',
        Step::Failing => '✗',
        Step::Done => '■',
        Step::Waiting => '○',
    }
}

/// The tone of a step.
pub(crate) fn step_tone(step: Step) -> Tone {
    match step {
        Step::Outdated => Tone::Plain,
        Step::Replacing | Step::Starting => Tone::Moving,
        Step::Failing => Tone::Bad,
        Step::Done => Tone::Good,
        Step::Waiting => Tone::Warning,
    }
}

/// The less, the sooner one wants to look at it.
fn urgency(step: Step) -> usize {
    match step {
        Step::Failing => 0,
        Step::Waiting => 1,
        Step::Replacing => 2,
        Step::Starting => 3,
        Step::Outdated => 4,
        Step::Done => 5,
    }
}

/// The name of a phase, as the JSON spells it.
fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Unknown => "Unknown",
        Phase::NotObserved => "NotObserved",
        Phase::Progressing => "Progressing",
        Phase::WaitsForDeletion => "WaitsForDeletion",
        Phase::Complete => "Complete",
        Phase::Stuck => "Stuck",
        Phase::BeingDeleted => "BeingDeleted",
    }
}

fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::NotObserved | Phase::Progressing => Tone::Moving,
        Phase::Unknown | Phase::WaitsForDeletion | Phase::BeingDeleted => Tone::Warning,
        Phase::Complete => Tone::Good,
        Phase::Stuck => Tone::Bad,
    }
}

/// What a phase means, in a sentence.
fn phase_sentence(standing: &Standing<'_>) -> String {
    match standing.phase {
        Phase::NotObserved => "Not begun: the controller has not seen the newest spec yet".into(),
        Phase::Unknown => "Unknown: not all of its facts could be read".into(),
        Phase::Progressing => "Progressing".into(),
        Phase::WaitsForDeletion => {
            "Waits for deletion: with OnDelete, a node gets the new pod when somebody deletes the old one".into()
        }
        Phase::Complete if standing.desired == 0 => "Complete: no node wants it".into(),
        Phase::Complete => "Complete".into(),
        Phase::Stuck => "Stuck: it cannot finish by itself".into(),
        Phase::BeingDeleted => "The DaemonSet is being deleted".into(),
    }
}

/// `3 of 8 updated, 7 available`.
fn tally(standing: &Standing<'_>) -> String {
    let Standing { desired, updated, available, .. } = standing;
    format!("{updated} of {desired} updated, {available} available")
}

/// How much of what may be spent is spent, and by whom: `budget 2 of 2 spent: node-7 (NotReady since 14m), …`. None
/// with OnDelete, which knows no budget, and none where nothing is spent. `room` is how many are named.
fn budget(standing: &Standing<'_>, room: usize, screen: Screen) -> Option<String> {
    let (what, limit) = match &standing.strategy {
        Strategy::OnDelete => return None,
        Strategy::Rolling { max_unavailable } => ("budget", *max_unavailable),
        Strategy::Surge { max_surge } => ("surge", *max_surge),
    };
    if standing.spent.is_empty() {
        return None;
    }
    // Pods that are on their way spend it too; those to look at are named first.
    let mut spent: Vec<&Spender<'_>> = standing.spent.iter().collect();
    spent.sort_by_key(|spender| (!spender.lasts, spender.reasons.iter().all(is_on_its_way)));
    let named = screen.style.names.join(&spent, room, ", ", |spender| spender_in_short(spender, screen.now));
    Some(format!("{what} {} of {limit} spent: {named}", standing.spent.len()))
}

/// What every node of a rollout goes through.
fn is_on_its_way(reason: &Reason) -> bool {
    reason.is_vague()
        || matches!(reason, Reason::Terminating { .. } | Reason::MinReadySeconds { .. } | Reason::NotCreated)
}

/// `node-7 (NotReady since 14m)`.
fn spender_in_short(spender: &Spender<'_>, now: Timestamp) -> String {
    let why = match Reason::leading(&spender.reasons) {
        Some(reason) => in_brackets(reason, now),
        None => screen::spending_in_short(spender.cause).to_owned(),
    };
    format!("{} ({why})", safe(spender.node))
}

/// A reason with its numbers, and without brackets of its own.
fn in_brackets(reason: &Reason, now: Timestamp) -> String {
    let text = match reason {
        Reason::NodeNotReady { since: Some(since), .. } => format!("NotReady since {}", super::age::age(*since, now)),
        Reason::NodeNotReady { since: None, .. } => "NotReady".into(),
        Reason::CrashLoopBackOff { restarts, last_exit, .. } => {
            let exit = last_exit.as_ref().map(|exit| format!(", {}", exit_in_short(exit))).unwrap_or_default();
            format!("CrashLoopBackOff{exit}, {}", count(usize::try_from(*restarts).unwrap_or_default(), "restart"))
        }
        Reason::ContainerTerminated { last_exit, .. } => format!("ended, {}", exit_in_short(last_exit)),
        other => short(other),
    };
    safe(&text)
}

/// The reasons of a node in full.
fn reasons(progress: &Progress<'_>, screen: Screen) -> String {
    screen.style.names.join(&progress.reasons, HANDFUL, "; ", |reason| sentence(reason, screen.now, screen.style.names))
}

/// A reason, as the JSON has it.
#[derive(Serialize)]
struct ReasonView<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    message: String,
}

fn reason_views(reasons: &[Reason], now: Timestamp) -> Vec<ReasonView<'_>> {
    reasons.iter().map(|reason| ReasonView { reason, message: sentence(reason, now, ListLength::Handful) }).collect()
}
