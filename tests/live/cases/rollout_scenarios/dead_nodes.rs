//! Rollouts on nodes that fall silent.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::*;

/// The taint of the silent node is not tolerated: no pod is wanted there, and yet its old one holds the rollout.
pub(super) async fn dead_before(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    scenario.silence("a", true).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({}))).await?;
    running.wait_for("held on dead-before-a: the old pod cannot go, as nobody on its node answers: ").await?;
    assert_not_contains(&running.text(), &["stuck"])?;
    scenario.backdate_not_ready("a").await?;
    running
        .wait_for(
            "stuck on dead-before-a, cannot finish by itself: the old pod cannot go, as nobody on its node answers: ",
        )
        .await?;
    assert_contains(&running.text(), &["bring the node's kubelet back: kubectl describe node dead-before-a"])?;
    let text = scenario.watch_until_stalled().await?;
    assert_contains(
        &text,
        &[
            "(--stall-timeout): the old pod cannot go: its node is down on dead-before-a",
            "(0 of 2 updated, 2 available)",
        ],
    )
}

/// The new pod is on a node that falls silent; the node comes back.
pub(super) async fn dead_during(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/starting": "dead-during-a"}))).await?;
    let new_pod = wait_until("the new pod is on node a", async || {
        let pods = scenario.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
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
    scenario.silence("a", true).await?;
    running.wait_for("held on dead-during-a: the new pod cannot come up: ").await?;
    scenario.backdate_not_ready("a").await?;
    running.wait_for("stuck on dead-during-a, cannot finish by itself: the new pod cannot come up: ").await?;
    let mut pod = scenario.pod(&new_pod);
    pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
    scenario.plane.merge(&pod).await?;
    scenario.silence("a", false).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["no longer held: the node is down", "dead-during-a: done"])?;
    is_complete(&text, 3)
}

/// A pod that does not go, and then its node dies; it is deleted by force.
pub(super) async fn terminating_on_a_dead_node(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario
        .begin(&json!({"template": {
            "metadata": {"annotations": {"ds.test/stuck": "*"}},
            "spec": {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 1},
        }}))
        .await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/stuck": null}))).await?;
    running.wait_for(": the old pod does not go").await?;
    let pods = scenario.pods().await?;
    let going = pods.iter().find(|pod| pod.metadata.deletion_timestamp.is_some());
    let going = going.ok_or_else(|| failed("no pod is going"))?;
    let node = going.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let letter = node.trim_start_matches("terminating-");
    scenario.silence(letter, true).await?;
    running.wait_for(&format!("held on {node}: the old pod cannot go, as nobody on its node answers")).await?;
    scenario.backdate_not_ready(letter).await?;
    let stuck = format!("stuck on {node}, cannot finish by itself: ");
    running.wait_for(&format!("{stuck}the old pod cannot go, as nobody on its node answers")).await?;
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let by_force = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    pods.delete(&going.name_any(), &by_force).await.map_err(failed)?;
    running.wait_for("no longer held: the old pod cannot go: its node is down").await?;
    running.wait_for(&format!("{stuck}the new pod cannot come up: ")).await?;
    scenario.silence(letter, false).await?;
    running.wait_for(&format!("{node}: done")).await?;
    // The other one does not go either.
    wait_until("the last old pod is going", async || {
        let all = scenario.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let going = all.iter().find(|pod| pod.metadata.deletion_timestamp.is_some());
        let name = going.map(ResourceExt::name_any).ok_or_else(|| "not yet".to_owned())?;
        pods.delete(&name, &by_force).await.map(|_| ()).map_err(|error| error.to_string())
    })
    .await?;
    is_complete(&running.wait_for_exit(0).await?, 2)
}
