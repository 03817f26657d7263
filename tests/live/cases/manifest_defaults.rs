//! What `kubectl apply` and the API server make of manifests, recorded in `tests/fixtures/manifests`. The unit tests of
//! `src/change/manifest` compare their results with these files. This test applies the same manifests again and compares
//! the answers. `UPDATE_MANIFESTS=1` records them.
//!
//! The `.yaml` files are written by hand; `random.json` has manifests from seeds. A file has steps, which are applied in
//! their order, and what the server stored after each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed};
use crate::harness::control_plane::ControlPlane;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![stored_manifests_are_those_recorded];

/// The version of the recorded answers. Another version knows other fields.
const MINOR: u32 = 36;
/// The random DaemonSets, each with several manifests.
const SEEDS: std::ops::Range<u64> = 1..25;
const MANIFESTS: usize = 4;
/// `kubectl rollout restart` writes the time.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

fn stored_manifests_are_those_recorded(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    if plane.run(async |plane| plane.minor().await)? != MINOR {
        return Ok(());
    }
    plane.stop_controllers()?;
    for file in files()? {
        let text = std::fs::read_to_string(&file)?;
        let steps: Vec<Value> = serde_saphyr::from_str(&text).map_err(failed)?;
        let answers = run(&plane, ctx, &steps)?;
        compare(&file.with_extension("json"), &json!([{ "steps": steps, "stored": answers }]))?;
    }
    let random: Vec<Value> = SEEDS
        .map(|seed| {
            let steps = random_steps(seed);
            let stored = run(&plane, ctx, &steps).map_err(|error| failed(format!("seed {seed}: {error:?}")))?;
            Ok(json!({ "steps": steps, "stored": stored }))
        })
        .collect::<Result<_, Failed>>()?;
    compare(&folder().join("random.json"), &Value::Array(random))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests")
}

fn files() -> Result<Vec<PathBuf>, Failed> {
    let paths = std::fs::read_dir(folder())?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

/// Compares the answers with the recorded ones, or records them.
fn compare(file: &Path, answers: &Value) -> Result<(), Failed> {
    if std::env::var_os("UPDATE_MANIFESTS").is_some() {
        // A line for each case: a change of one is a change of one line.
        let lines: Vec<String> = answers.as_array().into_iter().flatten().map(Value::to_string).collect();
        return Ok(std::fs::write(file, format!("[\n{}\n]\n", lines.join(",\n")))?);
    }
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(file)?).map_err(failed)?;
    ensure(recorded == *answers, || {
        format!("{} differs from what the API server stores now: {answers:.2000}", file.display())
    })
}

/// Executes the steps, and returns what is stored after each.
fn run(plane: &ControlPlane, ctx: &Ctx, steps: &[Value]) -> Result<Vec<Value>, Failed> {
    let mut stored = Vec::new();
    let name = steps[0]["apply"]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let name = format!("daemonset/{name}");
    for step in steps {
        if step["apply"].is_object() {
            let file = plane.dir().join("manifest.json");
            std::fs::write(&file, step["apply"].to_string())?;
            plane.kubectl(ctx, &["apply", "-f", &file.display().to_string()])?;
        } else if step["patch"].is_object() {
            plane.kubectl(ctx, &["patch", &name, "--type=merge", "-p", &step["patch"].to_string()])?;
        } else {
            restart(plane, ctx, &name)?;
        }
        let object = plane.kubectl(ctx, &["get", &name, "-o", "json"])?;
        stored.push(trimmed(serde_json::from_str(&object).map_err(failed)?));
    }
    plane.kubectl(ctx, &["delete", &name, "--cascade=orphan", "--wait=false"])?;
    Ok(stored)
}

/// Restarts the rollout. kubectl rejects a second restart within the same second.
fn restart(plane: &ControlPlane, ctx: &Ctx, name: &str) -> Result<(), Failed> {
    const TRIES: usize = 20;
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = plane.kubectl(ctx, &["rollout", "restart", name]).map(drop);
        match &last {
            Err(failure) if failure.message().is_some_and(|text| text.contains("within the past second")) => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Ok(()) | Err(_) => break,
        }
    }
    last
}

/// The object without what differs in each run.
fn trimmed(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "labels" | "annotations"));
    }
    if let Some(restarted) =
        object.pointer_mut(&format!("/spec/template/metadata/annotations/{}", RESTARTED.replace('/', "~1")))
    {
        *restarted = "2026-01-01T00:00:00Z".into();
    }
    json!({ "metadata": object["metadata"], "spec": object["spec"] })
}

