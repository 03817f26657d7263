//! Pods that the API server rejects, pods that no scheduler binds, and pods as admission changes them.

mod denying_webhook;
mod rejections;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, json_of, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{container, daemon_set, namespace, node_with, replace_fields};
use crate::harness::registry::LiveTest;
use rejections::{RejectedPod, UnscheduledPod};

pub(crate) const TESTS: &[LiveTest] =
    live_tests![rejected_pod_is_explained, unscheduled_pod_is_explained, created_pod_equals_fixture];

const NODE: &str = "n1";
/// The namespace of the pods without a node.
const UNSCHEDULED: &str = "unscheduled";

/// Each rejection has a FailedCreate event with the expected message, and `why-not` reads the reason from it.
fn rejected_pod_is_explained(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let webhook = denying_webhook::start(plane).await?;
        let cases = rejections::rejected_pods(&webhook);
        plane.create(&agent_node()).await?;
        for case in &cases {
            create_rejected(plane, case).await?;
            check_report(plane, case)?;
        }
        Ok(())
    })
}

/// Pods with a scheduling gate or an unknown scheduler stay without a node, and `why-not` reports why.
fn unscheduled_pod_is_explained(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create(&agent_node()).await?;
        plane.create(&namespace(UNSCHEDULED)).await?;
        for case in rejections::UNSCHEDULED_PODS {
            plane.create(&daemon_set(UNSCHEDULED, case.name, &case.spec())).await?;
        }
        // Once the scheduler has bound the pod that was created last, it has seen the others too.
        plane.create(&daemon_set(UNSCHEDULED, "witness", &json!({}))).await?;
        wait_until("the pods have the expected conditions", async || {
            let pods: Vec<Pod> = plane.list().await.map_err(message)?;
            let pod_of = |name: &str| {
                let pod = pods.iter().find(|pod| pod.labels().get("app").is_some_and(|app| app == name));
                serde_json::to_value(pod).unwrap_or_default()
            };
            if !pod_of("witness")["spec"]["nodeName"].is_string() {
                return Err(format!("the witness is not bound: {}", pod_of("witness")));
            }
            for UnscheduledPod { name, condition, .. } in rejections::UNSCHEDULED_PODS {
                let pod = pod_of(name);
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
        for case in rejections::UNSCHEDULED_PODS {
            let report = report(plane, UNSCHEDULED, case.name)?;
            has_reason(&report, case.stage, case.check, case.code, &json!({}))?;
        }
        Ok(())
    })
}

/// The API server creates the pods of the fixture, which the unit tests of the predicted pods read too.
fn created_pod_equals_fixture(ctx: &Ctx) -> Result<(), Failed> {
    let file: Value = serde_json::from_str(include_str!("../../fixtures/admission/predicted.json"))?;
    let list = |key: &str| file[key].as_array().cloned().unwrap_or_default();
    let cases = list("cases");
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create(&agent_node()).await?;
        for object in list("objects") {
            plane.create(&object).await?;
        }
        // Admission reads classes and ranges from a cache: wait for a dry run that has all of them.
        let probe = probe("ranged", json!({"runtimeClassName": "kata"}));
        wait_until("admission has cached every object", async || {
            let pod = dry_run(plane, &probe).await.map_err(|error| error.to_string())?;
            let is_complete = pod["spec"]["priority"] == 5
                && pod["spec"]["overhead"].is_object()
                && pod["spec"]["containers"][0]["resources"]["limits"].is_object();
            if is_complete { Ok(()) } else { Err(pod["spec"].to_string()) }
        })
        .await?;
        for case in &cases {
            let (name, namespace) = (text(&case["name"]), text(&case["namespace"]));
            plane.create(&daemon_set(namespace, name, &case["spec"])).await?;
        }
        let pods = wait_until("every DaemonSet has its pod", async || {
            let pods: Vec<Pod> = plane.list().await.map_err(message)?;
            let by_name: BTreeMap<String, Value> = pods
                .iter()
                .filter_map(|pod| Some((pod.labels().get("app")?.clone(), serde_json::to_value(pod).ok()?)))
                .collect();
            let missing = cases.iter().find(|case| !by_name.contains_key(text(&case["name"])));
            missing.map_or(Ok(by_name), |case| Err(format!("{} has no pod", case["name"])))
        })
        .await?;
        let minor = plane.minor().await?;
        let mut wrong = String::new();
        for case in &cases {
            let (real, expected) = (summary(&pods[text(&case["name"])]), expected_in_version(&case["expected"], minor));
            if real != expected {
                wrong += &format!("\n    {}:\n      real     {real}\n      expected {expected}", case["name"]);
            }
        }
        ensure(wrong.is_empty(), || wrong)
    })
}

