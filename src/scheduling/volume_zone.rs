//! The VolumeZone filter: the zone and region labels of volumes.
//!
//! Upstream: `pkg/scheduler/framework/plugins/volumezone/volume_zone.go` `PreFilter`, `Filter`, `getPVTopologies`;
//! `k8s.io/cloud-provider/volume/helpers/zones.go` `LabelZonesToSet`.

use super::attempt::{Attempt, FilterResult, StatusCode};
use super::rejection::VolumeRejection;
use crate::check_result::CheckResult;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolume;

use super::pvc::{find, find_volume, is_fully_bound, is_lost, named_claims_of, volume_of};
use super::volume_report::VolumeFilterReport;

/// The zone and region labels, each with the current label that replaces it.
const LABELS: [(&str, &str); 4] = [
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
];
/// Separates the zones in the label of a volume with several zones.
const DELIMITER: &str = "__";

/// A claim that is lost or not bound is reported by VolumeBinding, one that does not exist by VolumeRestrictions.
pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let Attempt { pod, cluster_objects, .. } = attempt;
    let mut report = VolumeFilterReport::default();
    let names: BTreeSet<String> = named_claims_of(pod).map(|claim| claim.name).collect();
    if names.is_empty() {
        return CheckResult::Pass;
    }
    let Some(claims) = report.read(&cluster_objects.claims) else { return report.outcome() };
    for name in names {
        let Some(claim) = find(claims, &pod.metadata.namespace, &name) else { continue };
        let required = volume_of(claim);
        if required.is_empty() {
            continue;
        }
        let Some(volumes) = report.read(&cluster_objects.volumes) else { continue };
        match find_volume(volumes, required) {
            Some(volume) => check_volume(attempt, &name, volume, &mut report),
            None if is_lost(claim) || !is_fully_bound(claim) => {}
            None => {
                let scheduler = format!("persistentvolume {required:?} not found");
                let rejection =
                    VolumeRejection::VolumeMissing { claim: name, volume: required.to_owned(), ephemeral: false };
                report.reject_pod(rejection, scheduler);
            }
        }
    }
    report.outcome()
}

/// Every zone or region of the volume must include the node's. A node without these labels accepts every volume.
fn check_volume(attempt: &Attempt<'_>, claim: &str, volume: &PersistentVolume, report: &mut VolumeFilterReport) {
    let of_node = &attempt.node.metadata.labels;
    if !LABELS.iter().any(|(key, _)| of_node.contains_key(*key)) {
        return;
    }
    let Some(of_volume) = &volume.metadata.labels else { return };
    let mut reported = BTreeSet::new();
    for (key, key_now) in LABELS {
        let Some(zones) = of_volume.get(key).and_then(|value| zones_in(value)) else { continue };
        let found = of_node.get(key).or_else(|| of_node.get(key_now));
        // Volumes have the deprecated and the current label with the same zone: one report is enough.
        if found.is_some_and(|found| zones.contains(found)) || !reported.insert((key_now, zones.clone())) {
            continue;
        }
        let rejection = VolumeRejection::VolumeZone {
            claim: claim.to_owned(),
            volume: volume.metadata.name.clone().unwrap_or_default(),
            key: key.to_owned(),
            required: zones.into_iter().collect(),
            found: found.cloned(),
        };
        report.reject(rejection, "node(s) had no available volume zone", StatusCode::UnschedulableAndUnresolvable);
    }
}

/// The zones in the value of a label. A value with an empty zone is ignored as a whole.
fn zones_in(value: &str) -> Option<BTreeSet<String>> {
    value.split(DELIMITER).map(|zone| Some(zone.trim().to_owned()).filter(|zone| !zone.is_empty())).collect()
}

#[cfg(test)]
mod tests;
