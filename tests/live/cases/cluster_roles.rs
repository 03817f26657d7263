//! The ClusterRoles in `docs/rbac`: each command works with its role, and uses every permission of it. The API server's
//! audit log has the requests.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::log_kubelet::{ANY_POD, LogKubelet};
use crate::harness::manifests::{
    cluster_role_binding, daemon_set, namespace, node_with, reference, resource_quota, with_behavior,
};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;

pub(crate) const TESTS: &[LiveTest] = live_tests![grant_exactly_what_commands_use];

/// Its role also changes objects, only as dry runs.
const PLAN: &str = "kubectl-ds-plan";

/// A verb, an API group, and a resource with its subresource.
type Permission = (String, String, String);

/// A ClusterRole and the commands that run with it: those that end by themselves, and one that watches. The program
/// reads events only while a pod is missing or unhealthy, so the watched DaemonSet has such a pod all the time.
struct Role {
    name: &'static str,
    commands: &'static [&'static [&'static str]],
    watch: Option<&'static [&'static str]>,
}

const ROLES: [Role; 9] = [
    Role {
        name: PLAN,
        commands: &[
            &["plan", "apply", "-f", "change.json"],
            &["plan", "node", "a", "--taint", "infra:NoSchedule"],
            &["plan", "rollback", "plain"],
        ],
        watch: None,
    },
    Role {
        name: "kubectl-ds-coverage",
        commands: &[&["coverage", "-A"], &["coverage", "plain", "--by", "rack"]],
        watch: Some(&["coverage", "-A", "--watch"]),
    },
    Role { name: "kubectl-ds-alerts", commands: &[&["alerts", "-A"], &["alerts", "plain"]], watch: None },
    Role {
        name: "kubectl-ds-rollout",
        commands: &[&["rollout", "status", "-A"], &["rollout", "status", "plain"], &["rollout", "history", "plain"]],
        watch: Some(&["rollout", "watch", "pending"]),
    },
    Role {
        name: "kubectl-ds-rollout-change",
        commands: &[&["rollout", "pause", "plain"], &["rollout", "resume", "plain", "--yes"]],
        watch: None,
    },
    Role {
        name: "kubectl-ds-why-not",
        commands: &[
            &["why-not", "a"],
            &["why-not", "a", "demanding"],
            &["why-not", "a", "pending"],
            &["why-not", "a", "crashing"],
        ],
        watch: None,
    },
    Role {
        name: "kubectl-ds-cycle",
        commands: &[
            &["cycle", "plain", "--all", "--yes", "--cordon"],
            &["cycle", "plain", "--all", "--yes", "--evict"],
        ],
        watch: Some(&["cycle", "pending", "--all", "--yes"]),
    },
    Role {
        name: "kubectl-ds-logs",
        commands: &[&["logs", "plain"], &["logs", "plain", "a", "--tail", "1"]],
        watch: Some(&["logs", "-f", "pending"]),
    },
    Role {
        name: "kubectl-ds-completion",
        commands: &[
            &["__complete", "why-not", ""],
            &["__complete", "coverage", ""],
            &["__complete", "coverage", "-n", ""],
            &["__complete", "coverage", "--by", ""],
        ],
        watch: None,
    },
];

/// The permissions of each role equal those that its commands use.
fn grant_exactly_what_commands_use(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).audited().start()?.run(async |plane| {
        let kubelet = LogKubelet::start(plane)?;
        kubelet.write(ANY_POD, "a line");
        create_objects(plane, ctx, &kubelet).await?;
        for role in &ROLES {
            for arguments in role.commands {
                check_command(plane, role.name, arguments)?;
            }
            if let Some(arguments) = role.watch {
                check_watch(plane, role.name, arguments).await?;
            }
            let (mut granted, used) = (granted(plane, role.name).await?, used(plane, role.name)?);
            if !plane.has_devices().await? {
                granted.retain(|(_, group, _)| group != "resource.k8s.io");
            }
            ensure(role.name != PLAN || only_dry_runs(plane)?, || "plan wrote something".to_owned())?;
            ensure(granted == used, || {
                let (unused, missing) = (&granted - &used, &used - &granted);
                format!("{}: granted and not used: {unused:?}; used and not granted: {missing:?}", role.name)
            })?;
        }
        Ok(())
    })
}

