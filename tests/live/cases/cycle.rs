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
use crate::client::{ensure, failed, wait_until};
use crate::plane::{Builder, Plane};
use crate::reference::is_documented;
use crate::rollout::Running;
use crate::scene::{Scene, letter, never_says, none_is_wrong, overlay, play, says, template};
use watcher::{Rules, Watcher};

/// Nodes that a busy machine keeps from reporting in time are not down.
fn patient(ctx: &Ctx) -> Builder {
    Plane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(300))
}

/// Thirty nodes each, to the end.
pub(crate) fn fleets(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            play(plane, "one-by-one", 30, one_by_one),
            play(plane, "three", 30, three_at_once),
            play(plane, "fifth", 30, a_fifth_at_once),
        ];
        none_is_wrong(all).await
    })
}

/// Orders, canaries, and what ends a run before its time.
pub(crate) fn orders_and_ends(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            play(plane, "zones", 6, zone_after_zone),
            play(plane, "canary", 4, canary_and_then_the_rest),
            play(plane, "soak", 4, canary_that_soaks),
            play(plane, "crashes", 4, crashing_image),
            play(plane, "dry", 3, dry_runs_delete_nothing),
            play(plane, "strategy", 3, restart_of_a_rolling_update),
            play(plane, "gone", 3, deleted_midway),
            play(plane, "denied", 3, denied_by_a_policy),
        ];
        none_is_wrong(all).await
    })
}

/// What comes in between.
pub(crate) fn interruptions(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            play(plane, "blocked", 3, between::eviction_blocked_and_allowed),
            play(plane, "never", 3, between::eviction_never_allowed),
            play(plane, "changed", 4, between::template_changed_midway),
            play(plane, "killed", 4, between::killed_and_run_again),
            play(plane, "pretended", 3, between::removals_that_change_nothing),
            play(plane, "stops", 4, between::asked_to_stop),
            play(plane, "leaves", 4, between::asked_twice_to_stop),
            play(plane, "life", 6, between::facts_of_life),
        ];
        none_is_wrong(all).await
    })
}

/// The lock: who gets it, who waits, how it is lost and released.
pub(crate) fn locks(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            play(plane, "holder", 3, lock::second_run_names_the_holder),
            play(plane, "waits", 4, lock::waiting_run_continues),
            play(plane, "restart", 3, lock::restarts_do_not_add_up),
            play(plane, "killed", 4, lock::killed_holder_is_replaced),
            play(plane, "deleted", 3, lock::deleted_lease_stops_it),
            play(plane, "taken", 3, lock::other_holder_stops_it),
            play(plane, "renewal", 3, lock::denied_renewal_halts_it),
            play(plane, "signals", 5, lock::signals_release_it),
            play(plane, "rights", 3, rights::locks_need_rights),
        ];
        none_is_wrong(all).await
    })
}

/// Runs that sleep, as on a laptop that is closed.
pub(crate) fn suspends(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            play(plane, "sleeps", 3, suspend::slept_through_the_timeout),
            play(plane, "spent", 3, suspend::slept_through_a_spent_budget),
            play(plane, "over", 3, suspend::slept_until_another_took_over),
            play(plane, "alone", 3, suspend::slept_alone),
        ];
        none_is_wrong(all).await
    })
}

/// The API server is away for longer than a lock is valid: nobody else can have taken it.
pub(crate) fn outlives_the_api_server(ctx: &Ctx) -> Result<(), Failed> {
    const OUTAGE: Duration = Duration::from_secs(18);
    let mut plane = patient(ctx).start()?;
    let (running, watcher) = plane.run(async |plane| {
        let scene = Scene { plane, name: "outage", nodes: 2 };
        scene.set().await?;
        let watcher = lock::outdated(&scene, &json!({"ds.test/slow": "*"})).await?;
        let running = start(&scene, &[])?;
        running.until("outage-a: deleting pod ").await?;
        Ok((running, watcher))
    })?;
    plane.stop_api_server()?;
    std::thread::sleep(OUTAGE);
    plane.start_api_server()?;
    plane.run(async |plane| {
        let text = running.ends(0).await?;
        says(&text, &["(2 of 2 replaced)", "\nDone\n"])?;
        obeyed(&watcher, &text)?;
        lock::is_released(&Scene { plane, name: "outage", nodes: 2 }).await
    })
}

/// Terminals that go away.
pub(crate) fn hangups(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            play(plane, "closed", 3, hangup::closed_terminal_stops_it),
            play(plane, "ends", 2, hangup::closed_terminal_ends_a_watch),
            play(plane, "ignored", 3, hangup::ignored_hangup_stops_nothing),
        ];
        none_is_wrong(all).await
    })
}

