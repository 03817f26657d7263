//! The lock: who gets it, who waits for it, and how it is lost and released.

use k8s_openapi::api::coordination::v1::Lease;

use super::*;

const LEASE: &str = "kubectl-ds-cycle-agent";

pub(super) async fn lease(scenario: &Scenario<'_>) -> Result<Option<Lease>, Failed> {
    let leases: Api<Lease> = Api::namespaced(scenario.plane.client(), scenario.name);
    leases.get_opt(LEASE).await.map_err(failed)
}

fn lease_object(scenario: &Scenario<'_>) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE, "namespace": scenario.name}})
}

pub(super) async fn is_released(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let left = lease(scenario).await?;
    ensure(left.is_none(), || format!("the lock was not released: {left:?}"))
}

/// A DaemonSet whose pods run an old revision, with a budget of one.
pub(super) async fn outdated(scenario: &Scenario<'_>, behavior: &Value) -> Result<InvariantWatcher, Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", behavior).await?;
    watch(scenario, 1, Some(current)).await
}

/// The second run names the process of the first, in lines and in JSON, and removes nothing.
pub(super) async fn second_run_names_the_holder(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let first = start(scenario, &[])?;
    first.wait_for("holder-a: deleting pod ").await?;
    let held = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default();
    let holder = held.holder_identity.unwrap_or_default();
    let process = format!("_{}_", first.id());
    ensure(holder.contains(&process) && held.lease_duration_seconds == Some(15), || holder.clone())?;
    let words = format!("another cycle holds the lock: {holder}, since 20");
    let text = start(scenario, &["--order", "oldest"])?.wait_for_exit(1).await?;
    assert_contains(&text, &[&words, "Nothing was removed: another cycle holds the lock", "--wait-for-lock"])?;
    let text = start(scenario, &["-o", "json"])?.wait_for_exit(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "Locked" && report["halt"]["holder"] == holder, || text.clone())?;
    ensure(report["lock"]["state"] == "Held" && report["lock"]["since"].is_string(), || text.clone())?;
    for dry_run in ["--dry-run=client", "--dry-run=server"] {
        assert_contains(&start(scenario, &[dry_run])?.wait_for_exit(0).await?, &[&words, "Dry run: nothing was removed"])?;
    }
    let text = start(scenario, &["--wait-for-lock=4s"])?.wait_for_exit(1).await?;
    assert_contains(&text, &["waits: another cycle holds the lock", "Nothing was removed"])?;
    ensure(watcher.removed() == ["holder-a"], || format!("{:?}", watcher.removed()))?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let text = first.wait_for_exit(0).await?;
    obeyed(&watcher, &text)?;
    is_released(scenario).await
}

/// The second run waits for the first to end, and goes on from what that left.
pub(super) async fn waiting_run_continues(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/slow": "*"})).await?;
    let first = start(scenario, &["--canary", "2"])?;
    first.wait_for("waits-a: deleting pod ").await?;
    let second = start(scenario, &["--wait-for-lock"])?;
    second.wait_for("waits: another cycle holds the lock: ").await?;
    let first = first.wait_for_exit(0).await?;
    assert_contains(&first, &["The canary is replaced"])?;
    let second = second.wait_for_exit(0).await?;
    assert_contains(&second, &["waits-b: left alone: somebody else replaced its pod", "\nDone\n"])?;
    obeyed(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.removed().len() == 4 && watcher.max_unavailable() == 1, || second)?;
    is_released(scenario).await
}

/// With --all both runs mean the same pods: the second one finds them replaced.
pub(super) async fn restarts_do_not_add_up(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let first = start(scenario, &["--all"])?;
    first.wait_for("restart-a: deleting pod ").await?;
    let second = start(scenario, &["--all", "--wait-for-lock"])?;
    let (first, second) = (first.wait_for_exit(0).await?, second.wait_for_exit(0).await?);
    obeyed(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.max_unavailable() == 1, || second.clone())?;
    // What the first run had replaced when the second one made its plan is replaced once more, and nothing else.
    ensure((3..=4).contains(&watcher.removed().len()), || format!("{:?}\n{second}", watcher.removed()))
}

/// A Lease whose holder was killed is taken over once it has expired, without a flag.
pub(super) async fn killed_holder_is_replaced(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/slow": "*"})).await?;
    let first = start(scenario, &[])?;
    first.wait_for("killed-b: deleting pod ").await?;
    kill(&first, "-KILL")?;
    let holder = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default().holder_identity;
    ensure(holder.is_some_and(|holder| holder.contains(&format!("_{}_", first.id()))), || "no lock is left".into())?;
    drop(first);
    let second = start(scenario, &[])?;
    second.wait_for("killed-c: deleting pod ").await?;
    let spec = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default();
    ensure(spec.lease_transitions == Some(1), || format!("{spec:?}"))?;
    let text = second.wait_for_exit(0).await?;
    assert_contains(&text, &["waits: another cycle holds the lock: ", "\nDone\n"])?;
    assert_not_contains(&text, &["killed-a: deleting"])?;
    obeyed(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)?;
    is_released(scenario).await
}

