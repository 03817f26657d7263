//! `cycle` on a control plane, with an [`InvariantWatcher`] that checks every pod that is removed.

pub(crate) mod chaos;
mod hangup;
mod hooks;
mod interruptions;
mod lock;
pub(crate) mod pairs;
pub(crate) mod permissions;
mod suspend;

use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, wait_until};
use crate::harness::control_plane::{Builder, ControlPlane};
use crate::harness::invariant_watcher::{InvariantWatcher, Rules};
use crate::harness::manifests::{merge_patch, reference};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::{
    Scenario, all_passed, assert_contains, assert_not_contains, letter, run_scenario, template_patch,
};

pub(crate) const TESTS: &[LiveTest] = live_tests![
    thirty_nodes_are_replaced_within_the_budget,
    orders_canaries_and_stops_pass,
    interruptions_pass,
    hooks_pass,
    locks_pass,
    suspended_runs_pass,
    hangups_pass,
    nodes_without_kubelet_pass,
    api_server_outage_is_survived,
];

/// A control plane on which no node becomes NotReady, however busy the machine is.
fn patient(ctx: &Ctx) -> Builder {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(300))
}

/// Complete runs with three budgets.
fn thirty_nodes_are_replaced_within_the_budget(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "one-by-one", 30, one_by_one),
            run_scenario(plane, "three", 30, three_at_once),
            run_scenario(plane, "fifth", 30, one_fifth_at_once),
        ];
        all_passed(all).await
    })
}

/// Orders, canaries, dry runs, and reasons to stop early.
fn orders_canaries_and_stops_pass(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "zones", 6, zone_after_zone),
            run_scenario(plane, "canary", 4, canary_then_remaining_nodes),
            run_scenario(plane, "soak", 4, canary_that_soaks),
            run_scenario(plane, "crashes", 4, crashing_image),
            run_scenario(plane, "dry", 3, dry_runs_delete_nothing),
            run_scenario(plane, "strategy", 3, restart_of_a_rolling_update),
            run_scenario(plane, "deleted", 3, deleted_midway),
            run_scenario(plane, "denied", 3, denied_by_a_policy),
        ];
        all_passed(all).await
    })
}

/// Changes and signals during a run.
fn interruptions_pass(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "blocked", 3, interruptions::eviction_blocked_and_allowed),
            run_scenario(plane, "never", 3, interruptions::eviction_never_allowed),
            run_scenario(plane, "changed", 4, interruptions::template_changed_midway),
            run_scenario(plane, "killed", 4, interruptions::killed_and_run_again),
            run_scenario(plane, "fake", 3, interruptions::fake_deletions_fail_the_node),
            run_scenario(plane, "stops", 4, interruptions::signal_stops_after_current_node),
            run_scenario(plane, "leaves", 4, interruptions::second_signal_exits_at_once),
            run_scenario(plane, "changes", 6, interruptions::node_and_pod_changes),
        ];
        all_passed(all).await
    })
}

/// The other steps on each node.
fn hooks_pass(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "hooks", 3, hooks::hooks_run_around_the_replacement),
            run_scenario(plane, "bad-hooks", 3, hooks::failed_hooks_fail_the_node),
            run_scenario(plane, "theirs", 2, hooks::cordon_of_others_is_kept),
            run_scenario(plane, "kills", 5, hooks::killed_runs_leave_no_node_cordoned),
            run_scenario(plane, "turns", 1, hooks::cycles_of_two_daemon_sets_take_turns),
            run_scenario(plane, "requires", 3, hooks::required_daemon_set_is_waited_for),
            run_scenario(plane, "time", 3, hooks::timeout_ends_the_run),
        ];
        all_passed(all).await
    })
}

