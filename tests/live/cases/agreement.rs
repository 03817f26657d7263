//! `kubectl ds why-not` against the DaemonSet controller and the scheduler on random clusters: for every node and every
//! DaemonSet, whether a pod is created, and with which message the scheduler rejects the node.
//!
//! `DS_SEEDS=100..110` (or `7`, or `1,5,9`) selects other seeds.

mod comparison;
mod crowded_cluster;
mod daemon_sets;
mod fit_error;
mod scheduler_quiescence;
mod self_tests;

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
use crate::harness::registry::{LiveTest, seed_command};
use comparison::{Comparison, ObservedCluster};
use scheduler_quiescence::Versions;
use self_tests::{comparison_reports_every_difference, fit_error_is_parsed};

pub(crate) use crowded_cluster::NODES;
pub(crate) use daemon_sets::requests as random_requests;
pub(crate) use fit_error::FitError;
pub(crate) use scheduler_quiescence::{restart_until_stable, wait_until_settled};

pub(crate) const TESTS: &[LiveTest] = live_tests![
    comparison_reports_every_difference,
    fit_error_is_parsed;
    per seed: why_not_matches_the_scheduler in 1..3
];

/// The path of the test with seeds.
const PATH: &str = "agreement::why_not_matches_the_scheduler";

/// How many instances of the program run in parallel.
const PARALLEL_RUNS: usize = 2;

/// A control plane for such a cluster. No node becomes NotReady: with hundreds of pods, heartbeats can be late.
pub(crate) fn start_control_plane(programs: &std::path::Path) -> Result<ControlPlane, Failed> {
    ControlPlane::builder(programs).node_monitor_grace_period(Duration::from_secs(300)).start()
}

/// Creates the cluster of `seed`, and waits until it is quiescent. Returns how long each step took.
pub(crate) fn fill(plane: &mut ControlPlane, seed: u64) -> Result<String, Failed> {
    let started = Instant::now();
    plane.run(async |plane| crowded_cluster::create(plane, seed).await)?;
    let created = started.elapsed();
    plane.run(wait_until_settled)?;
    let settled = started.elapsed();
    plane.run(async |plane| crowded_cluster::crowd(plane, seed).await)?;
    plane.run(wait_until_settled)?;
    let crowded = started.elapsed();
    let attempts = restart_until_stable(plane)?;
    Ok(format!(
        "created in {:.1} s, quiescent after {:.1} s, crowded and quiescent after {:.1} s, stable after {attempts} \
         restarts of the scheduler and {:.1} s",
        created.as_secs_f32(),
        settled.as_secs_f32(),
        crowded.as_secs_f32(),
        started.elapsed().as_secs_f32()
    ))
}

/// One cluster: for every node and DaemonSet the program reports what the controller and the scheduler did.
fn why_not_matches_the_scheduler(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let started = Instant::now();
    let mut plane = start_control_plane(&ctx.programs)?;
    let times = fill(&mut plane, seed)?;
    let (cluster, preempted, versions) = plane.run(read)?;
    let mut comparison = Comparison::default();
    cluster.count(&mut comparison);
    eprintln!("{PATH}::seed_{seed}: {times}\n{comparison}  preempted pods: {preempted}");

    let reporting = Instant::now();
    let reports = reports(&plane, &cluster.nodes)?;
    let report_time = reporting.elapsed();
    for (node, report) in &reports {
        cluster.compare(node, report, &mut comparison);
    }
    comparison.check_preemption();
    let (_, _, versions_after) = plane.run(read)?;
    eprintln!(
        "{PATH}::seed_{seed}: {} pairs and {} unscheduled pods compared; {} runs in {:.1} s, total {:.1} s\n{}",
        comparison.pairs,
        comparison.messages,
        reports.len(),
        report_time.as_secs_f32(),
        started.elapsed().as_secs_f32(),
        comparison.preemption_table()
    );
    ensure(versions == versions_after, || "the cluster changed during the comparison".into())?;
    ensure(comparison.differences.is_empty(), || {
        format!(
            "{} differences:\n{}\n  to repeat: {}",
            comparison.differences.len(),
            comparison.differences_by_kind(),
            seed_command(PATH, seed)
        )
    })?;
    ensure(preempted > 0, || "this cluster has no preempted pod".into())?;
    comparison.check_variety()
}

/// The cluster, the number of preempted pods, and the versions of all pods.
async fn read(plane: &ControlPlane) -> Result<(ObservedCluster, usize, Versions), Failed> {
    let pods = scheduler_quiescence::pods(plane).await.map_err(failed)?;
    let versions = scheduler_quiescence::versions(&pods);
    let nodes: Vec<Node> = plane.list().await?;
    let sets: Vec<DaemonSet> = plane.list().await?;
    let events: Vec<Event> = plane.list().await?;
    let preempted = events.iter().filter(|event| event.reason.as_deref() == Some("Preempted")).count();
    let nodes = nodes.iter().map(ResourceExt::name_any).collect();
    Ok((ObservedCluster::new(nodes, &sets, &pods), preempted, versions))
}

/// The program's report on every node.
fn reports(plane: &ControlPlane, nodes: &[String]) -> Result<BTreeMap<String, Value>, Failed> {
    let next = AtomicUsize::new(0);
    let outputs: Mutex<Vec<(String, std::io::Result<Output>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_RUNS {
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
