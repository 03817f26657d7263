//! `cycle` on a real control plane, with somebody who watches from outside what it takes away.

mod between;
pub(crate) mod chaos;
mod fault_proxy;
mod hangup;
mod lock;
pub(crate) mod pairs;
pub(crate) mod rights;
mod suspend;
mod watcher;

use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::{Builder, ControlPlane};
use crate::harness::event_schema::is_documented;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::{Scenario, letter, assert_not_contains, all_passed, merge_patch, run_scenario, assert_contains, template};
use crate::harness::invariant_watcher::{InvariantWatcher, Rules};

/// Nodes that a busy machine keeps from reporting in time are not down.
fn patient(ctx: &Ctx) -> Builder {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(300))
}

/// Thirty nodes each, to the end.
pub(crate) fn fleets(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "one-by-one", 30, one_by_one),
            run_scenario(plane, "three", 30, three_at_once),
            run_scenario(plane, "fifth", 30, a_fifth_at_once),
        ];
        all_passed(all).await
    })
}

/// Orders, canaries, and what ends a run before its time.
pub(crate) fn orders_and_ends(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "zones", 6, zone_after_zone),
            run_scenario(plane, "canary", 4, canary_and_then_the_rest),
            run_scenario(plane, "soak", 4, canary_that_soaks),
            run_scenario(plane, "crashes", 4, crashing_image),
            run_scenario(plane, "dry", 3, dry_runs_delete_nothing),
            run_scenario(plane, "strategy", 3, restart_of_a_rolling_update),
            run_scenario(plane, "gone", 3, deleted_midway),
            run_scenario(plane, "denied", 3, denied_by_a_policy),
        ];
        all_passed(all).await
    })
}

/// What comes in between.
pub(crate) fn interruptions(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "blocked", 3, between::eviction_blocked_and_allowed),
            run_scenario(plane, "never", 3, between::eviction_never_allowed),
            run_scenario(plane, "changed", 4, between::template_changed_midway),
            run_scenario(plane, "killed", 4, between::killed_and_run_again),
            run_scenario(plane, "pretended", 3, between::removals_that_change_nothing),
            run_scenario(plane, "stops", 4, between::asked_to_stop),
            run_scenario(plane, "leaves", 4, between::asked_twice_to_stop),
            run_scenario(plane, "life", 6, between::facts_of_life),
        ];
        all_passed(all).await
    })
}

/// The lock: who gets it, who waits, how it is lost and released.
pub(crate) fn locks(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "holder", 3, lock::second_run_names_the_holder),
            run_scenario(plane, "waits", 4, lock::waiting_run_continues),
            run_scenario(plane, "restart", 3, lock::restarts_do_not_add_up),
            run_scenario(plane, "killed", 4, lock::killed_holder_is_replaced),
            run_scenario(plane, "deleted", 3, lock::deleted_lease_stops_it),
            run_scenario(plane, "taken", 3, lock::other_holder_stops_it),
            run_scenario(plane, "renewal", 3, lock::denied_renewal_halts_it),
            run_scenario(plane, "signals", 5, lock::signals_release_it),
            run_scenario(plane, "rights", 3, rights::locks_need_rights),
        ];
        all_passed(all).await
    })
}

/// Runs that sleep, as on a laptop that is closed.
pub(crate) fn suspends(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "sleeps", 3, suspend::slept_through_the_timeout),
            run_scenario(plane, "spent", 3, suspend::slept_through_a_spent_budget),
            run_scenario(plane, "over", 3, suspend::slept_until_another_took_over),
            run_scenario(plane, "alone", 3, suspend::slept_alone),
        ];
        all_passed(all).await
    })
}

