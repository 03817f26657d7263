//! The ClusterRoles of the README: with them each command does all its work, and there is nothing in them that it does not
//! ask for. The API server writes down what it was asked for.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{binding, ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::merge_patch;

const README: &str = include_str!("../../README.md");

/// A verb, an API group, and a resource with its subresource.
type Right = (String, String, String);

/// A role by its name, and what is run with it: commands that end by themselves, and one that follows. The events are
/// only asked for while a pod is missing or does not come up: the one that follows sees such a pod for as long as it runs.
struct Role {
    name: &'static str,
    commands: &'static [&'static [&'static str]],
    follows: Option<&'static [&'static str]>,
}

const ROLES: [Role; 5] = [
    Role {
        name: "kubectl-ds-coverage",
        commands: &[&["coverage", "-A"], &["coverage", "plain", "--by", "rack"]],
        follows: Some(&["coverage", "-A", "--watch"]),
    },
    Role {
        name: "kubectl-ds-rollout",
        commands: &[&["rollout", "status", "-A"], &["rollout", "status", "plain"], &["rollout", "history", "plain"]],
        follows: Some(&["rollout", "watch", "pending"]),
    },
    Role {
        name: "kubectl-ds-why-not",
        commands: &[&["why-not", "a"], &["why-not", "a", "needy"], &["why-not", "a", "pending"]],
        follows: None,
    },
    Role {
        name: "kubectl-ds-cycle",
        commands: &[&["cycle", "plain", "--all", "--yes"], &["cycle", "plain", "--all", "--yes", "--evict"]],
        follows: Some(&["cycle", "pending", "--all", "--yes"]),
    },
    Role {
        name: "kubectl-ds-completion",
        commands: &[
            &["__complete", "why-not", ""],
            &["__complete", "coverage", ""],
            &["__complete", "coverage", "-n", ""],
            &["__complete", "coverage", "--by", ""],
        ],
        follows: None,
    },
];

/// Each role is what its commands ask for, no less and no more.
pub(crate) fn are_what_is_asked_for(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).audited().start()?.run(async |plane| {
        make(plane, ctx).await?;
        for role in &ROLES {
            for arguments in role.commands {
                works(plane, role.name, arguments)?;
            }
            if let Some(arguments) = role.follows {
                follows(plane, role.name, arguments).await?;
            }
            let (mut granted, asked) = (granted(plane, role.name).await?, asked(plane, role.name)?);
            if !plane.has_devices().await? {
                granted.retain(|(_, group, _)| group != "resource.k8s.io");
            }
            ensure(granted == asked, || {
                let (idle, missing) = (&granted - &asked, &asked - &granted);
                format!("{}: never asked for {idle:?}; asked for besides {missing:?}", role.name)
            })?;
        }
        Ok(())
    })
}

/// The arguments with the user behind the first word, as the last may be one to be completed.
fn with_user<'a>(arguments: &[&'a str], role: &'a str) -> Vec<&'a str> {
    let (first, rest) = arguments.split_at(1);
    [first, &["--as", role], rest].concat()
}

/// A command says nothing of rights that it lacks.
fn works(plane: &ControlPlane, role: &str, arguments: &[&str]) -> Result<(), Failed> {
    let output = plane.ds(&with_user(arguments, role));
    let said = String::from_utf8_lossy(&output.stderr);
    let is_fine = output.status.code().is_some_and(|code| code < 2) && !is_refused(&said);
    ensure(is_fine && !output.stdout.is_empty(), || {
        format!("{role} {arguments:?}: {} {said}{}", output.status, String::from_utf8_lossy(&output.stdout))
    })
}

fn is_refused(said: &str) -> bool {
    said.contains("cannot ") || said.contains("forbidden")
}

