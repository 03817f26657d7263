//! The DaemonSets of a crowded cluster: the first test one scheduler rule each, so that every cluster has it; the
//! others combine rules at random.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::crowded_cluster::{LIMITS, NAMESPACES};
use crate::harness::manifests::daemon_set_reference;
use crate::harness::random_cluster::pick;
use crate::harness::random_daemon_sets::{node_affinity, node_selector, tolerations};

/// How many exist from the start.
pub(crate) const EARLY: usize = 36;

/// How many exist at the end.
pub(crate) const ALL: usize = 40;

/// The one whose scheduler does not exist.
pub(crate) const UNKNOWN_SCHEDULER: &str = "set-21";

/// DaemonSet number `index`.
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
    // A pod that is preempted because of anti-affinity can be recreated and preempted again forever: the scheduler
    // ignores the anti-affinity of nominated pods if no bound pod has any.
    match spec["priorityClassName"].as_str() {
        Some("high" | "middle") => {
            if let Some(affinity) = spec["affinity"].as_object_mut() {
                affinity.remove("podAntiAffinity");
            }
        }
        Some("low") => template["metadata"]["labels"]["team"] = json!("d"),
        _ => {}
    }
    let mut set = daemon_set_reference(namespace, &name);
    set["metadata"]["labels"] = json!({"app": name});
    set["spec"] = json!({"selector": {"matchLabels": {"app": name}}, "template": template});
    set
}

/// One rule each, all in the namespace `default`.
fn special(rng: &mut Rng, index: usize, template: &mut Value, nodes: &[String]) {
    let spec = &mut template["spec"];
    let port = |port: u16, ip: &str, protocol: &str| {
        let name = format!("p{port}{}", protocol.to_lowercase());
        json!({"name": name, "containerPort": port, "hostPort": port, "hostIP": ip, "protocol": protocol})
    };
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
        15 => spec["affinity"] = anti_affinity(json!({"matchLabels": {"app": "set-16"}}), None),
        16 => volume(spec, "extra"),
        17 => {
            spec["affinity"] = anti_affinity(
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
            // It must not be preempted: the controller would recreate it at once, and so on forever.
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
            let source = pick(rng, &["resourceClaimTemplateName", "resourceClaimName"]);
            spec["resourceClaims"] = json!([{"name": "device", source: "device"}]);
            spec["containers"][0]["resources"] = json!({"claims": [{"name": "device"}]});
            spec["tolerations"] = json!([{"operator": "Exists"}]);
        }
        _ => {}
    }
}

/// A random combination of rules. Returns the namespace.
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
        // The API server rejects a pod whose node selector conflicts with that of its RuntimeClass.
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
        let rule = anti_affinity(team, namespaces[rng.usize(..3)].clone());
        spec["affinity"]["podAntiAffinity"] = rule["podAntiAffinity"].clone();
    }
    if one_in(rng, 4) {
        spec["initContainers"] = init_containers(rng);
    }
    // Not with default requests of containers, whose sum can exceed the request of the pod.
    if one_in(rng, 6) && namespace != LIMITS {
        spec["resources"] = json!({"requests": {"cpu": "9", "memory": "5Gi"}});
    }
    namespace
}

/// The resources of a container: some requests, sometimes only limits, sometimes nothing.
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
    // Resources without overcommit need a limit; the request defaults to it.
    let mut limits = Map::new();
    if rng.u8(..8) == 0 {
        let (resource, amount) =
            [("nvidia.com/gpu", "1"), ("example.com/fpga", "1"), ("example.com/fpga", "3")][rng.usize(..3)];
        limits.insert(resource.into(), json!(amount));
    }
    if rng.u8(..10) == 0 && amounts.contains_key("cpu") {
        let (resource, amount) = [("hugepages-2Mi", "32Mi"), ("hugepages-1Gi", "1Gi")][rng.usize(..2)];
        limits.insert(resource.into(), json!(amount));
    }
    if rng.u8(..4) == 0 {
        limits.append(&mut amounts);
    }
    let mut resources = Map::new();
    for (key, map) in [("requests", amounts), ("limits", limits)] {
        if !map.is_empty() {
            resources.insert(key.into(), Value::Object(map));
        }
    }
    Value::Object(resources)
}

/// One or two host ports.
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
        // The API server rejects a pod with the same host port twice.
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
            let cpu = pick(rng, &["50m", "400m", "0.5m", "1"]);
            one["resources"] = json!({"requests": {"cpu": cpu, "memory": pick(rng, &["10Mi", "700M"])}});
            if rng.bool() {
                one["restartPolicy"] = json!("Always");
            }
            one
        })
        .collect();
    Value::Array(containers)
}

/// A container without requests.
fn container(name: &str) -> Value {
    json!({"name": name, "image": "registry.example/agent:v1"})
}

/// Required anti-affinity to pods by label, in the pod's own namespace or in selected namespaces.
fn anti_affinity(selector: Value, namespaces: Option<Value>) -> Value {
    let mut term = json!({"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"});
    if let Some(namespaces) = namespaces {
        term["namespaceSelector"] = namespaces;
    }
    json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
}

/// Mounts a PersistentVolumeClaim.
fn volume(spec: &mut Value, claim: &str) {
    spec["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
}

fn pick_number<'a>(rng: &mut Rng, choices: &'a [u16]) -> &'a u16 {
    &choices[rng.usize(..choices.len())]
}