/// The API server is away for longer than a lock is valid: nobody else can have taken it.
pub(crate) fn outlives_the_api_server(ctx: &Ctx) -> Result<(), Failed> {
    const OUTAGE: Duration = Duration::from_secs(18);
    let mut plane = patient(ctx).start()?;
    let (running, watcher) = plane.run(async |plane| {
        let scenario = Scenario { plane, name: "outage", nodes: 2 };
        scenario.set_up().await?;
        let watcher = lock::outdated(&scenario, &json!({"ds.test/slow": "*"})).await?;
        let running = start(&scenario, &[])?;
        running.wait_for("outage-a: deleting pod ").await?;
        Ok((running, watcher))
    })?;
    plane.stop_api_server()?;
    std::thread::sleep(OUTAGE);
    plane.start_api_server()?;
    plane.run(async |plane| {
        let text = running.wait_for_exit(0).await?;
        assert_contains(&text, &["(2 of 2 replaced)", "\nDone\n"])?;
        obeyed(&watcher, &text)?;
        lock::is_released(&Scenario { plane, name: "outage", nodes: 2 }).await
    })
}

/// Terminals that go away.
pub(crate) fn hangups(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "closed", 3, hangup::closed_terminal_stops_it),
            run_scenario(plane, "ends", 2, hangup::closed_terminal_ends_a_watch),
            run_scenario(plane, "ignored", 3, hangup::ignored_hangup_stops_nothing),
        ];
        all_passed(all).await
    })
}

/// Nodes that fall silent.
pub(crate) fn dead_nodes(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let all =
            [run_scenario(plane, "dies", 3, between::node_dies_in_work), run_scenario(plane, "down", 3, between::node_down_before)];
        all_passed(all).await
    })
}

/// A DaemonSet with `OnDelete` at rest on all nodes.
async fn begin(scenario: &Scenario<'_>, spec: &Value) -> Result<(), Failed> {
    let mut on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    merge_patch(&mut on_delete, spec);
    scenario.create_agent(&on_delete).await
}

/// Changes the template, and waits until the controller has made a revision of it.
async fn update(scenario: &Scenario<'_>, image: &str, behavior: &Value) -> Result<String, Failed> {
    scenario.patch_spec(&template(image, behavior)).await?;
    let revisions: Api<ControllerRevision> = Api::namespaced(scenario.plane.client(), scenario.name);
    wait_until("the new revision is there", async || {
        let all = revisions.list(&Default::default()).await.map_err(|error| error.to_string())?.items;
        let image_of = |revision: &ControllerRevision| {
            revision.data.0["spec"]["template"]["spec"]["containers"][0]["image"].as_str().map(str::to_owned)
        };
        let new = all.iter().find(|revision| image_of(revision).as_deref() == Some(image));
        new.and_then(|revision| revision.labels().get("controller-revision-hash").cloned())
            .ok_or_else(|| "not yet".into())
    })
    .await
}

async fn watch(scenario: &Scenario<'_>, budget: usize, current: Option<String>) -> Result<InvariantWatcher, Failed> {
    let sets: Api<DaemonSet> = Api::namespaced(scenario.plane.client(), scenario.name);
    let owner = sets.get("agent").await.map_err(failed)?.uid().unwrap_or_default();
    InvariantWatcher::start(scenario.plane, scenario.name, Rules { budget, owner, current }).await
}

fn start(scenario: &Scenario<'_>, arguments: &[&str]) -> Result<RunningProgram, Failed> {
    RunningProgram::start(scenario.plane, &[&["cycle", "agent", "-n", scenario.name, "--yes"], arguments].concat())
}

async fn uids(scenario: &Scenario<'_>) -> Result<Vec<String>, Failed> {
    let mut uids: Vec<String> = scenario.pods().await?.iter().filter_map(ResourceExt::uid).collect();
    uids.sort_unstable();
    Ok(uids)
}

/// How many pods run this image and are not on their way out.
async fn with_image(scenario: &Scenario<'_>, image: &str) -> Result<usize, Failed> {
    let has = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        pod.metadata.deletion_timestamp.is_none()
            && spec.is_some_and(|spec| spec.containers.iter().any(|one| one.image.as_deref() == Some(image)))
    };
    Ok(scenario.pods().await?.iter().filter(has).count())
}

fn obeyed(watcher: &InvariantWatcher, text: &str) -> Result<(), Failed> {
    let violations = watcher.violations();
    ensure(violations.is_empty(), || format!("{violations:#?}\n{text}"))
}

