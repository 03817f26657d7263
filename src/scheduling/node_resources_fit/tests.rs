#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::testing::filter_fixture::{FilterFixture, asking, pod, pod_with};

fn failures(fixture: &FilterFixture) -> Vec<(String, bool)> {
    match filter(&fixture.attempt()) {
        CheckResult::Pass => Vec::new(),
        CheckResult::Fail(rejections) => {
            rejections.iter().map(|rejection| (rejection.scheduler.clone(), rejection.may_preempt())).collect()
        }
        CheckResult::Unknown { missing } => panic!("{missing}"),
    }
}

fn insufficient(resource: &str, may_preempt: bool) -> Vec<(String, bool)> {
    vec![(format!("Insufficient {resource}"), may_preempt)]
}

fn evidence(fixture: &FilterFixture) -> Vec<Value> {
    let CheckResult::Fail(rejections) = filter(&fixture.attempt()) else { panic!("it fits") };
    rejections.iter().map(|rejection| serde_json::to_value(&rejection.rejection).unwrap()).collect()
}

/// A node with two cores, and a pod that requests this much CPU.
fn on_two_cores(cpu: &str) -> FilterFixture {
    FilterFixture::new(asking(json!({ "cpu": cpu })), json!({ "cpu": "2", "memory": "4Gi", "pods": "10" }))
}

fn holding(name: &str, cpu: &str) -> Pod {
    pod(name, asking(json!({ "cpu": cpu })))
}

/// Edge case 61 (docs/edge-cases.md).
#[test]
fn pod_without_requests_fits_unless_pod_limit_is_reached() {
    let fixture = on_two_cores("0").with(holding("a", "3"));
    assert_eq!(failures(&fixture), []);
    let full =
        FilterFixture::new(json!({ "containers": [{ "name": "c" }] }), json!({ "pods": "1" })).with(holding("a", "3"));
    assert_eq!(failures(&full), [("Too many pods".to_owned(), true)]);
}

/// Edge case 62 (docs/edge-cases.md).
#[test]
fn missing_resource_is_unresolvable_unless_request_is_zero() {
    let asking_for = |gpus: &str| {
        FilterFixture::new(asking(json!({ "example.com/gpu": gpus })), json!({ "cpu": "2", "pods": "10" }))
    };
    assert_eq!(failures(&asking_for("1")), insufficient("example.com/gpu", false));
    assert_eq!(
        evidence(&asking_for("1")),
        [json!({
            "code": "ExceedsAllocatable", "resource": "example.com/gpu", "requested": "1", "allocatable": "0",
        })]
    );
    assert_eq!(failures(&asking_for("0")), []);
}

/// Edge case 63 (docs/edge-cases.md).
#[test]
fn node_without_pods_limit_accepts_none() {
    let fixture = FilterFixture::new(asking(json!({ "cpu": "1" })), json!({ "cpu": "2" }));
    assert_eq!(failures(&fixture), [("Too many pods".to_owned(), true)]);
}

/// Edge case 64 (docs/edge-cases.md).
#[test]
fn terminating_pod_counts_and_is_marked() {
    let mut leaving = holding("a", "1500m");
    leaving.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().into());
    let fixture = on_two_cores("1").with(leaving);
    assert_eq!(failures(&fixture), insufficient("cpu", true));
    assert_eq!(evidence(&fixture)[0]["usedBy"][0]["terminating"], json!(true));
}

