//! What may surprise in a plan.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`, `updatedDesiredNodeCounts`.

use serde::Serialize;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Severity {
    /// The change does not achieve what it is for.
    Problem,
    /// It harms something, or may.
    Warning,
    /// It is as Kubernetes does it, and not everybody expects it.
    Note,
}

/// Something that may surprise. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Finding {
    /// The rollout stops before all pods are replaced.
    RolloutBlocked {
        budget: usize,
        /// The nodes that use the budget for good; empty if the API server rejects new pods.
        used_by: Vec<String>,
        /// The nodes that keep their old pod.
        waiting: Vec<String>,
    },
    /// The API server rejects new pods.
    PodsRejected { rejected: usize, new_pods: usize },
    /// New pods find no place on these nodes.
    Unschedulable { nodes: Vec<String> },
    /// Preemption evicts pods for the new ones.
    Preempts {
        nodes: Vec<String>,
        /// The evicted pods, as `NAMESPACE/NAME`.
        pods: Vec<String>,
    },
    /// New pods are on nodes where they cannot run: the node is not ready, or under pressure.
    CannotRun { nodes: Vec<String> },
    /// A `NoExecute` taint evicts the pods again and again.
    EvictedRepeatedly { nodes: Vec<String> },
    /// Old pods that are not available are replaced at once, although the budget is smaller.
    ReplacedAtOnce {
        nodes: Vec<String>,
        budget: usize,
        /// Whether some are ready, but not yet for `minReadySeconds`: a change soon after another one replaces them again.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        within_min_ready_seconds: bool,
    },
    /// With a surge, nodes without an available old pod get the new one whatever `maxUnavailable: 0` promises.
    SurgeIgnoresMaxUnavailable { nodes: Vec<String> },
    /// The percentage allows the replacement of all pods at the same time.
    AllAtOnce { limit: String },
    /// The limit resolves to 0, and the controller replaces one pod at a time.
    LimitIsZero { limit: String },
    /// The strategy is `OnDelete`: no pod is replaced until it is deleted.
    NothingUntilDeleted { outdated: usize },
    /// The same template as an earlier revision: pods that still run it are not replaced.
    EarlierRevision { revision: i64 },
    /// Misscheduled pods stay until something else deletes them.
    Misscheduled { nodes: Vec<String> },
    /// No node is eligible.
    NoEligibleNode,
    /// The pods are on nodes of several operating systems, and the template is for none in particular.
    SeveralOperatingSystems {
        /// The nodes with another operating system than Linux.
        nodes: Vec<String>,
    },
}

impl Finding {
    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::RolloutBlocked { .. }
            | Self::PodsRejected { .. }
            | Self::Unschedulable { .. }
            | Self::EvictedRepeatedly { .. } => Severity::Problem,
            Self::Preempts { .. }
            // The node is the problem, not the change.
            | Self::CannotRun { .. }
            | Self::SeveralOperatingSystems { .. }
            | Self::ReplacedAtOnce { .. }
            | Self::SurgeIgnoresMaxUnavailable { .. }
            | Self::AllAtOnce { .. }
            | Self::Misscheduled { .. }
            | Self::NoEligibleNode => Severity::Warning,
            Self::LimitIsZero { .. } | Self::NothingUntilDeleted { .. } | Self::EarlierRevision { .. } => {
                Severity::Note
            }
        }
    }
}
