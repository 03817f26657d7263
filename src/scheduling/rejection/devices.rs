//! Claimed devices.

use serde::Serialize;

use crate::placement::TermMismatch;

/// What is wrong with the claims. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum DeviceRejection {
    /// The claim that is to be made from a template is not there yet.
    ResourceClaimNotCreated {
        /// The pod's own name for the claim.
        pod_claim: String,
        /// The ResourceClaimTemplate.
        template: String,
        /// Whether the template is there; none where that is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        template_found: Option<bool>,
    },
    /// The claim that the pod names is not there.
    ResourceClaimNotFound {
        /// The ResourceClaim.
        claim: String,
    },
    /// The claim is being deleted.
    ResourceClaimDeleting {
        /// The ResourceClaim.
        claim: String,
    },
    /// The claim was made for another pod.
    ResourceClaimNotOwned {
        /// The ResourceClaim.
        claim: String,
    },
    /// A request of the claim names a device class that is not there.
    DeviceClassNotFound {
        /// The ResourceClaim, or the template that it is to be made from.
        claim: String,
        request: String,
        /// The DeviceClass.
        class: String,
    },
    /// The claim is allocated, and its devices cannot be used on this node.
    ResourceClaimOnOtherNode {
        /// The ResourceClaim.
        claim: String,
        /// What the allocation asks of a node, and what this one has.
        terms: Vec<TermMismatch>,
        /// The pods and other objects that use it, by their names.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        reserved_for: Vec<String>,
    },
    /// The claim is allocated, and its device could not be made ready.
    ResourceClaimBindingFailed {
        /// The ResourceClaim.
        claim: String,
        /// The device's condition.
        condition: String,
        /// The reason of the condition.
        reason: String,
        /// The condition's message.
        detail: String,
    },
    /// There are not as many devices for the node as the claims ask for, whichever would suit.
    DevicesUnavailable {
        /// The ResourceClaims, or the templates that they are to be made from.
        claims: Vec<String>,
        /// How many devices they need at least.
        requested: usize,
        /// How many there are for the node.
        devices: usize,
        /// How many of these are in no use.
        free: usize,
        /// The claims that hold the others, as namespace/name.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        used_by: Vec<String>,
    },
}
