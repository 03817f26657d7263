//! When a cluster rests: nothing is left to do for the DaemonSet controller, and nothing changes any more.

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

use crate::client::{failed, wait_until_within};
use crate::layout::SILENT;
use crate::plane::Plane;

/// For so long nothing may have changed.
const STILL: Duration = Duration::from_millis(700);

/// What is compared between two looks at the cluster. Beats of nodes' hearts do not count.
#[derive(PartialEq)]
struct Look {
    daemon_sets: BTreeMap<String, Observed>,
    /// uid and resourceVersion, without the pods on nodes that are gone: they count nowhere, and the pod garbage
    /// collector comes for them after a minute.
    pods: BTreeSet<(Option<String>, Option<String>)>,
    /// The taints and the Ready condition.
    nodes: BTreeMap<String, String>,
}

/// What is looked at in a DaemonSet.
#[derive(PartialEq)]
struct Observed {
    uid: Option<String>,
    generation: Option<i64>,
    observed_generation: Option<i64>,
    counts: Counts,
}

/// The six numbers of a DaemonSet's status, in this order: desired, current, ready, up to date, available, misscheduled.
pub(crate) type Counts = [i64; 6];

/// The names of [`Counts`] in a CoverageReport.
pub(crate) const COUNTS: [&str; 6] = ["desired", "current", "ready", "upToDate", "available", "misscheduled"];

/// The counts that the API holds.
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

/// Waits until the cluster rests.
pub(crate) async fn rest(plane: &Plane, limit: Duration) -> Result<(), Failed> {
    let deadline = Instant::now() + limit;
    let left = || deadline.saturating_duration_since(Instant::now());
    wait_until_within("the nodes are as their kubelets want them", left(), async || nodes_settled(plane).await).await?;
    poke(plane).await?;
    let mut last: Option<(Instant, Look)> = None;
    wait_until_within("the DaemonSet controller rests", left(), async || {
        let work = plane.daemon_set_work().await?;
        let look = look(plane).await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let mut why = look.unfinished();
        if work > 0 {
            why.push_str("its queue is not empty; ");
        }
        match &last {
            Some((since, before)) if *before == look => {
                if why.is_empty() && since.elapsed() >= STILL {
                    Ok(())
                } else {
                    Err(format!("{why}still so"))
                }
            }
            before => {
                if let Some((_, before)) = before {
                    why.push_str(&before.difference(&look));
                }
                last = Some((Instant::now(), look));
                Err(why)
            }
        }
    })
    .await
}

/// Makes the controller look at every DaemonSet once more.
///
/// It has to be asked: when a node gets a taint, loses a label or is deleted, Kubernetes 1.36 looks only at the
/// DaemonSets that have to create or delete a pod there, and leaves the counts of the others as they were. A changed
/// annotation of the DaemonSet itself always makes it look, and changes no generation.
pub(crate) async fn poke(plane: &Plane) -> Result<(), Failed> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(failed)?.as_nanos().to_string();
    let sets: Vec<DaemonSet> = plane.list().await?;
    stream::iter(&sets)
        .map(async |set| {
            let change = json!({
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": set.name_any(), "namespace": set.namespace(), "annotations": {"ds.test/poke": now}},
            });
            plane.merge(&change).await
        })
        .buffer_unordered(8)
        .try_collect()
        .await
}

async fn look(plane: &Plane) -> Result<Look, Failed> {
    let nodes: Vec<Node> = plane.list().await?;
    let sets: Vec<DaemonSet> = plane.list().await?;
    // Names and versions only: there are a thousand of them.
    let pods = Api::<Pod>::all(plane.client()).list_metadata(&ListParams::default()).await.map_err(failed)?;
    Ok(Look {
        daemon_sets: sets
            .iter()
            .map(|set| {
                let status = set.status.as_ref();
                let observed = Observed {
                    uid: set.uid(),
                    generation: set.metadata.generation,
                    observed_generation: status.and_then(|status| status.observed_generation),
                    counts: counts_of(status),
                };
                (full_name(set), observed)
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

impl Look {
    /// What the controller has yet to do, as far as the DaemonSets tell.
    fn unfinished(&self) -> String {
        let mut text = String::new();
        for (name, set) in &self.daemon_sets {
            let (generation, observed) = (set.generation, set.observed_generation);
            if generation != observed {
                let _ = write!(text, "{name} is at generation {generation:?}, observed {observed:?}; ");
            }
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
            let _ = write!(text, "{changed} versions of pods come and go; ");
        }
        text
    }
}

/// The status of the condition Ready.
fn ready(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.status.as_str())
}

/// Silent nodes are found out and tainted, all others Ready and free of such taints.
async fn nodes_settled(plane: &Plane) -> Result<(), String> {
    let nodes: Vec<Node> = plane.list().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
    for node in &nodes {
        let name = node.name_any();
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let has = |key: &str, effect: &str| {
            taints.iter().any(|taint| taint.key == format!("node.kubernetes.io/{key}") && taint.effect == effect)
        };
        let silent = node.labels().contains_key(SILENT);
        let wanted = [
            ("not-ready", "NoSchedule", false),
            ("not-ready", "NoExecute", false),
            ("unreachable", "NoSchedule", silent),
            ("unreachable", "NoExecute", silent),
            ("unschedulable", "NoSchedule", node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)),
        ];
        if let Some((key, effect, _)) = wanted.iter().find(|(key, effect, wanted)| has(key, effect) != *wanted) {
            return Err(format!("{name} (silent: {silent}, Ready: {:?}) and the taint {key}:{effect}", ready(node)));
        }
        let expected = if silent { "Unknown" } else { "True" };
        if ready(node) != Some(expected) {
            return Err(format!("{name} has Ready {:?} instead of {expected}", ready(node)));
        }
    }
    Ok(())
}