/// The lock: acquired, waited for, lost and released.
fn locks_pass(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "holder", 3, lock::second_run_names_the_holder),
            run_scenario(plane, "second", 4, lock::waiting_run_continues),
            run_scenario(plane, "restart", 3, lock::restarts_do_not_add_up),
            run_scenario(plane, "killed", 4, lock::killed_holder_is_replaced),
            run_scenario(plane, "deleted", 3, lock::deleted_lease_stops_cycle),
            run_scenario(plane, "taken", 3, lock::other_holder_stops_cycle),
            run_scenario(plane, "renewal", 3, lock::denied_renewal_stops_cycle),
            run_scenario(plane, "signals", 5, lock::signals_release_the_lock),
            run_scenario(plane, "denied-lock", 3, permissions::locks_need_permissions),
        ];
        all_passed(all).await
    })
}

/// Runs that are suspended, as on a laptop that is closed.
fn suspended_runs_pass(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "timeout", 3, suspend::suspended_longer_than_node_timeout),
            run_scenario(plane, "budget", 3, suspend::suspended_while_budget_is_exhausted),
            run_scenario(plane, "over", 3, suspend::suspended_until_another_run_has_the_lock),
            run_scenario(plane, "alone", 3, suspend::suspended_longer_than_the_lease),
        ];
        all_passed(all).await
    })
}

/// An outage of the API server that is longer than the lock is valid: no other run can have acquired it.
fn api_server_outage_is_survived(ctx: &Ctx) -> Result<(), Failed> {
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
        assert_no_violations(&watcher, &text)?;
        lock::is_released(&Scenario { plane, name: "outage", nodes: 2 }).await
    })
}

/// Terminals that are closed.
fn hangups_pass(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "closed", 3, hangup::closed_terminal_stops_cycle),
            run_scenario(plane, "ends", 2, hangup::hangup_ends_a_watch),
            run_scenario(plane, "ignored", 3, hangup::ignored_hangup_stops_nothing),
        ];
        all_passed(all).await
    })
}

/// Nodes whose kubelet stops reporting.
fn nodes_without_kubelet_pass(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "fails", 3, interruptions::node_fails_in_progress),
            run_scenario(plane, "down", 3, interruptions::node_down_before),
        ];
        all_passed(all).await
    })
}

/// Creates the DaemonSet with `OnDelete`, available on all nodes.
async fn create_agent(scenario: &Scenario<'_>, spec: &Value) -> Result<(), Failed> {
    let mut on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    merge_patch(&mut on_delete, spec);
    scenario.create_agent(&on_delete).await
}

