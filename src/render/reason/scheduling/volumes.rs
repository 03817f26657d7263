//! The sentences and remedies of [`VolumeRejection`].

use serde_json::json;

use crate::render::command_line::{CommandLine, ManifestLine, valid};
use crate::render::name_list::{HANDFUL, HANDFUL_OF_LONG, ListLength};
use crate::render::reason::placement::{NODE_AFFINITY, terms_in_full};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::{MismatchedVolume, PodOnNode, VolumeMismatch, VolumeRejection};

pub(super) fn summary(rejection: &VolumeRejection) -> String {
    match rejection {
        VolumeRejection::DiskInUse { disk, .. } => format!("disk {disk} is in use on the node"),
        VolumeRejection::VolumeClaimInUse { claim, .. } => format!("claim {claim} is ReadWriteOncePod and in use"),
        VolumeRejection::VolumeClaimMissing { claim } => format!("claim {claim} does not exist"),
        VolumeRejection::VolumeClaimPending { volume, .. } => {
            format!("the claim of volume {volume} is not created yet")
        }
        VolumeRejection::VolumeClaimLost { claim, .. } => format!("claim {claim} is Lost"),
        VolumeRejection::VolumeClaimTerminating { claim, .. } => format!("claim {claim} is Terminating"),
        VolumeRejection::VolumeClaimNotOwned { volume, .. } => {
            format!("the claim of volume {volume} is not owned by the pod")
        }
        VolumeRejection::VolumeClaimUnbound { claim, .. } => format!("claim {claim} is not bound"),
        VolumeRejection::VolumeClaimOnOtherNode { claim, .. } => {
            format!("the volume of claim {claim} is provisioned for another node")
        }
        VolumeRejection::VolumeMissing { volume, .. } => format!("volume {volume} does not exist"),
        VolumeRejection::VolumeNodeAffinity { volume, .. } => format!("volume {volume} is not accessible"),
        VolumeRejection::VolumeZone { volume, .. } => format!("volume {volume} is in another zone"),
        VolumeRejection::NoVolumeToBind { claim, .. } => format!("no volume for claim {claim}"),
        VolumeRejection::StorageTopology { storage_class, .. } => {
            format!("storage class {storage_class} provisions no volumes for the node")
        }
        VolumeRejection::StorageCapacity { storage_class, .. } => {
            format!("not enough free storage in storage class {storage_class}")
        }
        VolumeRejection::VolumeLimit { driver, .. } => format!("{driver} has reached its volume limit"),
        VolumeRejection::CsiDriverMissing { driver } => format!("CSI driver {driver} is not registered"),
    }
}

