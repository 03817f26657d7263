//! Resources that the node lacks.

use serde::Serialize;

use crate::scheduling::node_pod::{NodePod, ResourceUser};
use crate::snapshot::quantity::Quantity;

/// Which resource is insufficient. In JSON, the variant's name is the `code`. Amounts are in cores, bytes or units.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum ResourceRejection {
    /// The node is large enough, but too much of the resource is in use.
    InsufficientResource {
        resource: String,
        /// The request of the pod.
        requested: Quantity,
        /// The requests of the pods on the node, and of the nominated pods that have priority.
        used: Quantity,
        allocatable: Quantity,
        /// The amount that is missing.
        short_by: Quantity,
        /// The pods that use the resource, the largest request first.
        used_by: Vec<ResourceUser>,
        /// A lower request with which the pod would fit now.
        #[serde(skip_serializing_if = "Option::is_none")]
        reduce_to: Option<LowerRequest>,
    },
    /// The pod does not fit even on the empty node.
    ExceedsAllocatable {
        resource: String,
        /// The request of the pod.
        requested: Quantity,
        /// Zero if the node does not have the resource.
        allocatable: Quantity,
        /// A lower request with which the pod would fit now.
        #[serde(skip_serializing_if = "Option::is_none")]
        reduce_to: Option<LowerRequest>,
    },
    /// The node has the maximum number of pods.
    TooManyPods {
        /// The number of pods on the node, and of the nominated pods that have priority.
        pods: usize,
        /// The maximum number of pods.
        allocatable: Quantity,
        used_by: Vec<NodePod>,
    },
}

impl ResourceRejection {
    /// The name of the resource; `pods` for the number of pods.
    pub(crate) fn resource(&self) -> &str {
        match self {
            Self::InsufficientResource { resource, .. } | Self::ExceedsAllocatable { resource, .. } => resource,
            Self::TooManyPods { .. } => "pods",
        }
    }

    /// The pods that use the resource.
    pub(crate) fn users(&self) -> Box<dyn Iterator<Item = &NodePod> + '_> {
        match self {
            Self::InsufficientResource { used_by, .. } => Box::new(used_by.iter().map(|user| &user.node_pod)),
            Self::ExceedsAllocatable { .. } => Box::new(std::iter::empty()),
            Self::TooManyPods { used_by, .. } => Box::new(used_by.iter()),
        }
    }
}

/// The highest request, of one container or of the pod as a whole, with which the pod fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LowerRequest {
    /// The container; none for the pod-level request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// Whether it is an init container.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) init: bool,
    pub(crate) request: Quantity,
}