/// Changes the template, and waits until the controller has created its revision; returns its hash.
async fn update(scenario: &Scenario<'_>, image: &str, behavior: &Value) -> Result<String, Failed> {
    scenario.patch_spec(&template_patch(image, behavior)).await?;
    let revisions: Api<ControllerRevision> = Api::namespaced(scenario.plane.client(), scenario.name);
    wait_until("the new revision exists", async || {
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

/// Starts a watcher with a budget, and perhaps the revision whose pods must not be removed.
async fn watch(scenario: &Scenario<'_>, budget: usize, current: Option<String>) -> Result<InvariantWatcher, Failed> {
    let sets: Api<DaemonSet> = Api::namespaced(scenario.plane.client(), scenario.name);
    let owner = sets.get("agent").await.map_err(failed)?.uid().unwrap_or_default();
    InvariantWatcher::start(scenario.plane, scenario.name, Rules { budget, owner, current }).await
}

/// Starts `cycle` without confirmation.
fn start(scenario: &Scenario<'_>, arguments: &[&str]) -> Result<RunningProgram, Failed> {
    RunningProgram::start(scenario.plane, &[&["cycle", "agent", "-n", scenario.name, "--yes"], arguments].concat())
}

async fn uids(scenario: &Scenario<'_>) -> Result<Vec<String>, Failed> {
    let mut uids: Vec<String> = scenario.pods().await?.iter().filter_map(ResourceExt::uid).collect();
    uids.sort_unstable();
    Ok(uids)
}

/// The node that a pod is bound to.
fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// How many pods run this image and are not terminating.
async fn with_image(scenario: &Scenario<'_>, image: &str) -> Result<usize, Failed> {
    let has = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        pod.metadata.deletion_timestamp.is_none()
            && spec.is_some_and(|spec| spec.containers.iter().any(|one| one.image.as_deref() == Some(image)))
    };
    Ok(scenario.pods().await?.iter().filter(has).count())
}

/// Fails if the watcher saw a violation.
fn assert_no_violations(watcher: &InvariantWatcher, text: &str) -> Result<(), Failed> {
    let violations = watcher.violations();
    ensure(violations.is_empty(), || format!("{violations:#?}\n{text}"))
}

async fn replace_all(scenario: &Scenario<'_>, budget: &str, limit: usize) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, limit, Some(current)).await?;
    let text = start(scenario, &["--max-unavailable", budget])?.wait_for_exit(0).await?;
    assert_contains(&text, &[&format!("({} of {} replaced)", scenario.nodes, scenario.nodes), "\nDone\n"])?;
    assert_no_violations(&watcher, &text)?;
    ensure(watcher.removed().len() == scenario.nodes, || text.clone())?;
    ensure((1..=limit).contains(&watcher.max_unavailable()), || {
        format!("{} unavailable\n{text}", watcher.max_unavailable())
    })?;
    let new = with_image(scenario, "two").await?;
    ensure(new == scenario.nodes, || format!("{new} pods are new"))
}

async fn one_by_one(scenario: &Scenario<'_>) -> Result<(), Failed> {
    replace_all(scenario, "1", 1).await
}

async fn three_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    replace_all(scenario, "3", 3).await
}

async fn one_fifth_at_once(scenario: &Scenario<'_>) -> Result<(), Failed> {
    replace_all(scenario, "20%", 6).await
}

async fn zone_after_zone(scenario: &Scenario<'_>) -> Result<(), Failed> {
    for (index, zone) in ["x", "x", "x", "y", "y", "z"].iter().enumerate() {
        let mut node = scenario.node(&letter(index));
        node["metadata"]["labels"] = json!({"topology.kubernetes.io/zone": zone});
        scenario.plane.merge(&node).await?;
    }
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let text = start(scenario, &["--order", "zone"])?.wait_for_exit(0).await?;
    let order = watcher.removed();
    let expected = ["a", "d", "f", "b", "e", "c"].map(|letter| format!("zones-{letter}"));
    ensure(order == expected, || format!("{order:?}\n{text}"))
}

async fn canary_then_remaining_nodes(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let text = start(scenario, &["--canary", "1"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["Canary complete", "1 of 4 pods replaced, 3 not started"])?;
    ensure(watcher.removed() == ["canary-a"], || text.clone())?;
    let text = start(scenario, &[])?.wait_for_exit(0).await?;
    assert_contains(&text, &["Will replace outdated pods on 3 nodes", "(3 of 3 replaced)"])?;
    assert_no_violations(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

async fn canary_that_soaks(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let running = start(scenario, &["--canary", "2", "--soak", "4s"])?;
    running.wait_for("observing the canary for another ").await?;
    ensure(watcher.removed().len() == 2, || running.stdout())?;
    let text = running.wait_for_exit(0).await?;
    ensure(watcher.removed().len() == 4, || text.clone())?;
    assert_no_violations(&watcher, &text)
}

async fn crashing_image(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/crash": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let json = start(scenario, &["--dry-run=client", "-o", "json"])?.wait_for_exit(0).await?;
    ensure(documents(&json)?[0]["nodes"][0]["status"] == "Waiting", || json)?;
    let text = start(scenario, &["--node-timeout", "50s"])?.wait_for_exit(1).await?;
    assert_contains(
        &text,
        &[
            "crashes-a: failed: the new pod is crashing",
            "Stopped: 1 node failed, exceeding --max-failures: crashes-a",
            "0 of 4 pods replaced, 1 failed, 3 not started",
            "kubectl ds why-not crashes-a agent -n crashes",
        ],
    )?;
    ensure(watcher.removed() == ["crashes-a"], || text.clone())?;
    // Again: the crashing pod uses the budget, so no node is started.
    let json = start(scenario, &["--node-timeout", "2s", "-o", "json"])?.wait_for_exit(1).await?;
    let report = documents(&json)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "BudgetExhausted" && report["fix"]["lines"].is_array(), || json)?;
    ensure(with_image(scenario, "one").await? == 3, || text)
}

/// The JSON documents of a run: events, and a report at the end.
fn documents(text: &str) -> Result<Vec<Value>, Failed> {
    let lines: Vec<Value> = text.lines().map(document).collect::<Result<_, _>>()?;
    ensure(lines.last().is_some_and(|last| last["kind"] == "CycleReport"), || text.to_owned())?;
    Ok(lines)
}

async fn dry_runs_delete_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 0, None).await?;
    let before = uids(scenario).await?;
    for (arguments, expected) in [
        (&["--dry-run=client"][..], "Dry run: nothing was removed"),
        (&["--dry-run"], "Dry run: nothing was removed"),
        (&["--dry-run=server"], "would be removed (server-side dry run)"),
        (&["--dry-run=server", "--evict"], "would be removed (server-side dry run)"),
    ] {
        let text = start(scenario, arguments)?.wait_for_exit(0).await?;
        assert_contains(&text, &["Will replace outdated pods on 3 nodes", expected])?;
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
    let (_, stderr) = start(scenario, &[])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(
        &stderr,
        &["strategy/agent uses the RollingUpdate strategy", "kubectl ds rollout watch agent -n strategy", "--all"],
    )?;
    let watcher = watch(scenario, 1, None).await?;
    let before = uids(scenario).await?;
    let text = start(scenario, &["--all", "-o", "json"])?.wait_for_exit(0).await?;
    let lines = documents(&text)?;
    let replaced = lines.iter().filter(|line| line["type"] == "NodeReplaced").count();
    ensure(replaced == 3 && lines[lines.len() - 1]["outcome"] == "Finished", || text.clone())?;
    assert_no_violations(&watcher, &text)?;
    let after = uids(scenario).await?;
    ensure(after.len() == 3 && after.iter().all(|uid| !before.contains(uid)), || text)
}

async fn deleted_midway(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let running = start(scenario, &["-o", "json"])?;
    running.wait_for("\"Removing\"").await?;
    scenario.plane.delete(&scenario.agent()).await?;
    let text = running.wait_for_exit(1).await?;
    let lines = documents(&text)?;
    let last = &lines[lines.len() - 1];
    let code = &last["halt"]["code"];
    ensure(last["outcome"] == "Halted" && (code == "Deleted" || code == "Deleting"), || text.clone())
}

/// A policy that denies deletions is not a missing permission: the node fails, and no pod is removed.
async fn denied_by_a_policy(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
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
    assert_contains(
        &text,
        &["denied-a: failed: the pod was not removed: ", "pods stay here", "Stopped: 1 node failed"],
    )?;
    ensure(uids(scenario).await? == before, || text)
}

/// Creates a policy that denies these requests in the scenario's namespace. It is in force after a moment.
async fn deny(scenario: &Scenario<'_>, name: &str, rule: &Value, message: &str) -> Result<(), Failed> {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": scenario.name}});
    let api_version = "admissionregistration.k8s.io/v1";
    let mut policy = reference(api_version, "ValidatingAdmissionPolicy", None, name);
    policy["spec"] = json!({
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
        "validations": [{"expression": "false", "message": message}],
    });
    let mut binding = reference(api_version, "ValidatingAdmissionPolicyBinding", None, name);
    binding["spec"] = json!({"policyName": name, "validationActions": ["Deny"]});
    scenario.plane.create_all(&[policy, binding]).await
}
