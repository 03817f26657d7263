//! Predicted pods against the cases for which the live test creates real pods.

use serde_json::{Value, json};

use super::{daemon_set, pinned_to, predicted};
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::{Container, Pod, Resources, Toleration};
use crate::snapshot::quantity::Quantity;
use crate::snapshot::resource_list::ResourceList;

/// What the live test reads from real pods, read from a predicted pod.
fn summary(pod: &Pod) -> Value {
    let list = |list: &ResourceList| -> String {
        list.iter()
            .map(|(resource, amount)| format!(" {resource}={}", in_canonical_form(resource, &amount.text)))
            .collect()
    };
    let amounts =
        |resources: &Resources| format!("requests{} limits{}", list(&resources.requests), list(&resources.limits));
    let container = |container: &Container| {
        let ports = container.ports.iter().map(|port| format!(" {}/{}", port.host_port, port.protocol));
        let ports: String = ports.collect();
        format!("{} {} ports{ports}", container.name, amounts(&container.resources.clone().unwrap_or_default()))
    };
    let spec = &pod.spec;
    let toleration = |one: &Toleration| {
        let seconds = one.toleration_seconds.map_or("-".to_owned(), |seconds| seconds.to_string());
        format!("{}/{}/{}/{}/{seconds}", one.key, one.operator, one.value, one.effect)
    };
    let mut added: Vec<String> = spec.tolerations.iter().map(toleration).collect();
    added.sort();
    let own = added.len();
    added.retain(|one| !EVERY_DAEMON_POD_TOLERATES.contains(&one.as_str()));
    assert_eq!(own - added.len(), EVERY_DAEMON_POD_TOLERATES.len(), "{added:?}");
    let anti_affinity = spec.affinity.iter().filter_map(|affinity| affinity.pod_anti_affinity.as_ref());
    let terms = anti_affinity.flat_map(|affinity| &affinity.required).map(|term| &term.label_selector);
    let selectors = terms.chain(spec.topology_spread_constraints.iter().map(|constraint| &constraint.label_selector));
    let merged = selectors.flatten().flat_map(|selector| &selector.match_expressions);
    let merged: Vec<String> =
        merged.map(|one| format!("{} {} {}", one.key, one.operator, one.values.join(","))).collect();
    let pairs: Vec<String> = spec.node_selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    json!({
        "containers": spec.containers.iter().chain(&spec.init_containers).map(container).collect::<Vec<_>>(),
        "pod": spec.resources.as_ref().map_or("-".to_owned(), amounts),
        "priority": format!("{} {} {}", spec.priority.unwrap(), spec.priority_class_name, spec.preemption_policy),
        "overhead": list(&spec.overhead).trim_start(),
        "nodeSelector": pairs.join(" "),
        "added": added,
        "selectors": merged,
    })
}

fn in_canonical_form(resource: &str, text: &str) -> String {
    let quantity: Quantity = text.parse().unwrap();
    if resource == "cpu" { quantity.to_string() } else { quantity.in_bytes() }
}

const EVERY_DAEMON_POD_TOLERATES: [&str; 6] = [
    "node.kubernetes.io/disk-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/memory-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/not-ready/Exists//NoExecute/-",
    "node.kubernetes.io/pid-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/unreachable/Exists//NoExecute/-",
    "node.kubernetes.io/unschedulable/Exists//NoSchedule/-",
];

/// The expectation for a version: where versions differ, the value of the newest one that is not later.
fn of_version(expected: &Value, minor: u32) -> Value {
    let mut expected = expected.clone();
    for value in expected.as_object_mut().unwrap().values_mut() {
        if let Some(by_version) = value.as_object() {
            let known = by_version.iter().filter(|(from, _)| from.parse::<u32>().unwrap() <= minor);
            *value = known.max_by_key(|(from, _)| from.parse::<u32>().unwrap()).unwrap().1.clone();
        }
    }
    expected
}

/// The same cases, with the same expectations, as the live test.
#[test]
fn predicted_pods_match_live_test_cases() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/fixtures/admission/predicted.json")).unwrap();
    fn of_kind<T: serde::de::DeserializeOwned>(file: &Value, kind: &str) -> Known<Vec<T>> {
        let all = file["objects"].as_array().unwrap().iter().filter(|object| object["kind"] == kind);
        Known::Known(all.map(|object| serde_json::from_value(object.clone()).unwrap()).collect())
    }
    let cluster_objects = |minor| ClusterObjects {
        minor: Known::Known(KubeMinor(minor)),
        limit_ranges: of_kind(&file, "LimitRange"),
        priority_classes: of_kind(&file, "PriorityClass"),
        runtime_classes: of_kind(&file, "RuntimeClass"),
        namespaces: of_kind(&file, "Namespace"),
        ..ClusterObjects::default()
    };
    for minor in [34, 36, 37] {
        let cluster_objects = cluster_objects(minor);
        for case in file["cases"].as_array().unwrap() {
            let mut daemon_set = daemon_set(case["spec"].clone());
            daemon_set.metadata.namespace = case["namespace"].as_str().map(str::to_owned);
            let labels = daemon_set.spec.template.metadata.get_or_insert_default().labels.get_or_insert_default();
            labels.insert("app".into(), case["name"].as_str().unwrap().to_owned());
            let pod = predicted(&daemon_set, &cluster_objects);
            assert_eq!(summary(&pod), of_version(&case["expected"], minor), "{} on 1.{minor}", case["name"]);
            assert_eq!(pinned_to(&pod), ["n1"]);
        }
    }
}
