//! Tests of the mapping and counting of pods in which the rules are not intuitive. The numbers are those of
//! `docs/edge-cases.md`.

#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};

use super::*;
use crate::testing::objects::{
    NOW, controller_revision, daemon_pod, daemon_set, empty_snapshot, from_json, merge, node, ready_status,
    required_node_name,
};

/// A DaemonSet `d`, the nodes `n1` and `n2`, and the pods that a test adds.
struct CoverageFixture(Snapshot);

impl CoverageFixture {
    fn new() -> Self {
        let template = json!({ "metadata": { "labels": { "app": "d" } }, "spec": { "containers": [{ "name": "c" }] } });
        let daemon_set = daemon_set(
            "ns",
            "d",
            json!({
                "metadata": { "generation": 2, "annotations": { "deprecated.daemonset.template.generation": "7" } },
                "spec": { "template": template },
                "status": { "observedGeneration": 2 },
            }),
        );
        let mut stored = template;
        stored["metadata"]["creationTimestamp"] = Value::Null;
        let mut old = stored.clone();
        old["spec"]["containers"][0]["image"] = "old".into();
        let revision = |hash: &str, number: i64, template: Value| {
            let fields = json!({ "metadata": { "labels": { "app": "d", "controller-revision-hash": hash } } });
            controller_revision(&daemon_set, number, template, fields)
        };
        Self(Snapshot {
            nodes: Known::Known(["n1", "n2"].map(|name| node(name, json!({}))).into()),
            revisions: Known::Known(vec![revision("old", 1, old), revision("new", 2, stored)]),
            daemon_sets: vec![daemon_set],
            ..empty_snapshot()
        })
    }

    /// Adds a ready and up-to-date pod on `n1`, changed by a JSON merge.
    fn pod(mut self, name: &str, change: Value) -> Self {
        let mut fields = json!({
            "metadata": { "labels": { "controller-revision-hash": "new" } },
            "spec": { "nodeName": "n1" },
            "status": ready_status(),
        });
        merge(&mut fields, change);
        let Known::Known(pods) = &mut self.0.pods else { unreachable!() };
        pods.push(daemon_pod(&self.0.daemon_sets[0], name, fields));
        self
    }

    fn taint(mut self, node: usize, key: &str, effect: &str) -> Self {
        let Known::Known(nodes) = &mut self.0.nodes else { unreachable!() };
        nodes[node].spec.taints.push(from_json(json!({ "key": key, "effect": effect })));
        self
    }

    fn daemon_set(mut self, change: impl FnOnce(&mut DaemonSet)) -> Self {
        change(&mut self.0.daemon_sets[0]);
        self
    }

    /// The counts `desired`, `current`, `ready`, `up_to_date`, `available` and `misscheduled`.
    fn counts(&self) -> [Option<usize>; 6] {
        let Counts { desired, current, ready, up_to_date, available, misscheduled, .. } =
            compute_coverage(&self.0)[0].counts;
        [desired, current, ready, up_to_date, available, misscheduled]
    }

    fn states(&self) -> Vec<State> {
        compute_coverage(&self.0)[0].rows.iter().map(|row| row.state).collect()
    }

    fn first_pod(&self) -> String {
        compute_coverage(&self.0)[0].rows[0].pods[0].metadata.name.clone()
    }
}

fn all(numbers: [usize; 6]) -> [Option<usize>; 6] {
    numbers.map(Some)
}

#[test]
fn ready_pod_on_each_eligible_node_is_full_coverage() {
    let cluster = CoverageFixture::new().pod("a", json!({})).pod("b", json!({ "spec": { "nodeName": "n2" } }));
    assert_eq!(cluster.counts(), all([2, 2, 2, 2, 2, 0]));
    assert_eq!(cluster.states(), [State::Available, State::Available]);
}

/// Edge case 5 (docs/edge-cases.md).
#[test]
fn node_tainted_after_its_pod_started_is_misscheduled() {
    let cluster = CoverageFixture::new().pod("a", json!({})).taint(0, "k", "NoSchedule");
    assert_eq!(cluster.counts(), all([1, 0, 0, 0, 0, 1]));
    assert_eq!(cluster.states(), [State::Misscheduled, State::Missing]);
}

