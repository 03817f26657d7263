//! The words of [`VolumeRejection`].

use crate::placement::{PlacementFailure, TermMismatch};
use serde_json::json;

use crate::render::command_line::{CommandLine, ManifestLine, valid};
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::reason::placement_detail;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::{MismatchedVolume, PodOnNode, VolumeMismatch, VolumeRejection};

/// So many of a list tell them all.
const ENOUGH: usize = 3;

/// The cause without what differs between nodes.
pub(super) fn summary(rejection: &VolumeRejection) -> String {
    match rejection {
        VolumeRejection::DiskInUse { disk, .. } => format!("disk {disk} is in use on the node"),
        VolumeRejection::VolumeClaimInUse { claim, .. } => format!("claim {claim} is for one pod, and in use"),
        VolumeRejection::VolumeClaimMissing { claim } => format!("claim {claim} does not exist"),
        VolumeRejection::VolumeClaimPending { volume, .. } => format!("the claim of volume {volume} is not made yet"),
        VolumeRejection::VolumeClaimLost { claim, .. } => format!("claim {claim} has lost its volume"),
        VolumeRejection::VolumeClaimTerminating { claim, .. } => format!("claim {claim} is being deleted"),
        VolumeRejection::VolumeClaimNotOwned { volume, .. } => {
            format!("the claim of volume {volume} belongs to something else")
        }
        VolumeRejection::VolumeClaimUnbound { claim, .. } => format!("claim {claim} is not bound"),
        VolumeRejection::VolumeClaimOnOtherNode { claim, .. } => {
            format!("the volume of claim {claim} goes to another node")
        }
        VolumeRejection::VolumeMissing { volume, .. } => format!("volume {volume} does not exist"),
        VolumeRejection::VolumeNodeAffinity { volume, .. } => format!("volume {volume} cannot be reached"),
        VolumeRejection::VolumeZone { volume, .. } => format!("volume {volume} is in another zone"),
        VolumeRejection::NoVolumeToBind { claim, .. } => format!("no volume for claim {claim}"),
        VolumeRejection::StorageTopology { storage_class, .. } => {
            format!("storage class {storage_class} makes no volumes here")
        }
        VolumeRejection::StorageCapacity { storage_class, .. } => {
            format!("not enough storage left in storage class {storage_class}")
        }
        VolumeRejection::VolumeLimit { driver, .. } => format!("{driver} attaches no more volumes"),
        VolumeRejection::CsiDriverMissing { driver } => format!("{driver} is not on the node"),
    }
}

/// The cause with its evidence.
pub(super) fn detail(rejection: &VolumeRejection, names: ListLength) -> String {
    match rejection {
        VolumeRejection::DiskInUse { volume, source, disk, used_by } => {
            format!("volume {volume}: {source} {disk} is used by {}", pods(used_by, names))
        }
        VolumeRejection::VolumeClaimInUse { claim, used_by } => format!(
            "claim {claim} is for one pod of the whole cluster (ReadWriteOncePod), and in use by {}",
            pods(used_by, names)
        ),
        VolumeRejection::VolumeClaimMissing { claim } => format!("PersistentVolumeClaim {claim} does not exist"),
        VolumeRejection::VolumeClaimPending { claim, volume } => {
            format!("volume {volume} waits for its PersistentVolumeClaim {claim} to be made")
        }
        VolumeRejection::VolumeClaimLost { claim, volume, .. } => {
            format!("PersistentVolumeClaim {claim} is lost: its PersistentVolume {volume} is gone")
        }
        VolumeRejection::VolumeClaimTerminating { claim, .. } => {
            format!("PersistentVolumeClaim {claim} is being deleted")
        }
        VolumeRejection::VolumeClaimNotOwned { claim, volume } => {
            format!("volume {volume} needs PersistentVolumeClaim {claim}, which was not made for this pod")
        }
        VolumeRejection::VolumeClaimUnbound { claim, storage_class, provisioner, volume } => {
            let why = unbound(storage_class.as_deref(), provisioner.as_deref(), volume.as_deref());
            format!("PersistentVolumeClaim {claim} is not bound: {why}")
        }
        VolumeRejection::VolumeClaimOnOtherNode { claim, selected_node } => {
            format!("the volume of PersistentVolumeClaim {claim} is being made for node {selected_node}")
        }
        VolumeRejection::VolumeMissing { claim, volume, .. } => {
            format!("PersistentVolumeClaim {claim} is bound to PersistentVolume {volume}, which does not exist")
        }
        VolumeRejection::VolumeNodeAffinity { claim, volume, terms } => {
            format!(
                "PersistentVolume {volume} (claim {claim}) cannot be reached from this node: {}",
                mismatched_terms(terms, names)
            )
        }
        VolumeRejection::VolumeZone { claim, volume, key, wanted, found } => {
            let found = found.as_ref().map_or_else(|| "in none".into(), |found| format!("in {found}"));
            let wanted = names.join(wanted, HANDFUL, " or ", String::clone);
            format!("PersistentVolume {volume} (claim {claim}) is in {wanted}, the node {found} (label {key})")
        }
        VolumeRejection::NoVolumeToBind { claim, storage_class, requested, mismatches } => {
            let requested = requested.in_bytes();
            let class = format!("storage class {storage_class} makes none by itself");
            let mismatches =
                if mismatches.is_empty() { "has none".to_owned() } else { unfit_volumes(mismatches, names) };
            format!("no PersistentVolume for claim {claim} ({requested}) on this node: {class}, and {mismatches}")
        }
        VolumeRejection::StorageTopology { claim, storage_class, terms } => {
            let mismatches = mismatched_terms(terms, names).replacen("node affinity", "allowedTopologies", 1);
            format!("storage class {storage_class} makes no volume for claim {claim} on this node: {mismatches}")
        }
        VolumeRejection::StorageCapacity { claim, driver, requested, largest, .. } => {
            let left = largest.map_or_else(
                || "reports no storage for this node".to_owned(),
                |largest| format!("has room for at most {} here", largest.in_bytes()),
            );
            format!("claim {claim} asks for {}, and {driver} {left}", requested.in_bytes())
        }
        VolumeRejection::VolumeLimit { driver, limit, used, requested, .. } => {
            format!("{driver} attaches at most {limit} volumes to this node: {used} in use, {requested} more needed")
        }
        VolumeRejection::CsiDriverMissing { driver } => {
            format!("CSI driver {driver} is not on this node, and wants no pod with its volumes here before it is")
        }
    }
}

