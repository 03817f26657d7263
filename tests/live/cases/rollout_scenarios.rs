//! Rollouts of every kind, watched as in a CI job: `rollout watch` starts before the change, in a pipe, and waits for a
//! revision.

pub(crate) mod blockers;
mod dead_nodes;

use std::time::{Duration, Instant};

use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::registry::LiveTest;
use crate::harness::scenario::{
    Scenario, all_passed, assert_contains, assert_not_contains, run_scenario, template_patch,
};
use blockers::{bad_image, crash_loop, never_ready, quota_exhausted_midway, surge_with_host_port};
use dead_nodes::{dead_before, dead_during, terminating_on_a_dead_node};

pub(crate) const TESTS: &[LiveTest] = live_tests![
    scenarios_in_parallel_pass,
    scenarios_with_dead_nodes_pass,
    two_hundred_nodes_complete_once,
    api_server_outage_is_survived,
];

/// The scenarios that can run in parallel, each with its own namespace and nodes.
fn scenarios_in_parallel_pass(ctx: &Ctx) -> Result<(), Failed> {
    // No node becomes NotReady, however busy the machine is.
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(
        async |plane| {
            let all = [
                run_scenario(plane, "bad-image", 3, bad_image),
                run_scenario(plane, "crash", 3, crash_loop),
                run_scenario(plane, "never-ready", 2, never_ready),
                run_scenario(plane, "surge-port", 3, surge_with_host_port),
                run_scenario(plane, "on-delete", 3, on_delete),
                run_scenario(plane, "deleted", 3, deleted_midway),
                run_scenario(plane, "quota", 4, quota_exhausted_midway),
                run_scenario(plane, "template", 3, new_template_midway),
                run_scenario(plane, "rollback", 3, rollback_midway),
                run_scenario(plane, "min-ready", 2, min_ready_seconds),
                run_scenario(plane, "plain", 3, plain),
                run_scenario(plane, "percent", 12, ten_percent),
                run_scenario(plane, "surge", 3, surge_one),
                run_scenario(plane, "surge-percent", 6, surge_twenty_percent),
                run_scenario(plane, "nodes", 3, nodes_come_and_go),
                run_scenario(plane, "zero", 0, zero_nodes),
            ];
            all_passed(all).await
        },
    )
}

/// The scenarios with nodes whose kubelet stops reporting.
fn scenarios_with_dead_nodes_pass(ctx: &Ctx) -> Result<(), Failed> {
    // Long enough for a busy machine, short enough for the test.
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(16)).start()?.run(
        async |plane| {
            all_passed([
                run_scenario(plane, "dead-before", 3, dead_before),
                run_scenario(plane, "dead-during", 3, dead_during),
                run_scenario(plane, "terminating", 2, terminating_on_a_dead_node),
            ])
            .await
        },
    )
}

fn rolling(fields: &Value) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": fields}})
}

/// The last line reports a complete rollout on this many nodes.
fn assert_complete(text: &str, nodes: usize) -> Result<(), Failed> {
    let last = text.lines().last().unwrap_or_default();
    let numbers = format!("({nodes} of {nodes} updated, {nodes} available)");
    ensure(last.contains(" complete after ") && last.ends_with(&numbers), || text.to_owned())
}

/// The events of a watch in JSON.
fn events(text: &str) -> Result<Vec<Value>, Failed> {
    text.lines().map(document).collect()
}

/// How many nodes are done at the end: those of the last NewRevision event, and those with an event since, of which no
/// node has two.
fn done(events: &[Value], text: &str) -> Result<usize, Failed> {
    let newest = events.iter().rposition(|event| event["type"] == "NewRevision").unwrap_or_default();
    let at_start = events[newest]["done"].as_u64().and_then(|done| usize::try_from(done).ok()).unwrap_or_default();
    let done = events[newest..].iter().filter(|event| event["type"] == "NodeDone");
    let mut nodes: Vec<&str> = done.filter_map(|event| event["node"].as_str()).collect();
    nodes.sort_unstable();
    let count = nodes.len();
    nodes.dedup();
    ensure(count == nodes.len(), || format!("two NodeDone events for a node:\n{text}"))?;
    Ok(at_start + count)
}

