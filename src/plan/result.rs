//! What a plan says.

use std::collections::HashMap;

use serde::Serialize;

use super::assumption::Assumption;
use super::finding::{Finding, Severity};
use super::rollout_forecast::RolloutForecast;
use crate::admission::AdmissionPlugin;
use crate::alerts::Alert;
use crate::check_result::CheckResult;
use crate::coverage::Counts;
use crate::explain::State;
use crate::explain::diagnosis::CheckReason;
use crate::placement::Placement;
use crate::rollout::{Strategy, TemplateChange};
use crate::scheduling::preemption::Preemption;

/// What a change would do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The DaemonSets that the change concerns, in the order of the snapshot.
    pub(crate) daemon_sets: Vec<DaemonSetPlan>,
    pub(crate) assumptions: Vec<Assumption>,
}

/// What a change does to the object of a DaemonSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum ObjectEffect {
    Created,
    Changed,
    /// The change concerns only its pods.
    Unchanged,
}

/// What a change would do to one DaemonSet.
#[derive(Clone, Debug)]
pub(crate) struct DaemonSetPlan {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) effect: ObjectEffect,
    /// How the pod template differs; empty if it is the same.
    pub(crate) template_changes: Vec<TemplateChange>,
    /// The number of the earlier revision that has the new template, if the template changes and there is one.
    pub(crate) earlier_revision: Option<i64>,
    /// The strategy after the change.
    pub(crate) strategy: Strategy,
    pub(crate) before: Option<Counts>,
    pub(crate) after: Counts,
    pub(crate) rollout: RolloutForecast,
    /// What admission decides about the new pods; empty if there are none.
    pub(crate) admission: Vec<AdmissionForecast>,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) alerts: Vec<Alert>,
}

/// What one plugin of the API server decides about the new pods of a DaemonSet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdmissionForecast {
    pub(crate) plugin: AdmissionPlugin,
    pub(crate) result: CheckResult<CheckReason>,
    /// How many of the new pods are rejected.
    pub(crate) rejected: usize,
}

/// What happens to the pod of a DaemonSet on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum NodeAction {
    /// The controller creates a pod where there was none.
    Create,
    /// The pod is deleted and a new one is created.
    Replace,
    /// The pod stays.
    Keep,
    /// The pod is deleted, and no new one is created.
    Delete,
    /// A `NoExecute` taint evicts the pod, and the controller creates it again.
    Evict,
    /// There is no pod, and none is created.
    None,
}

/// A DaemonSet on a node before the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeBefore {
    pub(crate) placement: Option<Placement>,
    pub(crate) state: State,
    /// The name of the pod that counts.
    pub(crate) pod: Option<String>,
}

/// One DaemonSet on one node.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) node: String,
    /// `None` if the node or the DaemonSet does not exist before the change.
    pub(crate) before: Option<NodeBefore>,
    /// Whether the node is eligible after the change; `None` if the node is deleted or could not be read.
    pub(crate) placement: Option<Placement>,
    pub(crate) action: NodeAction,
    /// Whether the pod that is there after the change gets its place; `None` if there is none, if it has it already, or
    /// if that is unknown.
    pub(crate) schedulable: Option<bool>,
    /// Why the node is not eligible, why the pod does not get its place, or why it is not replaced.
    pub(crate) reasons: Vec<CheckReason>,
    pub(crate) preemption: Option<Preemption>,
    /// Whether the result depends on an assumption.
    pub(crate) is_assumed: bool,
    /// Whether it is an effect of the change, and does not happen anyway.
    pub(crate) is_effect: bool,
}

/// One DaemonSet before the change.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) counts: Counts,
    /// Whether a rollout is in progress that does not continue by itself.
    pub(super) is_blocked: bool,
    pub(super) nodes: HashMap<String, NodeBefore>,
}

impl Plan {
    /// Whether something goes wrong: a rollout is blocked, or a pod is rejected or cannot be scheduled.
    pub(crate) fn has_problem(&self) -> bool {
        self.daemon_sets.iter().flat_map(|one| &one.findings).any(|finding| finding.severity() == Severity::Problem)
    }

    /// Whether a node that has a pod has none after the change.
    pub(crate) fn has_loss(&self) -> bool {
        self.daemon_sets.iter().flat_map(|one| &one.nodes).any(NodePlan::is_loss)
    }
}

impl NodePlan {
    /// Whether a node that has a pod has none after the change.
    pub(crate) fn is_loss(&self) -> bool {
        self.is_effect
            && match self.action {
                NodeAction::Delete => true,
                NodeAction::Replace | NodeAction::Evict => self.schedulable == Some(false),
                NodeAction::Create | NodeAction::Keep | NodeAction::None => false,
            }
    }
}
