//! What comes in between: budgets, other templates, kills, questions to stop, nodes that come, go and die.

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::fault_proxy::FaultProxy;
use super::*;

pub(super) async fn node_dies_in_work(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/starting": "dies-a"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("dies-a: deleting pod ").await?;
    wait_until("the new pod is there", async || match with_image(scene, "two").await {
        Ok(1..) => Ok(()),
        _ => Err("not yet".into()),
    })
    .await?;
    scene.silence("a", true).await?;
    // Nobody knows whether it comes back, so nothing else is begun.
    ensure(watcher.removed().len() == 1, || running.text())?;
    let pods = scene.pods().await?;
    for pod in pods.iter().filter(|pod| pod.spec.as_ref().is_some_and(|s| s.node_name.as_deref() == Some("dies-a"))) {
        let mut pod = scene.pod(&pod.name_any());
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        scene.plane.merge(&pod).await?;
    }
    ensure(watcher.removed().len() == 1, || running.text())?;
    scene.silence("a", false).await?;
    let text = running.ends(0).await?;
    says(&text, &["dies-a: replaced by ", "(3 of 3 replaced)"])?;
    obeyed(&watcher, &text)
}

pub(super) async fn node_down_before(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    scene.silence("b", true).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["1 node left alone:", "down-b: the node is not ready", "--include-not-ready", "(2 of 2 replaced)"])?;
    ensure(watcher.removed() == ["down-a", "down-c"], || text.clone())?;
    obeyed(&watcher, &text)
}

fn disruption_budget(scene: &Scene<'_>, spec: &Value) -> Value {
    let mut budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep", "namespace": scene.name},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}},
    });
    overlay(&mut budget["spec"], spec);
    budget
}

/// Allowed by the budget as soon as one more pod is healthy: a node more, as the budget cannot be lowered from inside.
pub(super) async fn eviction_blocked_and_allowed(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    let blocker = disruption_budget(scene, &json!({"minAvailable": 2}));
    scene.plane.create(&blocker).await?;
    // One pod that is not well takes the last disruption that the budget allows.
    let sick = scene
        .pods()
        .await?
        .into_iter()
        .find(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some("blocked-c")));
    let mut sick = scene.pod(&sick.ok_or_else(|| failed("no pod on c"))?.name_any());
    sick["metadata"]["annotations"] = json!({"ds.test/never-ready": "*"});
    scene.plane.merge(&sick).await?;
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let name = sick["metadata"]["name"].as_str().unwrap_or_default();
    let patch = kube::api::Patch::Strategic(&status);
    pods.patch_status(name, &Default::default(), &patch).await.map_err(failed)?;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(scene.plane.client(), scene.name);
    wait_until("the budget allows nothing", async || {
        let status = budgets.get("keep").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.expected_pods == Some(3) && status.disruptions_allowed == Some(0) {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await?;
    let watcher = watch(scene, 2, Some(current)).await?;
    // The sick one may be evicted: that would bring back a healthy one.
    let running = start(scene, &["--evict", "--max-unavailable", "2", "--node", "blocked-a", "--node", "blocked-b"])?;
    running
        .until("not removed yet, trying again: Cannot evict pod as it would violate the pod's disruption budget")
        .await?;
    ensure(watcher.removed().is_empty(), || running.text())?;
    scene.plane.merge(&disruption_budget(scene, &json!({"minAvailable": 1}))).await?;
    let text = running.ends(0).await?;
    says(&text, &["blocked-a: evicting pod ", "(2 of 2 replaced)"])?;
    obeyed(&watcher, &text)
}

pub(super) async fn eviction_never_allowed(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({})).await?;
    let before = uids(scene).await?;
    for (spec, words) in [
        (json!({"maxUnavailable": 1}), "maxUnavailable: 1 cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": "50%"}), "minAvailable: 50% cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": 3}), "its minAvailable is 3, and it covers 3 pods"),
    ] {
        let budget = disruption_budget(scene, &spec);
        scene.plane.create(&budget).await?;
        let (_, said) = start(scene, &["--evict"])?.ends_with_remarks(2).await?;
        says(&said, &["the PodDisruptionBudget keep can never allow an eviction", words, "hint: "])?;
        // The disruption controller says the same: it allows none, and where it cannot compute, it says so.
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(scene.plane.client(), scene.name);
        wait_until("the budget allows nothing", async || {
            let budget = budgets.get("keep").await.map_err(|error| error.to_string())?;
            let status = budget.status.clone().unwrap_or_default();
            let condition = status.conditions.iter().flatten().find(|one| one.type_ == "DisruptionAllowed");
            let expected = if spec["minAvailable"] == 3 { "InsufficientPods" } else { "SyncFailed" };
            let is_so = status.disruptions_allowed == Some(0) && condition.is_some_and(|one| one.reason == expected);
            if is_so { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await?;
        scene.plane.delete(&budget).await?;
    }
    ensure(uids(scene).await? == before, || "a pod was removed".into())
}

pub(super) async fn template_changed_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, None).await?;
    let running = start(scene, &[])?;
    running.until("(1 of 4 replaced)").await?;
    update(scene, "three", &json!({})).await?;
    let text = running.ends(1).await?;
    says(&text, &["Halted: the template was changed: it is revision "])?;
    ensure(watcher.removed().len() <= 2, || text.clone())?;
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["\nDone\n"])?;
    ensure(with_image(scene, "three").await? == 4, || text.clone())?;
    obeyed(&watcher, &text)
}

