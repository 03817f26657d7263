//! `kubectl ds why-not` against the DaemonSet controller and the scheduler, word for word, on random clusters: for
//! every node and every DaemonSet, whether a pod is made, and why the scheduler leaves it where it is.
//!
//! `DS_SEEDS=100..110` (or `7`, or `1,5,9`) takes other seeds than the usual.

mod compare;
mod daemon_sets;
mod message;
mod own_tests;
mod rest;
mod world;

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Event, Node};
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of};
use crate::harness::control_plane::ControlPlane;
use compare::Cluster;
pub(crate) use own_tests::{differences_are_seen, messages_are_understood};
use rest::Versions;

/// What is tried without DS_SEEDS.
pub(crate) const SEEDS: std::ops::Range<u64> = 1..3;

/// The test of one seed is this with `::seed_N` behind it.
pub(crate) const TEST: &str = "agreement::agrees_with_the_scheduler";

/// How many of the program run side by side.
const RUNS: usize = 2;

/// A plane for such a world. Nodes live as long as it: with hundreds of pods a busy machine may be late with a beat.
pub(crate) fn plane(programs: &std::path::Path) -> Result<ControlPlane, Failed> {
    ControlPlane::builder(programs).node_monitor_grace_period(Duration::from_secs(300)).start()
}

/// Makes the world of `seed` on it, and lets it come to rest. Answers how that went.
pub(crate) fn fill(plane: &mut ControlPlane, seed: u64) -> Result<String, Failed> {
    let begun = Instant::now();
    plane.run(async |plane| world::create(plane, seed).await)?;
    let made = begun.elapsed();
    plane.run(rest::settle)?;
    let first = begun.elapsed();
    plane.run(async |plane| world::crowd(plane, seed).await)?;
    plane.run(rest::settle)?;
    let second = begun.elapsed();
    let tries = rest::tried_afresh(plane)?;
    Ok(format!(
        "made in {:.1} s, at rest after {:.1} s, crowded and at rest after {:.1} s, tried afresh {tries} times after {:.1} s",
        made.as_secs_f32(),
        first.as_secs_f32(),
        second.as_secs_f32(),
        begun.elapsed().as_secs_f32()
    ))
}

/// One world: what the program says of every node and DaemonSet is what the controllers and the scheduler did.
pub(crate) fn agrees_with_the_scheduler(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let begun = Instant::now();
    let mut plane = plane(&ctx.programs)?;
    let times = fill(&mut plane, seed)?;
    let (cluster, preempted, versions) = plane.run(read)?;
    let mut seen = compare::Seen::default();
    cluster.count(&mut seen);
    eprintln!("{TEST}::seed_{seed}: {times}\n{seen}  pods that were preempted: {preempted}");

    let asking = Instant::now();
    let reports = reports(&plane, &cluster.nodes)?;
    let asked = asking.elapsed();
    for (node, report) in &reports {
        cluster.compare(node, report, &mut seen);
    }
    seen.preemption_agrees();
    let (_, _, afterwards) = plane.run(read)?;
    eprintln!(
        "{TEST}::seed_{seed}: {} pairs and {} unscheduled pods compared; {} runs in {:.1} s, all in {:.1} s\n{}",
        seen.pairs,
        seen.compared,
        reports.len(),
        asked.as_secs_f32(),
        begun.elapsed().as_secs_f32(),
        seen.verdicts()
    );
    ensure(versions == afterwards, || "the cluster did not rest while it was looked at".into())?;
    ensure(seen.disagreements.is_empty(), || {
        format!(
            "{} disagreements:\n{}\n  again: DS_SEEDS={seed} cargo test --test live -- --exact {TEST}::seed_{seed}",
            seen.disagreements.len(),
            seen.disagreements_in_short()
        )
    })?;
    ensure(preempted > 0, || "nothing was preempted in this world".into())?;
    seen.shows_enough()
}

/// The cluster as it is; how many pods were preempted; and the versions of all pods.
async fn read(plane: &ControlPlane) -> Result<(Cluster, usize, Versions), Failed> {
    let pods = rest::pods(plane).await.map_err(failed)?;
    let versions = rest::versions(&pods);
    let nodes: Vec<Node> = plane.list().await?;
    let sets: Vec<DaemonSet> = plane.list().await?;
    let events: Vec<Event> = plane.list().await?;
    let preempted = events.iter().filter(|event| event.reason.as_deref() == Some("Preempted")).count();
    Ok((Cluster::new(nodes.iter().map(ResourceExt::name_any).collect(), &sets, &pods), preempted, versions))
}

/// What the program says of every node.
fn reports(plane: &ControlPlane, nodes: &[String]) -> Result<BTreeMap<String, Value>, Failed> {
    let next = AtomicUsize::new(0);
    let outputs: Mutex<Vec<(String, std::io::Result<Output>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..RUNS {
            scope.spawn(|| {
                while let Some(node) = nodes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut command = plane.ds_command(plane.kubeconfig(), &["why-not", node, "-A", "-o", "json"]);
                    let output = command.output();
                    outputs.lock().expect("no run panics").push((node.clone(), output));
                }
            });
        }
    });
    let outputs = outputs.into_inner().expect("no run panics");
    outputs.into_iter().map(|(node, output)| Ok((node, json_of(&output?)?))).collect()
}
