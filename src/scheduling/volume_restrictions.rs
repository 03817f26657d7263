//! The VolumeRestrictions filter: volumes that only one pod may use.
//!
//! Upstream: `pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go` `PreFilter`, `Filter`,
//! `isVolumeConflict`, `readWriteOncePodPVCsForPod`.

use super::attempt::{Attempt, FilterResult, StatusCode, is_same};
use super::rejection::{PodOnNode, VolumeRejection};
use std::collections::BTreeSet;

use super::pvc::{find, is_for_one_pod, named_claims_of};
use super::volume_report::VolumeFilterReport;
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::Pod;
use crate::snapshot::pod::volume::VolumeSource;

const DISK_CONFLICT: &str = "node(s) had no available disk";
const ONE_POD_CONFLICT: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode \
                                already in-use by another pod";
/// The message up to [`OTHER_WORDS`].
const ONE_POD_CONFLICT_BEFORE: &str =
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
const OTHER_WORDS: KubeMinor = KubeMinor(33);

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let mut report = VolumeFilterReport::default();
    check_claims(attempt, &mut report);
    check_disks(attempt, &mut report);
    report.outcome()
}

/// Each claim must exist, and one with `ReadWriteOncePod` must not be used by another pod in the cluster.
fn check_claims(attempt: &Attempt<'_>, report: &mut VolumeFilterReport) {
    let Attempt { pod, cluster_objects, .. } = attempt;
    let names: BTreeSet<String> = named_claims_of(pod).map(|claim| claim.name).collect();
    if names.is_empty() {
        return;
    }
    let Some(claims) = report.read(&cluster_objects.claims) else { return };
    for name in names {
        match find(claims, &pod.metadata.namespace, &name) {
            None => {
                let scheduler = format!("persistentvolumeclaim {name:?} not found");
                report.reject_pod(VolumeRejection::VolumeClaimMissing { claim: name }, scheduler);
            }
            Some(claim) if is_for_one_pod(claim) => check_one_pod_claim(attempt, name, report),
            Some(_) => {}
        }
    }
}

fn check_one_pod_claim(attempt: &Attempt<'_>, claim: String, report: &mut VolumeFilterReport) {
    let pod = attempt.pod;
    let holds = |other: &Pod| {
        other.metadata.namespace == pod.metadata.namespace
            && !other.spec.node_name.is_empty()
            && !other.is_terminal()
            && !is_same(other, pod)
            && named_claims_of(other).any(|other| other.name == claim)
    };
    let near = attempt.bound_pods.known().into_iter().flatten().copied();
    let everywhere = attempt.cluster_objects.pods.known().into_iter().flatten();
    let used_by: BTreeSet<PodOnNode> =
        near.chain(everywhere).filter(|other| holds(other)).map(PodOnNode::from_pod).collect();
    if used_by.is_empty() {
        // A pod on the node would be sufficient; to know that no pod uses the claim requires all pods of the cluster.
        report.read(&attempt.cluster_objects.pods);
        return;
    }
    let used_by = used_by.into_iter().collect();
    let words = if attempt.minor() > OTHER_WORDS { ONE_POD_CONFLICT } else { ONE_POD_CONFLICT_BEFORE };
    report.reject(VolumeRejection::VolumeClaimInUse { claim, used_by }, words, StatusCode::Unschedulable);
}

/// A disk that the pod uses without a claim must not be used by another pod on the node.
fn check_disks(attempt: &Attempt<'_>, report: &mut VolumeFilterReport) {
    let disks: Vec<(&str, Disk<'_>)> = attempt
        .pod
        .spec
        .volumes
        .iter()
        .flat_map(|volume| disks_of(&volume.source).map(|disk| (volume.name.as_str(), disk)))
        .collect();
    if disks.is_empty() {
        return;
    }
    let Some(others) = report.pods_of_node(attempt) else { return };
    for (volume, disk) in disks {
        let holds = |other: &&&Pod| {
            let others = other.spec.volumes.iter().flat_map(|volume| disks_of(&volume.source));
            others.into_iter().any(|other| disk.conflicts_with(&other))
        };
        let used_by: Vec<PodOnNode> = others.iter().filter(holds).map(|pod| PodOnNode::from_pod(pod)).collect();
        if !used_by.is_empty() {
            let (source, name) = disk.names();
            let rejection = VolumeRejection::DiskInUse { volume: volume.to_owned(), source, disk: name, used_by };
            report.reject(rejection, DISK_CONFLICT, StatusCode::Unschedulable);
        }
    }
}

/// A disk that a volume specifies without a claim.
#[derive(Clone, Copy, Debug)]
enum Disk<'a> {
    Gce { name: &'a str, read_only: bool },
    Aws { id: &'a str },
    Iscsi { iqn: &'a str, read_only: bool },
    Rbd { monitors: &'a [String], pool: &'a str, image: &'a str, read_only: bool },
}

fn disks_of(source: &VolumeSource) -> impl Iterator<Item = Disk<'_>> {
    let gce = source.gce_persistent_disk.as_ref();
    let aws = source.aws_elastic_block_store.as_ref();
    let iscsi = source.iscsi.as_ref();
    let rbd = source.rbd.as_ref();
    [
        gce.map(|disk| Disk::Gce { name: &disk.pd_name, read_only: disk.read_only }),
        aws.map(|disk| Disk::Aws { id: &disk.volume_id }),
        iscsi.map(|disk| Disk::Iscsi { iqn: &disk.iqn, read_only: disk.read_only }),
        rbd.map(|disk| Disk::Rbd {
            monitors: &disk.monitors,
            pool: &disk.pool,
            image: &disk.image,
            read_only: disk.read_only,
        }),
    ]
    .into_iter()
    .flatten()
}

impl Disk<'_> {
    /// Whether both are the same disk, and one of the pods writes. EBS disks conflict even if both only read.
    fn conflicts_with(&self, other: &Disk<'_>) -> bool {
        match (self, other) {
            (Self::Gce { name, read_only }, Disk::Gce { name: other, read_only: both }) => {
                name == other && !(*read_only && *both)
            }
            (Self::Aws { id }, Disk::Aws { id: other }) => id == other,
            (Self::Iscsi { iqn, read_only }, Disk::Iscsi { iqn: other, read_only: both }) => {
                iqn == other && !(*read_only && *both)
            }
            (
                Self::Rbd { monitors, pool, image, read_only },
                Disk::Rbd { monitors: other, pool: other_pool, image: other_image, read_only: both },
            ) => {
                let is_same_cluster = monitors.iter().any(|monitor| other.contains(monitor));
                is_same_cluster && pool == other_pool && image == other_image && !(*read_only && *both)
            }
            _ => false,
        }
    }

    /// The source field of the volume, and the identity of the disk.
    fn names(&self) -> (&'static str, String) {
        match self {
            Self::Gce { name, .. } => ("gcePersistentDisk", (*name).to_owned()),
            Self::Aws { id } => ("awsElasticBlockStore", (*id).to_owned()),
            Self::Iscsi { iqn, .. } => ("iscsi", (*iqn).to_owned()),
            Self::Rbd { pool, image, .. } => ("rbd", format!("{pool}/{image}")),
        }
    }
}

#[cfg(test)]
mod tests;
