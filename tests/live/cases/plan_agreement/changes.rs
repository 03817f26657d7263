//! Random changes: what the program is asked, and the same for real.

use fastrand::Rng;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::cases::agreement::random_requests;
use crate::harness::client::failed;
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_reference, node_reference, node_resources, resource_quota};
use crate::harness::random_cluster::{LABELS, pick, taint};
use crate::harness::random_daemon_sets::{node_affinity, node_selector, tolerations};

/// One change.
pub(crate) struct PlannedChange {
    pub(crate) description: String,
    /// The arguments of the program.
    pub(crate) arguments: Vec<String>,
    /// The arguments of kubectl that make it.
    commands: Vec<Vec<String>>,
}

impl PlannedChange {
    /// Makes the change.
    pub(crate) fn make(&self, plane: &ControlPlane, ctx: &Ctx) -> Result<(), Failed> {
        for command in &self.commands {
            let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            plane.kubectl(ctx, &arguments)?;
        }
        Ok(())
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A change: manifests and nodes take turns.
pub(crate) async fn random(rng: &mut Rng, plane: &ControlPlane, number: usize) -> Result<PlannedChange, Failed> {
    let nodes: Vec<Node> = plane.list().await?;
    let names: Vec<String> = nodes.iter().map(ResourceExt::name_any).collect();
    match number % 4 {
        0 | 2 => manifests(rng, plane, &names, number).await,
        1 => Ok(edit_nodes(rng, &names)),
        _ => join(rng, plane, number),
    }
}

/// One or two changed DaemonSets, a new one, and sometimes a quota.
async fn manifests(
    rng: &mut Rng,
    plane: &ControlPlane,
    nodes: &[String],
    number: usize,
) -> Result<PlannedChange, Failed> {
    let sets: Vec<DaemonSet> = plane.list().await?;
    let mut objects = Vec::new();
    let mut changed: Vec<String> = Vec::new();
    // Their pods become ready, which the plan assumes.
    let eligible: Vec<&DaemonSet> = sets.iter().filter(|set| becomes_ready(set)).collect();
    for _ in 0..rng.usize(1..4) {
        let set = eligible[rng.usize(..eligible.len())];
        if changed.contains(&set.name_any()) {
            continue;
        }
        let mut manifest = serde_json::to_value(set).map_err(failed)?;
        for field in ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "annotations"] {
            manifest["metadata"].as_object_mut().expect("an object").remove(field);
        }
        manifest.as_object_mut().expect("an object").remove("status");
        (manifest["apiVersion"], manifest["kind"]) = (json!("apps/v1"), json!("DaemonSet"));
        let what = change_set(rng, &mut manifest["spec"], nodes);
        changed.push(set.name_any());
        objects.push((manifest, format!("{} {what}", set.name_any())));
    }
    let name = format!("new-{number}");
    objects.push((new_set(rng, &name, nodes), format!("{name} created")));
    if rng.u8(..3) == 0 {
        let pods = rng.usize(600..900).to_string();
        objects.push((resource_quota("default", "pods", &json!({ "pods": pods })), "quota".to_owned()));
    }
    let path = plane.dir().join(format!("change-{number}.json"));
    let (items, what): (Vec<Value>, Vec<String>) = objects.into_iter().unzip();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    std::fs::write(&path, list.to_string())?;
    let path = path.display().to_string();
    Ok(PlannedChange {
        description: what.join("; "),
        arguments: [words("plan apply -o json -f"), vec![path.clone()]].concat(),
        commands: vec![[words("apply -f"), vec![path]].concat()],
    })
}

/// Whether the pods of the DaemonSet start and become ready, if they are scheduled.
fn becomes_ready(set: &DaemonSet) -> bool {
    let annotations = set.spec.template.metadata.as_ref().and_then(|metadata| metadata.annotations.clone());
    let spec = set.spec.template.spec.clone().unwrap_or_default();
    annotations.is_none_or(|annotations| !annotations.keys().any(|key| key.starts_with("ds.test/")))
        && spec.node_name.is_none()
        && spec.scheduler_name.as_deref() == Some("default-scheduler")
        && spec.scheduling_gates.is_none()
}

/// Changes one thing, or several.
fn change_set(rng: &mut Rng, spec: &mut Value, nodes: &[String]) -> String {
    let mut what = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let template = &mut spec["template"];
        what.push(match rng.u8(..9) {
            0 => {
                template["spec"]["containers"][0]["image"] =
                    json!(format!("registry.example/agent:v{}", rng.u8(2..99)));
                "image"
            }
            1 => {
                template["spec"]["nodeSelector"] = node_selector(rng);
                "nodeSelector"
            }
            2 => {
                template["spec"]["affinity"] = node_affinity(rng, nodes);
                "affinity"
            }
            3 => {
                template["spec"]["tolerations"] = tolerations(rng);
                "tolerations"
            }
            4 => {
                template["spec"]["containers"][0]["resources"] = random_requests(rng);
                "requests"
            }
            5 => {
                let port = *[8080u16, 9100, 53].get(rng.usize(..3)).unwrap_or(&53);
                template["spec"]["containers"][0]["ports"] = json!([{ "containerPort": port, "hostPort": port }]);
                template["spec"]["hostNetwork"] = json!(false);
                "host port"
            }
            6 => {
                let class = pick(rng, &["high", "middle", "low"]);
                template["spec"].as_object_mut().expect("an object").remove("priority");
                template["spec"].as_object_mut().expect("an object").remove("preemptionPolicy");
                template["spec"]["priorityClassName"] = json!(class);
                "priority"
            }
            7 => {
                spec["minReadySeconds"] = json!(rng.u8(..2));
                "minReadySeconds"
            }
            _ => {
                spec["updateStrategy"] = strategy(rng);
                template_label(rng, spec);
                "strategy and template"
            }
        });
    }
    what.join(" and ")
}

