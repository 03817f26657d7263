//! The NodeVolumeLimits filter: how many volumes the CSI drivers can attach to the node.
//!
//! Inline disks of Azure, Cinder and Portworx are not counted. The rule that a driver must be installed on the node
//! depends on the feature gate VolumeLimitScaling, which is off by default before 1.37. The API server stores
//! `preventPodSchedulingIfMissing` only if the gate is on, so a driver with that field shows that it is on.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodevolumelimits/csi.go` `Filter`, `filterAttachableVolumes`,
//! `getCSIDriverInfo`, `checkCSIDriverOnNode`.

use super::attempt::{Attempt, FilterResult, StatusCode};
use super::rejection::{PodOnNode, VolumeRejection};
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::CSINode;

use super::csi_migration::Plugin;
use super::pvc::{claims_of, class_of, find, find_volume, is_made_for, name_of, volume_of};
use super::volume_report::VolumeFilterReport;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;

/// Since this version, a driver can prevent pods from being scheduled on nodes without it.
const DRIVERS_MAY_PREVENT: KubeMinor = KubeMinor(35);

/// The identity of a volume within its driver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Handle {
    /// The volume handle of the driver.
    Csi(String),
    /// The name in the in-tree plugin that the driver replaced.
    Migrated(String),
    /// No volume exists yet: the namespace and name of the claim.
    Claim(String, String),
}

/// Volumes with their drivers.
type Volumes = BTreeSet<(String, Handle)>;

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let mut report = VolumeFilterReport::default();
    check(attempt, &mut report);
    report.outcome()
}

/// Returns early if nothing can be rejected, or if something could not be read; `report` records what is missing.
fn check(attempt: &Attempt<'_>, report: &mut VolumeFilterReport) -> Option<()> {
    let Attempt { pod, node, cluster_objects, .. } = attempt;
    let has_inline = pod.spec.volumes.iter().any(|volume| Plugin::from_source(&volume.source).is_some());
    if !has_inline && claims_of(pod).next().is_none() {
        return None;
    }
    let csi_nodes = report.read(&cluster_objects.csi_nodes)?;
    let csi_node = csi_nodes.iter().find(|csi_node| name_of(&csi_node.metadata) == node.metadata.name);
    let limits = limits_of(csi_node);
    let preventing = preventing_drivers(attempt, report);
    if limits.is_empty() && preventing.is_empty() {
        return None;
    }

    let new_volumes = volumes_of(pod, csi_node, cluster_objects, report)?;
    let drivers: BTreeSet<&str> = new_volumes.iter().map(|(driver, _)| driver.as_str()).collect();
    let is_on_node =
        |driver: &str| csi_node.is_some_and(|csi_node| csi_node.spec.drivers.iter().any(|there| there.name == driver));
    for driver in drivers.iter().filter(|driver| preventing.contains(**driver) && !is_on_node(driver)) {
        let scheduler = format!("{driver} CSI driver is not installed on the node");
        report.reject(
            VolumeRejection::CsiDriverMissing { driver: (*driver).to_owned() },
            scheduler,
            StatusCode::Unschedulable,
        );
    }
    let limited: Vec<(&str, i64)> =
        drivers.into_iter().filter_map(|driver| Some((driver, *limits.get(driver)?))).collect();
    if limited.is_empty() {
        return None;
    }

    let mut users: BTreeMap<(String, Handle), Vec<&Pod>> = BTreeMap::new();
    for other in report.pods_of_node(attempt)? {
        for volume in volumes_of(other, csi_node, cluster_objects, report)? {
            users.entry(volume).or_default().push(other);
        }
    }
    let attached = attached_volumes(attempt, report)?;
    for (driver, limit) in limited {
        let is_its = |volume: &&(String, Handle)| volume.0 == driver;
        let requested = new_volumes.iter().filter(is_its).filter(|volume| !users.contains_key(volume)).count();
        let others = attached.iter().filter(is_its).filter(|volume| !users.contains_key(volume)).count();
        let used = users.keys().filter(is_its).count() + others;
        if requested == 0 || i64::try_from(used + requested).is_ok_and(|count| count <= limit) {
            continue;
        }
        let of_driver = users.iter().filter(|(volume, _)| volume.0 == driver).flat_map(|(_, pods)| pods);
        let used_by: BTreeSet<PodOnNode> = of_driver.map(|pod| PodOnNode::from_pod(pod)).collect();
        let used_by = used_by.into_iter().collect();
        let rejection = VolumeRejection::VolumeLimit { driver: driver.to_owned(), limit, used, requested, used_by };
        report.reject(rejection, "node(s) exceed max volume count", StatusCode::Unschedulable);
    }
    Some(())
}

/// The attach limit of each driver on the node; drivers without a limit are left out (`getVolumeLimits`).
fn limits_of(csi_node: Option<&CSINode>) -> BTreeMap<&str, i64> {
    let drivers = csi_node.map_or(&[][..], |csi_node| &csi_node.spec.drivers);
    let limit = |driver: &'_ k8s_openapi::api::storage::v1::CSINodeDriver| {
        driver.allocatable.as_ref().and_then(|allocatable| allocatable.count)
    };
    drivers.iter().filter_map(|driver| Some((driver.name.as_str(), i64::from(limit(driver)?)))).collect()
}

/// The drivers that prevent pods from being scheduled on nodes without them.
fn preventing_drivers<'f>(attempt: &'f Attempt<'_>, report: &mut VolumeFilterReport) -> BTreeSet<&'f str> {
    if attempt.minor() < DRIVERS_MAY_PREVENT {
        return BTreeSet::new();
    }
    let drivers = report.read(&attempt.cluster_objects.csi_drivers).map_or(&[][..], Vec::as_slice);
    let preventing = drivers.iter().filter(|driver| driver.spec.prevent_pod_scheduling_if_missing == Some(true));
    preventing.map(|driver| name_of(&driver.metadata)).collect()
}

