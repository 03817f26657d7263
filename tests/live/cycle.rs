//! `cycle` on a real control plane, with somebody who watches from outside what it takes away.

pub(crate) mod chaos;
mod fault_proxy;
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
use crate::scenarios::{Scene, letter, never_says, none_is_wrong, overlay, play, says, template};
use watcher::{Rules, Watcher};

const LIMIT: Duration = Duration::from_secs(60);

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
            play(plane, "blocked", 3, eviction_blocked_and_allowed),
            play(plane, "never", 3, eviction_never_allowed),
            play(plane, "changed", 4, template_changed_midway),
            play(plane, "killed", 4, killed_and_run_again),
            play(plane, "two", 6, two_at_once),
            play(plane, "stops", 4, asked_to_stop),
            play(plane, "leaves", 4, asked_twice_to_stop),
            play(plane, "life", 6, facts_of_life),
        ];
        none_is_wrong(all).await
    })
}

/// Nodes that fall silent.
pub(crate) fn dead_nodes(ctx: &Ctx) -> Result<(), Failed> {
    Plane::builder(&ctx.programs).start()?.run(async |plane| {
        let all = [play(plane, "dies", 3, node_dies_in_work), play(plane, "down", 3, node_down_before)];
        none_is_wrong(all).await
    })
}

