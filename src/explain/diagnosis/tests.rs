//! Diagnoses where the rules differ from intuition.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::*;
use crate::explain::Reason;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::saved::SavedNamespaces;
use crate::snapshot::{Node, UnsavedPods};
use crate::testing::objects::{self, HOUR_AGO, from_json, required_node_name};

fn node(spec: Value, conditions: Value) -> Node {
    let resources = json!({ "cpu": "4", "memory": "8Gi", "pods": "110" });
    objects::node("n1", json!({ "spec": spec, "status": { "allocatable": resources, "conditions": conditions } }))
}

fn daemon_set(spec: Value) -> DaemonSet {
    objects::daemon_set(
        "ns",
        "agent",
        json!({
            "metadata": { "generation": 3 },
            "spec": { "template": { "spec": spec } },
            "status": { "desiredNumberScheduled": 1, "observedGeneration": 3 },
        }),
    )
}

fn plain() -> Value {
    json!({ "containers": [{ "name": "main" }] })
}

/// A pod of the DaemonSet; unscheduled if `node_name` is empty.
fn pod(node_name: &str, spec: &Value, status: Value) -> Pod {
    let mut pod: Pod =
        objects::daemon_pod(&daemon_set(json!({})), "agent-x", json!({ "spec": spec, "status": status }));
    pod.spec.node_name = node_name.into();
    if node_name.is_empty() {
        pod.spec.affinity = from_json(required_node_name("n1"));
    }
    pod
}

fn node_snapshot(node: Node, daemon_set: DaemonSet, bound: Vec<Pod>, pinned: Vec<Pod>) -> NodeSnapshot {
    NodeSnapshot {
        daemon_sets: vec![daemon_set],
        node,
        node_exists: true,
        bound: Known::Known(bound),
        pinned: Known::Known(pinned),
        unsaved_pods: UnsavedPods::default(),
        nominated: Known::Known(Vec::new()),
        revisions: Known::Known(Vec::new()),
        events: Known::Known(Vec::new()),
        openshift: Known::Known(None),
        cluster_objects: ClusterObjects::default(),
        as_of: objects::now(),
    }
}

/// The predicted pods.
fn predicted(node_snapshot: &NodeSnapshot) -> Vec<Option<PredictedPod>> {
    let make = |daemon_set| {
        Some(crate::admission::predict(daemon_set, &node_snapshot.node.metadata.name, &node_snapshot.cluster_objects))
    };
    node_snapshot.daemon_sets.iter().map(make).collect()
}

/// The checks that fail, as `Stage/Check`.
fn failing(diagnosis: &Diagnosis<'_>) -> Vec<String> {
    let failed = diagnosis.checks.iter().filter(|check| check.result.is_fail());
    failed.map(|check| format!("{:?}/{}", check.stage, check.name.as_str())).collect()
}

fn check<'w>(diagnosis: &'w Diagnosis<'_>, name: &str) -> &'w Check {
    diagnosis
        .checks
        .iter()
        .find(|check| check.name.as_str() == name)
        .unwrap_or_else(|| panic!("{name} in {:#?}", diagnosis.checks))
}

fn ready() -> Value {
    json!({ "phase": "Running", "conditions": [
        { "type": "Ready", "status": "True", "lastTransitionTime": HOUR_AGO }] })
}

#[test]
fn healthy_pod_has_no_failed_check() {
    let node_snapshot =
        node_snapshot(node(json!({}), json!([])), daemon_set(plain()), vec![pod("n1", &plain(), ready())], vec![]);
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!(
        (diagnosis.verdict, diagnosis.state, diagnosis.placement),
        (Verdict::Running, State::Available, Placement::Run)
    );
    assert_eq!(failing(diagnosis), [""; 0]);
    assert_eq!(check(diagnosis, "Bound").stage, Stage::Scheduler);
}

#[test]
fn missing_pod_without_obstacle_is_not_created() {
    let node_snapshot = node_snapshot(node(json!({}), json!([])), daemon_set(plain()), vec![], vec![]);
    let predicted = predicted(&node_snapshot);
    let diagnosis = &all(&node_snapshot, &predicted)[0];
    assert_eq!((diagnosis.verdict, diagnosis.state), (Verdict::Blocked, State::Missing));
    assert_eq!(failing(diagnosis), ["Controller/PodCreated"]);
    assert_eq!(check(diagnosis, "PodCreated").reasons()[0].reason, Reason::NotCreated);
}

