//! The words of `cycle`: why a node is left alone, why one failed, why it halts, and how to go on.

use jiff::Timestamp;

use crate::cycle::{CycleOutcome, Failure, HaltReason, LockLoss, LockStatus, PdbConflict, Skip, Summary, WaitReason};
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::reason::detail;
use crate::render::remedy::Remedy;
use crate::render::rollout::{hold_sentence, step_in_words};
use crate::render::text::{pluralize, sanitize};

/// What is said while it is asked to stop.
pub(crate) const STOPPING: &str = "Stopping: the nodes in work are waited for; Ctrl-C again leaves at once";

/// The DaemonSet, for lines to paste.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DaemonSetRef<'a> {
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
}

/// Why a node is left alone. Safe text.
pub(super) fn skip(why: &Skip, now: Timestamp) -> String {
    match why {
        Skip::NodeNotReady { reason, since } => {
            let since = since.map(|since| format!(" since {}", age(since, now))).unwrap_or_default();
            let reason = if reason.is_empty() { String::new() } else { format!(" ({})", sanitize(reason)) };
            format!("the node is not ready{since}{reason}; --include-not-ready takes it along")
        }
        Skip::NotEligible { reasons } => {
            let why: Vec<String> = reasons.iter().map(|reason| detail(reason, now, ListLength::Handful)).collect();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(" ({})", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            };
            format!("no pod is wanted there any more{why}, so none would come after it")
        }
        Skip::NotControlled => "the DaemonSet does not control its pod".into(),
        Skip::AlreadyTerminating => "its pod is being deleted already".into(),
        Skip::ReplacedMeanwhile => "somebody else replaced its pod".into(),
        Skip::NodeGone => "the node is gone".into(),
    }
}

/// Why a node has failed. Safe text.
pub(super) fn failure(why: &Failure, now: Timestamp) -> String {
    match why {
        Failure::NodeProblem { cause } => hold_sentence(cause, now, ListLength::Handful),
        Failure::TimedOut { step, reasons } => {
            let step = step.map(|step| format!(": {}", step_in_words(step))).unwrap_or_default();
            let why: Vec<String> = reasons.iter().map(|reason| detail(reason, now, ListLength::Handful)).collect();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {}", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            };
            format!("not done within --node-timeout{step}{why}")
        }
        Failure::NotRemoved { message } => format!("its pod was not removed: {}", sanitize(message)),
    }
}

/// What is waited for. Safe text.
pub(super) fn waiting(waiting: &WaitReason, now: Timestamp) -> String {
    match waiting {
        WaitReason::Nodes => "waits for the nodes in work".into(),
        WaitReason::Lock(holder) => format!("waits: {}", lock_holder(&holder.holder, holder.since)),
        WaitReason::Revision => "waits for the controller to see the newest template".into(),
        WaitReason::Budget { budget_used_by, budget } => {
            let nodes: Vec<&str> = budget_used_by.iter().map(String::as_str).collect();
            let verb = if nodes.len() == 1 { "is" } else { "are" };
            format!(
                "waits: {} {verb} without an available pod, and no more than {budget} may be (--max-unavailable)",
                sanitize(&ListLength::Handful.list(&nodes))
            )
        }
        WaitReason::Soak { until } => match *until > now {
            true => format!("watches the canary for {} more", age(now, *until)),
            false => "watched the canary for long enough".into(),
        },
    }
}

/// Why it halts. Safe text.
pub(super) fn halt(why: &HaltReason) -> String {
    let named = |nodes: &[String]| {
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        sanitize(&ListLength::Handful.list(&nodes))
    };
    match why {
        HaltReason::TooManyFailures { nodes } => {
            format!("{} failed, more than --max-failures allows: {}", pluralize(nodes.len(), "node"), named(nodes))
        }
        HaltReason::TemplateChanged { to } => format!("the template was changed: it is revision {} now", sanitize(to)),
        HaltReason::StrategyChanged => {
            "the update strategy is not OnDelete any more: the controller replaces the pods".into()
        }
        HaltReason::Deleted => "the DaemonSet is gone".into(),
        HaltReason::Deleting => "the DaemonSet is being deleted".into(),
        HaltReason::BudgetExhausted { nodes } => {
            format!("the budget was spent for as long as --node-timeout: no available pod on {}", named(nodes))
        }
        HaltReason::NotObserved => {
            "the controller did not make a revision of the template within --node-timeout".into()
        }
        HaltReason::Interrupted => "it was asked to stop".into(),
        HaltReason::Locked { holder, since } => lock_holder(holder, *since),
        HaltReason::LockLost { holder, since } => lock_loss(holder.as_deref(), *since),
        HaltReason::LockNotRenewed { message } => format!("the lock was not renewed: {}", sanitize(message)),
        HaltReason::Declined => "you did not want to go on".into(),
    }
}

/// What the plan says of the lock, and whether that is a warning. Safe text.
pub(super) fn lock_status(status: &LockStatus) -> (String, bool) {
    match status {
        LockStatus::Free { lease } => (format!("Takes the lock first: Lease {}", sanitize(lease)), false),
        LockStatus::Held { holder, since, .. } => (format!("! {}", lock_holder(holder, *since)), true),
        LockStatus::Unavailable { message, .. } => {
            (format!("! no lock: {}; --no-lock goes without it", sanitize(message)), true)
        }
        LockStatus::Disabled => {
            ("! no lock: another cycle of this DaemonSet at the same time can exceed the budget".into(), true)
        }
    }
}

