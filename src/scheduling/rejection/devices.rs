//! Claimed devices.

use serde::Serialize;

use crate::placement::TermMismatch;

/// Why the claims reject the pod or the node. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum DeviceRejection {
    /// The claim that is to be created from a template does not exist yet.
    ResourceClaimNotCreated {
        /// The name of the claim in the pod.
        pod_claim: String,
        template: String,
        /// Whether the template exists; none if that is unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        template_found: Option<bool>,
    },
    /// The claim that the pod names is not there.
    ResourceClaimNotFound { claim: String },
    /// The claim is being deleted.
    ResourceClaimDeleting { claim: String },
    /// The claim was made for another pod.
    ResourceClaimNotOwned { claim: String },
    /// A request of the claim names a DeviceClass that does not exist.
    DeviceClassNotFound {
        /// The ResourceClaim, or the template from which it is to be created.
        claim: String,
        request: String,
        class: String,
    },
    /// The claim is allocated, and its devices cannot be used on this node.
    ResourceClaimOnOtherNode {
        claim: String,
        /// The node selector of the allocation, and the mismatches of this node.
        terms: Vec<TermMismatch>,
        /// The names of the pods and other objects that use the claim.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        reserved_for: Vec<String>,
    },
    /// The claim is allocated, and the preparation of its device failed.
    ResourceClaimBindingFailed {
        claim: String,
        /// The condition of the device.
        condition: String,
        /// The reason of the condition.
        reason: String,
        /// The message of the condition.
        detail: String,
    },
    /// The node has fewer devices than the claims request, whichever would match.
    DevicesUnavailable {
        /// The ResourceClaims, or the templates from which they are to be created.
        claims: Vec<String>,
        /// The minimum number of devices that the claims need.
        requested: usize,
        /// The number of devices that can be used on the node.
        devices: usize,
        /// The number of these devices that no claim uses.
        free: usize,
        /// The claims that use the other devices, as namespace/name.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        used_by: Vec<String>,
    },
}
