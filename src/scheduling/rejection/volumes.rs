//! Volumes and their claims.

use serde::Serialize;

use crate::placement::TermMismatch;
use crate::snapshot::pod::Pod;
use crate::snapshot::quantity::Quantity;

/// What is wrong with the volumes. Serialised, the variant's name is the `code`. Claims are of the pod's namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum VolumeRejection {
    /// A disk that the pod names itself is used by another pod of the node.
    DiskInUse {
        /// The pod's volume.
        volume: String,
        /// The kind of disk, as the volume spells it: `gcePersistentDisk`, `awsElasticBlockStore`, `iscsi` or `rbd`.
        source: &'static str,
        /// Its name among disks of its kind.
        disk: String,
        /// Who uses it.
        used_by: Vec<PodOnNode>,
    },
    /// A claim with `ReadWriteOncePod` is used by another pod of the cluster.
    VolumeClaimInUse {
        /// The claim.
        claim: String,
        /// Who uses it.
        used_by: Vec<PodOnNode>,
    },
    /// The claim is not there.
    VolumeClaimMissing {
        /// The claim.
        claim: String,
    },
    /// The claim of an ephemeral volume is not there yet.
    VolumeClaimPending {
        /// The claim.
        claim: String,
        /// The pod's volume.
        volume: String,
    },
    /// The claim was bound to a volume that is gone.
    VolumeClaimLost {
        /// The claim.
        claim: String,
        /// The PersistentVolume.
        volume: String,
        /// Whether it was made for the pod alone.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ephemeral: bool,
    },
    /// The claim is being deleted.
    VolumeClaimTerminating {
        /// The claim.
        claim: String,
        /// Whether it was made for the pod alone.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ephemeral: bool,
    },
    /// A claim has the name that the claim of an ephemeral volume must have, and is not the pod's.
    VolumeClaimNotOwned {
        /// The claim.
        claim: String,
        /// The pod's volume.
        volume: String,
    },
    /// The claim is to be bound before any pod uses it, and is not.
    VolumeClaimUnbound {
        /// The claim.
        claim: String,
        /// Its storage class; none when it asks for none.
        storage_class: Option<String>,
        /// Who provisions volumes of the class; none when there is no such class.
        provisioner: Option<String>,
        /// The PersistentVolume that it asks for by name, if it does.
        volume: Option<String>,
    },
    /// The volume of the claim is being provisioned for another node.
    VolumeClaimOnOtherNode {
        /// The claim.
        claim: String,
        /// The node that a scheduler chose for it.
        selected_node: String,
    },
    /// The claim is bound to a volume that is not there.
    VolumeMissing {
        /// The claim.
        claim: String,
        /// The PersistentVolume.
        volume: String,
        /// Whether it was made for the pod alone.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ephemeral: bool,
    },
    /// The claim's volume cannot be reached from the node.
    VolumeNodeAffinity {
        /// The claim.
        claim: String,
        /// The PersistentVolume.
        volume: String,
        /// Each term of its node affinity with what it missed.
        terms: Vec<TermMismatch>,
    },
    /// The claim's volume is in another zone or region.
    VolumeZone {
        /// The claim.
        claim: String,
        /// The PersistentVolume.
        volume: String,
        /// The label of the zone or region.
        key: String,
        /// Where the volume is.
        required: Vec<String>,
        /// Where the node is; none when it has no such label.
        found: Option<String>,
    },
    /// No volume can be bound to the claim here, and its class makes none.
    NoVolumeToBind {
        /// The claim.
        claim: String,
        /// Its storage class.
        storage_class: String,
        /// How much it asks for.
        requested: Quantity,
        /// The volumes of the class, and why each is not for the claim on this node.
        mismatches: Vec<MismatchedVolume>,
    },
    /// The storage class makes no volumes where the node is.
    StorageTopology {
        /// The claim.
        claim: String,
        /// Its storage class.
        storage_class: String,
        /// Each term of `allowedTopologies` with what it missed.
        terms: Vec<TermMismatch>,
    },
    /// There is not enough storage left that the node can reach.
    StorageCapacity {
        /// The claim.
        claim: String,
        /// Its storage class.
        storage_class: String,
        /// The CSI driver.
        driver: String,
        /// How much the claim asks for.
        requested: Quantity,
        /// The largest volume that could still be made; none when the driver reports nothing for the node.
        largest: Option<Quantity>,
    },
    /// The node's driver attaches no more volumes.
    VolumeLimit {
        /// The CSI driver.
        driver: String,
        /// How many it attaches to the node.
        limit: i64,
        /// How many are attached, or about to be.
        used: usize,
        /// How many more the pod needs.
        requested: usize,
        /// Whose they are, as far as pods of the node use them.
        used_by: Vec<PodOnNode>,
    },
    /// The CSI driver does not run on the node, and asks that no pod come before it.
    CsiDriverMissing {
        /// The CSI driver.
        driver: String,
    },
}

/// A pod and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct PodOnNode {
    pub(crate) namespace: String,
    /// Its name.
    #[serde(rename = "pod")]
    pub(crate) name: String,
    /// Its node.
    pub(crate) node: String,
}

impl PodOnNode {
    /// The pod by its names.
    pub(crate) fn from_pod(pod: &Pod) -> Self {
        Self {
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            node: pod.spec.node_name.clone(),
        }
    }
}

/// A PersistentVolume that is not for the claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct MismatchedVolume {
    /// The PersistentVolume.
    pub(crate) volume: String,
    /// Why not.
    #[serde(flatten)]
    pub(crate) cause: VolumeMismatch,
}

/// The first thing that keeps a volume from a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum VolumeMismatch {
    /// It is kept for another claim.
    ClaimedBy {
        /// The claim's namespace and name.
        claim: String,
    },
    /// It is too small.
    TooSmall {
        /// Its capacity.
        capacity: Quantity,
    },
    /// It is a block device and the claim wants a file system, or the other way round.
    OtherMode {
        /// The volume's mode.
        found: String,
    },
    /// Its VolumeAttributesClass is not the claim's.
    OtherAttributes {
        /// The volume's class, if it has one.
        found: Option<String>,
    },
    /// It is being deleted.
    Terminating,
    /// It is `Released`, `Failed`, ..., not `Available`.
    NotAvailable {
        /// The phase.
        phase: String,
    },
    /// The claim's selector does not match its labels.
    OtherLabels,
    /// It cannot be reached from the node.
    OtherNodes {
        /// Each term of its node affinity with what it missed.
        terms: Vec<TermMismatch>,
    },
    /// It lacks an access mode that the claim asks for.
    OtherAccess {
        /// The volume's access modes.
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
    fn json_has_the_code_and_the_evidence() {
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
