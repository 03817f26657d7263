//! Random clusters from a seed, the same on every machine: nodes and DaemonSets that differ in all
//! that the DaemonSet controller looks at, and changes to them.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use futures::{StreamExt, TryStreamExt, stream};
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use crate::daemon_sets;
use crate::layout::SILENT;
use crate::plane::Plane;

/// How many nodes a world starts with.
const NODES: usize = 52;
/// How many DaemonSets a world starts with.
const DAEMON_SETS: usize = 26;
/// Where they live.
pub(crate) const NAMESPACES: [&str; 3] = ["default", "monitoring", "storage"];

/// The labels that nodes carry and DaemonSets ask for, with the values they may have. Not every
/// node has every label. `size` is what Gt and Lt meet: leading zeros, words, and more than 64 bits.
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

/// A cluster that was made from a seed.
pub(crate) struct World {
    rng: Rng,
    /// The nodes' names.
    nodes: BTreeSet<String>,
    /// The DaemonSets by namespace and name.
    daemon_sets: BTreeMap<(String, String), Value>,
    next_node: usize,
    /// What was done to it, for the message of a failure.
    pub(crate) changes: Vec<String>,
}

/// One of `choices`.
pub(crate) fn pick<'a, T: ?Sized>(rng: &mut Rng, choices: &[&'a T]) -> &'a T {
    choices[rng.usize(..choices.len())]
}

impl World {
    /// Makes the world of `seed` on an empty plane.
    pub(crate) async fn create(plane: &Plane, seed: u64) -> Result<Self, Failed> {
        let mut world = Self {
            rng: Rng::with_seed(seed),
            nodes: BTreeSet::new(),
            daemon_sets: BTreeMap::new(),
            next_node: 0,
            changes: Vec::new(),
        };
        let namespaces = NAMESPACES.iter().filter(|name| **name != "default");
        let namespaces: Vec<Value> = namespaces
            .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .collect();
        plane.create_all(&namespaces).await?;
        let nodes: Vec<Value> = (0..NODES).map(|_| world.node()).collect();
        plane.create_all(&nodes).await?;
        let names: Vec<String> = world.nodes.iter().cloned().collect();
        for index in 0..DAEMON_SETS {
            let set = daemon_sets::random(&mut world.rng, index, &names);
            world.daemon_sets.insert(key_of(&set), set);
        }
        let sets: Vec<Value> = world.daemon_sets.values().cloned().collect();
        plane.create_all(&sets).await?;
        Ok(world)
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
                // One key may carry different effects, but each pair only once.
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
            // Too small for the DaemonSets that request CPU.
            let small = json!({"cpu": "100m", "memory": "1Gi", "pods": "250"});
            status = json!({"capacity": small, "allocatable": small});
        }
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec, "status": status})
    }

    /// Changes a dozen things at once, through the API.
    pub(crate) async fn mutate(&mut self, plane: &Plane) -> Result<(), Failed> {
        let mut changes: Vec<Change> = Vec::new();
        // Without it a cluster may have nothing that is misscheduled.
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
        // A change of something that an earlier one deletes makes no sense.
        let mut gone = BTreeSet::new();
        changes.retain(|change| {
            let target = change.target();
            let keep = !gone.contains(&target);
            if matches!(change, Change::Delete(_)) {
                gone.insert(target);
            }
            keep
        });
        // In order for each object, side by side otherwise.
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
        let node = |rest: Value| Change::Merge(with("v1", "Node", None, &name, rest));
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

    /// What only shows after a change: of the DaemonSet that surges, a new version that never gets ready, so that
    /// there are two pods on some nodes at rest; and an end to the failures of the one that keeps its failed pods, so
    /// that healthy ones stand beside them.
    fn new_versions(&self) -> Vec<Change> {
        let sick = json!({"metadata": {"annotations": {"ds.test/never-ready": "*"}}});
        let healed = json!({"metadata": {"annotations": {"ds.test/failed": null}}});
        let change = |name: &str, template: Value| {
            let (namespace, name) = self.daemon_sets.keys().find(|(_, other)| other == name)?;
            let change = json!({"spec": {"template": template}});
            Some(Change::Merge(with("apps/v1", "DaemonSet", Some(namespace), name, change)))
        };
        [change(daemon_sets::SURGING, sick), change(daemon_sets::KEEPING, healed)].into_iter().flatten().collect()
    }

    fn change_daemon_set(&mut self) -> Change {
        let keys: Vec<_> = self.daemon_sets.keys().cloned().collect();
        let key = keys[self.rng.usize(..keys.len())].clone();
        let nodes: Vec<String> = self.nodes.iter().cloned().collect();
        let (namespace, name) = &key;
        let set = |rest: Value| Change::Merge(with("apps/v1", "DaemonSet", Some(namespace), name, rest));
        let template = |rest: Value| set(json!({"spec": {"template": rest}}));
        let rng = &mut self.rng;
        match rng.u8(..12) {
            0..=3 => {
                let version = format!("v{}", rng.u8(2..9));
                let containers = daemon_sets::containers(rng, &version, false);
                template(json!({"spec": {"containers": containers}}))
            }
            4 => template(json!({"metadata": {"labels": {"release": format!("r{}", rng.u8(..9))}}})),
            5 => template(json!({"spec": {"nodeSelector": Value::Null}})),
            6 => {
                let selector = daemon_sets::node_selector(rng);
                template(json!({"spec": {"nodeSelector": selector}}))
            }
            7 => {
                let affinity = daemon_sets::node_affinity(rng, &nodes);
                template(json!({"spec": {"affinity": affinity}}))
            }
            8 => template(json!({"spec": {"tolerations": daemon_sets::tolerations(rng)}})),
            // What `kubectl rollout undo` does: the template is again as it was in the beginning.
            9 => Change::Undo(self.daemon_sets[&key].clone()),
            10 => set(json!({"spec": {"minReadySeconds": pick(rng, &[&0, &1, &3600])}})),
            _ => {
                self.daemon_sets.remove(&key);
                set(json!({})).deleted()
            }
        }
    }
}

