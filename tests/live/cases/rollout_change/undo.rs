//! A rollback replaces exactly the pods of the bad revision.

use std::collections::BTreeSet;

use super::*;

/// With a budget of one, the rollout stops at the one node on which the new pod never becomes ready. The controller
/// selects nodes in random order, so this is after a random number of nodes.
pub(super) async fn rolling_update(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let (rounds, seed) = rounds()?;
    let mut rng = Rng::with_seed(seed);
    scenario.create_agent(&json!({"revisionHistoryLimit": 100})).await?;
    let mut sizes = Vec::new();
    for round in 0..rounds {
        let bad = format!("bad-{round}");
        let last = scenario.node_name(&letter(rng.usize(0..scenario.nodes)));
        scenario.patch_spec(&template_patch(&bad, &json!({"ds.test/never-ready": last}))).await?;
        wait_until("the rollout is blocked", async || {
            let pods = pods(scenario).await.map_err(message)?;
            let is_blocked = pods.len() == scenario.nodes && pods.get(&last).is_some_and(|(_, image)| *image == bad);
            if is_blocked { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await?;
        // Proves that the controller does not continue.
        until_synced_again(scenario).await?;
        let before = pods(scenario).await?;
        let bad_nodes = nodes_with(&before, &bad);
        let revisions_before = revisions(scenario).await?;
        let report = report(scenario, "undo", &["--yes"])?;
        check_report(&report, &bad_nodes)?;
        ensure(names(&report["replacement"]["nodes"]) == bad_nodes, || report.to_string())?;
        ensure(names(&report["replacement"]["atOnce"]) == BTreeSet::from([last]), || report.to_string())?;
        until_all_run(scenario, "one").await?;
        // The controller has nothing left to do.
        until_synced_again(scenario).await?;
        check_uids(&before, &pods(scenario).await?, &bad_nodes)?;
        check_numbers(&revisions_before, &revisions(scenario).await?, &report)?;
        sizes.push(bad_nodes.len());
    }
    eprintln!("{}: {rounds} rollbacks of k nodes: {sizes:?}", scenario.name);
    Ok(())
}

/// The pods of random nodes are deleted by hand, and get the bad template. The other half of the rounds starts paused.
pub(super) async fn on_delete(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let (rounds, seed) = rounds()?;
    let mut rng = Rng::with_seed(seed);
    scenario.create_agent(&json!({"revisionHistoryLimit": 100})).await?;
    report(scenario, "pause", &[])?;
    let mut sizes = Vec::new();
    for round in 0..rounds {
        let bad = format!("bad-{round}");
        scenario.patch_spec(&template_patch(&bad, &json!({}))).await?;
        until_observed(scenario).await?;
        let size = rng.usize(1..scenario.nodes);
        let mut nodes: Vec<String> = (0..scenario.nodes).map(|index| scenario.node_name(&letter(index))).collect();
        rng.shuffle(&mut nodes);
        for pod in scenario.pods().await? {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            if nodes[..size].contains(&node) {
                scenario.plane.delete(&scenario.pod(&pod.name_any())).await?;
            }
        }
        wait_until("the deleted pods are replaced", async || {
            let pods = pods(scenario).await.map_err(message)?;
            let status = agent(scenario).await.map_err(message)?.status.unwrap_or_default();
            let is_available = usize::try_from(status.number_available.unwrap_or_default()) == Ok(scenario.nodes);
            let is_done = nodes_with(&pods, &bad).len() == size && is_available;
            if is_done { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await?;
        let before = pods(scenario).await?;
        let bad_nodes = nodes_with(&before, &bad);
        let text =
            start(scenario, "undo", &["--yes", "-o", "json", "--max-unavailable", "3"])?.wait_for_exit(0).await?;
        let documents: Vec<Value> = text.lines().map(document).collect::<Result<_, _>>()?;
        let (first, last) = (&documents[0], &documents[documents.len() - 1]);
        check_report(first, &bad_nodes)?;
        ensure(last["kind"] == "CycleReport" && last["replaced"] == size, || text.clone())?;
        until_all_run(scenario, "one").await?;
        until_synced_again(scenario).await?;
        check_uids(&before, &pods(scenario).await?, &bad_nodes)?;
        sizes.push(bad_nodes.len());
    }
    let lease = guards::holder(scenario).await?;
    ensure(lease.is_none(), || format!("the lock was not released: {lease:?}"))?;
    eprintln!("{}: {rounds} rollbacks of k nodes: {sizes:?}", scenario.name);
    Ok(())
}

fn nodes_with(pods: &BTreeMap<String, (String, String)>, image: &str) -> BTreeSet<String> {
    pods.iter().filter(|(_, (_, is))| is == image).map(|(node, _)| node.clone()).collect()
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

fn check_report(report: &Value, bad_nodes: &BTreeSet<String>) -> Result<(), Failed> {
    ensure(report["kind"] == "RolloutChangeReport" && report["outcome"] == "Done", || report.to_string())?;
    ensure(names(&report["rollback"]["from"]["nodes"]) == *bad_nodes, || format!("{bad_nodes:?} {report}"))?;
    let changed = report["rollback"]["changes"].as_array().into_iter().flatten();
    let paths: Vec<&str> = changed.filter_map(|change| change["path"].as_str()).collect();
    ensure(paths.contains(&"spec.containers[main].image"), || report.to_string())
}

/// Exactly the pods of the bad nodes are others.
fn check_uids(
    before: &BTreeMap<String, (String, String)>,
    after: &BTreeMap<String, (String, String)>,
    bad_nodes: &BTreeSet<String>,
) -> Result<(), Failed> {
    let changed: BTreeSet<String> = before
        .iter()
        .filter(|(node, (uid, _))| after.get(*node).is_none_or(|(now, _)| now != uid))
        .map(|(node, _)| node.clone())
        .collect();
    ensure(changed == *bad_nodes, || format!("bad {bad_nodes:?}, replaced {changed:?}"))
}

/// The controller has reused the revision, and given it the number that the report predicts.
fn check_numbers(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>, report: &Value) -> Result<(), Failed> {
    let moved: Vec<i64> =
        after.iter().filter(|(name, number)| before.get(*name) != Some(number)).map(|(_, n)| *n).collect();
    let is_reused = before.keys().eq(after.keys());
    let expected = report["rollback"]["nextNumber"].as_i64().unwrap_or_default();
    ensure(is_reused && moved == [expected], || format!("{before:?} {after:?} {report}"))
}

/// The choice of the revision and the messages are those of kubectl.
pub(super) async fn revisions_are_selected_as_by_kubectl(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    let (_, stderr) = start(scenario, "undo", &["--yes"])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(&stderr, &["no last revision to roll back to"])?;
    for image in ["two", "three"] {
        scenario.patch_spec(&template_patch(image, &json!({}))).await?;
        until_all_run(scenario, image).await?;
    }
    let (_, stderr) = start(scenario, "undo", &["--yes", "--to-revision", "9"])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(&stderr, &["unable to find specified revision 9 in history", "available revisions: 1, 2, 3"])?;
    let text = start(scenario, "undo", &["--yes", "--to-revision", "3"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["skipped rollback (current template already matches revision 3)"])?;
    let text = start(scenario, "undo", &["--dry-run=server"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["to revision 2 (", "image: three → two", "Dry run: nothing was changed"])?;
    until_all_run(scenario, "three").await?;
    let text = start(scenario, "undo", &["--yes", "--to-revision", "1", "--diff"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["-  - image: three", "+  - image: one", "rolled back to revision 1 (now revision 4)"])?;
    assert_contains(&text, &["kubectl ds rollout status agent -n undo-numbers"])?;
    until_all_run(scenario, "one").await?;
    let numbers: Vec<i64> = revisions(scenario).await?.into_values().collect::<BTreeSet<_>>().into_iter().collect();
    ensure(numbers == [2, 3, 4], || format!("{numbers:?}"))?;
    // The last revision before the current template, as kubectl would select it.
    let text = start(scenario, "undo", &["--yes"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["rolled back to revision 3 (now revision 5)"])?;
    until_all_run(scenario, "three").await
}