pub(super) async fn killed_and_run_again(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("killed-b: deleting pod ").await?;
    kill(&running, "-KILL")?;
    drop(running);
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["\nDone\n"])?;
    never_says(&text, &["killed-a: deleting"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

/// A server that accepts removals and does nothing is asked now and then, and the node fails in the end.
pub(super) async fn removals_that_change_nothing(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({})).await?;
    let config = Kubeconfig::read_from(scene.plane.kubeconfig()).map_err(failed)?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)?;
    let proxy = FaultProxy::pretending(config)?;
    let kubeconfig = scene.plane.dir().join("kubeconfig-of-the-pretender");
    proxy.write_kubeconfig(&kubeconfig)?;
    let arguments = ["cycle", "agent", "-n", scene.name, "--yes", "--no-lock", "--node-timeout", "12s"];
    let text = Running::start_with(scene.plane, &kubeconfig, &arguments)?.ends(1).await?;
    says(
        &text,
        &[
            "pretended-a: not removed yet, trying again: the API server has accepted the removal",
            "Halted: 1 node failed",
        ],
    )?;
    // The dry run before the start, two at once, and one every five seconds.
    ensure((3..=6).contains(&proxy.faults()), || format!("{} removals\n{text}", proxy.faults()))?;
    let old = with_image(scene, "one").await?;
    ensure(old == 3, || format!("{old} old pods are left\n{text}"))
}

pub(super) async fn asked_to_stop(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, None).await?;
    let running = start(scene, &[])?;
    running.until("stops-a: deleting pod ").await?;
    kill(&running, "-INT")?;
    let text = running.ends(130).await?;
    says(
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

pub(super) async fn asked_twice_to_stop(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/never-ready": "*"})).await?;
    let running = start(scene, &[])?;
    running.until("leaves-a: deleting pod ").await?;
    kill(&running, "-TERM")?;
    running.until("stopping: begins no further node").await?;
    kill(&running, "-TERM")?;
    let text = running.ends(143).await?;
    says(&text, &["leaves-a … still in work"])
}

/// A finalizer that keeps a pod, a long grace period, an orphan, a node that is tainted and one that vanishes midway,
/// and one that joins.
pub(super) async fn facts_of_life(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let pods = scene.pods().await?;
    let on = |letter: &str| {
        let node = format!("life-{letter}");
        pods.iter()
            .find(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(&node)))
            .map(ResourceExt::name_any)
    };
    let kept = on("a").ok_or_else(|| failed("no pod on a"))?;
    let mut pod = scene.pod(&kept);
    pod["metadata"]["finalizers"] = json!(["ds.test/kept"]);
    scene.plane.merge(&pod).await?;
    let current = update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("life-a: deleting pod ").await?;
    scene.plane.create(&scene.node("x")).await?;
    let mut tainted = scene.node("c");
    tainted["spec"] = json!({"taints": [{"key": "own", "effect": "NoSchedule"}]});
    scene.plane.merge(&tainted).await?;
    scene.plane.delete(&scene.node("d")).await?;
    // The pod is kept for as long as the finalizer is there.
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let going = pods.get(&kept).await.map_err(failed)?;
    ensure(going.metadata.deletion_timestamp.is_some() && watcher.removed() == ["life-a"], || running.text())?;
    pod["metadata"]["finalizers"] = json!(null);
    scene.plane.merge(&pod).await?;
    let text = running.ends(0).await?;
    says(
        &text,
        &[
            "life-a: replaced by ",
            "life-b: replaced by ",
            "life-c - no pod is wanted there any more",
            "life-d - the node is gone",
        ],
    )?;
    obeyed(&watcher, &text)?;
    let nodes: Api<Node> = Api::all(scene.plane.client());
    nodes.get("life-x").await.map_err(failed)?;
    // a, b, e, f and the one that joined.
    ensure(with_image(scene, "two").await? == 5, || text)
}
