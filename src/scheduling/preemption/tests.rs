#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::testing::filter_fixture::{FilterFixture, asking, pod, pod_with};

/// A pod of this priority that requests this much CPU.
fn with_priority(name: &str, priority: i32, cpu: &str) -> Pod {
    pod(name, spec(priority, cpu))
}

fn spec(priority: i32, cpu: &str) -> Value {
    let mut spec = asking(json!({ "cpu": cpu }));
    spec["priority"] = json!(priority);
    spec
}

/// A pod of priority 100 that requests one of the node's two cores.
fn two_cores() -> FilterFixture {
    FilterFixture::new(spec(100, "1"), json!({ "cpu": "2", "pods": "10" }))
}

fn verdict(fixture: &FilterFixture) -> Preemption {
    let attempt = fixture.attempt();
    preemption(&attempt, &run_filters(&attempt))
}

fn names(node_pods: &[NodePod]) -> Vec<&str> {
    node_pods.iter().map(|node_pod| node_pod.pod.as_str()).collect()
}

fn victims(fixture: &FilterFixture) -> Vec<String> {
    match verdict(fixture) {
        Preemption::Possible { victims, .. } => names(&victims).into_iter().map(str::to_owned).collect(),
        other => panic!("{other:?}"),
    }
}

fn started(mut pod: Pod, start: &str) -> Pod {
    pod.status.start_time = Some(start.parse::<jiff::Timestamp>().unwrap().into());
    pod
}

#[test]
fn pod_that_fits_needs_no_preemption() {
    let found = verdict(&two_cores());
    assert_eq!(found, Preemption::NotNeeded);
    assert_eq!(found.scheduler(), Vec::<&str>::new());
}

#[test]
fn pod_with_gates_is_not_tried() {
    let mut gated = spec(100, "1");
    gated["schedulingGates"] = json!([{ "name": "g" }]);
    assert_eq!(verdict(&two_cores().for_pod(pod("agent", gated))), Preemption::NotTried);
}

#[test]
fn failure_without_relation_to_pods_is_not_helpful() {
    let found = verdict(&two_cores().for_pod(with_priority("agent", 100, "3")).with(with_priority("a", 0, "1")));
    assert_eq!(found, Preemption::NotHelpful);
    assert_eq!(found.scheduler(), ["Preemption is not helpful for scheduling"]);
}

#[test]
fn first_failed_plugin_decides_whether_it_is_tried() {
    // The port fails first, so preemption is tried; then the node is too small.
    let mut asking = spec(100, "3");
    asking["containers"][0]["ports"] = json!([{ "hostPort": 80 }]);
    let mut taking = spec(0, "1");
    taking["containers"][0]["ports"] = json!([{ "hostPort": 80 }]);
    let found = verdict(&two_cores().for_pod(pod("agent", asking)).with(pod("a", taking)));
    assert_eq!(found.scheduler(), ["Insufficient cpu"]);
    let Preemption::NotEnough { candidates, required_priority, .. } = found else { panic!("{found:?}") };
    assert_eq!((names(&candidates), required_priority), (vec!["a"], None));
}

#[test]
fn no_pods_of_lower_priority_means_no_victims() {
    let found = verdict(&two_cores().with(with_priority("a", 100, "2")));
    assert_eq!(found.scheduler(), ["No preemption victims found for incoming pod"]);
    let Preemption::NoVictims { required_priority: Some(required_priority) } = found else { panic!("{found:?}") };
    assert_eq!(
        (required_priority.priority, required_priority.class, names(&required_priority.victims)),
        (101, None, vec!["a"])
    );
}

#[test]
fn pod_without_priority_has_zero() {
    let zero = || two_cores().for_pod(pod("agent", asking(json!({ "cpu": "1" }))));
    assert!(matches!(verdict(&zero().with(pod("a", asking(json!({ "cpu": "2" }))))), Preemption::NoVictims { .. }));
    assert_eq!(victims(&zero().with(with_priority("a", -1, "2"))), ["a"]);
}