/// Why a claim is not bound, as far as its class tells.
fn unbound(class: Option<&str>, provisioner: Option<&str>, volume: Option<&str>) -> String {
    match (volume, class, provisioner) {
        (Some(volume), ..) => format!("it asks for PersistentVolume {volume}, and the two are not bound yet"),
        (None, None, _) => "it asks for no storage class, and no PersistentVolume without one was found for it".into(),
        (None, Some(class), None) => format!("its storage class {class} does not exist"),
        (None, Some(class), Some("kubernetes.io/no-provisioner")) => {
            format!("its storage class {class} makes no volumes, and no PersistentVolume of it was found for it")
        }
        (None, Some(_), Some(provisioner)) => format!("{provisioner} has not made its volume yet"),
    }
}

/// What to do about it.
pub(super) fn remedies(rejection: &VolumeRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match rejection {
        VolumeRejection::DiskInUse { used_by, .. } => {
            let mut remedies = vec![Remedy::say(
                "replace the disk with a volume that each node has for itself: hostPath, or an ephemeral volume",
            )];
            remedies.extend(look_at(used_by));
            remedies
        }
        VolumeRejection::VolumeClaimInUse { .. } => vec![
            Remedy::say(
                "use a claim with access mode ReadWriteMany, on storage that has it: access modes cannot be changed \
                 on a claim that is there",
            ),
            own_volumes(),
        ],
        VolumeRejection::VolumeClaimMissing { claim } => vec![claim_manifest(claim, target)],
        VolumeRejection::VolumeClaimPending { .. } => vec![Remedy::run(
            "wait a moment; if the claim stays away, look at the events of the pod",
            [events_of_pod(target)],
        )],
        VolumeRejection::VolumeClaimLost { ephemeral: true, .. }
        | VolumeRejection::VolumeClaimTerminating { ephemeral: true, .. }
        | VolumeRejection::VolumeMissing { ephemeral: true, .. } => vec![another_pod(target)],
        VolumeRejection::VolumeClaimLost { claim, .. } | VolumeRejection::VolumeMissing { claim, .. } => vec![
            Remedy::run(
                "restore the PersistentVolume from its backup, or delete the claim and make it anew; what was on the \
                 volume is not on the new one",
                [delete_claim(claim, target)],
            ),
            claim_manifest(claim, target),
        ],
        VolumeRejection::VolumeClaimTerminating { claim, .. } => vec![
            Remedy::run("find out what still holds the claim", [describe_claim(claim, target)]),
            Remedy::say("create the claim again under the same name once it is gone"),
        ],
        VolumeRejection::VolumeClaimNotOwned { claim, .. } => vec![Remedy::run(
            "delete the claim if nothing needs it, or give the volume another name in the template",
            [describe_claim(claim, target), delete_claim(claim, target)],
        )],
        VolumeRejection::VolumeClaimUnbound { claim, .. } => {
            vec![Remedy::run("see what the claim waits for", [describe_claim(claim, target)])]
        }
        VolumeRejection::VolumeClaimOnOtherNode { .. } => vec![own_volumes()],
        VolumeRejection::VolumeNodeAffinity { volume, .. } | VolumeRejection::VolumeZone { volume, .. } => vec![
            Remedy::say(
                "use a volume that every node has for itself, hostPath or an ephemeral volume with a \
                 volumeClaimTemplate: one volume cannot serve nodes that do not reach it",
            ),
            Remedy::run(
                "keep the DaemonSet to nodes that reach the volume: add a nodeSelector with a label that they share",
                [CommandLine::new("kubectl get pv")
                    .name(volume)
                    .words("-o jsonpath='{.spec.nodeAffinity} {.metadata.labels}'")],
            ),
        ],
        VolumeRejection::NoVolumeToBind { .. } => {
            vec![
                Remedy::say(format!("create a PersistentVolume that can be reached from node {}", target.node)),
                own_volumes(),
            ]
        }
        VolumeRejection::StorageTopology { storage_class, .. } => vec![
            Remedy::say("use a storage class that makes volumes where the node is"),
            Remedy::run(
                "keep the DaemonSet to nodes of the class: add a nodeSelector with a label of its allowedTopologies",
                [CommandLine::new("kubectl get storageclass").name(storage_class).words("-o yaml")],
            ),
        ],
        VolumeRejection::StorageCapacity { .. } => vec![
            Remedy::say("ask for less, or free storage that the node can reach"),
            Remedy::run("see what the driver has left", [CommandLine::new("kubectl get csistoragecapacities -A")]),
        ],
        VolumeRejection::VolumeLimit { driver, limit, requested, used_by, .. } => {
            if i64::try_from(*requested).is_ok_and(|requested| requested > *limit) {
                // Nothing that could be freed would be enough.
                return vec![Remedy::say(format!(
                    "use no more volumes of {driver} in the pod than the node takes: {limit}"
                ))];
            }
            let mut remedies = vec![Remedy::say("free a volume: delete or move a pod that has one on this node")];
            remedies.extend(look_at(used_by));
            let attached = CommandLine::new("kubectl get volumeattachments | grep -w").name(target.node);
            remedies.push(Remedy::run("look at what is attached to the node, in use or not", [attached]));
            remedies
        }
        VolumeRejection::CsiDriverMissing { driver } => vec![Remedy::run(
            format!("get the node's pod of {driver} to run: it registers the driver"),
            [CommandLine::new("kubectl get csinode").name(target.node).words("-o yaml")],
        )],
    }
}

