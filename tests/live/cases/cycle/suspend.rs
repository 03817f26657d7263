//! A run that is suspended (SIGSTOP) and resumed (SIGCONT): it must refresh its state before it decides.

use super::lock::{is_released, lease};
use super::*;

/// Longer than `--node-timeout` of these tests.
const SUSPENSION: Duration = Duration::from_secs(14);

/// Suspends the run while the new pod becomes ready.
async fn suspend_until_pod_is_ready(scenario: &Scenario<'_>, running: &RunningProgram) -> Result<(), Failed> {
    // After that time it only waits for changes.
    tokio::time::sleep(Duration::from_secs(3)).await;
    running.signal("-STOP")?;
    scenario.release_one().await?;
    tokio::time::sleep(SUSPENSION).await;
    running.signal("-CONT")
}

/// The new pod becomes ready while the run is suspended for longer than `--node-timeout`.
pub(super) async fn suspended_longer_than_node_timeout(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "timeout-a"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &["--node-timeout", "12s"])?;
    running.wait_for("timeout-a: deleting pod ").await?;
    scenario.wait_for_new_pod().await?;
    suspend_until_pod_is_ready(scenario, &running).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["timeout-a: replaced by ", "(3 of 3 replaced)", "\nDone\n"])?;
    assert_not_contains(&text, &["failed"])?;
    assert_no_violations(&watcher, &text)?;
    is_released(scenario).await
}

/// Another node uses the budget before the run is suspended, and recovers meanwhile.
pub(super) async fn suspended_while_budget_is_exhausted(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "budget-a"})).await?;
    let old = scenario.pods().await?.into_iter().find(|pod| node_of(pod) == Some("budget-a"));
    let watcher = watch(scenario, 1, Some(current)).await?;
    let old = old.ok_or_else(|| failed("no pod on a"))?;
    watcher.expect_deletion(&old.uid().unwrap_or_default());
    scenario.plane.delete(&scenario.pod(&old.name_any())).await?;
    scenario.wait_for_new_pod().await?;
    let running = start(scenario, &["--node-timeout", "12s"])?;
    running.wait_for("waiting: 1 node unavailable (--max-unavailable 1): budget-a").await?;
    suspend_until_pod_is_ready(scenario, &running).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["(2 of 2 replaced)", "\nDone\n"])?;
    assert_no_violations(&watcher, &text)
}

/// The lock expires during the suspension, and another run acquires it: the first run removes no other pod.
pub(super) async fn suspended_until_another_run_has_the_lock(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let first = start(scenario, &[])?;
    first.wait_for("over-a: deleting pod ").await?;
    scenario.wait_for_new_pod().await?;
    first.signal("-STOP")?;
    let second = start(scenario, &["--wait-for-lock"])?;
    second.wait_for("waiting: another command holds the lock: ").await?;
    let process = format!("_{}_", second.id());
    wait_until("the second run has the lock", async || {
        let spec = lease(scenario).await.map_err(|failure| format!("{failure:?}"))?.and_then(|lease| lease.spec);
        let holder = spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        if holder.contains(&process) { Ok(()) } else { Err(holder) }
    })
    .await?;
    first.signal("-CONT")?;
    first.wait_for("lock lost: the Lease has another holder: ").await?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let (first, second) = (first.wait_for_exit(1).await?, second.wait_for_exit(0).await?);
    assert_contains(&first, &[&process, "Stopped: lock lost", "(1 of 3 replaced)"])?;
    assert_contains(&second, &["\nDone\n"])?;
    assert_no_violations(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.removed().len() == 3 && watcher.max_unavailable() == 1, || second)?;
    is_released(scenario).await
}

/// The lock expires during the suspension, and no other run acquires it: the run continues.
pub(super) async fn suspended_longer_than_the_lease(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("alone-a: deleting pod ").await?;
    running.signal("-STOP")?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    running.signal("-CONT")?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["(3 of 3 replaced)", "\nDone\n"])?;
    assert_no_violations(&watcher, &text)?;
    is_released(scenario).await
}