/// A watch in JSON of a complete rollout without blockers, with at least this many nodes available all the time.
fn assert_uninterrupted(text: &str, nodes: usize, min_available: usize) -> Result<(), Failed> {
    let events = events(text)?;
    let done = done(&events, text)?;
    ensure(done == nodes, || format!("{done} done:\n{text}"))?;
    let available = |event: &Value| event["available"].as_u64().and_then(|number| usize::try_from(number).ok());
    let is_enough = |event: &Value| available(event).is_some_and(|available| available >= min_available);
    ensure(events.iter().all(is_enough), || format!("less than {min_available} available:\n{text}"))?;
    let never = ["BlockerFound", "NodeFailing", "NodeRegressed"];
    ensure(!events.iter().any(|event| never.iter().any(|name| event["type"] == *name)), || text.to_owned())?;
    let last = events.last().cloned().unwrap_or_default();
    let is_end = last["type"] == "Ended" && last["outcome"] == "Complete" && last["updatedAvailable"] == nodes;
    ensure(is_end, || text.to_owned())
}

async fn on_delete(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    running.wait_for("waiting for pod deletion (OnDelete): old pods must be deleted manually").await?;
    for (count, pod) in scenario.pods().await?.iter().enumerate() {
        scenario.plane.delete(&scenario.pod(&pod.name_any())).await?;
        running.wait_for(&format!(": done ({} of 3 updated, 3 available)", count + 1)).await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_not_contains(&text, &["stuck", "stalled", "blocked", "failing"])?;
    assert_complete(&text, 3)
}

async fn deleted_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/starting": "*"}))).await?;
    running.wait_for("template changed: ").await?;
    let second = scenario.watch_rollout(&["-o", "json"]).await?;
    scenario.plane.delete(&scenario.agent()).await?;
    let text = second.wait_for_exit(1).await?;
    let events = events(&text)?;
    ensure(events.iter().any(|event| event["type"] == "Deleted"), || text.clone())?;
    ensure(events.last().is_some_and(|event| event["outcome"] == "Deleted"), || text.clone())?;
    let text = running.wait_for_exit(1).await?;
    ensure(text.trim_end().ends_with("the DaemonSet was deleted"), || text.clone())?;
    assert_not_contains(&text, &["complete after"])
}

async fn new_template_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "3", "-o", "json"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/starting": "*"}))).await?;
    scenario.release_one().await?;
    running.wait_for("\"NodeDone\"").await?;
    scenario.patch_spec(&template_patch("three", &json!({"ds.test/starting": null}))).await?;
    let text = running.wait_for_exit(0).await?;
    let events = events(&text)?;
    let revisions: Vec<usize> = (0..events.len()).filter(|index| events[*index]["type"] == "NewRevision").collect();
    ensure(revisions.len() == 2, || text.clone())?;
    let is_new = |event: &Value| event["rollback"] == false;
    ensure(revisions.iter().all(|index| is_new(&events[*index])), || text.clone())?;
    ensure(events[revisions[1]]["from"] == events[revisions[0]]["to"], || text.clone())?;
    // The count starts again with the last template.
    let done = done(&events, &text)?;
    ensure(done == 3, || format!("{done}\n{text}"))?;
    let last = &events[events.len() - 1];
    ensure(last["outcome"] == "Complete" && last["updatedAvailable"] == 3, || text.clone())
}

async fn rollback_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "3"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/crash": "*"}))).await?;
    running.wait_for(", cannot complete without intervention: the new pod is crashing: ").await?;
    scenario.patch_spec(&template_patch("one", &json!({"ds.test/crash": null}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["rolled back: now watching revision ", "no longer blocked by: new pod crashing"])?;
    assert_complete(&text, 3)
}

async fn min_ready_seconds(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"minReadySeconds": 3})).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    let started = Instant::now();
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    let text = running.wait_for_exit(0).await?;
    // `lastTransitionTime` has a precision of one second, so each pod can take up to one second less.
    ensure(started.elapsed() >= Duration::from_secs(4), || format!("{:?}\n{text}", started.elapsed()))?;
    assert_uninterrupted(&text, 2, 1)
}

