//! What `kubectl ds why-not` advises is done, line by line, and the pod lands.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, wait_until_within};
use crate::harness::independent_counts::target;
use crate::harness::control_plane::ControlPlane;

/// How long a pod may take to land.
const LAND: Duration = Duration::from_secs(30);

/// What kubectl does that changes nothing.
const LOOKING: [&str; 5] = ["get", "describe", "logs", "events", "explain"];

/// Something that is in the way.
struct Case {
    name: &'static str,
    /// Where the report tells it.
    stage: &'static str,
    check: &'static str,
    /// What is different about the node's spec, and about its labels.
    node_spec: Value,
    labels: Value,
    /// What is different about the pod's spec.
    pod_spec: Value,
    /// What a pod of nobody asks for that is on the node already.
    taken: Option<Value>,
}

/// What is tried.
fn cases() -> Vec<Case> {
    let container = |requests: Value| json!([{"name": "main", "image": "agent", "resources": {"requests": requests}}]);
    let taint = |key: &str, value: &str, effect: &str| json!({"key": key, "value": value, "effect": effect});
    let case = |name, stage, check| Case {
        name,
        stage,
        check,
        node_spec: json!({}),
        labels: json!({}),
        pod_spec: json!({}),
        taken: None,
    };
    vec![
        Case {
            node_spec: json!({"taints": [taint("dedicated", "a", "NoSchedule")]}),
            ..case("taint", "Controller", "TaintToleration")
        },
        // Nothing is to be overwritten by the toleration that is added.
        Case {
            node_spec: json!({"taints": [taint("example.com/down", "", "NoExecute")]}),
            pod_spec: json!({"tolerations": [{"key": "dedicated", "operator": "Exists"}]}),
            ..case("bare-taint", "Controller", "TaintToleration")
        },
        Case {
            pod_spec: json!({"nodeSelector": {"example.com/pool": "edge"}}),
            ..case("selector", "Controller", "NodeSelector")
        },
        Case {
            labels: json!({"example.com/pool": "general"}),
            pod_spec: json!({"nodeSelector": {"example.com/pool": ""}}),
            ..case("other-value", "Controller", "NodeSelector")
        },
        Case {
            pod_spec: json!({"containers": container(json!({"cpu": "3", "memory": "100M"}))}),
            ..case("too-big", "Scheduler", "NodeResourcesFit")
        },
        Case {
            pod_spec: json!({"containers": container(json!({"cpu": "1500m", "memory": "100M"}))}),
            taken: Some(json!({"cpu": "700m"})),
            ..case("taken", "Scheduler", "NodeResourcesFit")
        },
    ]
}

/// Every line that is advised works on its own.
pub(crate) fn let_the_pod_land(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(120)).start()?;
    plane.run(async |plane| {
        for case in cases() {
            let mut number = 0;
            // A fresh node and a fresh DaemonSet for each that is advised.
            while tried(plane, ctx, &case, number).await? {
                number += 1;
            }
            ensure(number > 0, || format!("{}: nothing to paste into a shell is advised", case.name))?;
            eprintln!("remedies: {}: {number} advised, and each works", case.name);
        }
        Ok(())
    })
}

/// Does what is advised as number `number`; false when no more is advised.
async fn tried(plane: &ControlPlane, ctx: &Ctx, case: &Case, number: usize) -> Result<bool, Failed> {
    let name = format!("{}-{number}", case.name);
    make(plane, case, &name).await?;
    let report = wait_until_within("the report tells what is in the way", LAND, async || {
        let report = json_of(&plane.ds(&["why-not", &name, &name, "-o", "json"]))
            .map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        match report["daemonSets"][0]["verdict"].as_str() {
            Some("Blocked" | "NotWanted") if !failing(&report, case).is_empty() => Ok(report),
            _ => Err(format!("not stopped by {} {}: {report}", case.stage, case.check)),
        }
    })
    .await?;
    let advised = to_paste(&report, case);
    let Some((text, lines)) = advised.get(number) else {
        return Ok(false);
    };
    eprintln!("remedies: {name}: {text}: {lines:?}");
    plane.shell(ctx, &lines.join("\n"))?;
    wait_until_within(&format!("the pod lands on {name} after {lines:?}"), LAND, async || landed(plane, &name).await)
        .await?;
    Ok(true)
}

