//! Why a node does not take a pod: one variant for each cause, with its evidence. The filters produce these values, and
//! `render::reason::scheduling` has a sentence and a remedy for each.

mod affinity;
mod devices;
mod ports;
mod resources;
mod spread;
mod volumes;

use serde::Serialize;

pub(crate) use affinity::{AffinityRejection, Selected};
pub(crate) use devices::DeviceRejection;
pub(crate) use ports::{PortRejection, PortUser};
pub(crate) use resources::{LowerRequest, ResourceRejection};
pub(crate) use spread::SpreadRejection;
pub(crate) use volumes::{MismatchedVolume, PodOnNode, VolumeMismatch, VolumeRejection};

use crate::placement::PlacementFailure;

/// Why a filter rejects the pod or the node. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum FilterRejection {
    /// Gates are still on the pod.
    SchedulingGates {
        /// The names of the gates.
        gates: Vec<String>,
    },
    /// The node is cordoned, and the pod does not tolerate that.
    NodeUnschedulable,
    /// The pod asks for features that the node's kubelet does not declare.
    NodeDeclaredFeatures {
        /// The names of the features.
        features: Vec<String>,
    },
    /// The node's name, labels or taints.
    #[serde(untagged)]
    Placed(PlacementFailure),
    /// Host ports.
    #[serde(untagged)]
    Ports(PortRejection),
    /// Resources of the node.
    #[serde(untagged)]
    Resources(ResourceRejection),
    /// Volumes.
    #[serde(untagged)]
    Volumes(VolumeRejection),
    /// Affinity or anti-affinity between pods.
    #[serde(untagged)]
    Affinity(AffinityRejection),
    /// Topology spread.
    #[serde(untagged)]
    Spread(SpreadRejection),
    /// Devices of ResourceClaims.
    #[serde(untagged)]
    Devices(DeviceRejection),
}

impl FilterRejection {
    /// Whether pods are the obstacle, and no additional pod removes it: pods use what the pod needs, or repel it. (The
    /// pod that a required affinity looks for may be one that is not known, and one more pod changes a spread.)
    pub(crate) fn outlasts_more_pods(&self) -> bool {
        match self {
            Self::Ports(PortRejection::HostPortInUse { .. })
            | Self::Resources(
                ResourceRejection::InsufficientResource { .. }
                | ResourceRejection::ExceedsAllocatable { .. }
                | ResourceRejection::TooManyPods { .. },
            )
            | Self::Volumes(
                VolumeRejection::DiskInUse { .. }
                | VolumeRejection::VolumeClaimInUse { .. }
                | VolumeRejection::VolumeLimit { .. },
            )
            | Self::Affinity(
                AffinityRejection::PodAntiAffinity { .. } | AffinityRejection::ExistingPodsAntiAffinity { .. },
            ) => true,
            Self::SchedulingGates { .. }
            | Self::NodeUnschedulable
            | Self::NodeDeclaredFeatures { .. }
            | Self::Placed(_)
            | Self::Volumes(_)
            | Self::Affinity(
                AffinityRejection::PodAffinityTopologyKey { .. } | AffinityRejection::PodAffinity { .. },
            )
            | Self::Spread(_)
            | Self::Devices(_) => false,
        }
    }
}
