//! The scheduler's rule: would this node take this pod? One file for each filter, named after its plugin.
//!
//! Upstream: `pkg/scheduler/apis/config/v1/default_plugins.go` for the plugins and their order,
//! `pkg/scheduler/schedule_one.go` `findNodesThatFitPod` and `pkg/scheduler/framework/runtime/framework.go`
//! `RunPreFilterPlugins`, `RunFilterPlugins` for what is said when several refuse. The scheduler stops at the first
//! refusal; here every filter has its say.

mod csi_migration;
mod dynamic_resources;
mod inter_pod_affinity;
mod node_affinity;
mod node_declared_features;
mod node_name;
mod node_pod;
mod node_ports;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
mod pod_topology_spread;
pub(crate) mod preemption;
mod pvc;
mod requests;
pub(crate) mod required_objects;
mod scheduling_gates;
mod taint_toleration;
mod topology;
mod volume_binding;
mod volume_rejection;
mod volume_restrictions;
#[cfg(test)]
mod volume_world;
mod volume_zone;
#[cfg(test)]
mod world;

use serde::Serialize;

use crate::placement::PlacementFailure;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

pub(crate) use dynamic_resources::DeviceRejection;
pub(crate) use inter_pod_affinity::{AffinityRejection, Selected};
pub(crate) use node_pod::Owner;
pub(crate) use node_pod::{NodePod, ResourceUser};
pub(crate) use node_ports::{PortRejection, PortUser, host_port_conflict};
pub(crate) use node_resources_fit::{LowerRequest, ResourceRejection};
pub(crate) use pod_topology_spread::SpreadRejection;
pub(crate) use topology::OtherPod;
pub(crate) use volume_rejection::{MismatchedVolume, PodOnNode, VolumeMismatch, VolumeRejection};

/// One try to put one pod on one node.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    /// The pod, as the API server has made it or would make it.
    pub(crate) pod: &'a Pod,
    /// The node, with its resources.
    pub(crate) node: &'a Node,
    /// The pods that are bound to the node and have not ended, without the pod itself; those that are being deleted
    /// are among them.
    pub(crate) bound_pods: Known<Vec<&'a Pod>>,
    /// The pods without a node for which preemption has made room here (`status.nominatedNodeName`).
    pub(crate) nominated: Known<Vec<&'a Pod>>,
    /// What else is known.
    pub(crate) facts: &'a ClusterObjects,
}

impl Attempt<'_> {
    /// The version whose rules hold.
    pub(crate) fn minor(&self) -> KubeMinor {
        self.facts.kube_minor_or_default()
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
        phase: ExtensionPoint,
        /// Every reason.
        rejections: Vec<FilterFailure>,
    },
    /// What it would take to tell is missing.
    Unknown {
        /// What, and why.
        missing: String,
    },
}

impl Outcome {
    /// A refusal of the node, or a pass where there is nothing to refuse.
    pub(crate) fn from_rejections(rejections: Vec<FilterFailure>) -> Self {
        match rejections.is_empty() {
            true => Self::Pass,
            false => Self::Fail { phase: ExtensionPoint::Filter, rejections },
        }
    }
}

/// The extension points, in the order in which the scheduler comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExtensionPoint {
    /// The pod does not even get into the queue.
    PreEnqueue,
    /// The pod is refused as such.
    PreFilter,
    /// The node is refused for this pod.
    Filter,
}

/// One reason of one filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FilterFailure {
    /// The cause and its evidence.
    pub(crate) rejection: FilterRejection,
    /// The scheduler's own wording.
    pub(crate) scheduler: String,
    /// Whether evicting other pods of the node could help (`Unschedulable`, as against
    /// `UnschedulableAndUnresolvable`).
    pub(crate) may_preempt: bool,
}

/// Why a node does not take a pod. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum FilterRejection {
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
    Placed(PlacementFailure),
    /// Ports of the host.
    #[serde(untagged)]
    Ports(PortRejection),
    /// Resources of the node.
    #[serde(untagged)]
    Resources(ResourceRejection),
    /// Volumes.
    #[serde(untagged)]
    Volumes(VolumeRejection),
    /// Other pods near by.
    #[serde(untagged)]
    Affinity(AffinityRejection),
    /// An even spread.
    #[serde(untagged)]
    Spread(SpreadRejection),
    /// Devices that are claimed.
    #[serde(untagged)]
    Devices(DeviceRejection),
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
pub(crate) fn run_filters(attempt: &Attempt<'_>) -> Vec<(&'static str, Outcome)> {
    FILTERS.iter().map(|filter| (filter.name, (filter.judge)(attempt))).collect()
}

/// Where the scheduler itself would have stopped: the earliest extension point, and there the first plugin.
pub(crate) fn first_failure<'o>(
    outcomes: &'o [(&'static str, Outcome)],
) -> Option<(&'static str, &'o [FilterFailure])> {
    let rejections = outcomes.iter().filter_map(|(name, outcome)| match outcome {
        Outcome::Fail { phase, rejections } => Some((*phase, *name, rejections.as_slice())),
        _ => None,
    });
    // The minimum is the first of equals.
    rejections.min_by_key(|(phase, ..)| *phase).map(|(_, name, rejections)| (name, rejections))
}
