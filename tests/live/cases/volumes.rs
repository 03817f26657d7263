//! Every refusal that has to do with volumes, made for real: what the scheduler says of it, and that why-not says the
//! same.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::wait_until;
use crate::harness::why_not_assertions::{Expected, assert_explained};
use crate::harness::control_plane::ControlPlane;

const NAMESPACE: &str = "volumes";
const ZONE: &str = "topology.kubernetes.io/zone";
const DRIVER: &str = "disk.example.com";
const ACCESS: &str = "ReadWriteMany";

/// DaemonSet, node, check, code, and the scheduler's words.
const EXPECTED: [(&str, &str, &str, &str, &str); 13] = [
    ("missing", "near", "VolumeRestrictions", "VolumeClaimMissing", "persistentvolumeclaim \"absent\" not found"),
    ("unbound", "near", "VolumeBinding", "VolumeClaimUnbound", "pod has unbound immediate PersistentVolumeClaims"),
    ("scratch", "near", "VolumeBinding", "VolumeClaimUnbound", "pod has unbound immediate PersistentVolumeClaims"),
    (
        "leaving",
        "near",
        "VolumeBinding",
        "VolumeClaimTerminating",
        "persistentvolumeclaim \"leaving\" is being deleted",
    ),
    (
        "lost",
        "near",
        "VolumeBinding",
        "VolumeClaimLost",
        "persistentvolumeclaim \"lost\" bound to non-existent persistentvolume \"lost\"",
    ),
    ("pinned", "far", "VolumeBinding", "VolumeNodeAffinity", "node(s) didn't match PersistentVolume's node affinity"),
    ("zonal", "far", "VolumeZone", "VolumeZone", "node(s) had no available volume zone"),
    (
        "no-volume",
        "near",
        "VolumeBinding",
        "NoVolumeToBind",
        "node(s) didn't find available persistent volumes to bind",
    ),
    (
        "not-here",
        "near",
        "VolumeBinding",
        "StorageTopology",
        "node(s) didn't find available persistent volumes to bind",
    ),
    (
        "chosen",
        "near",
        "VolumeBinding",
        "VolumeClaimElsewhere",
        "node(s) didn't find available persistent volumes to bind",
    ),
    ("no-room", "near", "VolumeBinding", "StorageCapacity", "node(s) did not have enough free storage"),
    ("many", "near", "NodeVolumeLimits", "VolumeLimit", "node(s) exceed max volume count"),
    ("disk", "near", "VolumeRestrictions", "DiskInUse", "node(s) had no available disk"),
];

/// What the scheduler says of a claim for one pod in versions before 1.34.
const ONE_POD_BEFORE: &str =
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

/// A claim for one pod of the cluster: either node may win.
const ONE_POD: (&str, &str, &str, &str) = (
    "lonely",
    "VolumeRestrictions",
    "VolumeClaimInUse",
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
);

/// A driver that wants no pod where it is not. The API server keeps that wish since 1.37.
const PREVENTED: (&str, &str, &str, &str, &str) = (
    "prevented",
    "near",
    "NodeVolumeLimits",
    "CsiDriverMissing",
    "preventing.example.com CSI driver is not installed on the node",
);

/// The other node of these DaemonSets must have its pod: the refusal is the node's, not the pod's.
const RUN_ELSEWHERE: [(&str, &str); 4] = [("pinned", "near"), ("zonal", "near"), ("many", "far"), ("holder", "near")];

