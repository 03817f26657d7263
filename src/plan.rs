//! What a change of the cluster would do to DaemonSets, before it is made.
//!
//! Input: a [`World`], which is what is known about the cluster, and a [`ClusterChange`]: DaemonSets and other objects as
//! they would be, and changes of nodes. [`plan()`] applies the change (`world`) and then answers with the rules that the
//! rest of the program uses:
//! - `draft` decides for each node what the controller does with the pods there: create, replace, keep, delete.
//! - `competition` finds the pods that want a place on each node; `place` runs the scheduler's filters for them in the order
//!   of priority, and finds what preemption would evict. `around` has what the filters read of other nodes.
//! - `creation` has what the API server rejects, with the quotas for all new pods together.
//! - `forecast` is the rollout: how many pods are replaced, how many at a time, and whether it is blocked.
//! - `finding` lists what may surprise, and `alert` the alerts of kubernetes-mixin that would fire.
//!
//! The result is a [`Plan`]. What depends on an order that is not specified, or on what could not be read, is an
//! [`Assumption`].
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `manage`, `podsShouldBeOnNode`;
//! `pkg/controller/daemon/update.go` `rollingUpdate`.

mod alert;
mod around;
mod assumption;
mod competition;
mod counts;
mod creation;
mod draft;
mod finding;
mod forecast;
mod new_pod;
mod objects;
mod place;
mod world;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Serialize;

use crate::admission::AdmissionPlugin;
use crate::coverage::{Counts, compute_coverage};
use crate::explain::State;
use crate::explain::diagnosis::CheckReason;
use crate::placement::Placement;
use crate::rollout::{Phase, Strategy, TemplateChange, rollout_status};
use crate::scheduling::preemption::Preemption;

pub(crate) use alert::Alert;
pub(crate) use assumption::Assumption;
pub(crate) use finding::{Finding, Severity};
pub(crate) use forecast::RolloutForecast;
pub(crate) use new_pod::{may_create, needs};
pub(crate) use objects::ObjectChange;
pub(crate) use world::{ClusterChange, DryRun, NodeChange, World};

use draft::Draft;

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
    pub(crate) result: crate::check_result::CheckResult<CheckReason>,
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

/// The plan of a change.
pub(crate) fn plan(mut world: World, change: &ClusterChange) -> Plan {
    let before: HashMap<(String, String), Before> = before(&world);
    let changed = world.apply(change);
    let world = &world;
    let coverages = compute_coverage(&world.snapshot);
    let mut drafts: Vec<Draft<'_>> = coverages
        .iter()
        .map(|coverage| {
            let key = (coverage.namespace().to_owned(), coverage.name().to_owned());
            Draft::new(coverage, world, before.get(&key), &changed)
        })
        .collect();
    let mut assumptions = Vec::new();
    creation::check(world, change, &mut drafts, &mut assumptions);
    competition::settle(world, &mut drafts, &mut assumptions);
    let is_concerned =
        |draft: &Draft<'_>| draft.effect() != ObjectEffect::Unchanged || draft.from.is_some() || draft.has_effect();
    let concerned: Vec<&Draft<'_>> = drafts.iter().filter(|draft| is_concerned(draft)).collect();
    assumptions.extend(concerned.iter().flat_map(|draft| draft.assumptions(world)));
    assumptions.dedup();
    Plan { daemon_sets: concerned.into_iter().map(|draft| draft.finish(world)).collect(), assumptions }
}

/// One DaemonSet before the change.
#[derive(Debug)]
struct Before {
    counts: Counts,
    /// Whether a rollout is in progress that does not continue by itself.
    is_blocked: bool,
    nodes: HashMap<String, NodeBefore>,
}

fn before(world: &World) -> HashMap<(String, String), Before> {
    let of = |coverage: &crate::coverage::Coverage<'_>| {
        let node = |row: &crate::coverage::NodeCoverage<'_>| {
            let pod = row.pods.first().map(|pod| pod.metadata.name.clone());
            (row.node.to_owned(), NodeBefore { placement: row.placement, state: row.state, pod })
        };
        let nodes = coverage.rows.iter().map(node).collect();
        let key = (coverage.namespace().to_owned(), coverage.name().to_owned());
        let is_blocked = matches!(rollout_status(coverage, &world.snapshot).phase, Phase::Blocked | Phase::Stuck);
        (key, Before { counts: coverage.counts, is_blocked, nodes })
    };
    compute_coverage(&world.snapshot).iter().map(of).collect()
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