/// The expectation for a minor version. A field that differs between versions is an object by minor version, of which
/// the latest that is not newer counts.
fn expected_in_version(expected: &Value, minor: u32) -> Value {
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

/// A node with the label that templates select by.
fn agent_node() -> Value {
    node_with(NODE, &json!({"metadata": {"labels": {"disk": "ssd"}}}))
}

/// A pod for a dry run.
fn probe(namespace: &str, fields: Value) -> Value {
    let mut spec = json!({"containers": [container("agent")]});
    replace_fields(&mut spec, &fields);
    let metadata = json!({"generateName": "probe-", "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// The pod as the API server would create it.
async fn dry_run(plane: &ControlPlane, pod: &Value) -> Result<Value, kube::Error> {
    let api: Api<Pod> = Api::namespaced(plane.client(), text(&pod["metadata"]["namespace"]));
    let typed: Pod = serde_json::from_value(pod.clone()).map_err(kube::Error::SerdeError)?;
    let pod = api.create(&PostParams { dry_run: true, ..PostParams::default() }, &typed).await?;
    serde_json::to_value(pod).map_err(kube::Error::SerdeError)
}

/// Creates the cause, waits until it rejects a dry run, and then for the event on the DaemonSet.
async fn create_rejected(plane: &ControlPlane, case: &RejectedPod) -> Result<(), Failed> {
    plane.create(&case.namespace()).await?;
    plane.create_all(&case.objects).await?;
    let probe = probe(case.name, case.spec.clone());
    wait_until(&format!("{}: a pod is rejected", case.name), async || match dry_run(plane, &probe).await {
        Ok(_) => Err("it is accepted".to_owned()),
        Err(error) if case.message.iter().all(|part| error.to_string().contains(part)) => Ok(()),
        Err(error) => Err(error.to_string()),
    })
    .await?;
    plane.create(&daemon_set(case.name, "agent", &case.spec)).await?;
    wait_until(&format!("{}: an event has the rejection", case.name), async || {
        let events: Vec<Event> = plane.list().await.map_err(message)?;
        let own = events.iter().filter(|event| {
            event.reason.as_deref() == Some("FailedCreate")
                && event.involved_object.namespace.as_deref() == Some(case.name)
                && event.involved_object.kind.as_deref() == Some("DaemonSet")
        });
        let messages: Vec<&str> = own.filter_map(|event| event.message.as_deref()).collect();
        let is_expected = |message: &&&str| {
            message.starts_with("Error creating: ") && case.message.iter().all(|part| message.contains(part))
        };
        match messages.iter().find(is_expected) {
            Some(message) => {
                eprintln!("{}: {message}", case.name);
                Ok(())
            }
            None => Err(format!("{messages:?}")),
        }
    })
    .await
}

/// `why-not` reports the cause.
fn check_report(plane: &ControlPlane, case: &RejectedPod) -> Result<(), Failed> {
    let report = report(plane, case.name, "agent")?;
    let sets = &report["daemonSets"][0];
    ensure(sets["verdict"] == "Blocked" && sets["state"] == "Missing", || format!("{}: {sets}", case.name))?;
    has_reason(&report, "Admission", case.check, case.code, &case.evidence)
}

/// The report of `why-not` about one DaemonSet.
fn report(plane: &ControlPlane, namespace: &str, name: &str) -> Result<Value, Failed> {
    let output = plane.ds(&["why-not", NODE, name, "-n", namespace, "-o", "json"]);
    // Exit code 1: the pod does not run.
    let report = if output.status.code() == Some(1) {
        document(&String::from_utf8_lossy(&output.stdout))?
    } else {
        json_of(&output)?
    };
    let is_expected = report["kind"] == "WhyNotReport"
        && report["node"] == NODE
        && report["daemonSets"].as_array().is_some_and(|sets| sets.len() == 1)
        && report["daemonSets"][0]["namespace"] == namespace
        && report["daemonSets"][0]["name"] == name;
    ensure(is_expected, || format!("not the report on {namespace}/{name}: {report}"))?;
    Ok(report)
}

/// A failed check has a reason with this code, this evidence, a message and a fix.
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
    ensure(reason["message"].as_str().is_some_and(|message| !message.is_empty()), || format!("no message: {reason}"))?;
    ensure(reason["fix"].as_array().is_some_and(|fix| !fix.is_empty()), || format!("no fix: {reason}"))
}

/// The fields of a pod that admission sets, as short texts; the unit test of the predicted pods builds the same.
fn summary(pod: &Value) -> Value {
    let list = |list: &Value| -> String {
        let pairs: BTreeMap<&String, &Value> = list.as_object().into_iter().flatten().collect();
        pairs.iter().map(|(key, value)| format!(" {key}={}", text(value))).collect()
    };
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let amounts =
        |resources: &Value| format!("requests{} limits{}", list(&resources["requests"]), list(&resources["limits"]));
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
    added.retain(|one| !DEFAULT_TOLERATIONS.contains(&one.as_str()));
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

/// The tolerations that the controller adds to every daemon pod.
const DEFAULT_TOLERATIONS: [&str; 6] = [
    "node.kubernetes.io/disk-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/memory-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/not-ready/Exists//NoExecute/-",
    "node.kubernetes.io/pid-pressure/Exists//NoSchedule/-",
    "node.kubernetes.io/unreachable/Exists//NoExecute/-",
    "node.kubernetes.io/unschedulable/Exists//NoSchedule/-",
];
