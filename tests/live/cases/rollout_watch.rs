//! `rollout watch` follows rollouts to their end, and reports what blocks them.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_reference, daemon_set_with_image, node, pod_reference, with_behavior};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;

pub(crate) const TESTS: &[LiveTest] = live_tests![
    rolling_update_is_followed_to_completion,
    bad_image_is_reported,
    on_delete_waits_and_deletion_ends_the_watch,
];

fn agent(image: &str, strategy: &str, behavior: &Value) -> Value {
    let mut agent = with_behavior(daemon_set_with_image("default", "agent", image), behavior);
    agent["spec"]["updateStrategy"] = json!({"type": strategy});
    agent
}

/// Creates three nodes and the DaemonSet, and waits until its first rollout is complete.
async fn create_agent(plane: &ControlPlane, strategy: &str) -> Result<(), Failed> {
    plane.create_all(&[node("a"), node("b"), node("c"), agent("one", strategy, &json!({}))]).await?;
    let sets: Api<DaemonSet> = Api::default_namespaced(plane.client());
    // Before the nodes are ready none is eligible, and the rollout is complete.
    wait_until("three nodes are eligible", async || {
        let status = sets.get("agent").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.desired_number_scheduled == 3 { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await?;
    RunningProgram::start(plane, &["rollout", "watch", "agent"])?.wait_for_exit(0).await?;
    Ok(())
}

async fn change(plane: &ControlPlane, image: &str, strategy: &str, behavior: &Value) -> Result<(), Failed> {
    let new = agent(image, strategy, behavior);
    plane.update(&new, |object| object["spec"] = new["spec"].clone()).await
}

/// A rolling update, as text and as JSON.
fn rolling_update_is_followed_to_completion(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_agent(plane, "RollingUpdate").await?;
        change(plane, "two", "RollingUpdate", &json!({})).await?;
        let text =
            RunningProgram::start(plane, &["rollout", "watch", "agent", "--revision", "2"])?.wait_for_exit(0).await?;
        ensure(text.trim_end().ends_with("(3 of 3 updated, 3 available)"), || text.clone())?;
        ensure(text.contains(" complete after "), || text.clone())?;
        change(plane, "three", "RollingUpdate", &json!({})).await?;
        let text = RunningProgram::start(plane, &["rollout", "watch", "agent", "-o", "json"])?.wait_for_exit(0).await?;
        let events: Vec<Value> = text.lines().map(document).collect::<Result<_, _>>()?;
        let done =
            |node: &str| events.iter().filter(|event| event["type"] == "NodeDone" && event["node"] == node).count();
        ensure(["a", "b", "c"].iter().all(|node| done(node) <= 1), || text.clone())?;
        let last = events.last().cloned().unwrap_or_default();
        ensure(last["type"] == "Ended" && last["outcome"] == "Complete" && last["updatedAvailable"] == 3, || {
            text.clone()
        })?;
        let status = plane.ds(&["rollout", "status", "agent"]);
        ensure(status.status.code() == Some(0), || String::from_utf8_lossy(&status.stdout).into_owned())
    })
}

/// A bad image is reported as the blocker, and the watch stalls.
fn bad_image_is_reported(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_agent(plane, "RollingUpdate").await?;
        change(plane, "two", "RollingUpdate", &json!({"ds.test/no-image": "*"})).await?;
        let text = RunningProgram::start(plane, &["rollout", "watch", "agent", "--stall-timeout", "8s"])?
            .wait_for_exit(1)
            .await?;
        ensure(text.contains("the new pod cannot pull image two: "), || text.clone())?;
        ensure(text.contains("timed out: no progress for 8s (--stall-timeout)"), || text.clone())?;
        let status = plane.ds(&["rollout", "watch", "agent", "--once"]);
        ensure(status.status.code() == Some(1), || String::from_utf8_lossy(&status.stdout).into_owned())
    })
}

/// With `OnDelete` the watch waits until pods are deleted; it ends when the DaemonSet is deleted.
fn on_delete_waits_and_deletion_ends_the_watch(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_agent(plane, "OnDelete").await?;
        change(plane, "two", "OnDelete", &json!({})).await?;
        let running = RunningProgram::start(plane, &["rollout", "watch", "agent"])?;
        running.wait_for("waiting for pod deletion (OnDelete)").await?;
        let pods: Vec<Pod> = plane.list().await?;
        let name = pods.first().map(ResourceExt::name_any).ok_or_else(|| failed("no pod"))?;
        plane.delete(&pod_reference("default", &name)).await?;
        running.wait_for("done (1 of 3 updated, 3 available)").await?;
        plane.delete(&daemon_set_reference("default", "agent")).await?;
        let text = running.wait_for_exit(1).await?;
        ensure(text.trim_end().ends_with("the DaemonSet was deleted"), || text.clone())
    })
}