#[test]
fn unobserved_generation_is_reported() {
    let mut set = daemon_set(plain());
    set.metadata.generation = Some(4);
    let node_snapshot = node_snapshot(node(json!({}), json!([])), set, vec![], vec![]);
    let predicted = predicted(&node_snapshot);
    let diagnosis = &all(&node_snapshot, &predicted)[0];
    assert_eq!(check(diagnosis, "PodCreated").reasons()[0].reason, Reason::NotObserved { generation: 4, observed: 3 });
}

#[test]
fn planned_node_pod_would_run() {
    let mut node_snapshot = node_snapshot(node(json!({}), json!([])), daemon_set(plain()), vec![], vec![]);
    node_snapshot.node_exists = false;
    let predicted = predicted(&node_snapshot);
    assert_eq!(all(&node_snapshot, &predicted)[0].verdict, Verdict::WouldRun);
}

#[test]
fn planned_node_without_resources_is_unknown() {
    let mut node_snapshot = node_snapshot(Node::default(), daemon_set(plain()), vec![], vec![]);
    node_snapshot.node_exists = false;
    let predicted = predicted(&node_snapshot);
    let diagnosis = &all(&node_snapshot, &predicted)[0];
    assert!(check(diagnosis, "NodeResourcesFit").result.is_unknown());
    assert_eq!((diagnosis.verdict, &diagnosis.preemption), (Verdict::Unknown, &None));
}

#[test]
fn planned_node_daemon_pods_share_resources() {
    let hungry = json!({ "containers": [{ "name": "main", "resources": { "requests": { "cpu": "3" } } }] });
    let mut node_snapshot = node_snapshot(node(json!({}), json!([])), daemon_set(hungry.clone()), vec![], vec![]);
    let mut second = daemon_set(hungry);
    second.metadata.name = Some("second".into());
    second.metadata.uid = Some("u2".into());
    node_snapshot.daemon_sets.push(second);
    node_snapshot.node_exists = false;
    let predicted = predicted(&node_snapshot);
    let verdicts: Vec<Verdict> = all(&node_snapshot, &predicted).iter().map(|diagnosis| diagnosis.verdict).collect();
    assert_eq!(verdicts, [Verdict::WouldRun, Verdict::Blocked]);
}

#[test]
fn unreadable_pods_are_not_missing_pods() {
    let mut node_snapshot = node_snapshot(node(json!({}), json!([])), daemon_set(plain()), vec![], vec![]);
    node_snapshot.bound = Known::failed("cannot list pods");
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!((diagnosis.verdict, diagnosis.state), (Verdict::Unknown, State::Unknown));
    assert!(daemon_sets_without_pod(&node_snapshot, DaemonSetSelection::Named).is_empty());
}

#[test]
fn ineligible_node_has_every_obstacle() {
    let spec = json!({ "containers": [], "nodeSelector": { "disk": "ssd" } });
    let taints = json!({ "taints": [{ "key": "k", "effect": "NoSchedule" }] });
    let node_snapshot = node_snapshot(node(taints, json!([])), daemon_set(spec), vec![], vec![]);
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!(diagnosis.verdict, Verdict::Excluded);
    assert_eq!(failing(diagnosis), ["Controller/NodeSelector", "Controller/TaintToleration"]);
}

/// Edge case 6 (docs/edge-cases.md).
#[test]
fn pending_pod_on_ineligible_node_has_scheduler_reason() {
    let taints = json!({ "taints": [{ "key": "k", "effect": "NoSchedule" }] });
    let waiting = pod("", &plain(), json!({ "phase": "Pending" }));
    let node_snapshot = node_snapshot(node(taints, json!([])), daemon_set(plain()), vec![], vec![waiting]);
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!((diagnosis.verdict, diagnosis.state), (Verdict::Excluded, State::Misscheduled));
    let reasons = check_of(diagnosis, Stage::Scheduler, "TaintToleration").reasons();
    let reason = &reasons[0];
    assert_eq!(reason.scheduler.as_deref(), Some("node(s) had untolerated taint(s)"));
}

