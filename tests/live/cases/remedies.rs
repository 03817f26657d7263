//! Each command that `kubectl ds why-not` suggests starts the pod when it is run alone.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, message, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::independent_counts::target_node;
use crate::harness::manifests::{bound_pod, daemon_set, node_resources, node_with, replace_fields, required_node_name};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![each_suggested_command_works, read_only_commands_are_skipped];

/// How long a report or a pod may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The kubectl commands that change nothing.
const READ_ONLY: [&str; 6] = ["get", "describe", "logs", "events", "explain", "wait"];

/// A reason why a pod does not run.
struct Case {
    name: &'static str,
    /// The failed check in the report.
    stage: &'static str,
    check: &'static str,
    /// The node's spec and additional labels.
    node_spec: Value,
    labels: Value,
    /// Fields of the pod's spec.
    pod_spec: Value,
    /// The requests of another pod on the node.
    occupied: Option<Value>,
}

fn cases() -> Vec<Case> {
    let container = |requests: Value| json!([{"name": "main", "image": "agent", "resources": {"requests": requests}}]);
    let taint = |key: &str, value: &str, effect: &str| json!({"key": key, "value": value, "effect": effect});
    let case = |name, stage, check| Case {
        name,
        stage,
        check,
        node_spec: json!({}),
        labels: json!({}),
        pod_spec: json!({}),
        occupied: None,
    };
    vec![
        Case {
            node_spec: json!({"taints": [taint("dedicated", "a", "NoSchedule")]}),
            ..case("taint", "Controller", "TaintToleration")
        },
        // The suggested toleration must not replace the existing one.
        Case {
            node_spec: json!({"taints": [taint("example.com/down", "", "NoExecute")]}),
            pod_spec: json!({"tolerations": [{"key": "dedicated", "operator": "Exists"}]}),
            ..case("bare-taint", "Controller", "TaintToleration")
        },
        Case {
            pod_spec: json!({"nodeSelector": {"example.com/pool": "edge"}}),
            ..case("selector", "Controller", "NodeSelector")
        },
        Case {
            labels: json!({"example.com/pool": "general"}),
            pod_spec: json!({"nodeSelector": {"example.com/pool": ""}}),
            ..case("other-value", "Controller", "NodeSelector")
        },
        Case {
            pod_spec: json!({"containers": container(json!({"cpu": "3", "memory": "100M"}))}),
            ..case("too-big", "Scheduler", "NodeResourcesFit")
        },
        Case {
            pod_spec: json!({"containers": container(json!({"cpu": "1500m", "memory": "100M"}))}),
            occupied: Some(json!({"cpu": "700m"})),
            ..case("occupied", "Scheduler", "NodeResourcesFit")
        },
    ]
}

fn each_suggested_command_works(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(120)).start()?;
    plane.run(async |plane| {
        for case in cases() {
            let mut number = 0;
            // A new node and a new DaemonSet for each command.
            while run_fix(plane, ctx, &case, number).await? {
                number += 1;
            }
            ensure(number > 0, || format!("{}: no command is suggested", case.name))?;
            eprintln!("remedies: {}: {number} suggested commands work", case.name);
        }
        Ok(())
    })
}

/// Runs the suggested command number `number`; false if there is none.
async fn run_fix(plane: &ControlPlane, ctx: &Ctx, case: &Case, number: usize) -> Result<bool, Failed> {
    let name = format!("{}-{number}", case.name);
    create_objects(plane, case, &name).await?;
    let report = wait_until_within("the report has the reason", TIMEOUT, async || {
        let report = json_of(&plane.ds(&["why-not", &name, &name, "-o", "json"])).map_err(message)?;
        // Before the pod exists, nothing would take a place that other pods leave.
        let is_created = case.stage != "Scheduler" || report["daemonSets"][0]["pod"].is_string();
        match report["daemonSets"][0]["verdict"].as_str() {
            Some("Blocked" | "Excluded") if is_created && !reasons(&report, case).is_empty() => Ok(report),
            _ => Err(format!("{} {} does not fail: {report}", case.stage, case.check)),
        }
    })
    .await?;
    let commands = suggested_commands(&report, case);
    let Some((text, lines)) = commands.get(number) else {
        return Ok(false);
    };
    eprintln!("remedies: {name}: {text}: {lines:?}");
    plane.shell(ctx, &lines.join("\n"))?;
    let description = format!("the pod runs on {name} after {lines:?}");
    wait_until_within(&description, TIMEOUT, async || check_pod_ready(plane, &name).await).await?;
    Ok(true)
}

