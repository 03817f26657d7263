//! A small cluster with every state that a node can have, and the reports of coverage and why-not on it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, message, wait_until, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::independent_counts::target_node;
use crate::harness::manifests::{
    APP, container, daemon_set, namespace, node, node_reference, node_resources, node_with, pod_reference,
    replace_fields, required_node_label, resource_quota, with_behavior,
};
use crate::harness::plane_layout::SILENT;
use crate::harness::random_cluster::change_taints;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![cluster_has_every_state, coverage_and_why_not_report_every_state];

const NAMESPACE: &str = "states";

/// DaemonSet, node, the state in coverage, and the code of the first reason; empty if there is no reason.
const EXPECTED: [(&str, &str, &str, &str); 23] = [
    // Requests 200m of CPU, tolerates nothing.
    ("agent", "cordoned", "Available", ""),
    ("agent", "crashing", "NotReady", "CrashLoopBackOff"),
    ("agent", "drained", "Misscheduled", "Taint"),
    ("agent", "failing", "Failed", "PodFailed"),
    ("agent", "full", "Pending", "Unschedulable"),
    ("agent", "terminating", "Terminating", "StuckTerminating"),
    ("agent", "pulling", "Starting", "ContainerCreating"),
    ("agent", "reserved", "Excluded", "Taint"),
    ("agent", "silent", "Misscheduled", "Taint"),
    ("agent", "unready", "NotReady", "ContainersNotReady"),
    ("agent", "available", "Available", ""),
    // The same with minReadySeconds 3600, on two nodes.
    ("patient", "crashing", "Excluded", "NodeAffinity"),
    ("patient", "unready", "NotReady", "ContainersNotReady"),
    ("patient", "available", "Ready", "MinReadySeconds"),
    // Tolerates everything.
    ("everywhere", "drained", "Available", ""),
    ("everywhere", "full", "Available", ""),
    ("everywhere", "reserved", "Available", ""),
    ("everywhere", "silent", "NotReady", "NodeNotReady"),
    ("everywhere", "available", "Available", ""),
    // No pod may be created in its namespace.
    ("rejected", "full", "Missing", "QuotaExceeded"),
    ("rejected", "reserved", "Excluded", "Taint"),
    ("rejected", "silent", "Excluded", "Taint"),
    ("rejected", "available", "Missing", "QuotaExceeded"),
];

/// The pods in the API before the program runs: DaemonSet, node, and the pod's phase, readiness, whether it is bound
/// and whether it is terminating. `None` if there is no pod.
const PODS: [(&str, &str, Option<&str>); 20] = [
    ("agent", "cordoned", Some("Running ready bound")),
    ("agent", "crashing", Some("Running unready bound")),
    ("agent", "drained", Some("Running ready bound")),
    ("agent", "failing", Some("Failed unready bound")),
    ("agent", "full", Some("Pending unready unbound")),
    ("agent", "terminating", Some("Running ready bound terminating")),
    ("agent", "pulling", Some("Pending unready bound")),
    ("agent", "reserved", None),
    ("agent", "silent", Some("Running unready bound")),
    ("agent", "unready", Some("Running unready bound")),
    ("agent", "available", Some("Running ready bound")),
    ("patient", "crashing", None),
    ("patient", "unready", Some("Running unready bound")),
    ("patient", "available", Some("Running ready bound")),
    ("everywhere", "drained", Some("Running ready bound")),
    ("everywhere", "reserved", Some("Running ready bound")),
    ("everywhere", "silent", Some("Running unready bound")),
    ("everywhere", "available", Some("Running ready bound")),
    ("rejected", "reserved", None),
    ("rejected", "available", None),
];

/// The pods become as in [`PODS`].
fn cluster_has_every_state(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| create_cluster(plane).await)
}

