//! The scheduler's filters: does the pod fit on the node?
//!
//! An [`Attempt`] has one pod, one node and the other objects that filters read. [`run_filters`] runs every filter on it, in
//! the order of the scheduler, and [`preemption`] then checks whether evictions would help. Each filter has a file that
//! is named after its plugin. The other files are shared by filters: `requests` (resource requests), `node_pod` and
//! `topology` (pods on the node and on other nodes), `pvc`, `csi_migration` and `volume_report` (volumes).
//! `required_objects` lists the kinds of objects that the filters read for a pod.
//!
//! The scheduler stops at the first plugin that rejects a node. Here every filter runs, and [`first_failure`] returns
//! the one at which the scheduler stops.
//!
//! Upstream: `pkg/scheduler/apis/config/v1/default_plugins.go` for the plugins and their order,
//! `pkg/scheduler/schedule_one.go` `findNodesThatFitPod` and `pkg/scheduler/framework/runtime/framework.go`
//! `RunPreFilterPlugins`, `RunFilterPlugins`.

pub(crate) mod attempt;
mod csi_migration;
mod dynamic_resources;
mod filter;
mod inter_pod_affinity;
mod node_affinity;
mod node_declared_features;
mod node_name;
pub(crate) mod node_pod;
mod node_ports;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
mod pod_topology_spread;
pub(crate) mod preemption;
mod pvc;
mod rejection;
mod requests;
pub(crate) mod required_objects;
mod scheduling_gates;
mod taint_toleration;
mod tied_to_node;
mod topology;
mod volume_binding;
mod volume_report;
mod volume_restrictions;
mod volume_zone;

pub(crate) use attempt::{Attempt, FilterFailure, FilterResult};
pub(crate) use filter::{Filter, first_failure, run_filters, with_missing_pods};
pub(crate) use inter_pod_affinity::exclude_each_other;
pub(crate) use node_pod::{NodePod, OtherPod, ResourceUser};
pub(crate) use node_ports::host_port_conflict;
pub(crate) use rejection::{
    AffinityRejection, DeviceRejection, FilterRejection, LowerRequest, MismatchedVolume, PodOnNode, PortRejection,
    PortUser, ResourceRejection, Selected, SpreadRejection, VolumeMismatch, VolumeRejection,
};
pub(crate) use tied_to_node::{TiedToNode, accepts_node, tied_to_node};
