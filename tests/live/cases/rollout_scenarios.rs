//! Rollouts of every kind, as a CI job would follow them: the watch begins at rest, in a pipe, and waits for a revision.

mod dead_nodes;
pub(crate) mod held;

use std::time::{Duration, Instant};

use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::event_schema::is_documented;
use crate::harness::scenario::{Scenario, assert_not_contains, all_passed, run_scenario, assert_contains, template};
use dead_nodes::{dead_before, dead_during, terminating_on_a_dead_node};
use held::{bad_image, crash_loop, never_ready, quota_exhausted_midway, surge_with_host_port};

/// All that fit beside each other: a namespace and nodes for each.
pub(crate) fn side_by_side(ctx: &Ctx) -> Result<(), Failed> {
    // However busy the machine is, no node is taken for a dead one.
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "bad-image", 3, bad_image),
            run_scenario(plane, "crash", 3, crash_loop),
            run_scenario(plane, "never-ready", 2, never_ready),
            run_scenario(plane, "surge-port", 3, surge_with_host_port),
            run_scenario(plane, "on-delete", 3, on_delete),
            run_scenario(plane, "deleted", 3, deleted_midway),
            run_scenario(plane, "quota", 4, quota_exhausted_midway),
            run_scenario(plane, "template", 3, new_template_midway),
            run_scenario(plane, "undo", 3, undo_midway),
            run_scenario(plane, "patience", 2, min_ready_seconds),
            run_scenario(plane, "plain", 3, plain),
            run_scenario(plane, "percent", 12, ten_percent),
            run_scenario(plane, "surge", 3, surge_one),
            run_scenario(plane, "surge-percent", 6, surge_twenty_percent),
            run_scenario(plane, "nodes", 3, nodes_come_and_go),
            run_scenario(plane, "zero", 0, zero_nodes),
        ];
        all_passed(all).await
    })
}

/// The same with nodes that fall silent.
pub(crate) fn on_dead_nodes(ctx: &Ctx) -> Result<(), Failed> {
    // Long enough for a busy machine, short enough to be waited for.
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(16)).start()?.run(async |plane| {
        all_passed([
            run_scenario(plane, "dead-before", 3, dead_before),
            run_scenario(plane, "dead-during", 3, dead_during),
            run_scenario(plane, "terminating", 2, terminating_on_a_dead_node),
        ])
        .await
    })
}

fn rolling(fields: &Value) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": fields}})
}

/// The last line is that of a complete rollout of so many nodes.
fn is_complete(text: &str, nodes: usize) -> Result<(), Failed> {
    let last = text.lines().last().unwrap_or_default();
    let numbers = format!("({nodes} of {nodes} updated, {nodes} available)");
    ensure(last.contains(" complete after ") && last.ends_with(&numbers), || text.to_owned())
}

pub(crate) fn events(text: &str) -> Result<Vec<Value>, Failed> {
    let event = |line: &str| -> Result<Value, Failed> {
        let event = serde_json::from_str(line).map_err(|error| failed(format!("{line}: {error}")))?;
        is_documented(&event)
            .map_err(|failure| failed(format!("{line}: {}", failure.message().unwrap_or_default())))?;
        Ok(event)
    };
    text.lines().map(event).collect()
}

/// How many nodes were done by the end, none of them twice: those that the newest template found done, and those that
/// became so.
fn done(events: &[Value], text: &str) -> Result<usize, Failed> {
    let newest = events.iter().rposition(|event| event["event"] == "NewRevision").unwrap_or_default();
    let known = events[newest]["done"].as_u64().and_then(|done| usize::try_from(done).ok()).unwrap_or_default();
    let became = events[newest..].iter().filter(|event| event["event"] == "NodeDone");
    let mut nodes: Vec<&str> = became.filter_map(|event| event["node"].as_str()).collect();
    nodes.sort_unstable();
    let told = nodes.len();
    nodes.dedup();
    ensure(told == nodes.len(), || format!("a node was done twice:\n{text}"))?;
    Ok(known + told)
}