/// Makes the refusals, reads what the scheduler says, and asks why-not.
pub(crate) fn refusals_are_explained(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        make(plane).await?;
        let minor = plane.minor().await?;
        let of_version = (minor >= 37).then_some(&PREVENTED);
        let mut refused: Vec<(&str, String, Expected<'_>)> = EXPECTED
            .iter()
            .chain(of_version)
            .map(|(set, node, check, code, scheduler)| (*set, (*node).into(), Expected { check, code, scheduler }))
            .collect();
        let (set, check, code, scheduler) = ONE_POD;
        let scheduler = if minor < 34 { ONE_POD_BEFORE } else { scheduler };
        refused.push((set, loser(plane, set).await?, Expected { check, code, scheduler }));
        for (set, node, expected) in &refused {
            let said = format!("the scheduler says of {set} on {node} that {}", expected.scheduler);
            let message = wait_until(&said, async || {
                let message = scheduled(plane, set, node).await?.unwrap_or_else(|| "it is bound".into());
                if message.contains(expected.scheduler) { Ok(message) } else { Err(format!("it says: {message}")) }
            });
            eprintln!("{set} on {node}: {}", message.await?);
        }
        for (set, node) in RUN_ELSEWHERE {
            let description = format!("{set} runs on {node}");
            let bound = wait_until(&description, async || scheduled(plane, set, node).await?.map_or(Ok(()), Err));
            bound.await?;
        }
        for (set, node, expected) in refused {
            assert_explained(plane, &node, (NAMESPACE, set), expected)?;
        }
        Ok(())
    })
}

/// The node on which the DaemonSet's pod did not get the claim.
async fn loser(plane: &ControlPlane, set: &str) -> Result<String, Failed> {
    wait_until(&format!("one pod of {set} runs"), async || {
        match (scheduled(plane, set, "near").await?, scheduled(plane, set, "far").await?) {
            (None, Some(_)) => Ok("far".to_owned()),
            (Some(_), None) => Ok("near".to_owned()),
            (near, far) => Err(format!("near: {near:?}, far: {far:?}")),
        }
    })
    .await
}

/// What the scheduler says of the DaemonSet's pod for a node; nothing when the pod is bound.
async fn scheduled(plane: &ControlPlane, set: &str, node: &str) -> Result<Option<String>, String> {
    let pods = plane.list::<Pod>().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
    let pinned = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    let pod = pods.into_iter().find_map(|pod| {
        let spec = serde_json::to_value(&pod.spec).unwrap_or_default();
        let is_it = pod.labels().get("app").is_some_and(|app| app == set) && spec.pointer(pinned)? == node;
        is_it.then_some((pod, spec))
    });
    let (pod, spec) = pod.ok_or_else(|| format!("no pod of {set} for {node}"))?;
    if spec["nodeName"].is_string() {
        return Ok(None);
    }
    let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
    let condition = conditions.into_iter().find(|condition| condition.type_ == "PodScheduled");
    condition.and_then(|condition| condition.message).map(Some).ok_or_else(|| format!("{set} on {node}: not a word"))
}

/// Two nodes in two zones, and a DaemonSet for each refusal.
async fn make(plane: &ControlPlane) -> Result<(), Failed> {
    plane.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).await?;
    plane.create_all(&storage()).await?;
    plane.create_all(&[node("near", "a"), node("far", "b")]).await?;
    // All of them are bound before a pod asks, so that no pod is refused for another reason first.
    wait_until("the claims are bound", async || {
        let claims = plane.list::<PersistentVolumeClaim>().await;
        let claims = claims.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let is_bound = |claim: &&PersistentVolumeClaim| {
            claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
        };
        match claims.iter().filter(is_bound).count() {
            BOUND => Ok(()),
            other => Err(format!("{other} are")),
        }
    })
    .await?;
    let leaving = claim("leaving", json!({}));
    plane.delete(&leaving).await?;
    let lost =
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "lost", "finalizers": null}});
    plane.delete(&lost).await?;
    plane.merge(&lost).await?;

    let iscsi = json!([{"name": "disk", "iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2026-01.com.example:disk", "lun": 0}}]);
    plane.create(&daemon_set("holder", &iscsi)).await?;
    for node in ["near", "far"] {
        let bound = wait_until("the holder of the disk runs", async || {
            scheduled(plane, "holder", node).await?.map_or(Ok(()), Err)
        });
        bound.await?;
    }
    let scratch = json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": wanted(json!({"storageClassName": ""}))}}}]);
    let mut sets = vec![daemon_set("disk", &iscsi), daemon_set("scratch", &scratch)];
    sets.push(daemon_set("many", &volumes_of(&["many-1", "many-2"])));
    sets.push(daemon_set("missing", &volumes_of(&["absent"])));
    for name in [
        "unbound",
        "leaving",
        "lost",
        "pinned",
        "zonal",
        "no-volume",
        "not-here",
        "chosen",
        "no-room",
        "lonely",
        "prevented",
    ] {
        sets.push(daemon_set(name, &volumes_of(&[name])));
    }
    plane.create_all(&sets).await
}

