//! Fixes that `why-not` calls verified, proven by doing: on random clusters, the commands are run as they are printed,
//! and afterwards the obstacle is gone for that node, as the controller and the scheduler see it.
//!
//! `DS_SEEDS=100..110` selects other seeds, `DS_PROOFS=30` another number of fixes for each.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::Value;

use super::agreement;
use crate::Ctx;
use crate::harness::client::{ensure, failed, json_of, message, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::independent_counts::target_node;
use crate::harness::registry::{LiveTest, seed_command};

pub(crate) const TESTS: &[LiveTest] = live_tests![
    wrong_fix_is_noticed;
    per seed: verified_fixes_work in 1..2
];

const PATH: &str = "remedy_proofs::verified_fixes_work";

/// How many fixes of one cluster are proven unless `DS_PROOFS` is set.
const PROOFS: usize = 12;

/// How long the controller and the scheduler may take after the commands.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One fix of one reason of one DaemonSet on one node.
#[derive(Clone, Debug)]
struct Fix {
    node: String,
    namespace: String,
    daemon_set: String,
    check: String,
    reason: Value,
    text: String,
    lines: Vec<String>,
}

impl Fix {
    /// What the fix does about which reason: fixes of the same kind are proven less often.
    fn kind(&self) -> String {
        let verb = |line: &String| {
            let words: Vec<&str> = line.split(' ').filter(|word| !word.starts_with(['-', '\''])).collect();
            let at = usize::from(line.starts_with("kubectl -n ")) + 1;
            words.get(at..(at + 2).min(words.len())).unwrap_or_default().join(" ")
        };
        let verbs: Vec<String> = self.lines.iter().map(verb).collect();
        format!("{} {}: {}", self.check, self.reason["code"].as_str().unwrap_or_default(), verbs.join("; "))
    }

    /// What identifies the reason: everything but numbers and lists, which change.
    fn identity(reason: &Value) -> BTreeMap<String, Value> {
        let fields = reason.as_object().into_iter().flatten();
        let is_identity = |(name, value): &(&String, &Value)| match name.as_str() {
            "message" | "scheduler" | "fix" | "requested" | "used" | "allocatable" | "shortBy" | "found" => false,
            _ => value.is_string() || value.is_object() && *name != "reduceTo",
        };
        fields.filter(is_identity).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

fn verified_fixes_work(ctx: &Ctx, seed: u64) -> Result<(), Failed> {
    let wanted = std::env::var("DS_PROOFS").ok().and_then(|text| text.parse().ok()).unwrap_or(PROOFS);
    let mut plane = agreement::start_control_plane(&ctx.programs)?;
    agreement::fill(&mut plane, seed)?;
    plane.run(async |plane| {
        let mut proven: BTreeMap<String, usize> = BTreeMap::new();
        let mut pairs = std::collections::BTreeSet::new();
        let mut failures = Vec::new();
        // Several rounds over the nodes: each fix changes the cluster, so the report is made again.
        for index in (0..agreement::NODES).cycle().take(agreement::NODES * 4) {
            if pairs.len() >= wanted {
                break;
            }
            let node = format!("node-{index:02}");
            let mut fixes = fixes(plane, &node)?;
            fixes.retain(|fix| !pairs.contains(&(fix.node.clone(), fix.daemon_set.clone(), fix.kind())));
            fixes.sort_by_key(|fix| proven.get(&fix.kind()).copied().unwrap_or_default());
            let Some(fix) = fixes.into_iter().next() else { continue };
            match prove(plane, ctx, &fix).await {
                Ok(()) => {}
                Err(why) => {
                    let failure = format!("{fix:#?}\n  {}", message(why));
                    // The test goes on for minutes.
                    eprintln!("{PATH}::seed_{seed}: {failure}");
                    failures.push(failure);
                }
            }
            *proven.entry(fix.kind()).or_default() += 1;
            pairs.insert((fix.node.clone(), fix.daemon_set.clone(), fix.kind()));
        }
        eprintln!("{PATH}::seed_{seed}: {} fixes, {} failed", pairs.len(), failures.len());
        for (kind, count) in &proven {
            eprintln!("  {count:3} {kind}");
        }
        ensure(failures.is_empty(), || format!("{}\n  to repeat: {}", failures.join("\n"), seed_command(PATH, seed)))?;
        ensure(pairs.len() >= wanted.min(PROOFS), || format!("only {} fixes were found", pairs.len()))
    })
}

/// The verified fixes of all DaemonSets on the node whose obstacle the controller or the scheduler states now.
fn fixes(plane: &ControlPlane, node: &str) -> Result<Vec<Fix>, Failed> {
    let report = json_of(&plane.ds(&["why-not", node, "-A", "-o", "json"]))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut fixes = Vec::new();
    for daemon_set in list(&report["daemonSets"]) {
        let obstacles: usize = list(&daemon_set["checks"])
            .iter()
            .filter(|check| check["stage"] == "Scheduler" && check["result"] == "Fail")
            .map(|check| list(&check["reasons"]).len())
            .sum();
        for check in list(&daemon_set["checks"]) {
            for reason in list(&check["reasons"]) {
                for fix in list(&reason["fix"]).into_iter().filter(|fix| fix["outcome"] == "Verified") {
                    let lines: Vec<String> = list(&fix["lines"]).iter().map(text).collect();
                    // A line that waits until the pod is scheduled waits for minutes if there is another obstacle.
                    if obstacles > 1 && lines.iter().any(|line| line.contains(" wait ")) {
                        continue;
                    }
                    fixes.push(Fix {
                        node: node.to_owned(),
                        namespace: text(&daemon_set["namespace"]),
                        daemon_set: text(&daemon_set["name"]),
                        check: text(&check["check"]),
                        reason: reason.clone(),
                        text: text(&fix["text"]),
                        lines,
                    });
                }
            }
        }
    }
    Ok(fixes)
}

/// Runs the commands as they are printed, and waits until the obstacle is gone.
async fn prove(plane: &ControlPlane, ctx: &Ctx, fix: &Fix) -> Result<(), Failed> {
    let before = own_pods(plane, fix).await?;
    plane.shell(ctx, &fix.lines.join("\n"))?;
    wait_until_within("the obstacle is gone", TIMEOUT, async || check_gone(plane, fix, &before).await).await
}

/// Fails while the program reports the reason, or the cluster contradicts that it is gone.
async fn check_gone(plane: &ControlPlane, fix: &Fix, before: &[Pod]) -> Result<(), String> {
    match plane.daemon_set_backlog().await? {
        0 => {}
        backlog => return Err(format!("the DaemonSet controller has {backlog} DaemonSets to sync")),
    }
    let pods = own_pods(plane, fix).await.map_err(message)?;
    let arguments = ["why-not", &fix.node, "-n", &fix.namespace, &fix.daemon_set, "-o", "json"];
    let report = json_of(&plane.ds(&arguments)).map_err(message)?;
    let diagnosis = &report["daemonSets"][0];
    if fix.deletes_own_pod(before) {
        // The controller may have created another one: then the fix did nothing.
        let is_open = diagnosis["placement"] == "Run";
        return match pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_none()) == is_open {
            true => Ok(()),
            false => Err(format!("the pods on the node are {:?}", names(&pods))),
        };
    }
    // The fix may keep the DaemonSet off the node: then no pod of it is there.
    let is_of_pod = fix.reason["scheduler"].is_string();
    if is_of_pod && diagnosis["placement"] != "Run" && pods.is_empty() {
        return Ok(());
    }
    let checks = diagnosis["checks"].as_array().into_iter().flatten();
    let own = checks.filter(|check| check["check"] == fix.check.as_str() && check["result"] != "Pass");
    let mut reasons = own.flat_map(|check| check["reasons"].as_array().into_iter().flatten());
    let identity = Fix::identity(&fix.reason);
    if let Some(reason) = reasons.find(|reason| Fix::identity(reason) == identity) {
        return Err(format!("why-not still reports {reason}"));
    }
    // What the controller and the scheduler say, apart from the program.
    if diagnosis["placement"] == "Run" && !pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_none()) {
        return Err("the controller has created no pod".into());
    }
    let Some(words) = fix.reason["scheduler"].as_str() else { return Ok(()) };
    match pods.iter().find(|pod| scheduler_message(pod).is_some_and(|message| message.contains(words))) {
        Some(pod) => Err(format!("the scheduler still says {words:?} about {}", pod.name_any())),
        None => Ok(()),
    }
}

impl Fix {
    fn deletes_own_pod(&self, before: &[Pod]) -> bool {
        let deletes = |pod: &Pod| format!("kubectl -n {} delete pod {}", self.namespace, pod.name_any());
        self.lines.len() == 1 && before.iter().any(|pod| deletes(pod) == self.lines[0])
    }
}

/// The message about an unscheduled pod.
fn scheduler_message(pod: &Pod) -> Option<&str> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let condition =
        conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    condition?.message.as_deref()
}

