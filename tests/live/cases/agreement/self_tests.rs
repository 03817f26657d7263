//! Tests of the parser and of the comparison themselves: a comparison that finds no differences would prove nothing.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::comparison::{Comparison, ObservedCluster};
use super::fit_error::FitError;
use crate::Ctx;
use crate::harness::client::{ensure, failed};
use crate::harness::manifests::required_node_name;

/// Messages of the schedulers of 1.36 and 1.37.
pub(super) fn fit_error_is_parsed(_: &Ctx) -> Result<(), Failed> {
    let none: [&str; 0] = [];
    let no_claims = "no new claims to deallocate";
    let not_helpful = "Preemption is not helpful for scheduling";
    let victims = "No preemption victims found for incoming pod";
    check(
        "0/5 nodes are available: 1 Insufficient cpu, 1 Too many pods, 4 node(s) didn't satisfy plugin(s) \
         [NodeAffinity]. no new claims to deallocate, preemption: 0/5 nodes are available: 1 No preemption victims \
         found for incoming pod, 4 Preemption is not helpful for scheduling.",
        (&["Insufficient cpu", "Too many pods"], false, &[victims], &[no_claims]),
    )?;
    check(
        "0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 node(s) didn't satisfy plugin(s) \
         [NodeAffinity]. no new claims to deallocate, preemption: 0/5 nodes are available: 5 Preemption is not \
         helpful for scheduling.",
        (&["node(s) had untolerated taint(s)"], false, &[not_helpful], &[no_claims]),
    )?;
    check(
        "0/5 nodes are available: persistentvolumeclaim \"a.b\" not found. no new claims to deallocate, preemption: \
         0/5 nodes are available: 5 Preemption is not helpful for scheduling.",
        (&["persistentvolumeclaim \"a.b\" not found"], true, &[not_helpful], &[no_claims]),
    )?;
    check(
        "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new \
         claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.",
        (&["Insufficient cpu"], false, &["not eligible due to preemptionPolicy=Never."], &[no_claims]),
    )?;
    check(
        "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) didn't satisfy plugin(s) [NodeAffinity].",
        (&["Insufficient cpu"], false, &none, &none),
    )?;
    check(
        "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) didn't satisfy plugin(s) [NodeAffinity \
         NodeResourcesFit]. preemption: found a potential placement for pod on node a.b, preempting 2 victims",
        (&["Insufficient cpu"], false, &none, &none),
    )?;
    check(
        "0/5 nodes are available: 5 node(s) didn't satisfy plugin(s) [NodeAffinity]. preemption: 0/5 nodes are \
         available: 5 Preemption is not helpful for scheduling.",
        (&["node(s) didn't satisfy plugin(s) [NodeAffinity]"], false, &[not_helpful], &none),
    )?;
    // A pod that waits until its preemption victims have terminated.
    check(
        "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) didn't satisfy plugin(s) [NodeAffinity \
         NodeResourcesFit]. no new claims to deallocate, preemption: not eligible due to a terminating pod on the \
         nominated node.",
        (&["Insufficient cpu"], false, &["not eligible due to a terminating pod on the nominated node."], &[no_claims]),
    )?;
    check(
        "0/5 nodes are available: persistentvolumeclaim \"a\" not found. not found",
        (&["persistentvolumeclaim \"a\" not found"], true, &none, &["not found"]),
    )?;
    check(
        "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 Insufficient memory.",
        (&["Insufficient memory"], false, &["Insufficient memory"], &none),
    )?;
    for message in ["no nodes available to schedule pods", "0/5 nodes are available: 2 Insufficient cpu, 3 a thing."] {
        if let Ok(parsed) = FitError::parse(message) {
            return Err(failed(format!("{message:?} was parsed as {parsed:?}")));
        }
    }
    Ok(())
}

