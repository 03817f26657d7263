//! Resources that the node lacks.

use serde::Serialize;

use crate::scheduling::node_pod::{NodePod, ResourceUser};
use crate::snapshot::quantity::Quantity;

/// What the node is short of. Serialised, the variant's name is the `code`. Amounts are in cores, bytes, or pieces.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum ResourceRejection {
    /// The node is large enough, but too much of it is taken.
    InsufficientResource {
        /// Which.
        resource: String,
        /// By the pod.
        requested: Quantity,
        /// By the pods on the node, and by those that it must leave room for.
        used: Quantity,
        /// What the node has to give.
        allocatable: Quantity,
        /// How much would have to come free.
        short_by: Quantity,
        /// Who has it, the greatest share first.
        used_by: Vec<ResourceUser>,
        /// A smaller request with which the pod would have its place now.
        #[serde(skip_serializing_if = "Option::is_none")]
        reduce_to: Option<LowerRequest>,
    },
    /// Even empty, the node could not hold it.
    ExceedsAllocatable {
        /// Which.
        resource: String,
        /// By the pod.
        requested: Quantity,
        /// What the node has to give; nothing where it does not know the resource.
        allocatable: Quantity,
        /// A smaller request with which the pod would have its place now.
        #[serde(skip_serializing_if = "Option::is_none")]
        reduce_to: Option<LowerRequest>,
    },
    /// The node has as many pods as it takes.
    TooManyPods {
        /// On the node, and those that the pod must leave room for.
        pods: usize,
        /// How many it takes.
        allocatable: Quantity,
        /// Which.
        used_by: Vec<NodePod>,
    },
}

/// The greatest request of one container, or of the pod as a whole, with which the pod fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LowerRequest {
    /// Of which container; none for the pod as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// Whether that is an init container.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) init: bool,
    /// The request.
    pub(crate) request: Quantity,
}
