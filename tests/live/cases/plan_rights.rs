//! `kubectl ds plan` for users who may not do everything: what becomes unknown, and is reported.

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{
    cluster_role, cluster_role_binding, container, daemon_set_reference, daemon_set_with_image, node, resource_quota,
    rule,
};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![missing_permissions_are_reported];

/// What a user may do, apart from listing DaemonSets, nodes and pods.
struct User {
    name: &'static str,
    rules: fn() -> Vec<Value>,
    /// A part of the message about what is unknown, on standard error or in the report.
    reported: &'static str,
}

const USERS: [User; 4] = [
    User { name: "read-only", rules: quotas, reported: "cannot get resource \"daemonsets\"" },
    User { name: "without-patch", rules: without_patch, reported: "cannot patch resource \"daemonsets\"" },
    User { name: "without-create-pods", rules: without_create_pods, reported: "cannot create resource \"pods\"" },
    User { name: "without-quotas", rules: without_quotas, reported: "cannot list resourcequotas" },
];

fn quotas() -> Vec<Value> {
    vec![rule("", &["resourcequotas", "limitranges", "namespaces", "serviceaccounts"], &["list"])]
}

fn without_patch() -> Vec<Value> {
    [quotas(), vec![rule("apps", &["daemonsets"], &["get", "create"]), rule("", &["pods"], &["create"])]].concat()
}

fn without_create_pods() -> Vec<Value> {
    [quotas(), vec![rule("apps", &["daemonsets"], &["get", "create", "patch"])]].concat()
}

fn without_quotas() -> Vec<Value> {
    vec![rule("apps", &["daemonsets"], &["get", "create", "patch"]), rule("", &["pods"], &["create"])]
}

fn missing_permissions_are_reported(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_objects(plane).await?;
        let mut manifest = daemon_set_reference("default", "agent");
        manifest["spec"] = daemon_set_with_image("default", "agent", "two")["spec"].clone();
        let path = plane.dir().join("change.json");
        std::fs::write(&path, manifest.to_string())?;
        let path = path.display().to_string();
        for user in &USERS {
            let output = plane.ds(&["plan", "apply", "-f", &path, "-o", "json", "--as", user.name]);
            let stderr = String::from_utf8_lossy(&output.stderr);
            ensure(output.status.code() == Some(0), || format!("{}: {}: {stderr}", user.name, output.status))?;
            let report = document(&String::from_utf8_lossy(&output.stdout))?;
            check(&report, &stderr).map_err(|error| format!("{}: {error}", user.name))?;
            let text = report.to_string().replace("\\\"", "\"");
            ensure(stderr.contains(user.reported) || text.contains(user.reported), || {
                format!("{}: no {:?} in {stderr}{text}", user.name, user.reported)
            })?;
        }
        // The administrator gets the same answer, and nothing is unknown.
        let output = plane.ds(&["plan", "apply", "-f", &path, "-o", "json"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        check(&document(&String::from_utf8_lossy(&output.stdout))?, &stderr)?;
        ensure(!stderr.contains("cannot "), || stderr.into_owned())?;
        let nothing = plane.ds(&["plan", "apply", "-f", &path, "--as", "without-rights"]);
        ensure(nothing.status.code() == Some(2) && nothing.stdout.is_empty(), || {
            String::from_utf8_lossy(&nothing.stderr).into_owned()
        })
    })
}

/// Each of them sees that the pod of each node is replaced, and that it has its place.
fn check(report: &Value, stderr: &str) -> Result<(), String> {
    let nodes = report["daemonSets"][0]["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_expected = |node: &Value| node["after"]["action"] == "Replace" && node["after"]["schedulable"] == true;
    match nodes.len() == 2 && nodes.iter().all(is_expected) {
        true => Ok(()),
        false => Err(format!("{} {stderr}", report["daemonSets"])),
    }
}

async fn create_objects(plane: &ControlPlane) -> Result<(), Failed> {
    for user in &USERS {
        let mut rules = vec![
            rule("apps", &["daemonsets", "controllerrevisions"], &["list"]),
            rule("", &["nodes", "pods"], &["list"]),
        ];
        rules.extend((user.rules)());
        plane.create(&cluster_role(user.name, &json!(rules))).await?;
        plane.create(&cluster_role_binding(user.name, user.name)).await?;
    }
    plane.create_all(&[node("a"), node("b"), resource_quota("default", "pods", &json!({"pods": "9"}))]).await?;
    let mut agent = daemon_set_with_image("default", "agent", "one");
    agent["spec"]["template"]["spec"]["containers"] = json!([container("one")]);
    plane.create(&agent).await?;
    let pods: Api<Pod> = Api::default_namespaced(plane.client());
    wait_until("two pods are ready", async || {
        let pods = pods.list(&Default::default()).await.map_err(|error| error.to_string())?.items;
        let is_ready = |pod: &&Pod| {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
        };
        let names: Vec<String> = pods.iter().filter(is_ready).map(ResourceExt::name_any).collect();
        if names.len() == 2 { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await?;
    let reviews: Api<SubjectAccessReview> = Api::all(plane.client());
    for user in &USERS {
        // The authorizer watches roles, with a delay.
        wait_until(&format!("{} has its permissions", user.name), async || {
            let attributes = json!({"verb": "list", "resource": "nodes"});
            let review = json!({"spec": {"user": user.name, "resourceAttributes": attributes}});
            let review = serde_json::from_value(review).map_err(|error| error.to_string())?;
            let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
            if answer.status.is_some_and(|status| status.allowed) { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
    }
    Ok(())
}
