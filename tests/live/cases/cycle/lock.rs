//! The lock: acquired, waited for, lost and released.

use k8s_openapi::api::coordination::v1::Lease;

use super::*;

const LEASE: &str = "kubectl-ds-cycle-agent";

pub(super) async fn lease(scenario: &Scenario<'_>) -> Result<Option<Lease>, Failed> {
    let leases: Api<Lease> = Api::namespaced(scenario.plane.client(), scenario.name);
    leases.get_opt(LEASE).await.map_err(failed)
}

fn lease_reference(scenario: &Scenario<'_>) -> Value {
    reference("coordination.k8s.io/v1", "Lease", Some(scenario.name), LEASE)
}

pub(super) async fn is_released(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let left = lease(scenario).await?;
    ensure(left.is_none(), || format!("the lock was not released: {left:?}"))
}

/// A DaemonSet whose pods run an old revision, with a budget of one.
pub(super) async fn outdated(scenario: &Scenario<'_>, behavior: &Value) -> Result<InvariantWatcher, Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", behavior).await?;
    watch(scenario, 1, Some(current)).await
}

/// The second run names the process of the first, as text and in JSON, and removes nothing.
pub(super) async fn second_run_names_the_holder(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let first = start(scenario, &[])?;
    first.wait_for("holder-a: deleting pod ").await?;
    let spec = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    let process = format!("_{}_", first.id());
    ensure(holder.contains(&process) && spec.lease_duration_seconds == Some(15), || holder.clone())?;
    let locked = format!("another command holds the lock: {holder}, since 20");
    let text = start(scenario, &["--order", "oldest"])?.wait_for_exit(1).await?;
    assert_contains(&text, &[&locked, "Nothing was removed: another command holds the lock", "--wait-for-lock"])?;
    let text = start(scenario, &["-o", "json"])?.wait_for_exit(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "Locked" && report["halt"]["holder"] == holder, || text.clone())?;
    ensure(report["lock"]["state"] == "Held" && report["lock"]["since"].is_string(), || text.clone())?;
    for dry_run in ["--dry-run=client", "--dry-run=server"] {
        assert_contains(
            &start(scenario, &[dry_run])?.wait_for_exit(0).await?,
            &[&locked, "Dry run: nothing was removed"],
        )?;
    }
    let text = start(scenario, &["--wait-for-lock=4s"])?.wait_for_exit(1).await?;
    assert_contains(&text, &["waiting: another command holds the lock", "Nothing was removed"])?;
    ensure(watcher.removed() == ["holder-a"], || format!("{:?}", watcher.removed()))?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let text = first.wait_for_exit(0).await?;
    assert_no_violations(&watcher, &text)?;
    is_released(scenario).await
}

/// The second run waits for the first, and continues with the remaining nodes.
pub(super) async fn waiting_run_continues(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/slow": "*"})).await?;
    let first = start(scenario, &["--canary", "2"])?;
    first.wait_for("second-a: deleting pod ").await?;
    let second = start(scenario, &["--wait-for-lock"])?;
    second.wait_for("waiting: another command holds the lock: ").await?;
    let first = first.wait_for_exit(0).await?;
    assert_contains(&first, &["Canary complete"])?;
    let second = second.wait_for_exit(0).await?;
    assert_contains(&second, &["second-b: skipped: the pod was replaced by someone else", "\nDone\n"])?;
    assert_no_violations(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.removed().len() == 4 && watcher.max_unavailable() == 1, || second)?;
    is_released(scenario).await
}

/// With --all both runs plan the same pods: the second run finds most of them replaced.
pub(super) async fn restarts_do_not_add_up(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let first = start(scenario, &["--all"])?;
    first.wait_for("restart-a: deleting pod ").await?;
    let second = start(scenario, &["--all", "--wait-for-lock"])?;
    let (first, second) = (first.wait_for_exit(0).await?, second.wait_for_exit(0).await?);
    assert_no_violations(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.max_unavailable() == 1, || second.clone())?;
    // Only pods that the first run had replaced before the second run made its plan are replaced again.
    ensure((3..=4).contains(&watcher.removed().len()), || format!("{:?}\n{second}", watcher.removed()))
}

/// A Lease whose holder was killed is acquired once it has expired, without a flag.
pub(super) async fn killed_holder_is_replaced(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/slow": "*"})).await?;
    let first = start(scenario, &[])?;
    first.wait_for("killed-b: deleting pod ").await?;
    first.signal("-KILL")?;
    let holder = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default().holder_identity;
    ensure(holder.is_some_and(|holder| holder.contains(&format!("_{}_", first.id()))), || "no lock is left".into())?;
    drop(first);
    let second = start(scenario, &[])?;
    second.wait_for("killed-c: deleting pod ").await?;
    let spec = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default();
    ensure(spec.lease_transitions == Some(1), || format!("{spec:?}"))?;
    let text = second.wait_for_exit(0).await?;
    assert_contains(&text, &["waiting: another command holds the lock: ", "\nDone\n"])?;
    assert_not_contains(&text, &["killed-a: deleting"])?;
    assert_no_violations(&watcher, &text)?;
    ensure(watcher.removed().len() == 4, || text)?;
    is_released(scenario).await
}