fn check_of<'w>(diagnosis: &'w Diagnosis<'_>, stage: Stage, name: &str) -> &'w Check {
    diagnosis.checks.iter().find(|check| check.stage == stage && check.name.as_str() == name).unwrap()
}

/// Edge case 8 (docs/edge-cases.md).
#[test]
fn no_execute_tolerated_for_a_while_evicts_later() {
    let spec = json!({ "containers": [{ "name": "main" }], "tolerations": [
        { "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30 }] });
    let taints = json!({ "taints": [{ "key": "k", "effect": "NoExecute" }] });
    let node_snapshot =
        node_snapshot(node(taints, json!([])), daemon_set(spec.clone()), vec![pod("n1", &spec, ready())], vec![]);
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!(diagnosis.placement, Placement::Run);
    let expected = Reason::TaintEviction { taint: "k:NoExecute".into(), seconds: 30 };
    assert_eq!(check(diagnosis, "TaintEviction").reasons()[0].reason, expected);
}

/// Edge case 15 (docs/edge-cases.md).
#[test]
fn first_matching_toleration_decides_eviction_time() {
    let eviction = |tolerations: Value| {
        let spec = json!({ "containers": [], "tolerations": tolerations });
        let taints = json!({ "taints": [{ "key": "node.kubernetes.io/not-ready", "effect": "NoExecute" }] });
        let node_snapshot = node_snapshot(node(taints, json!([])), daemon_set(spec), vec![], vec![]);
        let predicted = predicted(&node_snapshot);
        check(&all(&node_snapshot, &predicted)[0], "TaintEviction").result.is_fail()
    };
    let key = "node.kubernetes.io/not-ready";
    // The controller replaces this toleration by its own, without the seconds.
    let same = json!([{ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 }]);
    assert!(!eviction(same));
    // For the controller this is a different toleration, so both remain, and it is the first one.
    let equal =
        json!([{ "key": key, "operator": "Equal", "value": "", "effect": "NoExecute", "tolerationSeconds": 60 }]);
    assert!(eviction(equal));
}

/// Edge case 26 (docs/edge-cases.md).
#[test]
fn node_name_in_template_is_checked_by_kubelet() {
    let spec = json!({ "nodeName": "n1",
        "containers": [{ "name": "main", "resources": { "requests": { "cpu": "64" } } }] });
    let node_snapshot = node_snapshot(node(json!({}), json!([])), daemon_set(spec), vec![], vec![]);
    let predicted = predicted(&node_snapshot);
    let diagnosis = &all(&node_snapshot, &predicted)[0];
    assert_eq!(check(diagnosis, "NodeResourcesFit").stage, Stage::Kubelet);
    assert!(check(diagnosis, "NodeResourcesFit").result.is_fail());
    assert!(diagnosis.checks.iter().all(|check| check.stage != Stage::Scheduler));
    assert_eq!(diagnosis.preemption, None);
}

fn under_pressure(condition: &str, class: &str) -> bool {
    let mut spec = plain();
    if !class.is_empty() {
        spec["priorityClassName"] = json!(class);
    }
    let conditions = json!([{ "type": condition, "status": "True" }]);
    let node_snapshot = node_snapshot(node(json!({}), conditions), daemon_set(spec), vec![], vec![]);
    let predicted = predicted(&node_snapshot);
    check(&all(&node_snapshot, &predicted)[0], "Pressure").result.is_fail()
}

/// Edge case 69 (docs/edge-cases.md).
#[test]
fn disk_pressure_rejects_all_but_critical_pods() {
    assert!(under_pressure("DiskPressure", ""));
    assert!(under_pressure("PIDPressure", ""));
    assert!(!under_pressure("DiskPressure", "system-node-critical"));
}

/// Edge case 70 (docs/edge-cases.md).
#[test]
fn memory_pressure_rejects_no_daemon_pod() {
    assert!(!under_pressure("MemoryPressure", ""));
}

#[test]
fn other_scheduler_has_no_filter_checks() {
    let spec = json!({ "containers": [], "schedulerName": "mine", "nodeSelector": { "never": "there" } });
    let waiting = pod("", &spec, json!({ "phase": "Pending" }));
    let node_snapshot =
        node_snapshot(node(json!({}), json!([])), daemon_set(json!({ "containers": [] })), vec![], vec![waiting]);
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!(failing(diagnosis), ["Scheduler/PodScheduled"]);
    let expected = Reason::NotScheduled { scheduler_name: Some("mine".into()) };
    assert_eq!(check(diagnosis, "PodScheduled").reasons()[0].reason, expected);
}

#[test]
fn unexplained_unschedulable_keeps_scheduler_message() {
    let status = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu." }] });
    let node_snapshot =
        node_snapshot(node(json!({}), json!([])), daemon_set(plain()), vec![], vec![pod("", &plain(), status)]);
    let diagnosis = &all(&node_snapshot, &[None])[0];
    assert_eq!((diagnosis.verdict, failing(diagnosis)), (Verdict::Blocked, vec!["Scheduler/PodScheduled".to_owned()]));
}

/// A moment before the save, the scheduler saw what the files do not contain.
#[test]
fn saved_pod_is_not_retried_while_the_scheduler_rejects_it() {
    let status = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu." }] });
    let spec = json!({ "containers": [{ "name": "main", "resources": { "requests": { "cpu": "1" } } }] });
    let explained = |last_seen: &str, is_saved: bool| {
        let waiting = pod("", &spec, status.clone());
        let event = json!({ "metadata": {}, "involvedObject": { "uid": waiting.metadata.uid }, "type": "Warning",
            "reason": "FailedScheduling", "lastTimestamp": last_seen });
        let allocatable = node(json!({ "cpu": "2", "pods": "110" }), json!([]));
        let mut snapshot = node_snapshot(allocatable, daemon_set(spec.clone()), vec![], vec![waiting]);
        snapshot.events = Known::Known(vec![from_json(event)]);
        snapshot.cluster_objects.saved = is_saved.then(SavedNamespaces::default);
        let diagnosis = &all(&snapshot, &[None])[0];
        assert_eq!(failing(diagnosis), ["Scheduler/PodScheduled"]);
        let retries =
            matches!(check(diagnosis, "PodScheduled").reasons()[0].reason, Reason::NoLongerUnschedulable { .. });
        (retries, check(diagnosis, "NodeResourcesFit").result.is_unknown())
    };
    assert_eq!(explained("2026-01-02T11:58:00Z", true), (false, true));
    assert_eq!(explained("2026-01-02T11:54:00Z", true), (true, false));
    assert_eq!(explained("2026-01-02T11:58:00Z", false), (true, false));
}

#[test]
fn pod_rejected_by_kubelet_differs_from_failed_pod() {
    let failed = |status: Value| {
        let node_snapshot =
            node_snapshot(node(json!({}), json!([])), daemon_set(plain()), vec![pod("n1", &plain(), status)], vec![]);
        let diagnoses = all(&node_snapshot, &[None]);
        assert_eq!(diagnoses[0].verdict, Verdict::NotHealthy);
        failing(&diagnoses[0])
    };
    let rejected = json!({ "phase": "Failed", "reason": "OutOfcpu", "message": "Pod was rejected: not enough" });
    assert_eq!(failed(rejected), ["Kubelet/PodAdmission"]);
    let ended = json!({ "phase": "Failed", "containerStatuses": [
        { "name": "main", "state": { "terminated": { "exitCode": 3, "reason": "Error" } } }] });
    assert_eq!(failed(ended), ["Pod/Phase"]);
}

/// The kubelet's words name no other pod; the filters do.
#[test]
fn pod_in_the_way_of_a_rejected_pod_is_named() {
    let requests =
        |cpu: &str| json!({ "containers": [{ "name": "main", "resources": { "requests": { "cpu": cpu } } }] });
    let failed = pod("n1", &requests("3"), json!({ "phase": "Failed", "reason": "OutOfcpu", "message": "x" }));
    let mut static_pod: Pod = objects::pod("kube-system", "etcd-n1", json!({ "spec": requests("2") }));
    static_pod.spec.node_name = "n1".into();
    let rejected =
        node_snapshot(node(json!({}), json!([])), daemon_set(requests("3")), vec![failed, static_pod], vec![]);
    let diagnosis = &all(&rejected, &[None])[0];
    assert_eq!(failing(diagnosis), ["Kubelet/NodeResourcesFit", "Kubelet/PodAdmission"]);
    let reason = &check(diagnosis, "NodeResourcesFit").reasons()[0].reason;
    assert!(format!("{reason:?}").contains("etcd-n1"), "{reason:?}");
}

/// With a surge, the old pod is in the way of the new one.
#[test]
fn new_pod_beside_the_old_one_is_explained() {
    let rolling = json!({ "maxSurge": 1, "maxUnavailable": 0 });
    let requests = json!({ "containers": [{ "name": "main", "resources": { "requests": { "cpu": "3" } } }] });
    let surge = |rolling: Value| {
        let mut set = daemon_set(requests.clone());
        set.spec.update_strategy = Some(from_json(json!({ "type": "RollingUpdate", "rollingUpdate": rolling })));
        let mut old = pod("n1", &requests, ready());
        old.metadata.uid = "uid-old".into();
        let new = pod("", &requests, json!({ "phase": "Pending" }));
        node_snapshot(node(json!({}), json!([])), set, vec![old], vec![new])
    };
    let with_surge = surge(rolling);
    let diagnosis = &all(&with_surge, &[None])[0];
    assert_eq!((diagnosis.verdict, diagnosis.state), (Verdict::Running, State::Available));
    assert_eq!(failing(diagnosis), ["Scheduler/NodeResourcesFit"]);
    assert_eq!(diagnosis.replacement.map(|pod| pod.metadata.name.as_str()), Some("agent-x"));
    let without_surge = surge(json!({ "maxUnavailable": 1 }));
    assert_eq!(failing(&all(&without_surge, &[None])[0]), ["Pod/OnePod"]);
}

#[test]
fn event_query_does_not_depend_on_events() {
    let starting = json!({ "phase": "Pending", "containerStatuses": [
        { "name": "main", "state": { "waiting": { "reason": "ContainerCreating" } } }] });
    let crashing = json!({ "phase": "Running", "containerStatuses": [
        { "name": "main", "state": { "waiting": { "reason": "CrashLoopBackOff" } } }] });
    let bound = |status: &Value| vec![pod("n1", &plain(), status.clone())];
    let waiting = || vec![pod("", &plain(), json!({ "phase": "Pending" }))];
    for (bound, pinned, wants_events) in [
        (bound(&starting), vec![], true),
        (bound(&crashing), vec![], true),
        (bound(&ready()), vec![], false),
        (vec![], waiting(), false),
        (vec![], vec![], true),
    ] {
        let mut node_snapshot = node_snapshot(node(json!({}), json!([])), daemon_set(plain()), bound, pinned);
        let predicted: Vec<_> = daemon_sets_without_pod(&node_snapshot, DaemonSetSelection::All)
            .into_iter()
            .flat_map(|_| predicted(&node_snapshot))
            .collect();
        let query = event_query(&all(&node_snapshot, &predicted));
        assert_eq!(!query.is_empty(), wants_events, "{query:?}");
        node_snapshot.events = Known::Known(vec![
            objects::event("Pod", "uid-agent-x", "FailedMount", json!({})),
            objects::event("DaemonSet", "uid-agent", "FailedCreate", json!({})),
        ]);
        assert_eq!(query, event_query(&all(&node_snapshot, &predicted)));
        let in_full = |node_snapshot: &NodeSnapshot| -> Vec<(Verdict, State, Vec<Check>)> {
            let all = all(node_snapshot, &predicted).into_iter();
            all.map(|diagnosis| (diagnosis.verdict, diagnosis.state, diagnosis.checks)).collect()
        };
        let with_all_events = in_full(&node_snapshot);
        node_snapshot.events = query.select(node_snapshot.events);
        assert_eq!(with_all_events, in_full(&node_snapshot));
    }
}
