//! When the scheduler rests: every waiting pod was tried, and no try would end otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;

use super::daemon_sets::UNKNOWN_SCHEDULER;
use crate::harness::client::{failed, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::quiescence::{full_name, rest};

/// For so long nothing may have changed.
const STILL: Duration = Duration::from_millis(700);

/// How long a world may take to come to rest each time.
const LIMIT: Duration = Duration::from_secs(120);

/// How often the scheduler may be started anew until nothing changes by that.
const TRIES: usize = 6;

/// Who is where: the pods by uid.
type Places = BTreeMap<String, Place>;

/// The name of a pod, its node, the node it is nominated for, and whether it is being deleted.
type Place = (String, Option<String>, Option<String>, bool);

/// The pods' names and versions.
pub(crate) type Versions = BTreeSet<(String, Option<String>)>;

/// Waits until the controllers and the scheduler have nothing left to do.
pub(crate) async fn settle(plane: &ControlPlane) -> Result<(), Failed> {
    let deadline = Instant::now() + LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now());
    loop {
        scheduler_rests(plane, left()).await?;
        let before = versions(&pods(plane).await.map_err(failed)?);
        rest(plane, left()).await?;
        // The controller may have made pods, which the scheduler tries, which pushes out others, and so on.
        scheduler_rests(plane, left()).await?;
        if before == versions(&pods(plane).await.map_err(failed)?) {
            return Ok(());
        }
    }
}

/// Starts the scheduler anew until it leaves every pod where it is. Every message is then of a try in this very state.
/// Answers how often it took.
pub(crate) fn tried_afresh(plane: &mut ControlPlane) -> Result<usize, Failed> {
    let mut moved = String::new();
    for tries in 1..=TRIES {
        let before = plane.run(async |plane| Ok(places(&pods(plane).await.map_err(failed)?)))?;
        plane.restart_scheduler()?;
        plane.run(settle)?;
        let after = plane.run(async |plane| Ok(places(&pods(plane).await.map_err(failed)?)))?;
        if before == after {
            return Ok(tries);
        }
        let gone = before.iter().filter(|(uid, place)| after.get(*uid) != Some(place));
        let new = after.iter().filter(|(uid, place)| before.get(*uid) != Some(place));
        moved = gone.map(|(_, place)| format!("    before: {place:?}\n")).collect();
        moved.extend(new.map(|(_, place)| format!("    after:  {place:?}\n")));
    }
    Err(failed(format!("pods still move when the scheduler is started for the {TRIES}th time:\n{moved}")))
}

/// The name and version of all pods.
pub(crate) fn versions(pods: &[Pod]) -> Versions {
    pods.iter().map(|pod| (full_name(pod), pod.resource_version())).collect()
}

/// All pods.
pub(crate) async fn pods(plane: &ControlPlane) -> Result<Vec<Pod>, String> {
    plane.list().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())
}

fn places(pods: &[Pod]) -> Places {
    let place = |pod: &Pod| {
        let nominated = pod.status.as_ref().and_then(|status| status.nominated_node_name.clone());
        (full_name(pod), node_of(pod).map(str::to_owned), nominated, pod.metadata.deletion_timestamp.is_some())
    };
    pods.iter().map(|pod| (pod.uid().unwrap_or_default(), place(pod))).collect()
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Waits until the scheduler has tried every pod that is its own in vain, or waits for a gate, while nothing changes.
async fn scheduler_rests(plane: &ControlPlane, limit: Duration) -> Result<(), Failed> {
    let mut last: Option<(Instant, Versions)> = None;
    wait_until_within("the scheduler rests", limit, async || {
        let queues = plane.scheduler_queues().await?;
        if queues[..2] != [0, 0] {
            last = None;
            // The pods are many: they are asked for only when it matters.
            return Err(format!("active, backoff, unschedulable, gated: {queues:?}"));
        }
        let all = pods(plane).await?;
        let waiting = all.iter().filter(|pod| node_of(pod).is_none() && pod.metadata.deletion_timestamp.is_none());
        let (mut gated, mut tried) = (0, 0);
        for pod in waiting.filter(|pod| !pod.name_any().starts_with(UNKNOWN_SCHEDULER)) {
            let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
            match gates.is_some_and(|gates| !gates.is_empty()) {
                true => gated += 1,
                false => tried += 1,
            }
        }
        let now = versions(&all);
        let queued = format!("active, backoff, unschedulable, gated: {queues:?}; {tried} and {gated} pods wait");
        // A pod whose claim is not there waits among the gated ones too.
        let [_, _, unschedulable, held] = queues;
        if unschedulable + held != tried + gated || held < gated {
            last = None;
            return Err(queued);
        }
        match &last {
            Some((since, before)) if *before == now => match since.elapsed() >= STILL {
                true => Ok(()),
                false => Err(format!("still so: {queued}")),
            },
            _ => {
                last = Some((Instant::now(), now));
                Err(format!("pods change: {queued}"))
            }
        }
    })
    .await
}
