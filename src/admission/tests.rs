//! The pod that the API server would create.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod predicted;

use serde_json::{Value, json};

use super::*;
use crate::snapshot::Known;
use crate::snapshot::pod::Container;
use crate::testing::objects;

fn daemon_set(spec: Value) -> DaemonSet {
    let annotations = json!({"deprecated.daemonset.template.generation": "4"});
    let fields = json!({"metadata": {"annotations": annotations}, "spec": {"template": {"spec": spec}}});
    objects::daemon_set("ns", "agent", fields)
}

fn with_container(container: Value) -> DaemonSet {
    daemon_set(json!({"containers": [container]}))
}

/// The cluster has no objects, and that is known.
fn empty() -> ClusterObjects {
    ClusterObjects {
        limit_ranges: Known::Known(Vec::new()),
        priority_classes: Known::Known(Vec::new()),
        runtime_classes: Known::Known(Vec::new()),
        namespaces: Known::Known(Vec::new()),
        ..ClusterObjects::default()
    }
}

fn with_ranges(ranges: Value) -> ClusterObjects {
    ClusterObjects { limit_ranges: Known::Known(serde_json::from_value(ranges).unwrap()), ..empty() }
}

fn predicted(daemon_set: &DaemonSet, cluster_objects: &ClusterObjects) -> Pod {
    let PredictedPod { pod, assumptions, .. } = predict(daemon_set, "n1", cluster_objects);
    assert_eq!(assumptions, Vec::<String>::new());
    pod
}

fn amounts_of(container: &Container) -> Value {
    let list = |list: &crate::snapshot::resource_list::ResourceList| {
        json!(
            list.iter()
                .map(|(name, amount)| (name.clone(), amount.text.clone()))
                .collect::<std::collections::BTreeMap<_, _>>()
        )
    };
    let resources = container.resources.clone().unwrap_or_default();
    json!({"requests": list(&resources.requests), "limits": list(&resources.limits)})
}

fn pinned_to(pod: &Pod) -> Vec<String> {
    let terms = &pod.spec.required_node_affinity().unwrap().node_selector_terms;
    assert_eq!(terms.len(), 1);
    assert!(terms[0].match_expressions.is_empty());
    assert_eq!(
        (terms[0].match_fields[0].key.as_str(), terms[0].match_fields[0].operator.as_str()),
        ("metadata.name", "In")
    );
    terms[0].match_fields[0].values.clone()
}

#[test]
fn node_affinity_required_part_is_replaced() {
    let own = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}]});
    let term = json!([{"topologyKey": "zone", "labelSelector": {"matchLabels": {"x": "y"}}}]);
    let spec = json!({
        "containers": [],
        "nodeSelector": {"disk": "ssd"},
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": own},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term},
        },
    });
    let pod = predicted(&daemon_set(spec), &empty());
    assert_eq!(pinned_to(&pod), ["n1"]);
    assert_eq!(pod.spec.node_selector["disk"], "ssd");
    assert_eq!(pod.spec.affinity.as_ref().unwrap().pod_anti_affinity.as_ref().unwrap().required.len(), 1);
    assert_eq!(pod.metadata.labels["pod-template-generation"], "4");
    assert_eq!(pod.spec.scheduler_name, "default-scheduler");
    assert_eq!(pod.spec.service_account_name, "default");
}

/// Edge case 15 (docs/edge-cases.md).
#[test]
fn toleration_of_same_kind_loses_seconds() {
    let not_ready = "node.kubernetes.io/not-ready";
    let of = |toleration: Value| {
        let pod = predicted(&daemon_set(json!({"containers": [], "tolerations": [toleration]})), &empty());
        let same = |one: &&crate::snapshot::pod::Toleration| one.key == not_ready;
        let seconds: Vec<Option<i64>> =
            pod.spec.tolerations.iter().filter(same).map(|one| one.toleration_seconds).collect();
        (seconds, pod.spec.tolerations.len())
    };
    let exists = json!({"key": not_ready, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60});
    assert_eq!(of(exists), (vec![None], 6));
    let equal = json!({"key": not_ready, "operator": "Equal", "effect": "NoExecute", "tolerationSeconds": 60});
    assert_eq!(of(equal), (vec![Some(60), None], 7));
}

#[test]
fn host_network_pod_tolerates_network_unavailable() {
    let has = |host_network: bool| {
        let pod = predicted(&daemon_set(json!({"containers": [], "hostNetwork": host_network})), &empty());
        pod.spec.tolerations.iter().any(|one| one.key == "node.kubernetes.io/network-unavailable")
    };
    assert!(has(true));
    assert!(!has(false));
}

