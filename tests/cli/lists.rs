//! Lists of names are truncated, so that no line grows with the cluster.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const NODES: usize = 300;
/// The maximum length of a line, in characters.
const LONGEST: usize = 2000;

fn node(index: usize) -> Value {
    let taints: Vec<Value> = match index {
        // A node with many taints.
        1 => (0..NODES).map(|taint| json!({ "key": format!("taint-{taint}"), "effect": "NoSchedule" })).collect(),
        _ => Vec::new(),
    };
    let status = if index % 10 == 9 { "Unknown" } else { "True" };
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": format!("worker-{index:04}"), "labels": { "pool": format!("pool-{index}") } },
        "spec": { "taints": taints },
        "status": {
            "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" },
            "conditions": [{ "type": "Ready", "status": status, "reason": "KubeletReady",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "lastHeartbeatTime": "2026-01-01T12:00:00Z" }],
        },
    })
}

fn daemon_set(name: &str, strategy: &str, spec: Value) -> Value {
    let mut template =
        json!({ "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "main" }] } });
    template["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": name, "namespace": "ns", "uid": name, "generation": 1 },
        "spec": { "selector": { "matchLabels": { "app": name } }, "template": template, "updateStrategy": { "type": strategy } },
        "status": { "observedGeneration": 1, "currentNumberScheduled": 0, "desiredNumberScheduled": 0,
            "numberMisscheduled": 0, "numberReady": 0 },
    })
}

fn owned(daemon_set: &str) -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": daemon_set, "uid": daemon_set, "controller": true }])
}

fn revision(daemon_set: &Value, number: usize) -> Value {
    let name = daemon_set["metadata"]["name"].as_str().unwrap();
    let mut template = daemon_set["spec"]["template"].clone();
    template["$patch"] = "replace".into();
    if number > 0 {
        template["spec"]["containers"][0]["image"] = format!("image-{number}").into();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 2 * NODES - number,
        "metadata": { "name": format!("{name}-{number}"), "namespace": "ns",
            "labels": { "controller-revision-hash": format!("hash-{number}") }, "ownerReferences": owned(name) },
        "data": { "spec": { "template": template } },
    })
}

/// A ready pod of the DaemonSet and the revision, modified by `change`.
fn pod(daemon_set: &str, node: &str, number: usize, revision: usize, change: &dyn Fn(&mut Value)) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": format!("{daemon_set}-{node}-{number}"), "namespace": "ns",
            "uid": format!("{daemon_set}-{node}-{number}"), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "app": daemon_set, "controller-revision-hash": format!("hash-{revision}") },
            "ownerReferences": owned(daemon_set) },
        "spec": { "nodeName": node, "containers": [{ "name": "main" }] },
        "status": { "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
            "containerStatuses": [{ "name": "main", "ready": true, "state": { "running": {} } }] },
    });
    change(&mut pod);
    pod
}

/// Makes a pod not ready, with 100 containers that are not ready.
fn unready(pod: &mut Value) {
    let container =
        |index: usize| json!({ "name": format!("container-{index:03}"), "ready": false, "state": { "running": {} } });
    pod["status"]["conditions"][0]["status"] = "False".into();
    pod["status"]["containerStatuses"] = (0..100).map(container).collect();
}

fn deleted(pod: &mut Value) {
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T01:00:00Z".into();
    pod["metadata"]["finalizers"] = (0..100).map(|index| json!(format!("example.com/finalizer-{index:03}"))).collect();
}

