//! Clusters from a seed in which every filter of the scheduler rejects some pods: crowded nodes with different
//! resources, DaemonSets that request all of them, and other pods.

use std::collections::BTreeMap;

use fastrand::Rng;
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use super::daemon_sets;
use crate::harness::client::{message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{
    csi_node, namespace, node_reference, node_resources, persistent_volume, persistent_volume_claim, pod_reference,
    storage_class,
};
use crate::harness::random_cluster::{LABELS, change_taints, pick, same_taint, taint};

/// The number of nodes.
pub(crate) const NODES: usize = 40;

/// The namespaces of the DaemonSets; [`LIMITS`] has default requests.
pub(crate) const NAMESPACES: [&str; 3] = ["default", "agents", LIMITS];

/// The namespace with a LimitRange.
pub(crate) const LIMITS: &str = "limits";

/// Small nodes that get a taint once pods are pending for them.
const LATE_TAINTS: [usize; 4] = [3, 11, 19, 27];

/// The possible amounts of each resource of a node; `None` if it does not have the resource.
const ALLOCATABLE: [(&str, &[Option<&str>]); 8] = [
    ("cpu", &[Some("150m"), Some("1"), Some("1500m"), Some("2"), Some("4"), Some("8"), Some("32")]),
    ("memory", &[Some("300Mi"), Some("1Gi"), Some("2G"), Some("4Gi"), Some("16Gi"), Some("64Gi")]),
    ("ephemeral-storage", &[Some("1Gi"), Some("3e9"), Some("100G"), Some("1Ti")]),
    ("pods", &[Some("1"), Some("3"), Some("10"), Some("10"), Some("110"), Some("250"), Some("250"), Some("250")]),
    ("hugepages-2Mi", &[None, None, Some("0"), Some("64Mi"), Some("256Mi")]),
    ("hugepages-1Gi", &[None, None, None, Some("1Gi")]),
    ("example.com/fpga", &[None, None, Some("1"), Some("4")]),
    ("nvidia.com/gpu", &[None, None, Some("0"), Some("2")]),
];

/// Names and values of the PriorityClasses; the last never preempts.
const PRIORITIES: [(&str, i32); 5] =
    [("top", 900_000_000), ("high", 1000), ("middle", 500), ("low", -10), ("high-never", 1000)];

/// PersistentVolumeClaims that are bound to volumes of the same name, and their access mode.
const CLAIMS: [(&str, &str); 5] = [
    ("data", "ReadWriteMany"),
    ("single", "ReadWriteOncePod"),
    ("zoned", "ReadWriteMany"),
    ("extra", "ReadWriteMany"),
    ("more", "ReadWriteMany"),
];

/// The driver of volumes and devices.
const DRIVER: &str = "driver.test";

/// The API version of dynamic resource allocation.
const DRA: &str = "resource.k8s.io/v1";

/// Creates the first part of the cluster of `seed`, before resources become scarce.
pub(crate) async fn create(plane: &ControlPlane, seed: u64) -> Result<(), Failed> {
    let mut rng = Rng::with_seed(seed);
    create_supported(plane, cluster_objects()).await?;
    let nodes: Vec<Value> = (0..NODES).map(|index| node(&mut rng, index)).collect();
    plane.create_all(&nodes).await?;
    let names: Vec<String> = (0..NODES).map(name_of).collect();
    let pods = standalone_pods(&mut rng, &names);
    plane.create_all(&pods).await?;
    for pod in pods.iter().filter(|pod| pod["metadata"]["annotations"]["ds.test/deleted"] == "true") {
        plane.delete(pod).await?;
    }
    bind_volumes(plane).await?;
    let sets: Vec<Value> = (0..daemon_sets::EARLY).map(|index| daemon_sets::random(&mut rng, index, &names)).collect();
    plane.create_all(&sets).await
}

/// Adds the second part once the first pods are scheduled: DaemonSets that preempt others, and taints on nodes with
/// pending pods.
pub(crate) async fn crowd(plane: &ControlPlane, seed: u64) -> Result<(), Failed> {
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    let names: Vec<String> = (0..NODES).map(name_of).collect();
    let late = daemon_sets::EARLY..daemon_sets::ALL;
    let sets: Vec<Value> = late.map(|index| daemon_sets::random(&mut rng, index, &names)).collect();
    plane.create_all(&sets).await?;
    for index in LATE_TAINTS {
        let late = json!({"key": "late", "value": pick(&mut rng, &["", "x"]), "effect": "NoSchedule"});
        change_taints(plane, &name_of(index), |taints| taints.push(late.clone())).await?;
    }
    Ok(())
}

/// The name of node number `index`.
fn name_of(index: usize) -> String {
    format!("node-{index:02}")
}

/// Namespaces, classes, volumes, CSINodes and devices.
fn cluster_objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for name in NAMESPACES.iter().filter(|name| **name != "default") {
        let mut namespace = namespace(name);
        namespace["metadata"]["labels"] = json!({"tier": "agents"});
        objects.push(namespace);
    }
    for (name, value) in PRIORITIES {
        let policy = if name.ends_with("never") { "Never" } else { "PreemptLowerPriority" };
        objects.push(json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value, "preemptionPolicy": policy,
        }));
    }
    let runtime_class = |name: &str, overhead: Value, scheduling: Value| {
        json!({
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "runc",
            "overhead": {"podFixed": overhead}, "scheduling": scheduling,
        })
    };
    objects.push(runtime_class("heavy", json!({"cpu": "250m", "memory": "120Mi"}), Value::Null));
    objects.push(runtime_class("on-gpu", json!({"cpu": "0.5m"}), json!({"nodeSelector": {"pool": "gpu"}})));
    objects.push(runtime_class(
        "tolerant",
        json!({"memory": "1e6"}),
        json!({"nodeSelector": {"disk": ""}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]}),
    ));
    for (claim, mode) in CLAIMS {
        let mut volume = persistent_volume(
            claim,
            &json!({
                "capacity": {"storage": "1Gi"}, "accessModes": [mode], "csi": {"driver": DRIVER, "volumeHandle": claim},
                "claimRef": {"namespace": "default", "name": claim}, "persistentVolumeReclaimPolicy": "Retain",
            }),
        );
        match claim {
            "data" => {
                let names = ["node-01", "node-02", "node-05"];
                let expression = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": names});
                volume["spec"]["nodeAffinity"] =
                    json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}});
            }
            "zoned" => volume["metadata"]["labels"] = json!({"topology.kubernetes.io/zone": "a"}),
            _ => {}
        }
        objects.push(volume);
    }
    objects.push(storage_class("waiting", "kubernetes.io/no-provisioner"));
    for node in (0..NODES).step_by(2).map(name_of) {
        objects.push(csi_node(&node, DRIVER, &json!({"allocatable": {"count": 1}})));
    }
    objects.push(json!({"apiVersion": DRA, "kind": "DeviceClass", "metadata": {"name": DRIVER}, "spec": {}}));
    for node in (0..NODES).step_by(5).map(name_of) {
        objects.push(json!({
            "apiVersion": DRA, "kind": "ResourceSlice", "metadata": {"name": node},
            "spec": {
                "driver": DRIVER, "nodeName": node, "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "device-0"}],
            },
        }));
    }
    objects
}

