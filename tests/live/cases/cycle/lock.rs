//! The lock: who gets it, who waits for it, and how it is lost and released.

use k8s_openapi::api::coordination::v1::Lease;

use super::*;

const LEASE: &str = "kubectl-ds-cycle-agent";

pub(super) async fn lease(scene: &Scene<'_>) -> Result<Option<Lease>, Failed> {
    let leases: Api<Lease> = Api::namespaced(scene.plane.client(), scene.name);
    leases.get_opt(LEASE).await.map_err(failed)
}

fn lease_object(scene: &Scene<'_>) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE, "namespace": scene.name}})
}

pub(super) async fn is_released(scene: &Scene<'_>) -> Result<(), Failed> {
    let left = lease(scene).await?;
    ensure(left.is_none(), || format!("the lock was not released: {left:?}"))
}

/// A DaemonSet whose pods run an old revision, with a budget of one.
pub(super) async fn outdated(scene: &Scene<'_>, behaviour: &Value) -> Result<Watcher, Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", behaviour).await?;
    watch(scene, 1, Some(current)).await
}

/// The second run names the process of the first, in lines and in JSON, and removes nothing.
pub(super) async fn second_run_names_the_holder(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/starting": "*"})).await?;
    let first = start(scene, &[])?;
    first.until("holder-a: deleting pod ").await?;
    let held = lease(scene).await?.and_then(|lease| lease.spec).unwrap_or_default();
    let holder = held.holder_identity.unwrap_or_default();
    let process = format!("_{}_", first.id());
    ensure(holder.contains(&process) && held.lease_duration_seconds == Some(15), || holder.clone())?;
    let words = format!("another cycle holds the lock: {holder}, since 20");
    let text = start(scene, &["--order", "oldest"])?.ends(1).await?;
    says(&text, &[&words, "Nothing was removed: another cycle holds the lock", "--wait-for-lock"])?;
    let text = start(scene, &["-o", "json"])?.ends(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "Locked" && report["halt"]["holder"] == holder, || text.clone())?;
    ensure(report["lock"]["state"] == "Held" && report["lock"]["since"].is_string(), || text.clone())?;
    for dry_run in ["--dry-run=client", "--dry-run=server"] {
        says(&start(scene, &[dry_run])?.ends(0).await?, &[&words, "Dry run: nothing was removed"])?;
    }
    let text = start(scene, &["--wait-for-lock=4s"])?.ends(1).await?;
    says(&text, &["waits: another cycle holds the lock", "Nothing was removed"])?;
    ensure(watcher.removed() == ["holder-a"], || format!("{:?}", watcher.removed()))?;
    for _ in 0..3 {
        scene.release_one().await?;
    }
    let text = first.ends(0).await?;
    obeyed(&watcher, &text)?;
    is_released(scene).await
}

/// The second run waits for the first to end, and goes on from what that left.
pub(super) async fn waiting_run_continues(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/slow": "*"})).await?;
    let first = start(scene, &["--canary", "2"])?;
    first.until("waits-a: deleting pod ").await?;
    let second = start(scene, &["--wait-for-lock"])?;
    second.until("waits: another cycle holds the lock: ").await?;
    let first = first.ends(0).await?;
    says(&first, &["The canary is replaced"])?;
    let second = second.ends(0).await?;
    says(&second, &["waits-b: left alone: somebody else replaced its pod", "\nDone\n"])?;
    obeyed(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.removed().len() == 4 && watcher.most_out() == 1, || second)?;
    is_released(scene).await
}

/// With --all both runs mean the same pods: the second one finds them replaced.
pub(super) async fn restarts_do_not_add_up(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, None).await?;
    let first = start(scene, &["--all"])?;
    first.until("restart-a: deleting pod ").await?;
    let second = start(scene, &["--all", "--wait-for-lock"])?;
    let (first, second) = (first.ends(0).await?, second.ends(0).await?);
    obeyed(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.most_out() == 1, || second.clone())?;
    // What the first run had replaced when the second one made its plan is replaced once more, and nothing else.
    ensure((3..=4).contains(&watcher.removed().len()), || format!("{:?}\n{second}", watcher.removed()))
}