/// coverage and why-not report the states and reasons of [`EXPECTED`].
fn coverage_and_why_not_report_every_state(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_cluster(plane).await?;
        // With retries: a failed pod is deleted and recreated.
        let coverage = async || check_coverage(plane).map_err(message);
        wait_until_within("coverage reports the states", Duration::from_secs(30), coverage).await?;
        let why_not = async || check_why_not(plane).map_err(message);
        wait_until_within("why-not reports the states", Duration::from_secs(60), why_not).await
    })
}

/// Compares why-not with [`EXPECTED`]: the state, and the reason among those of the failed checks.
fn check_why_not(plane: &ControlPlane) -> Result<(), Failed> {
    let mut wrong = String::new();
    for (set, node, state, code) in EXPECTED {
        let report = json_of(&plane.ds(&["why-not", node, set, "-n", namespace_of(set), "-o", "json"]))?;
        let diagnosis = &report["daemonSets"][0];
        let checks = diagnosis["checks"].as_array().map_or(&[][..], Vec::as_slice);
        let failed = checks.iter().filter(|check| check["result"] == "Fail");
        let codes: Vec<&str> = failed
            .flat_map(|check| check["reasons"].as_array().into_iter().flatten())
            .filter_map(|reason| reason["code"].as_str())
            .collect();
        // A filter has a more specific code than Unschedulable, and a check that waits does not fail.
        let expected = match code {
            "Unschedulable" => "ExceedsAllocatable",
            "MinReadySeconds" => "",
            code => code,
        };
        if diagnosis["state"] != state || !(expected.is_empty() || codes.contains(&expected)) {
            wrong += &format!(
                "\n    {set} on {node}: {} for {codes:?} instead of {state} for {expected}",
                diagnosis["state"]
            );
        }
    }
    ensure(wrong.is_empty(), || wrong)
}

