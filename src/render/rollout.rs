//! The screens of `rollout`.

mod blocker;
mod event;
pub(crate) mod history;
pub(in crate::render) mod node_grid;
mod report;
pub(in crate::render) mod screen;
mod summary_table;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub(crate) use blocker::detail as hold_sentence;
pub(crate) use event::{Ending, Event, WatchEvent, in_words as step_in_words, json_line, line, yaml};
pub(crate) use report::Report;
pub(crate) use screen::screen;
pub(crate) use summary_table::summary_table;

use super::name_list::{HANDFUL, ListLength};
use super::reason::{detail, exit_in_short, summary};
use super::style::{Style, Tone};
use super::text::{pluralize, sanitize};
use crate::explain::Reason;
use crate::rollout::{BudgetUse, NodeProgress, NodeStep, Phase, ProgressTracker, RolloutStatus, Strategy};

/// How a screen is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Colour and room.
    pub(crate) style: Style,
    /// Not `--no-headers`.
    pub(crate) headers: bool,
    /// The moment that ages are counted to.
    pub(crate) now: Timestamp,
}

/// What to add where a rollout is being watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchProgress<'p> {
    /// How far it got, and when.
    pub(crate) headway: &'p ProgressTracker,
    /// The revision that is waited for, and the one that is the current one, where they differ.
    pub(crate) waits_for: Option<(i64, Option<i64>)>,
}

/// The name of a step, as the table and the JSON spell it.
fn step_name(step: NodeStep) -> &'static str {
    match step {
        NodeStep::Outdated => "Outdated",
        NodeStep::Replacing => "Replacing",
        NodeStep::Starting => "Starting",
        NodeStep::Failing => "Failing",
        NodeStep::Done => "Done",
        NodeStep::Waiting => "Waiting",
    }
}

/// The sign of a step: one column, different for each.
fn step_sign(step: NodeStep) -> char {
    match step {
        NodeStep::Outdated => '□',
        NodeStep::Replacing => '↓',
        NodeStep::Starting => '◧',
        NodeStep::Failing => '✗',
        NodeStep::Done => '■',
        NodeStep::Waiting => '○',
    }
}

/// The tone of a step.
pub(crate) fn step_tone(step: NodeStep) -> Tone {
    match step {
        NodeStep::Outdated => Tone::Plain,
        NodeStep::Replacing | NodeStep::Starting => Tone::Moving,
        NodeStep::Failing => Tone::Bad,
        NodeStep::Done => Tone::Good,
        NodeStep::Waiting => Tone::Warning,
    }
}

/// The less, the sooner one wants to look at it.
fn urgency(step: NodeStep) -> usize {
    match step {
        NodeStep::Failing => 0,
        NodeStep::Waiting => 1,
        NodeStep::Replacing => 2,
        NodeStep::Starting => 3,
        NodeStep::Outdated => 4,
        NodeStep::Done => 5,
    }
}

/// The name of a phase, as the JSON spells it.
fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Unknown => "Unknown",
        Phase::NotObserved => "NotObserved",
        Phase::Progressing => "Progressing",
        Phase::AwaitingDeletion => "AwaitingDeletion",
        Phase::Complete => "Complete",
        Phase::Stuck => "Stuck",
        Phase::Deleting => "Deleting",
    }
}

fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::NotObserved | Phase::Progressing => Tone::Moving,
        Phase::Unknown | Phase::AwaitingDeletion | Phase::Deleting => Tone::Warning,
        Phase::Complete => Tone::Good,
        Phase::Stuck => Tone::Bad,
    }
}

/// What a phase means, in a sentence.
fn phase_sentence(rollout_status: &RolloutStatus<'_>) -> String {
    match rollout_status.phase {
        Phase::NotObserved => "Not begun: the controller has not seen the newest spec yet".into(),
        Phase::Unknown => "Unknown: not all of its facts could be read".into(),
        Phase::Progressing => "Progressing".into(),
        Phase::AwaitingDeletion => {
            "Waits for deletion: with OnDelete, a node gets the new pod when somebody deletes the old one".into()
        }
        Phase::Complete if rollout_status.desired == 0 => "Complete: no node wants it".into(),
        Phase::Complete => "Complete".into(),
        Phase::Stuck => "Stuck: it cannot finish by itself".into(),
        Phase::Deleting => "The DaemonSet is being deleted".into(),
    }
}

