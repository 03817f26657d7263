//! Random clusters from a seed, the same on every machine: nodes and DaemonSets that differ in everything that the
//! DaemonSet controller evaluates, and random changes to them.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use futures::{StreamExt, TryStreamExt, stream};
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_reference, merge_patch, namespace, node_reference, node_resources};
use crate::harness::plane_layout::SILENT;
use crate::harness::random_daemon_sets;

/// The number of nodes at the start.
const NODES: usize = 52;
/// The number of DaemonSets at the start.
const DAEMON_SETS: usize = 26;
/// The namespaces of the DaemonSets.
pub(crate) const NAMESPACES: [&str; 3] = ["default", "monitoring", "storage"];

/// The labels of nodes that DaemonSets select by, with their possible values. Not every node has every label. `size` is
/// for Gt and Lt: leading zeros, text, and numbers of more than 64 bits.
pub(crate) const LABELS: [(&str, &[&str]); 5] = [
    ("topology.kubernetes.io/zone", &["a", "b", "c"]),
    ("pool", &["general", "general", "gpu", "edge", ""]),
    ("size", &["1", "5", "006", "10", "abc", "", "9223372036854775807", "9223372036854775808"]),
    ("disk", &["ssd", "hdd", ""]),
    ("kubernetes.io/os", &["linux", "linux", "linux", "windows"]),
];

/// The keys of taints, with their values.
pub(crate) const TAINTS: [(&str, &[&str]); 3] =
    [("dedicated", &["a", "b", ""]), ("nvidia.com/gpu", &["present"]), ("maintenance", &["", "5"])];

/// Their effects.
pub(crate) const EFFECTS: [&str; 3] = ["NoSchedule", "NoExecute", "PreferNoSchedule"];

/// A cluster from a seed.
pub(crate) struct RandomCluster {
    rng: Rng,
    /// The nodes' names.
    nodes: BTreeSet<String>,
    /// The DaemonSets by namespace and name.
    daemon_sets: BTreeMap<(String, String), Value>,
    next_node: usize,
    /// The changes so far, for error messages.
    pub(crate) changes: Vec<String>,
}

/// One of `choices`.
pub(crate) fn pick<'a, T: ?Sized>(rng: &mut Rng, choices: &[&'a T]) -> &'a T {
    choices[rng.usize(..choices.len())]
}

impl RandomCluster {
    /// Creates the cluster of `seed` on an empty control plane.
    pub(crate) async fn create(plane: &ControlPlane, seed: u64) -> Result<Self, Failed> {
        let mut cluster = Self {
            rng: Rng::with_seed(seed),
            nodes: BTreeSet::new(),
            daemon_sets: BTreeMap::new(),
            next_node: 0,
            changes: Vec::new(),
        };
        let namespaces = NAMESPACES.iter().filter(|name| **name != "default");
        let namespaces: Vec<Value> = namespaces.map(|name| namespace(name)).collect();
        plane.create_all(&namespaces).await?;
        let nodes: Vec<Value> = (0..NODES).map(|_| cluster.node()).collect();
        plane.create_all(&nodes).await?;
        let names: Vec<String> = cluster.nodes.iter().cloned().collect();
        for index in 0..DAEMON_SETS {
            let set = random_daemon_sets::random(&mut cluster.rng, index, &names);
            cluster.daemon_sets.insert(key_of(&set), set);
        }
        let sets: Vec<Value> = cluster.daemon_sets.values().cloned().collect();
        plane.create_all(&sets).await?;
        Ok(cluster)
    }

    /// A new node.
    fn node(&mut self) -> Value {
        let name = format!("node-{:02}", self.next_node);
        self.next_node += 1;
        self.nodes.insert(name.clone());
        let rng = &mut self.rng;
        let mut labels = Map::from_iter([("kubernetes.io/hostname".to_owned(), json!(name))]);
        for (key, values) in LABELS {
            if rng.u8(..10) < 8 {
                labels.insert(key.into(), json!(pick(rng, values)));
            }
        }
        if rng.u8(..16) == 0 {
            labels.insert(SILENT.into(), json!(""));
        }
        let taints: Vec<Value> = match rng.u8(..10) {
            0..=5 => vec![],
            6..=8 => vec![taint(rng)],
            _ => {
                // A key may have several effects, but each pair of key and effect only once.
                let (first, second) = (taint(rng), taint(rng));
                if same_taint(&first, &second) { vec![first] } else { vec![first, second] }
            }
        };
        let mut spec = json!({"taints": taints});
        if rng.u8(..12) == 0 {
            spec["unschedulable"] = json!(true);
        }
        let mut status = json!({});
        if rng.u8(..8) == 0 {
            // Too small for the DaemonSets with a CPU request.
            let small = json!({"cpu": "100m", "memory": "1Gi", "pods": "250"});
            status = node_resources(&small);
        }
        let mut node = node_reference(&name);
        node["metadata"]["labels"] = Value::Object(labels);
        (node["spec"], node["status"]) = (spec, status);
        node
    }

