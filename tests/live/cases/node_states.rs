//! One small cluster in which every state of a node is made for real, and what coverage says about it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, wait_until, wait_until_within};
use crate::harness::plane_layout::SILENT;
use crate::harness::control_plane::ControlPlane;
use crate::harness::random_cluster::change_taints;

const NAMESPACE: &str = "states";

/// What coverage is to say: a DaemonSet, a node, the state, and the code of the first reason; empty where there is no reason.
const EXPECTED: [(&str, &str, &str, &str); 23] = [
    // Requests 200m of CPU, tolerates nothing.
    ("agent", "cordoned", "Available", ""),
    ("agent", "crashing", "NotReady", "CrashLoopBackOff"),
    ("agent", "drained", "Misscheduled", "Taint"),
    ("agent", "failing", "Failed", "PodFailed"),
    ("agent", "full", "Pending", "Unschedulable"),
    ("agent", "leaving", "Terminating", "StuckTerminating"),
    ("agent", "pulling", "Starting", "ContainerCreating"),
    ("agent", "reserved", "Excluded", "Taint"),
    ("agent", "silent", "Misscheduled", "Taint"),
    ("agent", "unready", "NotReady", "ContainersNotReady"),
    ("agent", "well", "Available", ""),
    // The same with minReadySeconds 3600, on two nodes.
    ("patient", "crashing", "Excluded", "NodeAffinity"),
    ("patient", "unready", "NotReady", "ContainersNotReady"),
    ("patient", "well", "Ready", "MinReadySeconds"),
    // Tolerates everything.
    ("everywhere", "drained", "Available", ""),
    ("everywhere", "full", "Available", ""),
    ("everywhere", "reserved", "Available", ""),
    ("everywhere", "silent", "NotReady", "NodeNotReady"),
    ("everywhere", "well", "Available", ""),
    // No pod may be created in its namespace.
    ("refused", "full", "Missing", "QuotaExceeded"),
    ("refused", "reserved", "Excluded", "Taint"),
    ("refused", "silent", "Excluded", "Taint"),
    ("refused", "well", "Missing", "QuotaExceeded"),
];

/// What the API must hold before anybody is asked: DaemonSet, node, and the pod's phase, Ready condition, whether it
/// is being deleted, and whether it is bound. `None` where there is no pod.
const FACTS: [(&str, &str, Option<&str>); 20] = [
    ("agent", "cordoned", Some("RunningProgram ready bound")),
    ("agent", "crashing", Some("RunningProgram unready bound")),
    ("agent", "drained", Some("RunningProgram ready bound")),
    ("agent", "failing", Some("Failed unready bound")),
    ("agent", "full", Some("Pending unready unbound")),
    ("agent", "leaving", Some("RunningProgram ready bound deleting")),
    ("agent", "pulling", Some("Pending unready bound")),
    ("agent", "reserved", None),
    ("agent", "silent", Some("RunningProgram unready bound")),
    ("agent", "unready", Some("RunningProgram unready bound")),
    ("agent", "well", Some("RunningProgram ready bound")),
    ("patient", "crashing", None),
    ("patient", "unready", Some("RunningProgram unready bound")),
    ("patient", "well", Some("RunningProgram ready bound")),
    ("everywhere", "drained", Some("RunningProgram ready bound")),
    ("everywhere", "reserved", Some("RunningProgram ready bound")),
    ("everywhere", "silent", Some("RunningProgram unready bound")),
    ("everywhere", "well", Some("RunningProgram ready bound")),
    ("refused", "reserved", None),
    ("refused", "well", None),
];

/// The cluster comes to be as [`FACTS`] says.
pub(crate) fn made_for_real(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| make(plane).await)
}

/// And coverage says what [`EXPECTED`] says, and why-not the same of each pair.
pub(crate) fn told_by_coverage(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        make(plane).await?;
        // Again and again: a failed pod goes and comes.
        wait_until_within("coverage tells the states", Duration::from_secs(30), async || told(plane).map_err(message))
            .await?;
        wait_until_within("why-not tells the states", Duration::from_secs(60), async || {
            explained(plane).map_err(message)
        })
        .await
    })
}