/// `3 of 8 updated, 7 available`.
fn tally(rollout_status: &RolloutStatus<'_>) -> String {
    let RolloutStatus { desired, updated, available, .. } = rollout_status;
    format!("{updated} of {desired} updated, {available} available")
}

/// How much of what may be spent is spent, and by whom: `budget 2 of 2 spent: node-7 (NotReady since 14m), …`. None
/// with OnDelete, which knows no budget, and none where nothing is spent. `room` is how many are named.
fn budget(rollout_status: &RolloutStatus<'_>, room: usize, screen: Screen) -> Option<String> {
    let (what, limit) = match &rollout_status.strategy {
        Strategy::OnDelete => return None,
        Strategy::Rolling { max_unavailable } => ("budget", *max_unavailable),
        Strategy::Surge { max_surge } => ("surge", *max_surge),
    };
    if rollout_status.budget_used_by.is_empty() {
        return None;
    }
    // Pods that are on their way spend it too; those to look at are named first.
    let mut budget_used_by: Vec<&BudgetUse<'_>> = rollout_status.budget_used_by.iter().collect();
    budget_used_by
        .sort_by_key(|budget_use| (!budget_use.needs_intervention, budget_use.reasons.iter().all(is_on_its_way)));
    let named =
        screen.style.names.join(&budget_used_by, room, ", ", |budget_use| spender_in_short(budget_use, screen.now));
    Some(format!("{what} {} of {limit} spent: {named}", rollout_status.budget_used_by.len()))
}

/// What every node of a rollout goes through.
fn is_on_its_way(reason: &Reason) -> bool {
    reason.is_transitional()
        || matches!(reason, Reason::Terminating { .. } | Reason::MinReadySeconds { .. } | Reason::NotCreated)
}

/// `node-7 (NotReady since 14m)`.
fn spender_in_short(budget_use: &BudgetUse<'_>, now: Timestamp) -> String {
    let why = match Reason::leading(&budget_use.reasons) {
        Some(reason) => in_brackets(reason, now),
        None => screen::spending_in_short(budget_use.cause).to_owned(),
    };
    format!("{} ({why})", sanitize(budget_use.node))
}

/// A reason with its numbers, and without brackets of its own.
fn in_brackets(reason: &Reason, now: Timestamp) -> String {
    let text = match reason {
        Reason::NodeNotReady { since: Some(since), .. } => format!("NotReady since {}", super::age::age(*since, now)),
        Reason::NodeNotReady { since: None, .. } => "NotReady".into(),
        Reason::CrashLoopBackOff { restarts, last_exit, .. } => {
            let exit = last_exit.as_ref().map(|exit| format!(", {}", exit_in_short(exit))).unwrap_or_default();
            format!("CrashLoopBackOff{exit}, {}", pluralize(usize::try_from(*restarts).unwrap_or_default(), "restart"))
        }
        Reason::ContainerTerminated { last_exit, .. } => format!("ended, {}", exit_in_short(last_exit)),
        other => summary(other),
    };
    sanitize(&text)
}

/// The reasons of a node in full.
fn reasons(progress: &NodeProgress<'_>, screen: Screen) -> String {
    screen.style.names.join(&progress.reasons, HANDFUL, "; ", |reason| detail(reason, screen.now, screen.style.names))
}

/// A reason, as the JSON has it.
#[derive(Serialize)]
struct ReasonView<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    message: String,
}

fn reason_views(reasons: &[Reason], now: Timestamp) -> Vec<ReasonView<'_>> {
    reasons.iter().map(|reason| ReasonView { reason, message: detail(reason, now, ListLength::Handful) }).collect()
}
