//! The scheduler's rule: would this node take this pod? One file for each filter, named after its plugin.
//!
//! Upstream: `pkg/scheduler/apis/config/v1/default_plugins.go` for the plugins and their order,
//! `pkg/scheduler/schedule_one.go` `findNodesThatFitPod` and `pkg/scheduler/framework/runtime/framework.go`
//! `RunPreFilterPlugins`, `RunFilterPlugins` for what is said when several refuse. The scheduler stops at the first
//! refusal; here every filter has its say.

mod attempt;
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
mod topology;
mod volume_binding;
mod volume_report;
mod volume_restrictions;
#[cfg(test)]
mod volume_world;
mod volume_zone;
#[cfg(test)]
mod world;

pub(crate) use attempt::{Attempt, FilterFailure, FilterResult};
pub(crate) use filter::{Filter, first_failure, run_filters};
pub(crate) use node_pod::{NodePod, OtherPod, ResourceUser};
pub(crate) use node_ports::host_port_conflict;
pub(crate) use rejection::{
    AffinityRejection, DeviceRejection, FilterRejection, LowerRequest, MismatchedVolume, PodOnNode, PortRejection,
    PortUser, ResourceRejection, Selected, SpreadRejection, VolumeMismatch, VolumeRejection,
};