fn template_label(rng: &mut Rng, spec: &mut Value) {
    spec["template"]["metadata"]["labels"]["release"] = json!(format!("r{}", rng.u8(..99)));
}

fn strategy(rng: &mut Rng) -> Value {
    match rng.u8(..6) {
        0 => json!({ "type": "OnDelete", "rollingUpdate": null }),
        1 => {
            json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": pick(rng, &["10%", "50%"]) } })
        }
        2 => json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "100%", "maxSurge": 0 } }),
        3 => json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 8, "maxSurge": 0 } }),
        _ => {
            json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": pick(rng, &["10%", "30%"]), "maxSurge": 0 } })
        }
    }
}

fn new_set(rng: &mut Rng, name: &str, nodes: &[String]) -> Value {
    let container = json!({ "name": "main", "image": "registry.example/agent:v1", "resources": random_requests(rng) });
    let mut spec = json!({ "containers": [container], "terminationGracePeriodSeconds": 1 });
    if rng.bool() {
        spec["nodeSelector"] = node_selector(rng);
    }
    if rng.u8(..3) == 0 {
        spec["affinity"] = node_affinity(rng, nodes);
    }
    if rng.bool() {
        spec["tolerations"] = tolerations(rng);
    }
    if rng.bool() {
        spec["priorityClassName"] = json!(pick(rng, &["middle", "low", "high"]));
    }
    let mut set = daemon_set_reference("default", name);
    set["spec"] = json!({
        "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name, "team": "d" } }, "spec": spec },
    });
    set
}