/// Edge case 56 (docs/edge-cases.md).
#[test]
fn limits_alone_become_requests_and_a_stated_request_stays() {
    let resources = json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "100m"}});
    let template = json!({
        "containers": [{"name": "main", "resources": resources}],
        "initContainers": [{"name": "init", "resources": {"limits": {"memory": "2Gi"}}}, {"name": "bare"}],
    });
    let pod = predicted(&daemon_set(template), &empty());
    assert_eq!(
        amounts_of(&pod.spec.containers[0]),
        json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "500m", "memory": "1Gi"}})
    );
    assert_eq!(amounts_of(&pod.spec.init_containers[0])["requests"], json!({"memory": "2Gi"}));
    assert_eq!(amounts_of(&pod.spec.init_containers[1])["requests"], json!({}));
}

/// Edge case 60 (docs/edge-cases.md).
#[test]
fn amount_below_milli_is_rounded_up_per_container() {
    let one = json!({"name": "a", "resources": {"requests": {"cpu": "0.5m", "memory": "1024.0001Ki"}}});
    let pod = predicted(&with_container(one), &empty());
    let requests = amounts_of(&pod.spec.containers[0])["requests"].clone();
    assert_eq!(requests["cpu"], "1m");
}

#[test]
fn pod_level_requests_from_containers_then_limits() {
    let template = json!({
        "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
        "containers": [
            {"name": "a", "resources": {"requests": {"cpu": "300m"}, "limits": {"hugepages-2Mi": "4Mi"}}},
            {"name": "b", "resources": {"requests": {"cpu": "300m", "example.com/x": "1"}}},
        ],
    });
    let pod = predicted(&daemon_set(template), &empty());
    let resources = pod.spec.resources.unwrap();
    let text = |list: &crate::snapshot::resource_list::ResourceList, name: &str| {
        list.get(name).map(|amount| amount.quantity())
    };
    let is = |text: &str| Some(text.parse().unwrap());
    assert_eq!(text(&resources.requests, "cpu"), is("600m"));
    assert_eq!(text(&resources.requests, "memory"), is("4Gi"));
    assert_eq!(text(&resources.limits, "hugepages-2Mi"), is("4Mi"));
    assert_eq!(text(&resources.requests, "hugepages-2Mi"), is("4Mi"));
    assert_eq!(text(&resources.requests, "example.com/x"), None);
}

#[test]
fn pod_level_requests_alone_take_nothing_from_containers() {
    let template = json!({
        "resources": {"requests": {"cpu": "2"}},
        "containers": [{"name": "a", "resources": {"requests": {"memory": "1Gi"}}}],
    });
    let resources = predicted(&daemon_set(template), &empty()).spec.resources.unwrap();
    assert_eq!(resources.requests.keys().collect::<Vec<_>>(), ["cpu"]);
}

/// Edge case 66 (docs/edge-cases.md).
#[test]
fn host_network_port_gets_same_host_port() {
    let ports = json!([{"containerPort": 8080}, {"containerPort": 1, "hostPort": 2, "protocol": "UDP"}]);
    let template = json!({
        "hostNetwork": true,
        "containers": [{"name": "a", "ports": ports}],
        "initContainers": [{"name": "i", "ports": [{"containerPort": 9}]}],
    });
    let pod = predicted(&daemon_set(template), &empty());
    let ports = |container: &Container| -> Vec<(i32, String)> {
        container.ports.iter().map(|port| (port.host_port, port.protocol.clone())).collect()
    };
    assert_eq!(ports(&pod.spec.containers[0]), [(8080, "TCP".into()), (2, "UDP".into())]);
    assert_eq!(ports(&pod.spec.init_containers[0]), [(9, "TCP".into())]);
    let plain = predicted(&with_container(json!({"name": "a", "ports": [{"containerPort": 8080}]})), &empty());
    assert_eq!(plain.spec.containers[0].ports[0].host_port, 0);
}