/// Reasons, whether on all nodes, preemption, notes.
type Parts<'a> = (&'a [&'a str], bool, &'a [&'a str], &'a [&'a str]);

fn check(message: &str, (reasons, on_all_nodes, preemption, notes): Parts<'_>) -> Result<(), Failed> {
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let notes = notes.iter().map(|text| (*text).to_owned()).collect();
    let expected = FitError { reasons: set(reasons), on_all_nodes, preemption: set(preemption), notes };
    let parsed = FitError::parse(message).map_err(failed)?;
    ensure(parsed == expected, || format!("{message:?} was parsed as {parsed:?} instead of {expected:?}"))
}

/// Equal pairs pass, and every kind of difference is found.
pub(super) fn comparison_reports_every_difference(_: &Ctx) -> Result<(), Failed> {
    let pod = |node: Option<&str>, condition: Value| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "d-x", "namespace": "a", "uid": "2", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "1", "controller": true},
            ]},
            "spec": {"nodeName": node, "containers": [], "affinity": required_node_name("n")},
            "status": {"conditions": [condition]},
        }))
        .expect("a pod")
    };
    let rejected = |reason: &str, message: &str| {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": reason, "message": message});
        Some(pod(None, condition))
    };
    let cpu = rejected(
        "Unschedulable",
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. preemption: \
         0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for \
         scheduling.",
    );
    let claim = rejected("Unschedulable", "0/2 nodes are available: persistentvolumeclaim \"c\" not found. not found");
    let near = rejected(
        "Unschedulable",
        "0/2 nodes are available: 1 node(s) didn't match pod affinity rules, 1 node(s) didn't satisfy plugin(s) \
         [NodeAffinity].",
    );
    let bound = Some(pod(Some("n"), json!({"type": "PodScheduled", "status": "True"})));
    let gated = rejected("SchedulingGated", "Scheduling is blocked");
    let check = |check: &str, result: &str, messages: &[&str]| {
        let reasons: Vec<Value> = messages.iter().map(|message| json!({"scheduler": message})).collect();
        json!({"stage": "Scheduler", "check": check, "result": result, "reasons": reasons})
    };
    let ports = check("NodePorts", "Fail", &["node(s) didn't have free ports for the requested pod ports"]);
    let fit = check("NodeResourcesFit", "Fail", &["Insufficient cpu"]);
    let unknown = check("TaintToleration", "Unknown", &["Insufficient cpu"]);
    let repeated = check("PodScheduled", "Fail", &["Insufficient cpu"]);
    let volume = check("VolumeBinding", "Fail", &["persistentvolumeclaim \"c\" not found"]);
    // The report has all reasons of this plugin, the scheduler the first.
    let both = check("InterPodAffinity", "Fail", &["node(s) didn't match pod affinity rules", "something else"]);
    let gates = check("SchedulingGates", "Fail", &["waits"]);
    let more = check("NodeResourcesFit", "Fail", &["Insufficient cpu", "Too many pods"]);
    let none: [&Value; 0] = [];
    for (pod, placement, verdict, checks, agrees) in [
        (&cpu, "Run", "Blocked", &[&fit, &ports][..], true),
        (&cpu, "ContinueOnly", "Excluded", &[&fit], true),
        (&cpu, "Run", "Excluded", &[&fit], false),
        (&cpu, "Exclude", "Blocked", &[&fit], false),
        (&cpu, "Run", "Blocked", &[&ports, &fit], false),
        (&cpu, "Run", "Blocked", &[&unknown, &fit], false),
        (&cpu, "Run", "Blocked", &[&repeated], false),
        (&cpu, "Run", "Blocked", &[&more], false),
        (&cpu, "Run", "Blocked", &none, false),
        (&near, "Run", "Blocked", &[&both], true),
        (&claim, "Run", "Blocked", &[&fit, &volume], true),
        (&claim, "Run", "Blocked", &[&fit], false),
        (&bound, "Run", "NotHealthy", &none, true),
        (&bound, "Run", "Blocked", &none, false),
        (&bound, "Run", "Running", &[&fit], false),
        (&gated, "Run", "Blocked", &[&gates, &fit], true),
        (&gated, "Run", "Blocked", &[&fit, &gates], false),
        (&None, "Exclude", "Excluded", &none, true),
        (&None, "Run", "Excluded", &none, false),
        (&None, "Exclude", "Blocked", &none, false),
    ] {
        let name = pod.as_ref().map(ResourceExt::name_any);
        let reported = json!({
            "namespace": "a", "name": "d", "placement": placement, "verdict": verdict, "pod": name, "checks": checks,
        });
        let report =
            json!({"apiVersion": "kubectl-ds/v1", "kind": "WhyNotReport", "node": "n", "daemonSets": [reported]});
        let set = json!({"metadata": {"namespace": "a", "name": "d", "uid": "1"}});
        let sets: [DaemonSet; 1] = [serde_json::from_value(set).expect("a DaemonSet")];
        let pods: Vec<Pod> = pod.iter().cloned().collect();
        let mut comparison = Comparison::default();
        ObservedCluster::new(vec!["n".into()], &sets, &pods).compare("n", &report, &mut comparison);
        if comparison.differences.is_empty() != agrees || comparison.pairs != 1 {
            let differences = &comparison.differences;
            return Err(failed(format!("expected to agree: {agrees}: {reported}: {differences:?}")));
        }
    }
    Ok(())
}
