//! Every volume-related rejection of the scheduler: its message, and the same reason in why-not.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::independent_counts::target_node;
use crate::harness::manifests::{
    APP, csi_node, daemon_set, namespace, node_with, persistent_volume, persistent_volume_claim, reference,
    replace_fields, storage_class,
};
use crate::harness::registry::LiveTest;
use crate::harness::why_not_assertions::{ExpectedReason, assert_explained};

pub(crate) const TESTS: &[LiveTest] = live_tests![rejections_are_explained];

const NAMESPACE: &str = "volumes";
const ZONE: &str = "topology.kubernetes.io/zone";
const DRIVER: &str = "disk.example.com";
const ACCESS: &str = "ReadWriteMany";

/// DaemonSet, node, check, code, and the scheduler's message.
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
        "VolumeClaimOnOtherNode",
        "node(s) didn't find available persistent volumes to bind",
    ),
    ("no-room", "near", "VolumeBinding", "StorageCapacity", "node(s) did not have enough free storage"),
    ("many", "near", "NodeVolumeLimits", "VolumeLimit", "node(s) exceed max volume count"),
    ("disk", "near", "VolumeRestrictions", "DiskInUse", "node(s) had no available disk"),
];

/// The scheduler's message for [`ONE_POD`] before 1.34.
const ONE_POD_BEFORE_1_34: &str =
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

/// A claim that one pod of the cluster can use: the scheduler may choose either node.
const ONE_POD: (&str, &str, &str, &str) = (
    "lonely",
    "VolumeRestrictions",
    "VolumeClaimInUse",
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
);

/// A CSI driver with `preventPodSchedulingIfMissing`, which the API server stores since 1.37.
const PREVENTED: (&str, &str, &str, &str, &str) = (
    "prevented",
    "near",
    "NodeVolumeLimits",
    "CsiDriverMissing",
    "preventing.example.com CSI driver is not installed on the node",
);

/// The other node of these DaemonSets must run its pod: the rejection is about the node, not about the pod.
const RUN_ON_OTHER_NODE: [(&str, &str); 4] =
    [("pinned", "near"), ("zonal", "near"), ("many", "far"), ("holder", "near")];

/// Compares the scheduler's message with the expected one, and then the reason of why-not.
fn rejections_are_explained(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_objects(plane).await?;
        let minor = plane.minor().await?;
        let since_1_37 = (minor >= 37).then_some(&PREVENTED);
        let mut rejected: Vec<(&str, String, ExpectedReason<'_>)> = EXPECTED
            .iter()
            .chain(since_1_37)
            .map(|(set, node, check, code, scheduler)| {
                (*set, (*node).into(), ExpectedReason { check, code, scheduler })
            })
            .collect();
        let (set, check, code, scheduler) = ONE_POD;
        let scheduler = if minor < 34 { ONE_POD_BEFORE_1_34 } else { scheduler };
        rejected.push((set, node_without_claim(plane, set).await?, ExpectedReason { check, code, scheduler }));
        for (set, node, expected) in &rejected {
            let description = format!("the scheduler rejects {set} on {node} with {:?}", expected.scheduler);
            let message = wait_until(&description, async || {
                let message = scheduler_message(plane, set, node).await?.unwrap_or_else(|| "it is bound".into());
                if message.contains(expected.scheduler) { Ok(message) } else { Err(message) }
            });
            eprintln!("{set} on {node}: {}", message.await?);
        }
        for (set, node) in RUN_ON_OTHER_NODE {
            let description = format!("{set} runs on {node}");
            let bound =
                wait_until(&description, async || scheduler_message(plane, set, node).await?.map_or(Ok(()), Err));
            bound.await?;
        }
        for (set, node, expected) in rejected {
            assert_explained(plane, &node, (NAMESPACE, set), expected)?;
        }
        Ok(())
    })
}

/// The node on which the DaemonSet's pod cannot use the claim.
async fn node_without_claim(plane: &ControlPlane, set: &str) -> Result<String, Failed> {
    wait_until(&format!("one pod of {set} runs"), async || {
        match (scheduler_message(plane, set, "near").await?, scheduler_message(plane, set, "far").await?) {
            (None, Some(_)) => Ok("far".to_owned()),
            (Some(_), None) => Ok("near".to_owned()),
            (near, far) => Err(format!("near: {near:?}, far: {far:?}")),
        }
    })
    .await
}