/// Who may only read is told before anything is deleted, and who may not even read is told too.
pub(crate) fn needs_rights(ctx: &Ctx) -> Result<(), Failed> {
    Plane::builder(&ctx.programs).start()?.run(async |plane| {
        let scene = Scene { plane, name: "rights", nodes: 3 };
        scene.set().await?;
        begin(&scene, &json!({})).await?;
        update(&scene, "two", &json!({})).await?;
        let before = uids(&scene).await?;
        let nobody = plane.ds_as("nobody", &["cycle", "agent", "-n", "rights", "--yes"]);
        let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
        ensure(nobody.status.code() == Some(2) && said.contains("cannot list"), || said.clone())?;
        let core = json!([
            {"apiGroups": [""], "resources": ["pods", "nodes", "events"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["daemonsets", "controllerrevisions"], "verbs": ["get", "list", "watch"]},
        ]);
        plane.create_all(&[
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": core}),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reader"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
            }),
        ])
        .await?;
        for (arguments, right) in [(&["--yes"][..], "cannot delete pods"), (&["--yes", "--evict"], "cannot create pods/eviction")] {
            let arguments = [&["cycle", "agent", "-n", "rights"], arguments].concat();
            let said = wait_until("the reader may read, and not delete", LIMIT, async || {
                let output = plane.ds_as("nobody", &arguments);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let is_told = output.status.code() == Some(2) && said.contains(right);
                if is_told { Ok(said) } else { Err(format!("{:?} {said}", output.status)) }
            })
            .await?;
            ensure(said.contains("hint: ask for the right to"), || said)?;
        }
        let after = uids(&scene).await?;
        ensure(before == after, || format!("{before:?} -> {after:?}"))
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
    wait_until("the new revision is there", LIMIT, async || {
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

async fn node_dies_in_work(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/starting": "dies-a"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("dies-a: deleting pod ").await?;
    wait_until("the new pod is there", LIMIT, async || match with_image(scene, "two").await {
        Ok(1..) => Ok(()),
        _ => Err("not yet".into()),
    })
    .await?;
    scene.silence("a", true).await?;
    // Nobody knows whether it comes back, so nothing else is begun.
    ensure(watcher.removed().len() == 1, || running.text())?;
    let pods = scene.pods().await?;
    for pod in pods.iter().filter(|pod| pod.spec.as_ref().is_some_and(|s| s.node_name.as_deref() == Some("dies-a"))) {
        let mut pod = scene.pod(&pod.name_any());
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        scene.plane.merge(&pod).await?;
    }
    ensure(watcher.removed().len() == 1, || running.text())?;
    scene.silence("a", false).await?;
    let text = running.ends(0).await?;
    says(&text, &["dies-a: replaced by ", "(3 of 3 replaced)"])?;
    obeyed(&watcher, &text)
}

async fn node_down_before(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    scene.silence("b", true).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["1 node left alone:", "down-b: the node is not ready", "--include-not-ready", "(2 of 2 replaced)"])?;
    ensure(watcher.removed() == ["down-a", "down-c"], || text.clone())?;
    obeyed(&watcher, &text)
}

fn disruption_budget(scene: &Scene<'_>, spec: &Value) -> Value {
    let mut budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep", "namespace": scene.name},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}},
    });
    overlay(&mut budget["spec"], spec);
    budget
}

/// Allowed by the budget as soon as one more pod is healthy: a node more, as the budget cannot be lowered from inside.
async fn eviction_blocked_and_allowed(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({})).await?;
    let blocker = disruption_budget(scene, &json!({"minAvailable": 2}));
    scene.plane.create(&blocker).await?;
    // One pod that is not well takes the last disruption that the budget allows.
    let sick = scene
        .pods()
        .await?
        .into_iter()
        .find(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some("blocked-c")));
    let mut sick = scene.pod(&sick.ok_or_else(|| failed("no pod on c"))?.name_any());
    sick["metadata"]["annotations"] = json!({"ds.test/never-ready": "*"});
    scene.plane.merge(&sick).await?;
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let name = sick["metadata"]["name"].as_str().unwrap_or_default();
    let patch = kube::api::Patch::Strategic(&status);
    pods.patch_status(name, &Default::default(), &patch).await.map_err(failed)?;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(scene.plane.client(), scene.name);
    wait_until("the budget allows nothing", LIMIT, async || {
        let status = budgets.get("keep").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.expected_pods == Some(3) && status.disruptions_allowed == Some(0) {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await?;
    let watcher = watch(scene, 2, Some(current)).await?;
    // The sick one may be evicted: that would bring back a healthy one.
    let running = start(scene, &["--evict", "--max-unavailable", "2", "--node", "blocked-a", "--node", "blocked-b"])?;
    running
        .until("not removed yet, trying again: Cannot evict pod as it would violate the pod's disruption budget")
        .await?;
    ensure(watcher.removed().is_empty(), || running.text())?;
    scene.plane.merge(&disruption_budget(scene, &json!({"minAvailable": 1}))).await?;
    let text = running.ends(0).await?;
    says(&text, &["blocked-a: evicting pod ", "(2 of 2 replaced)"])?;
    obeyed(&watcher, &text)
}

async fn eviction_never_allowed(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({})).await?;
    let before = uids(scene).await?;
    for (spec, words) in [
        (json!({"maxUnavailable": 1}), "maxUnavailable: 1 cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": "50%"}), "minAvailable: 50% cannot be computed for pods of a DaemonSet"),
        (json!({"minAvailable": 3}), "its minAvailable is 3, and it covers 3 pods"),
    ] {
        let budget = disruption_budget(scene, &spec);
        scene.plane.create(&budget).await?;
        let (_, said) = start(scene, &["--evict"])?.ends_with_remarks(2).await?;
        says(&said, &["the PodDisruptionBudget keep can never allow an eviction", words, "hint: "])?;
        // The disruption controller says the same: it allows none, and where it cannot compute, it says so.
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(scene.plane.client(), scene.name);
        wait_until("the budget allows nothing", LIMIT, async || {
            let budget = budgets.get("keep").await.map_err(|error| error.to_string())?;
            let status = budget.status.clone().unwrap_or_default();
            let condition = status.conditions.iter().flatten().find(|one| one.type_ == "DisruptionAllowed");
            let expected = if spec["minAvailable"] == 3 { "InsufficientPods" } else { "SyncFailed" };
            let is_so = status.disruptions_allowed == Some(0) && condition.is_some_and(|one| one.reason == expected);
            if is_so { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await?;
        scene.plane.delete(&budget).await?;
    }
    ensure(uids(scene).await? == before, || "a pod was removed".into())
}

async fn template_changed_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, None).await?;
    let running = start(scene, &[])?;
    running.until("(1 of 4 replaced)").await?;
    update(scene, "three", &json!({})).await?;
    let text = running.ends(1).await?;
    says(&text, &["Halted: the template was changed: it is revision "])?;
    ensure(watcher.removed().len() <= 2, || text.clone())?;
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["\nDone\n"])?;
    ensure(with_image(scene, "three").await? == 4, || text.clone())?;
    obeyed(&watcher, &text)
}