/// A Lease whose holder was killed is taken over once it has expired, without a flag.
pub(super) async fn killed_holder_is_replaced(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/slow": "*"})).await?;
    let first = start(scene, &[])?;
    first.until("killed-b: deleting pod ").await?;
    kill(&first, "-KILL")?;
    let holder = lease(scene).await?.and_then(|lease| lease.spec).unwrap_or_default().holder_identity;
    ensure(holder.is_some_and(|holder| holder.contains(&format!("_{}_", first.id()))), || "no lock is left".into())?;
    drop(first);
    let second = start(scene, &[])?;
    second.until("killed-c: deleting pod ").await?;
    let spec = lease(scene).await?.and_then(|lease| lease.spec).unwrap_or_default();
    ensure(spec.lease_transitions == Some(1), || format!("{spec:?}"))?;
    let text = second.ends(0).await?;
    says(&text, &["waits: another cycle holds the lock: ", "\nDone\n"])?;
    never_says(&text, &["killed-a: deleting"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)?;
    is_released(scene).await
}

/// Somebody deletes the Lease: nothing more is removed, and the node in work is waited for.
pub(super) async fn deleted_lease_stops_it(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scene, &["-o", "json"])?;
    running.until("\"Removing\"").await?;
    scene.plane.delete(&lease_object(scene)).await?;
    running.until("\"LockLost\"").await?;
    scene.release_one().await?;
    let text = running.ends(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "LockLost" && report["halt"]["holder"].is_null(), || text.clone())?;
    ensure(report["replaced"] == 1 && report["waiting"] == 2, || text.clone())?;
    ensure(watcher.removed() == ["deleted-a"], || text)
}

/// Somebody writes another holder into the Lease: it stays there.
pub(super) async fn other_holder_stops_it(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scene, &[])?;
    running.until("taken-a: deleting pod ").await?;
    let mut other = lease_object(scene);
    other["spec"] = json!({"holderIdentity": "somebody-else"});
    scene.plane.merge(&other).await?;
    running.until("the lock is lost: the Lease has another holder, somebody-else").await?;
    scene.release_one().await?;
    let text = running.ends(1).await?;
    says(&text, &["Halted: the lock is lost", "1 of 3 nodes replaced, 2 not begun", "run the same command again"])?;
    ensure(watcher.removed() == ["taken-a"], || text)?;
    let holder = lease(scene).await?.and_then(|lease| lease.spec).unwrap_or_default().holder_identity;
    ensure(holder.as_deref() == Some("somebody-else"), || format!("{holder:?}"))
}

/// The Lease may not be written any more: nothing is removed.
pub(super) async fn denied_renewal_halts_it(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scene, &["-o", "json"])?;
    running.until("\"Removing\"").await?;
    let rule = json!({
        "apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["leases"],
    });
    deny(scene, "keep-leases", &rule, "leases stay as they are").await?;
    let renewed = async || Ok::<_, Failed>(lease(scene).await?.and_then(|lease| lease.metadata.resource_version));
    wait_until("the Lease is not renewed any more", async || {
        let before = renewed().await.map_err(|failure| format!("{failure:?}"))?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = renewed().await.map_err(|failure| format!("{failure:?}"))?;
        if before == after { Ok(()) } else { Err("it is".into()) }
    })
    .await?;
    scene.release_one().await?;
    let text = running.ends(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "LockNotRenewed" && report["replaced"] == 1, || text.clone())?;
    says(&text, &["leases stay as they are"])?;
    ensure(watcher.removed() == ["renewal-a"], || text)?;
    // It may still be deleted.
    is_released(scene).await
}

/// It ends by itself, by a signal, and by a second signal: the lock is free each time.
pub(super) async fn signals_release_it(scene: &Scene<'_>) -> Result<(), Failed> {
    let watcher = outdated(scene, &json!({"ds.test/starting": "*"})).await?;
    for (index, (signal, code)) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)].into_iter().enumerate() {
        let running = start(scene, &[])?;
        running.until(": deleting pod ").await?;
        ensure(lease(scene).await?.is_some(), || running.text())?;
        kill(&running, signal)?;
        running.until("stopping: begins no further node").await?;
        scene.release_one().await?;
        let text = running.ends(code).await?;
        says(&text, &["Halted: it was asked to stop", "(1 of "])?;
        is_released(scene).await?;
        ensure(watcher.removed().len() == index + 1, || text)?;
    }
    let running = start(scene, &[])?;
    running.until(": deleting pod ").await?;
    kill(&running, "-HUP")?;
    running.until("stopping: begins no further node").await?;
    kill(&running, "-HUP")?;
    says(&running.ends(129).await?, &["still in work"])?;
    is_released(scene).await?;
    // While it waits for the lock nothing is in work.
    scene
        .plane
        .create(&{
            let mut other = lease_object(scene);
            other["spec"] = json!({"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600});
            other
        })
        .await?;
    let running = start(scene, &["--wait-for-lock"])?;
    running.until("waits: another cycle holds the lock: somebody-else").await?;
    kill(&running, "-INT")?;
    running.ends(130).await?;
    ensure(lease(scene).await?.is_some(), || "the lock of somebody else is gone".into())
}
