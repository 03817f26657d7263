//! The scheduler is quiescent when it has tried every pending pod and another attempt would not change the result.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;

use super::daemon_sets::UNKNOWN_SCHEDULER;
use crate::harness::client::{failed, message, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::quiescence::{full_name, wait_until_quiescent};

/// How long nothing may change before the scheduler counts as quiescent.
const STABLE_PERIOD: Duration = Duration::from_millis(700);

/// How long a cluster may take to become quiescent each time.
const TIMEOUT: Duration = Duration::from_secs(120);

/// After how many restarts of the scheduler no pod may move any more.
const MAX_RESTARTS: usize = 6;

/// Pods by uid.
type Locations = BTreeMap<String, Location>;

/// The name of a pod, its node, its nominated node, and whether it is terminating.
type Location = (String, Option<String>, Option<String>, bool);

/// Names and resource versions of pods.
pub(crate) type Versions = BTreeSet<(String, Option<String>)>;

/// Waits until the controllers and the scheduler have nothing left to do.
pub(crate) async fn wait_until_settled(plane: &ControlPlane) -> Result<(), Failed> {
    let deadline = Instant::now() + TIMEOUT;
    let left = || deadline.saturating_duration_since(Instant::now());
    loop {
        wait_for_scheduler(plane, left()).await?;
        let before = versions(&pods(plane).await.map_err(failed)?);
        wait_until_quiescent(plane, left()).await?;
        // The controller may have created pods, for which the scheduler preempts others, and so on.
        wait_for_scheduler(plane, left()).await?;
        if before == versions(&pods(plane).await.map_err(failed)?) {
            return Ok(());
        }
    }
}

/// Restarts the scheduler until that moves no pod: every message is then about the current state. Returns the number of
/// restarts.
pub(crate) fn restart_until_stable(plane: &mut ControlPlane) -> Result<usize, Failed> {
    let mut moved = String::new();
    for restarts in 1..=MAX_RESTARTS {
        let before = plane.run(async |plane| Ok(locations(&pods(plane).await.map_err(failed)?)))?;
        plane.restart_scheduler()?;
        plane.run(wait_until_settled)?;
        let after = plane.run(async |plane| Ok(locations(&pods(plane).await.map_err(failed)?)))?;
        if before == after {
            return Ok(restarts);
        }
        let old = before.iter().filter(|(uid, location)| after.get(*uid) != Some(location));
        let new = after.iter().filter(|(uid, location)| before.get(*uid) != Some(location));
        moved = old.map(|(_, location)| format!("    before: {location:?}\n")).collect();
        moved.extend(new.map(|(_, location)| format!("    after:  {location:?}\n")));
    }
    Err(failed(format!("pods still move after {MAX_RESTARTS} restarts of the scheduler:\n{moved}")))
}

/// The name and version of all pods.
pub(crate) fn versions(pods: &[Pod]) -> Versions {
    pods.iter().map(|pod| (full_name(pod), pod.resource_version())).collect()
}

/// All pods.
pub(crate) async fn pods(plane: &ControlPlane) -> Result<Vec<Pod>, String> {
    plane.list().await.map_err(message)
}

fn locations(pods: &[Pod]) -> Locations {
    let location = |pod: &Pod| {
        let nominated = pod.status.as_ref().and_then(|status| status.nominated_node_name.clone());
        (full_name(pod), node_of(pod).map(str::to_owned), nominated, pod.metadata.deletion_timestamp.is_some())
    };
    pods.iter().map(|pod| (pod.uid().unwrap_or_default(), location(pod))).collect()
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Waits until every pending pod of the scheduler is in the queue of unschedulable or of gated pods, and nothing
/// changes.
async fn wait_for_scheduler(plane: &ControlPlane, timeout: Duration) -> Result<(), Failed> {
    let mut last: Option<(Instant, Versions)> = None;
    wait_until_within("the scheduler is idle", timeout, async || {
        let queues = plane.scheduler_queues().await?;
        if queues[..2] != [0, 0] {
            last = None;
            // Do not list the many pods yet.
            return Err(format!("active, backoff, unschedulable, gated: {queues:?}"));
        }
        let all = pods(plane).await?;
        let pending = all.iter().filter(|pod| node_of(pod).is_none() && pod.metadata.deletion_timestamp.is_none());
        let (mut gated, mut tried) = (0, 0);
        for pod in pending.filter(|pod| !pod.name_any().starts_with(UNKNOWN_SCHEDULER)) {
            let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
            match gates.is_some_and(|gates| !gates.is_empty()) {
                true => gated += 1,
                false => tried += 1,
            }
        }
        let now = versions(&all);
        let queued =
            format!("active, backoff, unschedulable, gated: {queues:?}; pending pods: {tried} tried, {gated} gated");
        // A pod whose ResourceClaim does not exist is in the queue of gated pods too.
        let [_, _, unschedulable, in_gated_queue] = queues;
        if unschedulable + in_gated_queue != tried + gated || in_gated_queue < gated {
            last = None;
            return Err(queued);
        }
        match &last {
            Some((since, before)) if *before == now => match since.elapsed() >= STABLE_PERIOD {
                true => Ok(()),
                false => Err(format!("no change: {queued}")),
            },
            _ => {
                last = Some((Instant::now(), now));
                Err(format!("pods change: {queued}"))
            }
        }
    })
    .await
}