/// One that follows until it is stopped, once all that it follows has begun.
async fn follows(plane: &ControlPlane, role: &str, arguments: &[&str]) -> Result<(), Failed> {
    let running = RunningProgram::start(plane, &with_user(arguments, role))?;
    let kinds = 5;
    wait_until(&format!("{arguments:?} follows {kinds} kinds"), async || {
        let asked = asked(plane, role).map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let followed = asked.iter().filter(|(verb, ..)| verb == "watch").count();
        if followed == kinds { Ok(()) } else { Err(format!("{asked:?}, and it said {}", running.said())) }
    })
    .await?;
    ensure(!is_refused(&running.said()), || format!("{role} {arguments:?}: {}", running.said()))
}

/// The rights of the role, as it stands in the cluster.
async fn granted(plane: &ControlPlane, role: &str) -> Result<BTreeSet<Right>, Failed> {
    let roles: Api<ClusterRole> = Api::all(plane.client());
    let mut rights = BTreeSet::new();
    for rule in roles.get(role).await.map_err(failed)?.rules.unwrap_or_default() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| (verb.clone(), group.clone(), resource.clone())));
            }
        }
    }
    Ok(rights)
}

/// The rights that were made use of under the role's name. What is no resource, such as `/version`, is left out.
fn asked(plane: &ControlPlane, role: &str) -> Result<BTreeSet<Right>, Failed> {
    let log = fs::read_to_string(plane.audit_log())?;
    // The last line may not be whole yet.
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own = entries.filter(|entry| entry["impersonatedUser"]["username"] == role);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(own
        .filter(|entry| entry["objectRef"]["resource"].is_string())
        .map(|entry| {
            let object = &entry["objectRef"];
            let resource = match object["subresource"].as_str() {
                Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
                None => text(&object["resource"]),
            };
            (text(&entry["verb"]), text(&object["apiGroup"]), resource)
        })
        .collect())
}

/// The README's roles, each with a user of its name; and DaemonSets of all kinds: at rest, with pods that do not come up,
/// and one that needs whatever a pod can need and whose pods are refused.
async fn make(plane: &ControlPlane, ctx: &Ctx) -> Result<(), Failed> {
    let roles = README.split("```yaml\n").filter_map(|block| block.split("```").next());
    let roles = roles.filter(|block| block.contains("kind: ClusterRole")).collect::<Vec<_>>().join("---\n");
    fs::write(plane.dir().join("roles.yaml"), roles)?;
    plane.shell(ctx, "kubectl apply -f roles.yaml")?;
    for role in &ROLES {
        plane.create(&binding(role.name, role.name)).await?;
    }
    let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}});
    let elsewhere = json!({"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "other"}},
        "namespaceSelector": {"matchLabels": {"team": "other"}}});
    let needs = json!({
        "priorityClassName": "needy", "runtimeClassName": "needy", "volumes": [volume],
        "resourceClaims": [{"name": "device", "resourceClaimTemplateName": "device"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [elsewhere]}},
    });
    let quota = json!({"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["needy"]},
    ]}});
    plane
        .create_all(&[
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "default"}, "spec": quota}),
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "needy"}, "value": 1}),
            json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "needy"}, "handler": "needy"}),
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"rack": "one"}}}),
            daemon_set("plain", &json!({}), &json!({})),
            daemon_set("pending", &json!({"ds.test/starting": "*"}), &json!({})),
            daemon_set("needy", &json!({}), &needs),
        ])
        .await?;
    let events: Api<Event> = Api::default_namespaced(plane.client());
    wait_until("the needy pods are refused", async || {
        let events = events.list(&Default::default()).await.map_err(|error| error.to_string())?.items;
        let is_refusal = |event: &Event| event.reason.as_deref() == Some("FailedCreate");
        if events.iter().any(is_refusal) { Ok(()) } else { Err(format!("{} events", events.len())) }
    })
    .await
}

fn daemon_set(name: &str, annotations: &Value, spec: &Value) -> Value {
    let labels = json!({"app": name});
    let mut template = json!({
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "agent"}], "terminationGracePeriodSeconds": 1},
    });
    merge_patch(&mut template["spec"], spec);
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    })
}
