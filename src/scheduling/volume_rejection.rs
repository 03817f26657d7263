//! What can be wrong with a pod's volumes, and how the filters that look at volumes gather it.
//!
//! Four filters look at the same claims, and upstream each of them refuses a claim or a volume that is not there; the
//! first that does ends the attempt. So it is told once, by that one, and the others judge what is left. A missing claim
//! is told by VolumeRestrictions, that of an ephemeral volume by VolumeBinding; a missing volume by VolumeZone, that of
//! an ephemeral one by VolumeBinding.

use serde::Serialize;

use super::{Attempt, ExtensionPoint, FilterFailure, FilterRejection, Outcome};
use crate::placement::TermMismatch;
use crate::snapshot::Known;
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
        wanted: Vec<String>,
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
    /// Its namespace.
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
#[serde(tag = "cause", rename_all_fields = "camelCase")]
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

/// What a filter has found so far.
#[derive(Debug, Default)]
pub(super) struct FilterReport {
    /// Refusals of the pod as such.
    of_pod: Vec<FilterFailure>,
    /// Refusals of the node.
    of_node: Vec<FilterFailure>,
    missing: Option<String>,
}

impl FilterReport {
    /// Refuses the pod on every node: no eviction helps.
    pub(super) fn reject_pod(&mut self, rejection: VolumeRejection, scheduler: impl Into<String>) {
        let scheduler = scheduler.into();
        self.of_pod.push(FilterFailure {
            rejection: FilterRejection::Volumes(rejection),
            scheduler,
            may_preempt: false,
        });
    }

    /// Refuses the node.
    pub(super) fn reject(&mut self, rejection: VolumeRejection, scheduler: impl Into<String>, may_preempt: bool) {
        self.of_node.push(FilterFailure {
            rejection: FilterRejection::Volumes(rejection),
            scheduler: scheduler.into(),
            may_preempt,
        });
    }

    /// What was read; when it was not, that is noted.
    pub(super) fn read<'f, T>(&mut self, fact: &'f Known<T>) -> Option<&'f T> {
        if let Some(why) = fact.missing() {
            self.missing.get_or_insert_with(|| why.to_owned());
        }
        fact.known()
    }

    /// The pods that the scheduler counts on the node: its neighbours, and those without a node for which room was
    /// made here and whose priority is not less (`pkg/scheduler/framework/runtime/framework.go` `addNominatedPods`).
    pub(super) fn pods_of_node<'a>(&mut self, attempt: &Attempt<'a>) -> Option<Vec<&'a Pod>> {
        let mut pods = self.read(&attempt.bound_pods)?.clone();
        let is_first = |pod: &&Pod| pod.priority() >= attempt.pod.priority() && !is_same(pod, attempt.pod);
        pods.extend(self.read(&attempt.nominated)?.iter().copied().filter(is_first));
        Some(pods)
    }

    /// One cause is enough to refuse, whatever is missing; nothing may be missing to pass. What refuses the pod as
    /// such is told first.
    pub(super) fn outcome(self) -> Outcome {
        let phase = if self.of_pod.is_empty() { ExtensionPoint::Filter } else { ExtensionPoint::PreFilter };
        let rejections: Vec<FilterFailure> = self.of_pod.into_iter().chain(self.of_node).collect();
        match (rejections.is_empty(), self.missing) {
            (false, _) => Outcome::Fail { phase, rejections },
            (true, Some(missing)) => Outcome::Unknown { missing },
            (true, None) => Outcome::Pass,
        }
    }
}

/// Whether both are one pod. A pod that is not made yet is no other's.
pub(super) fn is_same(one: &Pod, other: &Pod) -> bool {
    match (one.metadata.uid.as_str(), other.metadata.uid.as_str()) {
        ("", _) | (_, "") => {
            let name = |pod: &Pod| (pod.metadata.namespace.clone(), pod.metadata.name.clone());
            !one.metadata.name.is_empty() && name(one) == name(other)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

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
                "mismatches": [{"volume": "pv", "cause": "NotAvailable", "phase": "Released"}],
            })
        );
    }
}
