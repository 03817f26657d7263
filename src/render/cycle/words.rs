//! The words of `cycle`: why a node is left alone, why one failed, why it halts, and how to go on.

use jiff::Timestamp;

use crate::cycle::{Barrier, Failure, Halt, LockLoss, LockStatus, Outcome, Skip, Summary, Waiting};
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::names::{HANDFUL, ListLength};
use crate::render::reason::sentence;
use crate::render::remedy::Remedy;
use crate::render::rollout::{hold_sentence, step_in_words};
use crate::render::text::{count, safe};

/// What is said while it is asked to stop.
pub(crate) const STOPPING: &str = "Stopping: the nodes in work are waited for; Ctrl-C again leaves at once";

/// The DaemonSet, for lines to paste.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
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
            let reason = if reason.is_empty() { String::new() } else { format!(" ({})", safe(reason)) };
            format!("the node is not ready{since}{reason}; --include-not-ready takes it along")
        }
        Skip::NotWanted { reasons } => {
            let why: Vec<String> = reasons.iter().map(|reason| sentence(reason, now, ListLength::Handful)).collect();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(" ({})", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            };
            format!("no pod is wanted there any more{why}, so none would come after it")
        }
        Skip::NotAdopted => "the DaemonSet does not control its pod".into(),
        Skip::AlreadyGoing => "its pod is being deleted already".into(),
        Skip::ReplacedMeanwhile => "somebody else replaced its pod".into(),
        Skip::NodeGone => "the node is gone".into(),
    }
}

/// Why a node has failed. Safe text.
pub(super) fn failure(why: &Failure, now: Timestamp) -> String {
    match why {
        Failure::Trouble { cause } => hold_sentence(cause, now, ListLength::Handful),
        Failure::TimedOut { step, reasons } => {
            let step = step.map(|step| format!(": {}", step_in_words(step))).unwrap_or_default();
            let why: Vec<String> = reasons.iter().map(|reason| sentence(reason, now, ListLength::Handful)).collect();
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {}", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            };
            format!("not done within --node-timeout{step}{why}")
        }
        Failure::NotRemoved { message } => format!("its pod was not removed: {}", safe(message)),
    }
}

/// What is waited for. Safe text.
pub(super) fn waiting(waiting: &Waiting, now: Timestamp) -> String {
    match waiting {
        Waiting::Nodes => "waits for the nodes in work".into(),
        Waiting::Lock(holder) => format!("waits: {}", lock_holder(&holder.holder, holder.since)),
        Waiting::Revision => "waits for the controller to see the newest template".into(),
        Waiting::Budget { spent_by, budget } => {
            let nodes: Vec<&str> = spent_by.iter().map(String::as_str).collect();
            let verb = if nodes.len() == 1 { "is" } else { "are" };
            format!(
                "waits: {} {verb} without an available pod, and no more than {budget} may be (--max-unavailable)",
                safe(&ListLength::Handful.list(&nodes))
            )
        }
        Waiting::Soak { until } => match *until > now {
            true => format!("watches the canary for {} more", age(now, *until)),
            false => "watched the canary for long enough".into(),
        },
    }
}

/// Why it halts. Safe text.
pub(super) fn halt(why: &Halt) -> String {
    let named = |nodes: &[String]| {
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        safe(&ListLength::Handful.list(&nodes))
    };
    match why {
        Halt::Failures { nodes } => {
            format!("{} failed, more than --max-failures allows: {}", count(nodes.len(), "node"), named(nodes))
        }
        Halt::TemplateChanged { to } => format!("the template was changed: it is revision {} now", safe(to)),
        Halt::StrategyChanged => {
            "the update strategy is not OnDelete any more: the controller replaces the pods".into()
        }
        Halt::Deleted => "the DaemonSet is gone".into(),
        Halt::BeingDeleted => "the DaemonSet is being deleted".into(),
        Halt::BudgetSpent { nodes } => {
            format!("the budget was spent for as long as --node-timeout: no available pod on {}", named(nodes))
        }
        Halt::NotObserved => "the controller did not make a revision of the template within --node-timeout".into(),
        Halt::Interrupted => "it was asked to stop".into(),
        Halt::Locked { holder, since } => lock_holder(holder, *since),
        Halt::LockLost { holder, since } => lock_loss(holder.as_deref(), *since),
        Halt::LockNotRenewed { message } => format!("the lock was not renewed: {}", safe(message)),
        Halt::Declined => "you did not want to go on".into(),
    }
}