/// Edge case 6 (docs/edge-cases.md).
#[test]
fn pending_pod_on_a_tainted_node_is_misscheduled() {
    let pending = json!({ "spec": { "nodeName": "" , "affinity": required_node_name("n1") }, "status": { "phase": "Pending", "conditions": [] } });
    let cluster = CoverageFixture::new().pod("a", pending).taint(0, "k", "NoSchedule");
    assert_eq!(cluster.counts(), all([1, 0, 0, 0, 0, 1]));
}

/// Edge case 9 (docs/edge-cases.md).
#[test]
fn not_ready_node_is_misscheduled_and_not_desired() {
    let cluster = CoverageFixture::new()
        .pod("a", json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } }))
        .taint(0, "node.kubernetes.io/not-ready", "NoSchedule")
        .taint(0, "node.kubernetes.io/not-ready", "NoExecute");
    assert_eq!(cluster.counts(), all([1, 0, 0, 0, 0, 1]));
}

/// Edge case 26 (docs/edge-cases.md).
#[test]
fn template_with_node_name_makes_desired_1() {
    let cluster =
        CoverageFixture::new().daemon_set(|d| d.spec.template.spec.as_mut().unwrap().node_name = Some("n1".into()));
    assert_eq!(cluster.counts()[0], Some(1));
    assert_eq!(cluster.states(), [State::Missing, State::Excluded]);
}

/// Edge case 29 (docs/edge-cases.md).
#[test]
fn unschedulable_pod_counts_as_desired_and_current() {
    let unschedulable = json!({
        "spec": { "nodeName": "", "affinity": required_node_name("n1") },
        "status": {
            "phase": "Pending", "containerStatuses": [],
            "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available: 1 Insufficient cpu." }],
        },
    });
    let cluster = CoverageFixture::new().pod("a", unschedulable);
    assert_eq!(cluster.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(cluster.states()[0], State::Pending);
}

/// Edge case 33 (docs/edge-cases.md).
#[test]
fn bound_then_oldest_then_first_by_name_of_two_pods_counts() {
    let unbound = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z" }, "spec": { "nodeName": "", "affinity": required_node_name("n1") } });
    assert_eq!(CoverageFixture::new().pod("a", unbound).pod("b", json!({})).first_pod(), "b");
    let older = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z" } });
    assert_eq!(CoverageFixture::new().pod("a", json!({})).pod("b", older).first_pod(), "b");
    assert_eq!(CoverageFixture::new().pod("b", json!({})).pod("a", json!({})).first_pod(), "a");
}

/// Edge case 34 (docs/edge-cases.md).
#[test]
fn terminating_pod_counts_as_current() {
    let cluster =
        CoverageFixture::new().pod("a", json!({ "metadata": { "deletionTimestamp": "2026-01-02T12:00:30Z" } }));
    assert_eq!(cluster.counts()[1], Some(1));
    assert_eq!(cluster.states()[0], State::Terminating);
}

/// Edge case 35 (docs/edge-cases.md).
#[test]
fn failed_terminating_pod_with_a_finalizer_is_ignored() {
    let dead = json!({ "metadata": { "deletionTimestamp": NOW, "finalizers": ["f"] }, "status": { "phase": "Failed", "conditions": [] } });
    let cluster = CoverageFixture::new().pod("a", dead);
    assert_eq!(cluster.counts()[1], Some(0));
    assert_eq!(cluster.states()[0], State::Missing);
}