/// Nodes that fall silent.
pub(crate) fn dead_nodes(ctx: &Ctx) -> Result<(), Failed> {
    Plane::builder(&ctx.programs).start()?.run(async |plane| {
        let all =
            [play(plane, "dies", 3, between::node_dies_in_work), play(plane, "down", 3, between::node_down_before)];
        none_is_wrong(all).await
    })
}

/// A DaemonSet with `OnDelete` at rest on all nodes.
async fn begin(scene: &Scene<'_>, spec: &Value) -> Result<(), Failed> {
    let mut on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    overlay(&mut on_delete, spec);
    scene.begin(&on_delete).await
}

/// Changes the template, and waits until the controller has made a revision of it.
async fn update(scene: &Scene<'_>, image: &str, behaviour: &Value) -> Result<String, Failed> {
    scene.change(&template(image, behaviour)).await?;
    let revisions: Api<ControllerRevision> = Api::namespaced(scene.plane.client(), scene.name);
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

async fn watch(scene: &Scene<'_>, budget: usize, current: Option<String>) -> Result<Watcher, Failed> {
    let sets: Api<DaemonSet> = Api::namespaced(scene.plane.client(), scene.name);
    let owner = sets.get("agent").await.map_err(failed)?.uid().unwrap_or_default();
    Watcher::start(scene.plane, scene.name, Rules { budget, owner, current }).await
}

fn start(scene: &Scene<'_>, arguments: &[&str]) -> Result<Running, Failed> {
    Running::start(scene.plane, &[&["cycle", "agent", "-n", scene.name, "--yes"], arguments].concat())
}

async fn uids(scene: &Scene<'_>) -> Result<Vec<String>, Failed> {
    let mut uids: Vec<String> = scene.pods().await?.iter().filter_map(ResourceExt::uid).collect();
    uids.sort_unstable();
    Ok(uids)
}

/// How many pods run this image and are not on their way out.
async fn with_image(scene: &Scene<'_>, image: &str) -> Result<usize, Failed> {
    let has = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        pod.metadata.deletion_timestamp.is_none()
            && spec.is_some_and(|spec| spec.containers.iter().any(|one| one.image.as_deref() == Some(image)))
    };
    Ok(scene.pods().await?.iter().filter(has).count())
}

fn obeyed(watcher: &Watcher, text: &str) -> Result<(), Failed> {
    let violations = watcher.violations();
    ensure(violations.is_empty(), || format!("{violations:#?}\n{text}"))
}

fn kill(running: &Running, signal: &str) -> Result<(), Failed> {
    let status = std::process::Command::new("kill").arg(signal).arg(running.id().to_string()).status()?;
    ensure(status.success(), || format!("kill {signal}: {status}"))
}

