#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::testing::filter_fixture::{asking, pod, pod_with};

const ASSUMED: KubeMinor = KubeMinor::ASSUMED;

fn requested(spec: Value, resource: &str) -> String {
    pod_requests(&pod("p", spec), ASSUMED).get(resource).map(Quantity::to_string).unwrap_or_default()
}

fn container(name: &str, cpu: &str) -> Value {
    json!({ "name": name, "resources": { "requests": { "cpu": cpu } } })
}

fn sidecar(name: &str, cpu: &str) -> Value {
    json!({ "name": name, "restartPolicy": "Always", "resources": { "requests": { "cpu": cpu } } })
}

/// Edge case 57 (docs/edge-cases.md).
#[test]
fn init_container_adds_to_the_sidecars_before_it() {
    let after = json!({
        "containers": [container("c", "100m")],
        "initContainers": [sidecar("s", "50m"), container("i", "200m")],
    });
    assert_eq!(requested(after, "cpu"), "250m");
    let before = json!({
        "containers": [container("c", "100m")],
        "initContainers": [container("i", "200m"), sidecar("s", "50m")],
    });
    assert_eq!(requested(before, "cpu"), "200m");
}

/// Edge case 58 (docs/edge-cases.md).
#[test]
fn overhead_is_added() {
    for (init, expected) in [
        (json!([sidecar("s", "50m"), container("i", "200m")]), "260m"),
        (json!([container("i", "200m"), sidecar("s", "50m")]), "210m"),
    ] {
        let spec = json!({
            "containers": [container("c", "100m")], "initContainers": init, "overhead": { "cpu": "10m" },
        });
        assert_eq!(requested(spec, "cpu"), expected);
    }
}

/// Edge case 59 (docs/edge-cases.md).
#[test]
fn pod_level_request_overrides_its_containers() {
    let spec = json!({
        "resources": { "requests": { "cpu": "1", "example.com/gpu": "7" } },
        "containers": [container("a", "300m"), {
            "name": "b", "resources": { "requests": { "cpu": "300m", "memory": "1Gi", "example.com/gpu": "2" } },
        }],
        "overhead": { "cpu": "1m" },
    });
    assert_eq!(requested(spec.clone(), "cpu"), "1001m");
    assert_eq!(requested(spec.clone(), "memory"), (1i64 << 30).to_string());
    // Only CPU, memory and huge pages can be pod-level requests.
    assert_eq!(requested(spec.clone(), "example.com/gpu"), "2");
    let before = pod_requests(&pod("p", spec), KubeMinor(33));
    assert_eq!(before["cpu"].to_string(), "601m");
}

/// Edge case 60 (docs/edge-cases.md).
#[test]
fn pod_total_is_rounded_up_once_and_not_by_container() {
    let spec = json!({ "containers": [container("a", "0.5m"), container("b", "0.5m")] });
    assert_eq!(requested(spec, "cpu"), "1m");
    assert_eq!(requested(asking(json!({ "memory": "1500m", "cpu": "1u" })), "memory"), "2");
    assert_eq!(requested(asking(json!({ "memory": "1500m", "cpu": "1u" })), "cpu"), "1m");
}

#[test]
fn init_containers_count_with_their_maximum() {
    let spec = json!({
        "containers": [container("c", "100m"), container("d", "100m")],
        "initContainers": [container("i", "150m"), container("j", "300m"), container("k", "50m")],
    });
    assert_eq!(requested(spec, "cpu"), "300m");
    let sidecars = json!({
        "containers": [container("c", "100m")],
        "initContainers": [sidecar("s", "50m"), sidecar("t", "70m"), container("k", "10m")],
    });
    assert_eq!(requested(sidecars, "cpu"), "220m");
}

