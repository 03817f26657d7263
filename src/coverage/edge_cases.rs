//! Tests of the mapping and counting of pods in which the rules are not intuitive. The numbers are those of
//! `docs/edge-cases.md`.

#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T12:00:00Z";
const READY: &str = "2026-01-02T11:00:00Z";

/// A DaemonSet `d`, the nodes `n1` and `n2`, and the pods that a test adds.
struct CoverageFixture(Snapshot);

impl CoverageFixture {
    fn new() -> Self {
        let template = json!({ "metadata": { "labels": { "app": "d" } }, "spec": { "containers": [{ "name": "c" }] } });
        let daemon_set: DaemonSet = serde_json::from_value(json!({
            "metadata": {
                "name": "d", "namespace": "ns", "uid": "u", "generation": 2,
                "annotations": { "deprecated.daemonset.template.generation": "7" },
            },
            "spec": { "selector": { "matchLabels": { "app": "d" } }, "template": template },
            "status": { "observedGeneration": 2, "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0 },
        }))
        .unwrap();
        let mut stored = template;
        stored["$patch"] = "replace".into();
        stored["metadata"]["creationTimestamp"] = Value::Null;
        let mut old = stored.clone();
        old["spec"]["containers"][0]["image"] = "old".into();
        let revision = |name: &str, number: i64, template: &Value| -> ControllerRevision {
            serde_json::from_value(json!({
                "metadata": {
                    "name": format!("d-{name}"), "namespace": "ns", "labels": { "app": "d", "controller-revision-hash": name },
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true }],
                },
                "revision": number,
                "data": { "spec": { "template": template } },
            }))
            .unwrap()
        };
        Self(Snapshot {
            daemon_sets: vec![daemon_set],
            nodes: Known::Known(["n1", "n2"].map(|name| from(json!({ "metadata": { "name": name } }))).into()),
            has_all_nodes: true,
            pods: Known::Known(Vec::new()),
            revisions: Known::Known(vec![revision("old", 1, &old), revision("new", 2, &stored)]),
            events: Known::Known(Vec::new()),
            openshift: Known::Known(None),
            as_of: NOW.parse().unwrap(),
        })
    }

    /// Adds a ready and up-to-date pod on `n1`, changed by a JSON merge.
    fn pod(mut self, name: &str, change: Value) -> Self {
        let mut pod = json!({
            "metadata": {
                "name": name, "namespace": "ns", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": { "app": "d", "controller-revision-hash": "new" },
                "ownerReferences": [{ "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true }],
            },
            "spec": { "nodeName": "n1" },
            "status": {
                "phase": "Running",
                "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": READY }],
                "containerStatuses": [{ "name": "c", "ready": true, "state": { "running": {} } }],
            },
        });
        merge(&mut pod, change);
        let Known::Known(pods) = &mut self.0.pods else { unreachable!() };
        pods.push(from(pod));
        self
    }

    fn taint(mut self, node: usize, key: &str, effect: &str) -> Self {
        let Known::Known(nodes) = &mut self.0.nodes else { unreachable!() };
        nodes[node].spec.taints.push(from(json!({ "key": key, "effect": effect })));
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

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, change) => *target = change,
    }
}

fn all(numbers: [usize; 6]) -> [Option<usize>; 6] {
    numbers.map(Some)
}

#[test]
fn ready_pod_on_each_eligible_node_is_full_coverage() {
    let world = CoverageFixture::new().pod("a", json!({})).pod("b", json!({ "spec": { "nodeName": "n2" } }));
    assert_eq!(world.counts(), all([2, 2, 2, 2, 2, 0]));
    assert_eq!(world.states(), [State::Available, State::Available]);
}

/// Edge case 5 (docs/edge-cases.md).
#[test]
fn a_node_that_became_tainted_under_its_pod_is_misscheduled() {
    let world = CoverageFixture::new().pod("a", json!({})).taint(0, "k", "NoSchedule");
    assert_eq!(world.counts(), all([1, 0, 0, 0, 0, 1]));
    assert_eq!(world.states(), [State::Misscheduled, State::Missing]);
}

/// Edge case 6 (docs/edge-cases.md).
#[test]
fn pending_pod_on_a_tainted_node_is_misscheduled() {
    let pending = json!({ "spec": { "nodeName": "" , "affinity": pinned("n1") }, "status": { "phase": "Pending", "conditions": [] } });
    let world = CoverageFixture::new().pod("a", pending).taint(0, "k", "NoSchedule");
    assert_eq!(world.counts(), all([1, 0, 0, 0, 0, 1]));
}

/// Edge case 9 (docs/edge-cases.md).
#[test]
fn a_not_ready_node_counts_as_misscheduled_and_not_as_desired() {
    let world = CoverageFixture::new()
        .pod("a", json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } }))
        .taint(0, "node.kubernetes.io/not-ready", "NoSchedule")
        .taint(0, "node.kubernetes.io/not-ready", "NoExecute");
    assert_eq!(world.counts(), all([1, 0, 0, 0, 0, 1]));
}

