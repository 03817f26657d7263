//! Rollouts that something holds.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;

use super::*;
use crate::harness::running_program::RunningProgram;

/// A rollout of an image that cannot be had, on so many nodes, with its first pod in trouble.
pub(crate) async fn bad_image_of(plane: &ControlPlane, name: &'static str, nodes: usize) -> Result<(), Failed> {
    let scenario = Scenario { plane, name, nodes };
    scenario.set_up().await?;
    scenario.create_agent(&json!({})).await?;
    scenario.patch_spec(&template("example.com/agent:2", &json!({"ds.test/no-image": "*"}))).await?;
    wait_until("the image cannot be had", async || {
        let pods = scenario.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
        let mut waiting = statuses.filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
        if waiting.any(|reason| reason == "ImagePullBackOff") { Ok(()) } else { Err("not yet".into()) }
    })
    .await
}

pub(super) async fn bad_image(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("example.com/agent:2", &json!({"ds.test/no-image": "*"}))).await?;
    running.wait_for(": the new pod's image example.com/agent:2 cannot be had: ImagePullBackOff").await?;
    assert_contains(&running.text(), &["held on bad-image-"])?;
    // Trying again may help.
    assert_not_contains(&running.text(), &["stuck"])?;
    let text = scenario.watch_until_stalled().await?;
    assert_contains(
        &text,
        &[
            "gave up after 1s without progress (--stall-timeout): the new pod's image cannot be had: ImagePullBackOff on \
             bad-image-",
            "(1 of 3 updated, 2 available)",
        ],
    )?;
    assert_not_contains(&text, &["stuck"])
}

pub(super) async fn crash_loop(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/crash": "*"}))).await?;
    running.wait_for(", cannot finish by itself: the new pod crashes: ").await?;
    let text = running.text();
    assert_contains(&text, &["stuck on crash-"])?;
    let told = text.matches("cannot finish by itself").count();
    ensure(told == 1, || text)?;
    let text = scenario.watch_until_stalled().await?;
    assert_contains(&text, &["gave up after 1s without progress (--stall-timeout): the new pod crashes on crash-"])?;
    let arguments = ["rollout", "watch", "agent", "-n", scenario.name, "--stall-timeout", "1s", "-o", "json"];
    let text = RunningProgram::start(scenario.plane, &arguments)?.wait_for_exit(1).await?;
    let events = events(&text)?;
    let has = |name: &str| events.iter().any(|event| event["event"] == name);
    ensure(has("NodeFailing") && has("HoldBegan"), || text.clone())?;
    ensure(events.last().is_some_and(|event| event["outcome"] == "Stalled"), || text.clone())
}

/// Not ready for seconds is slow, and nothing more; and yet the end names it.
pub(super) async fn never_ready(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/never-ready": "*"}))).await?;
    scenario.wait_for_new_pod().await?;
    let text = scenario.watch_until_stalled().await?;
    assert_not_contains(&running.text(), &["stuck", "trouble"])?;
    assert_contains(&text, &["gave up after 1s without progress (--stall-timeout): ", "(1 of 2 updated, 1 available)"])?;
    let end = text.lines().last().unwrap_or_default();
    let is_named = ["a", "b"].iter().any(|node| end.contains(&format!("never-ready-{node}")));
    ensure(is_named, || text.clone())?;
    assert_not_contains(&text, &["stuck", "trouble"])
}

/// Stuck from the first moment on, and the remedy that is told works.
pub(super) async fn surge_with_host_port(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let mut first = rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}));
    let containers =
        |image: &str| json!([{"name": "main", "image": image, "ports": [{"containerPort": 9100, "hostPort": 9100}]}]);
    first["template"] = json!({"spec": {"containers": containers("one")}});
    scenario.create_agent(&first).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&json!({"template": {"spec": {"containers": containers("two")}}})).await?;
    running
        .wait_for(
            "stuck on 3 nodes (surge-port-a, surge-port-b, surge-port-c), cannot finish by itself: the new pod wants host \
             port 9100/TCP, ",
        )
        .await?;
    running.wait_for("kubectl -n surge-port patch daemonset agent --type=merge -p ").await?;
    scenario.patch_spec(&rolling(&json!({"maxSurge": 0, "maxUnavailable": 1}))).await?;
    let text = running.wait_for_exit(0).await?;
    // Not all nodes had to try first.
    let before = text.split(" on 3 nodes").next().unwrap_or_default();
    let tried = |letter: &&str| before.contains(&format!("surge-port-{letter}: "));
    ensure(["a", "b", "c"].iter().filter(|letter| tried(letter)).count() <= 1, || text.clone())?;
    assert_contains(&text, &["no longer held: old and new pod want the same host port 9100/TCP"])?;
    is_complete(&text, 3)
}

pub(super) async fn quota_exhausted_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    scenario.wait_for_new_pod().await?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": scenario.name}, "spec": {"hard": {"pods": "3"}}});
    scenario.plane.create(&quota).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(scenario.plane.client(), scenario.name);
    // Until then a refusal says that nobody knows.
    wait_until("the quota is counted", async || {
        let status = quotas.get("few").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.used.is_some_and(|used| used.contains_key("pods")) { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    scenario.release_one().await?;
    running.wait_for(", cannot finish by itself: new pods are refused: ").await?;
    assert_contains(&running.text(), &["stuck on quota-", "few"])?;
    scenario.plane.delete(&quota).await?;
    // As `why-not` advises: the controller waits longer after each refusal.
    let mut again = scenario.agent();
    again["metadata"]["annotations"] = json!({"kubectl-ds/tried-again": "1"});
    scenario.plane.merge(&again).await?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["no longer held: new pods are refused"])?;
    is_complete(&text, 4)
}