#[test]
fn evidence_has_all_amounts_and_largest_pod_first() {
    let fixture = on_two_cores("1").with(holding("b", "200m")).with(holding("zero", "0")).with(holding("a", "1300m"));
    assert_eq!(
        evidence(&fixture),
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
fn exact_fit_passes_one_millicore_more_fails() {
    assert_eq!(failures(&on_two_cores("1").with(holding("a", "1"))), []);
    assert_eq!(failures(&on_two_cores("1001m").with(holding("a", "1"))), insufficient("cpu", true));
    assert_eq!(failures(&on_two_cores("2")), []);
    assert_eq!(failures(&on_two_cores("2001m")), insufficient("cpu", false));
}

#[test]
fn requests_are_rounded_per_pod_before_summing() {
    // Half a millicore each: the scheduler counts one millicore for each.
    let fixture = on_two_cores("1999m").with(holding("a", "0.5m")).with(holding("b", "0.5m"));
    assert_eq!(failures(&fixture), insufficient("cpu", true));
    assert_eq!(failures(&on_two_cores("1999m").with(holding("a", "0.5m"))), []);
}

#[test]
fn every_insufficient_resource_is_reported() {
    let requests = json!({
        "cpu": "3", "memory": "5Gi", "ephemeral-storage": "1Gi", "example.com/b": "2", "example.com/a": "1",
        "hugepages-2Mi": "4Mi", "attachable-volumes-x": "1",
    });
    let allocatable = json!({
        "cpu": "2", "memory": "8Gi", "ephemeral-storage": "1Mi", "example.com/b": "2", "pods": "1",
    });
    let neighbour = pod("n", asking(json!({ "memory": "4Gi", "example.com/b": "1" })));
    assert_eq!(
        failures(&FilterFixture::new(asking(requests), allocatable).with(neighbour)),
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
fn nominated_pods_use_resources_unless_priority_is_lower() {
    let nominated = |priority: i32| {
        let mut spec = asking(json!({ "cpu": "1500m" }));
        spec["priority"] = json!(priority);
        pod("n", spec)
    };
    let mut fixture = on_two_cores("1").with_nominated(nominated(0));
    assert_eq!(failures(&fixture), insufficient("cpu", true));
    assert_eq!(evidence(&fixture)[0]["usedBy"][0]["nominated"], json!(true));
    assert_eq!(failures(&on_two_cores("1").with_nominated(nominated(-1))), []);
    // The pod itself may be one of them.
    fixture.pod.metadata.uid = "uid-n".into();
    assert_eq!(failures(&fixture), []);
    // They also count for the number of pods.
    let full = FilterFixture::new(asking(json!({})), json!({ "pods": "1" })).with_nominated(nominated(0));
    assert_eq!(failures(&full), [("Too many pods".to_owned(), true)]);
}

#[test]
fn unknown_pods_matter_unless_empty_node_is_too_small() {
    let outcome = |cpu: &str| {
        let fixture = on_two_cores(cpu);
        filter(&Attempt { bound_pods: Known::failed("no pods"), ..fixture.attempt() })
    };
    assert_eq!(outcome("1"), CheckResult::Unknown { missing: crate::snapshot::Missing::Failed("no pods".into()) });
    let CheckResult::Fail(rejections) = outcome("3") else { panic!("it may fit") };
    assert_eq!(rejections.len(), 1);
    assert!(!rejections[0].may_preempt());
}

#[test]
fn preemption_on_too_small_node_is_tried_until_1_33() {
    for (minor, is_tried) in [(33, true), (34, false)] {
        let fixture = on_two_cores("3").on(minor);
        assert_eq!(failures(&fixture), insufficient("cpu", is_tried), "1.{minor}");
        assert_eq!(evidence(&fixture)[0]["code"], "ExceedsAllocatable");
    }
}

#[test]
fn unknown_nominated_pods_turn_pass_into_unknown() {
    let outcome =
        |fixture: &FilterFixture| filter(&Attempt { nominated: Known::failed("no pods"), ..fixture.attempt() });
    assert_eq!(
        outcome(&on_two_cores("1")),
        CheckResult::Unknown { missing: crate::snapshot::Missing::Failed("no pods".into()) }
    );
    assert!(matches!(outcome(&on_two_cores("1").with(holding("a", "2"))), CheckResult::Fail(_)));
}

#[test]
fn extended_resource_of_device_class_is_not_checked() {
    let with_classes = |name: &str, classes: Value, allocatable: Value| {
        let mut fixture = FilterFixture::new(asking(json!({ name: "2" })), allocatable);
        fixture.cluster_objects.device_classes = Known::Known(serde_json::from_value(classes).unwrap());
        fixture
    };
    let classes = json!([
        { "metadata": { "name": "gpu" }, "spec": { "extendedResourceName": "example.com/gpu" } },
        { "metadata": { "name": "other" }, "spec": {} },
    ]);
    let none = json!({ "pods": "10" });
    assert_eq!(failures(&with_classes("example.com/gpu", classes.clone(), none.clone())), []);
    assert_eq!(failures(&with_classes("deviceclass.resource.kubernetes.io/other", classes.clone(), none.clone())), []);
    assert_eq!(
        failures(&with_classes("example.com/nic", classes.clone(), none.clone())),
        insufficient("example.com/nic", false)
    );
    assert_eq!(
        failures(&with_classes("example.com/gpu", classes.clone(), none.clone()).on(35)),
        insufficient("example.com/gpu", false)
    );
    // If a device plugin provides the resource on the node, it is checked here.
    let some = json!({ "pods": "10", "example.com/gpu": "1" });
    assert_eq!(failures(&with_classes("example.com/gpu", classes, some)), insufficient("example.com/gpu", false));
    assert_eq!(
        failures(&FilterFixture {
            cluster_objects: ClusterObjects::default(),
            ..with_classes("example.com/gpu", json!([]), none)
        }),
        insufficient("example.com/gpu", false)
    );
}

const MEBI: i64 = 1 << 20;

fn reduce_to(fixture: &FilterFixture) -> Value {
    evidence(fixture)[0]["reduceTo"].clone()
}

#[test]
fn lower_request_is_highest_that_fits() {
    let two = |resources: Value| FilterFixture::new(resources, json!({ "cpu": "2", "memory": "4Gi", "pods": "10" }));
    let containers = json!({ "containers": [
        { "name": "small", "resources": { "requests": { "cpu": "100m" } } },
        { "name": "large", "resources": { "requests": { "cpu": "800m" } } },
    ] });
    let fixture = two(containers).with(holding("a", "1500m"));
    assert_eq!(reduce_to(&fixture), json!({ "container": "large", "request": "400m" }));
    // The pod fits with it, and does not fit with one millicore more.
    for (request, expected) in [("400m", vec![]), ("401m", insufficient("cpu", true))] {
        let pod = with_request(&fixture.pod, "large", "cpu", request.parse().unwrap());
        assert_eq!(failures(&two(json!({ "containers": [] })).with(holding("a", "1500m")).for_pod(pod)), expected);
    }
    // Memory is in whole mebibytes.
    let memory = two(asking(json!({ "memory": "3Gi" }))).with(pod("a", asking(json!({ "memory": "2000000001" }))));
    assert_eq!(reduce_to(&memory)["request"], json!((((4i64 << 30) - 2_000_000_001) / MEBI * MEBI).to_string()));
}

#[test]
fn no_lower_request_if_one_container_is_not_enough() {
    assert_eq!(reduce_to(&on_two_cores("1").with(holding("a", "2"))), Value::Null);
    assert_eq!(reduce_to(&on_two_cores("1").with(holding("a", "3"))), Value::Null);
    let twice = json!({ "containers": [
        { "name": "a", "resources": { "requests": { "cpu": "1" } } },
        { "name": "b", "resources": { "requests": { "cpu": "1" } } },
    ] });
    let fixture = FilterFixture::new(twice, json!({ "cpu": "2", "pods": "10" })).with(holding("n", "1500m"));
    assert_eq!(reduce_to(&fixture), Value::Null);
    let gpu = json!({ "example.com/gpu": "1" });
    let one = FilterFixture::new(asking(gpu.clone()), json!({ "pods": "10", "example.com/gpu": "1" }))
        .with(pod("a", asking(gpu)));
    assert_eq!(reduce_to(&one), Value::Null);
}

#[test]
fn lower_request_of_init_container_or_pod_level() {
    let init = json!({
        "containers": [{ "name": "c", "resources": { "requests": { "cpu": "100m" } } }],
        "initContainers": [{ "name": "i", "resources": { "requests": { "cpu": "3" } } }],
    });
    let fixture = FilterFixture::new(init, json!({ "cpu": "2", "pods": "10" }));
    assert_eq!(reduce_to(&fixture), json!({ "container": "i", "init": true, "request": "2" }));
    let whole = |containers: &str| {
        let mut spec = asking(json!({ "cpu": containers }));
        spec["resources"] = json!({ "requests": { "cpu": "3" } });
        spec["overhead"] = json!({ "cpu": "100m" });
        FilterFixture::new(spec, json!({ "cpu": "2", "pods": "10" }))
    };
    assert_eq!(reduce_to(&whole("500m")), json!({ "request": "1900m" }));
    // The API server rejects a request below the sum of the containers.
    assert_eq!(reduce_to(&whole("2500m")), Value::Null);
}

#[test]
fn pods_in_resize_count_by_version() {
    let status = json!({ "containerStatuses": [{ "name": "main", "resources": { "requests": { "cpu": "1500m" } } }] });
    let shrinking = pod_with("a", asking(json!({ "cpu": "500m" })), status);
    assert_eq!(failures(&on_two_cores("1").with(shrinking.clone())), insufficient("cpu", true));
    assert_eq!(failures(&on_two_cores("1").with(shrinking).on(32)), []);
}
