//! Which volume the scheduler binds to a claim that waits for its pod.
//!
//! Upstream: `volumebinding/binder.go` `FindPodVolumes`, `findMatchingVolumes`;
//! `component-helpers/storage/volume/pv_helpers.go` `FindMatchingVolume`.

use crate::scheduling::attempt::{Attempt, StatusCode};
use crate::scheduling::rejection::{MismatchedVolume, VolumeMismatch, VolumeRejection};
use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec};

use super::super::pvc::{class_of, class_of_volume, name_of, request_of, selected_node_of};
use super::super::volume_report::VolumeFilterReport;
use super::objects::{BIND_CONFLICT, mismatched_terms};
use super::provisioning;
use crate::snapshot::Node;
use crate::snapshot::quantity::Quantity;
use crate::snapshot::selector;

/// Checks the claims that wait for the pod, smallest first. Each takes the smallest volume that matches; a claim
/// without a match needs provisioning.
pub(super) fn check(
    attempt: &Attempt<'_>,
    mut waiting: Vec<Cow<'_, PersistentVolumeClaim>>,
    report: &mut VolumeFilterReport,
) {
    waiting.sort_by_key(|claim| request_of(claim).unwrap_or_default());
    let mut taken = BTreeSet::new();
    for claim in &waiting {
        if let Some(selected_node) = selected_node_of(claim) {
            if selected_node == attempt.node.metadata.name {
                provisioning::check(attempt, claim, Vec::new(), report);
            } else {
                let (claim, selected_node) = (name_of(&claim.metadata).to_owned(), selected_node.to_owned());
                let rejection = VolumeRejection::VolumeClaimOnOtherNode { claim, selected_node };
                report.reject(rejection, BIND_CONFLICT, StatusCode::UnschedulableAndUnresolvable);
            }
            continue;
        }
        let Some(volumes) = report.read(&attempt.cluster_objects.volumes) else { return };
        let of_class = volumes.iter().filter(|volume| class_of_volume(volume) == class_of(claim));
        let free = of_class.filter(|volume| !taken.contains(name_of(&volume.metadata)));
        match pick(claim, free, attempt.node) {
            Ok(volume) => {
                taken.insert(name_of(&volume.metadata).to_owned());
            }
            Err(mismatches) => provisioning::check(attempt, claim, mismatches, report),
        }
    }
}

/// The volume for the claim, or the mismatch of each volume.
fn pick<'v>(
    claim: &PersistentVolumeClaim,
    volumes: impl Iterator<Item = &'v PersistentVolume>,
    node: &Node,
) -> Result<&'v PersistentVolume, Vec<MismatchedVolume>> {
    let mut mismatches = Vec::new();
    let mut smallest: Option<&PersistentVolume> = None;
    for volume in volumes {
        let is_kept_for_it = is_kept_for(volume, claim);
        let cause = mismatch(claim, volume, is_kept_for_it);
        let is_alike = cause.is_none();
        // Here the scheduler does not translate migrated volumes.
        let out_of_reach = || mismatched_terms(volume, None, node).map(|terms| VolumeMismatch::OtherNodes { terms });
        let cause = cause.or_else(out_of_reach).or_else(|| (!is_kept_for_it).then(|| other_access(claim, volume))?);
        match cause {
            // A volume that is reserved for the claim is the only possible one.
            None if is_kept_for_it => return Ok(volume),
            Some(cause) if is_kept_for_it && is_alike => return Err(vec![unfit_volume(volume, cause)]),
            Some(cause) => mismatches.push(unfit_volume(volume, cause)),
            None => {
                let is_smaller = smallest.is_none_or(|smallest| capacity(volume) < capacity(smallest));
                smallest = if is_smaller { Some(volume) } else { smallest };
            }
        }
    }
    smallest.ok_or(mismatches)
}

fn unfit_volume(volume: &PersistentVolume, cause: VolumeMismatch) -> MismatchedVolume {
    MismatchedVolume { volume: name_of(&volume.metadata).to_owned(), cause }
}

/// The first mismatch between the claim and the volume that does not depend on the node.
fn mismatch(claim: &PersistentVolumeClaim, volume: &PersistentVolume, is_kept_for_it: bool) -> Option<VolumeMismatch> {
    let (requested, spec) = (claim.spec.as_ref()?, volume.spec.as_ref()?);
    if let Some(other) = spec.claim_ref.as_ref().filter(|_| !is_kept_for_it) {
        let name = |part: &Option<String>| part.clone().unwrap_or_default();
        return Some(VolumeMismatch::ClaimedBy { claim: format!("{}/{}", name(&other.namespace), name(&other.name)) });
    }
    if capacity(volume) < request_of(claim).unwrap_or_default() {
        return Some(VolumeMismatch::TooSmall { capacity: capacity(volume) });
    }
    let mode = spec.volume_mode.as_deref().unwrap_or("Filesystem");
    if mode != requested.volume_mode.as_deref().unwrap_or("Filesystem") {
        return Some(VolumeMismatch::OtherMode { found: mode.to_owned() });
    }
    let attributes = |name: &Option<String>| name.clone().unwrap_or_default();
    if attributes(&spec.volume_attributes_class_name) != attributes(&requested.volume_attributes_class_name) {
        return Some(VolumeMismatch::OtherAttributes { found: spec.volume_attributes_class_name.clone() });
    }
    if volume.metadata.deletion_timestamp.is_some() {
        return Some(VolumeMismatch::Terminating);
    }
    if is_kept_for_it {
        return None;
    }
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    if phase != "Available" {
        return Some(VolumeMismatch::NotAvailable { phase: phase.to_owned() });
    }
    (!is_selected(requested, volume)).then_some(VolumeMismatch::OtherLabels)
}

fn is_selected(requested: &PersistentVolumeClaimSpec, volume: &PersistentVolume) -> bool {
    let Some(selector) = &requested.selector else { return true };
    let labels = volume.metadata.labels.clone().unwrap_or_default();
    selector::from_label_selector(selector).is_some_and(|selector| selector::matches(&selector, &labels))
}

fn other_access(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> Option<VolumeMismatch> {
    let requested = claim.spec.as_ref()?.access_modes.as_deref().unwrap_or_default();
    let found = volume.spec.as_ref()?.access_modes.clone().unwrap_or_default();
    (!requested.iter().all(|mode| found.contains(mode))).then_some(VolumeMismatch::OtherAccess { found })
}

/// Whether the volume is bound to the claim, or was pre-bound to it (`IsVolumeBoundToClaim`).
fn is_kept_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let Some(reference) = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()) else { return false };
    let uid = reference.uid.as_deref().filter(|uid| !uid.is_empty());
    reference.name == claim.metadata.name
        && reference.namespace == claim.metadata.namespace
        && uid.is_none_or(|uid| Some(uid) == claim.metadata.uid.as_deref())
}

fn capacity(volume: &PersistentVolume) -> Quantity {
    let capacity = volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref()?.get("storage"));
    capacity.and_then(|capacity| capacity.0.parse().ok()).unwrap_or_default()
}
