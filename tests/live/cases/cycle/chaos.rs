//! Cycles under random faults: connections cut, requests and answers lost, odd codes, the API server killed, nodes that
//! fall silent and come back, pods that others delete, the program killed. A watcher counts what was not allowed.
//!
//! `tests/bench/cycle-chaos.sh SEED N` runs N cycles from a seed.

use std::time::{Duration, Instant};

use fastrand::Rng;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Config, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::harness::fault_proxy::FaultProxy;
use crate::harness::invariant_watcher::{InvariantWatcher, Rules};
use super::{begin, update};
use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::{Scenario, letter, merge_patch};

/// How many cycles a run of all tests plays.
const ROUNDS: usize = 4;
const NODES: usize = 8;
/// A cycle that has not come to its end by then is ended.
const LONGEST: Duration = Duration::from_secs(60);

/// What happened.
#[derive(Default)]
struct Tally {
    cycles: usize,
    starts: usize,
    removed: usize,
    faults: u64,
    outages: usize,
    kills: usize,
    silences: usize,
    foreign: usize,
    violations: Vec<String>,
}

/// `DS_CHAOS=SEED:N` chooses the seed and how many cycles are played.
pub(crate) fn breaks_nothing(ctx: &Ctx) -> Result<(), Failed> {
    let wish = std::env::var("DS_CHAOS").unwrap_or_default();
    let (seed, rounds) = wish.split_once(':').unwrap_or(("1", ""));
    let seed: u64 = seed.parse().map_err(|_| failed("DS_CHAOS is SEED:N"))?;
    let rounds: usize =
        if rounds.is_empty() { ROUNDS } else { rounds.parse().map_err(|_| failed("DS_CHAOS is SEED:N"))? };
    let mut rng = Rng::with_seed(seed);
    let mut plane =
        ControlPlane::builder(&ctx.programs).audited().node_monitor_grace_period(Duration::from_secs(10)).start()?;
    let mut tally = Tally::default();
    let watcher = plane.run(async |plane| {
        let scenario = scenario(plane);
        scenario.set_up().await?;
        begin(&scenario, &json!({})).await?;
        let owner = Api::<DaemonSet>::namespaced(plane.client(), scenario.name).get("agent").await.map_err(failed)?;
        let rules = Rules { budget: 1, owner: owner.uid().unwrap_or_default(), current: None };
        InvariantWatcher::start(plane, scenario.name, rules).await
    })?;
    for round in 0..rounds {
        let begun = Instant::now();
        let before = watcher.violations().len();
        run_scenario(&mut plane, &mut rng, round, &watcher, &mut tally)?;
        let suspected = &watcher.violations()[before..];
        eprintln!("cycle {}: {:.0} s, suspected: {suspected:?}", round + 1, begun.elapsed().as_secs_f64());
        for violation in suspected {
            if is_of_the_program(&plane, violation)? {
                tally.violations.push(violation.clone());
            }
        }
    }
    tally.removed = watcher.removed().len();
    let Tally { cycles, starts, removed, faults, outages, kills, silences, foreign, violations } = &tally;
    eprintln!(
        "seed {seed}: {cycles} cycles, the program started {starts} times and removed {removed} pods; {faults} requests \
         astray, {outages} outages of the API server, {kills} kills, {silences} silent nodes, {foreign} pods deleted by \
         others; {} violations",
        violations.len()
    );
    ensure(violations.is_empty(), || format!("{violations:#?}"))?;
    // Where nothing is removed, nothing is shown.
    ensure(*removed >= rounds * NODES / 2, || format!("only {removed} pods were removed"))
}

/// Whether the program deleted the pod that a violation is about, by the API server's own log. The DaemonSet controller
/// deletes pods too, such as the younger of two on a node. Where the log names nobody, it was the program.
fn is_of_the_program(plane: &ControlPlane, violation: &str) -> Result<bool, Failed> {
    let name = violation.split(' ').find(|word| word.starts_with("agent-")).unwrap_or("no name");
    let log = std::fs::read_to_string(plane.audit_log())?;
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut deleters: Vec<String> = Vec::new();
    for entry in entries.filter(|entry| entry["objectRef"]["name"] == name && entry["verb"] == "delete") {
        let agent = entry["userAgent"].as_str().unwrap_or_default();
        eprintln!("  {} {} by {agent}: {}", entry["stageTimestamp"], entry["stage"], entry["responseStatus"]);
        if entry["responseStatus"]["code"] == 200 {
            deleters.push(agent.to_owned());
        }
    }
    Ok(deleters.is_empty() || deleters.iter().any(|agent| agent.starts_with("kubectl-ds/")))
}