/// How many claims of [`storage`] find a volume.
const BOUND: usize = 7;

/// Classes, volumes, claims, and what drivers say of themselves.
fn storage() -> Vec<Value> {
    let class = |name: &str, provisioner: &str, more: Value| {
        let mut class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer",
        });
        merge(&mut class, more);
        class
    };
    let csi_node = |name: &str, allocatable: Value| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
            "spec": {"drivers": [{"name": DRIVER, "nodeID": name, "topologyKeys": [], "allocatable": allocatable}]},
        })
    };
    let other_zone = json!([{"matchLabelExpressions": [{"key": ZONE, "values": ["c"]}]}]);
    let in_zone = json!({"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a"]}]},
    ]}});
    let mut zonal = volume("zonal", json!({}));
    zonal["metadata"]["labels"] = json!({ZONE: "a"});
    let mut leaving = claim("leaving", json!({"volumeName": "leaving"}));
    leaving["metadata"]["finalizers"] = json!(["ds.test/held"]);
    let csi = |handle: &str| json!({"hostPath": null, "csi": {"driver": DRIVER, "volumeHandle": handle}});
    let one_pod = json!({"accessModes": ["ReadWriteOncePod"]});
    let bound = |name: &str| claim(name, json!({"volumeName": name}));
    let mut chosen = claim("chosen", json!({"storageClassName": "late"}));
    chosen["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "far"});
    vec![
        class("by-hand", "kubernetes.io/no-provisioner", json!({})),
        class("elsewhere", "other.example.com", json!({"allowedTopologies": other_zone})),
        class("late", "other.example.com", json!({})),
        class("full", DRIVER, json!({})),
        class("prevented", "preventing.example.com", json!({})),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "preventing.example.com"},
            "spec": {"preventPodSchedulingIfMissing": true},
        }),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER},
            "spec": {"storageCapacity": true, "attachRequired": false},
        }),
        csi_node("near", json!({"count": 1})),
        csi_node("far", json!(null)),
        volume("pinned", json!({"nodeAffinity": in_zone})),
        zonal,
        volume("leaving", json!({})),
        volume("lost", json!({})),
        volume("lonely", one_pod.clone()),
        volume("many-1", csi("1")),
        volume("many-2", csi("2")),
        bound("pinned"),
        bound("zonal"),
        leaving,
        bound("lost"),
        claim("lonely", json!({"volumeName": "lonely", "accessModes": ["ReadWriteOncePod"]})),
        bound("many-1"),
        bound("many-2"),
        claim("unbound", json!({})),
        claim("no-volume", json!({"storageClassName": "by-hand"})),
        claim("not-here", json!({"storageClassName": "elsewhere"})),
        chosen,
        claim("no-room", json!({"storageClassName": "full"})),
        claim("prevented", json!({"storageClassName": "prevented"})),
    ]
}

/// A volume that is kept for the claim of its name.
fn volume(name: &str, more: Value) -> Value {
    let mut spec = json!({
        "storageClassName": "", "accessModes": [ACCESS], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"},
        "claimRef": {"namespace": NAMESPACE, "name": name},
    });
    merge(&mut spec, more);
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
}

fn claim(name: &str, more: Value) -> Value {
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted(more)})
}

/// What a claim asks for.
fn wanted(more: Value) -> Value {
    let mut spec =
        json!({"storageClassName": "", "accessModes": [ACCESS], "resources": {"requests": {"storage": "1Gi"}}});
    merge(&mut spec, more);
    spec
}

fn merge(object: &mut Value, more: Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
}

/// A volume of the pod for each claim.
fn volumes_of(claims: &[&str]) -> Value {
    claims.iter().map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})).collect()
}

fn node(name: &str, zone: &str) -> Value {
    let labels = json!({"kubernetes.io/hostname": name, ZONE: zone});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
}

fn daemon_set(name: &str, volumes: &Value) -> Value {
    let labels = json!({"app": name});
    let spec = json!({
        "containers": [{"name": "main", "image": "agent"}], "terminationGracePeriodSeconds": 1, "volumes": volumes,
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    })
}
