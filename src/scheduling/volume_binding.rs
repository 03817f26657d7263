//! The VolumeBinding filter: claims and their volumes.
//!
//! `matching` selects volumes for claims that wait for the pod, and `provisioning` checks whether a volume can be
//! provisioned for a claim without a match.
//!
//! Upstream: `pkg/scheduler/framework/plugins/volumebinding/volume_binding.go` `PreFilter`, `podHasPVCs`; `binder.go`
//! `GetPodVolumeClaims`, `FindPodVolumes`, `checkBoundClaims`.

mod matching;
mod objects;
mod provisioning;

use super::attempt::{Attempt, FilterResult, StatusCode};
use super::rejection::VolumeRejection;
use crate::check_result::CheckResult;
use std::borrow::Cow;

use k8s_openapi::api::core::v1::VolumeResourceRequirements;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use k8s_openapi::api::storage::v1::{CSINode, StorageClass};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use super::csi_migration::Plugin;
use super::pvc::{
    PodClaim, claims_of, class_of, find, find_volume, is_fully_bound, is_lost, is_made_for, name_of, volume_of,
};
use super::volume_report::VolumeFilterReport;
use crate::snapshot::Node;
use crate::snapshot::pod::volume::Ephemeral;
use objects::{class_named, mismatched_terms};

const NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";

const VOLUME_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims";
/// The binding mode of storage classes whose volumes are bound when a pod is scheduled.
const WAITS: &str = "WaitForFirstConsumer";
/// The annotation of the default storage class.
const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// A claim that the pod references and that does not exist is reported by VolumeRestrictions.
pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let pod = attempt.pod;
    let pod_claims: Vec<PodClaim<'_>> = claims_of(pod).collect();
    if pod_claims.is_empty() {
        return CheckResult::Pass;
    }
    let mut report = VolumeFilterReport::default();
    let Some(claims) = report.read(&attempt.cluster_objects.claims) else { return report.outcome() };
    let mut waiting = Vec::new();
    for pod_claim in &pod_claims {
        match (find(claims, &pod.metadata.namespace, &pod_claim.name), pod_claim.ephemeral) {
            (Some(claim), _) => {
                if let Some(claim) = check_claim(attempt, pod_claim, claim, &mut report) {
                    waiting.push(Cow::Borrowed(claim));
                }
            }
            (None, Some(template)) if pod.metadata.name.is_empty() => {
                waiting.extend(planned_claim(attempt, pod_claim, template, &mut report).map(Cow::Owned));
            }
            (None, Some(_)) => report.reject_pod(
                VolumeRejection::VolumeClaimPending { claim: pod_claim.name.clone(), volume: pod_claim.volume.into() },
                format!(
                    "waiting for ephemeral volume controller to create the persistentvolumeclaim {:?}",
                    pod_claim.name
                ),
            ),
            (None, None) => {}
        }
    }
    matching::check(attempt, waiting, &mut report);
    report.outcome()
}

/// Checks a claim that exists. Returns the claim if it waits for the pod to get its volume.
fn check_claim<'c>(
    attempt: &Attempt<'_>,
    pod_claim: &PodClaim<'_>,
    claim: &'c PersistentVolumeClaim,
    report: &mut VolumeFilterReport,
) -> Option<&'c PersistentVolumeClaim> {
    let pod = attempt.pod;
    let name = || pod_claim.name.clone();
    let ephemeral = pod_claim.ephemeral.is_some();
    if is_lost(claim) {
        let volume = volume_of(claim).to_owned();
        let scheduler =
            format!("persistentvolumeclaim {:?} bound to non-existent persistentvolume {volume:?}", pod_claim.name);
        report.reject_pod(VolumeRejection::VolumeClaimLost { claim: name(), volume, ephemeral }, scheduler);
    } else if claim.metadata.deletion_timestamp.is_some() {
        let scheduler = format!("persistentvolumeclaim {:?} is being deleted", pod_claim.name);
        report.reject_pod(VolumeRejection::VolumeClaimTerminating { claim: name(), ephemeral }, scheduler);
    } else if ephemeral && !is_made_for(claim, pod) {
        let (namespace, pod_name) = (&pod.metadata.namespace, &pod.metadata.name);
        let scheduler = format!(
            "PVC {namespace}/{} was not created for pod {namespace}/{pod_name} (pod is not owner)",
            pod_claim.name
        );
        let rejection = VolumeRejection::VolumeClaimNotOwned { claim: name(), volume: pod_claim.volume.to_owned() };
        report.reject_pod(rejection, scheduler);
    } else if is_fully_bound(claim) {
        check_bound(attempt, pod_claim, claim, report);
    } else {
        let class = class_named(attempt, class_of(claim), report)?;
        if class.is_some_and(waits) && volume_of(claim).is_empty() {
            return Some(claim);
        }
        let rejection = VolumeRejection::VolumeClaimUnbound {
            claim: name(),
            storage_class: Some(class_of(claim).to_owned()).filter(|class| !class.is_empty()),
            provisioner: class.map(|class| class.provisioner.clone()),
            volume: Some(volume_of(claim).to_owned()).filter(|volume| !volume.is_empty()),
        };
        report.reject_pod(rejection, UNBOUND);
    }
    None
}

