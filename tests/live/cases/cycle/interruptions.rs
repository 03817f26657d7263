//! Changes and signals during a run: PodDisruptionBudgets, other templates, SIGKILL, SIGINT, and nodes that join, fail
//! and are deleted.

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::*;
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::scenario::Kubelet;

pub(super) async fn node_fails_in_progress(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "fails-a"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("fails-a: deleting pod ").await?;
    wait_until("the new pod exists", async || match with_image(scenario, "two").await {
        Ok(1..) => Ok(()),
        _ => Err("not yet".into()),
    })
    .await?;
    scenario.set_kubelet("a", Kubelet::Silent).await?;
    // The node may recover, so no other node is started.
    ensure(watcher.removed().len() == 1, || running.stdout())?;
    let pods = scenario.pods().await?;
    for pod in pods.iter().filter(|pod| node_of(pod) == Some("fails-a")) {
        let mut pod = scenario.pod(&pod.name_any());
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        scenario.plane.merge(&pod).await?;
    }
    ensure(watcher.removed().len() == 1, || running.stdout())?;
    scenario.set_kubelet("a", Kubelet::Reporting).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["fails-a: replaced by ", "(3 of 3 replaced)"])?;
    assert_no_violations(&watcher, &text)
}

pub(super) async fn node_down_before(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    scenario.set_kubelet("b", Kubelet::Silent).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["1 node skipped:", "down-b: node not ready", "--include-not-ready", "(2 of 2 replaced)"])?;
    ensure(watcher.removed() == ["down-a", "down-c"], || text.clone())?;
    assert_no_violations(&watcher, &text)
}

fn disruption_budget(scenario: &Scenario<'_>, spec: &Value) -> Value {
    let mut budget = reference("policy/v1", "PodDisruptionBudget", Some(scenario.name), "keep");
    budget["spec"] = json!({"selector": {"matchLabels": {"app": "agent"}}});
    merge_patch(&mut budget["spec"], spec);
    budget
}