fn kill(running: &RunningProgram, signal: &str) -> Result<(), Failed> {
    let status = std::process::Command::new("kill").arg(signal).arg(running.id().to_string()).status()?;
    ensure(status.success(), || format!("kill {signal}: {status}"))
}

async fn to_the_end(scenario: &Scenario<'_>, budget: &str, limit: usize) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, limit, Some(current)).await?;
    let text = start(scenario, &["--max-unavailable", budget])?.wait_for_exit(0).await?;
    assert_contains(&text, &[&format!("({} of {} replaced)", scenario.nodes, scenario.nodes), "\nDone\n"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == scenario.nodes, || text.clone())?;
    ensure((1..=limit).contains(&watcher.max_unavailable()), || format!("{} out\n{text}", watcher.max_unavailable()))?;
    let new = with_image(scenario, "two").await?;
    ensure(new == scenario.nodes, || format!("{new} pods are new"))
}

async fn one_by_one(scenario: &Scenario<'_>) -> Result<(), Failed> {
    to_the_end(scenario, "1", 1).await
}

async fn three_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    to_the_end(scenario, "3", 3).await
}

async fn a_fifth_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    to_the_end(scenario, "20%", 6).await
}

async fn zone_after_zone(scenario: &Scenario<'_>) -> Result<(), Failed> {
    for (index, zone) in ["x", "x", "x", "y", "y", "z"].iter().enumerate() {
        let mut node = scenario.node(&letter(index));
        node["metadata"]["labels"] = json!({"topology.kubernetes.io/zone": zone});
        scenario.plane.merge(&node).await?;
    }
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let text = start(scenario, &["--order", "zone"])?.wait_for_exit(0).await?;
    let order = watcher.removed();
    let wanted = ["a", "d", "f", "b", "e", "c"].map(|letter| format!("zones-{letter}"));
    ensure(order == wanted, || format!("{order:?}\n{text}"))
}

async fn canary_and_then_the_rest(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let text = start(scenario, &["--canary", "1"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["The canary is replaced", "1 of 4 nodes replaced, 3 not begun"])?;
    ensure(watcher.removed() == ["canary-a"], || text.clone())?;
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["Replaces the old pods on 3 nodes", "(3 of 3 replaced)"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

async fn canary_that_soaks(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let running = start(scenario, &["--canary", "2", "--soak", "4s"])?;
    running.wait_for("watches the canary for ").await?;
    ensure(watcher.removed().len() == 2, || running.text())?;
    let text = running.wait_for_exit(0).await?;
    ensure(watcher.removed().len() == 4, || text.clone())?;
    obeyed(&watcher, &text)
}

async fn crashing_image(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/crash": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let json = start(scenario, &["--dry-run=client", "-o", "json"])?.wait_for_exit(0).await?;
    ensure(documents(&json)?[0]["nodes"][0]["status"] == "Waiting", || json)?;
    let text = start(scenario, &["--node-timeout", "50s"])?.wait_for_exit(1).await?;
    assert_contains(
        &text,
        &[
            "crashes-a: failed: the new pod crashes",
            "Halted: 1 node failed, more than --max-failures allows: crashes-a",
            "0 of 4 nodes replaced, 1 failed, 3 not begun",
            "kubectl ds why-not crashes-a agent -n crashes",
        ],
    )?;
    ensure(watcher.removed() == ["crashes-a"], || text.clone())?;
    // Once more: what crashes counts, so that nothing is begun.
    let json = start(scenario, &["--node-timeout", "2s", "-o", "json"])?.wait_for_exit(1).await?;
    let report = documents(&json)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "BudgetSpent" && report["fix"]["lines"].is_array(), || json)?;
    ensure(with_image(scenario, "one").await? == 3, || text)
}

/// What it wrote in JSON: every event is one of the reference.
fn documents(text: &str) -> Result<Vec<Value>, Failed> {
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(failed)?;
    lines.iter().filter(|line| line["kind"] == "CycleEvent").try_for_each(is_documented)?;
    ensure(lines.last().is_some_and(|last| last["kind"] == "CycleReport"), || text.to_owned())?;
    Ok(lines)
}

async fn dry_runs_delete_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 0, None).await?;
    let before = uids(scenario).await?;
    for (arguments, words) in [
        (&["--dry-run=client"][..], "Dry run: nothing was removed"),
        (&["--dry-run"], "Dry run: nothing was removed"),
        (&["--dry-run=server"], "would be removed (server dry run)"),
        (&["--dry-run=server", "--evict"], "would be removed (server dry run)"),
    ] {
        let text = start(scenario, arguments)?.wait_for_exit(0).await?;
        assert_contains(&text, &["Replaces the old pods on 3 nodes", words])?;
    }
    let text = start(scenario, &["--dry-run=server", "-o", "json"])?.wait_for_exit(0).await?;
    let lines = documents(&text)?;
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    ensure(kinds == ["CycleEvent", "CycleEvent", "CycleEvent", "CycleReport"], || text.clone())?;
    ensure(lines[3]["outcome"] == "Planned" && lines[3]["planned"] == 3, || text.clone())?;
    ensure(uids(scenario).await? == before && watcher.removed().is_empty(), || text)
}

