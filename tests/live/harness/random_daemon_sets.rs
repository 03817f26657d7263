//! Random DaemonSets: every field of the template that the controller's node rules read, within what the API server
//! accepts.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::harness::manifests::daemon_set_reference;
use crate::harness::random_cluster::{EFFECTS, LABELS, NAMESPACES, TAINTS, pick};

/// The DaemonSet that runs nearly everywhere and surges.
pub(crate) const SURGING: &str = "set-04";

/// The DaemonSet whose pods fail on two nodes, and have a finalizer that keeps them once they are deleted.
pub(crate) const KEEPING: &str = "set-05";

/// DaemonSet number `index`, for a cluster with these nodes.
pub(crate) fn random(rng: &mut Rng, index: usize, nodes: &[String]) -> Value {
    let name = format!("set-{index:02}");
    let labels = json!({"app": name});
    let containers = containers(rng, "v1", (index % 9 == 8).then_some("200m"));
    let mut spec = json!({"containers": containers, "terminationGracePeriodSeconds": 1});
    // The first are the common kinds: on all nodes, tolerating everything, one pool, one taint. One surges, and one
    // keeps its failed pods with a finalizer.
    match index {
        0 | 4 | 5 => {}
        1 => spec["tolerations"] = json!([{"operator": "Exists"}]),
        2 => spec["nodeSelector"] = json!({"pool": "gpu"}),
        3 => spec["tolerations"] = json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]),
        _ => {
            if rng.u8(..3) == 0 {
                spec["nodeSelector"] = node_selector(rng);
            }
            if rng.u8(..2) == 0 {
                spec["affinity"] = node_affinity(rng, nodes);
            }
            if rng.u8(..2) == 0 {
                spec["tolerations"] = tolerations(rng);
            }
            if rng.u8(..6) == 0 {
                spec["hostNetwork"] = json!(true);
            }
            if rng.u8(..14) == 0 {
                spec["nodeName"] = json!(if rng.u8(..4) == 0 { "no-such-node" } else { node(rng, nodes) });
            }
        }
    }
    let mut metadata = json!({"labels": labels});
    let mut strategy = update_strategy(rng);
    if index == 4 {
        strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "30%"}});
    } else if index == 5 {
        strategy = json!({"type": "RollingUpdate"});
        metadata["finalizers"] = json!(["ds.test/kept"]);
        metadata["annotations"] = json!({"ds.test/failed": format!("{},{}", node(rng, nodes), node(rng, nodes))});
    } else if index > 3 && rng.u8(..3) == 0 {
        metadata["annotations"] = behavior(rng, nodes, !strategy["rollingUpdate"]["maxSurge"].is_null());
    }
    let mut set = daemon_set_reference(pick(rng, &NAMESPACES), &name);
    set["metadata"]["labels"] = labels.clone();
    set["spec"] = json!({
        "selector": {"matchLabels": labels},
        "updateStrategy": strategy,
        // The first six always run; number 3 is ready long before it is available.
        "minReadySeconds": match index {
            3 => 3600,
            0..6 => 0,
            _ => *pick(rng, &[&0, &0, &0, &1, &3600]),
        },
        "template": {"metadata": metadata, "spec": spec},
    });
    set
}

/// One container of this version. With a CPU request it does not fit on every node.
pub(crate) fn containers(rng: &mut Rng, version: &str, cpu_request: Option<&str>) -> Value {
    let mut container = json!({"name": "main", "image": format!("registry.example/agent:{version}")});
    if rng.bool() {
        container["env"] = json!([{"name": "LEVEL", "value": pick(rng, &["info", "debug"])}]);
    }
    if let Some(cpu) = cpu_request {
        container["resources"] = json!({"requests": {"cpu": cpu}});
    }
    json!([container])
}

fn update_strategy(rng: &mut Rng) -> Value {
    match rng.u8(..8) {
        0 | 1 => json!({"type": "OnDelete"}),
        2 => json!({"type": "RollingUpdate"}),
        3 => json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 5}}),
        4 => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 5}})
        }
        5 => {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "30%"}})
        }
        6 => json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "34%"}}),
        _ => json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}),
    }
}