/// Edge case 26 (docs/edge-cases.md).
#[test]
fn template_with_node_name_makes_desired_1() {
    let world =
        CoverageFixture::new().daemon_set(|d| d.spec.template.spec.as_mut().unwrap().node_name = Some("n1".into()));
    assert_eq!(world.counts()[0], Some(1));
    assert_eq!(world.states(), [State::Missing, State::Excluded]);
}

/// Edge case 29 (docs/edge-cases.md).
#[test]
fn unschedulable_pod_counts_as_desired_and_current() {
    let unschedulable = json!({
        "spec": { "nodeName": "", "affinity": pinned("n1") },
        "status": {
            "phase": "Pending", "containerStatuses": [],
            "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available: 1 Insufficient cpu." }],
        },
    });
    let world = CoverageFixture::new().pod("a", unschedulable);
    assert_eq!(world.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(world.states()[0], State::Pending);
}

fn pinned(node: &str) -> Value {
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchFields": [field] }] } } })
}

/// Edge case 33 (docs/edge-cases.md).
#[test]
fn bound_then_oldest_then_first_by_name_of_two_pods_counts() {
    let unbound = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z" }, "spec": { "nodeName": "", "affinity": pinned("n1") } });
    assert_eq!(CoverageFixture::new().pod("a", unbound).pod("b", json!({})).first_pod(), "b");
    let older = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z" } });
    assert_eq!(CoverageFixture::new().pod("a", json!({})).pod("b", older).first_pod(), "b");
    assert_eq!(CoverageFixture::new().pod("b", json!({})).pod("a", json!({})).first_pod(), "a");
}

/// Edge case 34 (docs/edge-cases.md).
#[test]
fn terminating_pod_counts_as_current() {
    let world = CoverageFixture::new().pod("a", json!({ "metadata": { "deletionTimestamp": "2026-01-02T12:00:30Z" } }));
    assert_eq!(world.counts()[1], Some(1));
    assert_eq!(world.states()[0], State::Terminating);
}

/// Edge case 35 (docs/edge-cases.md).
#[test]
fn failed_terminating_pod_with_a_finalizer_is_ignored() {
    let dead = json!({ "metadata": { "deletionTimestamp": NOW, "finalizers": ["f"] }, "status": { "phase": "Failed", "conditions": [] } });
    let world = CoverageFixture::new().pod("a", dead);
    assert_eq!(world.counts()[1], Some(0));
    assert_eq!(world.states()[0], State::Missing);
}

