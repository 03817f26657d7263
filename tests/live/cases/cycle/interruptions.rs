//! What comes in between: budgets, other templates, kills, questions to stop, nodes that come, go and die.

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::harness::fault_proxy::FaultProxy;
use super::*;

pub(super) async fn node_dies_in_work(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "dies-a"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("dies-a: deleting pod ").await?;
    wait_until("the new pod is there", async || match with_image(scenario, "two").await {
        Ok(1..) => Ok(()),
        _ => Err("not yet".into()),
    })
    .await?;
    scenario.silence("a", true).await?;
    // Nobody knows whether it comes back, so nothing else is begun.
    ensure(watcher.removed().len() == 1, || running.text())?;
    let pods = scenario.pods().await?;
    for pod in pods.iter().filter(|pod| pod.spec.as_ref().is_some_and(|s| s.node_name.as_deref() == Some("dies-a"))) {
        let mut pod = scenario.pod(&pod.name_any());
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        scenario.plane.merge(&pod).await?;
    }
    ensure(watcher.removed().len() == 1, || running.text())?;
    scenario.silence("a", false).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["dies-a: replaced by ", "(3 of 3 replaced)"])?;
    obeyed(&watcher, &text)
}

pub(super) async fn node_down_before(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    scenario.silence("b", true).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["1 node left alone:", "down-b: the node is not ready", "--include-not-ready", "(2 of 2 replaced)"])?;
    ensure(watcher.removed() == ["down-a", "down-c"], || text.clone())?;
    obeyed(&watcher, &text)
}

fn disruption_budget(scenario: &Scenario<'_>, spec: &Value) -> Value {
    let mut budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep", "namespace": scenario.name},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}},
    });
    merge_patch(&mut budget["spec"], spec);
    budget
}

/// Allowed by the budget as soon as one more pod is healthy: a node more, as the budget cannot be lowered from inside.
pub(super) async fn eviction_blocked_and_allowed(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let blocker = disruption_budget(scenario, &json!({"minAvailable": 2}));
    scenario.plane.create(&blocker).await?;
    // One pod that is not well takes the last disruption that the budget allows.
    let sick = scenario
        .pods()
        .await?
        .into_iter()
        .find(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some("blocked-c")));
    let mut sick = scenario.pod(&sick.ok_or_else(|| failed("no pod on c"))?.name_any());
    sick["metadata"]["annotations"] = json!({"ds.test/never-ready": "*"});
    scenario.plane.merge(&sick).await?;
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let name = sick["metadata"]["name"].as_str().unwrap_or_default();
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
    // The sick one may be evicted: that would bring back a healthy one.
    let running = start(scenario, &["--evict", "--max-unavailable", "2", "--node", "blocked-a", "--node", "blocked-b"])?;
    running
        .wait_for("not removed yet, trying again: Cannot evict pod as it would violate the pod's disruption budget")
        .await?;
    ensure(watcher.removed().is_empty(), || running.text())?;
    scenario.plane.merge(&disruption_budget(scenario, &json!({"minAvailable": 1}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["blocked-a: evicting pod ", "(2 of 2 replaced)"])?;
    obeyed(&watcher, &text)
}

pub(super) async fn eviction_never_allowed(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let before = uids(scenario).await?;
    for (spec, words) in [
        (json!({"maxUnavailable": 1}), "maxUnavailable: 1 cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": "50%"}), "minAvailable: 50% cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": 3}), "its minAvailable is 3, and it covers 3 pods"),
    ] {
        let budget = disruption_budget(scenario, &spec);
        scenario.plane.create(&budget).await?;
        let (_, said) = start(scenario, &["--evict"])?.wait_for_exit_with_stderr(2).await?;
        assert_contains(&said, &["the PodDisruptionBudget keep can never allow an eviction", words, "hint: "])?;
        // The disruption controller says the same: it allows none, and where it cannot compute, it says so.
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(scenario.plane.client(), scenario.name);
        wait_until("the budget allows nothing", async || {
            let budget = budgets.get("keep").await.map_err(|error| error.to_string())?;
            let status = budget.status.clone().unwrap_or_default();
            let condition = status.conditions.iter().flatten().find(|one| one.type_ == "DisruptionAllowed");
            let expected = if spec["minAvailable"] == 3 { "InsufficientPods" } else { "SyncFailed" };
            let is_so = status.disruptions_allowed == Some(0) && condition.is_some_and(|one| one.reason == expected);
            if is_so { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await?;
        scenario.plane.delete(&budget).await?;
    }
    ensure(uids(scenario).await? == before, || "a pod was removed".into())
}

pub(super) async fn template_changed_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let running = start(scenario, &[])?;
    running.wait_for("(1 of 4 replaced)").await?;
    update(scenario, "three", &json!({})).await?;
    let text = running.wait_for_exit(1).await?;
    assert_contains(&text, &["Halted: the template was changed: it is revision "])?;
    ensure(watcher.removed().len() <= 2, || text.clone())?;
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["\nDone\n"])?;
    ensure(with_image(scenario, "three").await? == 4, || text.clone())?;
    obeyed(&watcher, &text)
}

