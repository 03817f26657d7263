//! What the API server makes of daemon pods, and why it refuses them: made for real, cause by cause.

mod cases;
mod webhook;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, wait_until};
use crate::harness::control_plane::ControlPlane;
use cases::{Case, Held};

const NODE: &str = "n1";
/// Every refusal has its event, with the words that are read back from it.
pub(crate) fn refused_for_real(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let address = webhook::start(plane).await?;
        let cases = cases::refused(&address);
        plane.create(&node()).await?;
        for case in &cases {
            refuse(plane, case).await?;
            explained(plane, case)?;
        }
        Ok(())
    })
}

/// Pods that are made and that no scheduler takes up.
pub(crate) fn held_for_real(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create(&node()).await?;
        plane.create(&namespace("held")).await?;
        for case in cases::HELD {
            plane.create(&daemon_set("held", case.name, case.spec())).await?;
        }
        // When the scheduler has bound the one that came last, it has had its say about the others too.
        plane.create(&daemon_set("held", "witness", json!({}))).await?;
        wait_until("the pods are as they are to be", async || {
            let pods: Vec<Pod> = plane.list().await.map_err(message)?;
            let facts = |name: &str| {
                let pod = pods.iter().find(|pod| pod.labels().get("app").is_some_and(|app| app == name));
                serde_json::to_value(pod).unwrap_or_default()
            };
            if !facts("witness")["spec"]["nodeName"].is_string() {
                return Err(format!("the witness is not bound: {}", facts("witness")));
            }
            for Held { name, condition, .. } in cases::HELD {
                let pod = facts(name);
                let conditions = pod["status"]["conditions"].as_array();
                let reason = conditions.into_iter().flatten().find(|one| one["type"] == "PodScheduled");
                let reason = reason.and_then(|one| one["reason"].as_str());
                if pod["spec"]["nodeName"].is_string() || !pod["spec"].is_object() || reason != condition {
                    return Err(format!("{name}: {reason:?} instead of {condition:?}"));
                }
            }
            Ok(())
        })
        .await?;
        for case in cases::HELD {
            let report = report(plane, "held", case.name)?;
            has_reason(&report, case.stage, case.check, case.code, &json!({}))?;
        }
        Ok(())
    })
}

/// Real pods are as the file assert_contains, by which the program's own idea of them is tested too.
pub(crate) fn made_for_real(ctx: &Ctx) -> Result<(), Failed> {
    let file: Value = serde_json::from_str(include_str!("../fixtures/admission/made.json"))?;
    let list = |key: &str| file[key].as_array().cloned().unwrap_or_default();
    let cases = list("cases");
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create(&node()).await?;
        for object in list("objects") {
            plane.create(&object).await?;
        }
        // The API server reads its classes and ranges from a cache: a pod that sees all of them comes after that.
        let probe =
            probe("ranged", json!({"containers": [{"name": "main", "image": "agent"}], "runtimeClassName": "kata"}));
        wait_until("the API server has seen every object", async || {
            let pod = dry_run(plane, &probe).await.map_err(|error| error.to_string())?;
            let is_seen = pod["spec"]["priority"] == 5
                && pod["spec"]["overhead"].is_object()
                && pod["spec"]["containers"][0]["resources"]["limits"].is_object();
            if is_seen { Ok(()) } else { Err(pod["spec"].to_string()) }
        })
        .await?;
        for case in &cases {
            let (name, namespace) = (text(&case["name"]), text(&case["namespace"]));
            plane.create(&daemon_set(namespace, name, case["spec"].clone())).await?;
        }
        let pods = wait_until("every DaemonSet has its pod", async || {
            let pods: Vec<Pod> = plane.list().await.map_err(message)?;
            let by_name: BTreeMap<String, Value> = pods
                .iter()
                .filter_map(|pod| Some((pod.labels().get("app")?.clone(), serde_json::to_value(pod).ok()?)))
                .collect();
            let lacking = cases.iter().find(|case| !by_name.contains_key(text(&case["name"])));
            lacking.map_or(Ok(by_name), |case| Err(format!("{} has none", case["name"])))
        })
        .await?;
        let minor = plane.minor().await?;
        let mut wrong = String::new();
        for case in &cases {
            let (real, expected) = (summary(&pods[text(&case["name"])]), of_version(&case["expected"], minor));
            if real != expected {
                wrong += &format!("\n    {}:\n      real     {real}\n      expected {expected}", case["name"]);
            }
        }
        ensure(wrong.is_empty(), || wrong)
    })
}