/// The arguments with `--as` after the first: the last may be a word to complete.
fn with_user<'a>(arguments: &[&'a str], role: &'a str) -> Vec<&'a str> {
    let (first, rest) = arguments.split_at(1);
    [first, &["--as", role], rest].concat()
}

/// The command succeeds, without an error about permissions.
fn check_command(plane: &ControlPlane, role: &str, arguments: &[&str]) -> Result<(), Failed> {
    let output = plane.ds(&with_user(arguments, role));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let succeeds = output.status.code().is_some_and(|code| code < 2) && !has_permission_error(&stderr);
    ensure(succeeds && !output.stdout.is_empty(), || {
        format!("{role} {arguments:?}: {} {stderr}{}", output.status, String::from_utf8_lossy(&output.stdout))
    })
}

fn has_permission_error(stderr: &str) -> bool {
    stderr.contains("cannot ") || stderr.contains("forbidden")
}

/// The command watches all its kinds, without an error about permissions.
async fn check_watch(plane: &ControlPlane, role: &str, arguments: &[&str]) -> Result<(), Failed> {
    let running = RunningProgram::start(plane, &with_user(arguments, role))?;
    let kinds = 5;
    wait_until(&format!("{arguments:?} watches {kinds} kinds"), async || {
        let used = used(plane, role).map_err(message)?;
        let watched = used.iter().filter(|(verb, ..)| verb == "watch").count();
        if watched == kinds { Ok(()) } else { Err(format!("{used:?}, stderr: {}", running.stderr())) }
    })
    .await?;
    let stderr = running.stderr();
    ensure(!has_permission_error(&stderr), || format!("{role} {arguments:?}: {stderr}"))
}

/// The permissions of the role.
async fn granted(plane: &ControlPlane, role: &str) -> Result<BTreeSet<Permission>, Failed> {
    let roles: Api<ClusterRole> = Api::all(plane.client());
    let mut permissions = BTreeSet::new();
    for rule in roles.get(role).await.map_err(failed)?.rules.unwrap_or_default() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                permissions.extend(rule.verbs.iter().map(|verb| (verb.clone(), group.clone(), resource.clone())));
            }
        }
    }
    Ok(permissions)
}

