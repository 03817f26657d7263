//! coverage with partial permissions, without permissions, and with an invalid token.

use std::process::Output;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{cluster_role, cluster_role_binding, daemon_set, node, rule};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] =
    live_tests![users_have_different_permissions, coverage_reports_unreadable_resources, log_contains_no_token];

/// The contexts, and the response to a list of pods and of nodes.
const USERS: [(&str, Answer, Answer); 5] = [
    ("admin", Answer::Yes, Answer::Yes),
    ("pods-only", Answer::Yes, Answer::Forbidden),
    ("nodes-only", Answer::Forbidden, Answer::Yes),
    ("nobody", Answer::Forbidden, Answer::Forbidden),
    ("expired", Answer::Unauthorized, Answer::Unauthorized),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Answer {
    Yes,
    Forbidden,
    Unauthorized,
}

/// The API server answers the users as in [`USERS`].
fn users_have_different_permissions(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| create_objects(plane).await)
}

/// coverage names the resources that it cannot list, and reports counts that depend on them as null.
fn coverage_reports_unreadable_resources(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_objects(plane).await?;
        let coverage = |context: &str| plane.ds_as(context, &["coverage", "-A", "-o", "json"]);
        let admin = coverage("admin");
        ensure(admin.status.code() == Some(0), || describe("admin", &admin))?;
        // Without nodes no count is known; without pods only the desired count is.
        for (context, missing, desired) in [("pods-only", "nodes", Value::Null), ("nodes-only", "pods", json!(1))] {
            let output = coverage(context);
            let reason = format!("cannot list {missing}: ");
            ensure(String::from_utf8_lossy(&output.stderr).contains(&reason), || describe(context, &output))?;
            let report = json_of(&output)?;
            let unknown = report["unknown"].as_array().map_or(&[][..], Vec::as_slice);
            let is_reported = unknown.len() == 1 && unknown[0].as_str().is_some_and(|text| text.contains(&reason));
            ensure(is_reported, || describe(context, &output))?;
            let set = &report["daemonSets"][0];
            ensure(set["name"] == "agent" && set["desired"] == desired, || describe(context, &output))?;
            for count in ["current", "ready", "upToDate", "available", "unavailable", "misscheduled"] {
                ensure(set[count].is_null(), || format!("{count} is {}: {}", set[count], describe(context, &output)))?;
            }
        }
        for context in ["nobody", "expired"] {
            let output = coverage(context);
            ensure(output.status.code() == Some(2) && output.stdout.is_empty() && !output.stderr.is_empty(), || {
                describe(context, &output)
            })?;
            let lines = String::from_utf8_lossy(&output.stderr).lines().count();
            ensure(lines <= 2, || format!("more than two lines: {}", describe(context, &output)))?;
        }
        Ok(())
    })
}

/// The log of `-v9`, which users paste into reports, contains the requests but not the token, whether that is from the
/// kubeconfig or from a credential plugin.
fn log_contains_no_token(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let by_token = std::fs::read_to_string(plane.kubeconfig())?;
        let token = "token-of-admin";
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token},
        });
        std::fs::write(plane.dir().join("credential.json"), credential.to_string())?;
        let plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, args: [credential.json], \
                      interactiveMode: Never}}";
        let by_plugin = plane.dir().join("by-plugin");
        std::fs::write(&by_plugin, by_token.replace(&format!("{{token: {token}}}"), plugin))?;
        for kubeconfig in [plane.kubeconfig(), &by_plugin] {
            let mut command = plane.ds_command(kubeconfig, &["coverage", "-A", "-v9"]);
            let output = command.env("PATH", "/usr/bin:/bin").output()?;
            let log = String::from_utf8_lossy(&output.stderr);
            ensure(output.status.success() && log.contains("/api/v1/nodes"), || describe("admin", &output))?;
            ensure(!log.contains(token), || describe("admin", &output))?;
        }
        Ok(())
    })
}

fn describe(context: &str, output: &Output) -> String {
    format!(
        "as {context}: {}\n  stdout: {:.500}\n  stderr: {:.500}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Creates a node, a DaemonSet and the users' ClusterRoles, and waits until these are in force.
async fn create_objects(plane: &ControlPlane) -> Result<(), Failed> {
    let verbs = ["get", "list", "watch"];
    let role = |user: &str, resource: &str| {
        let core = rule("", &[resource, "events", "namespaces"], &verbs);
        let apps = rule("apps", &["daemonsets", "controllerrevisions"], &verbs);
        [cluster_role(user, &json!([core, apps])), cluster_role_binding(user, user)]
    };
    plane.create_all(&role("pods-only", "pods")).await?;
    plane.create_all(&role("nodes-only", "nodes")).await?;
    plane.create_all(&[node("one"), daemon_set("default", "agent", &json!({}))]).await?;
    for (context, pods, nodes) in USERS {
        let options = KubeConfigOptions { context: Some(context.into()), ..KubeConfigOptions::default() };
        let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
        let config = Config::from_custom_kubeconfig(config, &options).await.map_err(failed)?;
        let client = Client::try_from(config).map_err(failed)?;
        // The authorizer watches roles, with a delay.
        wait_until(&format!("{context} has its permissions"), async || {
            let answers = (
                answer(Api::<Pod>::all(client.clone()).list(&ListParams::default()).await)?,
                answer(Api::<Node>::all(client.clone()).list(&ListParams::default()).await)?,
            );
            if answers == (pods, nodes) { Ok(()) } else { Err(format!("pods and nodes: {answers:?}")) }
        })
        .await?;
    }
    Ok(())
}

fn answer<T>(outcome: Result<T, kube::Error>) -> Result<Answer, String> {
    match outcome {
        Ok(_) => Ok(Answer::Yes),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Answer::Forbidden),
        Err(kube::Error::Api(status)) if status.code == 401 => Ok(Answer::Unauthorized),
        Err(error) => Err(error.to_string()),
    }
}