async fn restart_of_a_rolling_update(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"updateStrategy": {"type": "RollingUpdate"}})).await?;
    let (_, said) = start(scenario, &[])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(
        &said,
        &[
            "the update strategy of strategy/agent is RollingUpdate",
            "kubectl ds rollout watch agent -n strategy",
            "--all",
        ],
    )?;
    let watcher = watch(scenario, 1, None).await?;
    let before = uids(scenario).await?;
    let text = start(scenario, &["--all", "-o", "json"])?.wait_for_exit(0).await?;
    let lines = documents(&text)?;
    let replaced = lines.iter().filter(|line| line["event"] == "NodeReplaced").count();
    ensure(replaced == 3 && lines[lines.len() - 1]["outcome"] == "Finished", || text.clone())?;
    obeyed(&watcher, &text)?;
    let after = uids(scenario).await?;
    ensure(after.len() == 3 && after.iter().all(|uid| !before.contains(uid)), || text)
}

async fn deleted_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let running = start(scenario, &["-o", "json"])?;
    running.wait_for("\"Removing\"").await?;
    scenario.plane.delete(&scenario.agent()).await?;
    let text = running.wait_for_exit(1).await?;
    let lines = documents(&text)?;
    let last = &lines[lines.len() - 1];
    let code = &last["halt"]["code"];
    ensure(last["outcome"] == "Halted" && (code == "Deleted" || code == "BeingDeleted"), || text.clone())
}

/// A policy that denies deletions is no lack of rights: the node fails, and nothing is taken.
async fn denied_by_a_policy(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let before = uids(scenario).await?;
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"]});
    deny(scenario, "keep-pods", &rule, "pods stay here").await?;
    let pods: Api<Pod> = Api::namespaced(scenario.plane.client(), scenario.name);
    let name = scenario.pods().await?[0].name_any();
    wait_until("the policy is in force", async || {
        match pods.delete(&name, &kube::api::DeleteParams::default().dry_run()).await {
            Err(kube::Error::Api(status)) if status.message.contains("pods stay here") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let text = start(scenario, &[])?.wait_for_exit(1).await?;
    assert_contains(&text, &["denied-a: failed: its pod was not removed: ", "pods stay here", "Halted: 1 node failed"])?;
    ensure(uids(scenario).await? == before, || text)
}

/// A policy denies these requests in the scenario's namespace; it takes a moment until it does.
async fn deny(scenario: &Scenario<'_>, name: &str, rule: &Value, message: &str) -> Result<(), Failed> {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": scenario.name}});
    scenario
        .plane
        .create_all(&[
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
                "spec": {
                    "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
                    "validations": [{"expression": "false", "message": message}],
                },
            }),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
                "spec": {"policyName": name, "validationActions": ["Deny"]},
            }),
        ])
        .await
}
