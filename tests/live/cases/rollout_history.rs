//! `rollout history` after changes of the template and an undo: the numbers, the causes and the templates are kubectl's,
//! the nodes are those of the pods.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, wait_until, wait_until_within};
use crate::harness::control_plane::ControlPlane;

const NAMESPACE: &str = "default";
const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];
/// What is to be told: the number, whether it is current, the nodes.
type Told<'t> = &'t [(i64, bool, &'t [&'t str])];

/// The whole story.
pub(crate) fn agrees_with_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let nodes = NODES.map(|name| {
            let labels = json!({"kubernetes.io/hostname": name});
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
        });
        plane.create_all(&nodes).await?;
        plane.create(&agent(1)).await?;
        is_told(plane, &[(1, true, &NODES)]).await?;
        wait_until("every pod has its node", async || {
            let pods = pods_by_node(plane).await.map_err(message)?;
            if pods.len() == NODES.len() { Ok(()) } else { Err(format!("{:?}", pods.keys())) }
        })
        .await?;

        // Each change takes one node with it: nobody deletes the other pods.
        for (number, node) in [(2, "n2"), (3, "n3"), (4, "n4")] {
            plane.merge(&agent(number)).await?;
            wait_until("the revision is made", async || {
                let report = history(plane, &[]).map_err(message)?;
                if report["current"] == number { Ok(()) } else { Err(report.to_string()) }
            })
            .await?;
            delete_pod_on(plane, node).await?;
        }
        is_told(plane, &[(1, false, &["n1"]), (2, false, &["n2"]), (3, false, &["n3"]), (4, true, &["n4"])]).await?;
        same_as_kubectl(ctx, plane, &[(1, 1), (2, 2), (3, 3), (4, 4)]).await?;

        kubectl(ctx, plane, &["rollout", "undo", "daemonset/agent"])?;
        is_told(plane, &[(1, false, &["n1"]), (2, false, &["n2"]), (4, false, &["n4"]), (5, true, &["n3"])]).await?;
        same_as_kubectl(ctx, plane, &[(1, 1), (2, 2), (4, 4), (5, 3)]).await?;

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

        // A revision goes while a node still runs it.
        let report = history(plane, &[])?;
        let first = &report["revisions"][0];
        plane
            .delete(&json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
                "metadata": {"namespace": NAMESPACE, "name": first["name"]}}))
            .await?;
        is_told(plane, &[(2, false, &["n2"]), (4, false, &["n4"]), (5, true, &["n3"])]).await?;
        let gone = &history(plane, &[])?["gone"];
        ensure(*gone == json!([{"hash": first["hash"], "nodes": ["n1"]}]), || format!("gone is {gone}"))?;
        let missing = plane.ds(&["rollout", "history", "agent", "--revision", "1"]);
        let said = String::from_utf8_lossy(&missing.stderr).into_owned();
        ensure(missing.status.code() == Some(2) && said.contains("there are the revisions 2, 4, 5"), || said)
    })
}

/// The template of this number, and why it is so.
fn agent(number: i64) -> Value {
    let labels = json!({"app": "agent"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": "agent", "namespace": NAMESPACE,
            "annotations": {"kubernetes.io/change-cause": format!("cause {number}")},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "OnDelete"},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{"name": "main", "image": format!("agent:{number}")}],
                    "terminationGracePeriodSeconds": 1,
                },
            },
        },
    })
}

fn message(failure: Failed) -> String {
    failure.message().unwrap_or_default().to_owned()
}

fn history(plane: &ControlPlane, more: &[&str]) -> Result<Value, Failed> {
    json_of(&plane.ds(&[&["rollout", "history", "agent", "-o", "json"], more].concat()))
}

/// Waits until the history is this one.
async fn is_told(plane: &ControlPlane, expected: Told<'_>) -> Result<(), Failed> {
    let row = |(number, current, nodes): &(i64, bool, &[&str])| json!([number, current, nodes]);
    let expected: Vec<Value> = expected.iter().map(row).collect();
    wait_until_within("the history is told", Duration::from_secs(40), async || {
        let report = history(plane, &[]).map_err(message)?;
        let revisions = report["revisions"].as_array().map_or(&[][..], Vec::as_slice);
        let told: Vec<Value> =
            revisions.iter().map(|one| json!([one["revision"], one["current"], one["nodes"]])).collect();
        if told == expected { Ok(()) } else { Err(format!("{told:?} instead of {expected:?}")) }
    })
    .await
}

async fn delete_pod_on(plane: &ControlPlane, node: &str) -> Result<(), Failed> {
    let pods = pods_by_node(plane).await?;
    let name = pods.get(node).ok_or_else(|| failed(format!("no pod on {node}")))?.name_any();
    let metadata = json!({"namespace": NAMESPACE, "name": name});
    plane.delete(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).await?;
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

fn kubectl(ctx: &Ctx, plane: &ControlPlane, arguments: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(ctx.programs.join("kubectl"));
    let output = command
        .args(["--kubeconfig".as_ref(), plane.kubeconfig().as_os_str()])
        .args(arguments)
        .env("HOME", plane.dir())
        .output()?;
    ensure(output.status.success(), || format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Numbers, causes, templates and the hashes of the pods: as kubectl and the API have them.
async fn same_as_kubectl(ctx: &Ctx, plane: &ControlPlane, causes: &[(i64, i64)]) -> Result<(), Failed> {
    let ours = history(plane, &[])?;
    let revisions = ours["revisions"].as_array().map_or(&[][..], Vec::as_slice);
    let table = kubectl(ctx, plane, &["rollout", "history", "daemonset/agent"])?;
    let theirs: Vec<(String, String)> = table
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(number, cause)| (number.to_owned(), cause.trim().to_owned()))
        .collect();
    let told: Vec<(String, String)> = revisions
        .iter()
        .map(|one| (one["revision"].to_string(), one["changeCause"].as_str().unwrap_or_default().to_owned()))
        .collect();
    ensure(told == theirs, || format!("{told:?}, and kubectl says {theirs:?}"))?;
    let expected: Vec<(String, String)> =
        causes.iter().map(|(number, cause)| (number.to_string(), format!("cause {cause}"))).collect();
    ensure(told == expected, || format!("{told:?} instead of {expected:?}"))?;

    for (number, _) in &theirs {
        let flag = format!("--revision={number}");
        let one = kubectl(ctx, plane, &["rollout", "history", "daemonset/agent", &flag, "-o", "json"])?;
        let mut theirs: Value = serde_json::from_str(&one).map_err(failed)?;
        // kubectl up to 1.33 writes down that there is none.
        let metadata = theirs["spec"]["template"]["metadata"].as_object_mut();
        metadata.and_then(|metadata| metadata.remove("creationTimestamp"));
        let ours = history(plane, &["--revision", number])?;
        let (ours, theirs) = (&ours["revisions"][0]["template"], &theirs["spec"]["template"]);
        ensure(ours == theirs, || format!("revision {number} is {ours}, and kubectl says {theirs}"))?;
    }

    let mut of_pods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, pod) in pods_by_node(plane).await? {
        of_pods
            .entry(pod.labels().get("controller-revision-hash").cloned().unwrap_or_default())
            .or_default()
            .push(node);
    }
    let told: BTreeMap<String, Vec<String>> = revisions
        .iter()
        .map(|one| {
            let nodes = one["nodes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
            (one["hash"].as_str().unwrap_or_default().to_owned(), nodes.collect::<Vec<_>>())
        })
        .filter(|(_, nodes)| !nodes.is_empty())
        .collect();
    ensure(told == of_pods, || format!("{told:?}, and the pods say {of_pods:?}"))
}
