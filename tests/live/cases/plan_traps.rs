//! What surprises people in a rollout, forecast by `kubectl ds plan apply` and then made for real.
//!
//! New pods that never become ready prove what happens beyond the budget: no later wave could have replaced those pods.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{container, daemon_set, merge_patch};
use crate::harness::registry::LiveTest;
use crate::harness::scenario::{Kubelet, Scenario, all_passed, run_scenario, template_patch};

pub(crate) const TESTS: &[LiveTest] = live_tests![forecast_traps_happen, forecast_of_a_dead_node_happens];

fn forecast_traps_happen(ctx: &Ctx) -> Result<(), Failed> {
    // No node becomes NotReady, however busy the machine is.
    let patient = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600));
    patient.start()?.run(async |plane| {
        all_passed([
            run_scenario(plane, "at-once", 4, unavailable_pods_are_replaced_at_once),
            run_scenario(plane, "again", 3, change_within_min_ready_seconds_replaces_all_at_once),
            run_scenario(plane, "surge", 3, surge_ignores_max_unavailable),
            run_scenario(plane, "port", 3, surge_with_a_host_port_is_blocked),
            run_scenario(plane, "all", 4, percentage_means_all),
            run_scenario(plane, "none", 2, percentage_of_zero_is_rejected),
            run_scenario(plane, "slow", 3, min_ready_seconds_add_up),
            run_scenario(plane, "delete", 3, on_delete_replaces_nothing),
            run_scenario(plane, "earlier", 3, earlier_revision_keeps_its_pods),
            run_scenario(plane, "same", 3, same_template_replaces_nothing),
        ])
        .await
    })
}

fn forecast_of_a_dead_node_happens(ctx: &Ctx) -> Result<(), Failed> {
    // Long enough for a busy machine, short enough for the test.
    let quick = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(16));
    quick.start()?.run(async |plane| all_passed([run_scenario(plane, "dead", 3, dead_node_uses_up_the_budget)]).await)
}

fn never_ready() -> Value {
    json!({"ds.test/never-ready": "*"})
}

fn rolling(fields: &Value) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": fields})
}

/// A pod's uid and image, by its node.
type PodOfNode = BTreeMap<String, (String, String)>;

async fn pods_by_node(scenario: &Scenario<'_>) -> Result<PodOfNode, Failed> {
    let pod = |pod: Pod| {
        let uid = pod.uid()?;
        let spec = pod.spec?;
        Some((spec.node_name?, (uid, spec.containers.first()?.image.clone()?)))
    };
    Ok(scenario.pods().await?.into_iter().filter_map(pod).collect())
}

/// Creates the DaemonSet, and waits until its pods run, whether they are available or not.
async fn create_unavailable(scenario: &Scenario<'_>, spec: &Value) -> Result<(), Failed> {
    let mut agent = daemon_set(scenario.name, "agent", &json!({"nodeSelector": {"scenario": scenario.name}}));
    merge_patch(&mut agent["spec"], &template_patch("one", &json!({})));
    merge_patch(&mut agent["spec"], spec);
    scenario.plane.create(&agent).await?;
    wait_until("all pods run", async || {
        let pods = scenario.pods().await.map_err(message)?;
        let runs = |pod: &&Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
        let number = pods.iter().filter(runs).count();
        if number == scenario.nodes { Ok(()) } else { Err(format!("{number} of {}", scenario.nodes)) }
    })
    .await
}

/// The plan of the change for the DaemonSet, and the exit code.
async fn plan(scenario: &Scenario<'_>, change: &Value) -> Result<(Value, Option<i32>), Failed> {
    let sets: Api<DaemonSet> = Api::namespaced(scenario.plane.client(), scenario.name);
    let mut manifest = scenario.agent();
    manifest["spec"] = serde_json::to_value(sets.get("agent").await.map_err(failed)?.spec)?;
    merge_patch(&mut manifest["spec"], change);
    let path = scenario.plane.dir().join(format!("{}.json", scenario.name));
    std::fs::write(&path, manifest.to_string())?;
    let path = path.display().to_string();
    let output = scenario.plane.ds(&["plan", "apply", "-f", &path, "-o", "json"]);
    let code = output.status.code();
    ensure(matches!(code, Some(0 | 1)), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    let mut report = document(&String::from_utf8_lossy(&output.stdout))?;
    Ok((report["daemonSets"][0].take(), code))
}

/// The finding with this code.
fn finding<'p>(plan: &'p Value, code: &str) -> Result<&'p Value, Failed> {
    let findings = plan["findings"].as_array().into_iter().flatten();
    let found = findings.into_iter().find(|finding| finding["code"] == code);
    found.ok_or_else(|| failed(format!("no {code} in {}", plan["findings"])))
}

/// How many nodes have this action.
fn count(plan: &Value, action: &str) -> usize {
    let nodes = plan["nodes"].as_array().into_iter().flatten();
    nodes.filter(|node| node["after"]["action"] == action).count()
}