/// What is expected of a version: of what differs between versions, the value of the last one that is not newer.
fn of_version(expected: &Value, minor: u32) -> Value {
    let mut expected = expected.clone();
    for value in expected.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        let since = |from: &String| from.parse::<u32>().ok().filter(|from| *from <= minor);
        let by_version = value.as_object().into_iter().flatten();
        let last =
            by_version.filter_map(|(from, value)| Some((since(from)?, value.clone()))).max_by_key(|(from, _)| *from);
        if let Some((_, last)) = last {
            *value = last;
        }
    }
    expected
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn message(failure: Failed) -> String {
    failure.message().unwrap_or_default().to_owned()
}

/// A node with what templates select by: the controller makes pods for no other.
fn node() -> Value {
    let labels = json!({"disk": "ssd", "kubernetes.io/hostname": NODE});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}, "spec": {}})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn daemon_set(namespace: &str, name: &str, spec: Value) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": with_container(spec)}},
    })
}

fn with_container(mut spec: Value) -> Value {
    if !spec["containers"].is_array() {
        spec["containers"] = json!([{"name": "main", "image": "agent"}]);
    }
    spec
}

fn probe(namespace: &str, spec: Value) -> Value {
    let metadata = json!({"generateName": "probe-", "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": with_container(spec)})
}

/// What the API server would make of a pod.
async fn dry_run(plane: &ControlPlane, pod: &Value) -> Result<Value, kube::Error> {
    let api: Api<Pod> = Api::namespaced(plane.client(), text(&pod["metadata"]["namespace"]));
    let typed: Pod = serde_json::from_value(pod.clone()).map_err(kube::Error::SerdeError)?;
    let pod = api.create(&PostParams { dry_run: true, ..PostParams::default() }, &typed).await?;
    serde_json::to_value(pod).map_err(kube::Error::SerdeError)
}

/// Makes the cause, waits until the API server knows of it, and then for the event on the DaemonSet.
async fn refuse(plane: &ControlPlane, case: &Case) -> Result<(), Failed> {
    plane.create(&case.namespace()).await?;
    plane.create_all(&case.objects).await?;
    let probe = probe(case.name, case.spec.clone());
    wait_until(&format!("{}: a pod is refused", case.name), async || match dry_run(plane, &probe).await {
        Ok(_) => Err("it is taken".to_owned()),
        Err(error) if case.words.iter().all(|words| error.to_string().contains(words)) => Ok(()),
        Err(error) => Err(error.to_string()),
    })
    .await?;
    plane.create(&daemon_set(case.name, "agent", case.spec.clone())).await?;
    wait_until(&format!("{}: an event tells the refusal", case.name), async || {
        let events: Vec<Event> = plane.list().await.map_err(message)?;
        let own = events.iter().filter(|event| {
            event.reason.as_deref() == Some("FailedCreate")
                && event.involved_object.namespace.as_deref() == Some(case.name)
                && event.involved_object.kind.as_deref() == Some("DaemonSet")
        });
        let told: Vec<&str> = own.filter_map(|event| event.message.as_deref()).collect();
        let is_it = |message: &&&str| {
            message.starts_with("Error creating: ") && case.words.iter().all(|words| message.contains(words))
        };
        match told.iter().find(is_it) {
            Some(message) => {
                eprintln!("{}: {message}", case.name);
                Ok(())
            }
            None => Err(format!("{told:?}")),
        }
    })
    .await
}

/// The command names the cause.
fn explained(plane: &ControlPlane, case: &Case) -> Result<(), Failed> {
    let report = report(plane, case.name, "agent")?;
    let sets = &report["daemonSets"][0];
    ensure(sets["verdict"] == "Blocked" && sets["state"] == "Missing", || format!("{}: {sets}", case.name))?;
    has_reason(&report, "Admission", case.check, case.code, &case.evidence)
}

/// What `why-not` says about one DaemonSet.
fn report(plane: &ControlPlane, namespace: &str, name: &str) -> Result<Value, Failed> {
    let output = plane.ds(&["why-not", NODE, name, "-n", namespace, "-o", "json"]);
    // That the answer is "no" may be told by exit code 1.
    let report = if output.status.code() == Some(1) {
        serde_json::from_slice(&output.stdout).map_err(failed)?
    } else {
        json_of(&output)?
    };
    let is_it = report["kind"] == "WhyNotReport"
        && report["node"] == NODE
        && report["daemonSets"].as_array().is_some_and(|sets| sets.len() == 1)
        && report["daemonSets"][0]["namespace"] == namespace
        && report["daemonSets"][0]["name"] == name;
    ensure(is_it, || format!("not the report on {namespace}/{name}: {report}"))?;
    Ok(report)
}