/// Claims and the LimitRange, whose namespaces must exist.
fn namespaced_objects() -> Vec<Value> {
    let claim = |name: &str, mode: &str, class: &str, volume: Option<&str>| {
        let spec = json!({
            "accessModes": [mode], "storageClassName": class, "volumeName": volume,
            "resources": {"requests": {"storage": "1Gi"}},
        });
        persistent_volume_claim("default", name, &spec)
    };
    let mut objects: Vec<Value> = CLAIMS.iter().map(|(name, mode)| claim(name, mode, "", Some(name))).collect();
    objects.push(claim("unbound", "ReadWriteMany", "", None));
    objects.push(claim("waiting", "ReadWriteMany", "waiting", None));
    let devices = json!({"devices": {"requests": [{"name": "one", "exactly": {"deviceClassName": DRIVER}}]}});
    let name = json!({"name": "device", "namespace": "default"});
    objects.push(json!({"apiVersion": DRA, "kind": "ResourceClaim", "metadata": name, "spec": devices}));
    objects.push(json!({
        "apiVersion": DRA, "kind": "ResourceClaimTemplate", "metadata": name, "spec": {"spec": devices},
    }));
    let defaults = json!({
        "type": "Container",
        "defaultRequest": {"cpu": "150m", "memory": "100Mi", "ephemeral-storage": "50Mi"},
        "default": {"cpu": "8", "memory": "64Gi", "ephemeral-storage": "10Gi"},
    });
    objects.push(json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": LIMITS},
        "spec": {"limits": [defaults]},
    }));
    objects
}

