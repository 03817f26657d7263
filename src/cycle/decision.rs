//! What a run decides, and what it tells.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::lock::{LockHolder, LockLoss};
use crate::explain::Reason;
use crate::rollout::{self, Problem};
use crate::snapshot::PodSummary;

/// A pod, and which one of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PodRef {
    /// Its name.
    pub(crate) name: String,
    /// Its uid.
    pub(crate) uid: String,
}

impl PodRef {
    pub(super) fn from_pod(pod: &PodSummary) -> Self {
        Self { name: pod.metadata.name.clone(), uid: pod.metadata.uid.clone() }
    }
}

/// What a look is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObservationSource {
    /// Lists that are newer than everything done so far, and that arrived just now.
    Listed,
    /// Lists and the changes after them: late ones where the process was suspended, or the connection was.
    Watched,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// List anew and ask again: what comes next cannot be decided by changes alone.
    Relist,
    /// Remove this pod: only with this uid.
    Replace {
        /// The node that it is on.
        node: String,
        /// The pod.
        pod: PodRef,
        /// The resourceVersion that the pod must still have: the budget has no room, and the pod may go only because it is
        /// down. One that has come up meanwhile may not.
        unchanged: Option<String>,
    },
    /// Look again when something has changed, or at this moment at the latest.
    Wait {
        /// For what.
        waiting: WaitReason,
        /// The moment.
        until: Option<Timestamp>,
    },
    /// The canary is replaced: ask whether to go on.
    Ask,
    /// Every planned node has come to its end.
    Finish,
    /// Leave the rest alone.
    HaltReason(HaltReason),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum WaitReason {
    /// Nodes in work.
    Nodes,
    /// Another run holds the lock.
    Lock(LockHolder),
    /// The controller has not made a revision of today's template yet.
    Revision,
    /// Nodes that are not in work spend the budget.
    Budget {
        /// Which nodes.
        budget_used_by: Vec<String>,
        /// How many may be spent.
        budget: usize,
    },
    /// The canary is watched.
    Soak {
        /// Until when.
        until: Timestamp,
    },
}

/// Why the rest is left alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum HaltReason {
    /// More nodes have failed than `--max-failures`.
    TooManyFailures {
        /// Which.
        nodes: Vec<String>,
    },
    /// The template became another one.
    TemplateChanged {
        /// The hash of the new one.
        to: String,
    },
    /// The controller replaces pods by itself now.
    StrategyChanged,
    /// The DaemonSet is gone, or another one has its name.
    Deleted,
    /// The DaemonSet is being deleted.
    Deleting,
    /// The budget was spent by other nodes for as long as `--node-timeout`.
    BudgetExhausted {
        /// Which nodes.
        nodes: Vec<String>,
    },
    /// The controller did not make a revision of the template for as long as `--node-timeout`.
    NotObserved,
    /// The user asked it to stop.
    Interrupted,
    /// Another run holds the lock.
    Locked {
        /// The holder's identity.
        holder: String,
        /// Since when, by the holder's clock.
        since: Option<Timestamp>,
    },
    /// The lock was lost: the Lease is gone, has no holder, or has another one.
    LockLost {
        /// The other holder's identity.
        holder: Option<String>,
        /// Since when, by that holder's clock.
        since: Option<Timestamp>,
    },
    /// The lock could not be renewed for as long as `--node-timeout`, or must not be.
    LockNotRenewed {
        /// The API server's words, or what happened to the connection.
        message: String,
    },
    /// The user did not want to go on after the canary.
    Declined,
}

impl HaltReason {
    /// Halts for another run that holds the lock.
    pub(crate) fn locked(holder: LockHolder) -> Self {
        let LockHolder { holder, since } = holder;
        Self::Locked { holder, since }
    }

    /// Halts for a lock that was lost.
    pub(crate) fn lock_lost(loss: LockLoss) -> Self {
        match loss {
            LockLoss::TakenOver(LockHolder { holder, since }) => Self::LockLost { holder: Some(holder), since },
            LockLoss::Deleted | LockLoss::Cleared => Self::LockLost { holder: None, since: None },
        }
    }
}

/// What is new since the last look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeEvent {
    /// A node in work came to another step.
    StepChanged {
        /// The node.
        node: String,
        /// Where it is.
        step: rollout::NodeStep,
        /// Why it is not done.
        reasons: Vec<Reason>,
    },
    /// The new pod is available.
    Replaced {
        /// The node.
        node: String,
        /// The new pod.
        pod: String,
        /// How long it took.
        took: SignedDuration,
    },
    /// The new pod was available, and is not any more.
    Regressed {
        /// The node.
        node: String,
    },
    /// The node has failed.
    Failed {
        /// The node.
        node: String,
        /// Why.
        why: Failure,
    },
    /// The node is left alone after all.
    Skipped {
        /// The node.
        node: String,
        /// Why.
        why: Skip,
    },
}

impl NodeEvent {
    /// Whether it ends what is done on a node. What ends by time alone may have gone on unseen.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Replaced { .. } | Self::Failed { .. } | Self::Skipped { .. } => true,
            Self::StepChanged { .. } | Self::Regressed { .. } => false,
        }
    }
}

/// Why a node is left alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Skip {
    /// The node is down: its pod would not go, or nothing would come after it.
    NodeNotReady {
        /// The reason of the node's condition `Ready`.
        reason: String,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// No pod is wanted there any more, so that the controller would make none.
    NotEligible {
        /// Why.
        reasons: Vec<Reason>,
    },
    /// The DaemonSet does not control the pod: it would adopt it.
    NotControlled,
    /// The pod is being deleted already.
    AlreadyTerminating,
    /// Somebody else replaced it meanwhile.
    ReplacedMeanwhile,
    /// The node is gone.
    NodeGone,
}

/// Why a node has failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Failure {
    /// The new pod cannot come up by itself.
    NodeProblem {
        /// What proves it.
        problem: Problem,
    },
    /// It was not done within `--node-timeout`.
    TimedOut {
        /// Where it was.
        step: Option<rollout::NodeStep>,
        /// What it waited for.
        reasons: Vec<Reason>,
    },
    /// The API server would not remove the old pod within `--node-timeout`.
    NotRemoved {
        /// Its words.
        message: String,
    },
}