/// The pods of the DaemonSet for the node.
async fn own_pods(plane: &ControlPlane, fix: &Fix) -> Result<Vec<Pod>, Failed> {
    let pods: Vec<Pod> = plane.list().await?;
    let is_own = |pod: &Pod| {
        let mut owners = pod.owner_references().iter();
        pod.namespace().as_deref() == Some(&fix.namespace)
            && owners.any(|owner| owner.kind == "DaemonSet" && owner.name == fix.daemon_set)
            && target_node(pod) == Some(&fix.node)
    };
    Ok(pods.into_iter().filter(is_own).collect())
}

fn names(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}

/// A command that does not help, in the place of one that does, fails the proof.
fn wrong_fix_is_noticed(ctx: &Ctx) -> Result<(), Failed> {
    use crate::harness::manifests::{daemon_set, node_resources, node_with, required_node_name};
    use serde_json::json;
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    plane.run(async |plane| {
        let taint = json!({"key": "dedicated", "value": "a", "effect": "NoSchedule"});
        let resources = node_resources(&json!({"cpu": "2", "memory": "4Gi", "pods": "110"}));
        plane.create(&node_with("node-a", &json!({"spec": {"taints": [taint]}, "status": resources}))).await?;
        plane.create(&daemon_set("default", "agent", &json!({"affinity": required_node_name("node-a")}))).await?;
        let all = fixes(plane, "node-a")?;
        let fix = all.iter().find(|fix| fix.text.contains("remove the taint")).ok_or_else(|| failed("no fix"))?;
        let wrong = Fix { lines: vec!["kubectl label node node-a dedicated=a".into()], ..fix.clone() };
        let before = own_pods(plane, &wrong).await?;
        plane.shell(ctx, &wrong.lines.join("\n"))?;
        wait_until_within("the wrong fix is noticed", TIMEOUT, async || {
            match check_gone(plane, &wrong, &before).await {
                Err(why) if why.contains("still reports") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        prove(plane, ctx, fix).await
    })
}