/// The volumes of a pod that count (`filterAttachableVolumes`). A missing claim counts nothing; for the pod in question
/// another filter reports it.
fn volumes_of(
    pod: &Pod,
    csi_node: Option<&CSINode>,
    cluster_objects: &ClusterObjects,
    report: &mut VolumeFilterReport,
) -> Option<Volumes> {
    let is_migrated = csi_node.is_some();
    let inline = pod.spec.volumes.iter().filter_map(|volume| Plugin::from_source(&volume.source));
    let inline = inline.filter(|_| is_migrated);
    let mut volumes: Volumes =
        inline.map(|(plugin, id)| (plugin.driver.to_owned(), Handle::Migrated(id.to_owned()))).collect();
    for pod_claim in claims_of(pod) {
        let claims = report.read(&cluster_objects.claims)?;
        let claim = find(claims, &pod.metadata.namespace, &pod_claim.name);
        let claim = claim.filter(|claim| pod_claim.ephemeral.is_none() || is_made_for(claim, pod));
        let Some(claim) = claim else {
            // The claim of a pod that does not exist yet does not exist either; its template names the class.
            volumes.extend(planned_volume(
                pod,
                &pod_claim.name,
                pod_claim.ephemeral,
                cluster_objects,
                is_migrated,
                report,
            )?);
            continue;
        };
        let bound = match volume_of(claim) {
            "" => None,
            name => find_volume(report.read(&cluster_objects.volumes)?, name),
        };
        volumes.extend(match bound {
            Some(volume) => driver_volume(volume, is_migrated),
            None => claimed_volume(claim, class_of(claim), cluster_objects, is_migrated, report)?,
        });
    }
    Some(volumes)
}

fn planned_volume(
    pod: &Pod,
    claim: &str,
    ephemeral: Option<&crate::snapshot::pod::volume::Ephemeral>,
    cluster_objects: &ClusterObjects,
    is_migrated: bool,
    report: &mut VolumeFilterReport,
) -> Option<Option<(String, Handle)>> {
    let spec = ephemeral.and_then(|source| source.volume_claim_template.as_ref()?.spec.as_ref());
    let Some(spec) = spec.filter(|_| pod.metadata.name.is_empty()) else { return Some(None) };
    let mut planned = PersistentVolumeClaim::default();
    planned.metadata.namespace = Some(pod.metadata.namespace.clone());
    planned.metadata.name = Some(claim.to_owned());
    claimed_volume(&planned, &spec.storage_class_name, cluster_objects, is_migrated, report)
}

/// The driver and handle of a PersistentVolume, if a CSI driver handles it (`getCSIDriverInfo`).
fn driver_volume(volume: &PersistentVolume, is_migrated: bool) -> Option<(String, Handle)> {
    if let Some(csi) = volume.spec.as_ref().and_then(|spec| spec.csi.as_ref()) {
        let is_whole = !csi.driver.is_empty() && !csi.volume_handle.is_empty();
        return is_whole.then(|| (csi.driver.clone(), Handle::Csi(csi.volume_handle.clone())));
    }
    let (plugin, id) = Plugin::of_volume(volume).filter(|_| is_migrated)?;
    Some((plugin.driver.to_owned(), Handle::Migrated(id.to_owned())))
}

/// A claim without a volume counts for the driver of its class (`getCSIDriverInfoFromSC`).
fn claimed_volume(
    claim: &PersistentVolumeClaim,
    class: &str,
    cluster_objects: &ClusterObjects,
    is_migrated: bool,
    report: &mut VolumeFilterReport,
) -> Option<Option<(String, Handle)>> {
    if class.is_empty() {
        return Some(None);
    }
    let classes = report.read(&cluster_objects.storage_classes)?;
    let Some(class) = classes.iter().find(|one| name_of(&one.metadata) == class) else { return Some(None) };
    let driver = match Plugin::from_provisioner(&class.provisioner) {
        Some(_) if !is_migrated => return Some(None),
        Some(plugin) => plugin.driver,
        None => class.provisioner.as_str(),
    };
    let namespace = claim.metadata.namespace.clone().unwrap_or_default();
    let handle = Handle::Claim(namespace, name_of(&claim.metadata).to_owned());
    Some((!driver.is_empty()).then(|| (driver.to_owned(), handle)))
}

/// The volumes that are attached to the node, even if no pod uses them (`getNodeVolumeAttachmentInfo`).
fn attached_volumes(attempt: &Attempt<'_>, report: &mut VolumeFilterReport) -> Option<Volumes> {
    let attachments = report.read(&attempt.cluster_objects.volume_attachments)?;
    let mut attached = Volumes::new();
    for attachment in attachments.iter().filter(|one| one.spec.node_name == attempt.node.metadata.name) {
        let Some(name) = attachment.spec.source.persistent_volume_name.as_deref() else { continue };
        let volume = find_volume(report.read(&attempt.cluster_objects.volumes)?, name);
        let csi = volume.and_then(|volume| volume.spec.as_ref()?.csi.as_ref());
        if let Some(csi) = csi.filter(|_| !attachment.spec.attacher.is_empty()) {
            attached.insert((attachment.spec.attacher.clone(), Handle::Csi(csi.volume_handle.clone())));
        }
    }
    Some(attached)
}

#[cfg(test)]
mod tests;