/// Manifests of one DaemonSet, with restarts between them.
fn random_steps(seed: u64) -> Vec<Value> {
    let mut rng = Rng::with_seed(seed);
    let mut steps = Vec::new();
    for index in 0..MANIFESTS {
        steps.push(json!({ "apply": random_manifest(&mut rng, seed) }));
        if index + 1 < MANIFESTS && rng.u8(..3) == 0 {
            steps.push(json!({ "restart": true }));
        }
    }
    steps
}

fn random_manifest(rng: &mut Rng, seed: u64) -> Value {
    let name = format!("random-{seed}");
    let mut spec = Map::new();
    sometimes(rng, &mut spec, "minReadySeconds", |rng| json!(rng.u8(..3)));
    sometimes(rng, &mut spec, "revisionHistoryLimit", |rng| json!(rng.u8(..3)));
    sometimes(rng, &mut spec, "updateStrategy", |rng| {
        one(
            rng,
            &[
                json!({}),
                json!({"type": "OnDelete"}),
                json!({"type": "RollingUpdate"}),
                json!({"rollingUpdate": {"maxUnavailable": "10%"}}),
            ],
        )
    });
    spec.insert("selector".into(), json!({ "matchLabels": { "app": name } }));
    let mut metadata = json!({ "labels": { "app": name } });
    if rng.bool() {
        metadata["labels"]["version"] = json!(format!("v{}", rng.u8(..3)));
    }
    if rng.bool() {
        metadata["annotations"] = some_of(rng, &["a", "b", "c"], |rng| json!(format!("{}", rng.u8(..2))));
    }
    spec.insert("template".into(), json!({ "metadata": metadata, "spec": random_pod(rng) }));
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    })
}

fn random_pod(rng: &mut Rng) -> Value {
    let mut pod = Map::new();
    for field in ["hostNetwork", "hostPID", "automountServiceAccountToken", "enableServiceLinks"] {
        sometimes(rng, &mut pod, field, |rng| json!(rng.bool()));
    }
    sometimes(rng, &mut pod, "terminationGracePeriodSeconds", |rng| json!(rng.u8(..60)));
    sometimes(rng, &mut pod, "serviceAccountName", |rng| one(rng, &[json!("a"), json!("b"), json!("")]));
    sometimes(rng, &mut pod, "priorityClassName", |rng| one(rng, &[json!(""), json!("system-node-critical")]));
    sometimes(rng, &mut pod, "nodeSelector", |rng| some_of(rng, &["a", "b", "c"], |_| json!("")));
    sometimes(rng, &mut pod, "dnsPolicy", |rng| one(rng, &[json!("Default"), json!("ClusterFirstWithHostNet")]));
    sometimes(rng, &mut pod, "tolerations", |rng| {
        one(
            rng,
            &[
                json!([]),
                json!([{"operator": "Exists"}]),
                json!([{"key": "a", "value": "", "effect": ""}, {"key": "b", "operator": "Exists"}]),
            ],
        )
    });
    for (list, key) in [("imagePullSecrets", "name"), ("hostAliases", "ip")] {
        sometimes(rng, &mut pod, list, |rng| {
            list_of(rng, &["10.0.0.1", "10.0.0.2", "10.0.0.3"], |_, item| json!({ key: item }))
        });
    }
    let volumes = list_of(rng, &["v1", "v2", "v3", "v4"], |rng, name| {
        let mut volume = one(
            rng,
            &[
                json!({}),
                json!({"emptyDir": {}}),
                json!({"hostPath": {"path": "/x"}}),
                json!({"configMap": {"name": "c"}}),
                json!({"secret": {"secretName": "s", "optional": false}}),
                json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}),
            ],
        );
        volume["name"] = json!(name);
        volume
    });
    let names: Vec<String> = volumes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|volume| Some(volume["name"].as_str()?.to_owned()))
        .collect();
    let mut containers = list_of(rng, &["a", "b", "c"], |rng, name| random_container(rng, name, &names));
    if containers.as_array().is_some_and(Vec::is_empty) {
        containers = json!([random_container(rng, "only", &names)]);
    }
    pod.insert("containers".into(), containers);
    sometimes(rng, &mut pod, "initContainers", |rng| {
        list_of(rng, &["i", "j"], |rng, name| {
            let mut container = random_container(rng, name, &names);
            if let Some(fields) = container.as_object_mut() {
                fields.retain(|field, _| !field.ends_with("Probe"));
            }
            container
        })
    });
    if !names.is_empty() || rng.bool() {
        pod.insert("volumes".into(), volumes);
    }
    Value::Object(pod)
}

