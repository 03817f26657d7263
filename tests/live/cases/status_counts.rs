//! The counts of `kubectl ds coverage` against the DaemonSet controller's own, on random clusters. The [`oracle`]
//! counts too: when a test fails, it tells on which side the mistake is.
//!
//! `DS_SEEDS=100..110` (or `7`, or `1,5,9`) takes other seeds than the usual.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::DaemonSet;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of};
use crate::harness::independent_counts;
use crate::harness::control_plane::ControlPlane;
use crate::harness::quiescence::{COUNTS, Counts, counts_of, full_name, trigger_sync, rest};
use crate::harness::random_cluster::World;

/// What is tried without DS_SEEDS.
pub(crate) const SEEDS: std::ops::Range<u64> = 1..5;

/// How long a cluster may take to come to rest.
pub(crate) const REST: Duration = Duration::from_secs(120);

/// How long the counts may take to agree at rest: the controller may be late, never wrong.
const AGREE: Duration = Duration::from_secs(20);

/// The seeds to try, unless DS_SEEDS names others: a number, a list or a range without its end.
pub(crate) fn seeds(usual: std::ops::Range<u64>) -> Vec<u64> {
    let Ok(text) = std::env::var("DS_SEEDS") else {
        return usual.collect();
    };
    let number = |text: &str| text.trim().parse::<u64>().expect("DS_SEEDS is like 7, 1,5,9 or 100..110");
    match text.split_once("..") {
        Some((first, end)) => (number(first)..number(end)).collect(),
        None => text.split(',').map(number).collect(),
    }
}

/// The test of one seed is this with `::seed_N` behind it.
pub(crate) const TEST: &str = "counts_equal_status";

/// Who counts.
#[derive(Clone, Copy, Debug)]
enum Counter {
    /// `kubectl ds coverage`
    Program,
    /// [`oracle`]
    Oracle,
}

impl Counter {
    async fn report(self, plane: &ControlPlane) -> Result<Value, Failed> {
        match self {
            Self::Program => json_of(&plane.ds(&["coverage", "-A", "-o", "json"])),
            Self::Oracle => oracle::report(plane).await,
        }
    }
}

/// A fresh world, and the same world changed twice: each time all counts must be those of the API.
pub(crate) fn equal_status(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    let mut times = format!("{TEST}::seed_{seed}: plane {:.1} s", plane.started().as_secs_f32());
    let outcome = plane.run(async |plane| {
        let mut begun = Instant::now();
        let mut world = World::create(plane, seed).await?;
        let mut seen = [0; 6];
        for round in 0..3 {
            if round > 0 {
                world.mutate(plane).await?;
            }
            rest(plane, REST).await?;
            let resting = begun.elapsed();
            let counts = agree(plane).await.map_err(|failure| {
                let changes = world.changes.iter().map(|change| format!("    {change}\n")).collect::<String>();
                let message = failure.message().unwrap_or_default();
                failed(format!("after round {round} of changes: {message}\n  changes so far:\n{changes}"))
            })?;
            seen.iter_mut().zip(counts).for_each(|(seen, count)| *seen += count);
            let _ = write!(
                times,
                ", round {round}: rest {:.1} s, agree {:.1} s",
                resting.as_secs_f32(),
                (begun.elapsed() - resting).as_secs_f32()
            );
            begun = Instant::now();
        }
        plausible(seen)
    });
    eprintln!("{times}");
    outcome.map_err(|failure| {
        let message = failure.message().unwrap_or_default();
        failed(format!("{message}\n  again: DS_SEEDS={seed} cargo test --test live -- --exact {TEST}::seed_{seed}"))
    })
}