/// Edge case 36 (docs/edge-cases.md).
#[test]
fn failed_pod_counts_as_current_and_not_as_available() {
    let failed = json!({ "status": { "phase": "Failed", "reason": "Evicted", "conditions": [] } });
    let world = CoverageFixture::new().pod("a", failed);
    assert_eq!(world.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(world.states()[0], State::Failed);
}

/// Edge case 37 (docs/edge-cases.md).
#[test]
fn younger_pod_next_to_a_failed_pod_does_not_count() {
    let failed = json!({ "status": { "phase": "Failed", "conditions": [] } });
    let second = json!({ "metadata": { "creationTimestamp": "2026-01-02T00:00:00Z" } });
    let world = CoverageFixture::new().pod("a", failed).pod("b", second);
    assert_eq!(world.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(world.states()[0], State::Failed);
}

/// Edge case 38 (docs/edge-cases.md).
#[test]
fn a_succeeded_pod_counts_as_current_until_it_is_deleted() {
    let world = CoverageFixture::new().pod("a", json!({ "status": { "phase": "Succeeded", "conditions": [] } }));
    assert_eq!(world.counts(), all([2, 1, 0, 1, 0, 0]));
    assert_eq!(world.states()[0], State::Succeeded);
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
    let world = CoverageFixture::new()
        .pod("a", json!({ "metadata": { "ownerReferences": [] } }))
        .daemon_set(|d| d.metadata.deletion_timestamp = Some(from(json!(NOW))));
    assert_eq!(world.counts()[1], Some(0));
}

/// Edge case 40 (docs/edge-cases.md).
#[test]
fn an_orphan_that_names_no_node_is_counted_nowhere() {
    let orphan = json!({ "metadata": { "ownerReferences": [] }, "spec": { "nodeName": "" } });
    let world = CoverageFixture::new().pod("a", orphan);
    assert_eq!(world.counts(), all([2, 0, 0, 0, 0, 0]));
    assert_eq!(compute_coverage(&world.0)[0].unmapped_pods.len(), 1);
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
    let world = CoverageFixture::new().pod("a", json!({ "spec": { "nodeName": "gone" } }));
    assert_eq!(world.counts(), all([2, 0, 0, 0, 0, 0]));
    assert_eq!(compute_coverage(&world.0)[0].unmapped_pods[0].metadata.name, "a");
}

/// Edge case 43 (docs/edge-cases.md).
#[test]
fn ready_terminating_pod_counts_as_ready_and_available() {
    let world = CoverageFixture::new().pod("a", json!({ "metadata": { "deletionTimestamp": "2026-01-02T12:00:30Z" } }));
    assert_eq!(world.counts(), all([2, 1, 1, 1, 1, 0]));
}

/// Edge case 44 (docs/edge-cases.md).
#[test]
fn pending_pods_count_as_current() {
    let pending = |node: &str| json!({ "spec": { "nodeName": "", "affinity": pinned(node) }, "status": { "phase": "Pending", "conditions": [] } });
    let world = CoverageFixture::new().pod("a", pending("n1")).pod("b", pending("n2"));
    assert_eq!(world.counts(), all([2, 2, 0, 2, 0, 0]));
}

/// Edge case 55 (docs/edge-cases.md).
#[test]
fn older_of_an_old_and_a_new_pod_counts() {
    let old = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z", "labels": { "controller-revision-hash": "old" } } });
    let world = CoverageFixture::new().pod("new", json!({})).pod("old", old);
    assert_eq!(world.counts()[3], Some(0));
    assert_eq!(compute_coverage(&world.0)[0].rows[0].reasons, [Reason::ExtraPods { pods: vec!["new".into()] }]);
}

#[test]
fn pod_of_the_current_generation_is_up_to_date() {
    let by_generation =
        json!({ "metadata": { "labels": { "controller-revision-hash": "old", "pod-template-generation": "7" } } });
    assert_eq!(CoverageFixture::new().pod("a", by_generation).counts()[3], Some(1));
}

#[test]
fn newest_revision_of_the_same_template_is_current() {
    let mut world = CoverageFixture::new().pod("a", json!({}));
    let Known::Known(revisions) = &mut world.0.revisions else { unreachable!() };
    let mut twin = revisions[1].clone();
    twin.revision = Some(3);
    twin.metadata.labels.as_mut().unwrap().insert("controller-revision-hash".into(), "twin".into());
    revisions.push(twin);
    assert_eq!(world.counts()[3], Some(0));
    assert_eq!(compute_coverage(&world.0)[0].revision.hash, Known::Known(Some("twin".into())));
}

#[test]
fn no_pod_is_up_to_date_before_the_revision_is_created() {
    let changed = |d: &mut DaemonSet| d.spec.template.spec.as_mut().unwrap().containers[0].image = Some("newer".into());
    let world = CoverageFixture::new().pod("a", json!({})).daemon_set(changed);
    assert_eq!(world.counts()[3], Some(0));
    assert!(matches!(compute_coverage(&world.0)[0].revision.hash, Known::Known(None)));
}

#[test]
fn pod_is_available_only_after_min_ready_seconds() {
    let world =
        |seconds| CoverageFixture::new().pod("a", json!({})).daemon_set(|d| d.spec.min_ready_seconds = Some(seconds));
    assert_eq!((world(3600).counts()[4], world(3600).states()[0]), (Some(1), State::Available));
    assert_eq!((world(3601).counts()[4], world(3601).states()[0]), (Some(0), State::Ready));
}

#[test]
fn fingerprint_ignores_time_unless_a_pod_becomes_available() {
    let at = |seconds: i64, min_ready: i32| {
        let mut world =
            CoverageFixture::new().pod("a", json!({})).daemon_set(|d| d.spec.min_ready_seconds = Some(min_ready));
        world.0.as_of += jiff::SignedDuration::from_secs(seconds);
        fingerprint(&compute_coverage(&world.0))
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
    let mut world = CoverageFixture::new().pod("a", json!({}));
    world.0.nodes = Known::failed("forbidden");
    assert_eq!(world.counts(), [None; 6]);
    assert_eq!(world.states(), [State::Available]);

    let mut world = CoverageFixture::new();
    world.0.pods = Known::failed("forbidden");
    assert_eq!(world.counts(), [Some(2), None, None, None, None, None]);
    assert_eq!(world.states(), [State::Unknown, State::Unknown]);

    let group = |world: &CoverageFixture| {
        let coverages = compute_coverage(&world.0);
        let groups = by_label(&coverages, "zone", |_| true);
        (groups[0].desired, groups[0].available)
    };
    assert_eq!(group(&world), (Some(2), None));
    world.0.nodes = Known::failed("forbidden");
    world.0.pods = CoverageFixture::new().pod("a", json!({})).0.pods;
    assert_eq!(group(&world), (None, None));
    assert_eq!(group(&CoverageFixture::new().pod("a", json!({}))), (Some(2), Some(1)));

    let mut world = CoverageFixture::new().pod("a", json!({}));
    world.0.revisions = Known::failed("forbidden");
    assert_eq!(world.counts(), [Some(2), Some(1), Some(1), None, Some(1), Some(0)]);
}