async fn plain(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxUnavailable": 1}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/slow": "*"}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(
        text.lines().next().unwrap_or_default(),
        &["plain/agent: ", "3 of 3 updated, 3 available; complete"],
    )?;
    ensure(text.matches("template changed: now watching revision ").count() == 1, || text.clone())?;
    for node in ["plain-a", "plain-b", "plain-c"] {
        ensure(text.matches(&format!(" {node}: done (")).count() == 1, || format!("{node}\n{text}"))?;
    }
    assert_not_contains(&text, &["stuck", "stalled", "blocked", "failing", "no longer"])?;
    assert_complete(&text, 3)
}

async fn ten_percent(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxUnavailable": "10%"}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    // 10% of 12 nodes, 1.2, is rounded up.
    assert_uninterrupted(&running.wait_for_exit(0).await?, 12, 10)
}

async fn surge_one(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    // Of two pods on a node the older one counts, also while it terminates and is not ready. So up to maxSurge nodes,
    // and as many whose old pods are still terminating, can count as unavailable.
    assert_uninterrupted(&running.wait_for_exit(0).await?, 3, 1)
}

async fn surge_twenty_percent(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxSurge": "20%", "maxUnavailable": 0}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    // 20% of 6 nodes, 1.2, is rounded up; the rest as in `surge_one`.
    assert_uninterrupted(&running.wait_for_exit(0).await?, 6, 2)
}

async fn nodes_come_and_go(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/starting": "*"}))).await?;
    scenario.release_one().await?;
    running.wait_for(": done (").await?;
    let text = running.stdout();
    let first = ["a", "b", "c"].into_iter().find(|letter| text.contains(&format!(" nodes-{letter}: done")));
    let first = first.ok_or_else(|| failed("no node is done"))?;
    scenario.plane.create(&scenario.node("d")).await?;
    running.wait_for("nodes-d: node is now eligible").await?;
    scenario.plane.delete(&scenario.node(first)).await?;
    running.wait_for(&format!("nodes-{first}: node is no longer eligible")).await?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["nodes-d: done"])?;
    assert_complete(&text, 3)
}

async fn zero_nodes(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["complete: no eligible nodes"])?;
    assert_complete(&text, 0)
}

/// Two hundred nodes change at the same time, each with one NodeDone event.
fn two_hundred_nodes_complete_once(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(40)).start()?.run(
        async |plane| {
            let scenario = async |scenario: &Scenario<'_>| {
                scenario.create_agent(&rolling(&json!({"maxUnavailable": "100%"}))).await?;
                let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
                scenario.patch_spec(&template_patch("two", &json!({}))).await?;
                assert_uninterrupted(&running.wait_for_exit(0).await?, 200, 0)
            };
            all_passed([run_scenario(plane, "many", 200, scenario)]).await
        },
    )
}

/// An outage of the API server during a rollout: the watch continues to the end, counts no node twice, and the outage
/// does not count towards the stall timeout.
fn api_server_outage_is_survived(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(40)).start()?;
    let running = plane.run(async |plane| {
        let scenario = Scenario { plane, name: "outage", nodes: 3 };
        scenario.set_up().await?;
        scenario.create_agent(&json!({})).await?;
        let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
        scenario.patch_spec(&template_patch("two", &json!({"ds.test/slow": "*"}))).await?;
        running.wait_for("\"NodeDone\"").await?;
        Ok(running)
    })?;
    plane.stop_api_server()?;
    plane.run(async |_| {
        wait_until("the outage is reported", async || {
            let stderr = running.stderr();
            if stderr.contains("connection lost") { Ok(()) } else { Err(stderr) }
        })
        .await
    })?;
    plane.start_api_server()?;
    let (text, stderr) = plane.run(async |_| running.wait_for_exit_with_stderr(0).await)?;
    ensure(stderr.matches("connection lost").count() == 1, || stderr.clone())?;
    assert_uninterrupted(&text, 3, 2)
}