/// Creates a node, perhaps with a pod, and a DaemonSet for this node only.
async fn create_objects(plane: &ControlPlane, case: &Case, name: &str) -> Result<(), Failed> {
    let fields = json!({
        "metadata": {"labels": case.labels}, "spec": case.node_spec,
        "status": node_resources(&json!({"cpu": "2", "memory": "4Gi", "pods": "110"})),
    });
    plane.create(&node_with(name, &fields)).await?;
    if let Some(requests) = &case.occupied {
        let container = json!({"name": "main", "image": "other", "resources": {"requests": requests}});
        let spec = json!({"containers": [container], "tolerations": [{"operator": "Exists"}]});
        plane.create(&bound_pod("default", &format!("on-{name}"), name, &spec)).await?;
    }
    let mut spec = json!({"affinity": required_node_name(name)});
    replace_fields(&mut spec, &case.pod_spec);
    plane.create(&daemon_set("default", name, &spec)).await
}

/// The reasons of the failed check of the case.
fn reasons<'a>(report: &'a Value, case: &Case) -> Vec<&'a Value> {
    let checks = report["daemonSets"][0]["checks"].as_array().into_iter().flatten();
    let own = checks
        .filter(|check| check["stage"] == case.stage && check["check"] == case.check && check["result"] == "Fail");
    own.flat_map(|check| check["reasons"].as_array().into_iter().flatten()).collect()
}

/// The text and the lines of each fix with a kubectl command that changes something.
fn suggested_commands(report: &Value, case: &Case) -> Vec<(String, Vec<String>)> {
    let fixes = reasons(report, case).into_iter().flat_map(|reason| reason["fix"].as_array().into_iter().flatten());
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for fix in fixes {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines: Vec<String> = fix["lines"].as_array().into_iter().flatten().map(text).collect();
        // An eviction is a request: `echo BODY | kubectl create --raw …`.
        let changes = |line: &String| {
            ["kubectl ", "echo "].iter().any(|command| line.starts_with(command))
                && !line.split(' ').any(|word| READ_ONLY.contains(&word))
        };
        if lines.iter().any(changes) && !commands.iter().any(|(_, others)| *others == lines) {
            commands.push((text(&fix["text"]), lines));
        }
    }
    commands
}

/// Fails unless a pod of the DaemonSet is ready on the node of the same name.
async fn check_pod_ready(plane: &ControlPlane, name: &str) -> Result<(), String> {
    let pods: Vec<Pod> = plane.list().await.map_err(message)?;
    let mut own = pods.iter().filter(|pod| pod.labels().get("app").is_some_and(|app| app == name));
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        bound
            && pod.metadata.deletion_timestamp.is_none()
            && target_node(pod) == Some(name)
            && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    match own.clone().any(is_ready) {
        true => Ok(()),
        false => Err(format!("{:?}", own.next().map(|pod| (pod.name_any(), &pod.status)))),
    }
}

/// The test finds commands in a report, and skips read-only ones.
fn read_only_commands_are_skipped(_: &Ctx) -> Result<(), Failed> {
    let case = cases().into_iter().next().ok_or_else(|| failed("no case"))?;
    let fix = |line: &str| json!({"text": "do it", "lines": [line]});
    let reason = json!({"code": "Taint", "fix": [
        {"text": "advice"}, fix("kubectl describe node a"), fix("kubectl taint node a b-"), fix("- key: b"),
    ]});
    let check = |result: &str| {
        json!({
            "stage": "Controller", "check": "TaintToleration", "result": result, "reasons": [reason],
        })
    };
    let report = |result: &str| json!({"daemonSets": [{"checks": [check(result)]}]});
    let found = suggested_commands(&report("Fail"), &case);
    let expected = vec![("do it".to_owned(), vec!["kubectl taint node a b-".to_owned()])];
    ensure(found == expected && suggested_commands(&report("Pass"), &case).is_empty(), || format!("{found:?}"))
}