/// Makes the change, and waits until the controller has observed it.
async fn change(scenario: &Scenario<'_>, change: &Value) -> Result<(), Failed> {
    scenario.patch_spec(change).await?;
    let sets: Api<DaemonSet> = Api::namespaced(scenario.plane.client(), scenario.name);
    wait_until("the change is observed", async || {
        let set = sets.get("agent").await.map_err(|error| error.to_string())?;
        let observed = set.status.as_ref().and_then(|status| status.observed_generation);
        if observed == set.metadata.generation { Ok(()) } else { Err(format!("{observed:?}")) }
    })
    .await
}

async fn wait_for_image(scenario: &Scenario<'_>, image: &str, nodes: usize) -> Result<(), Failed> {
    wait_until(&format!("{nodes} nodes have a pod with the image {image}"), async || {
        let pods = scenario.pods().await.map_err(message)?;
        let specs = pods.iter().filter_map(|pod| pod.spec.as_ref()).filter(|spec| spec.node_name.is_some());
        let images: Vec<_> = specs.filter_map(|spec| spec.containers.first()?.image.as_deref()).collect();
        let number = images.iter().filter(|found| **found == image).count();
        if number == nodes { Ok(()) } else { Err(format!("{images:?}")) }
    })
    .await
}

/// Waits until the controller has nothing left to do.
async fn wait_until_idle(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let plane = scenario.plane;
    wait_until("the controller has nothing to do", async || match plane.daemon_set_backlog().await? {
        0 => Ok(()),
        backlog => Err(format!("{backlog} DaemonSets wait")),
    })
    .await
}

async fn unavailable_pods_are_replaced_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_unavailable(scenario, &template_patch("one", &never_ready())).await?;
    let new = template_patch("two", &never_ready());
    let (plan, _) = plan(scenario, &new).await?;
    let found = finding(&plan, "ReplacedAtOnce")?;
    ensure(found["budget"] == 1 && found["nodes"].as_array().is_some_and(|nodes| nodes.len() == 4), || {
        found.to_string()
    })?;
    ensure(plan["rollout"]["atOnce"] == 4 && count(&plan, "Replace") == 4, || plan["rollout"].to_string())?;
    change(scenario, &new).await?;
    wait_for_image(scenario, "two", 4).await
}

async fn change_within_min_ready_seconds_replaces_all_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_unavailable(scenario, &json!({"minReadySeconds": 3600})).await?;
    let new = template_patch("two", &json!({}));
    wait_until("the pods are ready", async || {
        let found = plan(scenario, &new).await.and_then(|(plan, _)| finding(&plan, "ReplacedAtOnce").cloned());
        let found = found.map_err(message)?;
        if found["withinMinReadySeconds"] == true { Ok(()) } else { Err(found.to_string()) }
    })
    .await?;
    change(scenario, &new).await?;
    wait_for_image(scenario, "two", 3).await
}

async fn surge_ignores_max_unavailable(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let mut spec = template_patch("one", &never_ready());
    spec["updateStrategy"] = rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}));
    create_unavailable(scenario, &spec).await?;
    let new = template_patch("two", &never_ready());
    let (plan, _) = plan(scenario, &new).await?;
    let found = finding(&plan, "SurgeIgnoresMaxUnavailable")?;
    ensure(found["nodes"].as_array().is_some_and(|nodes| nodes.len() == 3), || found.to_string())?;
    change(scenario, &new).await?;
    wait_for_image(scenario, "two", 3).await
}

async fn surge_with_a_host_port_is_blocked(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let containers = |image: &str| {
        let mut container = container(image);
        container["ports"] = json!([{"containerPort": 9100, "hostPort": 9100}]);
        json!({"template": {"spec": {"containers": [container]}}})
    };
    let mut spec = containers("one");
    spec["updateStrategy"] = rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}));
    scenario.create_agent(&spec).await?;
    let before = pods_by_node(scenario).await?;
    let new = containers("two");
    let (plan, code) = plan(scenario, &new).await?;
    let found = finding(&plan, "RolloutBlocked")?;
    ensure(code == Some(1) && plan["rollout"]["blocked"] == true, || found.to_string())?;
    change(scenario, &new).await?;
    wait_until("the new pod has no free port", async || {
        let pods = scenario.pods().await.map_err(message)?;
        let conditions = pods.iter().flat_map(|pod| pod.status.iter().flat_map(|status| status.conditions.iter()));
        let mut messages = conditions.flatten().filter_map(|condition| condition.message.as_deref());
        match messages.any(|message| message.contains("didn't have free ports")) {
            true => Ok(()),
            false => Err("not yet".into()),
        }
    })
    .await?;
    let after = pods_by_node(scenario).await?;
    ensure(before == after, || format!("{before:?}, then {after:?}"))
}

