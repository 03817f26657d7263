//! What a run decides ([`Action`]), why it waits or halts, and what it reports about nodes ([`NodeEvent`]).

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::lock::{LockHolder, LockLoss};
use crate::explain::Reason;
use crate::rollout::{self, Problem};
use crate::snapshot::PodSummary;

/// A pod, identified by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PodRef {
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl PodRef {
    pub(super) fn from_pod(pod: &PodSummary) -> Self {
        Self { name: pod.metadata.name.clone(), uid: pod.metadata.uid.clone() }
    }
}

/// What an observation is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObservationSource {
    /// New lists: they arrived just now, and contain the effects of all earlier requests.
    Listed,
    /// Lists and the watch events after them. Events may be late, if the process or the connection was suspended.
    Watched,
}

/// The removal of one pod, with its uid as precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) node: String,
    pub(crate) pod: PodRef,
    /// The resourceVersion as another precondition, if the budget is used up. The pod may be removed only because it is
    /// not ready, and must not be removed if it has become ready.
    pub(crate) unchanged: Option<String>,
}

/// When a hook runs: the cordon or uncordon of a node, and the command of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum HookPoint {
    /// Before the old pod is removed.
    Before,
    /// After the new pod has become available.
    After,
}

/// A hook of one node that starts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookStart {
    pub(crate) node: String,
    pub(crate) point: HookPoint,
    /// The old pod before the removal, the new one after it.
    pub(crate) pod: PodRef,
    /// Whether the node is cordoned before, or uncordoned after.
    pub(crate) cordons: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// List again and decide again: watch events alone are not sufficient for the next decision.
    Relist,
    /// Remove these pods at the same time. Not empty.
    Replace(Vec<Removal>),
    /// Start these hooks. Not empty. The nodes are in progress already.
    StartHooks(Vec<HookStart>),
    /// Observe again when something changes, at the latest at `until`.
    Wait { waiting: WaitReason, until: Option<Timestamp> },
    /// The canary is replaced: ask whether to continue.
    Ask,
    /// Every planned node is replaced, failed or skipped.
    Finish,
    /// Stop. The remaining nodes keep their pods.
    Halt(HaltReason),
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum WaitReason {
    /// Nodes in progress.
    Nodes,
    /// Another run has the lock.
    Lock(LockHolder),
    /// The controller has not created the revision of the current template.
    Revision,
    /// Other nodes, which are not in progress, use up the budget.
    Budget {
        budget_used_by: Vec<String>,
        budget: usize,
    },
    Soak {
        until: Timestamp,
    },
    /// On all nodes that could be started, the pod of a DaemonSet of `--require` is not available.
    Requirement {
        /// `NAMESPACE/NAME`.
        daemon_set: String,
        nodes: Vec<String>,
    },
}

/// Why a run stops before all planned nodes are done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum HaltReason {
    /// More nodes have failed than `--max-failures`.
    TooManyFailures { nodes: Vec<String> },
    /// The template changed.
    TemplateChanged {
        /// The hash of the new template.
        to: String,
    },
    /// The update strategy is no longer `OnDelete`: the controller replaces pods itself.
    StrategyChanged,
    /// The DaemonSet was deleted, or recreated with the same name.
    Deleted,
    /// The DaemonSet is being deleted.
    Deleting,
    /// Other nodes used up the budget for `--node-timeout`.
    BudgetExhausted { nodes: Vec<String> },
    /// The controller did not create the revision of the template within `--node-timeout`.
    NotObserved,
    /// On the remaining nodes, the pod of a DaemonSet of `--require` was not available for `--node-timeout`.
    RequirementNotMet {
        /// `NAMESPACE/NAME`.
        daemon_set: String,
        nodes: Vec<String>,
    },
    /// The time of `--timeout` is over.
    TimedOut,
    /// The user asked it to stop.
    Interrupted,
    /// Another run has the lock.
    Locked {
        holder: String,
        /// When the holder acquired the lock, by its own clock.
        since: Option<Timestamp>,
    },
    /// The lock was lost: the Lease was deleted, has no holder, or has another one.
    LockLost {
        /// The identity of the other holder.
        holder: Option<String>,
        /// When it acquired the lock, by its own clock.
        since: Option<Timestamp>,
    },
    /// The lock could not be renewed within `--node-timeout`, or retries cannot help.
    LockNotRenewed {
        /// The message of the API server, or the connection error.
        message: String,
    },
    /// The user did not want to continue after the canary.
    Declined,
}

impl HaltReason {
    pub(crate) fn locked(holder: LockHolder) -> Self {
        let LockHolder { holder, since } = holder;
        Self::Locked { holder, since }
    }

    pub(crate) fn lock_lost(loss: LockLoss) -> Self {
        match loss {
            LockLoss::TakenOver(LockHolder { holder, since }) => Self::LockLost { holder: Some(holder), since },
            LockLoss::Deleted | LockLoss::Cleared => Self::LockLost { holder: None, since: None },
        }
    }
}

/// What changed on a node since the last observation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeEvent {
    /// A node in progress has another step.
    StepChanged {
        node: String,
        step: rollout::NodeStep,
        reasons: Vec<Reason>,
    },
    /// The new pod is available.
    Replaced {
        node: String,
        pod: String,
        took: SignedDuration,
    },
    /// The new pod was available and no longer is.
    Regressed {
        node: String,
    },
    Failed {
        node: String,
        why: Failure,
    },
    Skipped {
        node: String,
        why: Skip,
    },
}

impl NodeEvent {
    /// Whether it ends the work on a node. Such an event requires new lists: it may be caused by time alone, and the
    /// node may have made progress that was not observed.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Replaced { .. } | Self::Failed { .. } | Self::Skipped { .. } => true,
            Self::StepChanged { .. } | Self::Regressed { .. } => false,
        }
    }
}

/// Why a node is skipped.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Skip {
    /// The node is down: its pod would not terminate, or no new pod would start.
    NodeNotReady {
        /// The reason of the Ready condition of the node, or the key of its taint.
        reason: String,
        since: Option<Timestamp>,
    },
    /// The node is being maintained or drained.
    Maintenance {
        /// The type of the condition, such as `DrainInProgress`.
        condition: String,
        since: Option<Timestamp>,
    },
    /// The node is not eligible: the controller would not create a new pod.
    NotEligible { reasons: Vec<Reason> },
    /// The DaemonSet does not control the pod yet; it may adopt it.
    NotControlled,
    /// The pod is already terminating.
    AlreadyTerminating,
    /// The pod was replaced by something else after the plan was made.
    ReplacedMeanwhile,
    /// The node was deleted.
    NodeGone,
}

/// Why a node has failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Failure {
    /// The new pod cannot become available without intervention.
    NodeProblem {
        /// The proof.
        problem: Problem,
    },
    /// It was not done within `--node-timeout`.
    TimedOut { step: Option<rollout::NodeStep>, reasons: Vec<Reason> },
    /// The API server rejected the removal of the old pod until `--node-timeout`, or will always reject it.
    NotRemoved {
        /// The message of the API server.
        message: String,
    },
    /// The new pod is available, and the pod of a DaemonSet of `--require` on the node is not, until `--node-timeout`.
    RequirementNotMet {
        /// `NAMESPACE/NAME`.
        daemon_set: String,
    },
    /// `--before` or `--after` failed, or the node could not be cordoned or uncordoned.
    HookFailed { point: HookPoint, message: String },
}