/// A watch in JSON that saw the whole rollout, with at least so many nodes available at every moment.
fn is_whole(text: &str, nodes: usize, least_available: usize) -> Result<(), Failed> {
    let events = events(text)?;
    let done = done(&events, text)?;
    ensure(done == nodes, || format!("{done} done:\n{text}"))?;
    let available = |event: &Value| event["available"].as_u64().and_then(|number| usize::try_from(number).ok());
    let is_enough = |event: &Value| available(event).is_some_and(|available| available >= least_available);
    ensure(events.iter().all(is_enough), || format!("less than {least_available} available:\n{text}"))?;
    let never = ["HoldBegan", "NodeFailing", "NodeUndone"];
    ensure(!events.iter().any(|event| never.iter().any(|name| event["event"] == *name)), || text.to_owned())?;
    let last = events.last().cloned().unwrap_or_default();
    let is_end = last["event"] == "Ended" && last["outcome"] == "Complete" && last["updatedAvailable"] == nodes;
    ensure(is_end, || text.to_owned())
}

async fn on_delete(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({}))).await?;
    running
        .wait_for("waits for deletion: with OnDelete, a node gets the new pod when somebody deletes the old one")
        .await?;
    for (count, pod) in scenario.pods().await?.iter().enumerate() {
        scenario.plane.delete(&scenario.pod(&pod.name_any())).await?;
        running.wait_for(&format!(": done ({} of 3 updated, 3 available)", count + 1)).await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_not_contains(&text, &["stuck", "held", "trouble"])?;
    is_complete(&text, 3)
}

async fn deleted_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    running.wait_for("the template changed").await?;
    let beside = scenario.watch_rollout(&["-o", "json"]).await?;
    scenario.plane.delete(&scenario.agent()).await?;
    let text = beside.wait_for_exit(1).await?;
    let told = events(&text)?;
    ensure(told.iter().any(|event| event["event"] == "Deleted"), || text.clone())?;
    ensure(told.last().is_some_and(|event| event["outcome"] == "Deleted"), || text.clone())?;
    let text = running.wait_for_exit(1).await?;
    ensure(text.trim_end().ends_with("the DaemonSet was deleted"), || text.clone())?;
    assert_not_contains(&text, &["complete after"])
}

async fn new_template_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "3", "-o", "json"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    scenario.release_one().await?;
    running.wait_for("\"NodeDone\"").await?;
    scenario.patch_spec(&template("three", &json!({"ds.test/starting": null}))).await?;
    let text = running.wait_for_exit(0).await?;
    let events = events(&text)?;
    let news: Vec<usize> = (0..events.len()).filter(|index| events[*index]["event"] == "NewRevision").collect();
    ensure(news.len() == 2, || text.clone())?;
    let undone = |event: &Value| event["isUndo"] == false;
    ensure(news.iter().all(|index| undone(&events[*index])), || text.clone())?;
    ensure(events[news[1]]["from"] == events[news[0]]["to"], || text.clone())?;
    // Counted anew by the newest template.
    let done = done(&events, &text)?;
    ensure(done == 3, || format!("{done}\n{text}"))?;
    let last = &events[events.len() - 1];
    ensure(last["outcome"] == "Complete" && last["updatedAvailable"] == 3, || text.clone())
}

async fn undo_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "3"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/crash": "*"}))).await?;
    running.wait_for(", cannot finish by itself: the new pod crashes: ").await?;
    scenario.patch_spec(&template("one", &json!({"ds.test/crash": null}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["the template was set back: follows revision ", "no longer held: the new pod crashes"])?;
    is_complete(&text, 3)
}

async fn min_ready_seconds(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"minReadySeconds": 3})).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    let begun = Instant::now();
    scenario.patch_spec(&template("two", &json!({}))).await?;
    let text = running.wait_for_exit(0).await?;
    // Since when a pod is ready is told to the second, so that each may take up to one less.
    ensure(begun.elapsed() >= Duration::from_secs(4), || format!("{:?}\n{text}", begun.elapsed()))?;
    is_whole(&text, 2, 1)
}

