#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::testing::filter_fixture::{FilterFixture, pod};

fn with_port(port: Value) -> Value {
    json!({ "containers": [{ "name": "main", "ports": [port] }] })
}

fn port(ip: &str, number: i32, protocol: &str) -> Value {
    json!({ "hostPort": number, "containerPort": 1, "protocol": protocol, "hostIP": ip })
}

fn fits(requested: Value, used: Value) -> bool {
    let fixture = FilterFixture::new(with_port(requested), json!({})).with(pod("a", with_port(used)));
    filter(&fixture.attempt()) == CheckResult::Pass
}

/// Edge case 65 (docs/edge-cases.md).
#[test]
fn address_0_0_0_0_conflicts_with_every_address() {
    let all = || port("0.0.0.0", 80, "TCP");
    assert!(!fits(port("10.0.0.1", 80, "TCP"), all()));
    assert!(!fits(all(), port("10.0.0.1", 80, "TCP")));
    assert!(fits(port("10.0.0.1", 80, "UDP"), all()));
    assert!(fits(port("10.0.0.1", 81, "TCP"), all()));
    assert!(fits(port("10.0.0.1", 80, "TCP"), port("10.0.0.2", 80, "TCP")));
    assert!(!fits(port("10.0.0.1", 80, "TCP"), port("10.0.0.1", 80, "TCP")));
    assert!(!fits(port("", 80, ""), port("10.0.0.1", 80, "TCP")));
    assert!(!fits(port("", 80, ""), all()));
    assert!(fits(port("::", 80, "TCP"), port("10.0.0.1", 80, "TCP")));
    assert!(!fits(port("::", 80, "TCP"), all()));
    assert!(!fits(port("::", 80, "TCP"), port("::", 80, "TCP")));
}

/// Edge case 67 (docs/edge-cases.md).
#[test]
fn ports_of_sidecars_count_ports_of_init_containers_do_not() {
    let with_init = |restart_policy: &str| {
        json!({
            "containers": [{ "name": "main" }],
            "initContainers": [
                { "name": "init", "restartPolicy": restart_policy, "ports": [port("", 80, "TCP")] },
            ],
        })
    };
    let outcome = |spec: Value, neighbour: Value, minor: u32| {
        let fixture = FilterFixture::new(spec, json!({})).with(pod("a", neighbour)).on(minor);
        filter(&fixture.attempt()) == CheckResult::Pass
    };
    let plain = || with_port(port("", 80, "TCP"));
    assert!(outcome(with_init(""), plain(), 36));
    assert!(outcome(plain(), with_init(""), 36));
    assert!(!outcome(with_init("Always"), plain(), 36));
    assert!(!outcome(plain(), with_init("Always"), 36));
    assert!(outcome(with_init("Always"), plain(), 32));
}

#[test]
fn container_port_without_host_port_does_not_count() {
    assert!(fits(port("", 0, "TCP"), port("", 0, "TCP")));
}

#[test]
fn used_port_is_reported_once_with_its_pods() {
    let spec = json!({ "containers": [
        { "name": "a", "ports": [port("", 80, "TCP"), port("", 53, "UDP"), port("", 9000, "TCP")] },
        { "name": "b", "ports": [port("", 80, "TCP")] },
    ] });
    let fixture = FilterFixture::new(spec, json!({}))
        .with(pod("x", with_port(port("10.0.0.1", 80, ""))))
        .with(pod("y", with_port(port("", 53, "UDP"))));
    let CheckResult::Fail(rejections) = filter(&fixture.attempt()) else { panic!("it fits") };
    let found: Vec<Value> =
        rejections.iter().map(|rejection| serde_json::to_value(&rejection.rejection).unwrap()).collect();
    assert_eq!(
        found,
        [
            json!({
                "code": "HostPortInUse", "container": "a", "port": 80, "protocol": "TCP", "hostIP": "0.0.0.0",
                "usedBy": [{ "namespace": "ns", "pod": "x", "priority": 0, "hostIP": "10.0.0.1" }],
            }),
            json!({
                "code": "HostPortInUse", "container": "a", "port": 53, "protocol": "UDP", "hostIP": "0.0.0.0",
                "usedBy": [{ "namespace": "ns", "pod": "y", "priority": 0, "hostIP": "0.0.0.0" }],
            }),
        ]
    );
    let words = "node(s) didn't have free ports for the requested pod ports";
    assert!(rejections.iter().all(|rejection| rejection.may_preempt() && rejection.scheduler == words));
}

#[test]
fn nominated_pods_use_ports_unless_priority_is_lower() {
    let nominated = |priority: i32| {
        let mut spec = with_port(port("", 80, "TCP"));
        spec["priority"] = json!(priority);
        pod("n", spec)
    };
    let passes = |priority| {
        let fixture = FilterFixture::new(with_port(port("", 80, "TCP")), json!({})).with_nominated(nominated(priority));
        filter(&fixture.attempt()) == CheckResult::Pass
    };
    assert!(!passes(0));
    assert!(passes(-1));
}

#[test]
fn unknown_pods_matter_only_with_host_ports() {
    let outcome = |spec: Value| {
        let fixture = FilterFixture::new(spec, json!({}));
        let unknown = || Known::failed("no pods");
        filter(&Attempt { bound_pods: unknown(), nominated: unknown(), ..fixture.attempt() })
    };
    assert_eq!(outcome(json!({ "containers": [] })), CheckResult::Pass);
    assert_eq!(
        outcome(with_port(port("", 80, ""))),
        CheckResult::Unknown { missing: crate::snapshot::Missing::Failed("no pods".into()) }
    );
}
