//! Public reports that need a running cluster. The answer is checked, and the commands that it suggests are run as they
//! are printed: afterwards the problem is gone.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, json_of, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set, namespace, resource_quota};
use crate::harness::registry::LiveTest;
use crate::harness::scenario::{
    Kubelet, Scenario, all_passed, assert_contains, assert_not_contains, run_scenario, template_patch,
};

pub(crate) const TESTS: &[LiveTest] = live_tests![
    dead_node_that_uses_up_the_budget_is_passed_over,
    rollouts_and_leftovers_are_explained_and_fixed,
    quota_fixes_work,
];

/// kubernetes-retired/kube-aws#1684: with a template that tolerates everything, a forced deletion brings the pod back on
/// the dead node, and the budget stays used up.
fn dead_node_that_uses_up_the_budget_is_passed_over(ctx: &Ctx) -> Result<(), Failed> {
    // Long enough for a busy machine, short enough for the test.
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(16)).start()?.run(
        async |plane| {
            all_passed([run_scenario(plane, "dead", 4, async |scenario: &Scenario<'_>| dead_node(scenario, ctx).await)])
                .await
        },
    )
}

fn rollouts_and_leftovers_are_explained_and_fixed(ctx: &Ctx) -> Result<(), Failed> {
    // No node becomes NotReady, however busy the machine is.
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            all_passed([
                run_scenario(plane, "own-rule", 2, async |scenario: &Scenario<'_>| own_rule(scenario, ctx).await),
                run_scenario(plane, "no-room", 2, async |scenario: &Scenario<'_>| no_room(scenario, ctx).await),
                run_scenario(plane, "recreated", 2, async |scenario: &Scenario<'_>| recreated(scenario, ctx).await),
                run_scenario(plane, "adopted", 2, async |scenario: &Scenario<'_>| adopted(scenario, ctx).await),
            ])
            .await
        },
    )
}

async fn dead_node(scenario: &Scenario<'_>, ctx: &Ctx) -> Result<(), Failed> {
    scenario.create_agent(&json!({"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}})).await?;
    scenario.set_kubelet("a", Kubelet::Silent).await?;
    scenario.backdate_not_ready("a").await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    let lines = wait_until("rollout status suggests a larger budget", async || {
        let status = rollout_status(scenario).map_err(message)?;
        let blockers = &status["blockers"];
        ensure(!blockers.to_string().contains("--force"), || format!("a forced deletion: {blockers}"))
            .map_err(message)?;
        fix_with(blockers, "maxUnavailable").filter(|_| status["phase"] == "Stuck").ok_or_else(|| status.to_string())
    })
    .await?;
    scenario.plane.shell(ctx, &lines.join("\n"))?;
    wait_until("the other nodes are updated", async || {
        let updated = pods_with_image(scenario, "two").await.map_err(message)?;
        let others = updated.iter().filter(|node| **node != scenario.node_name("a")).count();
        if others == 3 { Ok(()) } else { Err(format!("{updated:?}")) }
    })
    .await
}

/// ceph/ceph-csi-operator#273: the new pod of a surge is kept out by the anti-affinity of its own DaemonSet.
async fn own_rule(scenario: &Scenario<'_>, ctx: &Ctx) -> Result<(), Failed> {
    let term = json!({"labelSelector": {"matchLabels": {"app": "agent"}}, "topologyKey": "kubernetes.io/hostname"});
    let rule = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    // The kubelet sets this label; without it, the rule does not apply.
    for letter in ["a", "b"] {
        let mut node = scenario.node(letter);
        node["metadata"]["labels"] = json!({"kubernetes.io/hostname": scenario.node_name(letter)});
        scenario.plane.merge(&node).await?;
    }
    create_with_surge(scenario, &json!({"affinity": rule})).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    let lines = wait_until("rollout status proves that the rollout is stuck", async || {
        let status = rollout_status(scenario).map_err(message)?;
        let is_stuck = status["phase"] == "Stuck" && status.to_string().contains("SurgeAntiAffinityConflict");
        fix_with(&status["blockers"], "maxSurge").filter(|_| is_stuck).ok_or_else(|| status.to_string())
    })
    .await?;
    complete_with(scenario, ctx, &lines).await
}

/// kubernetes/kubernetes#116891, for a DaemonSet: the new pod does not fit beside the old one.
async fn no_room(scenario: &Scenario<'_>, ctx: &Ctx) -> Result<(), Failed> {
    let containers = |image: &str| {
        let requests = json!({"requests": {"cpu": "20"}});
        json!({"containers": [{"name": "main", "image": image, "resources": requests}]})
    };
    create_with_surge(scenario, &containers("one")).await?;
    scenario.patch_spec(&json!({"template": {"spec": containers("two")}})).await?;
    let lines = wait_until("why-not names the old pod", async || {
        let status = rollout_status(scenario).map_err(message)?;
        let node = status["blockers"][0]["nodes"][0].as_str().ok_or_else(|| status.to_string())?;
        let output = scenario.plane.ds(&["why-not", node, "agent", "-n", scenario.name, "-o", "json"]);
        let report = document(&String::from_utf8_lossy(&output.stdout)).map_err(message)?;
        fix_with(&report["daemonSets"][0]["checks"], "maxSurge").ok_or_else(|| report.to_string())
    })
    .await?;
    complete_with(scenario, ctx, &lines).await
}

/// kubernetes/kubernetes#131684: the pods of a deleted DaemonSet run beside those of its successor.
async fn recreated(scenario: &Scenario<'_>, ctx: &Ctx) -> Result<(), Failed> {
    let stuck = json!({"template": {
        "metadata": {"annotations": {"ds.test/stuck": "*"}},
        "spec": {"terminationGracePeriodSeconds": 1},
    }});
    scenario.create_agent(&stuck).await?;
    scenario.plane.kubectl(ctx, &["-n", scenario.name, "delete", "ds", "agent"])?;
    wait_until("the old pods are terminating", async || {
        let pods = scenario.pods().await.map_err(message)?;
        let terminating = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()).count();
        if terminating == 2 { Ok(()) } else { Err(format!("{terminating}")) }
    })
    .await?;
    scenario.create_agent(&json!({})).await?;
    assert_contains(
        &notes(scenario),
        &["note: 2 pods of a deleted DaemonSet of the same name as recreated/agent still exist: agent-"],
    )
}

/// kubernetes/website#16235: adopted pods count as updated by their generation, although they run another template.
async fn adopted(scenario: &Scenario<'_>, ctx: &Ctx) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    scenario.plane.kubectl(ctx, &["-n", scenario.name, "delete", "ds", "agent", "--cascade=orphan"])?;
    scenario.create_agent(&template_patch("two", &json!({}))).await?;
    let about = "2 pods of adopted/agent count as up to date by the label pod-template-generation only, and run another \
                 revision: the DaemonSet was recreated with another template; to replace the pods: ";
    let notes_before = notes(scenario);
    let (_, rest) = notes_before.split_once(about).ok_or_else(|| failed(format!("no note: {notes_before}")))?;
    scenario.plane.shell(ctx, rest.lines().next().unwrap_or_default())?;
    wait_until("the pods are replaced", async || {
        let updated = pods_with_image(scenario, "two").await.map_err(message)?;
        if updated.len() == 2 { Ok(()) } else { Err(format!("{updated:?}")) }
    })
    .await?;
    assert_not_contains(&notes(scenario), &["pod-template-generation"])
}

async fn create_with_surge(scenario: &Scenario<'_>, pod_spec: &Value) -> Result<(), Failed> {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    scenario.create_agent(&json!({"updateStrategy": strategy, "template": {"spec": pod_spec}})).await
}

async fn complete_with(scenario: &Scenario<'_>, ctx: &Ctx, lines: &[String]) -> Result<(), Failed> {
    scenario.plane.shell(ctx, &lines.join("\n"))?;
    wait_until(&format!("the rollout is complete after {lines:?}"), async || {
        let status = rollout_status(scenario).map_err(message)?;
        if status["phase"] == "Complete" { Ok(()) } else { Err(status.to_string()) }
    })
    .await
}

fn rollout_status(scenario: &Scenario<'_>) -> Result<Value, Failed> {
    // The exit code is that of the rollout.
    let output = scenario.plane.ds(&["rollout", "status", "agent", "-n", scenario.name, "-o", "json"]);
    let report = document(&String::from_utf8_lossy(&output.stdout))?;
    Ok(report["daemonSets"][0].clone())
}

/// The notes of coverage.
fn notes(scenario: &Scenario<'_>) -> String {
    let output = scenario.plane.ds(&["coverage", "agent", "-n", scenario.name]);
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lines of the first fix, in whatever part of a report, that contain this text.
fn fix_with(report: &Value, text: &str) -> Option<Vec<String>> {
    match report {
        Value::Array(values) => values.iter().find_map(|value| fix_with(value, text)),
        Value::Object(fields) => {
            let lines: Vec<String> = fields
                .get("lines")
                .and_then(Value::as_array)
                .map(|lines| lines.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
                .unwrap_or_default();
            match lines.iter().any(|line| line.contains(text)) {
                true => Some(lines),
                false => fields.values().find_map(|value| fix_with(value, text)),
            }
        }
        _ => None,
    }
}

/// The nodes with a pod of this image that is not being deleted.
async fn pods_with_image(scenario: &Scenario<'_>, image: &str) -> Result<Vec<String>, Failed> {
    let runs = |pod: &Pod| {
        let spec = pod.spec.as_ref();
        let has_image = spec.is_some_and(|spec| spec.containers.iter().any(|one| one.image.as_deref() == Some(image)));
        has_image && pod.metadata.deletion_timestamp.is_none()
    };
    let node = |pod: Pod| pod.spec.and_then(|spec| spec.node_name).unwrap_or_default();
    Ok(scenario.pods().await?.into_iter().filter(runs).map(node).collect())
}

/// A quota that rejects a pod: the name, its limits, and the resources of the DaemonSet's container.
struct Quota {
    name: &'static str,
    hard: Value,
    resources: Value,
}

fn quotas() -> [Quota; 4] {
    let both = |resource: &str, amount: &str| json!({"requests": {resource: amount}, "limits": {resource: amount}});
    [
        Quota { name: "count", hard: json!({"pods": "1"}), resources: json!({}) },
        Quota { name: "cpu", hard: json!({"requests.cpu": "1500m"}), resources: both("cpu", "1") },
        Quota { name: "memory", hard: json!({"limits.memory": "150Mi"}), resources: both("memory", "100Mi") },
        Quota { name: "request", hard: json!({"requests.cpu": "4"}), resources: json!({}) },
    ]
}

/// Every fix with commands for a quota lets the pods be created on both nodes.
fn quota_fixes_work(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            let nodes = ["quota-a", "quota-b"].map(crate::harness::manifests::node);
            plane.create_all(&nodes).await?;
            for quota in quotas() {
                let mut number = 0;
                while check_quota_fix(plane, ctx, &quota, number).await? {
                    number += 1;
                }
                ensure(number > 0, || format!("{}: no command is suggested", quota.name))?;
                eprintln!("reported_problems: {}: {number} suggested fixes work", quota.name);
            }
            Ok(())
        },
    )
}

/// Runs the fix number `number` in a new namespace; false if there is none.
async fn check_quota_fix(plane: &ControlPlane, ctx: &Ctx, quota: &Quota, number: usize) -> Result<bool, Failed> {
    let name = format!("{}-{number}", quota.name);
    plane.create(&namespace(&name)).await?;
    plane.create(&resource_quota(&name, "limit", &quota.hard)).await?;
    let container = json!([{"name": "main", "image": "agent", "resources": quota.resources}]);
    plane.create(&daemon_set(&name, "agent", &json!({"containers": container}))).await?;
    let fixes = wait_until("why-not has the quota", async || {
        // One of the nodes may have a pod.
        for node in ["quota-a", "quota-b"] {
            let report = json_of(&plane.ds(&["why-not", node, "agent", "-n", &name, "-o", "json"])).map_err(message)?;
            let fixes = quota_fixes(&report);
            if !fixes.is_empty() {
                return Ok(fixes);
            }
        }
        Err("no fix for the quota".to_owned())
    })
    .await?;
    let Some(lines) = fixes.get(number) else { return Ok(false) };
    eprintln!("reported_problems: {name}: {lines:?}");
    plane.shell(ctx, &lines.join("\n"))?;
    wait_until(&format!("both nodes have a pod after {lines:?}"), async || {
        let pods: Vec<Pod> = plane.list().await.map_err(message)?;
        let own = pods.iter().filter(|pod| pod.namespace().as_deref() == Some(name.as_str()));
        let bound = own.filter(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())).count();
        if bound == 2 { Ok(()) } else { Err(format!("{bound} pods")) }
    })
    .await?;
    Ok(true)
}

/// The commands of each fix for a quota, with an amount in place of the placeholder.
fn quota_fixes(report: &Value) -> Vec<Vec<String>> {
    let checks = report["daemonSets"][0]["checks"].as_array().into_iter().flatten();
    let failing = checks.filter(|check| check["check"] == "ResourceQuota" && check["result"] == "Fail");
    let reasons = failing.flat_map(|check| check["reasons"].as_array().into_iter().flatten());
    let fixes = reasons.flat_map(|reason| reason["fix"].as_array().into_iter().flatten());
    let lines = fixes.filter_map(|fix| fix["lines"].as_array()).map(|lines| {
        lines.iter().filter_map(Value::as_str).map(|line| line.replace("AMOUNT", "100m")).collect::<Vec<String>>()
    });
    let is_complete =
        |line: &String| !["edit", "get", "describe"].iter().any(|verb| line.contains(&format!(" {verb} ")));
    lines.filter(|lines| !lines.is_empty() && lines.iter().all(is_complete)).collect()
}
