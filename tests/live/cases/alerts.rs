//! `kubectl ds alerts` against the rule engine of Prometheus, on ten random scenarios of one control plane.
//!
//! While the scenarios change their nodes, pods and DaemonSets, the cluster is saved about every two seconds. Each save
//! is one sample: the `.status` of each DaemonSet, as kube-state-metrics exports it, goes to Prometheus, and the program
//! reads the same objects. The time axis is stretched by [`STRETCH`] on both sides: a sample that was taken a second after
//! another one is [`STRETCH`] seconds later for Prometheus, and for the program every age in the saved file is multiplied
//! by it. `tests/alert-rules` evaluates the rules of kubernetes-mixin after each sample with Prometheus' own engine,
//! including `changes(…[5m])` and `for`.
//!
//! Compared at each sample, for each DaemonSet and alert:
//! - `NotScheduled` and `MisScheduled` are active (pending or firing) for both or for neither.
//! - What is active for Prometheus is active for the program. `RolloutStuck` is active for the program only, only while
//!   the number of updated pods changed in the last five minutes: one snapshot does not show that.
//! - What fires for the program is pending for Prometheus, and fires there within [`SLACK`] samples: times in objects
//!   have seconds, which the stretching makes half a minute, and Prometheus knows a change only after the next sample.
//!
//! Compared in the end, when each `.status` has been stable for long enough or has changed just before: the sets of
//! firing alerts are equal. The states of the alerts of the mixin must all have occurred.
//!
//! The program is `alert-rules`, from `tests/alert-rules/build.sh` or the directory in `DS_ALERT_RULES`. `DS_SEEDS`
//! selects other scenarios. It takes about two minutes.

mod comparison;
mod samples;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures::future::join_all;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use self::comparison::compare;
use self::samples::Samples;
use crate::Ctx;
use crate::harness::client::{ensure, failed, message};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::resource_quota;
use crate::harness::registry::{LiveTest, seed_command};
use crate::harness::scenario::{Kubelet, Scenario, letter, template_patch};

pub(crate) const TESTS: &[LiveTest] = live_tests![; per seed: equal_prometheus in 1..2];

/// The path of the test.
const PATH: &str = "alerts::equal_prometheus";
/// How many seconds each real second is.
const STRETCH: i64 = 30;
/// How many samples later Prometheus may fire.
const SLACK: usize = 2;
/// How long `.status` does not change in the end: more than 15 minutes and 5 minutes without a change, and the slack.
const STABLE: Duration = Duration::from_secs(48);
/// How long until then, at most.
const DEADLINE: Duration = Duration::from_secs(180);
/// The time between samples.
const TICK: Duration = Duration::from_secs(2);

const NAMES: [&str; 10] = ["al-0", "al-1", "al-2", "al-3", "al-4", "al-5", "al-6", "al-7", "al-8", "al-9"];

fn equal_prometheus(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let evaluator = program().map_err(failed)?;
    let outcome =
        ControlPlane::builder(&ctx.programs).start()?.run(async |plane| run(ctx, plane, seed, &evaluator).await);
    outcome.map_err(|failure| failed(format!("{}\n  to repeat: {}", message(failure), seed_command(PATH, seed))))
}

fn program() -> Result<PathBuf, String> {
    let folder = std::env::var_os("DS_ALERT_RULES").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/alert-rules"));
    let program = folder.join("alert-rules");
    match program.is_file() {
        true => Ok(program),
        false => Err(format!("alert-rules is not in {}: run tests/alert-rules/build.sh", folder.display())),
    }
}

async fn run(ctx: &Ctx, plane: &ControlPlane, seed: u64, evaluator: &Path) -> Result<(), Failed> {
    let mut rng = Rng::with_seed(seed);
    let scenarios: Vec<Scenario<'_>> =
        NAMES.iter().map(|name| Scenario { plane, name, nodes: rng.usize(2..5) }).collect();
    let set_up = join_all(scenarios.iter().map(async |one| {
        one.set_up().await?;
        one.create_agent(&json!({})).await
    }));
    set_up.await.into_iter().collect::<Result<Vec<()>, Failed>>()?;
    let mut samples = Samples::new();
    samples.take(ctx, plane)?;
    // The first eight change early, several of them twice; the others shortly before the end.
    let (early, late) = scenarios.split_at(8);
    for round in 0..2 {
        let mut changes = Vec::new();
        for (index, one) in early.iter().enumerate().filter(|(index, _)| round == 0 || index % 2 == 0) {
            // Each kind occurs, whatever the seed.
            changes.push((one, if round == 0 { index } else { rng.usize(0..KINDS) }, rng.fork()));
        }
        sampled(ctx, plane, &mut samples, changes).await?;
        sample_for(ctx, plane, &mut samples, Duration::from_secs(rng.u64(4..12))).await?;
    }
    let begun = Instant::now();
    while samples.unstable_for(STABLE)? {
        ensure(begun.elapsed() < DEADLINE, || "a .status does not become stable".to_owned())?;
        samples.take(ctx, plane)?;
        tokio::time::sleep(TICK).await;
    }
    let last = late.iter().zip([NO_POD, TAINT]).map(|(one, kind)| (one, kind, rng.fork())).collect();
    sampled(ctx, plane, &mut samples, last).await?;
    sample_for(ctx, plane, &mut samples, Duration::from_secs(5)).await?;
    compare(&samples, evaluator)
}