#[test]
fn limit_range_defaults_fill_missing_amounts() {
    let cluster_objects = with_ranges(json!([
        {"metadata": {"name": "other", "namespace": "elsewhere"}, "spec": {"limits": [
            {"type": "Container", "defaultRequest": {"cpu": "9"}},
        ]}},
        {"metadata": {"name": "own", "namespace": "ns"}, "spec": {"limits": [
            {"type": "Pod", "max": {"cpu": "100"}},
            {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "200m", "memory": "512Mi"}},
        ]}},
    ]));
    let stated = json!({"name": "a", "resources": {"limits": {"cpu": "2"}}});
    let template = json!({"containers": [stated], "initContainers": [{"name": "i"}]});
    let pod = predicted(&daemon_set(template), &cluster_objects);
    assert_eq!(
        amounts_of(&pod.spec.containers[0]),
        json!({"requests": {"cpu": "2", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}})
    );
    assert_eq!(
        amounts_of(&pod.spec.init_containers[0]),
        json!({"requests": {"cpu": "200m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}})
    );
}

#[test]
fn limit_ranges_with_different_defaults_are_uncertain() {
    let range = |name: &str, cpu: &str| json!({"metadata": {"name": name, "namespace": "ns"}, "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": cpu}}]}});
    let assumptions = |cluster_objects: &ClusterObjects, container: Value| {
        predict(&with_container(container), "n1", cluster_objects).assumptions
    };
    let torn = with_ranges(json!([range("b", "2"), range("a", "1")]));
    assert_eq!(
        assumptions(&torn, json!({"name": "c"})),
        ["LimitRanges a and b have different defaults: it is undefined which one applies"]
    );
    assert!(assumptions(&torn, json!({"name": "c", "resources": {"requests": {"cpu": "1"}}})).is_empty());
    let agreed = with_ranges(json!([range("b", "1000m"), range("a", "1")]));
    assert!(assumptions(&agreed, json!({"name": "c"})).is_empty());
}

#[test]
fn priority_comes_from_named_or_default_class() {
    let classes = json!([
        {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"},
        {"metadata": {"name": "usual"}, "value": 5, "globalDefault": true, "preemptionPolicy": "PreemptLowerPriority"},
    ]);
    let cluster_objects =
        ClusterObjects { priority_classes: Known::Known(serde_json::from_value(classes).unwrap()), ..empty() };
    let of = |cluster_objects: &ClusterObjects, name: Option<&str>| {
        let mut template = json!({"containers": []});
        if let Some(name) = name {
            template["priorityClassName"] = json!(name);
        }
        let spec = predicted(&daemon_set(template), cluster_objects).spec;
        (spec.priority, spec.preemption_policy, spec.priority_class_name)
    };
    assert_eq!(of(&cluster_objects, Some("high")), (Some(1000), "Never".into(), "high".into()));
    assert_eq!(of(&cluster_objects, None), (Some(5), "PreemptLowerPriority".into(), "usual".into()));
    assert_eq!(of(&empty(), None), (Some(0), "PreemptLowerPriority".into(), String::new()));
    let unread = ClusterObjects { priority_classes: Known::failed("cannot list priorityclasses"), ..empty() };
    assert_eq!(of(&unread, Some("system-node-critical")).0, Some(2_000_001_000));
    assert_eq!(of(&unread, Some("system-cluster-critical")).0, Some(2_000_000_000));
}

/// Edge case 73 (docs/edge-cases.md).
#[test]
fn runtime_class_adds_overhead_labels_and_tolerations() {
    let classes = json!([{
        "metadata": {"name": "kata"}, "handler": "kata",
        "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"kata": "yes", "disk": "hdd"}, "tolerations": [
            {"key": "kata", "operator": "Exists"},
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ]},
    }]);
    let cluster_objects =
        ClusterObjects { runtime_classes: Known::Known(serde_json::from_value(classes).unwrap()), ..empty() };
    let template = json!({
        "containers": [], "runtimeClassName": "kata", "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "kata", "operator": "Exists", "effect": "NoSchedule"}],
    });
    let spec = predicted(&daemon_set(template), &cluster_objects).spec;
    assert_eq!(spec.overhead["cpu"].text, "250m");
    assert_eq!((spec.node_selector["kata"].as_str(), spec.node_selector["disk"].as_str()), ("yes", "ssd"));
    let of_key = |key: &str| -> Vec<(String, Option<i64>)> {
        let own = spec.tolerations.iter().filter(|one| one.key == key);
        own.map(|one| (one.effect.clone(), one.toleration_seconds)).collect()
    };
    // Of two tolerations the wider one is kept, or the one without a time limit.
    assert_eq!(of_key("kata"), [(String::new(), None)]);
    assert_eq!(of_key("node.kubernetes.io/not-ready"), [("NoExecute".into(), None)]);
}

