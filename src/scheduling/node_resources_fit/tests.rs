#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::scheduling::world::{FilterFixture, asking, pod, pod_with};
use crate::snapshot::cluster_objects::ClusterObjects;

fn refused(world: &FilterFixture) -> Vec<(String, bool)> {
    match filter(&world.attempt()) {
        CheckResult::Pass => Vec::new(),
        CheckResult::Fail(rejections) => {
            rejections.into_iter().map(|rejection| (rejection.scheduler, rejection.may_preempt)).collect()
        }
        CheckResult::Unknown { missing } => panic!("{missing}"),
    }
}

fn insufficient(resource: &str, may_preempt: bool) -> Vec<(String, bool)> {
    vec![(format!("Insufficient {resource}"), may_preempt)]
}

fn evidence(world: &FilterFixture) -> Vec<Value> {
    let CheckResult::Fail(rejections) = filter(&world.attempt()) else { panic!("it fits") };
    rejections.iter().map(|rejection| serde_json::to_value(&rejection.rejection).unwrap()).collect()
}

/// A node of two cores, and a pod that asks for this.
fn on_two_cores(cpu: &str) -> FilterFixture {
    FilterFixture::new(asking(json!({ "cpu": cpu })), json!({ "cpu": "2", "memory": "4Gi", "pods": "10" }))
}

fn holding(name: &str, cpu: &str) -> Pod {
    pod(name, asking(json!({ "cpu": cpu })))
}

/// Edge case 61 (docs/edge-cases.md).

#[test]

fn a_pod_that_asks_for_nothing_fits_an_overcommitted_node_but_not_a_full_one() {
    let world = on_two_cores("0").with(holding("a", "3"));
    assert_eq!(refused(&world), []);
    let full =
        FilterFixture::new(json!({ "containers": [{ "name": "c" }] }), json!({ "pods": "1" })).with(holding("a", "3"));
    assert_eq!(refused(&full), [("Too many pods".to_owned(), true)]);
}

/// Edge case 62 (docs/edge-cases.md).

#[test]

fn a_resource_that_the_node_lacks_is_refused_for_good_but_none_of_it_is_no_request() {
    let asking_for = |gpus: &str| {
        FilterFixture::new(asking(json!({ "example.com/gpu": gpus })), json!({ "cpu": "2", "pods": "10" }))
    };
    assert_eq!(refused(&asking_for("1")), insufficient("example.com/gpu", false));
    assert_eq!(
        evidence(&asking_for("1")),
        [json!({
            "code": "ExceedsAllocatable", "resource": "example.com/gpu", "requested": "1", "allocatable": "0",
        })]
    );
    assert_eq!(refused(&asking_for("0")), []);
}

/// Edge case 63 (docs/edge-cases.md).

#[test]

fn a_node_that_says_no_number_of_pods_takes_none() {
    let world = FilterFixture::new(asking(json!({ "cpu": "1" })), json!({ "cpu": "2" }));
    assert_eq!(refused(&world), [("Too many pods".to_owned(), true)]);
}

/// Edge case 64 (docs/edge-cases.md).

#[test]

fn a_terminating_pod_counts_and_is_said_to_leave() {
    let mut leaving = holding("a", "1500m");
    leaving.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().into());
    let world = on_two_cores("1").with(leaving);
    assert_eq!(refused(&world), insufficient("cpu", true));
    assert_eq!(evidence(&world)[0]["usedBy"][0]["terminating"], json!(true));
}

#[test]
fn the_evidence_is_the_whole_arithmetic_with_the_greatest_holder_first() {
    let world = on_two_cores("1").with(holding("b", "200m")).with(holding("zero", "0")).with(holding("a", "1300m"));
    assert_eq!(
        evidence(&world),
        [json!({
            "code": "InsufficientResource", "resource": "cpu",
            "requested": "1", "used": "1500m", "allocatable": "2", "shortBy": "500m",
            "usedBy": [
                { "namespace": "ns", "pod": "a", "priority": 0, "amount": "1300m" },
                { "namespace": "ns", "pod": "b", "priority": 0, "amount": "200m" },
            ],
            "reduceTo": { "container": "main", "request": "500m" },
        })]
    );
}

#[test]
fn what_fits_exactly_fits_and_a_thousandth_more_does_not() {
    assert_eq!(refused(&on_two_cores("1").with(holding("a", "1"))), []);
    assert_eq!(refused(&on_two_cores("1001m").with(holding("a", "1"))), insufficient("cpu", true));
    assert_eq!(refused(&on_two_cores("2")), []);
    assert_eq!(refused(&on_two_cores("2001m")), insufficient("cpu", false));
}