/// If the Lease is deleted, the run waits for the node in progress and removes no other pod.
pub(super) async fn deleted_lease_stops_cycle(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scenario, &["-o", "json"])?;
    running.wait_for("\"Removing\"").await?;
    scenario.plane.delete(&lease_reference(scenario)).await?;
    running.wait_for("\"LockLost\"").await?;
    scenario.release_one().await?;
    let text = running.wait_for_exit(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "LockLost" && report["halt"]["holder"].is_null(), || text.clone())?;
    ensure(report["replaced"] == 1 && report["waiting"] == 2, || text.clone())?;
    ensure(watcher.removed() == ["deleted-a"], || text)
}

/// If the Lease gets another holder, the run stops and does not delete the Lease.
pub(super) async fn other_holder_stops_cycle(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scenario, &[])?;
    running.wait_for("taken-a: deleting pod ").await?;
    let mut other = lease_reference(scenario);
    other["spec"] = json!({"holderIdentity": "someone-else"});
    scenario.plane.merge(&other).await?;
    running.wait_for("lock lost: the Lease has another holder: someone-else").await?;
    scenario.release_one().await?;
    let text = running.wait_for_exit(1).await?;
    assert_contains(
        &text,
        &["Stopped: lock lost", "1 of 3 pods replaced, 2 not started", "run the same command again"],
    )?;
    ensure(watcher.removed() == ["taken-a"], || text)?;
    let holder = lease(scenario).await?.and_then(|lease| lease.spec).unwrap_or_default().holder_identity;
    ensure(holder.as_deref() == Some("someone-else"), || format!("{holder:?}"))
}

/// If the Lease cannot be renewed, no other pod is removed.
pub(super) async fn denied_renewal_stops_cycle(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    let running = start(scenario, &["-o", "json"])?;
    running.wait_for("\"Removing\"").await?;
    let rule = json!({
        "apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["leases"],
    });
    deny(scenario, "keep-leases", &rule, "leases stay as they are").await?;
    let renewed = async || Ok::<_, Failed>(lease(scenario).await?.and_then(|lease| lease.metadata.resource_version));
    wait_until("the Lease is no longer renewed", async || {
        let before = renewed().await.map_err(|failure| format!("{failure:?}"))?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = renewed().await.map_err(|failure| format!("{failure:?}"))?;
        if before == after { Ok(()) } else { Err("it is renewed".into()) }
    })
    .await?;
    scenario.release_one().await?;
    let text = running.wait_for_exit(1).await?;
    let report = documents(&text)?.pop().unwrap_or_default();
    ensure(report["halt"]["code"] == "LockNotRenewed" && report["replaced"] == 1, || text.clone())?;
    assert_contains(&text, &["leases stay as they are"])?;
    ensure(watcher.removed() == ["renewal-a"], || text)?;
    // The run may still delete it.
    is_released(scenario).await
}

/// The lock is released after each signal, after a second signal, and never if another run holds it.
pub(super) async fn signals_release_the_lock(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let watcher = outdated(scenario, &json!({"ds.test/starting": "*"})).await?;
    for (index, (signal, code)) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)].into_iter().enumerate() {
        let running = start(scenario, &[])?;
        running.wait_for(": deleting pod ").await?;
        ensure(lease(scenario).await?.is_some(), || running.stdout())?;
        running.signal(signal)?;
        running.wait_for("stopping: waiting for nodes in progress").await?;
        scenario.release_one().await?;
        let text = running.wait_for_exit(code).await?;
        assert_contains(&text, &["Stopped: interrupted", "(1 of "])?;
        is_released(scenario).await?;
        ensure(watcher.removed().len() == index + 1, || text)?;
    }
    let running = start(scenario, &[])?;
    running.wait_for(": deleting pod ").await?;
    running.signal("-HUP")?;
    running.wait_for("stopping: waiting for nodes in progress").await?;
    running.signal("-HUP")?;
    assert_contains(&running.wait_for_exit(129).await?, &["still in progress"])?;
    is_released(scenario).await?;
    // While it waits for the lock, a signal ends it at once.
    scenario
        .plane
        .create(&{
            let mut other = lease_reference(scenario);
            other["spec"] = json!({"holderIdentity": "someone-else", "leaseDurationSeconds": 3600});
            other
        })
        .await?;
    let running = start(scenario, &["--wait-for-lock"])?;
    running.wait_for("waiting: another command holds the lock: someone-else").await?;
    running.signal("-INT")?;
    running.wait_for_exit(130).await?;
    ensure(lease(scenario).await?.is_some(), || "the lock of another run was released".into())
}