/// The scheduler's message about the DaemonSet's pod for a node; `None` if the pod is bound.
async fn scheduler_message(plane: &ControlPlane, set: &str, node: &str) -> Result<Option<String>, String> {
    let pods = plane.list::<Pod>().await.map_err(message)?;
    let is_expected = |pod: &Pod| pod.labels().get(APP).is_some_and(|app| app == set) && target_node(pod) == Some(node);
    let pod = pods.into_iter().find(is_expected).ok_or_else(|| format!("no pod of {set} for {node}"))?;
    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
        return Ok(None);
    }
    let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
    let condition = conditions.into_iter().find(|condition| condition.type_ == "PodScheduled");
    condition.and_then(|condition| condition.message).map(Some).ok_or_else(|| format!("{set} on {node}: no message"))
}

/// Two nodes in two zones, and a DaemonSet for each rejection.
async fn create_objects(plane: &ControlPlane) -> Result<(), Failed> {
    plane.create(&namespace(NAMESPACE)).await?;
    plane.create_all(&storage()).await?;
    plane.create_all(&[zone_node("near", "a"), zone_node("far", "b")]).await?;
    // They must be bound before a pod is scheduled, so that no pod is rejected for another reason first.
    wait_until("the claims are bound", async || {
        let claims = plane.list::<PersistentVolumeClaim>().await;
        let claims = claims.map_err(message)?;
        let is_bound = |claim: &&PersistentVolumeClaim| {
            claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
        };
        match claims.iter().filter(is_bound).count() {
            BOUND => Ok(()),
            count => Err(format!("{count} are bound")),
        }
    })
    .await?;
    let leaving = claim("leaving", json!({}));
    plane.delete(&leaving).await?;
    let mut lost = reference("v1", "PersistentVolume", None, "lost");
    lost["metadata"]["finalizers"] = Value::Null;
    plane.delete(&lost).await?;
    plane.merge(&lost).await?;

    let iscsi = json!({"targetPortal": "10.0.0.1", "iqn": "iqn.2026-01.com.example:disk", "lun": 0});
    let iscsi = json!([{"name": "disk", "iscsi": iscsi}]);
    plane.create(&volume_set("holder", &iscsi)).await?;
    for node in ["near", "far"] {
        let bound = wait_until("the pods of holder are bound", async || {
            scheduler_message(plane, "holder", node).await?.map_or(Ok(()), Err)
        });
        bound.await?;
    }
    let template = json!({"spec": claim_spec(json!({"storageClassName": ""}))});
    let scratch = json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]);
    let mut sets = vec![volume_set("disk", &iscsi), volume_set("scratch", &scratch)];
    sets.push(volume_set("many", &volumes_of(&["many-1", "many-2"])));
    sets.push(volume_set("missing", &volumes_of(&["absent"])));
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
        sets.push(volume_set(name, &volumes_of(&[name])));
    }
    plane.create_all(&sets).await
}

/// How many claims of [`storage`] are bound to a volume.
const BOUND: usize = 7;

/// Classes, CSI drivers, CSINodes, volumes and claims.
fn storage() -> Vec<Value> {
    let class = |name: &str, provisioner: &str, more: Value| {
        let mut class = storage_class(name, provisioner);
        replace_fields(&mut class, &more);
        class
    };
    let csi_node = |name: &str, allocatable: Value| {
        csi_node(name, DRIVER, &json!({"topologyKeys": [], "allocatable": allocatable}))
    };
    let other_zone = json!([{"matchLabelExpressions": [{"key": ZONE, "values": ["c"]}]}]);
    let in_zone = json!({"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a"]}]},
    ]}});
    let mut zonal = volume("zonal", json!({}));
    zonal["metadata"]["labels"] = json!({ZONE: "a"});
    let mut leaving = claim("leaving", json!({"volumeName": "leaving"}));
    leaving["metadata"]["finalizers"] = json!(["ds.test/kept"]);
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

/// A volume that is reserved for the claim of the same name.
fn volume(name: &str, more: Value) -> Value {
    let mut spec = json!({
        "storageClassName": "", "accessModes": [ACCESS], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"},
        "claimRef": {"namespace": NAMESPACE, "name": name},
    });
    replace_fields(&mut spec, &more);
    persistent_volume(name, &spec)
}

fn claim(name: &str, more: Value) -> Value {
    persistent_volume_claim(NAMESPACE, name, &claim_spec(more))
}

/// The spec of a claim.
fn claim_spec(more: Value) -> Value {
    let mut spec =
        json!({"storageClassName": "", "accessModes": [ACCESS], "resources": {"requests": {"storage": "1Gi"}}});
    replace_fields(&mut spec, &more);
    spec
}

/// A pod volume for each claim.
fn volumes_of(claims: &[&str]) -> Value {
    claims.iter().map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})).collect()
}

fn zone_node(name: &str, zone: &str) -> Value {
    node_with(name, &json!({"metadata": {"labels": {ZONE: zone}}}))
}

fn volume_set(name: &str, volumes: &Value) -> Value {
    daemon_set(NAMESPACE, name, &json!({"terminationGracePeriodSeconds": 1, "volumes": volumes}))
}