/// One thing that is done to the cluster.
enum Change {
    Create(Value),
    Merge(Value),
    Delete(Value),
    /// The template of this DaemonSet as a whole in the place of today's.
    Undo(Value),
    AddTaint(String, Value),
    /// All but those that Kubernetes itself put there.
    ClearTaints(String),
}

impl Change {
    fn deleted(self) -> Self {
        match self {
            Self::Merge(object) => Self::Delete(object),
            other => other,
        }
    }

    /// What it is done to.
    fn target(&self) -> String {
        match self {
            Self::Create(object) | Self::Merge(object) | Self::Delete(object) | Self::Undo(object) => {
                let metadata = &object["metadata"];
                match metadata["namespace"].as_str() {
                    Some(namespace) => format!("{namespace}/{}", metadata["name"].as_str().unwrap_or_default()),
                    None => metadata["name"].as_str().unwrap_or_default().to_owned(),
                }
            }
            Self::AddTaint(node, _) | Self::ClearTaints(node) => node.clone(),
        }
    }

    async fn apply(&self, plane: &Plane) -> Result<(), Failed> {
        match self {
            Self::Create(object) => plane.create(object).await,
            Self::Merge(object) => plane.merge(object).await,
            Self::Delete(object) => plane.delete(object).await,
            Self::Undo(object) => {
                let template = &object["spec"]["template"];
                plane.update(object, |now| now["spec"]["template"] = template.clone()).await
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
            Self::Undo(_) => write!(f, "undo {target}"),
            Self::AddTaint(_, taint) => write!(f, "taint {target} {taint}"),
            Self::ClearTaints(_) => write!(f, "untaint {target}"),
        }
    }
}

/// Changes the taints of a node beside the controllers that change them too.
pub(crate) async fn change_taints(plane: &Plane, node: &str, change: impl Fn(&mut Vec<Value>)) -> Result<(), Failed> {
    plane
        .update(&with("v1", "Node", None, node, json!({})), |now| {
            let mut taints = now["spec"]["taints"].as_array().cloned().unwrap_or_default();
            change(&mut taints);
            now["spec"]["taints"] = Value::Array(taints);
        })
        .await
}

/// Any taint.
pub(crate) fn taint(rng: &mut Rng) -> Value {
    let (key, values) = TAINTS[rng.usize(..TAINTS.len())];
    json!({"key": key, "value": pick(rng, values), "effect": pick(rng, &EFFECTS)})
}

/// Whether a node may carry only one of the two.
pub(crate) fn same_taint(one: &Value, other: &Value) -> bool {
    one["key"] == other["key"] && one["effect"] == other["effect"]
}

fn key_of(object: &Value) -> (String, String) {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// `rest` with what names an object.
fn with(api_version: &str, kind: &str, namespace: Option<&str>, name: &str, mut rest: Value) -> Value {
    rest["apiVersion"] = json!(api_version);
    rest["kind"] = json!(kind);
    rest["metadata"]["name"] = json!(name);
    if let Some(namespace) = namespace {
        rest["metadata"]["namespace"] = json!(namespace);
    }
    rest
}
