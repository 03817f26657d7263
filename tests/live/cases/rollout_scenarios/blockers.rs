//! Rollouts that are blocked.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;

use super::*;
use crate::harness::client::message;
use crate::harness::manifests::{container, resource_quota};
use crate::harness::running_program::RunningProgram;

/// Starts a rollout of an image that cannot be pulled, and waits until its first pod fails.
pub(crate) async fn start_bad_image_rollout(
    plane: &ControlPlane,
    name: &'static str,
    nodes: usize,
) -> Result<(), Failed> {
    let scenario = Scenario { plane, name, nodes };
    scenario.set_up().await?;
    scenario.create_agent(&json!({})).await?;
    scenario.patch_spec(&template_patch("example.com/agent:2", &json!({"ds.test/no-image": "*"}))).await?;
    wait_until("the image cannot be pulled", async || {
        let pods = scenario.pods().await.map_err(message)?;
        let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
        let mut waiting = statuses.filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
        if waiting.any(|reason| reason == "ImagePullBackOff") { Ok(()) } else { Err("not yet".into()) }
    })
    .await
}

pub(super) async fn bad_image(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("example.com/agent:2", &json!({"ds.test/no-image": "*"}))).await?;
    running.wait_for(": the new pod cannot pull image example.com/agent:2: ").await?;
    assert_contains(&running.stdout(), &["blocked on bad-image-"])?;
    // A retry may succeed, so the rollout is not stuck.
    assert_not_contains(&running.stdout(), &["stuck"])?;
    let text = scenario.watch_until_stalled().await?;
    assert_contains(
        &text,
        &[
            "timed out: no progress for 1s (--stall-timeout): new pod cannot pull its image: ImagePullBackOff on \
             bad-image-",
            "(1 of 3 updated, 2 available)",
        ],
    )?;
    assert_not_contains(&text, &["stuck"])
}

pub(super) async fn crash_loop(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/crash": "*"}))).await?;
    running.wait_for(", cannot complete without intervention: the new pod is crashing: ").await?;
    let text = running.stdout();
    assert_contains(&text, &["stuck on crash-"])?;
    let reported = text.matches("cannot complete without intervention").count();
    ensure(reported == 1, || text)?;
    let text = scenario.watch_until_stalled().await?;
    assert_contains(&text, &["timed out: no progress for 1s (--stall-timeout): new pod crashing on crash-"])?;
    let arguments = ["rollout", "watch", "agent", "-n", scenario.name, "--stall-timeout", "1s", "-o", "json"];
    let text = RunningProgram::start(scenario.plane, &arguments)?.wait_for_exit(1).await?;
    let events = events(&text)?;
    let has = |name: &str| events.iter().any(|event| event["type"] == name);
    ensure(has("NodeFailing") && has("BlockerFound"), || text.clone())?;
    ensure(events.last().is_some_and(|event| event["outcome"] == "Stalled"), || text.clone())
}

/// A pod that is not ready for some seconds is only slow, but the last line names its node.
pub(super) async fn never_ready(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/never-ready": "*"}))).await?;
    scenario.wait_for_new_pod().await?;
    let text = scenario.watch_until_stalled().await?;
    assert_not_contains(&running.stdout(), &["stuck", "stalled", "failing"])?;
    assert_contains(&text, &["timed out: no progress for 1s (--stall-timeout): ", "(1 of 2 updated, 1 available)"])?;
    let end = text.lines().last().unwrap_or_default();
    let is_named = ["a", "b"].iter().any(|node| end.contains(&format!("never-ready-{node}")));
    ensure(is_named, || text.clone())?;
    assert_not_contains(&text, &["stuck", "stalled", "failing"])
}

/// Stuck from the start, and the suggested fix works.
pub(super) async fn surge_with_host_port(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let mut first = rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}));
    let containers = |image: &str| {
        let mut container = container(image);
        container["ports"] = json!([{"containerPort": 9100, "hostPort": 9100}]);
        json!([container])
    };
    first["template"] = json!({"spec": {"containers": containers("one")}});
    scenario.create_agent(&first).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&json!({"template": {"spec": {"containers": containers("two")}}})).await?;
    running
        .wait_for(
            "stuck on 3 nodes (surge-port-a, surge-port-b, surge-port-c), cannot complete without intervention: the \
             new pod needs host port 9100/TCP, ",
        )
        .await?;
    running.wait_for("kubectl -n surge-port patch daemonset agent --type=merge -p ").await?;
    scenario.patch_spec(&rolling(&json!({"maxSurge": 0, "maxUnavailable": 1}))).await?;
    let text = running.wait_for_exit(0).await?;
    // It was reported before all nodes had a new pod.
    let before = text.split(" on 3 nodes").next().unwrap_or_default();
    let is_started = |letter: &&str| before.contains(&format!("surge-port-{letter}: "));
    ensure(["a", "b", "c"].iter().filter(|letter| is_started(letter)).count() <= 1, || text.clone())?;
    assert_contains(&text, &["no longer blocked by: old and new pod need the same host port 9100/TCP"])?;
    assert_complete(&text, 3)
}

pub(super) async fn quota_exhausted_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/starting": "*"}))).await?;
    scenario.wait_for_new_pod().await?;
    let quota = resource_quota(scenario.name, "few", &json!({"pods": "3"}));
    scenario.plane.create(&quota).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(scenario.plane.client(), scenario.name);
    // Before that, a rejection reports that the status of the quota is unknown.
    wait_until("the quota has a status", async || {
        let status = quotas.get("few").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.used.is_some_and(|used| used.contains_key("pods")) { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    scenario.release_one().await?;
    running.wait_for(", cannot complete without intervention: new pods are rejected: ").await?;
    assert_contains(&running.stdout(), &["stuck on quota-", "few"])?;
    scenario.plane.delete(&quota).await?;
    // As `why-not` suggests: the controller's back-off grows with each rejection.
    let mut again = scenario.agent();
    again["metadata"]["annotations"] = json!({"kubectl-ds/retried": "1"});
    scenario.plane.merge(&again).await?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["no longer blocked by: new pods are rejected"])?;
    assert_complete(&text, 4)
}