/// A failing check has a reason with this code, this evidence, words and a remedy.
fn has_reason(report: &Value, stage: &str, check: &str, code: &str, evidence: &Value) -> Result<(), Failed> {
    let checks = report["daemonSets"][0]["checks"].as_array().into_iter().flatten();
    let own = checks.filter(|one| one["stage"] == stage && one["check"] == check && one["result"] == "Fail");
    let reasons: Vec<&Value> = own.flat_map(|one| one["reasons"].as_array().into_iter().flatten()).collect();
    let found = reasons.iter().find(|reason| {
        let mut evidence = evidence.as_object().into_iter().flatten();
        reason["code"] == code && evidence.all(|(key, value)| reason[key] == *value)
    });
    let Some(reason) = found else {
        return Err(failed(format!("no {code} with {evidence} in {stage} {check}: {report}")));
    };
    ensure(reason["message"].as_str().is_some_and(|message| !message.is_empty()), || format!("no words: {reason}"))?;
    ensure(reason["fix"].as_array().is_some_and(|fix| !fix.is_empty()), || format!("no remedy: {reason}"))
}

/// What admission decides about a pod, in few words; the unit test of the program's own pods writes the same.
fn summary(pod: &Value) -> Value {
    let list = |list: &Value| -> String {
        let pairs: BTreeMap<&String, &Value> = list.as_object().into_iter().flatten().collect();
        pairs.iter().map(|(key, value)| format!(" {key}={}", text(value))).collect()
    };
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let amounts = |of: &Value| format!("requests{} limits{}", list(&of["requests"]), list(&of["limits"]));
    let spec = &pod["spec"];
    let container = |one: &Value| {
        let ports = items(&one["ports"]);
        let ports: String = ports
            .iter()
            .map(|port| format!(" {}/{}", port["hostPort"].as_i64().unwrap_or(0), text(&port["protocol"])))
            .collect();
        format!("{} {} ports{ports}", text(&one["name"]), amounts(&one["resources"]))
    };
    let mut added: Vec<String> = items(&spec["tolerations"])
        .iter()
        .map(|one| {
            let seconds = one["tolerationSeconds"].as_i64().map_or("-".to_owned(), |seconds| seconds.to_string());
            format!(
                "{}/{}/{}/{}/{seconds}",
                text(&one["key"]),
                text(&one["operator"]),
                text(&one["value"]),
                text(&one["effect"])
            )
        })
        .collect();
    added.sort();
    added.retain(|one| !EVERY_DAEMON_POD_TOLERATES.contains(&one.as_str()));
    let anti_affinity = &spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let selectors = items(anti_affinity).into_iter().chain(items(&spec["topologySpreadConstraints"]));
    let merged = selectors.flat_map(|one| items(&one["labelSelector"]["matchExpressions"]));
    let merged: Vec<String> = merged
        .map(|one| {
            let values: Vec<String> = items(&one["values"]).iter().map(|value| text(value).to_owned()).collect();
            format!("{} {} {}", text(&one["key"]), text(&one["operator"]), values.join(","))
        })
        .collect();
    let containers = items(&spec["containers"]).into_iter().chain(items(&spec["initContainers"]));
    json!({
        "containers": containers.map(|one| container(&one)).collect::<Vec<_>>(),
        "pod": if spec["resources"].is_object() { amounts(&spec["resources"]) } else { "-".to_owned() },
        "priority": format!(
            "{} {} {}",
            spec["priority"].as_i64().unwrap_or(-1), text(&spec["priorityClassName"]), text(&spec["preemptionPolicy"])
        ),
        "overhead": list(&spec["overhead"]).trim_start(),
        "nodeSelector": list(&spec["nodeSelector"]).trim_start(),
        "added": added,
        "selectors": merged,
    })
}

const EVERY_DAEMON_POD_TOLERATES: [&str; 6] = [
    "node.kubernetes.io/disk-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/memory-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/not-ready/Exists//NoExecute/-",
    "node.kubernetes.io/pid-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/unreachable/Exists//NoExecute/-",
    "node.kubernetes.io/unschedulable/Exists//NoSchedule/-",
];
