//! `kubectl ds plan` against what the controllers and the scheduler then do: a crowded cluster from a seed, a random
//! change of DaemonSets or nodes, its plan, and then the same change for real. For every pair of a node and a DaemonSet,
//! the predicted action is compared with what happened to the pods, and the predicted place with what the scheduler did.
//!
//! `DS_SEEDS=100..110` (or `7`, or `1,5,9`) selects the seeds; there is none by default.

mod changes;
mod comparison;

use std::collections::BTreeMap;
use std::time::Instant;

use fastrand::Rng;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::Value;

use super::agreement;
use crate::Ctx;
use crate::harness::client::{document, ensure, failed};
use crate::harness::control_plane::ControlPlane;
use crate::harness::registry::{LiveTest, seed_command};
use changes::PlannedChange;
use comparison::{Comparison, Observed};

// Only with `DS_SEEDS`: on a busy machine, a cluster takes too long to settle.
pub(crate) const TESTS: &[LiveTest] = live_tests![; per seed: plan_is_what_happens in 0..0];

/// The path of the test.
const PATH: &str = "plan_agreement::plan_is_what_happens";
/// How many changes a cluster gets, one after the other.
const CHANGES: usize = 4;
/// How often a change is planned until the cluster is at rest meanwhile.
const TRIES: usize = 5;
/// Of all pairs, at most this share may depend on an assumption.
const MOST_ASSUMED: f64 = 0.02;

fn plan_is_what_happens(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let started = Instant::now();
    let mut plane = agreement::start_control_plane(&ctx.programs)?;
    let times = agreement::fill(&mut plane, seed)?;
    eprintln!("{PATH}::seed_{seed}: {times}");
    let mut rng = Rng::with_seed(seed ^ 0x91a_0001);
    let mut comparison = Comparison::default();
    for number in 0..CHANGES {
        let change = plane.run(async |plane| changes::random(&mut rng, plane, number).await)?;
        let (before, report) = planned_at_rest(&mut plane, &change)?;
        change.make(&plane, ctx)?;
        plane.run(agreement::wait_until_settled)?;
        // Pods that wait with a backoff have been tried on the present state.
        agreement::restart_until_stable(&mut plane)?;
        let after = plane.run(observe)?;
        let found = comparison.differences.len();
        comparison.compare(&report, &before, &after, &change.description);
        let differences = &comparison.differences[found..];
        eprintln!(
            "{PATH}::seed_{seed}: change {number} ({}): {} differences; {comparison}\n{}",
            change.description,
            differences.len(),
            differences.join("\n")
        );
    }
    eprintln!("{PATH}::seed_{seed}: {:.0} s", started.elapsed().as_secs_f32());
    ensure(comparison.differences.is_empty(), || {
        format!("{} differences, see above\n  to repeat: {}", comparison.differences.len(), seed_command(PATH, seed))
    })?;
    ensure(comparison.assumed_share() < MOST_ASSUMED, || format!("too much is assumed: {comparison}"))?;
    comparison.check_variety()
}

/// The pods and the plan of the change, with no change of the pods in between: the scheduler may try one again.
fn planned_at_rest(plane: &mut ControlPlane, change: &PlannedChange) -> Result<(Observed, Value), Failed> {
    for _ in 0..TRIES {
        let before = plane.run(observe)?;
        let report = report(plane, change)?;
        if before.pods == plane.run(observe)?.pods {
            return Ok((before, report));
        }
    }
    Err("the cluster is never at rest".into())
}

/// Runs the plan: its exit code is 0 or 1.
fn report(plane: &ControlPlane, change: &PlannedChange) -> Result<Value, Failed> {
    let arguments: Vec<&str> = change.arguments.iter().map(String::as_str).collect();
    let output = plane.ds(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    ensure(matches!(code, Some(0 | 1)), || format!("{arguments:?}: exit code {code:?}: {stderr}"))?;
    document(&String::from_utf8_lossy(&output.stdout))
        .map_err(|error| failed(format!("{arguments:?}: {}; {stderr}", error.message().unwrap_or_default())))
}

async fn observe(plane: &ControlPlane) -> Result<Observed, Failed> {
    let sets: Vec<DaemonSet> = plane.list().await?;
    let pods: Vec<Pod> = plane.list().await?;
    let nodes: Vec<Node> = plane.list().await?;
    let owners: BTreeMap<String, String> = sets
        .iter()
        .map(|set| {
            (set.uid().unwrap_or_default(), format!("{}/{}", set.namespace().unwrap_or_default(), set.name_any()))
        })
        .collect();
    Ok(Observed::new(nodes.iter().map(ResourceExt::name_any).collect(), sets, &owners, pods))
}