/// Compares the program, and the second opinion, with the API until all are equal, or the time is up. Gives the sums
/// of the counts.
async fn agree(plane: &ControlPlane) -> Result<Counts, Failed> {
    let deadline = Instant::now() + AGREE;
    loop {
        let mut wrong = String::new();
        let mut sums = Counts::default();
        for counter in [Counter::Program, Counter::Oracle] {
            let report = counter.report(plane).await?;
            let sets: Vec<DaemonSet> = plane.list().await?;
            if let Some(text) = differences(&report, &sets) {
                let _ = writeln!(wrong, "what the {counter:?} counted is not .status:\n{text}");
            }
            sums = Counts::default();
            for set in &sets {
                sums.iter_mut().zip(counts_of(set.status.as_ref())).for_each(|(sum, count)| *sum += count);
            }
        }
        if wrong.is_empty() {
            return Ok(sums);
        }
        if Instant::now() > deadline {
            return Err(failed(wrong));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        trigger_sync(plane).await?;
    }
}

/// A world in which nothing runs, or all is well, would prove nothing.
fn plausible(seen: Counts) -> Result<(), Failed> {
    let [desired, current, ready, up_to_date, available, misscheduled] = seen;
    let ordered = desired >= current && current >= ready && ready > available && available > 0;
    ensure(ordered && current > up_to_date && up_to_date > 0 && misscheduled > 0, || {
        format!("this world shows too little: {COUNTS:?} were {seen:?} in all rounds together")
    })
}

/// The DaemonSets whose counts differ, with both sides and the nodes in question.
pub(crate) fn differences(report: &Value, sets: &[DaemonSet]) -> Option<String> {
    let mut computed: BTreeMap<String, &Value> = BTreeMap::new();
    for set in report["daemonSets"].as_array().into_iter().flatten() {
        let text = |key: &str| set[key].as_str().unwrap_or_default();
        computed.insert(format!("{}/{}", text("namespace"), text("name")), set);
    }
    let mut message = String::new();
    if report["kind"] != "CoverageReport" || report["apiVersion"] != "kubectl-ds/v1" {
        let _ = writeln!(message, "not a CoverageReport: {} {}", report["apiVersion"], report["kind"]);
    }
    for set in sets {
        let name = full_name(set);
        let status = counts_of(set.status.as_ref());
        let Some(own) = computed.remove(&name) else {
            let _ = writeln!(message, "{name} is not in the report");
            continue;
        };
        let counts: Counts = COUNTS.map(|key| own[key].as_i64().unwrap_or(-1));
        let unavailable = own["unavailable"].as_i64();
        if counts == status && unavailable == Some(counts[0] - counts[4]) {
            continue;
        }
        let _ = writeln!(message, "{name}:\n    {:>12} computed .status", "");
        for (index, key) in COUNTS.iter().enumerate() {
            let mark = if counts[index] == status[index] { "" } else { "  <--" };
            let _ = writeln!(message, "    {key:>12} {:>8} {:>7}{mark}", counts[index], status[index]);
        }
        let _ = writeln!(message, "    unavailable {unavailable:?}\n    template: {}", template_of(set));
        for node in own["nodes"].as_array().into_iter().flatten() {
            let text = |key: &str| node[key].as_str().unwrap_or("-");
            let dull = matches!(text("state"), "Available" | "Excluded") && node["upToDate"] != false;
            if !dull {
                let _ =
                    writeln!(message, "    {} {} {} {}", text("node"), text("placement"), text("state"), text("pod"));
            }
        }
    }
    for name in computed.keys() {
        let _ = writeln!(message, "{name} is in the report and not in the cluster");
    }
    (!message.is_empty()).then_some(message)
}

/// What decides on nodes.
fn template_of(set: &DaemonSet) -> String {
    let spec = &set.spec;
    let mut pod = serde_json::to_value(&spec.template.spec).unwrap_or_default();
    if let Some(map) = pod.as_object_mut() {
        map.retain(|key, _| {
            matches!(key.as_str(), "nodeName" | "nodeSelector" | "affinity" | "tolerations" | "hostNetwork")
        });
    }
    format!(
        "{pod} minReadySeconds {:?} {:?}",
        spec.min_ready_seconds,
        spec.template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref())
    )
}
