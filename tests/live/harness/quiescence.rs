//! A cluster is quiescent when the DaemonSet controller has nothing left to do and no object changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::json;

use crate::harness::client::{failed, message, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::daemon_set_reference;
use crate::harness::plane_layout::SILENT;

/// How long nothing may change before the cluster counts as quiescent.
const STABLE_PERIOD: Duration = Duration::from_millis(700);

/// The same if the API server rejects pods: the controller tries again, with ever longer pauses.
const STABLE_PERIOD_WITHOUT_PODS: Duration = Duration::from_secs(8);

/// The state that must not change. It contains no heartbeats of nodes.
#[derive(PartialEq)]
struct ClusterState {
    daemon_sets: BTreeMap<String, DaemonSetState>,
    /// uid and resourceVersion.
    pods: BTreeSet<(Option<String>, Option<String>)>,
    /// The taints and the Ready condition.
    nodes: BTreeMap<String, String>,
}

#[derive(PartialEq)]
struct DaemonSetState {
    uid: Option<String>,
    generation: Option<i64>,
    observed_generation: Option<i64>,
    counts: Counts,
}

/// The six counts of a DaemonSet's status, in the order of [`COUNTS`].
pub(crate) type Counts = [i64; 6];

/// The names of [`Counts`] in a CoverageReport.
pub(crate) const COUNTS: [&str; 6] = ["desired", "current", "ready", "upToDate", "available", "misscheduled"];

/// The counts in `.status`.
pub(crate) fn counts_of(status: Option<&DaemonSetStatus>) -> Counts {
    let default = DaemonSetStatus::default();
    let status = status.unwrap_or(&default);
    [
        status.desired_number_scheduled.into(),
        status.current_number_scheduled.into(),
        status.number_ready.into(),
        status.updated_number_scheduled.unwrap_or_default().into(),
        status.number_available.unwrap_or_default().into(),
        status.number_misscheduled.into(),
    ]
}

/// `namespace/name`.
pub(crate) fn full_name(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Waits until the cluster is quiescent.
pub(crate) async fn wait_until_quiescent(plane: &ControlPlane, timeout: Duration) -> Result<(), Failed> {
    let deadline = Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(Instant::now());
    wait_until_within("nodes match their kubelets", left(), async || check_nodes(plane).await).await?;
    trigger_sync(plane).await?;
    let mut last: Option<(Instant, ClusterState)> = None;
    wait_until_within("the DaemonSet controller is idle", left(), async || {
        let backlog = plane.daemon_set_backlog().await?;
        let state = observe(plane).await.map_err(message)?;
        let mut reasons = state.unobserved();
        let missing = state.without_pods();
        let stable = if missing.is_empty() { STABLE_PERIOD } else { STABLE_PERIOD_WITHOUT_PODS };
        if backlog > 0 {
            reasons.push_str("its work queue is not empty; ");
        }
        match &last {
            Some((since, before)) if *before == state => {
                if reasons.is_empty() && since.elapsed() >= stable {
                    Ok(())
                } else {
                    Err(format!("{reasons}{missing}no change"))
                }
            }
            before => {
                if let Some((_, before)) = before {
                    reasons.push_str(&before.difference(&state));
                }
                last = Some((Instant::now(), state));
                Err(reasons)
            }
        }
    })
    .await
}

/// Makes the controller sync every DaemonSet once more.
///
/// When a node gets a taint, loses a label or is deleted, Kubernetes 1.36 syncs only the DaemonSets that must create or
/// delete a pod there, and does not update the counts of the others. A changed annotation of the DaemonSet itself
/// always triggers a sync, and does not change its generation.
pub(crate) async fn trigger_sync(plane: &ControlPlane) -> Result<(), Failed> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(failed)?.as_nanos().to_string();
    let sets: Vec<DaemonSet> = plane.list().await?;
    stream::iter(&sets)
        .map(async |set| {
            let mut change = daemon_set_reference(&set.namespace().unwrap_or_default(), &set.name_any());
            change["metadata"]["annotations"] = json!({"ds.test/sync": now});
            plane.merge(&change).await
        })
        .buffer_unordered(8)
        .try_collect()
        .await
}

async fn observe(plane: &ControlPlane) -> Result<ClusterState, Failed> {
    let nodes: Vec<Node> = plane.list().await?;
    let sets: Vec<DaemonSet> = plane.list().await?;
    // Metadata only: there are a thousand pods.
    let pods = Api::<Pod>::all(plane.client()).list_metadata(&ListParams::default()).await.map_err(failed)?;
    Ok(ClusterState {
        daemon_sets: sets
            .iter()
            .map(|set| {
                let status = set.status.as_ref();
                let state = DaemonSetState {
                    uid: set.uid(),
                    generation: set.metadata.generation,
                    observed_generation: status.and_then(|status| status.observed_generation),
                    counts: counts_of(status),
                };
                (full_name(set), state)
            })
            .collect(),
        pods: pods.items.iter().map(|pod| (pod.metadata.uid.clone(), pod.metadata.resource_version.clone())).collect(),
        nodes: nodes
            .iter()
            .map(|node| {
                let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
                let mut text = format!("{:?} ", ready(node));
                for taint in taints {
                    let _ = write!(text, "{}={:?}:{} ", taint.key, taint.value, taint.effect);
                }
                (node.name_any(), text)
            })
            .collect(),
    })
}

impl ClusterState {
    /// The DaemonSets that the controller has not observed yet.
    fn unobserved(&self) -> String {
        let mut text = String::new();
        for (name, set) in &self.daemon_sets {
            let (generation, observed) = (set.generation, set.observed_generation);
            if generation != observed {
                let _ = write!(text, "{name} is at generation {generation:?}, observed {observed:?}; ");
            }
        }
        text
    }

    /// The DaemonSets that have no pod on some nodes: not yet, or because the API server rejects it.
    fn without_pods(&self) -> String {
        let mut text = String::new();
        for (name, set) in &self.daemon_sets {
            let [desired, current, ..] = set.counts;
            if desired != current {
                let _ = write!(text, "{name} has pods on {current} of {desired} nodes; ");
            }
        }
        text
    }

    fn difference(&self, after: &Self) -> String {
        let mut text = String::new();
        for (name, value) in &after.daemon_sets {
            if self.daemon_sets.get(name) != Some(value) {
                let _ = write!(text, "the status of {name} changes; ");
            }
        }
        for (name, value) in &after.nodes {
            if self.nodes.get(name) != Some(value) {
                let _ = write!(text, "{name} changes; ");
            }
        }
        let changed = self.pods.symmetric_difference(&after.pods).count();
        if changed > 0 {
            let _ = write!(text, "{changed} pod versions change; ");
        }
        text
    }
}

/// The status of the condition Ready.
fn ready(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.status.as_str())
}

/// Silent nodes have the taints of unreachable nodes; all others are Ready without these taints.
async fn check_nodes(plane: &ControlPlane) -> Result<(), String> {
    let nodes: Vec<Node> = plane.list().await.map_err(message)?;
    for node in &nodes {
        let name = node.name_any();
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let has = |key: &str, effect: &str| {
            taints.iter().any(|taint| taint.key == format!("node.kubernetes.io/{key}") && taint.effect == effect)
        };
        let silent = node.labels().contains_key(SILENT);
        let expected = [
            ("not-ready", "NoSchedule", false),
            ("not-ready", "NoExecute", false),
            ("unreachable", "NoSchedule", silent),
            ("unreachable", "NoExecute", silent),
            ("unschedulable", "NoSchedule", node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)),
        ];
        if let Some((key, effect, _)) = expected.iter().find(|(key, effect, present)| has(key, effect) != *present) {
            return Err(format!("{name} (silent: {silent}, Ready: {:?}) and the taint {key}:{effect}", ready(node)));
        }
        let expected = if silent { "Unknown" } else { "True" };
        if ready(node) != Some(expected) {
            return Err(format!("{name} has Ready {:?} instead of {expected}", ready(node)));
        }
    }
    Ok(())
}
