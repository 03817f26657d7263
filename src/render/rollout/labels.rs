//! Names, symbols and sentences of steps and phases, and which nodes use the budget.

use std::time::Duration;

use jiff::Timestamp;

use crate::explain::Reason;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::name_list::HANDFUL;
use crate::render::reason::{detail, exit_in_short, summary};
use crate::render::style::Tone;
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{
    BudgetUse, BudgetUseReason, NodeProgress, NodeStep, PauseState, Phase, ProgressTracker, RolloutStatus, Strategy,
};

/// State that only a watch has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchProgress<'p> {
    pub(crate) tracker: &'p ProgressTracker,
    /// The revision of `--revision` and the current one, if they differ.
    pub(crate) waits_for: Option<(i64, Option<i64>)>,
    /// The time without progress after which the watch fails.
    pub(crate) stall_timeout: Option<Duration>,
}

/// The name of a step in tables and JSON.
pub(super) fn step_name(step: NodeStep) -> &'static str {
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
pub(super) fn step_sign(step: NodeStep) -> char {
    match step {
        NodeStep::Outdated => '◇',
        NodeStep::Replacing => '↓',
        NodeStep::Starting => '□',
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
pub(super) fn urgency(step: NodeStep) -> usize {
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
pub(super) fn phase_name(phase: Phase) -> &'static str {
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

/// Whether `rollout pause` has stopped the rollout.
pub(super) fn is_paused(rollout_status: &RolloutStatus<'_>) -> bool {
    matches!(PauseState::new(rollout_status.daemon_set), PauseState::Paused(_))
}

/// What a rollout that does not move waits for, within a line.
pub(crate) fn phase_in_short(rollout_status: &RolloutStatus<'_>) -> String {
    match rollout_status.phase {
        Phase::Complete if is_paused(rollout_status) => "paused".into(),
        Phase::AwaitingDeletion => {
            let state = if is_paused(rollout_status) { "paused" } else { "OnDelete" };
            let outdated = rollout_status.nodes.iter().filter(|node| node.step == NodeStep::Outdated).count();
            format!("{state}: {}", pluralize(outdated, "outdated node"))
        }
        phase => format!("rollout {}", phase_name(phase)),
    }
}

pub(super) fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::NotObserved | Phase::Progressing => Tone::Moving,
        Phase::Unknown | Phase::AwaitingDeletion | Phase::Degraded | Phase::Deleting => Tone::Warning,
        Phase::Complete => Tone::Good,
        Phase::Blocked | Phase::Stuck => Tone::Bad,
    }
}

pub(super) fn phase_sentence(rollout_status: &RolloutStatus<'_>) -> String {
    match rollout_status.phase {
        Phase::NotObserved => "Not started: the controller has not observed the latest spec yet".into(),
        Phase::Unknown => "Unknown: some objects could not be read".into(),
        Phase::Progressing => "Progressing".into(),
        Phase::AwaitingDeletion if is_paused(rollout_status) => {
            "Paused (rollout pause): the controller replaces no pods until it is resumed".into()
        }
        Phase::Complete if is_paused(rollout_status) => {
            "Complete, and paused (rollout pause): the controller will not roll out the next change".into()
        }
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
pub(super) fn tally(rollout_status: &RolloutStatus<'_>) -> String {
    let RolloutStatus { desired, updated, available, .. } = rollout_status;
    format!("{updated} of {desired} updated, {available} available")
}

/// The nodes that use the budget: `unavailable 2 (maxUnavailable 2): node-7 (NotReady for 14m), …`, with at most `room`
/// names. `None` if the budget is not used, and with `OnDelete`, which has no budget.
pub(super) fn budget(rollout_status: &RolloutStatus<'_>, room: usize, screen: ViewOptions) -> Option<String> {
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
        .sort_by_key(|budget_use| (!budget_use.needs_intervention, budget_use.reasons.iter().all(is_transitional)));
    let named =
        screen.style.names.join(&budget_used_by, room, ", ", |budget_use| budget_use_text(budget_use, screen.now));
    Some(format!("{what} {} ({limit}): {named}", rollout_status.budget_used_by.len()))
}

/// Whether the reason is normal for a node during a rollout.
fn is_transitional(reason: &Reason) -> bool {
    reason.is_transitional()
        || matches!(reason, Reason::Terminating { .. } | Reason::MinReadySeconds { .. } | Reason::NotCreated)
}

/// `node-7 (NotReady for 14m)`.
fn budget_use_text(budget_use: &BudgetUse<'_>, now: Timestamp) -> String {
    let why = match Reason::leading(&budget_use.reasons) {
        Some(reason) => in_brackets(reason, now),
        None => budget_use_reason(budget_use.reason).to_owned(),
    };
    format!("{} ({why})", sanitize(budget_use.node))
}

/// A reason with its numbers, but without parentheses of its own.
fn in_brackets(reason: &Reason, now: Timestamp) -> String {
    let text = match reason {
        Reason::NodeNotReady { since: Some(since), .. } => format!("NotReady for {}", age(*since, now)),
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

pub(super) fn reasons(progress: &NodeProgress<'_>, screen: ViewOptions) -> String {
    screen.style.names.join(&progress.reasons, HANDFUL, "; ", |reason| detail(reason, screen.now, screen.style.names))
}

/// Why a node uses the budget, if no reason is known.
pub(super) fn budget_use_reason(cause: BudgetUseReason) -> &'static str {
    match cause {
        BudgetUseReason::OldUnavailable => "old pod not available",
        BudgetUseReason::NewUnavailable => "new pod not available yet",
        BudgetUseReason::Missing => "no pod",
        BudgetUseReason::Terminating => "pod Terminating",
        BudgetUseReason::Duplicate => "more than one pod",
        BudgetUseReason::BothRevisions => "both an old and a new pod",
    }
}
