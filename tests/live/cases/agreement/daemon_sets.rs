//! The DaemonSets of a world: the first stand for one rule of the scheduler each, so that every world shows it, the
//! others mix them all.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::world::{LIMITS, NAMESPACES};
use crate::harness::random_daemon_sets::{node_affinity, node_selector, tolerations};
use crate::harness::random_cluster::pick;

/// How many are there from the start.
pub(crate) const EARLY: usize = 36;

/// How many there are in the end.
pub(crate) const ALL: usize = 40;

/// The one whose pods nobody schedules.
pub(crate) const UNKNOWN_SCHEDULER: &str = "set-21";

/// The DaemonSet number `index`.
pub(crate) fn random(rng: &mut Rng, index: usize, nodes: &[String]) -> Value {
    let name = format!("set-{index:02}");
    let mut template = json!({
        "metadata": {"labels": {"app": name, "team": pick(rng, &["a", "b", "c"])}},
        "spec": {"containers": [container("main")], "terminationGracePeriodSeconds": 1},
    });
    let mut namespace = "default";
    match index {
        26.. => namespace = mixed(rng, &mut template, nodes),
        _ => special(rng, index, &mut template, nodes),
    }
    let spec = &mut template["spec"];
    match index {
        36 => {
            spec["priorityClassName"] = json!("high");
            spec["containers"][0]["resources"] = json!({"requests": {"cpu": "700m", "memory": "0.2Gi"}});
        }
        37 => {
            spec["priorityClassName"] = json!("high-never");
            spec["containers"][0]["resources"] = json!({"requests": {"cpu": "600m"}});
        }
        38 => {
            spec["priorityClassName"] = json!("high");
            spec["containers"][0]["ports"] = json!([{"containerPort": 8080, "hostPort": 8080}]);
        }
        39 => spec["priorityClassName"] = json!("middle"),
        _ => {}
    }
    // A pod that is pushed out for the sake of anti-affinity may come back at once and be pushed out again, for ever:
    // the scheduler does not look at the anti-affinity of pods that wait for their room when no bound pod has any.
    match spec["priorityClassName"].as_str() {
        Some("high" | "middle") => {
            if let Some(affinity) = spec["affinity"].as_object_mut() {
                affinity.remove("podAntiAffinity");
            }
        }
        Some("low") => template["metadata"]["labels"]["team"] = json!("d"),
        _ => {}
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    })
}