async fn percentage_means_all(scenario: &Scenario<'_>) -> Result<(), Failed> {
    // Rounded up: 4 of 4.
    scenario.create_agent(&json!({"updateStrategy": rolling(&json!({"maxUnavailable": "80%"}))})).await?;
    let new = template_patch("two", &never_ready());
    let (plan, code) = plan(scenario, &new).await?;
    let found = finding(&plan, "AllAtOnce")?;
    ensure(code == Some(0) && plan["rollout"]["budget"] == 4, || format!("{found} {}", plan["rollout"]))?;
    change(scenario, &new).await?;
    wait_for_image(scenario, "two", 4).await
}

/// Neither a surge nor an unavailable pod: the API server's words.
async fn percentage_of_zero_is_rejected(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let new = json!({"updateStrategy": rolling(&json!({"maxUnavailable": "0%"}))});
    let error = plan(scenario, &new).await.err().map(message).unwrap_or_default();
    ensure(error.contains("cannot be 0 when maxSurge is 0"), || format!("{error:?}"))
}

async fn min_ready_seconds_add_up(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"minReadySeconds": 2})).await?;
    let new = template_patch("two", &json!({}));
    let (plan, code) = plan(scenario, &new).await?;
    let rollout = &plan["rollout"];
    ensure(code == Some(0) && rollout["waves"] == 3 && rollout["leastSeconds"] == 6, || rollout.to_string())?;
    let started = Instant::now();
    scenario.patch_spec(&new).await?;
    let output = scenario.plane.ds(&["rollout", "status", "agent", "-n", scenario.name]);
    let took = started.elapsed();
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stdout).into_owned())?;
    // The controller's timestamps are whole seconds: each wave may end almost one second early.
    ensure(took >= Duration::from_secs(3), || format!("complete after {took:?}"))
}

async fn on_delete_replaces_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    let before = pods_by_node(scenario).await?;
    let new = template_patch("two", &json!({}));
    let (plan, code) = plan(scenario, &new).await?;
    let found = finding(&plan, "NothingUntilDeleted")?;
    ensure(code == Some(0) && found["outdated"] == 3 && count(&plan, "Keep") == 3, || plan.to_string())?;
    change(scenario, &new).await?;
    wait_until_idle(scenario).await?;
    let after = pods_by_node(scenario).await?;
    ensure(before == after, || format!("{before:?}, then {after:?}"))
}

async fn earlier_revision_keeps_its_pods(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let first = pods_by_node(scenario).await?;
    change(scenario, &template_patch("two", &never_ready())).await?;
    wait_for_image(scenario, "two", 1).await?;
    let old = template_patch("one", &json!({"ds.test/never-ready": null}));
    let (plan, _) = plan(scenario, &old).await?;
    let found = finding(&plan, "EarlierRevision")?;
    ensure(found["revision"] == 1 && plan["earlierRevision"] == 1, || found.to_string())?;
    ensure((count(&plan, "Replace"), count(&plan, "Keep")) == (1, 2), || plan["nodes"].to_string())?;
    change(scenario, &old).await?;
    wait_for_image(scenario, "one", 3).await?;
    let kept = pods_by_node(scenario).await?.iter().filter(|(node, pod)| first.get(*node) == Some(pod)).count();
    ensure(kept == 2, || format!("{kept} pods were kept"))
}

async fn same_template_replaces_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let before = pods_by_node(scenario).await?;
    let new = json!({"updateStrategy": rolling(&json!({"maxUnavailable": 2})), "minReadySeconds": 1});
    let (plan, code) = plan(scenario, &new).await?;
    ensure(code == Some(0) && plan["templateChanged"] == false && count(&plan, "Keep") == 3, || plan.to_string())?;
    change(scenario, &new).await?;
    wait_until_idle(scenario).await?;
    let after = pods_by_node(scenario).await?;
    ensure(before == after, || format!("{before:?}, then {after:?}"))
}

async fn dead_node_uses_up_the_budget(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}})).await?;
    scenario.set_kubelet("a", Kubelet::Silent).await?;
    let new = template_patch("two", &json!({}));
    // The node controller also marks the node's pods as not ready.
    let (blocked, code) = wait_until("the rollout is forecast as blocked", async || {
        let (plan, code) = plan(scenario, &new).await.map_err(message)?;
        if plan["rollout"]["blocked"] == true { Ok((plan, code)) } else { Err(plan["rollout"].to_string()) }
    })
    .await?;
    let found = finding(&blocked, "RolloutBlocked")?;
    ensure(code == Some(1) && found["usedBy"] == json!(["dead-a"]), || found.to_string())?;
    ensure(found["waiting"] == json!(["dead-b", "dead-c"]), || found.to_string())?;
    let before = pods_by_node(scenario).await?;
    change(scenario, &new).await?;
    wait_until("the pod of the dead node is deleted, and stays", async || {
        let pods = scenario.pods().await.map_err(message)?;
        let is_deleted = |pod: &&Pod| {
            let on_a = pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some("dead-a"));
            on_a && pod.metadata.deletion_timestamp.is_some()
        };
        if pods.iter().any(|pod| is_deleted(&pod)) { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    wait_until_idle(scenario).await?;
    let after = pods_by_node(scenario).await?;
    ensure(before == after, || format!("{before:?}, then {after:?}"))
}