/// An eviction that the PodDisruptionBudget blocks is retried until the budget allows it.
pub(super) async fn eviction_blocked_and_allowed(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let budget = disruption_budget(scenario, &json!({"minAvailable": 2}));
    scenario.plane.create(&budget).await?;
    // One unhealthy pod uses the last disruption that the budget allows.
    let unhealthy = scenario.pods().await?.into_iter().find(|pod| node_of(pod) == Some("blocked-c"));
    let mut unhealthy = scenario.pod(&unhealthy.ok_or_else(|| failed("no pod on c"))?.name_any());
    unhealthy["metadata"]["annotations"] = json!({"ds.test/never-ready": "*"});
    scenario.plane.merge(&unhealthy).await?;
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let name = unhealthy["metadata"]["name"].as_str().unwrap_or_default();
    let patch = kube::api::Patch::Strategic(&status);
    pods.patch_status(name, &Default::default(), &patch).await.map_err(failed)?;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(scenario.plane.client(), scenario.name);
    wait_until("the budget allows nothing", async || {
        let status = budgets.get("keep").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.expected_pods == Some(3) && status.disruptions_allowed == Some(0) {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await?;
    let watcher = watch(scenario, 2, Some(current)).await?;
    // Not the node of the unhealthy pod, which may be evicted.
    let running =
        start(scenario, &["--evict", "--max-unavailable", "2", "--node", "blocked-a", "--node", "blocked-b"])?;
    running
        .wait_for("removal rejected, retrying: Cannot evict pod as it would violate the pod's disruption budget")
        .await?;
    ensure(watcher.removed().is_empty(), || running.stdout())?;
    scenario.plane.merge(&disruption_budget(scenario, &json!({"minAvailable": 1}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["blocked-a: evicting pod ", "(2 of 2 replaced)"])?;
    assert_no_violations(&watcher, &text)
}

pub(super) async fn eviction_never_allowed(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let before = uids(scenario).await?;
    for (spec, reason) in [
        (json!({"maxUnavailable": 1}), "maxUnavailable: 1 cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": "50%"}), "minAvailable: 50% cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": 3}), "its minAvailable is 3, and it covers 3 pods"),
    ] {
        let budget = disruption_budget(scenario, &spec);
        scenario.plane.create(&budget).await?;
        let (_, stderr) = start(scenario, &["--evict"])?.wait_for_exit_with_stderr(2).await?;
        assert_contains(&stderr, &["PodDisruptionBudget keep can never allow an eviction", reason, "hint: "])?;
        // The disruption controller agrees: it allows none, and has the condition SyncFailed if it cannot compute.
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(scenario.plane.client(), scenario.name);
        wait_until("the budget allows nothing", async || {
            let budget = budgets.get("keep").await.map_err(|error| error.to_string())?;
            let status = budget.status.clone().unwrap_or_default();
            let condition = status.conditions.iter().flatten().find(|one| one.type_ == "DisruptionAllowed");
            let expected = if spec["minAvailable"] == 3 { "InsufficientPods" } else { "SyncFailed" };
            let allows_none =
                status.disruptions_allowed == Some(0) && condition.is_some_and(|one| one.reason == expected);
            if allows_none { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await?;
        scenario.plane.delete(&budget).await?;
    }
    ensure(uids(scenario).await? == before, || "a pod was removed".into())
}

pub(super) async fn template_changed_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let running = start(scenario, &[])?;
    running.wait_for("(1 of 4 replaced)").await?;
    update(scenario, "three", &json!({})).await?;
    let text = running.wait_for_exit(1).await?;
    assert_contains(&text, &["Stopped: the template changed (now revision "])?;
    ensure(watcher.removed().len() <= 2, || text.clone())?;
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["\nDone\n"])?;
    ensure(with_image(scenario, "three").await? == 4, || text.clone())?;
    assert_no_violations(&watcher, &text)
}

pub(super) async fn killed_and_run_again(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("killed-b: deleting pod ").await?;
    running.signal("-KILL")?;
    drop(running);
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["\nDone\n"])?;
    assert_not_contains(&text, &["killed-a: deleting"])?;
    assert_no_violations(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

/// A server that accepts deletions and does not delete: they are repeated at intervals, and the node fails.
pub(super) async fn fake_deletions_fail_the_node(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let config = Kubeconfig::read_from(scenario.plane.kubeconfig()).map_err(failed)?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)?;
    let proxy = FaultProxy::faking_deletions(config)?;
    let kubeconfig = scenario.plane.dir().join("kubeconfig-of-the-fault-proxy");
    proxy.write_kubeconfig(&kubeconfig)?;
    let arguments = ["cycle", "agent", "-n", scenario.name, "--yes", "--no-lock", "--node-timeout", "12s"];
    let text = RunningProgram::start_with(scenario.plane, &kubeconfig, &arguments)?.wait_for_exit(1).await?;
    assert_contains(&text, &["fake-a: removal rejected, retrying: ", "Stopped: 1 node failed"])?;
    // The dry run before the start, two at once, and one every five seconds.
    ensure((3..=6).contains(&proxy.faults()), || format!("{} deletions\n{text}", proxy.faults()))?;
    let old = with_image(scenario, "one").await?;
    ensure(old == 3, || format!("{old} outdated pods are left\n{text}"))
}

pub(super) async fn signal_stops_after_current_node(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let running = start(scenario, &[])?;
    running.wait_for("stops-a: deleting pod ").await?;
    running.signal("-INT")?;
    let text = running.wait_for_exit(130).await?;
    assert_contains(
        &text,
        &[
            "stopping: waiting for nodes in progress",
            "stops-a: replaced by ",
            "Stopped: interrupted",
            "1 of 4 pods replaced, 3 not started",
        ],
    )?;
    ensure(watcher.removed() == ["stops-a"], || text)
}

pub(super) async fn second_signal_exits_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/never-ready": "*"})).await?;
    let running = start(scenario, &[])?;
    running.wait_for("leaves-a: deleting pod ").await?;
    running.signal("-TERM")?;
    running.wait_for("stopping: waiting for nodes in progress").await?;
    running.signal("-TERM")?;
    let text = running.wait_for_exit(143).await?;
    assert_contains(&text, &["leaves-a … in progress: its pod was removed"])
}

/// During the run a finalizer keeps a pod, one node is tainted, one is deleted, and one joins.
pub(super) async fn node_and_pod_changes(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let pods = scenario.pods().await?;
    let on = |letter: &str| {
        let node = scenario.node_name(letter);
        pods.iter().find(|pod| node_of(pod) == Some(&node)).map(ResourceExt::name_any)
    };
    let kept = on("a").ok_or_else(|| failed("no pod on a"))?;
    let mut pod = scenario.pod(&kept);
    pod["metadata"]["finalizers"] = json!(["ds.test/kept"]);
    scenario.plane.merge(&pod).await?;
    let current = update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("changes-a: deleting pod ").await?;
    scenario.plane.create(&scenario.node("x")).await?;
    let mut tainted = scenario.node("c");
    tainted["spec"] = json!({"taints": [{"key": "own", "effect": "NoSchedule"}]});
    scenario.plane.merge(&tainted).await?;
    scenario.plane.delete(&scenario.node("d")).await?;
    // The finalizer keeps the pod.
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let terminating = pods.get(&kept).await.map_err(failed)?;
    ensure(terminating.metadata.deletion_timestamp.is_some() && watcher.removed() == ["changes-a"], || {
        running.stdout()
    })?;
    pod["metadata"]["finalizers"] = json!(null);
    scenario.plane.merge(&pod).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(
        &text,
        &[
            "changes-a: replaced by ",
            "changes-b: replaced by ",
            "changes-c - node no longer eligible",
            "changes-d - the node no longer exists",
        ],
    )?;
    assert_no_violations(&watcher, &text)?;
    let nodes: Api<Node> = Api::all(scenario.plane.client());
    nodes.get("changes-x").await.map_err(failed)?;
    // a, b, e, f and x, which joined.
    ensure(with_image(scenario, "two").await? == 5, || text)
}