/// One rule each. All in the namespace `default`.
fn special(rng: &mut Rng, index: usize, template: &mut Value, nodes: &[String]) {
    let spec = &mut template["spec"];
    let port = |port: u16, ip: &str, protocol: &str| json!({"name": format!("p{}{}", port, protocol.to_lowercase()), "containerPort": port, "hostPort": port, "hostIP": ip, "protocol": protocol});
    let limits = |limits: Value| json!({"limits": limits});
    match index {
        0 => {
            spec["tolerations"] = json!([{"operator": "Exists"}]);
            spec["containers"][0]["resources"] = json!({"requests": {"cpu": "20m", "memory": "16Mi"}});
        }
        1 => spec["containers"][0]["ports"] = json!([port(8080, "", "TCP")]),
        2 => spec["containers"][0]["ports"] = json!([port(8080, "10.0.0.1", "TCP")]),
        3 => spec["containers"][0]["ports"] = json!([port(8080, "127.0.0.1", "TCP"), port(8080, "127.0.0.1", "UDP")]),
        4 => {
            spec["hostNetwork"] = json!(true);
            spec["containers"][0]["ports"] = json!([{"containerPort": 9100}]);
        }
        5 => spec["containers"][0]["ports"] = json!([port(9100, "::", "TCP"), port(53, "0.0.0.0", "UDP")]),
        6 => spec["containers"][0]["resources"] = limits(json!({"nvidia.com/gpu": "1"})),
        7 => {
            spec["containers"][0]["resources"] = limits(json!({"example.com/fpga": "2", "cpu": "100m"}));
            spec["nodeSelector"] = json!({"pool": pick(rng, &["general", "gpu", "edge"])});
        }
        8 => {
            spec["containers"][0]["resources"] =
                limits(json!({"hugepages-2Mi": pick(rng, &["64Mi", "100Mi"]), "cpu": "10m", "memory": "100M"}));
        }
        9 => {
            spec["containers"][0]["resources"] = json!({"requests": {"ephemeral-storage": "2Gi"}});
            volume(spec, "zoned");
        }
        10 => spec["runtimeClassName"] = json!("heavy"),
        11 => spec["runtimeClassName"] = json!("on-gpu"),
        12 => {
            let mut sidecar = container("proxy");
            sidecar["restartPolicy"] = json!("Always");
            sidecar["resources"] = json!({"requests": {"cpu": "50m", "memory": "128974848000m"}});
            let mut init = container("init");
            init["resources"] = json!({"requests": {"cpu": "200m"}});
            spec["initContainers"] = if rng.bool() { json!([sidecar, init]) } else { json!([init, sidecar]) };
            spec["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
        }
        13 => {
            spec["priorityClassName"] = json!("low");
            volume(spec, pick(rng, &["missing", "unbound", "waiting"]));
        }
        14 => {
            spec["resources"] = json!({"requests": {"cpu": "1"}});
            let request = json!({"requests": {"cpu": "300m", "memory": "1e7"}});
            spec["containers"] = json!([container("main"), container("second")]);
            spec["containers"][0]["resources"] = request.clone();
            spec["containers"][1]["resources"] = request;
        }
        15 => spec["affinity"] = apart(json!({"matchLabels": {"app": "set-16"}}), None),
        16 => volume(spec, "extra"),
        17 => {
            spec["affinity"] = apart(
                json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["c"]}]}),
                Some(json!({})),
            );
        }
        18 => {
            let term =
                json!({"labelSelector": {"matchLabels": {"app": "set-06"}}, "topologyKey": "kubernetes.io/hostname"});
            spec["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        }
        19 => {
            // Nobody may push it out: it would be there again at once, and so on without end.
            spec["priorityClassName"] = json!("top");
            spec["nodeName"] = json!(nodes[rng.usize(..nodes.len())]);
            spec["tolerations"] = json!([{"operator": "Exists"}]);
            spec["containers"][0]["resources"] = json!({"requests": {"cpu": "3"}});
        }
        20 => {
            spec["schedulingGates"] = json!([{"name": "example.com/wait"}, {"name": "example.com/more"}]);
            spec["nodeSelector"] = json!({"disk": "ssd"});
        }
        21 => {
            spec["schedulerName"] = json!("no-such-scheduler");
            spec["nodeSelector"] = json!({"disk": "hdd"});
        }
        22 => volume(spec, pick(rng, &["data", "single"])),
        23 => {
            spec["topologySpreadConstraints"] = json!([{
                "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "set-23"}},
            }]);
        }
        24 => volume(spec, "more"),
        25 => {
            let whose = pick(rng, &["resourceClaimTemplateName", "resourceClaimName"]);
            spec["resourceClaims"] = json!([{"name": "device", whose: "device"}]);
            spec["containers"][0]["resources"] = json!({"claims": [{"name": "device"}]});
            spec["tolerations"] = json!([{"operator": "Exists"}]);
        }
        _ => {}
    }
}

/// Anything together with anything. Answers the namespace.
fn mixed(rng: &mut Rng, template: &mut Value, nodes: &[String]) -> &'static str {
    let namespace = NAMESPACES[rng.usize(..NAMESPACES.len())];
    let one_in = |rng: &mut Rng, chances: u8| rng.u8(..chances) == 0;
    if one_in(rng, 5) {
        let behavior = pick(rng, &["crash", "no-image", "starting", "never-ready"]);
        template["metadata"]["annotations"] = json!({format!("ds.test/{behavior}"): "*"});
    }
    let spec = &mut template["spec"];
    spec["containers"][0]["resources"] = requests(rng);
    if one_in(rng, 3) {
        spec["nodeSelector"] = node_selector(rng);
    }
    if one_in(rng, 3) {
        spec["affinity"] = node_affinity(rng, nodes);
    }
    if one_in(rng, 2) {
        spec["tolerations"] = tolerations(rng);
    }
    if one_in(rng, 4) {
        spec["containers"][0]["ports"] = ports(rng);
    }
    if one_in(rng, 8) {
        spec["hostNetwork"] = json!(true);
        spec["containers"][0]["ports"] = json!([{"containerPort": *pick_number(rng, &[8080, 9100, 53])}]);
    }
    if one_in(rng, 8) {
        let class = pick(rng, &["heavy", "on-gpu", "tolerant"]);
        spec["runtimeClassName"] = json!(class);
        // The API refuses a pod whose own selector contradicts that of its class.
        if let Some(selector) = spec["nodeSelector"].as_object_mut() {
            selector.retain(|key, _| !matches!((class, key.as_str()), ("on-gpu", "pool") | ("tolerant", "disk")));
        }
    }
    if one_in(rng, 3) {
        spec["priorityClassName"] = json!(pick(rng, &["middle", "low", "low", "high-never"]));
    }
    if one_in(rng, 5) {
        let team = json!({"matchLabels": {"team": pick(rng, &["a", "b"])}});
        let namespaces = [None, Some(json!({"matchLabels": {"tier": "agents"}})), Some(json!({}))];
        let rule = apart(team, namespaces[rng.usize(..3)].clone());
        spec["affinity"]["podAntiAffinity"] = rule["podAntiAffinity"].clone();
    }
    if one_in(rng, 4) {
        spec["initContainers"] = init_containers(rng);
    }
    // Not beside defaults for containers, which would ask for more than the pod as a whole may.
    if one_in(rng, 6) && namespace != LIMITS {
        spec["resources"] = json!({"requests": {"cpu": "9", "memory": "5Gi"}});
    }
    namespace
}