pub(super) async fn killed_and_run_again(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("killed-b: deleting pod ").await?;
    kill(&running, "-KILL")?;
    drop(running);
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["\nDone\n"])?;
    assert_not_contains(&text, &["killed-a: deleting"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

/// A server that accepts removals and does nothing is asked now and then, and the node fails in the end.
pub(super) async fn removals_that_change_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let config = Kubeconfig::read_from(scenario.plane.kubeconfig()).map_err(failed)?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)?;
    let proxy = FaultProxy::pretending(config)?;
    let kubeconfig = scenario.plane.dir().join("kubeconfig-of-the-pretender");
    proxy.write_kubeconfig(&kubeconfig)?;
    let arguments = ["cycle", "agent", "-n", scenario.name, "--yes", "--no-lock", "--node-timeout", "12s"];
    let text = RunningProgram::start_with(scenario.plane, &kubeconfig, &arguments)?.wait_for_exit(1).await?;
    assert_contains(
        &text,
        &[
            "pretended-a: not removed yet, trying again: the API server has accepted the removal",
            "Halted: 1 node failed",
        ],
    )?;
    // The dry run before the start, two at once, and one every five seconds.
    ensure((3..=6).contains(&proxy.faults()), || format!("{} removals\n{text}", proxy.faults()))?;
    let old = with_image(scenario, "one").await?;
    ensure(old == 3, || format!("{old} old pods are left\n{text}"))
}

pub(super) async fn asked_to_stop(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let running = start(scenario, &[])?;
    running.wait_for("stops-a: deleting pod ").await?;
    kill(&running, "-INT")?;
    let text = running.wait_for_exit(130).await?;
    assert_contains(
        &text,
        &[
            "stopping: begins no further node",
            "stops-a: replaced by ",
            "Halted: it was asked to stop",
            "1 of 4 nodes replaced, 3 not begun",
        ],
    )?;
    ensure(watcher.removed() == ["stops-a"], || text)
}

pub(super) async fn asked_twice_to_stop(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/never-ready": "*"})).await?;
    let running = start(scenario, &[])?;
    running.wait_for("leaves-a: deleting pod ").await?;
    kill(&running, "-TERM")?;
    running.wait_for("stopping: begins no further node").await?;
    kill(&running, "-TERM")?;
    let text = running.wait_for_exit(143).await?;
    assert_contains(&text, &["leaves-a … still in work"])
}

/// A finalizer that keeps a pod, a long grace period, an orphan, a node that is tainted and one that vanishes midway,
/// and one that joins.
pub(super) async fn facts_of_life(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let pods = scenario.pods().await?;
    let on = |letter: &str| {
        let node = format!("life-{letter}");
        pods.iter()
            .find(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(&node)))
            .map(ResourceExt::name_any)
    };
    let kept = on("a").ok_or_else(|| failed("no pod on a"))?;
    let mut pod = scenario.pod(&kept);
    pod["metadata"]["finalizers"] = json!(["ds.test/kept"]);
    scenario.plane.merge(&pod).await?;
    let current = update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("life-a: deleting pod ").await?;
    scenario.plane.create(&scenario.node("x")).await?;
    let mut tainted = scenario.node("c");
    tainted["spec"] = json!({"taints": [{"key": "own", "effect": "NoSchedule"}]});
    scenario.plane.merge(&tainted).await?;
    scenario.plane.delete(&scenario.node("d")).await?;
    // The pod is kept for as long as the finalizer is there.
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let going = pods.get(&kept).await.map_err(failed)?;
    ensure(going.metadata.deletion_timestamp.is_some() && watcher.removed() == ["life-a"], || running.text())?;
    pod["metadata"]["finalizers"] = json!(null);
    scenario.plane.merge(&pod).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(
        &text,
        &[
            "life-a: replaced by ",
            "life-b: replaced by ",
            "life-c - no pod is wanted there any more",
            "life-d - the node is gone",
        ],
    )?;
    obeyed(&watcher, &text)?;
    let nodes: Api<Node> = Api::all(scenario.plane.client());
    nodes.get("life-x").await.map_err(failed)?;
    // a, b, e, f and the one that joined.
    ensure(with_image(scenario, "two").await? == 5, || text)
}
