//! Cycles under random faults: lost, rejected and truncated requests, outages of the API server, nodes whose kubelet
//! stops and recovers, pods that others delete, a program that is killed, a second one that is started, a rollback at a
//! random moment, and hooks that hang. An invariant watcher checks every removal. Every second cycle replaces the pods of
//! a rolling update that is paused at a random moment, see [`pauses`].
//!
//! `tests/bench/cycle-chaos.sh SEED N` runs N cycles from a seed.

mod pauses;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Config, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::{create_agent, node_of, update};
use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::invariant_watcher::{InvariantWatcher, Rules};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::{Kubelet, Scenario, letter};
use pauses::{PausedRollout, Round, set_strategy};

pub(crate) const TESTS: &[LiveTest] = live_tests![faults_break_no_invariant];

/// How many cycles run without `DS_CHAOS`.
const ROUNDS: usize = 4;
const NODES: usize = 8;
/// The other steps on each node. One command hangs on some nodes.
const HOOKS: &[&[&str]] = &[
    &[],
    &[],
    &["--cordon", "--before", "sleep 0.2"],
    &["--cordon", "--after", "sleep 0.2"],
    &["--before", "case $KUBECTL_DS_POD in *[b-g]) sleep 600;; esac"],
];
/// After this time an unfinished cycle is ended.
const CYCLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of events of each kind.
#[derive(Default)]
struct Tally {
    cycles: usize,
    starts: usize,
    removed: usize,
    faults: u64,
    outages: usize,
    kills: usize,
    /// Second runs at the same time.
    second_runs: usize,
    /// Rollbacks at the same time.
    rollbacks: usize,
    /// Whether there are rollbacks: after an early one, a cycle has nothing to replace, which is little in a few cycles.
    has_rollbacks: bool,
    /// Pauses of a rolling update that succeeded, repeated ones too.
    pauses: usize,
    resumes: usize,
    silent_nodes: usize,
    /// Pods that the test deleted.
    deletions: usize,
    violations: Vec<String>,
}

/// `DS_CHAOS=SEED:N` sets the seed and the number of cycles.
fn faults_break_no_invariant(ctx: &Ctx) -> Result<(), Failed> {
    let setting = std::env::var("DS_CHAOS").unwrap_or_default();
    let (seed, rounds) = setting.split_once(':').unwrap_or(("1", ""));
    let seed: u64 = seed.parse().map_err(|_| failed("DS_CHAOS must be SEED:N"))?;
    let rounds: usize =
        if rounds.is_empty() { ROUNDS } else { rounds.parse().map_err(|_| failed("DS_CHAOS must be SEED:N"))? };
    let mut rng = Rng::with_seed(seed);
    let mut plane =
        ControlPlane::builder(&ctx.programs).audited().node_monitor_grace_period(Duration::from_secs(10)).start()?;
    let mut tally = Tally { has_rollbacks: !setting.is_empty(), ..Tally::default() };
    let watcher = plane.run(async |plane| {
        let scenario = chaos_scenario(plane);
        scenario.set_up().await?;
        create_agent(&scenario, &json!({})).await?;
        let owner = Api::<DaemonSet>::namespaced(plane.client(), scenario.name).get("agent").await.map_err(failed)?;
        let rules = Rules { budget: 1, owner: owner.uid().unwrap_or_default(), current: None };
        InvariantWatcher::start(plane, scenario.name, rules).await
    })?;
    for round in 0..rounds {
        let started = Instant::now();
        let before = watcher.violations().len();
        run_cycle(&mut plane, &mut rng, round, &watcher, &mut tally)?;
        let suspected = &watcher.violations()[before..];
        eprintln!("cycle {}: {:.0} s, suspected: {suspected:?}", round + 1, started.elapsed().as_secs_f64());
        for violation in suspected {
            if was_deleted_by_program(&plane, violation)? {
                tally.violations.push(violation.clone());
            }
        }
    }
    let by_program: BTreeSet<String> =
        deletions(&plane)?.into_iter().filter(|one| one.is_by_program() && one.is_done()).map(|one| one.pod).collect();
    tally.removed = watcher.pods_removed().iter().filter(|pod| by_program.contains(*pod)).count();
    let Tally {
        cycles,
        starts,
        removed,
        faults,
        outages,
        kills,
        second_runs,
        rollbacks,
        has_rollbacks: _,
        pauses,
        resumes,
        silent_nodes,
        deletions,
        violations,
    } = &tally;
    eprintln!(
        "seed {seed}: {cycles} cycles, the program started {starts} times and removed {removed} pods; {faults} \
         requests with faults, {outages} outages of the API server, {kills} kills, {second_runs} second runs, \
         {rollbacks} rollbacks, {pauses} pauses, {resumes} resumes, {silent_nodes} silent nodes, {deletions} pods deleted by others; {} violations",
        violations.len()
    );
    ensure(violations.is_empty(), || format!("{violations:#?}"))?;
    // Without removals the test proves nothing. The controller removes many pods before a pause.
    ensure(*removed >= rounds * NODES / 8, || format!("only {removed} pods were removed"))
}