async fn to_the_end(scene: &Scene<'_>, budget: &str, limit: usize) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    let watcher = watch(scene, limit, Some(current)).await?;
    let text = start(scene, &["--max-unavailable", budget])?.ends(0).await?;
    says(&text, &[&format!("({} of {} replaced)", scene.nodes, scene.nodes), "\nDone\n"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == scene.nodes, || text.clone())?;
    ensure((1..=limit).contains(&watcher.most_out()), || format!("{} out\n{text}", watcher.most_out()))?;
    let new = with_image(scene, "two").await?;
    ensure(new == scene.nodes, || format!("{new} pods are new"))
}

async fn one_by_one(scene: &Scene<'_>) -> Result<(), Failed> {
    to_the_end(scene, "1", 1).await
}

async fn three_at_once(scene: &Scene<'_>) -> Result<(), Failed> {
    to_the_end(scene, "3", 3).await
}

async fn a_fifth_at_once(scene: &Scene<'_>) -> Result<(), Failed> {
    to_the_end(scene, "20%", 6).await
}

async fn zone_after_zone(scene: &Scene<'_>) -> Result<(), Failed> {
    for (index, zone) in ["x", "x", "x", "y", "y", "z"].iter().enumerate() {
        let mut node = scene.node(&letter(index));
        node["metadata"]["labels"] = json!({"topology.kubernetes.io/zone": zone});
        scene.plane.merge(&node).await?;
    }
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let text = start(scene, &["--order", "zone"])?.ends(0).await?;
    let order = watcher.removed();
    let wanted = ["a", "d", "f", "b", "e", "c"].map(|letter| format!("zones-{letter}"));
    ensure(order == wanted, || format!("{order:?}\n{text}"))
}

async fn canary_and_then_the_rest(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let text = start(scene, &["--canary", "1"])?.ends(0).await?;
    says(&text, &["The canary is replaced", "1 of 4 nodes replaced, 3 not begun"])?;
    ensure(watcher.removed() == ["canary-a"], || text.clone())?;
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["Replaces the old pods on 3 nodes", "(3 of 3 replaced)"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

async fn canary_that_soaks(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({})).await?;
    let watcher = watch(scene, 1, None).await?;
    let running = start(scene, &["--canary", "2", "--soak", "4s"])?;
    running.until("watches the canary for ").await?;
    ensure(watcher.removed().len() == 2, || running.text())?;
    let text = running.ends(0).await?;
    ensure(watcher.removed().len() == 4, || text.clone())?;
    obeyed(&watcher, &text)
}

async fn crashing_image(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/crash": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let json = start(scene, &["--dry-run=client", "-o", "json"])?.ends(0).await?;
    ensure(documents(&json)?[0]["nodes"][0]["status"] == "Waiting", || json)?;
    let text = start(scene, &["--node-timeout", "50s"])?.ends(1).await?;
    says(
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
    let json = start(scene, &["--node-timeout", "2s", "-o", "json"])?.ends(1).await?;
    let report = documents(&json)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "BudgetSpent" && report["fix"]["lines"].is_array(), || json)?;
    ensure(with_image(scene, "one").await? == 3, || text)
}

/// What it wrote in JSON: every event is one of the reference.
fn documents(text: &str) -> Result<Vec<Value>, Failed> {
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(failed)?;
    lines.iter().filter(|line| line["kind"] == "CycleEvent").try_for_each(is_documented)?;
    ensure(lines.last().is_some_and(|last| last["kind"] == "CycleReport"), || text.to_owned())?;
    Ok(lines)
}

async fn dry_runs_delete_nothing(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({})).await?;
    let watcher = watch(scene, 0, None).await?;
    let before = uids(scene).await?;
    for (arguments, words) in [
        (&["--dry-run=client"][..], "Dry run: nothing was removed"),
        (&["--dry-run"], "Dry run: nothing was removed"),
        (&["--dry-run=server"], "would be removed (server dry run)"),
        (&["--dry-run=server", "--evict"], "would be removed (server dry run)"),
    ] {
        let text = start(scene, arguments)?.ends(0).await?;
        says(&text, &["Replaces the old pods on 3 nodes", words])?;
    }
    let text = start(scene, &["--dry-run=server", "-o", "json"])?.ends(0).await?;
    let lines = documents(&text)?;
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    ensure(kinds == ["CycleEvent", "CycleEvent", "CycleEvent", "CycleReport"], || text.clone())?;
    ensure(lines[3]["outcome"] == "Planned" && lines[3]["planned"] == 3, || text.clone())?;
    ensure(uids(scene).await? == before && watcher.removed().is_empty(), || text)
}

async fn restart_of_a_rolling_update(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({"updateStrategy": {"type": "RollingUpdate"}})).await?;
    let (_, said) = start(scene, &[])?.ends_with_remarks(2).await?;
    says(
        &said,
        &[
            "the update strategy of strategy/agent is RollingUpdate",
            "kubectl ds rollout watch agent -n strategy",
            "--all",
        ],
    )?;
    let watcher = watch(scene, 1, None).await?;
    let before = uids(scene).await?;
    let text = start(scene, &["--all", "-o", "json"])?.ends(0).await?;
    let lines = documents(&text)?;
    let replaced = lines.iter().filter(|line| line["event"] == "NodeReplaced").count();
    ensure(replaced == 3 && lines[lines.len() - 1]["outcome"] == "Finished", || text.clone())?;
    obeyed(&watcher, &text)?;
    let after = uids(scene).await?;
    ensure(after.len() == 3 && after.iter().all(|uid| !before.contains(uid)), || text)
}

async fn deleted_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let running = start(scene, &["-o", "json"])?;
    running.until("\"Removing\"").await?;
    scene.plane.delete(&scene.agent()).await?;
    let text = running.ends(1).await?;
    let lines = documents(&text)?;
    let last = &lines[lines.len() - 1];
    let code = &last["halt"]["code"];
    ensure(last["outcome"] == "Halted" && (code == "Deleted" || code == "BeingDeleted"), || text.clone())
}

/// A policy that denies deletions is no lack of rights: the node fails, and nothing is taken.
async fn denied_by_a_policy(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({})).await?;
    let before = uids(scene).await?;
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"]});
    deny(scene, "keep-pods", &rule, "pods stay here").await?;
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let name = scene.pods().await?[0].name_any();
    wait_until("the policy is in force", async || {
        match pods.delete(&name, &kube::api::DeleteParams::default().dry_run()).await {
            Err(kube::Error::Api(status)) if status.message.contains("pods stay here") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let text = start(scene, &[])?.ends(1).await?;
    says(&text, &["denied-a: failed: its pod was not removed: ", "pods stay here", "Halted: 1 node failed"])?;
    ensure(uids(scene).await? == before, || text)
}

/// A policy denies these requests in the scene's namespace; it takes a moment until it does.
async fn deny(scene: &Scene<'_>, name: &str, rule: &Value, message: &str) -> Result<(), Failed> {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.name}});
    scene
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
