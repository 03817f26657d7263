//! A saved cluster is explained as the live one that it was saved from, by the same events.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;

const NAMESPACE: &str = "saved";

/// One pod starts for ever and an event says why, the other is well; no pod is missing.
pub(crate) fn events_explain_what_they_explain_live(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        make(plane).await?;
        plane.shell(ctx, "kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o yaml > core.yaml")?;
        let group = "events.v1.events.k8s.io";
        plane.shell(ctx, &format!("kubectl get nodes,ds,pods,{group},controllerrevisions -A -o json > group.json"))?;
        let group = std::fs::read_to_string(plane.dir().join("group.json"))?;
        ensure(group.contains("\"regarding\"") && !group.contains("\"involvedObject\""), || group)?;
        for question in [
            &["coverage", "-n", NAMESPACE][..],
            &["coverage", "agent", "-n", NAMESPACE],
            &["rollout", "status", "-n", NAMESPACE],
            &["rollout", "status", "agent", "-n", NAMESPACE],
            &["why-not", "starting", "-n", NAMESPACE],
            &["why-not", "well", "agent", "-n", NAMESPACE],
        ] {
            let live = reasons(plane, question)?;
            let is_explained = question[1] != "well";
            ensure(live.iter().any(|reason| reason.contains("configmap")) == is_explained, || format!("{live:?}"))?;
            for file in ["core.yaml", "group.json"] {
                let saved = reasons(plane, &[question, &["--from", file]].concat())?;
                ensure(live == saved, || format!("{question:?} of {file}: {saved:#?}\n  live: {live:#?}"))?;
            }
        }
        Ok(())
    })
}

/// Every reason and blocker of a report, with those of its fields that do not count the time.
fn reasons(plane: &ControlPlane, question: &[&str]) -> Result<BTreeSet<String>, Failed> {
    let output = plane.ds(&[question, &["-o", "json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("{question:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))))?;
    let mut found = BTreeSet::new();
    collect(&report, &mut found);
    Ok(found)
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            if fields.contains_key("code") {
                let is_of_time = |name: &str| matches!(name, "message" | "since" | "lastSeen");
                let kept: Vec<_> = fields.iter().filter(|(name, _)| !is_of_time(name)).collect();
                found.insert(format!("{kept:?}"));
            }
            fields.values().for_each(|field| collect(field, found));
        }
        _ => {}
    }
}

async fn make(plane: &ControlPlane) -> Result<(), Failed> {
    let node = |name: &str| {
        let labels = json!({"kubernetes.io/hostname": name});
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let labels = json!({"app": "agent"});
    let template = json!({
        "metadata": {"labels": labels, "annotations": {"ds.test/starting": "starting"}},
        "spec": {"containers": [{"name": "main", "image": "agent"}]},
    });
    let agent = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    });
    plane.create_all(&[namespace, node("starting"), node("well"), agent]).await?;
    let pod = wait_until("one pod is ready and one starts", async || {
        let pods = plane.list::<Pod>().await.map_err(|error| error.message().unwrap_or_default().to_owned())?;
        let status = |pod: &Pod| serde_json::to_value(&pod.status).unwrap_or_default();
        let is_ready = |pod: &Pod| {
            let conditions = status(pod)["conditions"].clone();
            conditions.as_array().into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let is_starting = |pod: &&Pod| status(pod).to_string().contains("ContainerCreating");
        match (pods.iter().any(is_ready), pods.iter().find(is_starting)) {
            (true, Some(pod)) if pods.len() == 2 => Ok(pod.clone()),
            _ => Err(format!("{} pods", pods.len())),
        }
    })
    .await?;
    let about = json!({"apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": pod.name_any(), "uid": pod.metadata.uid});
    plane
        .create(&json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "mount", "namespace": NAMESPACE},
            "involvedObject": about, "type": "Warning", "reason": "FailedMount", "count": 72,
            "message": "MountVolume.SetUp failed for volume \"config\" : configmap \"agent\" not found",
            "firstTimestamp": pod.metadata.creation_timestamp, "lastTimestamp": pod.metadata.creation_timestamp,
            "source": {"component": "kubelet"},
        }))
        .await
}
