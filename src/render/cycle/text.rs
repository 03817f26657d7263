//! The sentences of `cycle`: why nodes are skipped or failed, why it stopped, and how to continue.

use jiff::Timestamp;

use crate::cycle::{
    CycleOutcome, Failure, HaltReason, HookPoint, LockLoss, LockStatus, PdbConflict, Skip, Summary, WaitReason,
};
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::reason::detail;
use crate::render::remedy::Remedy;
use crate::render::rollout::{blocker_detail, step_in_words};
use crate::render::text::{pluralize, sanitize};

/// Shown after the first interrupt.
pub(crate) const STOPPING: &str = "Stopping: waiting for nodes in progress. Press Ctrl-C again to exit immediately";

/// The DaemonSet, for commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DaemonSetRef<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// The flag of a hook.
pub(super) fn hook_flag(point: HookPoint) -> &'static str {
    match point {
        HookPoint::Before => "--before",
        HookPoint::After => "--after",
    }
}

/// Why a node is skipped. Safe text.
pub(super) fn skip(why: &Skip, now: Timestamp) -> String {
    match why {
        Skip::NodeNotReady { reason, since } => {
            let since = since.map(|since| format!(" for {}", age(since, now))).unwrap_or_default();
            let reason = if reason.is_empty() { String::new() } else { format!(" ({})", sanitize(reason)) };
            format!("node not ready{since}{reason}; use --include-not-ready to include it")
        }
        Skip::Maintenance { condition, since } => {
            let since = since.map(|since| format!(" for {}", age(since, now))).unwrap_or_default();
            format!("node condition {} is set{since}; use --include-maintenance to include it", sanitize(condition))
        }
        Skip::NotEligible { reasons } => {
            let why: Vec<String> = reasons.iter().map(|reason| detail(reason, now, ListLength::Handful)).collect();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(" ({})", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            };
            format!("node no longer eligible{why}: a deleted pod would not be recreated")
        }
        Skip::NotControlled => "the pod is not controlled by the DaemonSet".into(),
        Skip::AlreadyTerminating => "the pod is already Terminating".into(),
        Skip::ReplacedMeanwhile => "the pod was replaced by someone else".into(),
        Skip::NodeGone => "the node no longer exists".into(),
    }
}

/// Why a node failed. Safe text.
pub(super) fn failure(why: &Failure, now: Timestamp) -> String {
    match why {
        Failure::NodeProblem { problem } => blocker_detail(problem, now, ListLength::Handful),
        Failure::TimedOut { step, reasons } => {
            let step = step.map(|step| format!(": {}", step_in_words(step))).unwrap_or_default();
            let why: Vec<String> = reasons.iter().map(|reason| detail(reason, now, ListLength::Handful)).collect();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {}", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            };
            format!("timed out (--node-timeout){step}{why}")
        }
        Failure::NotRemoved { message } => format!("the pod was not removed: {}", sanitize(message)),
        Failure::RequirementNotMet { daemon_set } => {
            format!("timed out (--node-timeout): {}", unmet_requirement(daemon_set))
        }
        Failure::HookFailed { message, .. } => sanitize(message),
    }
}

/// What the run is waiting for. Safe text.
pub(super) fn waiting(waiting: &WaitReason, now: Timestamp) -> String {
    match waiting {
        WaitReason::Nodes => "waiting for nodes in progress".into(),
        WaitReason::Lock(holder) => format!("waiting: {}", lock_holder(&holder.holder, holder.since)),
        WaitReason::Revision => "waiting for the controller to observe the latest template".into(),
        WaitReason::Budget { budget_used_by, budget } => format!(
            "waiting: {} unavailable (--max-unavailable {budget}): {}",
            pluralize(budget_used_by.len(), "node"),
            named(budget_used_by)
        ),
        WaitReason::Requirement { daemon_set, nodes } => {
            format!("waiting: {} on {}", unmet_requirement(daemon_set), named(nodes))
        }
        WaitReason::Soak { until } => match *until > now {
            true => format!("observing the canary for another {}", age(now, *until)),
            false => "canary observation complete".into(),
        },
    }
}

fn named(nodes: &[String]) -> String {
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    sanitize(&ListLength::Handful.list(&nodes))
}

fn unmet_requirement(daemon_set: &str) -> String {
    format!("no available and up-to-date pod of {} (--require)", sanitize(daemon_set))
}

