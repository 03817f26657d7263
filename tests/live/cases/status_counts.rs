//! The counts of `kubectl ds coverage` against the DaemonSet controller's own, on random clusters. A third count, by
//! [`independent_counts`], shows whether the program or the controller differs when a test fails.
//!
//! `DS_SEEDS=100..110` (or `7`, or `1,5,9`) selects other seeds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::DaemonSet;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, message};
use crate::harness::control_plane::ControlPlane;
use crate::harness::independent_counts;
use crate::harness::quiescence::{COUNTS, Counts, counts_of, full_name, trigger_sync, wait_until_quiescent};
use crate::harness::random_cluster::RandomCluster;
use crate::harness::registry::{LiveTest, seed_command};

pub(crate) const TESTS: &[LiveTest] = live_tests![; per seed: equal_controller_status in 1..3];

/// The path of the test.
const PATH: &str = "status_counts::equal_controller_status";

/// How long a cluster may take to become quiescent.
pub(crate) const QUIESCENCE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the counts of a quiescent cluster may differ: the controller can be late.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(20);

/// A source of counts.
#[derive(Clone, Copy, Debug)]
enum Counter {
    /// `kubectl ds coverage`
    Program,
    /// [`independent_counts`]
    Independent,
}

impl Counter {
    async fn report(self, plane: &ControlPlane) -> Result<Value, Failed> {
        match self {
            Self::Program => json_of(&plane.ds(&["coverage", "-A", "-o", "json"])),
            Self::Independent => independent_counts::report(plane).await,
        }
    }
}

/// A new cluster, and the same cluster after each of two rounds of changes: all counts must equal `.status`.
fn equal_controller_status(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    let mut times = format!("{PATH}::seed_{seed}: control plane {:.1} s", plane.started().as_secs_f32());
    let outcome = plane.run(async |plane| {
        let mut started = Instant::now();
        let mut cluster = RandomCluster::create(plane, seed).await?;
        let mut totals = [0; 6];
        for round in 0..3 {
            if round > 0 {
                cluster.mutate(plane).await?;
            }
            wait_until_quiescent(plane, QUIESCENCE_TIMEOUT).await?;
            let quiescent = started.elapsed();
            let counts = compare(plane).await.map_err(|failure| {
                let changes = cluster.changes.iter().map(|change| format!("    {change}\n")).collect::<String>();
                let message = message(failure);
                failed(format!("after round {round} of changes: {message}\n  changes so far:\n{changes}"))
            })?;
            totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            let _ = write!(
                times,
                ", round {round}: quiescent {:.1} s, compared {:.1} s",
                quiescent.as_secs_f32(),
                (started.elapsed() - quiescent).as_secs_f32()
            );
            started = Instant::now();
        }
        check_variety(totals)
    });
    eprintln!("{times}");
    outcome.map_err(|failure| failed(format!("{}\n  to repeat: {}", message(failure), seed_command(PATH, seed))))
}

/// Compares the program's and the independent counts with `.status` until all are equal, or until the timeout. Returns
/// the sums of the counts.
async fn compare(plane: &ControlPlane) -> Result<Counts, Failed> {
    let deadline = Instant::now() + AGREEMENT_TIMEOUT;
    loop {
        let mut wrong = String::new();
        let mut sums = Counts::default();
        for counter in [Counter::Program, Counter::Independent] {
            let report = counter.report(plane).await?;
            let sets: Vec<DaemonSet> = plane.list().await?;
            if let Some(text) = differences(&report, &sets) {
                let _ = writeln!(wrong, "the counts of {counter:?} differ from .status:\n{text}");
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

/// Fails if a count never differed from the others: such a cluster proves nothing.
fn check_variety(totals: Counts) -> Result<(), Failed> {
    let [desired, current, ready, up_to_date, available, misscheduled] = totals;
    let ordered = desired >= current && current >= ready && ready > available && available > 0;
    ensure(ordered && current > up_to_date && up_to_date > 0 && misscheduled > 0, || {
        format!("no variety: the sums of {COUNTS:?} are {totals:?}")
    })
}

/// The DaemonSets whose counts differ, with both counts and the nodes that are not simply available or excluded.
fn differences(report: &Value, sets: &[DaemonSet]) -> Option<String> {
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
            let is_plain = matches!(text("state"), "Available" | "Excluded") && node["upToDate"] != false;
            if !is_plain {
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

/// The fields of the template that the controller's node rules read.
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
