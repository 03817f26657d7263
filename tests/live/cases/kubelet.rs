//! What coverage and why-not report where Kubernetes' own kubelet acts, in its words, and that the suggested commands
//! help.
//!
//! Not covered: a graceful shutdown of the node (NodeShutdown), which a kubelet learns from systemd, and its events.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::hollow_kubelet::{HollowKubelet, IGNORES_SIGTERM, wait_for_ready};
use crate::harness::manifests::{bound_pod, container, daemon_set, node_reference};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![
    rejected_pod_is_explained_and_its_fix_works,
    node_affinity_after_a_label_change_is_explained,
    grace_period_of_a_deleted_pod_is_reported,
    stopped_kubelet_is_reported_until_it_runs_again,
];

const NAMESPACE: &str = "default";

/// Longer than the lease of a busy kubelet, short enough to wait for.
const NODE_MONITOR_GRACE_PERIOD: Duration = Duration::from_secs(20);

fn start(ctx: &Ctx) -> Result<Option<ControlPlane>, Failed> {
    let start = || ControlPlane::builder(&ctx.programs).node_monitor_grace_period(NODE_MONITOR_GRACE_PERIOD).start();
    HollowKubelet::program(ctx)?.map(|_| start()).transpose()
}

/// A pod that the kubelet rejects: the node and the DaemonSet have its name, the pod that is in its way `NAME-holder`.
struct Rejection {
    name: &'static str,
    max_pods: u32,
    /// The fields of the spec of the daemon pod, which names its node: no scheduler keeps it off the node.
    spec: Value,
    /// The fields of the spec of the pod that is on the node before.
    holder: Option<Value>,
    /// What why-not must contain.
    why_not: [&'static str; 2],
    /// What coverage must contain.
    coverage: &'static str,
    /// The filter whose failure has the fix, and the text with which the fix begins.
    fix: (&'static str, &'static str),
}

fn rejections() -> [Rejection; 3] {
    let with_port = json!([{"name": "main", "image": "agent", "ports": [{"containerPort": 80, "hostPort": 8080}]}]);
    let with_cpu = json!([{"name": "main", "image": "agent", "resources": {"requests": {"cpu": "64"}}}]);
    [
        Rejection {
            name: "cpu",
            max_pods: 10,
            spec: json!({"containers": with_cpu}),
            holder: None,
            why_not: [
                "PodAdmission: OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, \
                 used: 0, capacity: 1000\n",
                "NodeResourcesFit: requests 64 cpu; the whole node has only 1, so the pod can never fit\n",
            ],
            coverage: "OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, used: 0, \
                       capacity: 1000\n",
            fix: ("NodeResourcesFit", "reduce the cpu request of container main to 1 or less"),
        },
        Rejection {
            name: "pods",
            max_pods: 1,
            spec: json!({}),
            holder: Some(json!({})),
            why_not: [
                "PodAdmission: OutOfpods: Pod was rejected: Node didn't have enough resource: pods, requested: 1, \
                 used: 1, capacity: 1\n",
                "NodeResourcesFit: too many pods: 1 of 1 pods on the node\n",
            ],
            coverage: "OutOfpods: Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 1, \
                       capacity: 1\n",
            fix: ("NodeResourcesFit", "free room for 1 pod: evict default/pods-holder"),
        },
        Rejection {
            name: "ports",
            max_pods: 10,
            spec: json!({"containers": with_port}),
            holder: Some(json!({"containers": with_port})),
            why_not: [
                "PodAdmission: NodePorts: Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports \
                 for the requested pod ports\n",
                "NodePorts: host port 8080/TCP of container main is in use by default/ports-holder\n",
            ],
            coverage: "NodePorts: Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the \
                       requested pod ports\n",
            fix: ("NodePorts", "free host port 8080: evict default/ports-holder"),
        },
    ]
}

fn rejected_pod_is_explained_and_its_fix_works(ctx: &Ctx) -> Result<(), Failed> {
    let Some(mut plane) = start(ctx)? else { return Ok(()) };
    plane.run(async |plane| {
        for rejection in rejections() {
            let name = rejection.name;
            check_rejection(plane, ctx, &rejection)
                .await
                .map_err(|failure| failed(format!("{name}: {}", message(failure))))?;
        }
        Ok(())
    })
}

async fn check_rejection(plane: &ControlPlane, ctx: &Ctx, rejection: &Rejection) -> Result<(), Failed> {
    let name = rejection.name;
    let _kubelet = HollowKubelet::start(plane, ctx, name, rejection.max_pods).await?;
    if let Some(holder) = &rejection.holder {
        let holder_name = format!("{name}-holder");
        plane.create(&bound_pod(NAMESPACE, &holder_name, name, holder)).await?;
        wait_until("the holder runs", async || {
            let pod = Api::<Pod>::namespaced(plane.client(), NAMESPACE).get(&holder_name).await;
            let phase = pod.map_err(|error| error.to_string())?.status.and_then(|status| status.phase);
            if phase.as_deref() == Some("Running") { Ok(()) } else { Err(format!("{phase:?}")) }
        })
        .await?;
    }
    let mut spec = rejection.spec.clone();
    spec["nodeName"] = json!(name);
    plane.create(&daemon_set(NAMESPACE, name, &spec)).await?;
    // The controller deletes and recreates the failed pod again and again, so a report can be between two pods.
    wait_for_text(plane, &["why-not", name, name], &rejection.why_not).await?;
    wait_for_text(plane, &["coverage", name], &["0 of 1 node covered, 1 Failed", rejection.coverage]).await?;
    let lines = wait_until("why-not has the fix", async || {
        let report = json_of(&plane.ds(&["why-not", name, name, "-o", "json"])).map_err(message)?;
        fix_of(&report, rejection.fix).ok_or_else(|| report.to_string())
    })
    .await?;
    run_as_pasted(plane, ctx, &lines)?;
    wait_until_available(plane, name, name).await?;
    let node = Api::<Node>::all(plane.client()).get(name).await.map_err(failed)?;
    let is_cordoned = node.spec.and_then(|spec| spec.unschedulable).unwrap_or_default();
    ensure(!is_cordoned, || format!("{lines:?} leave the node cordoned"))
}

/// The controllers do not run: they would delete the pod before the kubelet rejects it.
fn node_affinity_after_a_label_change_is_explained(ctx: &Ctx) -> Result<(), Failed> {
    let Some(mut plane) = start(ctx)? else { return Ok(()) };
    let label_node = async |plane: &ControlPlane, pool: &str| {
        let mut node = node_reference("n1");
        node["metadata"]["labels"] = json!({"pool": pool});
        plane.merge(&node).await
    };
    let mut kubelet = plane.run(async |plane| {
        let kubelet = HollowKubelet::start(plane, ctx, "n1", 10).await?;
        label_node(plane, "a").await?;
        plane.create(&daemon_set(NAMESPACE, "agent", &json!({"nodeSelector": {"pool": "a"}}))).await?;
        wait_until_available(plane, "n1", "agent").await?;
        Ok(kubelet)
    })?;
    plane.stop_controllers()?;
    plane.run(async |plane| {
        label_node(plane, "b").await?;
        kubelet.stop()?;
        // A kubelet examines the pods of its node when it starts, running ones too.
        kubelet.start_again()?;
        let why_not = [
            "Excluded: no pod should run here, but pod agent-",
            "NodeSelector: node selector pool=a does not match: the node has pool=b\n",
            "PodAdmission: NodeAffinity: Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's \
             node affinity/selector\n",
            "the controller deletes the rejected pod, and creates a new one if the node matches the template",
        ];
        wait_for_text(plane, &["why-not", "n1", "agent"], &why_not).await?;
        let coverage = [
            "0 of 0 nodes covered, 1 Misscheduled\n",
            "node selector pool=a does not match: the node has pool=b; NodeAffinity: Pod was rejected: Predicate \
             NodeAffinity failed: node(s) didn't match Pod's node affinity/selector\n",
        ];
        wait_for_text(plane, &["coverage", "agent"], &coverage).await?;
        let report = json_of(&plane.ds(&["why-not", "n1", "agent", "-o", "json"]))?;
        let lines = fix_of(&report, ("NodeSelector", "label the node with pool=a"));
        run_as_pasted(plane, ctx, &lines.ok_or_else(|| failed(format!("no fix: {report}")))?)
    })?;
    plane.start_controllers()?;
    plane.run(async |plane| wait_until_available(plane, "n1", "agent").await.map(drop))
}

fn grace_period_of_a_deleted_pod_is_reported(ctx: &Ctx) -> Result<(), Failed> {
    let Some(mut plane) = start(ctx)? else { return Ok(()) };
    plane.run(async |plane| {
        let _kubelet = HollowKubelet::start(plane, ctx, "n1", 10).await?;
        create_slow(plane, 15).await?;
        let old = wait_until_available(plane, "n1", "slow").await?;
        plane.kubectl(ctx, &["delete", "pod", &old, "--wait=false"])?;
        let why_not = [
            &format!("NotHealthy: pod {old} is Terminating\n"),
            "Termination: Terminating (",
            "s of grace period left)\n",
            "wait: the controller creates a new pod once this one is gone\n",
        ];
        wait_for_text(plane, &["why-not", "n1", "slow"], &why_not).await?;
        // It is ready until its container ends, and the controller counts it.
        wait_for_text(plane, &["coverage", "slow"], &["1 of 1 node covered, 1 Terminating", "s of grace period left)"])
            .await?;
        let new = wait_until_available(plane, "n1", "slow").await?;
        ensure(new != old, || format!("{old} was not replaced"))
    })
}

fn stopped_kubelet_is_reported_until_it_runs_again(ctx: &Ctx) -> Result<(), Failed> {
    let Some(mut plane) = start(ctx)? else { return Ok(()) };
    plane.run(async |plane| {
        let mut kubelet = HollowKubelet::start(plane, ctx, "n1", 10).await?;
        create_slow(plane, 1).await?;
        let old = wait_until_available(plane, "n1", "slow").await?;
        kubelet.stop()?;
        wait_for_ready(plane, "n1", "Unknown").await?;
        let silent = "(NodeStatusUnknown: Kubelet stopped posting node status)";
        let excluded = format!("Excluded: existing pod {old} keeps running but would not be recreated\n");
        let taint = "TaintToleration: node down (taint node.kubernetes.io/unreachable:NoSchedule)\n";
        wait_for_text(plane, &["why-not", "n1", "slow"], &[&excluded, taint, "NodeReady: node not ready for ", silent])
            .await?;
        let excluded_nodes = "0 of 0 nodes covered, 1 Misscheduled, 1 NotReady node excluded from DESIRED\n";
        wait_for_text(plane, &["coverage", "slow"], &[excluded_nodes, silent]).await?;

        plane.kubectl(ctx, &["delete", "pod", &old, "--wait=false"])?;
        let why_not = [
            &format!("Excluded: existing pod {old} is Terminating and would not be recreated\n"),
            "Termination: stuck Terminating: grace period expired ",
        ];
        wait_for_text(plane, &["why-not", "n1", "slow"], &why_not).await?;
        let report = json_of(&plane.ds(&["why-not", "n1", "slow", "-o", "json"]))?;
        let lines = fix_of(&report, ("Termination", "if the node is permanently gone, force-delete the pod"));
        run_as_pasted(plane, ctx, &lines.ok_or_else(|| failed(format!("no fix: {report}")))?)?;
        wait_for_text(plane, &["why-not", "n1", "slow"], &["Excluded: no pod should run here\n"]).await?;

        kubelet.start_again()?;
        kubelet.wait_until_ready(plane).await?;
        let new = wait_until_available(plane, "n1", "slow").await?;
        ensure(new != old, || format!("{old} was not replaced"))
    })
}

/// Creates the DaemonSet `slow`, whose containers use their whole grace period.
async fn create_slow(plane: &ControlPlane, grace_period_seconds: u32) -> Result<(), Failed> {
    let spec = json!({
        "containers": [container(IGNORES_SIGTERM)], "terminationGracePeriodSeconds": grace_period_seconds,
    });
    plane.create(&daemon_set(NAMESPACE, "slow", &spec)).await
}

/// Waits until the output of the program contains all the texts.
async fn wait_for_text(plane: &ControlPlane, arguments: &[&str], expected: &[&str]) -> Result<(), Failed> {
    wait_until(&format!("{arguments:?} contains the expected text"), async || {
        let output = plane.ds(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        match expected.iter().find(|expected| !text.contains(**expected)) {
            None => Ok(()),
            Some(missing) => Err(format!("no {missing:?} in\n{text}{}", String::from_utf8_lossy(&output.stderr))),
        }
    })
    .await
}

/// Waits until why-not reports that the pod is available, and coverage that the node is covered; returns the pod's name.
///
/// The name is the one in the report: a list of pods can still have the deleted pod, which the controller replaces as
/// soon as its containers have ended.
async fn wait_until_available(plane: &ControlPlane, node: &str, daemon_set: &str) -> Result<String, Failed> {
    wait_until(&format!("{daemon_set} is available on {node}"), async || {
        let report = json_of(&plane.ds(&["why-not", node, daemon_set, "-o", "json"])).map_err(message)?;
        let coverage = plane.ds(&["coverage", daemon_set]);
        let coverage = String::from_utf8_lossy(&coverage.stdout);
        let found = &report["daemonSets"][0];
        match (found["state"].as_str(), found["pod"].as_str()) {
            (Some("Available"), Some(pod)) if coverage.contains("1 of 1 node covered") => Ok(pod.to_owned()),
            (state, pod) => Err(format!("{state:?} {pod:?} {coverage}")),
        }
    })
    .await
}

/// The commands of the fix that begins with this text, of the failed check with this name.
fn fix_of(report: &Value, (check, text): (&str, &str)) -> Option<Vec<String>> {
    let checks = report["daemonSets"][0]["checks"].as_array().into_iter().flatten();
    let failing = checks.filter(|found| found["check"] == check && found["result"] == "Fail");
    let reasons = failing.flat_map(|check| check["reasons"].as_array().into_iter().flatten());
    let fixes = reasons.flat_map(|reason| reason["fix"].as_array().into_iter().flatten());
    let fix = fixes.into_iter().find(|fix| fix["text"].as_str().is_some_and(|found| found.starts_with(text)))?;
    let lines: Vec<String> =
        fix["lines"].as_array()?.iter().filter_map(|line| line.as_str()).map(ToOwned::to_owned).collect();
    (!lines.is_empty()).then_some(lines)
}

/// Runs commands in bash like pasted lines: each one, even after a failure.
fn run_as_pasted(plane: &ControlPlane, ctx: &Ctx, lines: &[String]) -> Result<(), Failed> {
    // A pod that the controller has replaced meanwhile cannot be deleted.
    plane.shell(ctx, &format!("bash <<'COMMANDS'\n{}\ntrue\nCOMMANDS", lines.join("\n"))).map(drop)
}