pub(super) fn detail(rejection: &VolumeRejection, names: ListLength) -> String {
    match rejection {
        VolumeRejection::DiskInUse { volume, source, disk, used_by } => {
            format!("volume {volume}: {source} {disk} is in use by {}", pods(used_by, names))
        }
        VolumeRejection::VolumeClaimInUse { claim, used_by } => format!(
            "claim {claim} is ReadWriteOncePod (one pod in the whole cluster), and in use by {}",
            pods(used_by, names)
        ),
        VolumeRejection::VolumeClaimMissing { claim } => format!("PersistentVolumeClaim {claim} does not exist"),
        VolumeRejection::VolumeClaimPending { claim, volume } => {
            format!("PersistentVolumeClaim {claim} of volume {volume} is not created yet")
        }
        VolumeRejection::VolumeClaimLost { claim, volume, .. } => {
            format!("PersistentVolumeClaim {claim} is Lost: its PersistentVolume {volume} no longer exists")
        }
        VolumeRejection::VolumeClaimTerminating { claim, .. } => {
            format!("PersistentVolumeClaim {claim} is Terminating")
        }
        VolumeRejection::VolumeClaimNotOwned { claim, volume } => {
            format!("volume {volume} needs PersistentVolumeClaim {claim}, which exists but is not owned by the pod")
        }
        VolumeRejection::VolumeClaimUnbound { claim, storage_class, provisioner, volume } => {
            let why = unbound(storage_class.as_deref(), provisioner.as_deref(), volume.as_deref());
            format!("PersistentVolumeClaim {claim} is not bound: {why}")
        }
        VolumeRejection::VolumeClaimOnOtherNode { claim, selected_node } => {
            format!("the volume of PersistentVolumeClaim {claim} is being provisioned for node {selected_node}")
        }
        VolumeRejection::VolumeMissing { claim, volume, .. } => {
            format!("PersistentVolumeClaim {claim} is bound to PersistentVolume {volume}, which does not exist")
        }
        VolumeRejection::VolumeNodeAffinity { claim, volume, terms } => {
            format!(
                "PersistentVolume {volume} (claim {claim}) is not accessible from this node: {}",
                terms_in_full(NODE_AFFINITY, terms, names)
            )
        }
        VolumeRejection::VolumeZone { claim, volume, key, required, found } => {
            let found = found.as_deref().unwrap_or("none");
            let required = names.join(required, HANDFUL, " or ", String::clone);
            format!("PersistentVolume {volume} (claim {claim}) requires {key}={required}; the node has {found}")
        }
        VolumeRejection::NoVolumeToBind { claim, storage_class, requested, mismatches } => {
            let requested = requested.in_bytes();
            let class = format!("storage class {storage_class} does not provision volumes");
            let mismatches =
                if mismatches.is_empty() { "it has none".to_owned() } else { unfit_volumes(mismatches, names) };
            format!("no PersistentVolume for claim {claim} ({requested}) on this node: {class}; {mismatches}")
        }
        VolumeRejection::StorageTopology { claim, storage_class, terms } => {
            let why = terms_in_full("allowedTopologies", terms, names);
            format!("storage class {storage_class} cannot provision claim {claim} for this node: {why}")
        }
        VolumeRejection::StorageCapacity { claim, driver, requested, largest, .. } => {
            let left = largest.map_or_else(
                || "reports no storage for this node".to_owned(),
                |largest| format!("has at most {} for this node", largest.in_bytes()),
            );
            format!("claim {claim} requests {}; {driver} {left}", requested.in_bytes())
        }
        VolumeRejection::VolumeLimit { driver, limit, used, requested, .. } => {
            format!("{driver} attaches at most {limit} volumes to this node: {used} in use, {requested} more requested")
        }
        VolumeRejection::CsiDriverMissing { driver } => {
            format!("CSI driver {driver} is not registered on this node, which its volumes require")
        }
    }
}

/// Why a claim is not bound, as far as it follows from its storage class.
fn unbound(class: Option<&str>, provisioner: Option<&str>, volume: Option<&str>) -> String {
    match (volume, class, provisioner) {
        (Some(volume), ..) => format!("it requests PersistentVolume {volume}, and they are not bound yet"),
        (None, None, _) => "it has no storage class, and no PersistentVolume without one matches".into(),
        (None, Some(class), None) => format!("its storage class {class} does not exist"),
        (None, Some(class), Some("kubernetes.io/no-provisioner")) => {
            format!("its storage class {class} does not provision volumes, and no PersistentVolume matches")
        }
        (None, Some(_), Some(provisioner)) => format!("{provisioner} has not provisioned its volume yet"),
    }
}