async fn plain(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxUnavailable": 1}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/slow": "*"}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(text.lines().next().unwrap_or_default(), &["plain/agent: ", "3 of 3 updated, 3 available; complete"])?;
    ensure(text.matches("the template changed: follows revision ").count() == 1, || text.clone())?;
    for node in ["plain-a", "plain-b", "plain-c"] {
        ensure(text.matches(&format!(" {node}: done (")).count() == 1, || format!("{node}\n{text}"))?;
    }
    assert_not_contains(&text, &["stuck", "held", "trouble", "no longer"])?;
    is_complete(&text, 3)
}

async fn ten_percent(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxUnavailable": "10%"}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    scenario.patch_spec(&template("two", &json!({}))).await?;
    // 1.2 is rounded up.
    is_whole(&running.wait_for_exit(0).await?, 12, 10)
}

async fn surge_one(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    scenario.patch_spec(&template("two", &json!({}))).await?;
    // Of two pods on a node the older one counts, also while it goes and is not ready any more: as many nodes as surge
    // at once may be without it, and as many more whose old pods are on their way out.
    is_whole(&running.wait_for_exit(0).await?, 3, 1)
}

async fn surge_twenty_percent(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&rolling(&json!({"maxSurge": "20%", "maxUnavailable": 0}))).await?;
    let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
    scenario.patch_spec(&template("two", &json!({}))).await?;
    // 1.2 is rounded up; as with the other surge.
    is_whole(&running.wait_for_exit(0).await?, 6, 2)
}

async fn nodes_come_and_go(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    scenario.release_one().await?;
    running.wait_for(": done (").await?;
    let text = running.text();
    let first = ["a", "b", "c"].into_iter().find(|letter| text.contains(&format!(" nodes-{letter}: done")));
    let first = first.ok_or_else(|| failed("no node is done"))?;
    scenario.plane.create(&scenario.node("d")).await?;
    running.wait_for("nodes-d: a pod is wanted here now").await?;
    scenario.plane.delete(&scenario.node(first)).await?;
    running.wait_for(&format!("nodes-{first}: no pod is wanted here any more")).await?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["nodes-d: done"])?;
    is_complete(&text, 3)
}

async fn zero_nodes(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let running = scenario.watch_rollout(&["--revision", "2"]).await?;
    scenario.patch_spec(&template("two", &json!({}))).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["complete: no node wants it"])?;
    is_complete(&text, 0)
}

/// Two hundred nodes change at the same time, and each of them is told once.
pub(crate) fn two_hundred_nodes_at_once(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(40)).start()?.run(async |plane| {
        let scenario = async |scenario: &Scenario<'_>| {
            scenario.create_agent(&rolling(&json!({"maxUnavailable": "100%"}))).await?;
            let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
            scenario.patch_spec(&template("two", &json!({}))).await?;
            is_whole(&running.wait_for_exit(0).await?, 200, 0)
        };
        let wrong = run_scenario(plane, "many", 200, scenario).await.unwrap_or_default();
        ensure(wrong.is_empty(), || wrong)
    })
}

/// The API server goes away in the midst of a rollout and comes back: the watch goes on to the end, counts nothing
/// twice, and the time without it is not held against the rollout.
pub(crate) fn outlives_the_api_server(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(40)).start()?;
    let running = plane.run(async |plane| {
        let scenario = Scenario { plane, name: "outage", nodes: 3 };
        scenario.set_up().await?;
        scenario.create_agent(&json!({})).await?;
        let running = scenario.watch_rollout(&["--revision", "2", "-o", "json"]).await?;
        scenario.patch_spec(&template("two", &json!({"ds.test/slow": "*"}))).await?;
        running.wait_for("\"NodeDone\"").await?;
        Ok(running)
    })?;
    plane.stop_api_server()?;
    plane.run(async |_| {
        wait_until("the outage is said", async || {
            let said = running.said();
            if said.contains("the connection is lost") { Ok(()) } else { Err(said) }
        })
        .await
    })?;
    plane.start_api_server()?;
    let (text, said) = plane.run(async |_| running.wait_for_exit_with_stderr(0).await)?;
    ensure(said.matches("the connection is lost").count() == 1, || said.clone())?;
    is_whole(&text, 3, 2)
}
