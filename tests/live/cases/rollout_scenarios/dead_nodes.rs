//! Rollouts on nodes whose kubelet stops reporting.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::*;
use crate::harness::client::message;
use crate::harness::scenario::Kubelet;

/// The taint of the silent node is not tolerated, so it is not eligible, but its old pod still blocks the rollout.
pub(super) async fn dead_before(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    scenario.set_kubelet("a", Kubelet::Silent).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    running
        .wait_for(
            "blocked on dead-before-a: the old pod cannot terminate because the kubelet on its node is not responding",
        )
        .await?;
    assert_not_contains(&running.stdout(), &["stuck"])?;
    scenario.backdate_not_ready("a").await?;
    running
        .wait_for(
            "stuck on dead-before-a, cannot complete without intervention: the old pod cannot terminate because the \
             kubelet on its node is not responding: ",
        )
        .await?;
    assert_contains(&running.stdout(), &["recover the kubelet on the node: kubectl describe node dead-before-a"])?;
    let text = scenario.watch_until_stalled().await?;
    assert_contains(
        &text,
        &[
            "(--stall-timeout): old pod cannot terminate (node not ready) on dead-before-a",
            "(0 of 2 updated, 2 available)",
        ],
    )
}

/// The node of the new pod stops reporting, and recovers.
pub(super) async fn dead_during(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/starting": "dead-during-a"}))).await?;
    let new_pod = wait_until("the new pod is on node a", async || {
        let pods = scenario.pods().await.map_err(message)?;
        let is_new = |pod: &&Pod| {
            let spec = pod.spec.as_ref();
            spec.is_some_and(|spec| {
                spec.node_name.as_deref() == Some("dead-during-a")
                    && spec.containers.iter().any(|one| one.image.as_deref() == Some("two"))
            })
        };
        pods.iter().find(is_new).map(ResourceExt::name_any).ok_or_else(|| "none yet".to_owned())
    })
    .await?;
    scenario.set_kubelet("a", Kubelet::Silent).await?;
    running.wait_for("blocked on dead-during-a: the node of the new pod is not ready: ").await?;
    scenario.backdate_not_ready("a").await?;
    running
        .wait_for(
            "stuck on dead-during-a, cannot complete without intervention: the node of the new pod is not ready: ",
        )
        .await?;
    let mut pod = scenario.pod(&new_pod);
    pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
    scenario.plane.merge(&pod).await?;
    scenario.set_kubelet("a", Kubelet::Reporting).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["no longer blocked by: node of the new pod not ready", "dead-during-a: done"])?;
    assert_complete(&text, 3)
}

/// A pod is stuck Terminating, then its node stops reporting; the pod is force-deleted.
pub(super) async fn terminating_on_a_dead_node(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario
        .create_agent(&json!({"template": {
            "metadata": {"annotations": {"ds.test/stuck": "*"}},
            "spec": {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 1},
        }}))
        .await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/stuck": null}))).await?;
    running.wait_for(": the old pod does not terminate").await?;
    let pods = scenario.pods().await?;
    let terminating = pods.iter().find(|pod| pod.metadata.deletion_timestamp.is_some());
    let terminating = terminating.ok_or_else(|| failed("no pod is terminating"))?;
    let node = terminating.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let letter = node.trim_start_matches("terminating-");
    scenario.set_kubelet(letter, Kubelet::Silent).await?;
    running
        .wait_for(&format!(
            "blocked on {node}: the old pod cannot terminate because the kubelet on its node is not responding"
        ))
        .await?;
    scenario.backdate_not_ready(letter).await?;
    let stuck = format!("stuck on {node}, cannot complete without intervention: ");
    running
        .wait_for(&format!("{stuck}the old pod cannot terminate because the kubelet on its node is not responding"))
        .await?;
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let by_force = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    pods.delete(&terminating.name_any(), &by_force).await.map_err(failed)?;
    running.wait_for("no longer blocked by: old pod cannot terminate (node not ready)").await?;
    running.wait_for(&format!("{stuck}the node of the new pod is not ready: ")).await?;
    scenario.set_kubelet(letter, Kubelet::Reporting).await?;
    running.wait_for(&format!("{node}: done")).await?;
    // The other old pod is stuck Terminating too.
    wait_until("the last old pod is terminating", async || {
        let all = scenario.pods().await.map_err(message)?;
        let terminating = all.iter().find(|pod| pod.metadata.deletion_timestamp.is_some());
        let name = terminating.map(ResourceExt::name_any).ok_or_else(|| "not yet".to_owned())?;
        pods.delete(&name, &by_force).await.map(|_| ()).map_err(|error| error.to_string())
    })
    .await?;
    assert_complete(&running.wait_for_exit(0).await?, 2)
}
