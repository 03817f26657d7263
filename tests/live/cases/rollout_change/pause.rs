//! A pause at a random moment of a rollout: afterwards the controller deletes no pod.

use std::time::Instant;

use jiff::Timestamp;

use super::*;

pub(super) async fn rollouts_with_a_budget(scenario: &Scenario<'_>) -> Result<(), Failed> {
    pauses(scenario, &json!({"maxUnavailable": 2}), 1, &json!({})).await
}

pub(super) async fn rollouts_with_a_surge(scenario: &Scenario<'_>) -> Result<(), Failed> {
    // Slow pods instead of minReadySeconds: with that, the controller sometimes does not continue a rollout with a surge
    // until something else changes.
    pauses(scenario, &json!({"maxUnavailable": 0, "maxSurge": "20%"}), 0, &json!({"ds.test/slow": "*"})).await
}

/// `min_ready` seconds, or the behavior of the pods, slow the rollout down, so that a pause is midway.
async fn pauses(scenario: &Scenario<'_>, rolling: &Value, min_ready: u32, behavior: &Value) -> Result<(), Failed> {
    let (rounds, seed) = rounds()?;
    let mut rng = Rng::with_seed(seed ^ u64::try_from(scenario.name.len()).unwrap_or_default());
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
    let spec = json!({"updateStrategy": strategy, "revisionHistoryLimit": 100, "minReadySeconds": min_ready});
    scenario.create_agent(&spec).await?;
    let mut moments = Vec::new();
    for round in 0..rounds {
        moments.push(pause_once(scenario, &mut rng, round, behavior).await?);
    }
    // Without it, an empty list of deletions would prove nothing.
    ensure(!deletions_after(scenario, Timestamp::UNIX_EPOCH)?.is_empty(), || "no deletion in the audit log".into())?;
    let midway = moments.iter().filter(|updated| (1..scenario.nodes).contains(updated)).count();
    eprintln!("{}: {rounds} pauses, {midway} midway; updated nodes at the pause: {moments:?}", scenario.name);
    ensure(midway > 0, || format!("no pause was midway: {moments:?}"))
}

/// Starts a rollout, pauses it at a random moment, and resumes it. Returns how many nodes were updated at the pause.
async fn pause_once(scenario: &Scenario<'_>, rng: &mut Rng, round: usize, behavior: &Value) -> Result<usize, Failed> {
    let image = format!("image-{round}");
    let before = strategy_bytes(scenario).await?;
    let updated = async || Ok::<_, Failed>(pods(scenario).await?.values().filter(|(_, is)| *is == image).count());
    scenario.patch_spec(&template_patch(&image, behavior)).await?;
    let first = rng.usize(0..scenario.nodes - 2);
    wait_until("the rollout has reached the random number of nodes", async || {
        let updated = updated().await.map_err(message)?;
        let pods = async || Ok::<_, String>(format!("{:?}", pods(scenario).await.map_err(message)?));
        if updated >= first { Ok(()) } else { Err(format!("{updated} of {first}: {}", pods().await?)) }
    })
    .await?;
    // Not a wait for anything: it makes the moment within a sync of the controller random.
    tokio::time::sleep(Duration::from_millis(rng.u64(0..120))).await;

    let begun = Instant::now();
    let report = report(scenario, "pause", &[])?;
    let returned = Timestamp::now();
    let took = begun.elapsed();
    let kept = pods(scenario).await?;
    let reached = kept.values().filter(|(_, is)| *is == image).count();
    ensure(report["outcome"] == "Done" && report["action"] == "Pause", || report.to_string())?;
    ensure(report["updateStrategy"]["after"] == json!({"type": "OnDelete"}), || report.to_string())?;
    let paused = agent(scenario).await?;
    let revisions_before = revisions(scenario).await?;
    ensure(strategy_bytes(scenario).await? == r#"{"type":"OnDelete"}"#, || format!("{paused:?}"))?;

    // Three complete syncs of the controller prove that it is not slow, but done.
    for _ in 0..3 {
        until_synced_again(scenario).await?;
    }
    let patched = patched(scenario)?;
    let late = deletions_after(scenario, patched)?.len();
    let deletions = deletions_after(scenario, returned)?;
    ensure(deletions.is_empty(), || format!("round {round}: deleted after the pause: {deletions:#?}"))?;
    let now = pods(scenario).await?;
    let lost: Vec<_> = kept.iter().filter(|(node, pod)| now.get(*node) != Some(pod)).collect();
    ensure(lost.is_empty(), || format!("round {round}: replaced after the pause: {lost:?} {now:?}"))?;
    ensure(revisions(scenario).await? == revisions_before, || "the pause changed the revisions".into())?;

    let report = self::report(scenario, "resume", &["--yes"])?;
    ensure(report["outcome"] == "Done", || report.to_string())?;
    let after = strategy_bytes(scenario).await?;
    ensure(after == before, || format!("{before} became {after}"))?;
    let resumed = agent(scenario).await?;
    let annotations = |set: &DaemonSet| {
        let mut annotations = set.annotations().clone();
        annotations.remove("kubectl-ds/paused-update-strategy");
        annotations
    };
    ensure(resumed.annotations() == &annotations(&paused), || format!("{:?}", resumed.annotations()))?;
    ensure(resumed.spec.template == paused.spec.template, || "the template was changed".into())?;
    until_all_run(scenario, &image).await?;
    ensure(revisions(scenario).await? == revisions_before, || "the resume changed the revisions".into())?;
    eprintln!(
        "{}: round {round}: paused at {reached} of {} in {} ms, {late} pods deleted \
         between the patch and the return",
        scenario.name,
        scenario.nodes,
        took.as_millis()
    );
    Ok(reached)
}

/// The pods of the scenario that the DaemonSet controller deleted by requests that arrived after `since`, by the audit
/// log of the API server, which is written before the response.
fn deletions_after(scenario: &Scenario<'_>, since: Timestamp) -> Result<Vec<String>, Failed> {
    let is_deletion = |entry: &Value| {
        let target = &entry["objectRef"];
        let agent = entry["userAgent"].as_str().unwrap_or_default();
        entry["verb"] == "delete"
            && entry["stage"] == "ResponseComplete"
            && target["resource"] == "pods"
            && target["namespace"] == scenario.name
            && agent.contains("daemon-set-controller")
            && arrived(entry).is_none_or(|arrived| arrived > since)
    };
    Ok(audit_log(scenario)?.iter().filter(|entry| is_deletion(entry)).map(Value::to_string).collect())
}

/// When the API server received the last patch of the program that was not a dry run.
fn patched(scenario: &Scenario<'_>) -> Result<Timestamp, Failed> {
    let is_patch = |entry: &&Value| {
        let (target, uri) = (&entry["objectRef"], entry["requestURI"].as_str().unwrap_or_default());
        entry["verb"] == "patch"
            && target["resource"] == "daemonsets"
            && target["namespace"] == scenario.name
            && uri.contains("fieldManager=kubectl-ds")
            && !uri.contains("dryRun")
            && entry["responseStatus"]["code"] == 200
    };
    let log = audit_log(scenario)?;
    log.iter().rfind(is_patch).and_then(arrived).ok_or_else(|| failed("no patch in the audit log"))
}

fn arrived(entry: &Value) -> Option<Timestamp> {
    entry["requestReceivedTimestamp"].as_str()?.parse().ok()
}

fn audit_log(scenario: &Scenario<'_>) -> Result<Vec<Value>, Failed> {
    let log = std::fs::read_to_string(scenario.plane.audit_log())?;
    Ok(log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
