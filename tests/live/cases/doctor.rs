//! doctor reports for each user what the API server really lets the commands do.

use std::collections::BTreeSet;
use std::process::Output;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{cluster_role, cluster_role_binding, daemon_set, node, reference, rule};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] =
    live_tests![permissions_agree_with_commands, healthy_and_unreachable_clusters_are_reported];

/// The commands of the checks. Each ends with 2 if and only if its check fails.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("coverage", &["coverage"]),
    ("why-not", &["why-not", "one", "agent"]),
    ("plan", &["plan", "apply", "-f", "change.json"]),
    ("rollout", &["rollout", "status", "agent", "--watch=false"]),
    ("rollout pause, resume, undo", &["rollout", "pause", "agent", "--dry-run=server"]),
    ("cycle", &["cycle", "agent", "--all", "--yes", "--min-ready", "2s"]),
];

/// A user, and the statuses of the commands.
const USERS: [(&str, [&str; 6]); 10] = [
    ("nobody", ["Fail", "Fail", "Fail", "Fail", "Fail", "Fail"]),
    ("kubectl-ds-coverage", ["Pass", "Fail", "Warning", "Warning", "Fail", "Fail"]),
    ("kubectl-ds-why-not", ["Warning", "Pass", "Warning", "Warning", "Fail", "Fail"]),
    ("kubectl-ds-rollout", ["Pass", "Fail", "Warning", "Pass", "Fail", "Fail"]),
    ("kubectl-ds-rollout-change", ["Warning", "Fail", "Warning", "Warning", "Pass", "Fail"]),
    ("kubectl-ds-plan", ["Warning", "Fail", "Pass", "Warning", "Warning", "Fail"]),
    // Without listing Leases.
    ("kubectl-ds-cycle", ["Pass", "Warning", "Warning", "Warning", "Fail", "Pass"]),
    // Without nodes, because a RoleBinding grants nothing in the whole cluster.
    ("in-namespace", ["Warning", "Fail", "Warning", "Warning", "Fail", "Fail"]),
    ("only-evicts", ["Pass", "Fail", "Warning", "Warning", "Fail", "Warning"]),
    ("no-watch", ["Warning", "Fail", "Warning", "Warning", "Fail", "Fail"]),
];

/// For each user, a check fails if and only if its command fails for lack of permissions.
fn permissions_agree_with_commands(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_objects(plane, ctx).await?;
        for (user, expected) in USERS {
            let arguments = ["doctor", "-o", "json", "--as", user];
            // The authorizer watches roles, with a delay.
            wait_until(&format!("{user} has its permissions"), async || {
                let output = plane.ds(&arguments);
                let report =
                    document(&String::from_utf8_lossy(&output.stdout)).map_err(|error| format!("{error:?}"))?;
                let statuses = COMMANDS.map(|(command, _)| status(&report, command));
                let code = i32::from(expected.contains(&"Fail"));
                match statuses == expected && output.status.code() == Some(code) && report["user"] == user {
                    true => Ok(()),
                    false => Err(format!("{statuses:?}: {}", describe(&output))),
                }
            })
            .await?;
            for ((command, arguments), status) in COMMANDS.iter().zip(expected) {
                let more: &[&str] = if (*command, user) == ("cycle", "only-evicts") { &["--evict"] } else { &[] };
                let before = pod_uids(plane).await?;
                let output = plane.ds(&[*arguments, more, &["--as", user]].concat());
                let is_rejected = output.status.code() == Some(2);
                ensure(is_rejected == (status == "Fail"), || {
                    format!("{user}: doctor reports {status} for {command}: {}", describe(&output))
                })?;
                // A missing permission is reported before the first pod is deleted.
                ensure(!is_rejected || pod_uids(plane).await? == before, || {
                    format!("{user}: {command} deleted a pod: {}", describe(&output))
                })?;
            }
        }
        // In all namespaces, the RoleBinding grants nothing at all.
        let output = plane.ds(&["doctor", "-A", "-o", "json", "--as", "in-namespace"]);
        let report = document(&String::from_utf8_lossy(&output.stdout))?;
        ensure(status(&report, "coverage") == "Fail" && report["namespace"].is_null(), || describe(&output))
    })
}