/// What one container asks for: a little of this and that, sometimes as limits only, sometimes nothing.
pub(crate) fn requests(rng: &mut Rng) -> Value {
    const AMOUNTS: [(&str, u8, &[&str]); 3] = [
        ("cpu", 70, &["0.5m", "10m", "100m", "0.25", "250m", "1.5", "1e-1"]),
        ("memory", 60, &["100M", "1e3", "0.1Gi", "64Mi", "512Mi", "1G"]),
        ("ephemeral-storage", 20, &["100Mi", "1e9", "1.5Gi"]),
    ];
    let mut amounts = Map::new();
    for (resource, percent, choices) in AMOUNTS {
        if rng.u8(..100) < percent {
            amounts.insert(resource.into(), json!(pick(rng, choices)));
        }
    }
    // What cannot be overcommitted is given as a limit; the request follows.
    let mut whole = Map::new();
    if rng.u8(..8) == 0 {
        let (resource, amount) =
            [("nvidia.com/gpu", "1"), ("example.com/fpga", "1"), ("example.com/fpga", "3")][rng.usize(..3)];
        whole.insert(resource.into(), json!(amount));
    }
    if rng.u8(..10) == 0 && amounts.contains_key("cpu") {
        let (resource, amount) = [("hugepages-2Mi", "32Mi"), ("hugepages-1Gi", "1Gi")][rng.usize(..2)];
        whole.insert(resource.into(), json!(amount));
    }
    if rng.u8(..4) == 0 {
        whole.append(&mut amounts);
    }
    let mut resources = Map::new();
    for (key, map) in [("requests", amounts), ("limits", whole)] {
        if !map.is_empty() {
            resources.insert(key.into(), Value::Object(map));
        }
    }
    Value::Object(resources)
}

/// One or two ports of the host.
pub(crate) fn ports(rng: &mut Rng) -> Value {
    let mut ports: Vec<Value> = Vec::new();
    for _ in 0..rng.u8(1..3) {
        let number = *pick_number(rng, &[8080, 9100, 53]);
        let mut port = json!({"containerPort": number, "hostPort": number});
        if rng.bool() {
            port["hostIP"] = json!(pick(rng, &["", "0.0.0.0", "10.0.0.1", "127.0.0.1", "::"]));
        }
        if rng.bool() {
            port["protocol"] = json!(pick(rng, &["TCP", "UDP", "SCTP"]));
        }
        // The API refuses a pod that is in its own way.
        if !ports.iter().any(|other| other["hostPort"] == port["hostPort"]) {
            ports.push(port);
        }
    }
    Value::Array(ports)
}

/// Init containers and sidecars in any order.
fn init_containers(rng: &mut Rng) -> Value {
    let containers: Vec<Value> = (0..rng.u8(1..4))
        .map(|number| {
            let mut one = container(&format!("init-{number}"));
            one["resources"] = json!({"requests": {"cpu": pick(rng, &["50m", "400m", "0.5m", "1"]), "memory": pick(rng, &["10Mi", "700M"])}});
            if rng.bool() {
                one["restartPolicy"] = json!("Always");
            }
            one
        })
        .collect();
    Value::Array(containers)
}

/// A container that asks for nothing.
fn container(name: &str) -> Value {
    json!({"name": name, "image": "registry.example/agent:v1"})
}

/// Not beside pods of this kind, in the own namespace or in those that are selected.
fn apart(selector: Value, namespaces: Option<Value>) -> Value {
    let mut term = json!({"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"});
    if let Some(namespaces) = namespaces {
        term["namespaceSelector"] = namespaces;
    }
    json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
}

/// Mounts a claim.
fn volume(spec: &mut Value, claim: &str) {
    spec["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
}

fn pick_number<'a>(rng: &mut Rng, choices: &'a [u16]) -> &'a u16 {
    &choices[rng.usize(..choices.len())]
}
