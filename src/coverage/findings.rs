//! What the rows of a coverage do not show: two DaemonSets for the same pods, pods that the controller does not count,
//! and a `.status` that contradicts the objects.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `getNodesToDaemonPods`, `updateDaemonSetStatus`;
//! `pkg/controller/daemon/util/daemonset_util.go` `IsPodUpdated`.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::DaemonSet;

use super::Coverage;
use crate::revision::is_counted_by_generation_only;
use crate::snapshot::{Generation, Known, Labels, Node, PodSummary, Snapshot, selector};

/// How long the controller may take to update `.status` after a change of a node.
const USUAL_UPDATE: SignedDuration = SignedDuration::from_secs(60);

/// One observation about one DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) daemon_set: &'a str,
    pub(crate) kind: FindingKind<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FindingKind<'a> {
    /// The selector of another DaemonSet of the namespace matches the pods of this one.
    OverlappingSelector { other: &'a str },
    /// Pods of a DaemonSet of the same name that was deleted: they run beside the pods of this one.
    PodsOfDeleted { pods: Vec<&'a str> },
    /// Pods that have ended and are being deleted: the controller ignores them, and they remain until their finalizers
    /// are removed.
    EndedPods { pods: Vec<&'a str>, finalizers: Vec<&'a str>, since: Timestamp },
    /// Pods that count as up to date by their template generation, although they run another revision.
    CountedByGeneration { pods: usize },
    /// `.status` differs from what the objects show.
    StaleStatus { desired: [usize; 2], misscheduled: [usize; 2] },
}

/// The findings about all DaemonSets, in the order of the snapshot.
pub(crate) fn findings<'a>(snapshot: &'a Snapshot, coverages: &[Coverage<'a>]) -> Vec<Finding<'a>> {
    let mut findings = Vec::new();
    let known: HashSet<&str> =
        snapshot.daemon_sets.iter().filter_map(|daemon_set| daemon_set.metadata.uid.as_deref()).collect();
    let uncounted = uncounted_pods(snapshot, &known);
    for coverage in coverages {
        let kinds = overlapping(coverage.daemon_set, &snapshot.daemon_sets)
            .into_iter()
            .chain(pods_of_deleted(coverage.daemon_set, &uncounted))
            .chain(ended_pods(coverage.daemon_set, &uncounted))
            .chain(counted_by_generation(coverage))
            .chain(stale_status(coverage, snapshot));
        let of = |kind| Finding {
            namespace: coverage.daemon_set.metadata.namespace.as_deref().unwrap_or_default(),
            daemon_set: coverage.daemon_set.metadata.name.as_deref().unwrap_or_default(),
            kind,
        };
        findings.extend(kinds.map(of));
    }
    findings
}

/// The pods that no DaemonSet counts: those of deleted DaemonSets, and those that have ended and are being deleted.
fn uncounted_pods<'a>(snapshot: &'a Snapshot, known: &HashSet<&str>) -> Vec<&'a PodSummary> {
    let is_uncounted = |pod: &&PodSummary| {
        let owner = pod.metadata.controller().filter(|owner| owner.kind == "DaemonSet");
        owner.is_some_and(|owner| !known.contains(owner.uid.as_str()) || pod.is_terminating() && pod.is_terminal())
    };
    snapshot.pods.known().into_iter().flatten().filter(is_uncounted).collect()
}

/// The next DaemonSet of the namespace whose selector matches the template of this one, or the reverse.
fn overlapping<'a>(daemon_set: &DaemonSet, all: &'a [DaemonSet]) -> Option<FindingKind<'a>> {
    let labels = |daemon_set: &DaemonSet| -> Labels {
        let metadata = daemon_set.spec.template.metadata.as_ref();
        metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default()
    };
    let selects = |daemon_set: &DaemonSet, other: &DaemonSet| {
        let selector = selector::from_label_selector(&daemon_set.spec.selector);
        selector.is_some_and(|selector| selector::matches(&selector, &labels(other)))
    };
    // Of each pair, the first one has the finding.
    let name = |daemon_set: &DaemonSet| daemon_set.metadata.name.clone();
    let is_later = |other: &&DaemonSet| {
        other.metadata.namespace == daemon_set.metadata.namespace && name(other) > name(daemon_set)
    };
    let other = all.iter().filter(is_later).find(|other| selects(daemon_set, other) || selects(other, daemon_set))?;
    Some(FindingKind::OverlappingSelector { other: other.metadata.name.as_deref()? })
}