/// Unhealthy pods, on all nodes or on a few. Without `behaviors.last()`, `failed`, if the DaemonSet surges: the
/// controller creates another pod next to a failed one at every sync, without end or back-off.
fn behavior(rng: &mut Rng, nodes: &[String], surges: bool) -> Value {
    let behaviors = ["crash", "no-image", "starting", "never-ready", "slow", "stuck", "failed"];
    let behavior = pick(rng, &behaviors[..if surges { 6 } else { 7 }]);
    let few: Vec<&str> = (0..5).map(|_| node(rng, nodes)).collect();
    // Failed pods are deleted and recreated: a few are enough.
    let on = if behavior != "failed" && rng.u8(..3) == 0 { "*".to_owned() } else { few.join(",") };
    json!({format!("ds.test/{behavior}"): on})
}

/// One label, or two.
pub(crate) fn node_selector(rng: &mut Rng) -> Value {
    let mut selector = Map::new();
    for _ in 0..rng.u8(1..3) {
        let (key, values) = LABELS[rng.usize(..LABELS.len())];
        selector.insert(key.into(), json!(pick(rng, values)));
    }
    Value::Object(selector)
}

/// Required terms, each with expressions, fields, both or none; sometimes preferred ones, which have no effect here.
pub(crate) fn node_affinity(rng: &mut Rng, nodes: &[String]) -> Value {
    let terms: Vec<Value> = (0..rng.u8(1..4)).map(|_| term(rng, nodes)).collect();
    let mut affinity = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    if rng.u8(..4) == 0 {
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] =
            json!([{"weight": 1, "preference": {"matchExpressions": [expression(rng)]}}]);
    }
    json!({"nodeAffinity": affinity})
}

fn term(rng: &mut Rng, nodes: &[String]) -> Value {
    let expressions: Vec<Value> = (0..rng.u8(1..3)).map(|_| expression(rng)).collect();
    // The API server accepts exactly one value.
    let operator = pick(rng, &["In", "NotIn", "NotIn"]);
    let fields = json!([{"key": "metadata.name", "operator": operator, "values": [node(rng, nodes)]}]);
    match rng.u8(..10) {
        0 => json!({}),
        1 => json!({"matchFields": fields}),
        2 => json!({"matchExpressions": expressions, "matchFields": fields}),
        _ => json!({"matchExpressions": expressions}),
    }
}

fn expression(rng: &mut Rng) -> Value {
    let (key, values) = LABELS[rng.usize(..LABELS.len())];
    match rng.u8(..8) {
        0 | 1 => {
            let some: Vec<&str> = (0..rng.u8(1..4)).map(|_| pick(rng, values)).collect();
            json!({"key": key, "operator": "In", "values": some})
        }
        2 | 3 => {
            let some: Vec<&str> = (0..rng.u8(1..3)).map(|_| pick(rng, values)).collect();
            json!({"key": key, "operator": "NotIn", "values": some})
        }
        4 => json!({"key": key, "operator": "Exists"}),
        5 => json!({"key": key, "operator": "DoesNotExist"}),
        // A text is accepted and matches nothing.
        _ => json!({
            "key": "size",
            "operator": pick(rng, &["Gt", "Lt"]),
            "values": [pick(rng, &["5", "5", "0", "07", "100", "abc", ""])],
        }),
    }
}

/// Every kind that the API server accepts. `tolerationSeconds` is one hour: with less, pods would be evicted and
/// recreated forever.
pub(crate) fn tolerations(rng: &mut Rng) -> Value {
    let one = |rng: &mut Rng| {
        let (key, values) = TAINTS[rng.usize(..TAINTS.len())];
        let value = pick(rng, values);
        let effect = pick(rng, &EFFECTS);
        match rng.u8(..11) {
            0 => json!({"operator": "Exists"}),
            1 => json!({"operator": "Exists", "effect": effect}),
            2 => json!({"key": key, "operator": "Exists"}),
            3 | 4 => json!({"key": key, "operator": "Exists", "effect": effect}),
            5 => json!({"key": key, "operator": "Equal", "value": value}),
            6 => json!({"key": key, "value": value, "effect": effect}),
            7 => json!({"key": key}),
            8 => {
                json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"})
            }
            9 => json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists"}),
            _ => {
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3600})
            }
        }
    };
    Value::Array((0..rng.u8(1..4)).map(|_| one(rng)).collect())
}

fn node<'a>(rng: &mut Rng, nodes: &'a [String]) -> &'a str {
    &nodes[rng.usize(..nodes.len())]
}