/// A cluster with long lists of everything.
fn cluster() -> Value {
    let name = |index: usize| format!("worker-{index:04}");
    let values: Vec<String> = (0..300).map(|index| format!("elsewhere-{index:03}")).collect();
    let term = |key: &str| json!({ "matchExpressions": [{ "key": key, "operator": "In", "values": values }] });
    let terms: Vec<Value> = (0..10).map(|index| term(&format!("key-{index}"))).collect();
    let affinity = json!({ "affinity": { "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } });
    let sets = [
        daemon_set("waits", "OnDelete", json!({})),
        daemon_set("stuck", "RollingUpdate", json!({})),
        daemon_set("nowhere", "RollingUpdate", affinity),
        daemon_set("refused", "RollingUpdate", json!({})),
    ];
    let mut items: Vec<Value> = (0..NODES).map(node).collect();
    items.extend((0..100).map(|number| revision(&sets[0], number)));
    items.extend(sets[1..].iter().flat_map(|set| [revision(set, 0), revision(set, 1)]));
    for index in 0..NODES {
        // Every pod has its own revision, or one that no longer exists.
        items.push(pod("waits", &name(index), 0, index + 1, &|_| {}));
        items.push(pod(
            "stuck",
            &name(index),
            0,
            index % 2,
            match index % 30 {
                0 => &deleted,
                1 => &unready,
                _ => &|_| {},
            },
        ));
        if index < 100 {
            items.push(pod("stuck", &name(0), index + 1, 0, &unready));
        }
        items.push(pod("nowhere", &format!("gone-{index:04}"), 0, 0, &|_| {}));
    }
    let violations: Vec<String> = (0..300).map(|index| format!("violation-{index:03} (container main)")).collect();
    let message = format!(
        "Error creating: pods \"refused-x\" is forbidden: violates PodSecurity \"restricted:latest\": {}",
        violations.join(", ")
    );
    items.push(json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "namespace": "ns" }, "type": "Warning",
        "reason": "FailedCreate", "message": message, "lastTimestamp": "2026-01-01T12:00:00Z",
        "involvedObject": { "kind": "DaemonSet", "namespace": "ns", "name": "refused", "uid": "refused" },
    }));
    items.extend(sets);
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// The output of a command, both streams.
fn printed(file: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let output = command.args(words).arg("--from").arg(file).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0..=2)), "{words:?}: {stderr}");
    stdout + &stderr
}

#[test]
fn lines_for_many_nodes_are_short_unless_wide() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.json");
    std::fs::write(&file, cluster().to_string()).unwrap();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["coverage"],
        vec!["coverage", "--by", "pool"],
        vec!["coverage", "--map"],
        vec!["rollout", "status"],
        vec!["alerts"],
        vec!["why-not", "worker-0000"],
        vec!["why-not", "worker-0001"],
        vec!["rollout", "watch", "--once", "stuck"],
        vec!["rollout", "history", "waits", "--revision", "1"],
    ];
    for name in ["waits", "stuck", "nowhere", "refused"] {
        commands.push(vec!["coverage", name, "--all"]);
        commands.push(vec!["rollout", "status", name]);
        commands.push(vec!["rollout", "history", name]);
        commands.push(vec!["cycle", name, "--all", "--dry-run=client"]);
    }
    let mut long = String::new();
    for words in commands {
        let text = printed(&file, &words);
        let longest = text.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
        if longest.chars().count() > LONGEST {
            long += &format!("\n  {words:?}: {} characters: {longest:.300}", longest.len());
        }
    }
    assert!(long.is_empty(), "{long}");
    for (words, first, last) in [
        (&["rollout", "status", "waits"][..], "worker-0000", "worker-0298"),
        (&["rollout", "status", "stuck"], "container-000", "container-099"),
        (&["coverage", "stuck"], "example.com/finalizer-000", "example.com/finalizer-099"),
        (&["coverage", "nowhere"], "gone-0000", "gone-0299"),
        (&["why-not", "worker-0000", "nowhere"], "elsewhere-000", "elsewhere-299"),
        (&["why-not", "worker-0000", "refused"], "violation-000", "violation-299"),
        (&["rollout", "history", "waits"], "worker-0000", "worker-0298"),
    ] {
        let line_of = |text: &str| text.lines().any(|line| line.contains(last));
        let wide = printed(&file, &[words, &["-o", "wide"]].concat());
        assert!(wide.contains(first) && line_of(&wide), "{words:?} -o wide names {first} to {last}");
        let narrow = printed(&file, words);
        let is_cut = narrow.contains(" more") && !line_of(&narrow);
        assert!(is_cut || words.contains(&"history"), "{words:?} must truncate the list: {narrow:.600}");
    }
}
