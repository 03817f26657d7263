//! A pod's claims, and what the filters read of a claim.
//!
//! Upstream: `component-helpers/storage/ephemeral/ephemeral.go`, `component-helpers/storage/volume/helpers.go`,
//! `pv_helpers.go`.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::snapshot::pod::Pod;
use crate::snapshot::pod::volume::Ephemeral;
use crate::snapshot::quantity::Quantity;

/// Where a storage class was named before it had a field.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// Whoever binds a claim leaves this on it when it is done.
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// The node that a scheduler chose for a volume that is to be provisioned.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Access for a single pod of the cluster.
const READ_WRITE_ONCE_POD: &str = "ReadWriteOncePod";

/// A claim that a pod uses.
#[derive(Clone, Debug)]
pub(super) struct PodClaim<'a> {
    /// The claim's name. That of a pod which has no name yet is none either.
    pub(super) name: String,
    /// The pod's volume.
    pub(super) volume: &'a str,
    /// From which the claim is made, when it is made for this pod alone.
    pub(super) ephemeral: Option<&'a Ephemeral>,
}

/// The claims of a pod, in its volumes' order (`VolumeClaimName`).
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

/// The claims that the pod names itself.
pub(super) fn named_claims_of(pod: &Pod) -> impl Iterator<Item = PodClaim<'_>> {
    claims_of(pod).filter(|claim| claim.ephemeral.is_none())
}

/// The claim of that name.
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

/// The volume of that name.
pub(super) fn find_volume<'v>(volumes: &'v [PersistentVolume], name: &str) -> Option<&'v PersistentVolume> {
    volumes.iter().find(|volume| volume.metadata.name.as_deref() == Some(name))
}

/// An object's name.
pub(super) fn name_of(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

fn annotation<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The claim's storage class, empty for none (`GetPersistentVolumeClaimClass`).
pub(super) fn class_of(claim: &PersistentVolumeClaim) -> &str {
    let field = || claim.spec.as_ref()?.storage_class_name.as_deref();
    annotation(&claim.metadata, BETA_CLASS).or_else(field).unwrap_or_default()
}

/// The volume's storage class, empty for none (`GetPersistentVolumeClass`).
pub(super) fn class_of_volume(volume: &PersistentVolume) -> &str {
    let field = || volume.spec.as_ref()?.storage_class_name.as_deref();
    annotation(&volume.metadata, BETA_CLASS).or_else(field).unwrap_or_default()
}

/// The volume that the claim is bound to, or asks for; empty for none.
pub(super) fn volume_of(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default()
}

/// Whether claim and volume have found each other (`volumebinding/binder.go` `isPVCFullyBound`).
pub(super) fn is_fully_bound(claim: &PersistentVolumeClaim) -> bool {
    !volume_of(claim).is_empty() && annotation(&claim.metadata, BIND_COMPLETED).is_some()
}

/// Whether the claim was bound to a volume that is gone for good.
pub(super) fn is_lost(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Lost")
}

/// The node for which the claim's volume is being provisioned.
pub(super) fn selected_node_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    annotation(&claim.metadata, SELECTED_NODE)
}

/// How much storage the claim asks for.
pub(super) fn request_of(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    let request = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?;
    Some(request.0.parse().unwrap_or_default())
}

/// Whether only one pod of the cluster may use the claim.
pub(super) fn is_for_one_pod(claim: &PersistentVolumeClaim) -> bool {
    let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    modes.iter().any(|mode| mode == READ_WRITE_ONCE_POD)
}

/// Whether the claim was made for the pod (`VolumeIsForPod`).
pub(super) fn is_made_for(claim: &PersistentVolumeClaim, pod: &Pod) -> bool {
    let owners = claim.metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    claim.metadata.namespace.as_deref() == Some(&pod.metadata.namespace)
        && controller.is_some_and(|owner| owner.uid == pod.metadata.uid)
}
