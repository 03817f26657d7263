//! `rollout history` after changes of the template and a rollback: numbers, change causes and templates equal those of
//! kubectl, the nodes those of the pods.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, message, wait_until, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_with_image, node, pod_reference, reference};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![matches_kubectl];

const NAMESPACE: &str = "default";
const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];
/// The expected revisions: the number, whether it is current, the nodes.
type Revisions<'r> = &'r [(i64, bool, &'r [&'r str])];

/// Three changes of the template, a rollback, and a deleted revision.
fn matches_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create_all(&NODES.map(node)).await?;
        plane.create(&agent(1)).await?;
        wait_for_revisions(plane, &[(1, true, &NODES)]).await?;
        wait_until("every pod has its node", async || {
            let pods = pods_by_node(plane).await.map_err(message)?;
            if pods.len() == NODES.len() { Ok(()) } else { Err(format!("{:?}", pods.keys())) }
        })
        .await?;

        // After each change the test deletes one pod, which is recreated from the new template.
        for (number, node) in [(2, "n2"), (3, "n3"), (4, "n4")] {
            plane.merge(&agent(number)).await?;
            wait_until("the revision exists", async || {
                let report = history(plane, &[]).map_err(message)?;
                if report["current"] == number { Ok(()) } else { Err(report.to_string()) }
            })
            .await?;
            delete_pod_on(plane, node).await?;
        }
        wait_for_revisions(plane, &[(1, false, &["n1"]), (2, false, &["n2"]), (3, false, &["n3"]), (4, true, &["n4"])])
            .await?;
        compare_with_kubectl(ctx, plane, &[(1, 1), (2, 2), (3, 3), (4, 4)]).await?;

        plane.kubectl(ctx, &["rollout", "undo", "daemonset/agent"])?;
        wait_for_revisions(plane, &[(1, false, &["n1"]), (2, false, &["n2"]), (4, false, &["n4"]), (5, true, &["n3"])])
            .await?;
        compare_with_kubectl(ctx, plane, &[(1, 1), (2, 2), (4, 4), (5, 3)]).await?;

        let diff = history(plane, &["--diff", "2.."])?;
        let changed: Vec<&str> = diff["diff"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| line.as_str().filter(|line| line.contains("image: ")))
            .collect();
        ensure(
            matches!(changed[..], [one, two] if one.starts_with('-') && one.ends_with("agent:2")
            && two.starts_with('+') && two.ends_with("agent:3")),
            || format!("{diff}"),
        )?;

        // A revision is deleted while a node still runs it.
        let report = history(plane, &[])?;
        let first = &report["revisions"][0];
        let name = first["name"].as_str().unwrap_or_default();
        plane.delete(&reference("apps/v1", "ControllerRevision", Some(NAMESPACE), name)).await?;
        wait_for_revisions(plane, &[(2, false, &["n2"]), (4, false, &["n4"]), (5, true, &["n3"])]).await?;
        let deleted = &history(plane, &[])?["deletedRevisions"];
        let expected = json!([{"hash": first["hash"], "nodes": ["n1"]}]);
        ensure(*deleted == expected, || format!("deletedRevisions is {deleted}"))?;
        let missing = plane.ds(&["rollout", "history", "agent", "--revision", "1"]);
        let stderr = String::from_utf8_lossy(&missing.stderr).into_owned();
        ensure(missing.status.code() == Some(2) && stderr.contains("available revisions: 2, 4, 5"), || stderr)
    })
}