/// A claim for one pod, or for one node, is not for a DaemonSet.
fn own_volumes() -> Remedy {
    Remedy::manifest(
        "give each pod a volume of its own, in the template; access mode and size are for you to choose",
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

/// What was made for one pod alone goes and comes with it.
fn another_pod(target: &RemedyContext<'_>) -> Remedy {
    Remedy::run(
        "delete the pod: the DaemonSet controller makes another, which gets a claim of its own",
        [target.about_pod("delete pod")],
    )
}

/// The lines are a manifest and not a command: they stay one when they are indented.
fn claim_manifest(claim: &str, target: &RemedyContext<'_>) -> Remedy {
    if !(valid::is_object_name(claim) && valid::is_label_name(target.namespace)) {
        return Remedy::say("correct the claim's name in the template: no claim can have this one");
    }
    let metadata = json!({ "name": claim, "namespace": target.namespace });
    Remedy::manifest(
        "create the claim with kubectl apply -f, from this manifest; access mode, size and storage class are for you to \
         choose, and pods on several nodes want ReadWriteMany or ReadOnlyMany",
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

fn look_at(used_by: &[PodOnNode]) -> Option<Remedy> {
    let line = |pod: &PodOnNode| CommandLine::in_namespace(&pod.namespace, "get pod").name(&pod.name).words("-o wide");
    (!used_by.is_empty()).then(|| Remedy::run("look at the pods that hold it", used_by.iter().take(ENOUGH).map(line)))
}

/// `node affinity not met: …`.
fn mismatched_terms(terms: &[TermMismatch], names: ListLength) -> String {
    placement_detail(&PlacementFailure::NodeAffinity { terms: terms.to_vec().into() }, names)
}

/// `pod a/b on node-1 and 2 more`.
fn pods(used_by: &[PodOnNode], names: ListLength) -> String {
    names.join(used_by, ENOUGH, ", ", |pod| format!("pod {}/{} on {}", pod.namespace, pod.name, pod.node))
}

fn unfit_volumes(mismatches: &[MismatchedVolume], names: ListLength) -> String {
    let why = |volume: &MismatchedVolume| {
        let why = match &volume.cause {
            VolumeMismatch::ClaimedBy { claim } => format!("is kept for claim {claim}"),
            VolumeMismatch::TooSmall { capacity } => format!("holds only {}", capacity.in_bytes()),
            VolumeMismatch::OtherMode { found } => format!("has volumeMode {found}"),
            VolumeMismatch::OtherAttributes { found: Some(found) } => format!("has VolumeAttributesClass {found}"),
            VolumeMismatch::OtherAttributes { found: None } => "has no VolumeAttributesClass".into(),
            VolumeMismatch::Terminating => "is being deleted".into(),
            VolumeMismatch::NotAvailable { phase } => format!("is {phase}"),
            VolumeMismatch::OtherLabels => "is not selected by the claim".into(),
            VolumeMismatch::OtherNodes { terms } => format!("cannot be reached ({})", mismatched_terms(terms, names)),
            VolumeMismatch::OtherAccess { found } => format!("has only access modes {}", names.list(found)),
        };
        format!("{} {why}", volume.volume)
    };
    format!("of its {}: {}", pluralize(mismatches.len(), "volume"), names.join(mismatches, ENOUGH, "; ", why))
}

#[cfg(test)]
mod tests;