/// Edge case 36 (docs/edge-cases.md).
#[test]
fn failed_pod_counts_as_current_and_not_as_available() {
    let failed = json!({ "status": { "phase": "Failed", "reason": "Evicted", "conditions": [] } });
    let cluster = CoverageFixture::new().pod("a", failed);
    assert_eq!(cluster.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(cluster.states()[0], State::Failed);
}

/// Edge case 37 (docs/edge-cases.md).
#[test]
fn younger_pod_next_to_a_failed_pod_does_not_count() {
    let failed = json!({ "status": { "phase": "Failed", "conditions": [] } });
    let second = json!({ "metadata": { "creationTimestamp": "2026-01-02T00:00:00Z" } });
    let cluster = CoverageFixture::new().pod("a", failed).pod("b", second);
    assert_eq!(cluster.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(cluster.states()[0], State::Failed);
}

/// Edge case 38 (docs/edge-cases.md).
#[test]
fn succeeded_pod_counts_as_current_until_it_is_deleted() {
    let cluster = CoverageFixture::new().pod("a", json!({ "status": { "phase": "Succeeded", "conditions": [] } }));
    assert_eq!(cluster.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(cluster.states()[0], State::Succeeded);
}

/// Edge case 39 (docs/edge-cases.md).
#[test]
fn matching_orphan_counts_and_is_outdated_without_a_hash() {
    let orphan = json!({ "metadata": { "ownerReferences": [], "labels": { "controller-revision-hash": "" } } });
    assert_eq!(CoverageFixture::new().pod("a", orphan).counts(), all([2, 1, 1, 0, 1, 0]));
}

#[test]
fn orphan_is_not_adopted_if_it_or_the_daemon_set_terminates() {
    let leaving = json!({ "metadata": { "ownerReferences": [], "deletionTimestamp": NOW } });
    assert_eq!(CoverageFixture::new().pod("a", leaving).counts()[1], Some(0));
    let cluster = CoverageFixture::new()
        .pod("a", json!({ "metadata": { "ownerReferences": [] } }))
        .daemon_set(|d| d.metadata.deletion_timestamp = Some(from_json(json!(NOW))));
    assert_eq!(cluster.counts()[1], Some(0));
}

/// Edge case 40 (docs/edge-cases.md).
#[test]
fn orphan_without_a_node_is_not_counted() {
    let orphan = json!({ "metadata": { "ownerReferences": [] }, "spec": { "nodeName": "" } });
    let cluster = CoverageFixture::new().pod("a", orphan);
    assert_eq!(cluster.counts(), all([2, 0, 0, 0, 0, 0]));
    assert_eq!(compute_coverage(&cluster.0)[0].unmapped_pods.len(), 1);
}

/// Edge case 41 (docs/edge-cases.md).
#[test]
fn pod_that_no_longer_matches_the_selector_is_released() {
    assert_eq!(
        CoverageFixture::new().pod("a", json!({ "metadata": { "labels": { "app": "other" } } })).counts()[1],
        Some(0)
    );
}

#[test]
fn pod_of_another_owner_or_namespace_is_ignored() {
    let foreign = json!({ "metadata": { "ownerReferences": [{ "kind": "DaemonSet", "name": "d", "uid": "other", "controller": true }] } });
    assert_eq!(CoverageFixture::new().pod("a", foreign).counts()[1], Some(0));
    assert_eq!(
        CoverageFixture::new().pod("a", json!({ "metadata": { "namespace": "elsewhere" } })).counts()[1],
        Some(0)
    );
}

/// Edge case 42 (docs/edge-cases.md).
#[test]
fn pods_of_a_deleted_node_are_unmapped() {
    let cluster = CoverageFixture::new().pod("a", json!({ "spec": { "nodeName": "gone" } }));
    assert_eq!(cluster.counts(), all([2, 0, 0, 0, 0, 0]));
    assert_eq!(compute_coverage(&cluster.0)[0].unmapped_pods[0].metadata.name, "a");
}

/// Edge case 43 (docs/edge-cases.md).
#[test]
fn ready_terminating_pod_counts_as_ready_and_available() {
    let cluster =
        CoverageFixture::new().pod("a", json!({ "metadata": { "deletionTimestamp": "2026-01-02T12:00:30Z" } }));
    assert_eq!(cluster.counts(), all([2, 1, 1, 1, 1, 0]));
}

/// Edge case 44 (docs/edge-cases.md).
#[test]
fn pending_pods_count_as_current() {
    let pending = |node: &str| json!({ "spec": { "nodeName": "", "affinity": required_node_name(node) }, "status": { "phase": "Pending", "conditions": [] } });
    let cluster = CoverageFixture::new().pod("a", pending("n1")).pod("b", pending("n2"));
    assert_eq!(cluster.counts(), all([2, 2, 0, 2, 0, 0]));
}

/// Edge case 55 (docs/edge-cases.md).
#[test]
fn older_of_an_old_and_a_new_pod_counts() {
    let old = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z", "labels": { "controller-revision-hash": "old" } } });
    let cluster = CoverageFixture::new().pod("new", json!({})).pod("old", old);
    assert_eq!(cluster.counts()[3], Some(0));
    assert_eq!(compute_coverage(&cluster.0)[0].rows[0].reasons, [Reason::ExtraPods { pods: vec!["new".into()] }]);
}

#[test]
fn pod_of_the_current_generation_is_up_to_date() {
    let by_generation =
        json!({ "metadata": { "labels": { "controller-revision-hash": "old", "pod-template-generation": "7" } } });
    assert_eq!(CoverageFixture::new().pod("a", by_generation).counts()[3], Some(1));
}

#[test]
fn newest_revision_of_the_same_template_is_current() {
    let mut cluster = CoverageFixture::new().pod("a", json!({}));
    let Known::Known(revisions) = &mut cluster.0.revisions else { unreachable!() };
    let mut twin = revisions[1].clone();
    twin.revision = Some(3);
    twin.metadata.labels.as_mut().unwrap().insert("controller-revision-hash".into(), "twin".into());
    revisions.push(twin);
    assert_eq!(cluster.counts()[3], Some(0));
    assert_eq!(compute_coverage(&cluster.0)[0].revision.hash, Known::Known(Some("twin".into())));
}

#[test]
fn no_pod_is_up_to_date_before_the_revision_is_created() {
    let changed = |d: &mut DaemonSet| d.spec.template.spec.as_mut().unwrap().containers[0].image = Some("newer".into());
    let cluster = CoverageFixture::new().pod("a", json!({})).daemon_set(changed);
    assert_eq!(cluster.counts()[3], Some(0));
    assert!(matches!(compute_coverage(&cluster.0)[0].revision.hash, Known::Known(None)));
}

#[test]
fn pod_is_available_only_after_min_ready_seconds() {
    let cluster =
        |seconds| CoverageFixture::new().pod("a", json!({})).daemon_set(|d| d.spec.min_ready_seconds = Some(seconds));
    assert_eq!((cluster(3600).counts()[4], cluster(3600).states()[0]), (Some(1), State::Available));
    assert_eq!((cluster(3601).counts()[4], cluster(3601).states()[0]), (Some(0), State::Ready));
}

#[test]
fn fingerprint_ignores_time_unless_a_pod_becomes_available() {
    let at = |seconds: i64, min_ready: i32| {
        let mut cluster =
            CoverageFixture::new().pod("a", json!({})).daemon_set(|d| d.spec.min_ready_seconds = Some(min_ready));
        cluster.0.as_of += jiff::SignedDuration::from_secs(seconds);
        fingerprint(&compute_coverage(&cluster.0))
    };
    assert_eq!(at(0, 0), at(600, 0));
    assert_eq!(at(0, 3700), at(99, 3700));
    assert_ne!(at(0, 3700), at(100, 3700));
    let restarted = json!({ "status": { "containerStatuses": [{ "name": "c", "restartCount": 1 }] } });
    assert_ne!(
        fingerprint(&compute_coverage(&CoverageFixture::new().pod("a", restarted).0)),
        fingerprint(&compute_coverage(&CoverageFixture::new().pod("a", json!({})).0))
    );
}

#[test]
fn counts_are_unknown_without_nodes_or_pods() {
    let mut cluster = CoverageFixture::new().pod("a", json!({}));
    cluster.0.nodes = Known::failed("forbidden");
    assert_eq!(cluster.counts(), [None; 6]);
    assert_eq!(cluster.states(), [State::Available]);

    let mut cluster = CoverageFixture::new();
    cluster.0.pods = Known::failed("forbidden");
    assert_eq!(cluster.counts(), [Some(2), None, None, None, None, None]);
    assert_eq!(cluster.states(), [State::Unknown, State::Unknown]);

    let group = |cluster: &CoverageFixture| {
        let coverages = compute_coverage(&cluster.0);
        let groups = by_label(&coverages, "zone", |_| true);
        (groups[0].desired, groups[0].available)
    };
    assert_eq!(group(&cluster), (Some(2), None));
    cluster.0.nodes = Known::failed("forbidden");
    cluster.0.pods = CoverageFixture::new().pod("a", json!({})).0.pods;
    assert_eq!(group(&cluster), (None, None));
    assert_eq!(group(&CoverageFixture::new().pod("a", json!({}))), (Some(2), Some(1)));

    let mut cluster = CoverageFixture::new().pod("a", json!({}));
    cluster.0.revisions = Known::failed("forbidden");
    assert_eq!(cluster.counts(), [Some(2), Some(1), Some(1), None, Some(1), Some(0)]);
}
