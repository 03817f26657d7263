//! What a plan assumes.

use serde::Serialize;

/// Something on which the result depends and that is not known. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Assumption {
    /// The new pods start and become ready.
    NewPodsBecomeReady,
    /// No other pod is scheduled to the nodes meanwhile.
    NoOtherPods,
    /// Pods compete for a place, and none of them preempts the others: the one that the scheduler tries first gets it.
    OrderOfPods {
        node: String,
        /// As `NAMESPACE/NAME`.
        daemon_sets: Vec<String>,
    },
    /// The new pods of a DaemonSet influence each other across nodes: the order in which they are scheduled decides.
    OrderOfNodes { daemon_set: String, nodes: Vec<String> },
    /// Quotas have no room for all new pods: the order in which they are created decides which are rejected.
    OrderOfCreation {
        daemon_set: String,
        /// How many of the new pods are rejected.
        rejected: usize,
    },
    /// A rollout stops before all pods are replaced: the controller's order of nodes, which is not specified, decides
    /// which.
    OrderOfRollout { daemon_set: String, nodes: Vec<String> },
    /// Pods with finalizers are deleted, and leave when something removes these.
    Finalizers {
        node: String,
        /// As `NAMESPACE/NAME`.
        pods: Vec<String>,
    },
    /// Something could not be read.
    NotRead {
        /// One sentence.
        message: String,
    },
}