fn scenario(plane: &ControlPlane) -> Scenario<'_> {
    Scenario { plane, name: "chaos", nodes: NODES }
}

/// One template, cycled to its end or to the end of the time, under faults.
fn run_scenario(plane: &mut ControlPlane, rng: &mut Rng, round: usize, watcher: &InvariantWatcher, tally: &mut Tally) -> Result<(), Failed> {
    let budget = *rng.choice(&[1, 1, 2, 3]).unwrap_or(&1);
    let behaviors =
        [json!({"ds.test/slow": "*"}), json!({"ds.test/slow": null}), json!({"ds.test/slow": "chaos-a,chaos-c"})];
    let behavior = rng.choice(&behaviors).cloned().unwrap_or_default();
    plane.run(async |plane| {
        // It may be away from the cycle before.
        wait_until("the API server answers", async || {
            plane.client().apiserver_version().await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await?;
        watcher.rule(|rules| rules.current = None);
        // A node may still be silent from the cycle before.
        for index in 0..NODES {
            silence(&scenario(plane), index, false).await?;
        }
        let current = update(&scenario(plane), &format!("image-{round}"), &behavior).await?;
        watcher.rule(|rules| (rules.budget, rules.current) = (budget, Some(current)));
        Ok(())
    })?;
    let config = plane.run(async |plane| {
        let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
        Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)
    })?;
    let proxy = FaultProxy::start(config, rng.u64(..))?;
    let kubeconfig = plane.dir().join("kubeconfig-of-the-chaos");
    proxy.write_kubeconfig(&kubeconfig)?;
    let deadline = Instant::now() + LONGEST;
    tally.cycles += 1;
    'starts: while Instant::now() < deadline {
        let budget = budget.to_string();
        let arguments = [
            "cycle",
            "agent",
            "-n",
            "chaos",
            "--yes",
            "--max-unavailable",
            &budget,
            "--node-timeout",
            "20s",
            "--max-failures",
            "2",
        ];
        let mut running = RunningProgram::start_with(plane, &kubeconfig, &arguments)?;
        tally.starts += 1;
        while Instant::now() < deadline {
            if running.has_ended()? {
                if running.text().contains("\nDone\n") || running.text().contains("No old pods") {
                    break 'starts;
                }
                break;
            }
            disturb(plane, rng, watcher, &running, tally)?;
            std::thread::sleep(Duration::from_millis(rng.u64(200..1500)));
        }
    }
    tally.faults += proxy.faults();
    Ok(())
}

fn disturb(
    plane: &mut ControlPlane,
    rng: &mut Rng,
    watcher: &InvariantWatcher,
    running: &RunningProgram,
    tally: &mut Tally,
) -> Result<(), Failed> {
    match rng.u8(..40) {
        0 => {
            tally.outages += 1;
            plane.stop_api_server()?;
            std::thread::sleep(Duration::from_millis(rng.u64(..1500)));
            plane.start_api_server()?;
        }
        1 => {
            tally.kills += 1;
            super::kill(running, "-KILL")?;
        }
        2..5 => {
            tally.silences += 1;
            let index = rng.usize(..NODES);
            plane.run(async |plane| silence(&scenario(plane), index, true).await)?;
        }
        5..12 => {
            let index = rng.usize(..NODES);
            plane.run(async |plane| silence(&scenario(plane), index, false).await)?;
        }
        12..15 => {
            let index = rng.usize(..NODES);
            let is_done = plane.run(async |plane| Ok(delete_another(&scenario(plane), index, watcher).await))?;
            tally.foreign += usize::from(is_done);
        }
        _ => {}
    }
    Ok(())
}

/// While the API server is away, nothing comes of it.
async fn silence(scenario: &Scenario<'_>, index: usize, is_silent: bool) -> Result<(), Failed> {
    let mut node = scenario.node(&letter(index));
    merge_patch(
        &mut node["metadata"]["labels"],
        &json!({"ds.test/silent": if is_silent { json!("") } else { Value::Null }}),
    );
    let _ = scenario.plane.merge(&node).await;
    Ok(())
}

/// Somebody else deletes the pod of a node.
async fn delete_another(scenario: &Scenario<'_>, index: usize, watcher: &InvariantWatcher) -> bool {
    let Ok(pods) = scenario.pods().await else { return false };
    let node = format!("chaos-{}", letter(index));
    let is_there = |pod: &&k8s_openapi::api::core::v1::Pod| {
        pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(&node))
    };
    let Some(pod) = pods.iter().find(is_there) else { return false };
    watcher.expect(&pod.uid().unwrap_or_default());
    scenario.plane.delete(&scenario.pod(&pod.name_any())).await.is_ok()
}
