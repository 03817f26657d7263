//! The screens, events and reports of `rollout`.

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

pub(crate) use blocker::detail as blocker_detail;
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

#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) style: Style,
    /// False with `--no-headers`.
    pub(crate) headers: bool,
    /// Ages are relative to this time.
    pub(crate) now: Timestamp,
}

/// State that only a watch has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchProgress<'p> {
    pub(crate) headway: &'p ProgressTracker,
    /// The revision of `--revision` and the current one, if they differ.
    pub(crate) waits_for: Option<(i64, Option<i64>)>,
}

/// The name of a step in tables and JSON.
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

/// The symbol of a step: one column, unique for each step.
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

pub(crate) fn step_tone(step: NodeStep) -> Tone {
    match step {
        NodeStep::Outdated => Tone::Plain,
        NodeStep::Replacing | NodeStep::Starting => Tone::Moving,
        NodeStep::Failing => Tone::Bad,
        NodeStep::Done => Tone::Good,
        NodeStep::Waiting => Tone::Warning,
    }
}

/// The sort key: the most urgent step first.
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

/// The name of a phase in tables and JSON.
fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Unknown => "Unknown",
        Phase::NotObserved => "NotObserved",
        Phase::Progressing => "Progressing",
        Phase::AwaitingDeletion => "AwaitingDeletion",
        Phase::Degraded => "Degraded",
        Phase::Blocked => "Blocked",
        Phase::Complete => "Complete",
        Phase::Stuck => "Stuck",
        Phase::Deleting => "Deleting",
    }
}

fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::NotObserved | Phase::Progressing => Tone::Moving,
        Phase::Unknown | Phase::AwaitingDeletion | Phase::Degraded | Phase::Deleting => Tone::Warning,
        Phase::Complete => Tone::Good,
        Phase::Blocked | Phase::Stuck => Tone::Bad,
    }
}

fn phase_sentence(rollout_status: &RolloutStatus<'_>) -> String {
    match rollout_status.phase {
        Phase::NotObserved => "Not started: the controller has not observed the latest spec yet".into(),
        Phase::Unknown => "Unknown: some objects could not be read".into(),
        Phase::Progressing => "Progressing".into(),
        Phase::AwaitingDeletion => "Waiting for pod deletion (OnDelete): old pods must be deleted manually".into(),
        Phase::Degraded => "Degraded: all pods are updated, but some are not available".into(),
        Phase::Blocked => "Blocked: no node makes progress, but the rollout may recover".into(),
        Phase::Complete if rollout_status.desired == 0 => "Complete: no eligible nodes".into(),
        Phase::Complete => "Complete".into(),
        Phase::Stuck => "Stuck: cannot complete without intervention".into(),
        Phase::Deleting => "The DaemonSet is being deleted".into(),
    }
}

/// `3 of 8 updated, 7 available`.
fn tally(rollout_status: &RolloutStatus<'_>) -> String {
    let RolloutStatus { desired, updated, available, .. } = rollout_status;
    format!("{updated} of {desired} updated, {available} available")
}

/// The nodes that use the budget: `unavailable 2 (maxUnavailable 2): node-7 (NotReady for 14m), …`, with at most `room`
/// names. `None` if the budget is not used, and with `OnDelete`, which has no budget.
fn budget(rollout_status: &RolloutStatus<'_>, room: usize, screen: Screen) -> Option<String> {
    let (what, limit) = match &rollout_status.strategy {
        Strategy::OnDelete => return None,
        Strategy::Rolling { max_unavailable } => ("unavailable", format!("maxUnavailable {max_unavailable}")),
        Strategy::Surge { max_surge } => ("surge", format!("maxSurge {max_surge}")),
    };
    if rollout_status.budget_used_by.is_empty() {
        return None;
    }
    // Pods that make progress use the budget too; those that need attention are named first.
    let mut budget_used_by: Vec<&BudgetUse<'_>> = rollout_status.budget_used_by.iter().collect();
    budget_used_by
        .sort_by_key(|budget_use| (!budget_use.needs_intervention, budget_use.reasons.iter().all(is_on_its_way)));
    let named =
        screen.style.names.join(&budget_used_by, room, ", ", |budget_use| spender_in_short(budget_use, screen.now));
    Some(format!("{what} {} ({limit}): {named}", rollout_status.budget_used_by.len()))
}

/// Whether the reason is normal for a node during a rollout.
fn is_on_its_way(reason: &Reason) -> bool {
    reason.is_transitional()
        || matches!(reason, Reason::Terminating { .. } | Reason::MinReadySeconds { .. } | Reason::NotCreated)
}

/// `node-7 (NotReady for 14m)`.
fn spender_in_short(budget_use: &BudgetUse<'_>, now: Timestamp) -> String {
    let why = match Reason::leading(&budget_use.reasons) {
        Some(reason) => in_brackets(reason, now),
        None => screen::spending_in_short(budget_use.reason).to_owned(),
    };
    format!("{} ({why})", sanitize(budget_use.node))
}

/// A reason with its numbers, but without parentheses of its own.
fn in_brackets(reason: &Reason, now: Timestamp) -> String {
    let text = match reason {
        Reason::NodeNotReady { since: Some(since), .. } => format!("NotReady for {}", super::age::age(*since, now)),
        Reason::NodeNotReady { since: None, .. } => "NotReady".into(),
        Reason::CrashLoopBackOff { restarts, last_exit, .. } => {
            let exit = last_exit.as_ref().map(|exit| format!(", {}", exit_in_short(exit))).unwrap_or_default();
            format!("CrashLoopBackOff{exit}, {}", pluralize(usize::try_from(*restarts).unwrap_or_default(), "restart"))
        }
        Reason::ContainerTerminated { last_exit, .. } => format!("container terminated, {}", exit_in_short(last_exit)),
        other => summary(other),
    };
    sanitize(&text)
}

fn reasons(progress: &NodeProgress<'_>, screen: Screen) -> String {
    screen.style.names.join(&progress.reasons, HANDFUL, "; ", |reason| detail(reason, screen.now, screen.style.names))
}

/// A reason in JSON.
#[derive(Serialize)]
struct ReasonView<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    message: String,
}

fn reason_views(reasons: &[Reason], now: Timestamp) -> Vec<ReasonView<'_>> {
    reasons.iter().map(|reason| ReasonView { reason, message: detail(reason, now, ListLength::Handful) }).collect()
}