/// Why the run stopped. Safe text.
pub(super) fn halt(why: &HaltReason) -> String {
    match why {
        HaltReason::TooManyFailures { nodes } => {
            format!("{} failed, exceeding --max-failures: {}", pluralize(nodes.len(), "node"), named(nodes))
        }
        HaltReason::TemplateChanged { to } => format!("the template changed (now revision {})", sanitize(to)),
        HaltReason::StrategyChanged => {
            "the update strategy is no longer OnDelete: the controller now replaces the pods".into()
        }
        HaltReason::Deleted => "the DaemonSet was deleted".into(),
        HaltReason::Deleting => "the DaemonSet is being deleted".into(),
        HaltReason::BudgetExhausted { nodes } => {
            format!("budget exhausted for longer than --node-timeout: unavailable on {}", named(nodes))
        }
        HaltReason::NotObserved => {
            "the controller did not create a revision of the template within --node-timeout".into()
        }
        HaltReason::RequirementNotMet { daemon_set, nodes } => {
            format!("{} for longer than --node-timeout on {}", unmet_requirement(daemon_set), named(nodes))
        }
        HaltReason::TimedOut => "the time of --timeout is over".into(),
        HaltReason::Interrupted => "interrupted".into(),
        HaltReason::Locked { holder, since } => lock_holder(holder, *since),
        HaltReason::LockLost { holder, since } => lock_loss(holder.as_deref(), *since),
        HaltReason::LockNotRenewed { message } => format!("the lock was not renewed: {}", sanitize(message)),
        HaltReason::Declined => "not confirmed".into(),
    }
}

/// The status of the lock in the plan, and whether it is a warning. Safe text.
pub(crate) fn lock_status(status: &LockStatus) -> (String, bool) {
    match status {
        LockStatus::Free { lease } => {
            (format!("Lock: Lease {} (acquired before the first pod is replaced)", sanitize(lease)), false)
        }
        LockStatus::Held { holder, since, .. } => (format!("! {}", lock_holder(holder, *since)), true),
        LockStatus::Unavailable { message, .. } => {
            (format!("! no lock: {}; use --no-lock to run without a lock", sanitize(message)), true)
        }
        LockStatus::Disabled => ("! no lock: a concurrent cycle of this DaemonSet can exceed the budget".into(), true),
    }
}

/// Who holds the lock. Safe text.
pub(crate) fn lock_holder(holder: &str, since: Option<Timestamp>) -> String {
    format!("another command holds the lock: {}", named_holder(holder, since))
}

/// How the lock was lost. Safe text.
pub(super) fn lock_loss(holder: Option<&str>, since: Option<Timestamp>) -> String {
    match holder {
        Some(holder) => format!("lock lost: the Lease has another holder: {}", named_holder(holder, since)),
        None => "lock lost: the Lease was deleted or cleared".into(),
    }
}

/// How the lock was lost, while nodes are in progress. Safe text.
pub(crate) fn lock_lost(loss: &LockLoss) -> String {
    format!(
        "{}; waiting for nodes in progress, no further nodes are started",
        halt(&HaltReason::lock_lost(loss.clone()))
    )
}

