//! What becomes of coverage when the user may not read everything, or nothing.

use std::process::Output;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{binding, ensure, failed, json_of, wait_until};
use crate::harness::control_plane::ControlPlane;

/// The contexts, and whether they may list pods and nodes.
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

/// The API server itself keeps these users apart.
pub(crate) fn users_differ(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| make(plane).await)
}

/// What is missing is said; nothing is guessed, and nothing breaks.
pub(crate) fn coverage_says_what_it_may_not_read(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        make(plane).await?;
        let ask = |context: &str| plane.ds_as(context, &["coverage", "-A", "-o", "json"]);
        let admin = ask("admin");
        ensure(admin.status.code() == Some(0), || told("admin", &admin))?;
        // Without nodes no number is certain; without pods it is known how many are wanted.
        for (context, missing, desired) in [("pods-only", "nodes", Value::Null), ("nodes-only", "pods", json!(1))] {
            let output = ask(context);
            let why = format!("cannot list {missing}: ");
            ensure(String::from_utf8_lossy(&output.stderr).contains(&why), || told(context, &output))?;
            let report = json_of(&output)?;
            let unknown = report["unknown"].as_array().map_or(&[][..], Vec::as_slice);
            let said = unknown.len() == 1 && unknown[0].as_str().is_some_and(|text| text.contains(&why));
            ensure(said, || told(context, &output))?;
            let set = &report["daemonSets"][0];
            ensure(set["name"] == "agent" && set["desired"] == desired, || told(context, &output))?;
            for count in ["current", "ready", "upToDate", "available", "unavailable", "misscheduled"] {
                ensure(set[count].is_null(), || format!("{count} is {}: {}", set[count], told(context, &output)))?;
            }
        }
        for context in ["nobody", "expired"] {
            let output = ask(context);
            ensure(output.status.code() == Some(2) && output.stdout.is_empty() && !output.stderr.is_empty(), || {
                told(context, &output)
            })?;
            let lines = String::from_utf8_lossy(&output.stderr).lines().count();
            ensure(lines <= 2, || format!("more than two lines: {}", told(context, &output)))?;
        }
        Ok(())
    })
}

/// The libraries' log, which people paste into reports, tells what was asked for but not by which token; whether that
/// stands in the kubeconfig or comes from a credential plugin.
pub(crate) fn the_log_holds_no_token(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let plain = std::fs::read_to_string(plane.kubeconfig())?;
        let token = "token-of-admin";
        let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
        std::fs::write(plane.dir().join("credential.json"), credential.to_string())?;
        let plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, args: [credential.json], interactiveMode: Never}}";
        let by_plugin = plane.dir().join("by-plugin");
        std::fs::write(&by_plugin, plain.replace(&format!("{{token: {token}}}"), plugin))?;
        for kubeconfig in [plane.kubeconfig(), &by_plugin] {
            let output = plane.ds_command(kubeconfig, &["coverage", "-A", "-v9"]).env("PATH", "/usr/bin:/bin").output()?;
            let log = String::from_utf8_lossy(&output.stderr);
            ensure(output.status.success() && log.contains("/api/v1/nodes"), || told("admin", &output))?;
            ensure(!log.contains(token), || told("admin", &output))?;
        }
        Ok(())
    })
}

fn told(context: &str, output: &Output) -> String {
    format!(
        "as {context}: {}\n  stdout: {:.500}\n  stderr: {:.500}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A node, a DaemonSet, and the users' rights.
async fn make(plane: &ControlPlane) -> Result<(), Failed> {
    let rules = |core: Value| {
        json!([
            {"apiGroups": [""], "resources": core, "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["daemonsets", "controllerrevisions"], "verbs": ["get", "list", "watch"]},
        ])
    };
    let role = |user: &str, core: Value| {
        [
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules(core)}),
            binding(user, user),
        ]
    };
    let labels = json!({"app": "agent"});
    let objects = [
        role("pods-only", json!(["pods", "events", "namespaces"])).to_vec(),
        role("nodes-only", json!(["nodes", "events", "namespaces"])).to_vec(),
        vec![
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}),
            json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "default"},
                "spec": {"selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "agent"}]},
                }},
            }),
        ],
    ]
    .concat();
    plane.create_all(&objects).await?;
    for (context, pods, nodes) in USERS {
        let options = KubeConfigOptions { context: Some(context.into()), ..KubeConfigOptions::default() };
        let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
        let config = Config::from_custom_kubeconfig(config, &options).await.map_err(failed)?;
        let client = Client::try_from(config).map_err(failed)?;
        // The authorizer learns of new roles by watching them.
        wait_until(&format!("{context} has its rights"), async || {
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