/// Samples for this time.
async fn sample_for(ctx: &Ctx, plane: &ControlPlane, samples: &mut Samples, time: Duration) -> Result<(), Failed> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        samples.take(ctx, plane)?;
        tokio::time::sleep(TICK).await;
    }
    Ok(())
}

/// Makes the changes, and samples meanwhile.
async fn sampled(
    ctx: &Ctx,
    plane: &ControlPlane,
    samples: &mut Samples,
    changes: Vec<(&Scenario<'_>, usize, Rng)>,
) -> Result<(), Failed> {
    let mut all =
        std::pin::pin!(join_all(changes.into_iter().map(async |(one, kind, rng)| change(one, kind, rng).await)));
    loop {
        tokio::select! {
            done = &mut all => return done.into_iter().collect::<Result<Vec<()>, Failed>>().map(drop),
            () = tokio::time::sleep(TICK) => samples.take(ctx, plane)?,
        }
    }
}

/// The number of kinds of changes.
const KINDS: usize = 8;
/// The change after which no pod can be created.
const NO_POD: usize = 2;
/// The change after which a pod is misscheduled.
const TAINT: usize = 3;

/// Changes one scenario.
async fn change(one: &Scenario<'_>, kind: usize, mut rng: Rng) -> Result<(), Failed> {
    let node = letter(rng.usize(0..one.nodes));
    let template = |image: &str, behavior: Value| template_patch(image, &behavior);
    match kind {
        // A pod that is never ready, in a rollout that does not end.
        0 => one.patch_spec(&template("two", json!({"ds.test/never-ready": "*"}))).await,
        // Outdated pods wait for their deletion.
        1 => {
            let mut spec = template("three", json!({}));
            spec["updateStrategy"] = json!({"type": "OnDelete", "rollingUpdate": null});
            one.patch_spec(&spec).await
        }
        // No pod can be created.
        NO_POD => {
            let quota = resource_quota(one.name, "none", &json!({"pods": "0"}));
            one.plane.create(&quota).await.or_else(exists)?;
            delete_pod(one, &mut rng).await
        }
        // A pod stays on a tainted node; the DaemonSet is changed so that the controller counts it.
        TAINT => {
            taint(one, &node).await?;
            let mut agent = one.agent();
            agent["metadata"]["annotations"] = json!({"ds.test/counted": node});
            one.plane.merge(&agent).await
        }
        // A node dies.
        4 => one.set_kubelet(&node, Kubelet::Silent).await,
        // A rollout that completes.
        5 => one.patch_spec(&template("four", json!({}))).await,
        // A pod is recreated.
        6 => delete_pod(one, &mut rng).await,
        // A rollout whose pods crash.
        _ => one.patch_spec(&template("five", json!({"ds.test/crash": "*"}))).await,
    }
}

async fn delete_pod(one: &Scenario<'_>, rng: &mut Rng) -> Result<(), Failed> {
    use kube::ResourceExt;
    let pods = one.pods().await?;
    match rng.choice(&pods) {
        Some(pod) => one.plane.delete(&one.pod(&pod.name_any())).await,
        None => Ok(()),
    }
}

async fn taint(one: &Scenario<'_>, node: &str) -> Result<(), Failed> {
    let taints = json!([{"key": "ds.test/later", "effect": "NoSchedule"}]);
    one.plane.update(&one.node(node), |node| node["spec"]["taints"] = taints.clone()).await
}

/// An object that a change of before created is no failure.
fn exists(failure: Failed) -> Result<(), Failed> {
    let text = message(failure);
    if text.contains("already exists") { Ok(()) } else { Err(failed(text)) }
}