/// A node, what is on it, and a DaemonSet that wants no other node.
async fn make(plane: &ControlPlane, case: &Case, name: &str) -> Result<(), Failed> {
    let mut labels = json!({"kubernetes.io/hostname": name});
    merge(&mut labels, &case.labels);
    let room = json!({"cpu": "2", "memory": "4Gi", "pods": "110"});
    plane
        .create(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": case.node_spec,
            "status": {"capacity": room, "allocatable": room},
        }))
        .await?;
    if let Some(requests) = &case.taken {
        let container = json!({"name": "main", "image": "other", "resources": {"requests": requests}});
        plane
            .create(&json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("on-{name}"), "namespace": "default"},
                "spec": {"nodeName": name, "containers": [container], "tolerations": [{"operator": "Exists"}]},
            }))
            .await?;
    }
    let only = json!({"key": "metadata.name", "operator": "In", "values": [name]});
    let mut spec = json!({
        "containers": [{"name": "main", "image": "agent"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [only]}],
        }}},
    });
    merge(&mut spec, &case.pod_spec);
    plane
        .create(&json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
            },
        }))
        .await
}

fn merge(object: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
}

/// The reasons of the check that the case is about.
fn failing<'a>(report: &'a Value, case: &Case) -> Vec<&'a Value> {
    let checks = report["daemonSets"][0]["checks"].as_array().into_iter().flatten();
    let own = checks
        .filter(|check| check["stage"] == case.stage && check["check"] == case.check && check["result"] == "Fail");
    own.flat_map(|check| check["reasons"].as_array().into_iter().flatten()).collect()
}

/// What is advised and can be pasted into a shell: the text, and the lines. Not what only looks.
fn to_paste(report: &Value, case: &Case) -> Vec<(String, Vec<String>)> {
    let fixes = failing(report, case).into_iter().flat_map(|reason| reason["fix"].as_array().into_iter().flatten());
    let mut advised: Vec<(String, Vec<String>)> = Vec::new();
    for fix in fixes {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines: Vec<String> = fix["lines"].as_array().into_iter().flatten().map(text).collect();
        let does = |line: &String| {
            line.strip_prefix("kubectl ").is_some_and(|rest| !rest.split(' ').any(|word| LOOKING.contains(&word)))
        };
        if lines.iter().any(does) && !advised.iter().any(|(_, others)| *others == lines) {
            advised.push((text(&fix["text"]), lines));
        }
    }
    advised
}

/// Whether a pod of the DaemonSet is ready on the node of the same name.
async fn landed(plane: &ControlPlane, name: &str) -> Result<(), String> {
    let pods: Vec<Pod> = plane.list().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
    let mut own = pods.iter().filter(|pod| pod.labels().get("app").is_some_and(|app| app == name));
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        bound
            && pod.metadata.deletion_timestamp.is_none()
            && target(pod) == Some(name)
            && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    match own.clone().any(is_ready) {
        true => Ok(()),
        false => Err(format!("{:?}", own.next().map(|pod| (pod.name_any(), &pod.status)))),
    }
}

/// The lines are found in a report, and what only looks is not taken for one that helps.
pub(crate) fn lines_are_found(_: &Ctx) -> Result<(), Failed> {
    let case = cases().into_iter().next().ok_or_else(|| failed("no case"))?;
    let fix = |line: &str| json!({"text": "do it", "lines": [line]});
    let reason = json!({"code": "Taint", "fix": [
        {"text": "say"}, fix("kubectl describe node a"), fix("kubectl taint node a b-"), fix("- key: b"),
    ]});
    let check = |result: &str| json!({"stage": "Controller", "check": "TaintToleration", "result": result, "reasons": [reason]});
    let report = |result: &str| json!({"daemonSets": [{"checks": [check(result)]}]});
    let found = to_paste(&report("Fail"), &case);
    let wanted = vec![("do it".to_owned(), vec!["kubectl taint node a b-".to_owned()])];
    ensure(found == wanted && to_paste(&report("Pass"), &case).is_empty(), || format!("{found:?}"))
}