pub(super) fn remedies(rejection: &VolumeRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match rejection {
        VolumeRejection::DiskInUse { used_by, .. } => {
            let mut remedies = vec![Remedy::text_only(
                "replace the disk with a volume that exists once per node: hostPath, or an ephemeral volume",
            )];
            remedies.extend(list_pods(used_by));
            remedies
        }
        VolumeRejection::VolumeClaimInUse { .. } => vec![
            Remedy::text_only(
                "use another claim, with access mode ReadWriteMany, if the storage supports it: the access modes of an \
                 existing claim cannot be changed",
            ),
            own_volumes(),
        ],
        VolumeRejection::VolumeClaimMissing { claim } => vec![claim_manifest(claim, target)],
        VolumeRejection::VolumeClaimPending { .. } => vec![Remedy::run(
            "wait a moment; if the claim is not created, check the events of the pod",
            [events_of_pod(target)],
        )],
        VolumeRejection::VolumeClaimLost { ephemeral: true, .. }
        | VolumeRejection::VolumeClaimTerminating { ephemeral: true, .. }
        | VolumeRejection::VolumeMissing { ephemeral: true, .. } => vec![another_pod(target)],
        VolumeRejection::VolumeClaimLost { claim, .. } | VolumeRejection::VolumeMissing { claim, .. } => vec![
            Remedy::run(
                "restore the PersistentVolume from its backup, or delete the claim and recreate it (the data on the \
                 old volume is lost)",
                [delete_claim(claim, target)],
            ),
            claim_manifest(claim, target),
        ],
        VolumeRejection::VolumeClaimTerminating { claim, .. } => vec![
            Remedy::run("find out what still uses the claim", [describe_claim(claim, target)]),
            Remedy::text_only("recreate the claim with the same name once it is gone"),
        ],
        VolumeRejection::VolumeClaimNotOwned { claim, .. } => vec![Remedy::run(
            "delete the claim if it is not needed, or rename the volume in the template",
            [describe_claim(claim, target), delete_claim(claim, target)],
        )],
        VolumeRejection::VolumeClaimUnbound { claim, .. } => {
            vec![Remedy::run("see what the claim is waiting for", [describe_claim(claim, target)])]
        }
        VolumeRejection::VolumeClaimOnOtherNode { .. } => vec![own_volumes()],
        VolumeRejection::VolumeNodeAffinity { volume, .. } | VolumeRejection::VolumeZone { volume, .. } => vec![
            Remedy::text_only(
                "use a volume that exists once per node: hostPath, or an ephemeral volume with a volumeClaimTemplate",
            ),
            Remedy::run(
                "restrict the DaemonSet to nodes with access to the volume: add a nodeSelector with a label that they \
                 share",
                [CommandLine::new("kubectl get pv")
                    .name(volume)
                    .words("-o jsonpath='{.spec.nodeAffinity} {.metadata.labels}'")],
            ),
        ],
        VolumeRejection::NoVolumeToBind { .. } => {
            vec![
                Remedy::text_only(format!("create a PersistentVolume that is accessible from node {}", target.node)),
                own_volumes(),
            ]
        }
        VolumeRejection::StorageTopology { storage_class, .. } => vec![
            Remedy::text_only("use a storage class that provisions volumes in the topology of the node"),
            Remedy::run(
                "restrict the DaemonSet to nodes of the class: add a nodeSelector with a label of its \
                 allowedTopologies",
                [CommandLine::new("kubectl get storageclass").name(storage_class).words("-o yaml")],
            ),
        ],
        VolumeRejection::StorageCapacity { .. } => vec![
            Remedy::text_only("request less, or free storage that is accessible from the node"),
            Remedy::run(
                "see the free capacity of the driver",
                [CommandLine::new("kubectl get csistoragecapacities -A")],
            ),
        ],
        VolumeRejection::VolumeLimit { driver, limit, requested, used_by, .. } => {
            if i64::try_from(*requested).is_ok_and(|requested| requested > *limit) {
                // Freeing volumes cannot help.
                let limit = pluralize(usize::try_from(*limit).unwrap_or_default(), "volume");
                return vec![Remedy::text_only(format!(
                    "use at most {limit} of {driver} in the pod: the node allows no more"
                ))];
            }
            let mut remedies =
                vec![Remedy::text_only("free a volume: delete or move a pod that uses one on this node")];
            remedies.extend(list_pods(used_by));
            let attached = CommandLine::new("kubectl get volumeattachments | grep -w").name(target.node);
            remedies.push(Remedy::run("see all attachments of the node, including unused ones", [attached]));
            remedies
        }
        VolumeRejection::CsiDriverMissing { driver } => vec![Remedy::run(
            format!("fix the pod of {driver} on the node: it registers the driver"),
            [CommandLine::new("kubectl get csinode").name(target.node).words("-o yaml")],
        )],
    }
}

/// A DaemonSet cannot share a claim that is limited to one pod or one node.
fn own_volumes() -> Remedy {
    Remedy::manifest(
        "use one volume per pod in the template, with an access mode and a size of your choice",
        [
            "volumes:",
            "- name: NAME",
            "  ephemeral:",
            "    volumeClaimTemplate:",
            "      spec:",
            "        accessModes: [ReadWriteOnce]",
            "        resources: {requests: {storage: 1Gi}}",
        ]
        .map(ManifestLine::new),
    )
}

