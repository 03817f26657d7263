//! A run whose machine sleeps: it is stopped and continued, and must look anew.

use super::lock::{is_released, lease};
use super::*;

/// Longer than `--node-timeout` of these tests.
const SLEEP: Duration = Duration::from_secs(14);

async fn sleeps_while_a_pod_comes_up(scenario: &Scenario<'_>, running: &RunningProgram) -> Result<(), Failed> {
    // By then it has its events, and waits for changes alone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    kill(running, "-STOP")?;
    scenario.release_one().await?;
    tokio::time::sleep(SLEEP).await;
    kill(running, "-CONT")
}

/// The new pod came up while the run slept longer than `--node-timeout`.
pub(super) async fn slept_through_the_timeout(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "sleeps-a"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &["--node-timeout", "12s"])?;
    running.wait_for("sleeps-a: deleting pod ").await?;
    scenario.wait_for_new_pod().await?;
    sleeps_while_a_pod_comes_up(scenario, &running).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["sleeps-a: replaced by ", "(3 of 3 replaced)", "\nDone\n"])?;
    assert_not_contains(&text, &["failed"])?;
    obeyed(&watcher, &text)?;
    is_released(scenario).await
}

/// Another node spent the budget before the run slept, and does not any more.
pub(super) async fn slept_through_a_spent_budget(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "spent-a"})).await?;
    let old = scenario.pods().await?.into_iter().find(|pod| node_of(pod) == Some("spent-a"));
    let watcher = watch(scenario, 1, Some(current)).await?;
    let old = old.ok_or_else(|| failed("no pod on a"))?;
    watcher.expect(&old.uid().unwrap_or_default());
    scenario.plane.delete(&scenario.pod(&old.name_any())).await?;
    scenario.wait_for_new_pod().await?;
    let running = start(scenario, &["--node-timeout", "12s"])?;
    running.wait_for("waits: spent-a is without an available pod").await?;
    sleeps_while_a_pod_comes_up(scenario, &running).await?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["(2 of 2 replaced)", "\nDone\n"])?;
    obeyed(&watcher, &text)
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// The lock expired while the run slept, and another run took it: the first one removes nothing more.
pub(super) async fn slept_until_another_took_over(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/starting": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let first = start(scenario, &[])?;
    first.wait_for("over-a: deleting pod ").await?;
    scenario.wait_for_new_pod().await?;
    kill(&first, "-STOP")?;
    let second = start(scenario, &["--wait-for-lock"])?;
    second.wait_for("waits: another cycle holds the lock: ").await?;
    let process = format!("_{}_", second.id());
    wait_until("the second run has the lock", async || {
        let spec = lease(scenario).await.map_err(|failure| format!("{failure:?}"))?.and_then(|lease| lease.spec);
        let holder = spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        if holder.contains(&process) { Ok(()) } else { Err(holder) }
    })
    .await?;
    kill(&first, "-CONT")?;
    first.wait_for("the lock is lost: the Lease has another holder, ").await?;
    for _ in 0..3 {
        scenario.release_one().await?;
    }
    let (first, second) = (first.wait_for_exit(1).await?, second.wait_for_exit(0).await?);
    assert_contains(&first, &[&process, "Halted: the lock is lost", "(1 of 3 replaced)"])?;
    assert_contains(&second, &["\nDone\n"])?;
    obeyed(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.removed().len() == 3 && watcher.max_unavailable() == 1, || second)?;
    is_released(scenario).await
}

/// The lock expired while the run slept, and nobody took it: it goes on.
pub(super) async fn slept_alone(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let running = start(scenario, &[])?;
    running.wait_for("alone-a: deleting pod ").await?;
    kill(&running, "-STOP")?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    kill(&running, "-CONT")?;
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["(3 of 3 replaced)", "\nDone\n"])?;
    obeyed(&watcher, &text)?;
    is_released(scenario).await
}