#[test]
fn label_keys_are_merged_with_own_values() {
    let term = json!({
        "topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "agent"}},
        "matchLabelKeys": ["app", "controller-revision-hash"], "mismatchLabelKeys": ["app"],
    });
    let without_selector = json!({"topologyKey": "zone", "matchLabelKeys": ["app"]});
    let template = json!({
        "containers": [],
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term, without_selector]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "labelSelector": {}, "matchLabelKeys": ["app"]}],
    });
    let spec = predicted(&daemon_set(template), &empty()).spec;
    let terms = spec.affinity.unwrap().pod_affinity.unwrap().required;
    let merged: Vec<(String, String)> = terms[0]
        .label_selector
        .as_ref()
        .unwrap()
        .match_expressions
        .iter()
        .map(|one| (one.operator.clone(), format!("{}={}", one.key, one.values.join(","))))
        .collect();
    assert_eq!(merged, [("In".to_owned(), "app=agent".to_owned()), ("NotIn".to_owned(), "app=agent".to_owned())]);
    assert_eq!(terms[1].label_selector, None);
    assert_eq!(spec.topology_spread_constraints[0].label_selector.as_ref().unwrap().match_expressions.len(), 1);
}

#[test]
fn assumptions_only_where_they_matter() {
    let unread = ClusterObjects::default();
    let assumptions = |template: Value| predict(&daemon_set(template), "n1", &unread).assumptions;
    let full = json!({"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}});
    assert_eq!(assumptions(json!({"containers": [full]})), Vec::<String>::new());
    assert_eq!(
        assumptions(json!({"containers": [{"name": "a"}], "priorityClassName": "high", "runtimeClassName": "kata"})),
        [
            "limitranges were not read: a LimitRange may add requests and limits to the pod",
            "priorityclasses were not read: the value of PriorityClass high is unknown",
            "runtimeclasses were not read: RuntimeClass kata may add an overhead, a node selector and tolerations \
             to the pod",
        ]
    );
    assert!(assumptions(json!({"containers": [full], "priorityClassName": "system-node-critical"})).is_empty());
    let annotated =
        json!([{"metadata": {"name": "ns", "annotations": {"scheduler.alpha.kubernetes.io/node-selector": "a=b"}}}]);
    let cluster_objects =
        ClusterObjects { namespaces: Known::Known(serde_json::from_value(annotated).unwrap()), ..empty() };
    let PredictedPod { pod, assumptions, .. } = predict(&daemon_set(json!({"containers": []})), "n1", &cluster_objects);
    assert!(assumptions.len() == 1 && assumptions[0].contains("PodNodeSelector"), "{assumptions:?}");
    assert!(pod.spec.node_selector.is_empty());
}

#[test]
fn pod_from_sibling_drops_node_and_status() {
    let sibling: Pod = objects::pod(
        "ns",
        "agent-x",
        json!({
            "metadata": {"labels": {"controller-revision-hash": "h"}},
            "spec": {
                "nodeName": "n0", "priority": 7, "containers": [{"name": "main"}, {"name": "injected"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n0"]}]},
                ]}}},
            },
            "status": {"phase": "Failed", "nominatedNodeName": "n0"},
        }),
    );
    let pod = predict_from(&sibling, "n1");
    assert_eq!(pinned_to(&pod), ["n1"]);
    assert_eq!((pod.metadata.name.as_str(), pod.metadata.uid.as_str(), pod.spec.node_name.as_str()), ("", "", ""));
    assert_eq!(pod.status, PodStatus::default());
    assert_eq!((pod.spec.containers.len(), pod.spec.priority), (2, Some(7)));
    assert_eq!(pod.metadata.labels["controller-revision-hash"], "h");
}

#[test]
fn needs_depend_on_names_in_template() {
    let bare = needs(&daemon_set(json!({"containers": [], "priorityClassName": "system-node-critical"})));
    let nothing =
        Needs { namespace: "ns".into(), service_account: "default".into(), priority_class: None, runtime_class: None };
    assert_eq!(bare, nothing);
    let names = json!({"containers": [], "priorityClassName": "p", "runtimeClassName": "r", "serviceAccountName": "s"});
    let all = needs(&daemon_set(names));
    assert_eq!((all.service_account.as_str(), all.priority_class.as_deref()), ("s", Some("p")));
    assert_eq!(all.runtime_class.as_deref(), Some("r"));
}