/// What the plan says of the lock, and whether that is a warning. Safe text.
pub(super) fn lock_status(status: &LockStatus) -> (String, bool) {
    match status {
        LockStatus::Free { lease } => (format!("Takes the lock first: Lease {}", safe(lease)), false),
        LockStatus::Held { holder, since, .. } => (format!("! {}", lock_holder(holder, *since)), true),
        LockStatus::Unavailable { message, .. } => {
            (format!("! no lock: {}; --no-lock goes without it", safe(message)), true)
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
    format!("{}; begins no further node, and waits for those in work", halt(&Halt::lock_lost(loss.clone())))
}

fn named_holder(holder: &str, since: Option<Timestamp>) -> String {
    let since = since.map(|since| format!(", since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default();
    format!("{}{since}", safe(holder))
}

/// How to go on after that. Safe text.
pub(super) fn next(why: &Halt, place: Place<'_>) -> Option<Remedy> {
    let Place { namespace, name } = place;
    let about_daemon_set = |words| CommandLine::of_program(words).name(name).namespace(namespace);
    let again = "run the same command again to go on with the nodes that are left";
    Some(match why {
        Halt::Failures { nodes } | Halt::BudgetSpent { nodes } => {
            let line = |node: &String| CommandLine::of_program("why-not").name(node).name(name).namespace(namespace);
            let lines = nodes.iter().take(HANDFUL).map(line);
            let way_out = if matches!(why, Halt::BudgetSpent { .. }) { ", or raise --max-unavailable" } else { "" };
            Remedy::run(format!("find out why{way_out}; then {again}"), lines)
        }
        Halt::TemplateChanged { .. } => Remedy::run(
            format!("look at what changed; {again}, by the new template"),
            [about_daemon_set("rollout history")],
        ),
        Halt::StrategyChanged => {
            Remedy::run("follow it, or restart it paced with --all", [about_daemon_set("rollout watch")])
        }
        Halt::NotObserved => Remedy::say("is the DaemonSet controller running? It is part of kube-controller-manager"),
        Halt::Interrupted | Halt::Declined | Halt::LockLost { .. } | Halt::LockNotRenewed { .. } => Remedy::say(again),
        Halt::Locked { .. } => Remedy::say("run it again when the other cycle has ended, or with --wait-for-lock"),
        Halt::Deleted | Halt::BeingDeleted => return None,
    })
}

/// How it ended, in a line. Safe text.
pub(super) fn outcome(outcome: &Outcome, summary: Summary) -> String {
    match outcome {
        Outcome::Finished if summary.planned == 0 => "nothing to replace".into(),
        Outcome::Finished if summary.failed > 0 => "done, but for the nodes that failed".into(),
        Outcome::Finished => "done".into(),
        Outcome::CanaryDone => {
            "the canary is replaced; run it again without --canary to go on with the nodes that are left".into()
        }
        Outcome::Halted { halt: why @ Halt::Locked { .. } } => format!("nothing was removed: {}", halt(why)),
        Outcome::Halted { halt: why } => format!("halted: {}", halt(why)),
        Outcome::Planned => "dry run: nothing was removed".into(),
        Outcome::Declined => "nothing was removed".into(),
    }
}

/// What evictions come up against. Safe text.
pub(crate) fn barrier(barrier: &Barrier) -> (String, String) {
    match barrier {
        Barrier::NotForDaemonSets { budget, stated } => (
            format!(
                "the PodDisruptionBudget {} can never allow an eviction: {} cannot be computed for pods of a DaemonSet",
                safe(budget),
                safe(stated)
            ),
            "give it a whole number as minAvailable, or leave --evict out".into(),
        ),
        Barrier::WantsThemAll { budget, min_available, pods } => (
            format!(
                "the PodDisruptionBudget {} can never allow an eviction: its minAvailable is {min_available}, and it \
                 covers {}",
                safe(budget),
                count(*pods, "pod")
            ),
            "lower its minAvailable, or leave --evict out".into(),
        ),
        Barrier::Several { budgets } => {
            let names: Vec<&str> = budgets.iter().map(String::as_str).collect();
            (
                format!(
                    "more than one PodDisruptionBudget covers the pods, and such a pod is never evicted: {}",
                    safe(&ListLength::Handful.list(&names))
                ),
                "let only one of them cover the pods, or leave --evict out".into(),
            )
        }
    }
}

/// The question before the first pod is removed, and the one after the canary. Safe text.
pub(crate) fn question(is_canary: bool, summary: Summary, place: Place<'_>) -> String {
    let name = safe(&format!("{}/{}", place.namespace, place.name));
    match is_canary {
        true => format!("The canary is replaced ({} of {}). Go on with {name}?", summary.replaced, summary.planned),
        false => format!("Replace the pods of {name} on {}?", count(summary.planned, "node")),
    }
}