/// An administrator, an expired token, and a server that does not respond.
fn healthy_and_unreachable_clusters_are_reported(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let admin = plane.ds(&["doctor", "-A", "-o", "json"]);
        let report = document(&String::from_utf8_lossy(&admin.stdout))?;
        let statuses: Vec<String> = checks(&report).map(|check| format!("{}", check["status"])).collect();
        let notes = ["MetricsApi", "Plugin", "Completion"];
        let is_as_expected = |check: &Value| match notes.contains(&check["check"].as_str().unwrap_or_default()) {
            true => check["status"] == "Note",
            false => check["status"] == "Pass",
        };
        let is_healthy = checks(&report).count() == 14 && checks(&report).all(is_as_expected);
        ensure(admin.status.code() == Some(0) && is_healthy, || format!("{statuses:?} {}", describe(&admin)))?;
        let minor = format!("v1.{}.", plane.minor().await?);
        let version = report["serverVersion"].as_str().unwrap_or_default();
        ensure(version.starts_with(&minor) && report["clockOffsetSeconds"] == 0, || describe(&admin))?;

        let expired = plane.ds_as("expired", &["doctor"]);
        let text = String::from_utf8_lossy(&expired.stdout);
        ensure(expired.status.code() == Some(1) && text.contains("\n✗ credentials "), || describe(&expired))?;

        let nothing = plane.ds(&["doctor", "--server", "https://127.0.0.1:1"]);
        let text = String::from_utf8_lossy(&nothing.stdout);
        ensure(nothing.status.code() == Some(2) && text.contains("\n✗ API server "), || describe(&nothing))
    })
}

async fn pod_uids(plane: &ControlPlane) -> Result<BTreeSet<String>, Failed> {
    let pods: Vec<Pod> = plane.list().await?;
    Ok(pods.iter().filter_map(ResourceExt::uid).collect())
}

fn checks(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().into_iter().flatten()
}

fn status<'r>(report: &'r Value, command: &str) -> &'r str {
    let found = checks(report).find(|check| check["command"] == command);
    found.and_then(|check| check["status"].as_str()).unwrap_or_default()
}

fn describe(output: &Output) -> String {
    format!(
        "{}\n  stdout: {:.3000}\n  stderr: {:.500}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Creates the roles with a user of the same name each, a node and a DaemonSet, and waits for its pod.
async fn create_objects(plane: &ControlPlane, ctx: &Ctx) -> Result<(), Failed> {
    plane.kubectl(ctx, &["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rbac")])?;
    for (user, _) in USERS.iter().filter(|(user, _)| user.starts_with("kubectl-ds-")) {
        plane.create(&cluster_role_binding(user, user)).await?;
    }
    let mut in_namespace = reference("rbac.authorization.k8s.io/v1", "RoleBinding", Some("default"), "in-namespace");
    let group = "rbac.authorization.k8s.io";
    in_namespace["roleRef"] = json!({"apiGroup": group, "kind": "ClusterRole", "name": "kubectl-ds-cycle"});
    in_namespace["subjects"] = json!([{"apiGroup": group, "kind": "User", "name": "in-namespace"}]);
    let read = ["list", "watch"];
    let only_evicts = json!([
        rule("", &["nodes", "pods", "events"], &read),
        rule("apps", &["daemonsets", "controllerrevisions"], &read),
        rule("", &["pods/eviction"], &["create"]),
        rule("policy", &["poddisruptionbudgets"], &["list"]),
        rule("coordination.k8s.io", &["leases"], &["get", "create", "update", "delete"]),
    ]);
    let mut no_watch = only_evicts.clone();
    for rule in &mut no_watch.as_array_mut().into_iter().flatten().take(2) {
        rule["verbs"] = json!(["list"]);
    }
    no_watch[2] = rule("", &["pods"], &["delete"]);
    let agent = daemon_set("default", "agent", &json!({"terminationGracePeriodSeconds": 1}));
    std::fs::write(plane.dir().join("change.json"), agent.to_string())?;
    plane
        .create_all(&[
            in_namespace,
            cluster_role("no-watch", &no_watch),
            cluster_role_binding("no-watch", "no-watch"),
            cluster_role("only-evicts", &only_evicts),
            cluster_role_binding("only-evicts", "only-evicts"),
            node("one"),
            agent,
        ])
        .await?;
    let pods: Api<Pod> = Api::default_namespaced(plane.client());
    wait_until("the pod is ready", async || {
        let pods = pods.list(&Default::default()).await.map_err(|error| error.to_string())?.items;
        let is_ready = |pod: &Pod| {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
        };
        if pods.iter().any(is_ready) { Ok(()) } else { Err(format!("{} pods", pods.len())) }
    })
    .await
    .map_err(|error| failed(format!("{error:?}")))
}