/// The DaemonSet with the template and the change cause of this number.
fn agent(number: i64) -> Value {
    let image = format!("agent:{number}");
    let mut agent = daemon_set_with_image(NAMESPACE, "agent", &image);
    agent["metadata"]["annotations"] = json!({"kubernetes.io/change-cause": format!("cause {number}")});
    agent["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    agent
}

fn history(plane: &ControlPlane, more: &[&str]) -> Result<Value, Failed> {
    json_of(&plane.ds(&[&["rollout", "history", "agent", "-o", "json"], more].concat()))
}

/// Waits until the history has these revisions.
async fn wait_for_revisions(plane: &ControlPlane, expected: Revisions<'_>) -> Result<(), Failed> {
    let row = |(number, current, nodes): &(i64, bool, &[&str])| json!([number, current, nodes]);
    let expected: Vec<Value> = expected.iter().map(row).collect();
    wait_until_within("the history has the expected revisions", Duration::from_secs(40), async || {
        let report = history(plane, &[]).map_err(message)?;
        let revisions = report["revisions"].as_array().map_or(&[][..], Vec::as_slice);
        let found: Vec<Value> =
            revisions.iter().map(|one| json!([one["revision"], one["current"], one["nodes"]])).collect();
        if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
    })
    .await
}

async fn delete_pod_on(plane: &ControlPlane, node: &str) -> Result<(), Failed> {
    let pods = pods_by_node(plane).await?;
    let name = pods.get(node).ok_or_else(|| failed(format!("no pod on {node}")))?.name_any();
    plane.delete(&pod_reference(NAMESPACE, &name)).await?;
    wait_until("the pod is replaced", async || match pods_by_node(plane).await.map_err(message)?.get(node) {
        Some(pod) if pod.name_any() != name => Ok(()),
        other => Err(format!("{:?} on {node}", other.map(ResourceExt::name_any))),
    })
    .await
}

async fn pods_by_node(plane: &ControlPlane) -> Result<BTreeMap<String, Pod>, Failed> {
    let pods = plane.list::<Pod>().await?;
    let node_of = |pod: &Pod| pod.spec.as_ref()?.node_name.clone();
    Ok(pods.into_iter().filter_map(|pod| Some((node_of(&pod)?, pod))).collect())
}

/// Numbers, change causes and templates must equal those of kubectl, and the nodes of each hash those of the pods.
async fn compare_with_kubectl(ctx: &Ctx, plane: &ControlPlane, causes: &[(i64, i64)]) -> Result<(), Failed> {
    let ours = history(plane, &[])?;
    let revisions = ours["revisions"].as_array().map_or(&[][..], Vec::as_slice);
    let table = plane.kubectl(ctx, &["rollout", "history", "daemonset/agent"])?;
    let theirs: Vec<(String, String)> = table
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(number, cause)| (number.to_owned(), cause.trim().to_owned()))
        .collect();
    let found: Vec<(String, String)> = revisions
        .iter()
        .map(|one| (one["revision"].to_string(), one["changeCause"].as_str().unwrap_or_default().to_owned()))
        .collect();
    ensure(found == theirs, || format!("{found:?}, kubectl: {theirs:?}"))?;
    let expected: Vec<(String, String)> =
        causes.iter().map(|(number, cause)| (number.to_string(), format!("cause {cause}"))).collect();
    ensure(found == expected, || format!("{found:?} instead of {expected:?}"))?;

    for (number, _) in &theirs {
        let flag = format!("--revision={number}");
        let one = plane.kubectl(ctx, &["rollout", "history", "daemonset/agent", &flag, "-o", "json"])?;
        let mut theirs: Value = serde_json::from_str(&one).map_err(failed)?;
        // kubectl up to 1.33 writes `creationTimestamp: null`.
        let metadata = theirs["spec"]["template"]["metadata"].as_object_mut();
        metadata.and_then(|metadata| metadata.remove("creationTimestamp"));
        let ours = history(plane, &["--revision", number])?;
        let (ours, theirs) = (&ours["revisions"][0]["template"], &theirs["spec"]["template"]);
        ensure(ours == theirs, || format!("revision {number} is {ours}, kubectl: {theirs}"))?;
    }

    let mut pods_by_hash: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, pod) in pods_by_node(plane).await? {
        pods_by_hash
            .entry(pod.labels().get("controller-revision-hash").cloned().unwrap_or_default())
            .or_default()
            .push(node);
    }
    let found: BTreeMap<String, Vec<String>> = revisions
        .iter()
        .map(|one| {
            let nodes = one["nodes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
            (one["hash"].as_str().unwrap_or_default().to_owned(), nodes.collect::<Vec<_>>())
        })
        .filter(|(_, nodes)| !nodes.is_empty())
        .collect();
    ensure(found == pods_by_hash, || format!("{found:?}, pods: {pods_by_hash:?}"))
}