fn owned<'p>(daemon_set: &DaemonSet, pod: &'p PodSummary) -> Option<&'p str> {
    let owner = pod.metadata.controller()?;
    let is_of_name = Some(&owner.name) == daemon_set.metadata.name.as_ref()
        && Some(&pod.metadata.namespace) == daemon_set.metadata.namespace.as_ref();
    is_of_name.then_some(owner.uid.as_str())
}

fn pods_of_deleted<'a>(daemon_set: &DaemonSet, uncounted: &[&'a PodSummary]) -> Option<FindingKind<'a>> {
    let own = daemon_set.metadata.uid.as_deref();
    let is_left = |pod: &&&PodSummary| owned(daemon_set, pod).is_some_and(|uid| Some(uid) != own);
    let pods: Vec<&str> = uncounted.iter().filter(is_left).map(|pod| pod.metadata.name.as_str()).collect();
    (!pods.is_empty()).then_some(FindingKind::PodsOfDeleted { pods })
}

fn ended_pods<'a>(daemon_set: &DaemonSet, uncounted: &[&'a PodSummary]) -> Option<FindingKind<'a>> {
    let own = daemon_set.metadata.uid.as_deref();
    let is_left = |pod: &&&PodSummary| own.is_some() && owned(daemon_set, pod) == own;
    let pods: Vec<&PodSummary> = uncounted.iter().filter(is_left).copied().collect();
    let since = pods.iter().filter_map(|pod| pod.metadata.deletion_timestamp).min()?.timestamp();
    let finalizers: std::collections::BTreeSet<&str> =
        pods.iter().flat_map(|pod| &pod.metadata.finalizers).map(String::as_str).collect();
    Some(FindingKind::EndedPods {
        pods: pods.iter().map(|pod| pod.metadata.name.as_str()).collect(),
        finalizers: finalizers.into_iter().collect(),
        since,
    })
}

fn counted_by_generation<'a>(coverage: &Coverage<'a>) -> Option<FindingKind<'a>> {
    let pods = coverage.rows.iter().filter_map(|row| row.pods.first());
    let pods = pods.filter(|pod| is_counted_by_generation_only(pod, &coverage.revision)).count();
    (pods > 0).then_some(FindingKind::CountedByGeneration { pods })
}

/// `.status` counts nodes that are long as they are now, and counts them differently.
fn stale_status<'a>(coverage: &Coverage<'_>, snapshot: &Snapshot) -> Option<FindingKind<'a>> {
    let status = coverage.daemon_set.status.as_ref()?;
    let (desired, misscheduled) = (coverage.counts.desired?, coverage.counts.misscheduled?);
    let number = |number: i32| usize::try_from(number).ok();
    let of_status = (number(status.desired_number_scheduled)?, number(status.number_misscheduled)?);
    let Known::Known(nodes) = &snapshot.nodes else { return None };
    // A `.status` without it was never written, or not saved.
    let is_settled = status.observed_generation.is_some()
        && Generation::new(coverage.daemon_set).is_observed()
        && snapshot.has_all_nodes
        && !nodes.iter().any(|node| changed_lately(node, snapshot.as_of));
    (is_settled && of_status != (desired, misscheduled)).then_some(FindingKind::StaleStatus {
        desired: [of_status.0, desired],
        misscheduled: [of_status.1, misscheduled],
    })
}