fn random_container(rng: &mut Rng, name: &str, volumes: &[String]) -> Value {
    let image = one(rng, &[json!("agent"), json!("agent:v1"), json!("agent:v2"), json!("r.io/agent:latest")]);
    let mut container = Map::from_iter([("name".to_owned(), json!(name)), ("image".to_owned(), image)]);
    sometimes(rng, &mut container, "imagePullPolicy", |rng| one(rng, &[json!("Always"), json!("Never")]));
    sometimes(rng, &mut container, "args", |rng| one(rng, &[json!([]), json!(["a"]), json!(["b", "c"])]));
    sometimes(rng, &mut container, "tty", |rng| json!(rng.bool()));
    sometimes(rng, &mut container, "ports", |rng| {
        let protocol = if rng.bool() { "UDP" } else { "TCP" };
        list_of(
            rng,
            &["80", "443", "53"],
            |_, port| json!({ "containerPort": port.parse::<u16>().unwrap(), "protocol": protocol }),
        )
    });
    sometimes(rng, &mut container, "env", |rng| {
        list_of(rng, &["A", "B", "C", "D", "E"], |rng, name| {
            let mut variable = one(
                rng,
                &[
                    json!({}),
                    json!({"value": ""}),
                    json!({"value": "1"}),
                    json!({"value": "2"}),
                    json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}),
                    json!({"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}),
                ],
            );
            variable["name"] = json!(name);
            variable
        })
    });
    sometimes(rng, &mut container, "resources", |rng| {
        let amounts = [json!("1000m"), json!(4), json!("2.5"), json!("1e1")];
        let memory = [json!("1024Mi"), json!("4Gi"), json!("1.5Gi"), json!("3000M")];
        one(
            rng,
            &[
                json!({}),
                json!({"limits": {"cpu": one(&mut rng.clone(), &amounts), "memory": one(&mut rng.clone(), &memory)}}),
                json!({"requests": {"memory": one(&mut rng.clone(), &memory)}, "limits": {}}),
            ],
        )
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        sometimes(rng, &mut container, probe, |rng| {
            let mut probe = one(
                rng,
                &[
                    json!({"httpGet": {"port": 80}}),
                    json!({"tcpSocket": {"port": "http"}}),
                    json!({"exec": {"command": ["x"]}}),
                    json!({"grpc": {"port": 80}}),
                ],
            );
            probe["periodSeconds"] = json!(rng.u8(..3));
            probe
        });
    }
    if !volumes.is_empty() {
        let mounts = list_of(
            rng,
            &["/a", "/b", "/c"],
            |rng, path| json!({ "name": volumes[rng.usize(..volumes.len())], "mountPath": path, "readOnly": rng.bool() }),
        );
        container.insert("volumeMounts".into(), mounts);
    }
    Value::Object(container)
}

fn sometimes(rng: &mut Rng, object: &mut Map<String, Value>, field: &str, value: impl FnOnce(&mut Rng) -> Value) {
    match rng.u8(..5) {
        0 | 1 => {
            object.insert(field.to_owned(), value(rng));
        }
        2 if rng.u8(..4) == 0 => {
            object.insert(field.to_owned(), Value::Null);
        }
        _ => {}
    }
}

fn one(rng: &mut Rng, values: &[Value]) -> Value {
    values[rng.usize(..values.len())].clone()
}

fn some_of(rng: &mut Rng, keys: &[&str], value: impl Fn(&mut Rng) -> Value) -> Value {
    let mut object = Map::new();
    for key in keys {
        if rng.bool() {
            object.insert((*key).to_owned(), value(rng));
        }
    }
    Value::Object(object)
}

/// Some of the items, in a random order.
fn list_of(rng: &mut Rng, keys: &[&str], mut item: impl FnMut(&mut Rng, &str) -> Value) -> Value {
    let mut keys: Vec<&str> = keys.iter().copied().filter(|_| rng.u8(..3) > 0).collect();
    rng.shuffle(&mut keys);
    keys.into_iter().map(|key| item(rng, key)).collect()
}