/// An ephemeral claim is deleted with its pod, and created again with the next one.
fn another_pod(target: &RemedyContext<'_>) -> Remedy {
    Remedy::run(
        "delete the pod: the DaemonSet controller recreates it with a new claim",
        [target.about_pod("delete pod")],
    )
}

/// The lines are a manifest, not a command: they stay valid when they are indented.
fn claim_manifest(claim: &str, target: &RemedyContext<'_>) -> Remedy {
    if !(valid::is_object_name(claim) && valid::is_label_name(target.namespace)) {
        return Remedy::text_only("fix the name of the claim in the template: it is not a valid name");
    }
    let metadata = json!({ "name": claim, "namespace": target.namespace });
    Remedy::manifest(
        "create the claim with kubectl apply -f from this manifest, with a size and a storage class of your choice; \
         pods on several nodes need ReadWriteMany or ReadOnlyMany",
        [
            ManifestLine::new("apiVersion: v1"),
            ManifestLine::new("kind: PersistentVolumeClaim"),
            ManifestLine::field("metadata", &metadata),
            ManifestLine::new("spec:"),
            ManifestLine::new("  accessModes: [ReadWriteMany]"),
            ManifestLine::new("  resources: {requests: {storage: 1Gi}}"),
        ],
    )
}

fn describe_claim(claim: &str, target: &RemedyContext<'_>) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "describe pvc").name(claim)
}

fn delete_claim(claim: &str, target: &RemedyContext<'_>) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "delete pvc").name(claim)
}

fn events_of_pod(target: &RemedyContext<'_>) -> CommandLine {
    let line = CommandLine::in_namespace(target.namespace, "events --for");
    match target.pod {
        Some(pod) => line.name_within("pod/", pod, ""),
        None => line.only_if(false),
    }
}

fn list_pods(used_by: &[PodOnNode]) -> Option<Remedy> {
    let line = |pod: &PodOnNode| CommandLine::in_namespace(&pod.namespace, "get pod").name(&pod.name).words("-o wide");
    (!used_by.is_empty())
        .then(|| Remedy::run("see the pods that use it", used_by.iter().take(HANDFUL_OF_LONG).map(line)))
}

/// `pod a/b on node-1 and 2 more`.
fn pods(used_by: &[PodOnNode], names: ListLength) -> String {
    names.join(used_by, HANDFUL_OF_LONG, ", ", |pod| format!("pod {}/{} on {}", pod.namespace, pod.name, pod.node))
}

fn unfit_volumes(mismatches: &[MismatchedVolume], names: ListLength) -> String {
    let why = |volume: &MismatchedVolume| {
        let why = match &volume.cause {
            VolumeMismatch::ClaimedBy { claim } => format!("is reserved for claim {claim}"),
            VolumeMismatch::TooSmall { capacity } => format!("has only {}", capacity.in_bytes()),
            VolumeMismatch::OtherMode { found } => format!("has volumeMode {found}"),
            VolumeMismatch::OtherAttributes { found: Some(found) } => format!("has VolumeAttributesClass {found}"),
            VolumeMismatch::OtherAttributes { found: None } => "has no VolumeAttributesClass".into(),
            VolumeMismatch::Terminating => "is Terminating".into(),
            VolumeMismatch::NotAvailable { phase } => format!("is {phase}"),
            VolumeMismatch::OtherLabels => "does not match the selector of the claim".into(),
            VolumeMismatch::OtherNodes { terms } => {
                format!("is not accessible ({})", terms_in_full(NODE_AFFINITY, terms, names))
            }
            VolumeMismatch::OtherAccess { found } => format!("has only access modes {}", names.list(found)),
        };
        format!("{} {why}", volume.volume)
    };
    format!(
        "{} not suitable: {}",
        pluralize(mismatches.len(), "volume"),
        names.join(mismatches, HANDFUL_OF_LONG, "; ", why)
    )
}

#[cfg(test)]
mod tests;