#[test]
fn resources_that_scheduler_ignores_are_left_out() {
    let spec = asking(json!({
        "cpu": "1", "storage": "5", "unprefixed": "1", "pods": "3", "requests.example.com/gpu": "1",
        "bad name.com/gpu": "1", "example.com/": "1", "example.com/gpu": "1", "hugepages-2Mi": "2Mi",
        "attachable-volumes-csi-x": "1", "kubernetes.io/batch-cpu": "1",
    }));
    let requests = pod_requests(&pod("p", spec), ASSUMED);
    let names: Vec<&str> = requests.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["attachable-volumes-csi-x", "cpu", "example.com/gpu", "hugepages-2Mi", "kubernetes.io/batch-cpu"]
    );
}

#[test]
fn pod_in_resize_uses_maximum_of_status_and_spec() {
    let with = |actuated: &str, allocated: &str, reason: &str| {
        let status = json!({
            "containerStatuses": [{
                "name": "main", "resources": { "requests": { "cpu": actuated } },
                "allocatedResources": { "cpu": allocated },
            }],
            "conditions": [{ "type": "PodResizePending", "status": "True", "reason": reason }],
        });
        let pod = pod_with("p", asking(json!({ "cpu": "500m" })), status);
        (held(&pod, KubeMinor(33))["cpu"].to_string(), held(&pod, KubeMinor(32))["cpu"].to_string())
    };
    assert_eq!(with("700m", "600m", "Deferred"), ("700m".into(), "500m".into()));
    assert_eq!(with("100m", "600m", "Deferred"), ("600m".into(), "500m".into()));
    assert_eq!(with("100m", "200m", "Deferred"), ("500m".into(), "500m".into()));
    assert_eq!(with("100m", "200m", "Infeasible"), ("200m".into(), "500m".into()));
}

#[test]
fn status_without_resources_and_unbound_status_ignored() {
    let status = json!({ "containerStatuses": [{ "name": "main", "allocatedResources": { "cpu": "9" } }] });
    let without = pod_with("p", asking(json!({ "cpu": "500m" })), status);
    assert_eq!(held(&without, ASSUMED)["cpu"].to_string(), "500m");
    let status = json!({ "containerStatuses": [{ "name": "main", "resources": { "requests": { "cpu": "9" } } }] });
    let with = pod_with("p", asking(json!({ "cpu": "500m" })), status);
    assert_eq!(held(&with, ASSUMED)["cpu"].to_string(), "9");
    assert_eq!(pod_requests(&with, ASSUMED)["cpu"].to_string(), "500m");
}

#[test]
fn resize_of_init_container_counts_only_for_sidecar() {
    let statuses = |name: &str| json!({ "initContainerStatuses": [{ "name": name, "resources": { "requests": { "cpu": "900m" } } }] });
    let spec = json!({ "containers": [], "initContainers": [sidecar("s", "50m"), container("i", "200m")] });
    assert_eq!(held(&pod_with("p", spec.clone(), statuses("s")), ASSUMED)["cpu"].to_string(), "1100m");
    assert_eq!(held(&pod_with("p", spec, statuses("i")), ASSUMED)["cpu"].to_string(), "250m");
}

#[test]
fn resize_of_pod_level_resources_counts_since_1_36() {
    let spec = json!({
        "resources": { "requests": { "cpu": "1", "memory": "1Gi" } }, "containers": [container("a", "300m")],
    });
    let resized = |reason: &str| {
        let status = json!({
            "resources": { "requests": { "cpu": "2" } }, "allocatedResources": { "cpu": "3" },
            "conditions": [{ "type": "PodResizePending", "reason": reason }],
        });
        pod_with("p", spec.clone(), status)
    };
    assert_eq!(held(&resized(""), KubeMinor(36))["cpu"].to_string(), "3");
    assert_eq!(held(&resized(""), KubeMinor(35))["cpu"].to_string(), "1");
    assert_eq!(held(&resized(""), KubeMinor(36))["memory"].to_string(), (1i64 << 30).to_string());
    // For an infeasible resize, only the allocated amounts count.
    assert_eq!(held(&resized("Infeasible"), KubeMinor(36))["memory"].to_string(), "0");
}
