//! The scheduler's rule: would this node take this pod? One file for each filter, named after its plugin.
//!
//! Upstream: `pkg/scheduler/apis/config/v1/default_plugins.go` for the plugins and their order,
//! `pkg/scheduler/schedule_one.go` `findNodesThatFitPod` and `pkg/scheduler/framework/runtime/framework.go`
//! `RunPreFilterPlugins`, `RunFilterPlugins` for what is said when several refuse. The scheduler stops at the first
//! refusal; here every filter has its say.

mod claims;
mod dynamic_resources;
mod inter_pod_affinity;
mod migrated;
pub(crate) mod needs;
mod node_affinity;
mod node_declared_features;
mod node_name;
mod node_ports;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
mod occupant;
mod pod_topology_spread;
pub(crate) mod preemption;
mod requests;
mod scheduling_gates;
mod surroundings;
mod taint_toleration;
mod volume_binding;
mod volume_misfit;
mod volume_restrictions;
#[cfg(test)]
mod volume_world;
mod volume_zone;
#[cfg(test)]
mod world;

use serde::Serialize;

use crate::placement::Obstacle;
use crate::snapshot::facts::{Facts, Minor};
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::{Known, Node};

pub(crate) use dynamic_resources::DeviceMisfit;
pub(crate) use inter_pod_affinity::{AffinityMisfit, Selected};
pub(crate) use node_ports::{PortHolder, PortMisfit, first_clash};
pub(crate) use node_resources_fit::{LowerRequest, ResourceMisfit};
pub(crate) use occupant::Owner;
pub(crate) use occupant::{Holder, Occupant};
pub(crate) use pod_topology_spread::SpreadMisfit;
pub(crate) use surroundings::OtherPod;
pub(crate) use volume_misfit::{PodOnNode, Unfit, UnfitVolume, VolumeMisfit};

/// One try to put one pod on one node.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    /// The pod, as the API server has made it or would make it.
    pub(crate) pod: &'a FullPod,
    /// The node, with its resources.
    pub(crate) node: &'a Node,
    /// The pods that are bound to the node and have not ended, without the pod itself; those that are being deleted
    /// are among them.
    pub(crate) neighbours: Known<Vec<&'a FullPod>>,
    /// The pods without a node for which preemption has made room here (`status.nominatedNodeName`).
    pub(crate) nominated: Known<Vec<&'a FullPod>>,
    /// What else is known.
    pub(crate) facts: &'a Facts,
}

impl Attempt<'_> {
    /// The version whose rules hold.
    pub(crate) fn minor(&self) -> Minor {
        self.facts.rules()
    }
}

/// What a filter says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The node will do.
    Pass,
    /// It will not.
    Fail {
        /// At which of the scheduler's extension points.
        phase: Phase,
        /// Every reason.
        refusals: Vec<Refusal>,
    },
    /// What it would take to tell is missing.
    Unknown {
        /// What, and why.
        missing: String,
    },
}

impl Outcome {
    /// A refusal of the node, or a pass where there is nothing to refuse.
    pub(crate) fn of(refusals: Vec<Refusal>) -> Self {
        match refusals.is_empty() {
            true => Self::Pass,
            false => Self::Fail { phase: Phase::Filter, refusals },
        }
    }
}

/// The extension points, in the order in which the scheduler comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The pod does not even get into the queue.
    PreEnqueue,
    /// The pod is refused as such.
    PreFilter,
    /// The node is refused for this pod.
    Filter,
}

/// One reason of one filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The cause and its evidence.
    pub(crate) misfit: Misfit,
    /// The scheduler's own wording.
    pub(crate) scheduler: String,
    /// Whether evicting other pods of the node could help (`Unschedulable`, as against
    /// `UnschedulableAndUnresolvable`).
    pub(crate) may_preempt: bool,
}

/// Why a node does not take a pod. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Misfit {
    /// Gates are still on the pod.
    SchedulingGates {
        /// Their names.
        gates: Vec<String>,
    },
    /// The node is cordoned, and the pod does not tolerate that.
    NodeUnschedulable,
    /// The pod asks for features that the node's kubelet does not declare.
    NodeDeclaredFeatures {
        /// Which.
        features: Vec<String>,
    },
    /// Name, labels and taints.
    #[serde(untagged)]
    Placed(Obstacle),
    /// Ports of the host.
    #[serde(untagged)]
    Ports(PortMisfit),
    /// Resources of the node.
    #[serde(untagged)]
    Resources(ResourceMisfit),
    /// Volumes.
    #[serde(untagged)]
    Volumes(VolumeMisfit),
    /// Other pods near by.
    #[serde(untagged)]
    Affinity(AffinityMisfit),
    /// An even spread.
    #[serde(untagged)]
    Spread(SpreadMisfit),
    /// Devices that are claimed.
    #[serde(untagged)]
    Devices(DeviceMisfit),
}

/// A filter by the name of its plugin.
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    /// The plugin.
    pub(crate) name: &'static str,
    judge: fn(&Attempt<'_>) -> Outcome,
}

/// Every filter, in the scheduler's order.
pub(crate) const FILTERS: [Filter; 15] = [
    Filter { name: "SchedulingGates", judge: scheduling_gates::filter },
    Filter { name: "NodeUnschedulable", judge: node_unschedulable::filter },
    Filter { name: "NodeName", judge: node_name::filter },
    Filter { name: "TaintToleration", judge: taint_toleration::filter },
    Filter { name: "NodeAffinity", judge: node_affinity::filter },
    Filter { name: "NodePorts", judge: node_ports::filter },
    Filter { name: "NodeResourcesFit", judge: node_resources_fit::filter },
    Filter { name: "VolumeRestrictions", judge: volume_restrictions::filter },
    Filter { name: "NodeVolumeLimits", judge: node_volume_limits::filter },
    Filter { name: "VolumeBinding", judge: volume_binding::filter },
    Filter { name: "VolumeZone", judge: volume_zone::filter },
    Filter { name: "PodTopologySpread", judge: pod_topology_spread::filter },
    Filter { name: "InterPodAffinity", judge: inter_pod_affinity::filter },
    Filter { name: "DynamicResources", judge: dynamic_resources::filter },
    Filter { name: "NodeDeclaredFeatures", judge: node_declared_features::filter },
];

/// What every filter says of the attempt, in the scheduler's order.
pub(crate) fn judge(attempt: &Attempt<'_>) -> Vec<(&'static str, Outcome)> {
    FILTERS.iter().map(|filter| (filter.name, (filter.judge)(attempt))).collect()
}

/// Where the scheduler itself would have stopped: the earliest extension point, and there the first plugin.
pub(crate) fn first_refusal<'o>(outcomes: &'o [(&'static str, Outcome)]) -> Option<(&'static str, &'o [Refusal])> {
    let refusals = outcomes.iter().filter_map(|(name, outcome)| match outcome {
        Outcome::Fail { phase, refusals } => Some((*phase, *name, refusals.as_slice())),
        _ => None,
    });
    // The minimum is the first of equals.
    refusals.min_by_key(|(phase, ..)| *phase).map(|(_, name, refusals)| (name, refusals))
}