/// Somebody deletes the Lease: nothing more is removed, and the node in work is waited for.
pub(super) async fn deleted_lease_stops_it(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scenario, &["-o", "json"])?;
    running.wait_for("\"Removing\"").await?;
    scenario.plane.delete(&lease_object(scenario)).await?;
    running.wait_for("\"LockLost\"").await?;
    scenario.release_one().await?;
    let text = running.wait_for_exit(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "LockLost" && report["halt"]["holder"].is_null(), || text.clone())?;
    ensure(report["replaced"] == 1 && report["waiting"] == 2, || text.clone())?;
    ensure(watcher.removed() == ["deleted-a"], || text)
}

/// Somebody writes another holder into the Lease: it stays there.
pub(super) async fn other_holder_stops_it(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scenario, &[])?;
    running.wait_for("taken-a: deleting pod ").await?;
    let mut other = lease_object(scenario);
    other["spec"] = json!({"holderIdentity": "somebody-else"});
    scenario.plane.merge(&other).await?;
    running.wait_for("the lock is lost: the Lease has another holder, somebody-else").await?;
    scenario.release_one().await?;
    let text = running.wait_for_exit(1).await?;
    assert_contains(&text, &["Halted: the lock is lost", "1 of 3 nodes replaced, 2 not begun", "run the same command again"])?;
    ensure(watcher.removed() == ["taken-a"], || text)?;
    let holder = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default().holder_identity;
    ensure(holder.as_deref() == Some("somebody-else"), || format!("{holder:?}"))
}

/// The Lease may not be written any more: nothing is removed.
pub(super) async fn denied_renewal_halts_it(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scenario, &["-o", "json"])?;
    running.wait_for("\"Removing\"").await?;
    let rule = json!({
        "apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["leases"],
    });
    deny(scenario, "keep-leases", &rule, "leases stay as they are").await?;
    let renewed = async || Ok::<_, Failed>(lease(scenario).await?.and_then(|lease| lease.metadata.resource_version));
    wait_until("the Lease is not renewed any more", async || {
        let before = renewed().await.map_err(|failure| format!("{failure:?}"))?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = renewed().await.map_err(|failure| format!("{failure:?}"))?;
        if before == after { Ok(()) } else { Err("it is".into()) }
    })
    .await?;
    scenario.release_one().await?;
    let text = running.wait_for_exit(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "LockNotRenewed" && report["replaced"] == 1, || text.clone())?;
    assert_contains(&text, &["leases stay as they are"])?;
    ensure(watcher.removed() == ["renewal-a"], || text)?;
    // It may still be deleted.
    is_released(scenario).await
}

/// It ends by itself, by a signal, and by a second signal: the lock is free each time.
pub(super) async fn signals_release_it(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    for (index, (signal, code)) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)].into_iter().enumerate() {
        let running = start(scenario, &[])?;
        running.wait_for(": deleting pod ").await?;
        ensure(lease(scenario).await?.is_some(), || running.text())?;
        kill(&running, signal)?;
        running.wait_for("stopping: begins no further node").await?;
        scenario.release_one().await?;
        let text = running.wait_for_exit(code).await?;
        assert_contains(&text, &["Halted: it was asked to stop", "(1 of "])?;
        is_released(scenario).await?;
        ensure(watcher.removed().len() == index + 1, || text)?;
    }
    let running = start(scenario, &[])?;
    running.wait_for(": deleting pod ").await?;
    kill(&running, "-HUP")?;
    running.wait_for("stopping: begins no further node").await?;
    kill(&running, "-HUP")?;
    assert_contains(&running.wait_for_exit(129).await?, &["still in work"])?;
    is_released(scenario).await?;
    // While it waits for the lock nothing is in work.
    scenario
        .plane
        .create(&{
            let mut other = lease_object(scenario);
            other["spec"] = json!({"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600});
            other
        })
        .await?;
    let running = start(scenario, &["--wait-for-lock"])?;
    running.wait_for("waits: another cycle holds the lock: somebody-else").await?;
    kill(&running, "-INT")?;
    running.wait_for_exit(130).await?;
    ensure(lease(scenario).await?.is_some(), || "the lock of somebody else is gone".into())
}