    /// Applies about twenty random changes through the API.
    pub(crate) async fn mutate(&mut self, plane: &ControlPlane) -> Result<(), Failed> {
        let mut changes: Vec<Change> = Vec::new();
        // So that every cluster has misscheduled pods.
        for _ in 0..2 {
            let names: Vec<&String> = self.nodes.iter().collect();
            let node = names[self.rng.usize(..names.len())].clone();
            changes.push(Change::AddTaint(node, json!({"key": "drained", "effect": "NoSchedule"})));
        }
        for _ in 0..8 {
            changes.push(self.change_node());
        }
        changes.extend(self.new_versions());
        for _ in 0..8 {
            changes.push(self.change_daemon_set());
        }
        // Drop changes to objects that an earlier change deletes.
        let mut deleted = BTreeSet::new();
        changes.retain(|change| {
            let target = change.target();
            let keep = !deleted.contains(&target);
            if matches!(change, Change::Delete(_)) {
                deleted.insert(target);
            }
            keep
        });
        // Sequential for each object, parallel otherwise.
        let mut by_target: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in changes {
            self.changes.push(change.to_string());
            by_target.entry(change.target()).or_default().push(change);
        }
        stream::iter(by_target.into_values())
            .map(async |changes| {
                for change in changes {
                    change.apply(plane).await?;
                }
                Ok::<_, Failed>(())
            })
            .buffer_unordered(8)
            .try_collect()
            .await
    }

    fn change_node(&mut self) -> Change {
        let names: Vec<String> = self.nodes.iter().cloned().collect();
        let name = names[self.rng.usize(..names.len())].clone();
        let rng = &mut self.rng;
        let node = |rest: Value| Change::Merge(with(node_reference(&name), &rest));
        match rng.u8(..12) {
            0..=2 => {
                let (key, values) = LABELS[rng.usize(..LABELS.len())];
                let value = if rng.bool() { json!(pick(rng, values)) } else { Value::Null };
                node(json!({"metadata": {"labels": {key: value}}}))
            }
            3..=5 => Change::AddTaint(name, taint(rng)),
            6 => Change::ClearTaints(name),
            7 => node(json!({"spec": {"unschedulable": rng.bool()}})),
            8 => node(json!({"metadata": {"labels": {SILENT: ""}}})),
            9 => node(json!({"metadata": {"labels": {SILENT: null}}})),
            10 => {
                self.nodes.remove(&name);
                node(json!({})).deleted()
            }
            _ => Change::Create(self.node()),
        }
    }