fn named_holder(holder: &str, since: Option<Timestamp>) -> String {
    let since = since.map(|since| format!(", since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default();
    format!("{}{since}", sanitize(holder))
}

/// How to continue after the run stopped. Safe text.
pub(super) fn next(why: &HaltReason, daemon_set_ref: DaemonSetRef<'_>) -> Option<Remedy> {
    let DaemonSetRef { namespace, name } = daemon_set_ref;
    let about_daemon_set = |words| CommandLine::own_program(words).name(name).namespace(namespace);
    let again = "run the same command again to continue with the remaining nodes";
    Some(match why {
        HaltReason::TooManyFailures { nodes } | HaltReason::BudgetExhausted { nodes } => {
            let line = |node: &String| CommandLine::own_program("why-not").name(node).name(name).namespace(namespace);
            let lines = nodes.iter().take(HANDFUL).map(line);
            // Without the cause removed, the same command would stop at the same nodes.
            let text = format!(
                "find and fix the cause: until its pod is available, each of these nodes uses the budget. Then {again}, or \
                 raise --max-unavailable to continue without them"
            );
            Remedy::run(text, lines)
        }
        HaltReason::TemplateChanged { .. } => Remedy::run(
            format!("review the change; {again} and the new template"),
            [about_daemon_set("rollout history")],
        ),
        HaltReason::StrategyChanged => Remedy::run(
            "watch the rollout of the controller, or use --all for a gradual restart",
            [about_daemon_set("rollout watch")],
        ),
        HaltReason::NotObserved => {
            Remedy::text_only("check that kube-controller-manager is running: it contains the DaemonSet controller")
        }
        HaltReason::RequirementNotMet { daemon_set, nodes } => {
            let (namespace, name) = daemon_set.split_once('/').unwrap_or((namespace, daemon_set));
            let line = |node: &String| CommandLine::own_program("why-not").name(node).name(name).namespace(namespace);
            Remedy::run(
                format!("find and fix the cause on these nodes, then {again}"),
                nodes.iter().take(HANDFUL).map(line),
            )
        }
        HaltReason::TimedOut
        | HaltReason::Interrupted
        | HaltReason::Declined
        | HaltReason::LockLost { .. }
        | HaltReason::LockNotRenewed { .. } => Remedy::text_only(again),
        HaltReason::Locked { .. } => {
            Remedy::text_only("run the same command again after the other cycle ends, or use --wait-for-lock")
        }
        HaltReason::Deleted | HaltReason::Deleting => return None,
    })
}

/// What to do after a command of `--before` or `--after` has failed.
pub(super) fn after_failed_hook() -> Remedy {
    Remedy::text_only(
        "fix what the command reports, then run the same command again. Without --cordon, a failed --after is not \
         repeated for a node whose pod was replaced",
    )
}

/// What to do after the new pods did not work.
pub(super) fn after_bad_pod(nodes: &[String], daemon_set_ref: DaemonSetRef<'_>) -> Remedy {
    let DaemonSetRef { namespace, name } = daemon_set_ref;
    let why = |node: &String| CommandLine::own_program("why-not").name(node).name(name).namespace(namespace);
    let undo = CommandLine::own_program("rollout undo").name(name).namespace(namespace);
    Remedy::run(
        "find the cause, and fix the template or roll it back. Until then, the same command would replace more pods with \
         ones that do not work",
        nodes.iter().take(HANDFUL).map(why).chain([undo]),
    )
}

/// What to do with nodes that stay cordoned.
pub(super) fn after_cordon(nodes: &[&str]) -> Remedy {
    let uncordon = CommandLine::new("kubectl uncordon");
    Remedy::run(
        "run the same command again to finish them, or uncordon them",
        [nodes.iter().take(HANDFUL).fold(uncordon, |line, node| line.name(node))],
    )
}

/// The outcome in one line. Safe text.
pub(super) fn outcome(outcome: &CycleOutcome, summary: Summary) -> String {
    match outcome {
        CycleOutcome::Finished if summary.planned == 0 => "nothing to replace".into(),
        CycleOutcome::Finished if summary.failed > 0 => "done, except for failed nodes".into(),
        CycleOutcome::Finished => "done".into(),
        CycleOutcome::CanaryDone => {
            "canary complete; run the command again without --canary to continue with the remaining nodes".into()
        }
        CycleOutcome::Halted { halt: why @ HaltReason::Locked { .. } } => format!("nothing was removed: {}", halt(why)),
        CycleOutcome::Halted { halt: why } => format!("stopped: {}", halt(why)),
        CycleOutcome::Planned => "dry run: nothing was removed".into(),
        CycleOutcome::Declined => "nothing was removed".into(),
    }
}

/// Why a PodDisruptionBudget blocks all evictions, and the fix. Safe text.
pub(crate) fn pdb_conflict(pdb_conflict: &PdbConflict) -> (String, String) {
    match pdb_conflict {
        PdbConflict::UnsupportedForDaemonSet { budget, stated } => (
            format!(
                "PodDisruptionBudget {} can never allow an eviction: {} cannot be computed for pods of a DaemonSet",
                sanitize(budget),
                sanitize(stated)
            ),
            "set its minAvailable to an integer, or run without --evict".into(),
        ),
        PdbConflict::MinAvailableTooHigh { budget, min_available, pods } => (
            format!(
                "PodDisruptionBudget {} can never allow an eviction: its minAvailable is {min_available}, and it \
                 covers {}",
                sanitize(budget),
                pluralize(*pods, "pod")
            ),
            "reduce its minAvailable, or run without --evict".into(),
        ),
        PdbConflict::MultipleBudgets { budgets } => {
            let names: Vec<&str> = budgets.iter().map(String::as_str).collect();
            (
                format!(
                    "more than one PodDisruptionBudget covers the pods, and the API server then rejects all \
                     evictions: {}",
                    sanitize(&ListLength::Handful.list(&names))
                ),
                "change them so that only one covers the pods, or run without --evict".into(),
            )
        }
    }
}

/// What the user is asked to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Before the first pod is removed.
    Start,
    /// After the canary.
    AfterCanary,
}

/// The text of a question. Safe text.
pub(crate) fn question(question: Question, summary: Summary, daemon_set_ref: DaemonSetRef<'_>) -> String {
    let name = sanitize(&format!("{}/{}", daemon_set_ref.namespace, daemon_set_ref.name));
    match question {
        Question::AfterCanary => format!(
            "Canary of {name} complete ({} of {}). Continue with the remaining {}?",
            summary.replaced,
            pluralize(summary.planned, "node"),
            pluralize(summary.waiting, "node")
        ),
        Question::Start => format!("Replace the pods of {name} on {}?", pluralize(summary.planned, "node")),
    }
}