/// Compares what why-not says with [`EXPECTED`]: the state, and the reason among those of the checks that fail.
fn explained(plane: &ControlPlane) -> Result<(), Failed> {
    let mut wrong = String::new();
    for (set, node, state, code) in EXPECTED {
        let report = json_of(&plane.ds(&["why-not", node, set, "-n", namespace_of(set), "-o", "json"]))?;
        let way = &report["daemonSets"][0];
        let checks = way["checks"].as_array().map_or(&[][..], Vec::as_slice);
        let failed = checks.iter().filter(|check| check["result"] == "Fail");
        let codes: Vec<&str> = failed
            .flat_map(|check| check["reasons"].as_array().into_iter().flatten())
            .filter_map(|reason| reason["code"].as_str())
            .collect();
        // A filter has more to say than that the scheduler refuses; and to wait is no failure.
        let expected = match code {
            "Unschedulable" => "ExceedsAllocatable",
            "MinReadySeconds" => "",
            code => code,
        };
        if way["state"] != state || !(expected.is_empty() || codes.contains(&expected)) {
            wrong +=
                &format!("\n    {set} on {node}: {} for {codes:?} instead of {state} for {expected}", way["state"]);
        }
    }
    ensure(wrong.is_empty(), || wrong)
}

fn message(failure: Failed) -> String {
    failure.message().unwrap_or_default().to_owned()
}

/// Compares what coverage says with [`EXPECTED`]; all that is wrong at once.
fn told(plane: &ControlPlane) -> Result<(), Failed> {
    let mut wrong = String::new();
    for set in ["agent", "patient", "everywhere", "refused"] {
        let report = json_of(&plane.ds(&["coverage", set, "-n", namespace_of(set), "-o", "json"]))?;
        ensure(report["kind"] == "CoverageReport", || format!("kind is {}", report["kind"]))?;
        let sets = report["daemonSets"].as_array().map_or(&[][..], Vec::as_slice);
        ensure(sets.len() == 1 && sets[0]["name"] == set, || format!("asked for {set}, got {sets:?}"))?;
        let nodes: BTreeMap<&str, &Value> = sets[0]["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|node| (node["node"].as_str().unwrap_or_default(), node))
            .collect();
        for (_, node, state, code) in EXPECTED.iter().filter(|(name, ..)| *name == set) {
            let Some(row) = nodes.get(node) else {
                wrong += &format!("\n    {set} on {node}: not told, instead of {state}");
                continue;
            };
            let codes: Vec<&str> =
                row["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason["code"].as_str()).collect();
            if row["state"] != *state {
                wrong += &format!("\n    {set} on {node}: {} instead of {state} (reasons: {codes:?})", row["state"]);
            }
            if codes.first().copied().unwrap_or_default() != *code {
                wrong += &format!("\n    {set} on {node}: reasons {codes:?} instead of {code:?}");
            }
        }
    }
    ensure(wrong.is_empty(), || wrong)
}

fn namespace_of(set: &str) -> &'static str {
    if set == "refused" { "refused" } else { NAMESPACE }
}

/// Makes the nodes and DaemonSets, and waits until they are as [`FACTS`] says.
async fn make(plane: &ControlPlane) -> Result<(), Failed> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    plane.create_all(&[namespace(NAMESPACE), namespace("refused")]).await?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-pods", "namespace": "refused"}, "spec": {"hard": {"pods": "0"}}});
    plane.create(&quota).await?;
    let names = ["crashing", "drained", "failing", "leaving", "pulling", "silent", "unready", "well"];
    let mut nodes: Vec<Value> = names.map(|name| node(name, json!({}))).into();
    nodes.push(node("cordoned", json!({"unschedulable": true})));
    nodes.push(node("reserved", json!({"taints": [{"key": "reserved", "effect": "NoSchedule"}]})));
    let mut full = node("full", json!({}));
    let small = json!({"cpu": "100m", "memory": "1Gi", "pods": "110"});
    full["status"] = json!({"capacity": small, "allocatable": small});
    nodes.push(full);
    plane.create_all(&nodes).await?;

    let request = json!({"requests": {"cpu": "200m"}});
    let mut agent =
        daemon_set("agent", json!({"containers": [{"name": "main", "image": "agent", "resources": request}]}));
    let behavior = json!({
        "ds.test/crash": "crashing", "ds.test/failed": "failing", "ds.test/stuck": "leaving",
        "ds.test/starting": "pulling", "ds.test/never-ready": "unready",
    });
    agent["spec"]["template"]["metadata"]["annotations"] = behavior.clone();
    let on = |nodes: Value| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}]},
        ]}}})
    };
    let mut patient = daemon_set("patient", json!({"affinity": on(json!(["well", "unready"]))}));
    patient["spec"]["minReadySeconds"] = json!(3600);
    patient["spec"]["template"]["metadata"]["annotations"] = behavior;
    let everywhere = daemon_set("everywhere", json!({"tolerations": [{"operator": "Exists"}]}));
    let refused = daemon_set("refused", json!({}));
    plane.create_all(&[agent, patient, everywhere, refused]).await?;

    // First all have their pods, then the nodes go bad.
    wait_until("the pods that are to go bad run", async || {
        let facts = facts(plane).await?;
        for (set, node) in [("agent", "drained"), ("agent", "silent"), ("agent", "leaving"), ("everywhere", "silent")] {
            let fact = facts.get(&(set.to_owned(), node.to_owned())).map(String::as_str);
            if fact != Some("RunningProgram ready bound") {
                return Err(format!("{set} on {node} is {fact:?}"));
            }
        }
        Ok(())
    })
    .await?;
    change_taints(plane, "drained", |taints| taints.push(json!({"key": "drained", "effect": "NoSchedule"}))).await?;
    plane.merge(&with_labels("silent", json!({SILENT: ""}))).await?;
    let leaving = pods(plane).await.map_err(failed)?.into_iter().find(|pod| key_of(pod).1 == "leaving");
    let leaving = leaving.ok_or_else(|| failed("no pod on leaving"))?.name_any();
    plane
        .delete(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": NAMESPACE, "name": leaving}}))
        .await?;
    wait_until("every state is there", async || {
        let facts = facts(plane).await?;
        for (set, node, expected) in FACTS {
            let fact = facts.get(&(set.to_owned(), node.to_owned())).map(String::as_str);
            if fact != expected {
                return Err(format!("{set} on {node} is {fact:?}, not {expected:?}"));
            }
        }
        Ok(())
    })
    .await
}