/// Compares coverage with [`EXPECTED`]; fails with all differences.
fn check_coverage(plane: &ControlPlane) -> Result<(), Failed> {
    let mut wrong = String::new();
    for set in ["agent", "patient", "everywhere", "rejected"] {
        let report = json_of(&plane.ds(&["coverage", set, "-n", namespace_of(set), "-o", "json"]))?;
        ensure(report["kind"] == "CoverageReport", || format!("kind is {}", report["kind"]))?;
        let sets = report["daemonSets"].as_array().map_or(&[][..], Vec::as_slice);
        ensure(sets.len() == 1 && sets[0]["name"] == set, || format!("{sets:?} instead of {set}"))?;
        let nodes: BTreeMap<&str, &Value> = sets[0]["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|node| (node["node"].as_str().unwrap_or_default(), node))
            .collect();
        for (_, node, state, code) in EXPECTED.iter().filter(|(name, ..)| *name == set) {
            let Some(row) = nodes.get(node) else {
                wrong += &format!("\n    {set} on {node}: not reported, instead of {state}");
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
    if set == "rejected" { "rejected" } else { NAMESPACE }
}

/// Creates the nodes and DaemonSets, and waits until the pods are as in [`PODS`].
async fn create_cluster(plane: &ControlPlane) -> Result<(), Failed> {
    plane.create_all(&[namespace(NAMESPACE), namespace("rejected")]).await?;
    plane.create(&resource_quota("rejected", "no-pods", &json!({"pods": "0"}))).await?;
    let names = ["crashing", "drained", "failing", "terminating", "pulling", "silent", "unready", "available"];
    let mut nodes: Vec<Value> = names.map(node).into();
    nodes.push(node_with("cordoned", &json!({"spec": {"unschedulable": true}})));
    let taint = json!({"key": "reserved", "effect": "NoSchedule"});
    nodes.push(node_with("reserved", &json!({"spec": {"taints": [taint]}})));
    let small = node_resources(&json!({"cpu": "100m", "memory": "1Gi", "pods": "110"}));
    nodes.push(node_with("full", &json!({"status": small})));
    plane.create_all(&nodes).await?;

    let mut requesting = container("agent");
    requesting["resources"] = json!({"requests": {"cpu": "200m"}});
    let behavior = json!({
        "ds.test/crash": "crashing", "ds.test/failed": "failing", "ds.test/stuck": "terminating",
        "ds.test/starting": "pulling", "ds.test/never-ready": "unready",
    });
    let agent = with_behavior(state_set("agent", json!({"containers": [requesting]})), &behavior);
    let affinity = required_node_label("kubernetes.io/hostname", &json!(["available", "unready"]));
    let mut patient = with_behavior(state_set("patient", json!({"affinity": affinity})), &behavior);
    patient["spec"]["minReadySeconds"] = json!(3600);
    let everywhere = state_set("everywhere", json!({"tolerations": [{"operator": "Exists"}]}));
    let rejected = state_set("rejected", json!({}));
    plane.create_all(&[agent, patient, everywhere, rejected]).await?;

    // Some states need a running pod first.
    wait_until("the pods run whose nodes change next", async || {
        let summaries = pod_summaries(plane).await?;
        for (set, node) in
            [("agent", "drained"), ("agent", "silent"), ("agent", "terminating"), ("everywhere", "silent")]
        {
            let summary = summaries.get(&(set.to_owned(), node.to_owned())).map(String::as_str);
            if summary != Some("Running ready bound") {
                return Err(format!("{set} on {node} is {summary:?}"));
            }
        }
        Ok(())
    })
    .await?;
    change_taints(plane, "drained", |taints| taints.push(json!({"key": "drained", "effect": "NoSchedule"}))).await?;
    let mut silent = node_reference("silent");
    silent["metadata"]["labels"] = json!({SILENT: ""});
    plane.merge(&silent).await?;
    let terminating = pods(plane).await.map_err(failed)?.into_iter().find(|pod| key_of(pod).1 == "terminating");
    let terminating = terminating.ok_or_else(|| failed("no pod on node terminating"))?.name_any();
    plane.delete(&pod_reference(NAMESPACE, &terminating)).await?;
    wait_until("every pod is in its state", async || {
        let summaries = pod_summaries(plane).await?;
        for (set, node, expected) in PODS {
            let summary = summaries.get(&(set.to_owned(), node.to_owned())).map(String::as_str);
            if summary != expected {
                return Err(format!("{set} on {node} is {summary:?}, not {expected:?}"));
            }
        }
        Ok(())
    })
    .await
}

fn state_set(name: &str, pod_spec: Value) -> Value {
    let mut spec = json!({"terminationGracePeriodSeconds": 1});
    replace_fields(&mut spec, &pod_spec);
    daemon_set(namespace_of(name), name, &spec)
}

async fn pods(plane: &ControlPlane) -> Result<Vec<Pod>, String> {
    let pods = plane.list::<Pod>().await.map_err(message)?;
    Ok(pods.into_iter().filter(|pod| pod.labels().contains_key(APP)).collect())
}

/// The DaemonSet of a pod, and the node that it is bound or pinned to.
fn key_of(pod: &Pod) -> (String, String) {
    (pod.labels()[APP].clone(), target_node(pod).unwrap_or_default().to_owned())
}

/// Every pod as a text of [`PODS`].
async fn pod_summaries(plane: &ControlPlane) -> Result<BTreeMap<(String, String), String>, String> {
    let mut summaries = BTreeMap::new();
    for pod in pods(plane).await? {
        let status = serde_json::to_value(&pod.status).unwrap_or_default();
        let conditions = status["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True");
        let bound = serde_json::to_value(&pod.spec).unwrap_or_default()["nodeName"].is_string();
        let mut summary =
            format!("{} {}", status["phase"].as_str().unwrap_or("-"), if ready { "ready" } else { "unready" });
        summary += if bound { " bound" } else { " unbound" };
        if pod.metadata.deletion_timestamp.is_some() {
            summary += " terminating";
        }
        summaries.insert(key_of(&pod), summary);
    }
    Ok(summaries)
}