/// Taints, labels, cordons and the deletion of some nodes.
fn edit_nodes(rng: &mut Rng, names: &[String]) -> PlannedChange {
    let mut nodes: Vec<&String> = Vec::new();
    for _ in 0..rng.usize(1..6) {
        let name = &names[rng.usize(..names.len())];
        if !nodes.contains(&name) {
            nodes.push(name);
        }
    }
    let mut arguments = words("plan node -o json");
    let mut commands = Vec::new();
    let all = nodes.iter().map(|name| (*name).clone()).collect::<Vec<String>>();
    let mut what = Vec::new();
    if rng.u8(..6) == 0 {
        arguments.push("--delete".to_owned());
        commands.push([words("delete node"), all.clone()].concat());
        what.push("delete".to_owned());
    } else {
        for _ in 0..rng.usize(1..3) {
            match rng.u8(..5) {
                0 | 1 => {
                    let new = taint(rng);
                    let text = |key: &str| new[key].as_str().unwrap_or_default().to_owned();
                    let value = if text("value").is_empty() { String::new() } else { format!("={}", text("value")) };
                    let new = format!("{}{value}:{}", text("key"), text("effect"));
                    arguments.extend(["--taint".to_owned(), new.clone()]);
                    commands.push([words("taint node --overwrite"), all.clone(), vec![new.clone()]].concat());
                    what.push(format!("taint {new}"));
                }
                2 | 3 => {
                    let (key, values) = LABELS[rng.usize(..LABELS.len())];
                    let new = match rng.u8(..3) {
                        0 => format!("{key}-"),
                        _ => format!("{key}={}", pick(rng, values)),
                    };
                    if what.iter().any(|one: &String| one.starts_with(&format!("label {key}"))) {
                        continue;
                    }
                    arguments.extend(["--label".to_owned(), new.clone()]);
                    commands.push([words("label node --overwrite"), all.clone(), vec![new.clone()]].concat());
                    what.push(format!("label {new}"));
                }
                _ => {
                    if what.iter().any(|one| one == "cordon") {
                        continue;
                    }
                    arguments.push("--cordon".to_owned());
                    commands.push([words("cordon"), all.clone()].concat());
                    what.push("cordon".to_owned());
                }
            }
        }
    }
    arguments.extend(all.iter().cloned());
    PlannedChange { description: format!("{} of {}", what.join(", "), all.join(" ")), arguments, commands }
}

/// New nodes from a file.
fn join(rng: &mut Rng, plane: &ControlPlane, number: usize) -> Result<PlannedChange, Failed> {
    let count = rng.usize(1..4);
    let name = format!("joined-{number}");
    let mut node = node_reference(&name);
    let mut labels = serde_json::Map::new();
    for (key, values) in LABELS {
        if rng.u8(..10) < 8 {
            labels.insert(key.into(), json!(pick(rng, values)));
        }
    }
    node["metadata"]["labels"] = Value::Object(labels);
    let taints: Vec<Value> = if rng.bool() { vec![taint(rng)] } else { Vec::new() };
    node["spec"] = json!({ "taints": taints });
    let resources = json!({ "cpu": pick(rng, &["8", "32"]), "memory": pick(rng, &["16Gi", "64Gi"]), "pods": "110", "ephemeral-storage": "50Gi" });
    node["status"] = node_resources(&resources);
    let path = plane.dir().join(format!("node-{number}.json"));
    std::fs::write(&path, node.to_string())?;
    let mut created = Vec::new();
    for copy in 1..=count {
        let mut node = node.clone();
        let name = if count == 1 { name.clone() } else { format!("{name}-{copy}") };
        node["metadata"]["name"] = json!(name);
        node["metadata"]["labels"]["kubernetes.io/hostname"] = json!(name);
        created.push(node);
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": created });
    let all = plane.dir().join(format!("nodes-{number}.json"));
    std::fs::write(&all, list.to_string())?;
    let (path, count) = (path.display().to_string(), count.to_string());
    Ok(PlannedChange {
        description: format!("{count} new nodes"),
        arguments: [words("plan node -o json --node-file"), vec![path, "--count".to_owned(), count]].concat(),
        commands: vec![[words("create -f"), vec![all.display().to_string()]].concat()],
    })
}