/// Whether a change of the node may not have reached `.status` yet.
fn changed_lately(node: &Node, now: Timestamp) -> bool {
    let ready = node.condition("Ready").and_then(|condition| condition.last_transition_time);
    let taints = node.spec.taints.iter().filter_map(|taint| taint.time_added);
    let mut changes = node.metadata.creation_timestamp.into_iter().chain(ready).chain(taints);
    changes.any(|change| now.duration_since(change.timestamp()) < USUAL_UPDATE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::coverage::compute_coverage;
    use crate::testing::objects::{self, HOUR_AGO, daemon_pod, empty_snapshot, merge, ready_status};

    fn daemon_set(name: &str, fields: Value) -> DaemonSet {
        let mut all = json!({ "metadata": { "generation": 1 }, "status": { "observedGeneration": 1 } });
        merge(&mut all, fields);
        objects::daemon_set("ns", name, all)
    }

    fn snapshot(daemon_sets: Vec<DaemonSet>, pods: Vec<PodSummary>) -> Snapshot {
        let node = objects::node("n1", json!({ "metadata": { "creationTimestamp": objects::CREATED } }));
        Snapshot { daemon_sets, nodes: Known::Known(vec![node]), pods: Known::Known(pods), ..empty_snapshot() }
    }

    fn found(snapshot: &Snapshot) -> Vec<FindingKind<'_>> {
        findings(snapshot, &compute_coverage(snapshot)).into_iter().map(|finding| finding.kind).collect()
    }

    fn status(desired: i32, misscheduled: i32) -> Value {
        json!({ "status": {
            "desiredNumberScheduled": desired, "numberMisscheduled": misscheduled, "observedGeneration": 1,
        } })
    }

    fn running(owner: &DaemonSet, fields: Value) -> PodSummary {
        let mut all = json!({ "spec": { "nodeName": "n1" }, "status": ready_status() });
        merge(&mut all, fields);
        daemon_pod(owner, "agent-x", all)
    }

    #[test]
    fn selectors_that_overlap_are_found_once() {
        let same = json!({ "spec": {
            "selector": { "matchLabels": { "app": "agent" } },
            "template": { "metadata": { "labels": { "app": "agent" } } },
        } });
        let all = |second: Value| {
            let sets = vec![daemon_set("agent", status(1, 0)), daemon_set("agent-two", second)];
            snapshot(sets, Vec::new())
        };
        let mut second = status(1, 0);
        merge(&mut second, same);
        assert_eq!(found(&all(second)), [FindingKind::OverlappingSelector { other: "agent-two" }]);
        assert_eq!(found(&all(status(1, 0))), []);
    }

    #[test]
    fn pod_of_a_deleted_daemonset_of_the_same_name_is_found() {
        let set = daemon_set("agent", status(1, 0));
        let mut old = set.clone();
        old.metadata.uid = Some("uid-of-before".into());
        let left = running(&old, json!({ "metadata": { "deletionTimestamp": HOUR_AGO } }));
        let mine = running(&set, json!({ "metadata": { "name": "agent-y", "uid": "uid-y" } }));
        assert_eq!(
            found(&snapshot(vec![set,], vec![left, mine])),
            [FindingKind::PodsOfDeleted { pods: vec!["agent-x"] }]
        );
    }

    #[test]
    fn ended_pod_with_a_finalizer_is_found() {
        let set = daemon_set("agent", status(1, 0));
        let ended = running(
            &set,
            json!({
                "metadata": { "deletionTimestamp": HOUR_AGO, "finalizers": ["example.com/kept"] },
                "status": { "phase": "Failed" },
            }),
        );
        let expected = FindingKind::EndedPods {
            pods: vec!["agent-x"],
            finalizers: vec!["example.com/kept"],
            since: HOUR_AGO.parse().unwrap(),
        };
        assert_eq!(found(&snapshot(vec![set], vec![ended])), [expected]);
    }

    #[test]
    fn status_that_contradicts_the_objects_is_found() {
        let stale = |fields: Value| snapshot(vec![daemon_set("agent", fields)], Vec::new());
        let expected = FindingKind::StaleStatus { desired: [3, 1], misscheduled: [1, 0] };
        assert_eq!(found(&stale(status(3, 1))), [expected]);
        assert_eq!(found(&stale(status(1, 0))), []);
        let mut unobserved = status(3, 1);
        unobserved["status"]["observedGeneration"] = json!(0);
        assert_eq!(found(&stale(unobserved)), []);
        let mut young = stale(status(3, 1));
        let Known::Known(nodes) = &mut young.nodes else { unreachable!() };
        nodes[0].metadata.creation_timestamp = Some(objects::now().into());
        assert_eq!(found(&young), [], "the controller may not have counted the node yet");
    }
}