/// The permissions that the role's user has used, without non-resource URLs such as `/version`.
fn used(plane: &ControlPlane, role: &str) -> Result<BTreeSet<Permission>, Failed> {
    let log = fs::read_to_string(plane.audit_log())?;
    // The last line may be incomplete.
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own = entries.filter(|entry| entry["impersonatedUser"]["username"] == role);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(own
        .filter(|entry| entry["objectRef"]["resource"].is_string())
        // Kubernetes lets every user ask for the own permissions (system:basic-user).
        .filter(|entry| entry["objectRef"]["apiGroup"] != "authorization.k8s.io")
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

/// Whether every request of `plan` reads, or is a dry run.
fn only_dry_runs(plane: &ControlPlane) -> Result<bool, Failed> {
    let log = fs::read_to_string(plane.audit_log())?;
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut writes = entries
        .filter(|entry| entry["impersonatedUser"]["username"] == PLAN)
        .filter(|entry| !matches!(entry["verb"].as_str(), Some("get" | "list" | "watch")))
        .filter(|entry| entry["objectRef"]["apiGroup"] != "authorization.k8s.io")
        .peekable();
    // Otherwise the test shows nothing.
    Ok(writes.peek().is_some() && writes.all(|entry| entry["requestURI"].to_string().contains("dryRun=All")))
}

/// Creates the roles, each with a user of the same name, and four DaemonSets: one that is available, one whose pods
/// never start, one whose pods crash, and one whose pods use every kind of object and are rejected.
async fn create_objects(plane: &ControlPlane, ctx: &Ctx, kubelet: &LogKubelet) -> Result<(), Failed> {
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rbac");
    plane.kubectl(ctx, &["apply", "-f", roles])?;
    for role in &ROLES {
        plane.create(&cluster_role_binding(role.name, role.name)).await?;
    }
    let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}});
    let other_rack = json!({"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "other"}},
        "namespaceSelector": {"matchLabels": {"team": "other"}}});
    let spec = json!({
        "priorityClassName": "demanding", "runtimeClassName": "demanding", "volumes": [volume],
        "resourceClaims": [{"name": "device", "resourceClaimTemplateName": "device"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [other_rack]}},
    });
    let mut quota = resource_quota("default", "none", &json!({"pods": "0"}));
    quota["spec"]["scopeSelector"] = json!({"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["demanding"]},
    ]});
    let mut priority_class = reference("scheduling.k8s.io/v1", "PriorityClass", None, "demanding");
    priority_class["value"] = json!(1);
    let mut runtime_class = reference("node.k8s.io/v1", "RuntimeClass", None, "demanding");
    runtime_class["handler"] = json!("demanding");
    let agent = |name: &str, spec: &Value| {
        let mut agent = daemon_set("default", name, spec);
        agent["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
        agent
    };
    plane
        .create_all(&[
            quota,
            priority_class,
            runtime_class,
            node_with("a", &json!({"metadata": {"labels": {"rack": "one"}}, "status": kubelet.node_status()})),
            agent("plain", &json!({})),
            with_behavior(agent("pending", &json!({})), &json!({"ds.test/starting": "*"})),
            with_behavior(agent("crashing", &json!({})), &json!({"ds.test/crash": "*"})),
            agent("demanding", &spec),
        ])
        .await?;
    let mut changed = agent("demanding", &spec);
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/agent:v2");
    let mut elsewhere = daemon_set("elsewhere", "agent", &json!({}));
    elsewhere["metadata"]["namespace"] = json!("elsewhere");
    let items = [changed, agent("new", &json!({})), elsewhere, namespace("elsewhere")];
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    fs::write(plane.dir().join("change.json"), list.to_string())?;
    wait_until_observed(plane, 1).await?;
    plane
        .merge(&json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"namespace": "default", "name": "plain"},
            "spec": {"template": {"metadata": {"labels": {"release": "two"}}}},
        }))
        .await?;
    wait_until_observed(plane, 2).await?;
    let events: Api<Event> = Api::default_namespaced(plane.client());
    wait_until("a pod is rejected", async || {
        let events = events.list(&Default::default()).await.map_err(|error| error.to_string())?.items;
        let is_rejection = |event: &Event| event.reason.as_deref() == Some("FailedCreate");
        if events.iter().any(is_rejection) { Ok(()) } else { Err(format!("{} events", events.len())) }
    })
    .await?;
    wait_until("a container crashes", async || {
        let coverage = plane.ds(&["coverage", "crashing"]);
        let text = String::from_utf8_lossy(&coverage.stdout).into_owned();
        if text.contains("CrashLoopBackOff") { Ok(()) } else { Err(text) }
    })
    .await
}

/// Waits until the controller has made the revision of this generation of the DaemonSet `plain`.
async fn wait_until_observed(plane: &ControlPlane, generation: i64) -> Result<(), Failed> {
    let sets: Api<DaemonSet> = Api::default_namespaced(plane.client());
    wait_until(&format!("generation {generation} is observed"), async || {
        let status = sets.get("plain").await.map_err(|error| error.to_string())?.status;
        let observed = status.and_then(|status| status.observed_generation);
        if observed == Some(generation) { Ok(()) } else { Err(format!("{observed:?}")) }
    })
    .await
}
