//! A saved cluster has the same reasons as the live cluster, from the same events.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set, namespace, node, with_behavior};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![events_give_the_same_reasons_as_live];

const NAMESPACE: &str = "saved";

/// One pod never starts, and an event has the reason; the other is available.
fn events_give_the_same_reasons_as_live(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_objects(plane).await?;
        plane.shell(ctx, "kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o yaml > core.yaml")?;
        let group = "events.v1.events.k8s.io";
        plane.shell(ctx, &format!("kubectl get nodes,ds,pods,{group},controllerrevisions -A -o json > group.json"))?;
        let group = std::fs::read_to_string(plane.dir().join("group.json"))?;
        ensure(group.contains("\"regarding\"") && !group.contains("\"involvedObject\""), || group)?;
        for arguments in [
            &["coverage", "-n", NAMESPACE][..],
            &["coverage", "agent", "-n", NAMESPACE],
            &["rollout", "status", "-n", NAMESPACE],
            &["rollout", "status", "agent", "-n", NAMESPACE],
            &["why-not", "starting", "-n", NAMESPACE],
            &["why-not", "available", "agent", "-n", NAMESPACE],
        ] {
            let live = reasons(plane, arguments)?;
            let is_explained = arguments[1] != "available";
            ensure(live.iter().any(|reason| reason.contains("configmap")) == is_explained, || format!("{live:?}"))?;
            for file in ["core.yaml", "group.json"] {
                let saved = reasons(plane, &[arguments, &["--from", file]].concat())?;
                ensure(live == saved, || format!("{arguments:?} from {file}: {saved:#?}\n  live: {live:#?}"))?;
            }
        }
        Ok(())
    })
}

/// Every reason of a report, without messages and times.
fn reasons(plane: &ControlPlane, arguments: &[&str]) -> Result<BTreeSet<String>, Failed> {
    let output = plane.ds(&[arguments, &["-o", "json"]].concat());
    let report = document(&String::from_utf8_lossy(&output.stdout))?;
    let mut found = BTreeSet::new();
    collect(&report, &mut found);
    Ok(found)
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            if fields.contains_key("code") {
                let changes = |name: &str| matches!(name, "message" | "since" | "lastSeen");
                let kept: Vec<_> = fields.iter().filter(|(name, _)| !changes(name)).collect();
                found.insert(format!("{kept:?}"));
            }
            fields.values().for_each(|field| collect(field, found));
        }
        _ => {}
    }
}

async fn create_objects(plane: &ControlPlane) -> Result<(), Failed> {
    let agent = daemon_set(NAMESPACE, "agent", &json!({}));
    let agent = with_behavior(agent, &json!({"ds.test/starting": "starting"}));
    plane.create_all(&[namespace(NAMESPACE), node("starting"), node("available"), agent]).await?;
    let pod = wait_until("one pod is ready and one starts", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
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
    let involved = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": pod.name_any(), "uid": pod.metadata.uid,
    });
    plane
        .create(&json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "mount", "namespace": NAMESPACE},
            "involvedObject": involved, "type": "Warning", "reason": "FailedMount", "count": 72,
            "message": "MountVolume.SetUp failed for volume \"config\" : configmap \"agent\" not found",
            "firstTimestamp": pod.metadata.creation_timestamp, "lastTimestamp": pod.metadata.creation_timestamp,
            "source": {"component": "kubelet"},
        }))
        .await
}