/// Who holds the lock. Safe text.
pub(super) fn lock_holder(holder: &str, since: Option<Timestamp>) -> String {
    format!("another cycle holds the lock: {}", named_holder(holder, since))
}

/// How the lock was lost. Safe text.
pub(super) fn lock_loss(holder: Option<&str>, since: Option<Timestamp>) -> String {
    match holder {
        Some(holder) => format!("the lock is lost: the Lease has another holder, {}", named_holder(holder, since)),
        None => "the lock is lost: the Lease was deleted or cleared".into(),
    }
}

/// The same while nodes are in work. Safe text.
pub(crate) fn lock_lost(loss: &LockLoss) -> String {
    format!("{}; begins no further node, and waits for those in work", halt(&HaltReason::lock_lost(loss.clone())))
}

fn named_holder(holder: &str, since: Option<Timestamp>) -> String {
    let since = since.map(|since| format!(", since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default();
    format!("{}{since}", sanitize(holder))
}

/// How to go on after that. Safe text.
pub(super) fn next(why: &HaltReason, daemon_set_ref: DaemonSetRef<'_>) -> Option<Remedy> {
    let DaemonSetRef { namespace, name } = daemon_set_ref;
    let about_daemon_set = |words| CommandLine::own_program(words).name(name).namespace(namespace);
    let again = "run the same command again to go on with the nodes that are left";
    Some(match why {
        HaltReason::TooManyFailures { nodes } | HaltReason::BudgetExhausted { nodes } => {
            let line = |node: &String| CommandLine::own_program("why-not").name(node).name(name).namespace(namespace);
            let lines = nodes.iter().take(HANDFUL).map(line);
            let way_out =
                if matches!(why, HaltReason::BudgetExhausted { .. }) { ", or raise --max-unavailable" } else { "" };
            Remedy::run(format!("find out why{way_out}; then {again}"), lines)
        }
        HaltReason::TemplateChanged { .. } => Remedy::run(
            format!("look at what changed; {again}, by the new template"),
            [about_daemon_set("rollout history")],
        ),
        HaltReason::StrategyChanged => {
            Remedy::run("follow it, or restart it paced with --all", [about_daemon_set("rollout watch")])
        }
        HaltReason::NotObserved => {
            Remedy::say("is the DaemonSet controller running? It is part of kube-controller-manager")
        }
        HaltReason::Interrupted
        | HaltReason::Declined
        | HaltReason::LockLost { .. }
        | HaltReason::LockNotRenewed { .. } => Remedy::say(again),
        HaltReason::Locked { .. } => {
            Remedy::say("run it again when the other cycle has ended, or with --wait-for-lock")
        }
        HaltReason::Deleted | HaltReason::Deleting => return None,
    })
}

/// How it ended, in a line. Safe text.
pub(super) fn outcome(outcome: &CycleOutcome, summary: Summary) -> String {
    match outcome {
        CycleOutcome::Finished if summary.planned == 0 => "nothing to replace".into(),
        CycleOutcome::Finished if summary.failed > 0 => "done, but for the nodes that failed".into(),
        CycleOutcome::Finished => "done".into(),
        CycleOutcome::CanaryDone => {
            "the canary is replaced; run it again without --canary to go on with the nodes that are left".into()
        }
        CycleOutcome::Halted { halt: why @ HaltReason::Locked { .. } } => format!("nothing was removed: {}", halt(why)),
        CycleOutcome::Halted { halt: why } => format!("halted: {}", halt(why)),
        CycleOutcome::Planned => "dry run: nothing was removed".into(),
        CycleOutcome::Declined => "nothing was removed".into(),
    }
}

/// What evictions come up against. Safe text.
pub(crate) fn pdb_conflict(pdb_conflict: &PdbConflict) -> (String, String) {
    match pdb_conflict {
        PdbConflict::UnsupportedForDaemonSet { budget, stated } => (
            format!(
                "the PodDisruptionBudget {} can never allow an eviction: {} cannot be computed for pods of a DaemonSet",
                sanitize(budget),
                sanitize(stated)
            ),
            "give it a whole number as minAvailable, or leave --evict out".into(),
        ),
        PdbConflict::MinAvailableTooHigh { budget, min_available, pods } => (
            format!(
                "the PodDisruptionBudget {} can never allow an eviction: its minAvailable is {min_available}, and it \
                 covers {}",
                sanitize(budget),
                pluralize(*pods, "pod")
            ),
            "lower its minAvailable, or leave --evict out".into(),
        ),
        PdbConflict::MultipleBudgets { budgets } => {
            let names: Vec<&str> = budgets.iter().map(String::as_str).collect();
            (
                format!(
                    "more than one PodDisruptionBudget covers the pods, and such a pod is never evicted: {}",
                    sanitize(&ListLength::Handful.list(&names))
                ),
                "let only one of them cover the pods, or leave --evict out".into(),
            )
        }
    }
}

/// The question before the first pod is removed, and the one after the canary. Safe text.
pub(crate) fn question(is_canary: bool, summary: Summary, daemon_set_ref: DaemonSetRef<'_>) -> String {
    let name = sanitize(&format!("{}/{}", daemon_set_ref.namespace, daemon_set_ref.name));
    match is_canary {
        true => format!("The canary is replaced ({} of {}). Go on with {name}?", summary.replaced, summary.planned),
        false => format!("Replace the pods of {name} on {}?", pluralize(summary.planned, "node")),
    }
}
