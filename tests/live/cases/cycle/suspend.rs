//! A run whose machine sleeps: it is stopped and continued, and must look anew.

use super::lock::{is_released, lease};
use super::*;

/// Longer than `--node-timeout` of these tests.
const SLEEP: Duration = Duration::from_secs(14);

async fn sleeps_while_a_pod_comes_up(scene: &Scene<'_>, running: &Running) -> Result<(), Failed> {
    // By then it has its events, and waits for changes alone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    kill(running, "-STOP")?;
    scene.release_one().await?;
    tokio::time::sleep(SLEEP).await;
    kill(running, "-CONT")
}

/// The new pod came up while the run slept longer than `--node-timeout`.
pub(super) async fn slept_through_the_timeout(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/starting": "sleeps-a"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &["--node-timeout", "12s"])?;
    running.until("sleeps-a: deleting pod ").await?;
    scene.new_pod().await?;
    sleeps_while_a_pod_comes_up(scene, &running).await?;
    let text = running.ends(0).await?;
    says(&text, &["sleeps-a: replaced by ", "(3 of 3 replaced)", "\nDone\n"])?;
    never_says(&text, &["failed"])?;
    obeyed(&watcher, &text)?;
    is_released(scene).await
}

/// Another node spent the budget before the run slept, and does not any more.
pub(super) async fn slept_through_a_spent_budget(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/starting": "spent-a"})).await?;
    let old = scene.pods().await?.into_iter().find(|pod| node_of(pod) == Some("spent-a"));
    let watcher = watch(scene, 1, Some(current)).await?;
    let old = old.ok_or_else(|| failed("no pod on a"))?;
    watcher.expect(&old.uid().unwrap_or_default());
    scene.plane.delete(&scene.pod(&old.name_any())).await?;
    scene.new_pod().await?;
    let running = start(scene, &["--node-timeout", "12s"])?;
    running.until("waits: spent-a is without an available pod").await?;
    sleeps_while_a_pod_comes_up(scene, &running).await?;
    let text = running.ends(0).await?;
    says(&text, &["(2 of 2 replaced)", "\nDone\n"])?;
    obeyed(&watcher, &text)
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// The lock expired while the run slept, and another run took it: the first one removes nothing more.
pub(super) async fn slept_until_another_took_over(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/starting": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let first = start(scene, &[])?;
    first.until("over-a: deleting pod ").await?;
    scene.new_pod().await?;
    kill(&first, "-STOP")?;
    let second = start(scene, &["--wait-for-lock"])?;
    second.until("waits: another cycle holds the lock: ").await?;
    let process = format!("_{}_", second.id());
    wait_until("the second run has the lock", async || {
        let spec = lease(scene).await.map_err(|failure| format!("{failure:?}"))?.and_then(|lease| lease.spec);
        let holder = spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        if holder.contains(&process) { Ok(()) } else { Err(holder) }
    })
    .await?;
    kill(&first, "-CONT")?;
    first.until("the lock is lost: the Lease has another holder, ").await?;
    for _ in 0..3 {
        scene.release_one().await?;
    }
    let (first, second) = (first.ends(1).await?, second.ends(0).await?);
    says(&first, &[&process, "Halted: the lock is lost", "(1 of 3 replaced)"])?;
    says(&second, &["\nDone\n"])?;
    obeyed(&watcher, &format!("{first}\n{second}"))?;
    ensure(watcher.removed().len() == 3 && watcher.most_out() == 1, || second)?;
    is_released(scene).await
}

/// The lock expired while the run slept, and nobody took it: it goes on.
pub(super) async fn slept_alone(scene: &Scene<'_>) -> Result<(), Failed> {
    begin(scene, &json!({})).await?;
    let current = update(scene, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scene, 1, Some(current)).await?;
    let running = start(scene, &[])?;
    running.until("alone-a: deleting pod ").await?;
    kill(&running, "-STOP")?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    kill(&running, "-CONT")?;
    let text = running.ends(0).await?;
    says(&text, &["(3 of 3 replaced)", "\nDone\n"])?;
    obeyed(&watcher, &text)?;
    is_released(scene).await
}