fn node(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": spec})
}

fn with_labels(node: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}})
}

fn daemon_set(name: &str, rest: Value) -> Value {
    let labels = json!({"app": name});
    let mut spec = json!({"containers": [{"name": "main", "image": "agent"}], "terminationGracePeriodSeconds": 1});
    for (key, value) in rest.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace_of(name)},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    })
}

async fn pods(plane: &ControlPlane) -> Result<Vec<Pod>, String> {
    let pods = plane.list::<Pod>().await.map_err(message)?;
    // The first by name is the one that counts, should there be two for a moment.
    Ok(pods.into_iter().filter(|pod| pod.labels().contains_key("app")).collect())
}

/// The DaemonSet of a pod, and its node: the one it is on, or is pinned to.
fn key_of(pod: &Pod) -> (String, String) {
    let spec = serde_json::to_value(&pod.spec).unwrap_or_default();
    let pinned = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    let node = spec["nodeName"].as_str().or_else(|| spec.pointer(pinned)?.as_str()).unwrap_or_default();
    (pod.labels()["app"].clone(), node.to_owned())
}

/// Every pod in the words of [`FACTS`].
async fn facts(plane: &ControlPlane) -> Result<BTreeMap<(String, String), String>, String> {
    let mut facts = BTreeMap::new();
    for pod in pods(plane).await? {
        let status = serde_json::to_value(&pod.status).unwrap_or_default();
        let conditions = status["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True");
        let bound = serde_json::to_value(&pod.spec).unwrap_or_default()["nodeName"].is_string();
        let mut fact =
            format!("{} {}", status["phase"].as_str().unwrap_or("-"), if ready { "ready" } else { "unready" });
        fact += if bound { " bound" } else { " unbound" };
        if pod.metadata.deletion_timestamp.is_some() {
            fact += " deleting";
        }
        facts.insert(key_of(&pod), fact);
    }
    Ok(facts)
}