/// A request that deletes a pod, in the audit log of the API server.
#[derive(Debug)]
struct Deletion {
    pod: String,
    agent: String,
    stage: String,
    /// When the API server received it.
    received: Option<Timestamp>,
    is_dry_run: bool,
    status: Value,
}

impl Deletion {
    fn new(entry: &Value) -> Option<Self> {
        let target = &entry["objectRef"];
        let is_deletion = entry["verb"] == "delete" && target["resource"] == "pods" && target["namespace"] == "chaos";
        is_deletion.then(|| Self {
            pod: target["name"].as_str().unwrap_or_default().to_owned(),
            agent: entry["userAgent"].as_str().unwrap_or_default().to_owned(),
            stage: entry["stage"].as_str().unwrap_or_default().to_owned(),
            received: entry["requestReceivedTimestamp"].as_str().and_then(|at| at.parse().ok()),
            is_dry_run: entry["requestObject"]["dryRun"].is_array(),
            status: entry["responseStatus"].clone(),
        })
    }

    fn is_done(&self) -> bool {
        self.stage == "ResponseComplete" && self.status["code"] == 200 && !self.is_dry_run
    }

    fn is_by_program(&self) -> bool {
        self.agent.starts_with("kubectl-ds/")
    }

    fn is_by_controller(&self) -> bool {
        self.agent.contains("daemon-set-controller")
    }
}

/// All deletions of pods, by the audit log, which is written before the response.
fn deletions(plane: &ControlPlane) -> Result<Vec<Deletion>, Failed> {
    let log = std::fs::read_to_string(plane.audit_log())?;
    let entries = log.lines().filter(|line| line.contains("\"verb\":\"delete\""));
    let entries = entries.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(entries.filter_map(|entry| Deletion::new(&entry)).collect())
}

/// Whether the program deleted the pod of a violation, according to the audit log. The DaemonSet controller deletes
/// pods too, such as the newer of two on a node. If the log has no deletion, the violation counts.
fn was_deleted_by_program(plane: &ControlPlane, violation: &str) -> Result<bool, Failed> {
    let name = violation.split(' ').find(|word| word.starts_with("agent-")).unwrap_or_default();
    let all = deletions(plane)?.into_iter().filter(|one| one.pod == name);
    let done: Vec<Deletion> = all.inspect(|one| eprintln!("  {one:?}")).filter(Deletion::is_done).collect();
    Ok(done.is_empty() || done.iter().any(Deletion::is_by_program))
}

fn chaos_scenario(plane: &ControlPlane) -> Scenario<'_> {
    Scenario { plane, name: "chaos", nodes: NODES }
}

