//! The PersistentVolumeClaims of a pod, and the properties of a claim that the filters read.
//!
//! Upstream: `component-helpers/storage/ephemeral/ephemeral.go`, `component-helpers/storage/volume/helpers.go`,
//! `pv_helpers.go`.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::snapshot::pod::Pod;
use crate::snapshot::pod::volume::Ephemeral;
use crate::snapshot::quantity::Quantity;

/// The annotation that named the storage class before the field existed.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// The annotation that the binder (the PV controller or the scheduler) sets when a claim is bound.
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// The annotation with the node that a scheduler selected for a volume to be provisioned.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The access mode that allows only one pod in the cluster to use the claim.
const READ_WRITE_ONCE_POD: &str = "ReadWriteOncePod";

#[derive(Clone, Debug)]
pub(super) struct PodClaim<'a> {
    /// The name of the claim. It is incomplete for the ephemeral volume of a pod that has no name yet.
    pub(super) name: String,
    /// The name of the pod's volume.
    pub(super) volume: &'a str,
    /// The volume source from which the claim is created, if it belongs to this pod only.
    pub(super) ephemeral: Option<&'a Ephemeral>,
}

/// The claims of a pod, in the order of its volumes (`VolumeClaimName`).
pub(super) fn claims_of(pod: &Pod) -> impl Iterator<Item = PodClaim<'_>> {
    pod.spec.volumes.iter().filter_map(|volume| {
        let source = &volume.source;
        let (name, ephemeral) = match (&source.persistent_volume_claim, &source.ephemeral) {
            (Some(claim), _) => (claim.claim_name.clone(), None),
            (None, Some(ephemeral)) => (format!("{}-{}", pod.metadata.name, volume.name), Some(ephemeral)),
            (None, None) => return None,
        };
        Some(PodClaim { name, volume: &volume.name, ephemeral })
    })
}

/// The claims that the pod references by name, without those of ephemeral volumes.
pub(super) fn named_claims_of(pod: &Pod) -> impl Iterator<Item = PodClaim<'_>> {
    claims_of(pod).filter(|claim| claim.ephemeral.is_none())
}

pub(super) fn find<'c>(
    claims: &'c [PersistentVolumeClaim],
    namespace: &str,
    name: &str,
) -> Option<&'c PersistentVolumeClaim> {
    let is_it = |metadata: &ObjectMeta| {
        metadata.name.as_deref() == Some(name) && metadata.namespace.as_deref() == Some(namespace)
    };
    claims.iter().find(|claim| is_it(&claim.metadata))
}

pub(super) fn find_volume<'v>(volumes: &'v [PersistentVolume], name: &str) -> Option<&'v PersistentVolume> {
    volumes.iter().find(|volume| volume.metadata.name.as_deref() == Some(name))
}

pub(super) fn name_of(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

fn annotation<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The claim's storage class; empty if it has none (`GetPersistentVolumeClaimClass`).
pub(super) fn class_of(claim: &PersistentVolumeClaim) -> &str {
    let field = || claim.spec.as_ref()?.storage_class_name.as_deref();
    annotation(&claim.metadata, BETA_CLASS).or_else(field).unwrap_or_default()
}

/// The volume's storage class; empty if it has none (`GetPersistentVolumeClass`).
pub(super) fn class_of_volume(volume: &PersistentVolume) -> &str {
    let field = || volume.spec.as_ref()?.storage_class_name.as_deref();
    annotation(&volume.metadata, BETA_CLASS).or_else(field).unwrap_or_default()
}

/// The volume that the claim is bound to or requests by name; empty if there is none.
pub(super) fn volume_of(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default()
}

/// Whether the binding is complete (`volumebinding/binder.go` `isPVCFullyBound`).
pub(super) fn is_fully_bound(claim: &PersistentVolumeClaim) -> bool {
    !volume_of(claim).is_empty() && annotation(&claim.metadata, BIND_COMPLETED).is_some()
}

/// Whether the claim was bound to a volume that no longer exists.
pub(super) fn is_lost(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Lost")
}

/// The node for which the claim's volume is being provisioned.
pub(super) fn selected_node_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    annotation(&claim.metadata, SELECTED_NODE)
}

/// The requested storage.
pub(super) fn request_of(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    let request = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?;
    Some(request.0.parse().unwrap_or_default())
}

/// Whether only one pod in the cluster may use the claim.
pub(super) fn is_for_one_pod(claim: &PersistentVolumeClaim) -> bool {
    let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    modes.iter().any(|mode| mode == READ_WRITE_ONCE_POD)
}

/// Whether the claim was created for the pod (`VolumeIsForPod`).
pub(super) fn is_made_for(claim: &PersistentVolumeClaim, pod: &Pod) -> bool {
    let owners = claim.metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    claim.metadata.namespace.as_deref() == Some(&pod.metadata.namespace)
        && controller.is_some_and(|owner| owner.uid == pod.metadata.uid)
}