async fn killed_and_run_again(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("killed-b: deleting pod ").await?;
    kill(&running, "-KILL")?;
    drop(running);
    let text = start(scene, &[])?.ends(0).await?;
    says(&text, &["\nDone\n"])?;
    never_says(&text, &["killed-a: deleting"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)
}

async fn two_at_once(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let (one, other) = (start(scene, &[])?, start(scene, &[])?);
    let (one, other) = (one.ends(0).await?, other.ends(0).await?);
    obeyed(&watcher, &format!("{one}\n{other}"))?;
    ensure(watcher.removed().len() == 6 && watcher.most_out() == 1, || format!("{one}\n{other}"))
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

async fn asked_to_stop(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, None).await?;
    let running = start(scene, &[])?;
    running.until("stops-a: deleting pod ").await?;
    kill(&running, "-INT")?;
    let text = running.ends(130).await?;
    says(
        &text,
        &[
            "stopping: begins no further node",
            "stops-a: replaced by ",
            "Halted: it was asked to stop",
            "1 of 4 nodes replaced, 3 not begun",
        ],
    )?;
    ensure(watcher.removed() == ["stops-a"], || text)
}

async fn asked_twice_to_stop(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/never-ready": "*"})).await?;
    let running = start(scene, &[])?;
    running.until("leaves-a: deleting pod ").await?;
    kill(&running, "-TERM")?;
    running.until("stopping: begins no further node").await?;
    kill(&running, "-TERM")?;
    let text = running.ends(143).await?;
    says(&text, &["leaves-a … still in work"])
}

/// A finalizer that keeps a pod, a long grace period, an orphan, a node that is tainted and one that vanishes midway,
/// and one that joins.
async fn facts_of_life(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let pods = scene.pods().await?;
    let on = |letter: &str| {
        let node = format!("life-{letter}");
        pods.iter()
            .find(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(&node)))
            .map(ResourceExt::name_any)
    };
    let kept = on("a").ok_or_else(|| failed("no pod on a"))?;
    let mut pod = scene.pod(&kept);
    pod["metadata"]["finalizers"] = json!(["ds.test/kept"]);
    scene.plane.merge(&pod).await?;
    let current = update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("life-a: deleting pod ").await?;
    scene.plane.create(&scene.node("x")).await?;
    let mut tainted = scene.node("c");
    tainted["spec"] = json!({"taints": [{"key": "own", "effect": "NoSchedule"}]});
    scene.plane.merge(&tainted).await?;
    scene.plane.delete(&scene.node("d")).await?;
    // The pod is kept for as long as the finalizer is there.
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let going = pods.get(&kept).await.map_err(failed)?;
    ensure(going.metadata.deletion_timestamp.is_some() && watcher.removed() == ["life-a"], || running.text())?;
    pod["metadata"]["finalizers"] = json!(null);
    scene.plane.merge(&pod).await?;
    let text = running.ends(0).await?;
    says(
        &text,
        &[
            "life-a: replaced by ",
            "life-b: replaced by ",
            "life-c - no pod is wanted there any more",
            "life-d - the node is gone",
        ],
    )?;
    obeyed(&watcher, &text)?;
    let nodes: Api<Node> = Api::all(scene.plane.client());
    nodes.get("life-x").await.map_err(failed)?;
    // a, b, e, f and the one that joined.
    ensure(with_image(scene, "two").await? == 5, || text)
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
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": scene.name}});
    scene
        .plane
        .create_all(&[
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "keep-pods"},
                "spec": {
                    "matchConstraints": {"namespaceSelector": selector, "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"]},
                    ]},
                    "validations": [{"expression": "false", "message": "pods stay here"}],
                },
            }),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "keep-pods"},
                "spec": {"policyName": "keep-pods", "validationActions": ["Deny"]},
            }),
        ])
        .await?;
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let name = scene.pods().await?[0].name_any();
    wait_until("the policy is in force", LIMIT, async || {
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