/// Runs `cycle` for a new template under faults, until it is done or until the timeout.
fn run_cycle(
    plane: &mut ControlPlane,
    rng: &mut Rng,
    round: usize,
    watcher: &InvariantWatcher,
    tally: &mut Tally,
) -> Result<(), Failed> {
    let budget = *rng.choice(&[1, 1, 2, 3]).unwrap_or(&1);
    let behaviors =
        [json!({"ds.test/slow": "*"}), json!({"ds.test/slow": null}), json!({"ds.test/slow": "chaos-a,chaos-c"})];
    let behavior = rng.choice(&behaviors).cloned().unwrap_or_default();
    let hooks = *rng.choice(HOOKS).unwrap_or(&HOOKS[0]);
    let is_rolling = round % 2 == 1;
    let mut paused = plane.run(async |plane| {
        // The previous cycle can have ended during an outage.
        wait_until("the API server responds", async || {
            plane.client().apiserver_version().await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await?;
        watcher.change_rules(|rules| (rules.budget, rules.current) = (budget, None));
        let paused = match is_rolling {
            true => Some(PausedRollout::begin(plane, budget).await?),
            false => {
                set_strategy(plane, &json!({"type": "OnDelete", "rollingUpdate": null})).await?;
                None
            }
        };
        // A node can still be silent from the previous cycle.
        for index in 0..NODES {
            set_kubelet(&chaos_scenario(plane), index, Kubelet::Reporting).await?;
        }
        let current = update(&chaos_scenario(plane), &format!("image-{round}"), &behavior).await?;
        watcher.change_rules(|rules| rules.current = Some(current));
        Ok(paused)
    })?;
    let config = plane.run(async |plane| {
        let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
        Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.map_err(failed)
    })?;
    let proxy = FaultProxy::start(config, rng.u64(..))?;
    let kubeconfig = plane.dir().join("kubeconfig-of-the-fault-proxy");
    proxy.write_kubeconfig(&kubeconfig)?;
    tally.cycles += 1;
    if let Some(paused) = &mut paused {
        paused.pause_midway(&mut Round { plane, rng, watcher, tally, kubeconfig: &kubeconfig })?;
    }
    let deadline = Instant::now() + CYCLE_TIMEOUT;
    'starts: while Instant::now() < deadline {
        if let Some(paused) = paused.as_mut().filter(|paused| !paused.is_paused()) {
            paused.pause(&mut Round { plane, rng, watcher, tally, kubeconfig: &kubeconfig })?;
        }
        let budget = budget.to_string();
        let common = ["cycle", "agent", "-n", "chaos", "--yes", "--max-unavailable", &budget];
        let limits = ["--node-timeout", "20s", "--max-failures", "2", "--hook-timeout", "2s"];
        let arguments = [&common[..], &limits, hooks].concat();
        let mut running = RunningProgram::start_with(plane, &kubeconfig, &arguments)?;
        tally.starts += 1;
        // Dropped, and so killed, with the first run.
        let mut second = None;
        while Instant::now() < deadline {
            if running.has_exited()? {
                let text = running.stdout();
                if text.contains("\nDone\n") {
                    // A node that is skipped, because it is down, is left to the next run. A second run may be at work now.
                    let is_judged = second.is_none() && !text.contains("skipped");
                    let left = if is_judged { left_cordoned(plane)? } else { Vec::new() };
                    tally.violations.extend(left.iter().map(|node| format!("{node} stays cordoned")));
                    break 'starts;
                }
                if text.contains("No outdated pods") {
                    break 'starts;
                }
                break;
            }
            match rng.u8(..40) {
                0 if second.is_none() => {
                    second = Some(RunningProgram::start_with(plane, &kubeconfig, &arguments)?);
                    tally.second_runs += 1;
                }
                1 if second.is_none() && tally.has_rollbacks => {
                    // The pods of either revision may be replaced from now on.
                    watcher.change_rules(|rules| rules.current = None);
                    let undo = ["rollout", "undo", "agent", "-n", "chaos", "--yes", "--max-unavailable", &budget];
                    let undo = [&undo[..], &limits, hooks].concat();
                    second = Some(RunningProgram::start_with(plane, &kubeconfig, &undo)?);
                    tally.rollbacks += 1;
                }
                2 => {
                    if let Some(paused) = paused.as_mut().filter(|paused| paused.is_paused()) {
                        paused.try_resume(&mut Round { plane, rng, watcher, tally, kubeconfig: &kubeconfig })?;
                    }
                }
                _ => {}
            }
            disturb(plane, rng, watcher, &running, tally)?;
            std::thread::sleep(Duration::from_millis(rng.u64(200..1500)));
        }
    }
    if let Some(paused) = paused {
        let violations = paused.finish(&mut Round { plane, rng, watcher, tally, kubeconfig: &kubeconfig })?;
        tally.violations.extend(violations);
    }
    tally.faults += proxy.faults();
    Ok(())
}

/// The nodes that are cordoned by the program; none during an outage of the API server.
fn left_cordoned(plane: &mut ControlPlane) -> Result<Vec<String>, Failed> {
    plane.run(async |plane| {
        let nodes: Api<Node> = Api::all(plane.client());
        let labels = ListParams::default().labels("kubectl-ds/cordoned-for");
        let nodes = nodes.list(&labels).await.map(|nodes| nodes.items).unwrap_or_default();
        Ok(nodes.iter().map(ResourceExt::name_any).collect())
    })
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
            running.signal("-KILL")?;
        }
        2..5 => {
            tally.silent_nodes += 1;
            let index = rng.usize(..NODES);
            plane.run(async |plane| set_kubelet(&chaos_scenario(plane), index, Kubelet::Silent).await)?;
        }
        5..12 => {
            let index = rng.usize(..NODES);
            plane.run(async |plane| set_kubelet(&chaos_scenario(plane), index, Kubelet::Reporting).await)?;
        }
        12..15 => {
            let index = rng.usize(..NODES);
            let is_deleted = plane.run(async |plane| Ok(delete_pod(&chaos_scenario(plane), index, watcher).await))?;
            tally.deletions += usize::from(is_deleted);
        }
        _ => {}
    }
    Ok(())
}

/// Sets what a kubelet does; has no effect during an outage of the API server.
async fn set_kubelet(scenario: &Scenario<'_>, index: usize, kubelet: Kubelet) -> Result<(), Failed> {
    let mut node = scenario.node(&letter(index));
    node["metadata"]["labels"] = kubelet.label();
    let _ = scenario.plane.merge(&node).await;
    Ok(())
}

/// Deletes the pod of a node; false if there is none.
async fn delete_pod(scenario: &Scenario<'_>, index: usize, watcher: &InvariantWatcher) -> bool {
    let Ok(pods) = scenario.pods().await else { return false };
    let node = scenario.node_name(&letter(index));
    let Some(pod) = pods.iter().find(|pod| node_of(pod) == Some(&node)) else { return false };
    watcher.expect_deletion(&pod.uid().unwrap_or_default());
    scenario.plane.delete(&scenario.pod(&pod.name_any())).await.is_ok()
}
