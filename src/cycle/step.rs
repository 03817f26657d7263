//! What a run decides, and what it tells.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::entry::Failure;
use super::plan::Skip;
use crate::explain::Reason;
use crate::rollout;
use crate::snapshot::Pod;

/// A pod, and which one of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PodRef {
    /// Its name.
    pub(crate) name: String,
    /// Its uid.
    pub(crate) uid: String,
}

impl PodRef {
    pub(super) fn of(pod: &Pod) -> Self {
        Self { name: pod.metadata.name.clone(), uid: pod.metadata.uid.clone() }
    }
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Remove this pod: only with this uid, and only if the look was a fresh one.
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
        waiting: Waiting,
        /// The moment.
        until: Option<Timestamp>,
    },
    /// The canary is replaced: ask whether to go on.
    Ask,
    /// Every planned node has come to its end.
    Finish,
    /// Leave the rest alone.
    Halt(Halt),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all_fields = "camelCase")]
pub(crate) enum Waiting {
    /// Nodes in work.
    Nodes,
    /// The controller has not made a revision of today's template yet.
    Revision,
    /// Nodes that are not in work spend the budget.
    Budget {
        /// Which nodes.
        spent_by: Vec<String>,
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
pub(crate) enum Halt {
    /// More nodes have failed than `--max-failures`.
    Failures {
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
    BeingDeleted,
    /// The budget was spent by other nodes for as long as `--node-timeout`.
    BudgetSpent {
        /// Which nodes.
        nodes: Vec<String>,
    },
    /// The controller did not make a revision of the template for as long as `--node-timeout`.
    NotObserved,
    /// The user asked it to stop.
    Interrupted,
    /// The user did not want to go on after the canary.
    Declined,
}

/// What is new since the last look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// A node in work came to another step.
    Moved {
        /// The node.
        node: String,
        /// Where it is.
        step: rollout::Step,
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
    Undone {
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