#[test]
fn each_pod_is_rounded_and_then_the_sum_is_made() {
    // Half a thousandth each: two whole ones in the scheduler's eyes.
    let world = on_two_cores("1999m").with(holding("a", "0.5m")).with(holding("b", "0.5m"));
    assert_eq!(refused(&world), insufficient("cpu", true));
    assert_eq!(refused(&on_two_cores("1999m").with(holding("a", "0.5m"))), []);
}

#[test]
fn every_resource_that_is_short_is_named() {
    let requests = json!({
        "cpu": "3", "memory": "5Gi", "ephemeral-storage": "1Gi", "example.com/b": "2", "example.com/a": "1",
        "hugepages-2Mi": "4Mi", "attachable-volumes-x": "1",
    });
    let allocatable = json!({
        "cpu": "2", "memory": "8Gi", "ephemeral-storage": "1Mi", "example.com/b": "2", "pods": "1",
    });
    let neighbour = pod("n", asking(json!({ "memory": "4Gi", "example.com/b": "1" })));
    assert_eq!(
        refused(&FilterFixture::new(asking(requests), allocatable).with(neighbour)),
        [
            ("Too many pods", true),
            ("Insufficient cpu", false),
            ("Insufficient memory", true),
            ("Insufficient ephemeral-storage", false),
            ("Insufficient attachable-volumes-x", false),
            ("Insufficient example.com/a", false),
            ("Insufficient example.com/b", true),
            ("Insufficient hugepages-2Mi", false),
        ]
        .map(|(words, may_preempt)| (words.to_owned(), may_preempt))
    );
}

#[test]
fn nominated_pods_of_no_lower_priority_take_their_room() {
    let nominated = |priority: i32| {
        let mut spec = asking(json!({ "cpu": "1500m" }));
        spec["priority"] = json!(priority);
        pod("n", spec)
    };
    let mut world = on_two_cores("1").with_nominated(nominated(0));
    assert_eq!(refused(&world), insufficient("cpu", true));
    assert_eq!(evidence(&world)[0]["usedBy"][0]["nominated"], json!(true));
    assert_eq!(refused(&on_two_cores("1").with_nominated(nominated(-1))), []);
    // The pod itself may be one of them.
    world.pod.metadata.uid = "uid-n".into();
    assert_eq!(refused(&world), []);
    // They count among the pods, too.
    let full = FilterFixture::new(asking(json!({})), json!({ "pods": "1" })).with_nominated(nominated(0));
    assert_eq!(refused(&full), [("Too many pods".to_owned(), true)]);
}

#[test]
fn neighbours_that_are_not_known_leave_it_open_unless_the_node_is_too_small() {
    let outcome = |cpu: &str| {
        let world = on_two_cores(cpu);
        filter(&Attempt { bound_pods: Known::Unknown("no pods".into()), ..world.attempt() })
    };
    assert_eq!(outcome("1"), CheckResult::Unknown { missing: "no pods".into() });
    let CheckResult::Fail(rejections) = outcome("3") else { panic!("it may fit") };
    assert_eq!(rejections.len(), 1);
    assert!(!rejections[0].may_preempt);
}

#[test]
fn preemption_is_tried_on_a_node_that_is_too_small_up_to_1_33() {
    for (minor, is_tried) in [(33, true), (34, false)] {
        let world = on_two_cores("3").on(minor);
        assert_eq!(refused(&world), insufficient("cpu", is_tried), "1.{minor}");
        assert_eq!(evidence(&world)[0]["code"], "ExceedsAllocatable");
    }
}

#[test]
fn nominated_pods_that_are_not_known_leave_a_pass_open_and_no_refusal() {
    let outcome =
        |world: &FilterFixture| filter(&Attempt { nominated: Known::Unknown("no pods".into()), ..world.attempt() });
    assert_eq!(outcome(&on_two_cores("1")), CheckResult::Unknown { missing: "no pods".into() });
    assert!(matches!(outcome(&on_two_cores("1").with(holding("a", "2"))), CheckResult::Fail(_)));
}

#[test]
fn an_extended_resource_that_a_device_class_stands_for_is_left_to_the_claims() {
    let with_classes = |name: &str, classes: Value, allocatable: Value| {
        let mut world = FilterFixture::new(asking(json!({ name: "2" })), allocatable);
        world.facts.device_classes = Known::Known(serde_json::from_value(classes).unwrap());
        world
    };
    let classes = json!([
        { "metadata": { "name": "gpu" }, "spec": { "extendedResourceName": "example.com/gpu" } },
        { "metadata": { "name": "other" }, "spec": {} },
    ]);
    let none = json!({ "pods": "10" });
    assert_eq!(refused(&with_classes("example.com/gpu", classes.clone(), none.clone())), []);
    assert_eq!(refused(&with_classes("deviceclass.resource.kubernetes.io/other", classes.clone(), none.clone())), []);
    assert_eq!(
        refused(&with_classes("example.com/nic", classes.clone(), none.clone())),
        insufficient("example.com/nic", false)
    );
    assert_eq!(
        refused(&with_classes("example.com/gpu", classes.clone(), none.clone()).on(35)),
        insufficient("example.com/gpu", false)
    );
    // A node that has some of it by a device plugin is judged by that.
    let some = json!({ "pods": "10", "example.com/gpu": "1" });
    assert_eq!(refused(&with_classes("example.com/gpu", classes, some)), insufficient("example.com/gpu", false));
    assert_eq!(
        refused(&FilterFixture {
            facts: ClusterObjects::default(),
            ..with_classes("example.com/gpu", json!([]), none)
        }),
        insufficient("example.com/gpu", false)
    );
}