    /// Two changes that every cluster gets: the DaemonSet that surges gets a template whose pods never become ready, so
    /// that some nodes keep two pods; and the DaemonSet that keeps failed pods stops failing, so that it has healthy
    /// pods next to the failed ones.
    fn new_versions(&self) -> Vec<Change> {
        let never_ready = json!({"metadata": {"annotations": {"ds.test/never-ready": "*"}}});
        let not_failing = json!({"metadata": {"annotations": {"ds.test/failed": null}}});
        let change = |name: &str, template: Value| {
            let (namespace, name) = self.daemon_sets.keys().find(|(_, other)| other == name)?;
            let change = json!({"spec": {"template": template}});
            Some(Change::Merge(with(daemon_set_reference(namespace, name), &change)))
        };
        [change(random_daemon_sets::SURGING, never_ready), change(random_daemon_sets::KEEPING, not_failing)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn change_daemon_set(&mut self) -> Change {
        let keys: Vec<_> = self.daemon_sets.keys().cloned().collect();
        let key = keys[self.rng.usize(..keys.len())].clone();
        let nodes: Vec<String> = self.nodes.iter().cloned().collect();
        let (namespace, name) = &key;
        let set = |rest: Value| Change::Merge(with(daemon_set_reference(namespace, name), &rest));
        let template = |rest: Value| set(json!({"spec": {"template": rest}}));
        let rng = &mut self.rng;
        match rng.u8(..12) {
            0..=3 => {
                let version = format!("v{}", rng.u8(2..9));
                let containers = random_daemon_sets::containers(rng, &version, None);
                template(json!({"spec": {"containers": containers}}))
            }
            4 => template(json!({"metadata": {"labels": {"release": format!("r{}", rng.u8(..9))}}})),
            5 => template(json!({"spec": {"nodeSelector": Value::Null}})),
            6 => {
                let selector = random_daemon_sets::node_selector(rng);
                template(json!({"spec": {"nodeSelector": selector}}))
            }
            7 => {
                let affinity = random_daemon_sets::node_affinity(rng, &nodes);
                template(json!({"spec": {"affinity": affinity}}))
            }
            8 => template(json!({"spec": {"tolerations": random_daemon_sets::tolerations(rng)}})),
            // As `kubectl rollout undo` does: back to the first template.
            9 => Change::Rollback(self.daemon_sets[&key].clone()),
            10 => set(json!({"spec": {"minReadySeconds": pick(rng, &[&0, &1, &3600])}})),
            _ => {
                self.daemon_sets.remove(&key);
                set(json!({})).deleted()
            }
        }
    }
}

/// A change to the cluster.
enum Change {
    Create(Value),
    Merge(Value),
    Delete(Value),
    /// Replaces the template by the one of this DaemonSet.
    Rollback(Value),
    AddTaint(String, Value),
    /// Removes all taints but those that Kubernetes itself sets.
    ClearTaints(String),
}

impl Change {
    fn deleted(self) -> Self {
        match self {
            Self::Merge(object) => Self::Delete(object),
            other => other,
        }
    }

    /// The object that it changes.
    fn target(&self) -> String {
        match self {
            Self::Create(object) | Self::Merge(object) | Self::Delete(object) | Self::Rollback(object) => {
                let metadata = &object["metadata"];
                match metadata["namespace"].as_str() {
                    Some(namespace) => format!("{namespace}/{}", metadata["name"].as_str().unwrap_or_default()),
                    None => metadata["name"].as_str().unwrap_or_default().to_owned(),
                }
            }
            Self::AddTaint(node, _) | Self::ClearTaints(node) => node.clone(),
        }
    }

    async fn apply(&self, plane: &ControlPlane) -> Result<(), Failed> {
        match self {
            Self::Create(object) => plane.create(object).await,
            Self::Merge(object) => plane.merge(object).await,
            Self::Delete(object) => plane.delete(object).await,
            Self::Rollback(object) => {
                let template = &object["spec"]["template"];
                plane.update(object, |set| set["spec"]["template"] = template.clone()).await
            }
            Self::AddTaint(node, taint) => {
                change_taints(plane, node, |taints| {
                    if !taints.iter().any(|other| same_taint(other, taint)) {
                        taints.push(taint.clone());
                    }
                })
                .await
            }
            Self::ClearTaints(node) => {
                change_taints(plane, node, |taints| {
                    taints.retain(|taint| {
                        taint["key"].as_str().is_some_and(|key| key.starts_with("node.kubernetes.io/"))
                    });
                })
                .await
            }
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = self.target();
        match self {
            Self::Create(object) => write!(f, "create {target} {} {}", object["metadata"]["labels"], object["spec"]),
            Self::Merge(object) => {
                write!(f, "change {target} {} {}", object["metadata"]["labels"], object["spec"])
            }
            Self::Delete(_) => write!(f, "delete {target}"),
            Self::Rollback(_) => write!(f, "roll back {target}"),
            Self::AddTaint(_, taint) => write!(f, "taint {target} {taint}"),
            Self::ClearTaints(_) => write!(f, "untaint {target}"),
        }
    }
}

/// Changes the taints of a node, which controllers change too.
pub(crate) async fn change_taints(
    plane: &ControlPlane,
    node: &str,
    change: impl Fn(&mut Vec<Value>),
) -> Result<(), Failed> {
    plane
        .update(&node_reference(node), |node| {
            let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
            change(&mut taints);
            node["spec"]["taints"] = Value::Array(taints);
        })
        .await
}

/// A random taint.
pub(crate) fn taint(rng: &mut Rng) -> Value {
    let (key, values) = TAINTS[rng.usize(..TAINTS.len())];
    json!({"key": key, "value": pick(rng, values), "effect": pick(rng, &EFFECTS)})
}

/// Whether a node may have only one of the two.
pub(crate) fn same_taint(one: &Value, other: &Value) -> bool {
    one["key"] == other["key"] && one["effect"] == other["effect"]
}

fn key_of(object: &Value) -> (String, String) {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// A reference with further fields.
fn with(mut reference: Value, fields: &Value) -> Value {
    merge_patch(&mut reference, fields);
    reference
}
