//! Why a filter rejects a pod's volumes, and how the filters that check volumes collect the results.
//!
//! Four filters check the same claims, and upstream each of them rejects a claim or volume that does not exist; the
//! first one ends the attempt. So each is reported once, by that filter, and the other filters check what is left:
//!
//! - a missing claim by VolumeRestrictions, that of an ephemeral volume by VolumeBinding;
//! - a missing volume by VolumeZone, that of an ephemeral volume by VolumeBinding.

use serde::Serialize;

use crate::placement::TermMismatch;
use crate::snapshot::pod::Pod;
use crate::snapshot::quantity::Quantity;

/// Why the volumes reject the pod or the node. In JSON, the variant's name is the `code`. Claims are in the pod's
/// namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum VolumeRejection {
    /// A disk that the pod uses without a claim is used by another pod on the node.
    DiskInUse {
        /// The name of the pod's volume.
        volume: String,
        /// The source of the volume: `gcePersistentDisk`, `awsElasticBlockStore`, `iscsi` or `rbd`.
        source: &'static str,
        /// The identity of the disk.
        disk: String,
        /// The pods that use it.
        used_by: Vec<PodOnNode>,
    },
    /// Another pod in the cluster uses the claim, whose access mode is `ReadWriteOncePod`.
    VolumeClaimInUse {
        claim: String,
        /// The pods that use it.
        used_by: Vec<PodOnNode>,
    },
    /// The claim does not exist.
    VolumeClaimMissing { claim: String },
    /// The claim of an ephemeral volume does not exist yet.
    VolumeClaimPending {
        claim: String,
        /// The name of the pod's volume.
        volume: String,
    },
    /// The claim was bound to a volume that no longer exists.
    VolumeClaimLost {
        claim: String,
        volume: String,
        /// Whether the claim was created for an ephemeral volume of the pod.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ephemeral: bool,
    },
    /// The claim is being deleted.
    VolumeClaimTerminating {
        claim: String,
        /// Whether the claim was created for an ephemeral volume of the pod.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ephemeral: bool,
    },
    /// A claim has the name that the claim of an ephemeral volume must have, but belongs to another owner.
    VolumeClaimNotOwned {
        claim: String,
        /// The name of the pod's volume.
        volume: String,
    },
    /// The claim must be bound before a pod uses it, but it is not bound.
    VolumeClaimUnbound {
        claim: String,
        /// The storage class; none if the claim requests none.
        storage_class: Option<String>,
        /// The provisioner of the class; none if the class does not exist.
        provisioner: Option<String>,
        /// The PersistentVolume that the claim requests by name.
        volume: Option<String>,
    },
    /// The volume of the claim is being provisioned for another node.
    VolumeClaimOnOtherNode {
        claim: String,
        /// The node that the scheduler selected.
        selected_node: String,
    },
    /// The claim is bound to a volume that does not exist.
    VolumeMissing {
        claim: String,
        volume: String,
        /// Whether the claim was created for an ephemeral volume of the pod.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ephemeral: bool,
    },
    /// The node cannot access the claim's volume.
    VolumeNodeAffinity {
        claim: String,
        volume: String,
        /// Each term of the volume's node affinity with its mismatches.
        terms: Vec<TermMismatch>,
    },
    /// The claim's volume is in another zone or region.
    VolumeZone {
        claim: String,
        volume: String,
        /// The key of the zone or region label.
        key: String,
        /// The zones or regions of the volume.
        required: Vec<String>,
        /// The value on the node; none if the node does not have the label.
        found: Option<String>,
    },
    /// No volume can be bound to the claim on this node, and its class does not provision any.
    NoVolumeToBind {
        claim: String,
        storage_class: String,
        /// The requested storage.
        requested: Quantity,
        /// The volumes of the class with their mismatches.
        mismatches: Vec<MismatchedVolume>,
    },
    /// The storage class does not provision volumes for this node.
    StorageTopology {
        claim: String,
        storage_class: String,
        /// Each term of `allowedTopologies` with its mismatches.
        terms: Vec<TermMismatch>,
    },
    /// The free storage that the node can access is too small.
    StorageCapacity {
        claim: String,
        storage_class: String,
        driver: String,
        /// The requested storage.
        requested: Quantity,
        /// The largest volume that can be provisioned; none if the driver reports no capacity for the node.
        largest: Option<Quantity>,
    },
    /// The CSI driver cannot attach more volumes to the node.
    VolumeLimit {
        driver: String,
        /// The maximum number of volumes.
        limit: i64,
        /// The number of volumes that are attached or required by pods on the node.
        used: usize,
        /// The number of additional volumes of the pod.
        requested: usize,
        /// The pods on the node that use these volumes.
        used_by: Vec<PodOnNode>,
    },
    /// The CSI driver is not installed on the node, and it prevents pods from being scheduled there.
    CsiDriverMissing { driver: String },
}

/// A pod and its node, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PodOnNode {
    pub(crate) namespace: String,
    #[serde(rename = "pod")]
    pub(crate) name: String,
    pub(crate) node: String,
}

impl PodOnNode {
    pub(crate) fn from_pod(pod: &Pod) -> Self {
        Self {
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            node: pod.spec.node_name.clone(),
        }
    }
}

/// A PersistentVolume that cannot be bound to the claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MismatchedVolume {
    pub(crate) volume: String,
    #[serde(flatten)]
    pub(crate) cause: VolumeMismatch,
}

/// The first mismatch between a volume and a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum VolumeMismatch {
    /// The volume is reserved for another claim.
    ClaimedBy {
        /// The namespace and name of the claim.
        claim: String,
    },
    TooSmall {
        /// The capacity of the volume.
        capacity: Quantity,
    },
    /// The volume mode differs: `Block` or `Filesystem`.
    OtherMode {
        /// The mode of the volume.
        found: String,
    },
    /// The VolumeAttributesClass differs.
    OtherAttributes {
        /// The class of the volume, if it has one.
        found: Option<String>,
    },
    /// The volume is being deleted.
    Terminating,
    /// The phase is not `Available` but `Released`, `Failed` or so.
    NotAvailable { phase: String },
    /// The claim's selector does not match the labels of the volume.
    OtherLabels,
    /// The node cannot access the volume.
    OtherNodes {
        /// Each term of the volume's node affinity with its mismatches.
        terms: Vec<TermMismatch>,
    },
    /// The volume does not have an access mode that the claim requests.
    OtherAccess {
        /// The access modes of the volume.
        found: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::scheduling::FilterRejection;

    #[test]
    fn json_has_code_and_evidence() {
        let mismatches = vec![MismatchedVolume {
            volume: "pv".into(),
            cause: VolumeMismatch::NotAvailable { phase: "Released".into() },
        }];
        let (claim, storage_class) = (String::from("data"), String::from("by-hand"));
        let rejection =
            VolumeRejection::NoVolumeToBind { claim, storage_class, requested: Quantity::whole(5), mismatches };
        assert_eq!(
            serde_json::to_value(FilterRejection::Volumes(rejection)).unwrap(),
            json!({
                "code": "NoVolumeToBind", "claim": "data", "storageClass": "by-hand", "requested": "5",
                "mismatches": [{"volume": "pv", "type": "NotAvailable", "phase": "Released"}],
            })
        );
    }
}