const MEBI: i64 = 1 << 20;

fn reduce_to(world: &FilterFixture) -> Value {
    evidence(world)[0]["reduceTo"].clone()
}

#[test]
fn the_lower_request_is_the_greatest_that_fits() {
    let two = |resources: Value| FilterFixture::new(resources, json!({ "cpu": "2", "memory": "4Gi", "pods": "10" }));
    let containers = json!({ "containers": [
        { "name": "small", "resources": { "requests": { "cpu": "100m" } } },
        { "name": "large", "resources": { "requests": { "cpu": "800m" } } },
    ] });
    let world = two(containers).with(holding("a", "1500m"));
    assert_eq!(reduce_to(&world), json!({ "container": "large", "request": "400m" }));
    // It does fit with it, and with a thousandth more it does not.
    for (request, expected) in [("400m", vec![]), ("401m", insufficient("cpu", true))] {
        let pod = with_request(&world.pod, "large", "cpu", request.parse().unwrap());
        assert_eq!(refused(&two(json!({ "containers": [] })).with(holding("a", "1500m")).of(pod)), expected);
    }
    // Memory in whole mebibytes.
    let memory = two(asking(json!({ "memory": "3Gi" }))).with(pod("a", asking(json!({ "memory": "2000000001" }))));
    assert_eq!(reduce_to(&memory)["request"], json!((((4i64 << 30) - 2_000_000_001) / MEBI * MEBI).to_string()));
}

#[test]
fn there_is_no_lower_request_where_nothing_is_left_or_two_containers_would_have_to_give() {
    assert_eq!(reduce_to(&on_two_cores("1").with(holding("a", "2"))), Value::Null);
    assert_eq!(reduce_to(&on_two_cores("1").with(holding("a", "3"))), Value::Null);
    let twice = json!({ "containers": [
        { "name": "a", "resources": { "requests": { "cpu": "1" } } },
        { "name": "b", "resources": { "requests": { "cpu": "1" } } },
    ] });
    let world = FilterFixture::new(twice, json!({ "cpu": "2", "pods": "10" })).with(holding("n", "1500m"));
    assert_eq!(reduce_to(&world), Value::Null);
    let gpu = json!({ "example.com/gpu": "1" });
    let one = FilterFixture::new(asking(gpu.clone()), json!({ "pods": "10", "example.com/gpu": "1" }))
        .with(pod("a", asking(gpu)));
    assert_eq!(reduce_to(&one), Value::Null);
}

#[test]
fn the_request_of_an_init_container_or_of_the_pod_as_a_whole_is_the_one_to_lower_where_it_decides() {
    let init = json!({
        "containers": [{ "name": "c", "resources": { "requests": { "cpu": "100m" } } }],
        "initContainers": [{ "name": "i", "resources": { "requests": { "cpu": "3" } } }],
    });
    let world = FilterFixture::new(init, json!({ "cpu": "2", "pods": "10" }));
    assert_eq!(reduce_to(&world), json!({ "container": "i", "init": true, "request": "2" }));
    let whole = |containers: &str| {
        let mut spec = asking(json!({ "cpu": containers }));
        spec["resources"] = json!({ "requests": { "cpu": "3" } });
        spec["overhead"] = json!({ "cpu": "100m" });
        FilterFixture::new(spec, json!({ "cpu": "2", "pods": "10" }))
    };
    assert_eq!(reduce_to(&whole("500m")), json!({ "request": "1900m" }));
    // The API server takes none that is below the sum of the containers.
    assert_eq!(reduce_to(&whole("2500m")), Value::Null);
}

#[test]
fn pods_in_a_resize_count_by_the_version() {
    let status = json!({ "containerStatuses": [{ "name": "main", "resources": { "requests": { "cpu": "1500m" } } }] });
    let shrinking = pod_with("a", asking(json!({ "cpu": "500m" })), status);
    assert_eq!(refused(&on_two_cores("1").with(shrinking.clone())), insufficient("cpu", true));
    assert_eq!(refused(&on_two_cores("1").with(shrinking).on(32)), []);
}