#[test]
fn remaining_failures_have_scheduler_message() {
    let fixture = two_cores().with(with_priority("low", 0, "500m")).with(with_priority("high", 200, "1500m"));
    let found = verdict(&fixture);
    assert_eq!(found.scheduler(), ["Insufficient cpu"]);
    let Preemption::NotEnough { candidates, required_priority: Some(required_priority), .. } = found else {
        panic!("{found:?}")
    };
    assert_eq!(names(&candidates), ["low"]);
    assert_eq!((required_priority.priority, names(&required_priority.victims)), (201, vec!["high"]));
}

#[test]
fn most_important_pods_are_reprieved_first() {
    // One core must be freed: the high pod and one low pod can stay, the low one that started first.
    let fixture = two_cores()
        .with(started(with_priority("younger", 10, "500m"), "2026-01-02T00:00:00Z"))
        .with(with_priority("not-started", 10, "500m"))
        .with(with_priority("high", 50, "500m"))
        .with(started(with_priority("older", 10, "500m"), "2026-01-01T00:00:00Z"));
    assert_eq!(victims(&fixture), ["younger", "not-started"]);
}

/// Upstream orders by priority and start time only, so that the next pod decides nothing.
#[test]
fn pod_that_is_as_important_as_a_victim_is_named() {
    let equals = |second: &str| {
        let fixture = two_cores()
            .with(started(with_priority("a", 10, "1"), "2026-01-01T00:00:00Z"))
            .with(started(with_priority("b", 10, "1"), second));
        match verdict(&fixture) {
            Preemption::Possible { victims, equals } => {
                assert_eq!(victims.len(), 1);
                names(&equals).len()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(equals("2026-01-01T00:00:00Z"), 1);
    assert_eq!(equals("2026-01-01T00:00:01Z"), 0);
}

#[test]
fn small_pod_is_reprieved_after_large_one_is_not() {
    let fixture = two_cores().with(with_priority("great", 50, "1500m")).with(with_priority("small", 10, "500m"));
    assert_eq!(victims(&fixture), ["great"]);
}

#[test]
fn pods_are_evicted_for_port_and_for_pod_limit() {
    let mut with_port = spec(100, "1");
    with_port["containers"][0]["ports"] = json!([{ "hostPort": 80 }]);
    let mut taking = spec(0, "0");
    taking["containers"][0]["ports"] = json!([{ "hostPort": 80 }]);
    let one = two_cores().for_pod(pod("agent", with_port)).with(pod("a", taking)).with(with_priority("b", 0, "1"));
    assert_eq!(victims(&one), ["a"]);
    let full = FilterFixture::new(spec(100, "1"), json!({ "cpu": "2", "pods": "1" })).with(with_priority("a", 0, "0"));
    assert_eq!(victims(&full), ["a"]);
}

#[test]
fn room_for_nominated_pod_is_not_used() {
    let fixture =
        two_cores().with(with_priority("low", 0, "1")).with_nominated(with_priority("nominated", 100, "1500m"));
    assert_eq!(verdict(&fixture).scheduler(), ["Insufficient cpu"]);
}

#[test]
fn policy_never_reports_sufficient_priority() {
    let mut never = spec(100, "1");
    never["preemptionPolicy"] = json!("Never");
    let found = verdict(&two_cores().for_pod(pod("agent", never)).with(with_priority("a", 5, "2")));
    assert_eq!(found.scheduler(), ["not eligible due to preemptionPolicy=Never."]);
    let Preemption::Never { required_priority: Some(required_priority) } = found else { panic!("{found:?}") };
    // The pod keeps its own priority.
    assert_eq!((required_priority.priority, names(&required_priority.victims)), (100, vec!["a"]));
    // The policy is checked before whether preemption would help.
    let mut large = spec(100, "3");
    large["preemptionPolicy"] = json!("Never");
    assert_eq!(verdict(&two_cores().for_pod(pod("agent", large))), Preemption::Never { required_priority: None });
}

#[test]
fn preemption_under_way_selects_no_other_victims() {
    let leaving = |reason: &str| {
        let status = json!({ "conditions": [{ "type": "DisruptionTarget", "status": "True", "reason": reason }] });
        let mut pod = pod_with("a", spec(0, "2"), status);
        pod.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().into());
        pod
    };
    let nominated = || pod_with("agent", spec(100, "1"), json!({ "nominatedNodeName": "n1" }));
    let found = verdict(&two_cores().for_pod(nominated()).with(leaving("PreemptionByScheduler")));
    assert_eq!(found.scheduler(), ["not eligible due to a terminating pod on the nominated node."]);
    assert!(matches!(found, Preemption::UnderWay { .. }));
    // With another reason for the deletion, or without a nomination, the pod is a normal victim.
    assert_eq!(victims(&two_cores().for_pod(nominated()).with(leaving("EvictionByEvictionAPI"))), ["a"]);
    assert_eq!(victims(&two_cores().with(leaving("PreemptionByScheduler"))), ["a"]);
}

#[test]
fn unknown_data_is_reported() {
    let fixture = two_cores().with(with_priority("a", 0, "2"));
    let unknown = || Known::failed("no pods");
    let attempt = fixture.attempt();
    let nominated = Attempt { nominated: unknown(), ..attempt.clone() };
    assert_eq!(preemption(&nominated, &run_filters(&nominated)), Preemption::Unknown { missing: "no pods".into() });
    let bound_pods = Attempt { bound_pods: unknown(), ..attempt.clone() };
    assert_eq!(preemption(&bound_pods, &run_filters(&bound_pods)), Preemption::Unknown { missing: "no pods".into() });
    // The failure is certain, but the unknown pods decide whether preemption helps.
    assert_eq!(preemption(&bound_pods, &run_filters(&attempt)), Preemption::Unknown { missing: "no pods".into() });
}

#[test]
fn class_is_lowest_sufficient_that_may_preempt() {
    let with_classes = |priority: i32, classes: Value| {
        let mut fixture = two_cores().with(with_priority("a", priority, "2"));
        fixture.cluster_objects.priority_classes = Known::Known(serde_json::from_value(classes).unwrap());
        match verdict(&fixture) {
            Preemption::NoVictims { required_priority } => {
                required_priority.map(|required_priority| (required_priority.priority, required_priority.class))
            }
            other => panic!("{other:?}"),
        }
    };
    let classes = || {
        json!([
            { "metadata": { "name": "high" }, "value": 5000 },
            { "metadata": { "name": "never" }, "value": 300, "preemptionPolicy": "Never" },
            { "metadata": { "name": "mid" }, "value": 1000 },
            { "metadata": { "name": "low" }, "value": 100 },
            { "metadata": { "name": "system-node-critical" }, "value": 2_000_001_000 },
        ])
    };
    assert_eq!(with_classes(200, classes()), Some((201, Some("mid".into()))));
    assert_eq!(with_classes(999, classes()), Some((1000, Some("mid".into()))));
    assert_eq!(with_classes(5000, classes()), Some((5001, None)));
    assert_eq!(with_classes(1_000_000_000, json!([])), Some((1_000_000_001, Some("system-cluster-critical".into()))));
    assert_eq!(with_classes(2_000_000_000, classes()), Some((2_000_000_001, Some("system-node-critical".into()))));
    assert_eq!(with_classes(2_000_001_000, classes()), None);
}

#[test]
fn json_has_verdict_and_evidence() {
    let found = serde_json::to_value(verdict(&two_cores().with(with_priority("a", 0, "2")))).unwrap();
    let victims = json!([{ "namespace": "ns", "pod": "a", "priority": 0 }]);
    assert_eq!(found, json!({ "verdict": "Possible", "victims": victims }));
    assert_eq!(serde_json::to_value(Preemption::NotHelpful).unwrap(), json!({ "verdict": "NotHelpful" }));
}

#[test]
fn objects_without_victims_have_only_other_pods() {
    let victim = with_priority("a", 0, "2");
    let other = with_priority("b", 0, "2");
    let cluster_objects =
        ClusterObjects { pods: Known::Known(vec![victim.clone(), other.clone()]), ..ClusterObjects::default() };
    let mut without = objects_without(&cluster_objects, &[&victim]);
    let pods = |cluster_objects: &ClusterObjects| -> Vec<String> {
        cluster_objects.pods.known().unwrap().iter().map(|pod| pod.metadata.name.clone()).collect()
    };
    assert_eq!(pods(&without), ["b"]);
    give_back(&mut without, &victim);
    assert_eq!(pods(&without), ["b", "a"]);
    take_away(&mut without, &victim);
    assert_eq!(pods(&without), ["b"]);
}