/// Creates the objects of which the API server serves the kind.
async fn create_supported(plane: &ControlPlane, mut objects: Vec<Value>) -> Result<(), Failed> {
    let has_devices = plane.has_devices().await?;
    objects.retain(|object| has_devices || object["apiVersion"] != DRA);
    plane.create_all(&objects).await
}

/// Creates the claims, and waits until the controller has bound them.
async fn bind_volumes(plane: &ControlPlane) -> Result<(), Failed> {
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    create_supported(plane, namespaced_objects()).await?;
    wait_until("the claims are bound", async || {
        let claims: Vec<PersistentVolumeClaim> = plane.list().await.map_err(message)?;
        let phase = |claim: &PersistentVolumeClaim| claim.status.as_ref().and_then(|status| status.phase.clone());
        match claims.iter().filter(|claim| phase(claim).as_deref() == Some("Bound")).count() {
            bound if bound == CLAIMS.len() => Ok(()),
            bound => Err(format!("{bound} of {} are bound", CLAIMS.len())),
        }
    })
    .await
}

/// A node. Those that get a taint later are too small for all their pods.
fn node(rng: &mut Rng, index: usize) -> Value {
    let name = name_of(index);
    let mut labels = Map::new();
    // Some have no hostname label, the topology key of the pod anti-affinity.
    if rng.u8(..16) > 0 {
        labels.insert("kubernetes.io/hostname".into(), json!(name));
    }
    for (key, values) in LABELS {
        if rng.u8(..10) < 8 {
            labels.insert(key.into(), json!(pick(rng, values)));
        }
    }
    let mut allocatable: BTreeMap<&str, &str> = BTreeMap::new();
    for (resource, amounts) in ALLOCATABLE {
        if let Some(amount) = amounts[rng.usize(..amounts.len())] {
            allocatable.insert(resource, amount);
        }
    }
    let mut taints = Vec::new();
    for _ in 0..[0, 0, 0, 0, 0, 0, 1, 1, 1, 2][rng.usize(..10)] {
        let new = taint(rng);
        if !taints.iter().any(|other| same_taint(other, &new)) {
            taints.push(new);
        }
    }
    if LATE_TAINTS.contains(&index) {
        allocatable.insert("cpu", "1");
        allocatable.insert("pods", "10");
        taints.clear();
    }
    let mut node = node_reference(&name);
    node["metadata"]["labels"] = Value::Object(labels);
    node["spec"] = json!({"taints": taints, "unschedulable": rng.u8(..10) == 0});
    node["status"] = node_resources(&json!(allocatable));
    node
}

/// Pods without a controller on the nodes: running, completed, and with a finalizer that keeps them.
fn standalone_pods(rng: &mut Rng, nodes: &[String]) -> Vec<Value> {
    let mut pods = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        for number in 0..rng.usize(..4) {
            let container =
                json!({"name": "main", "image": "registry.example/other:v1", "resources": daemon_sets::requests(rng)});
            let mut spec = json!({
                "nodeName": node,
                "containers": [container],
                "tolerations": [{"operator": "Exists"}],
                "terminationGracePeriodSeconds": 1,
            });
            if rng.u8(..4) == 0 {
                spec["containers"][0]["ports"] = daemon_sets::ports(rng);
            }
            if rng.u8(..3) > 0 {
                spec["priorityClassName"] = json!(pick(rng, &["top", "middle", "low", "low"]));
            }
            let mut pod = pod_reference("default", &format!("other-{index:02}-{number}"));
            let metadata = &mut pod["metadata"];
            metadata["labels"] = json!({"team": pick(rng, &["a", "b"])});
            match rng.u8(..8) {
                0 => metadata["annotations"] = json!({"ds.test/failed": "*"}),
                1 => metadata["annotations"] = json!({"ds.test/succeeded": "*"}),
                2 => {
                    metadata["finalizers"] = json!(["ds.test/kept"]);
                    metadata["annotations"] = json!({"ds.test/deleted": "true"});
                }
                // The pod that preempts this one stays pending forever.
                3 => metadata["finalizers"] = json!(["ds.test/kept"]),
                _ => {}
            }
            pod["spec"] = spec;
            pods.push(pod);
        }
    }
    pods
}