/// Whether volumes of the class are bound when a pod is scheduled (`IsDelayBindingMode`).
fn waits(class: &StorageClass) -> bool {
    class.volume_binding_mode.as_deref() == Some(WAITS)
}

/// The claim that will be created for a pod that does not exist yet, if its volume waits for the pod. Other claims are
/// bound before the scheduler processes the pod.
fn planned_claim(
    attempt: &Attempt<'_>,
    pod_claim: &PodClaim<'_>,
    template: &Ephemeral,
    report: &mut VolumeFilterReport,
) -> Option<PersistentVolumeClaim> {
    let spec = template.volume_claim_template.as_ref()?.spec.as_ref()?;
    let classes = report.read(&attempt.cluster_objects.storage_classes)?;
    let is_default = |class: &&StorageClass| {
        let annotations = class.metadata.annotations.as_ref();
        annotations.and_then(|annotations| annotations.get(IS_DEFAULT)).is_some_and(|value| value == "true")
    };
    let class = match spec.storage_class_name.as_str() {
        // Of several default classes, the newest is used.
        "" => classes.iter().filter(is_default).max_by_key(|class| class.metadata.creation_timestamp.clone())?,
        name => classes.iter().find(|class| name_of(&class.metadata) == name)?,
    };
    let requests = spec.resources.iter().flat_map(|resources| &resources.requests);
    let mut claim = PersistentVolumeClaim::default();
    claim.metadata.namespace = Some(attempt.pod.metadata.namespace.clone());
    // The claim's name will begin with the name of the pod, which is not known yet; the name of the volume stands for
    // it.
    claim.metadata.name = Some(pod_claim.volume.to_owned());
    claim.spec = Some(PersistentVolumeClaimSpec {
        access_modes: Some(spec.access_modes.clone()),
        storage_class_name: class.metadata.name.clone(),
        resources: Some(VolumeResourceRequirements {
            requests: Some(requests.map(|(name, amount)| (name.clone(), Written(amount.text.clone()))).collect()),
            limits: None,
        }),
        ..Default::default()
    });
    waits(class).then_some(claim)
}

/// The volume of a bound claim must exist and be accessible from the node.
fn check_bound(
    attempt: &Attempt<'_>,
    pod_claim: &PodClaim<'_>,
    claim: &PersistentVolumeClaim,
    report: &mut VolumeFilterReport,
) {
    let Some(volumes) = report.read(&attempt.cluster_objects.volumes) else { return };
    let claim_name = name_of(&claim.metadata).to_owned();
    let Some(volume) = find_volume(volumes, volume_of(claim)) else {
        // For a claim that the pod references, VolumeZone reports this earlier, in its PreFilter.
        if pod_claim.ephemeral.is_some() {
            let rejection = VolumeRejection::VolumeMissing {
                claim: claim_name,
                volume: volume_of(claim).to_owned(),
                ephemeral: true,
            };
            report.reject(rejection, VOLUME_GONE, StatusCode::UnschedulableAndUnresolvable);
        }
        return;
    };
    let csi_node = match Plugin::of_volume(volume) {
        None => None,
        Some(_) => match report.read(&attempt.cluster_objects.csi_nodes) {
            Some(csi_nodes) => csi_node_of(csi_nodes, attempt.node),
            None => return,
        },
    };
    if let Some(terms) = mismatched_terms(volume, csi_node, attempt.node) {
        let rejection =
            VolumeRejection::VolumeNodeAffinity { claim: claim_name, volume: volume_of(claim).to_owned(), terms };
        report.reject(rejection, NODE_CONFLICT, StatusCode::UnschedulableAndUnresolvable);
    }
}

fn csi_node_of<'c>(csi_nodes: &'c [CSINode], node: &Node) -> Option<&'c CSINode> {
    csi_nodes.iter().find(|csi_node| name_of(&csi_node.metadata) == node.metadata.name)
}

#[cfg(test)]
mod tests;
