//! `--before`, `--after`, `--cordon` and `--require`: what is done on a node besides the replacement, also after a kill.

use fastrand::Rng;
use kube::api::ListParams;

use super::*;

/// The label of a node that the program has cordoned.
const CORDONED_FOR: &str = "kubectl-ds/cordoned-for";

/// The nodes of the scenario that are cordoned, and whether each has the label of the program.
async fn cordoned(scenario: &Scenario<'_>) -> Result<Vec<(String, bool)>, Failed> {
    let nodes: Api<Node> = Api::all(scenario.plane.client());
    let parameters = ListParams::default().labels(&format!("scenario={}", scenario.name));
    let nodes = nodes.list(&parameters).await.map_err(failed)?.items;
    let of = |node: &Node| (node.name_any(), node.labels().contains_key(CORDONED_FOR));
    let is_cordoned = |node: &&Node| node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true));
    ensure(nodes.len() == scenario.nodes, || format!("{} nodes", nodes.len()))?;
    Ok(nodes.iter().filter(|node| is_cordoned(node) || of(node).1).map(of).collect())
}

async fn cordon(scenario: &Scenario<'_>, letter: &str) -> Result<(), Failed> {
    let mut node = scenario.node(letter);
    node["spec"] = json!({"unschedulable": true});
    scenario.plane.merge(&node).await
}

/// Hooks run in the order of the work, on cordoned nodes, with the facts of the node.
pub(super) async fn hooks_run_around_the_replacement(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    cordon(scenario, "b").await?;
    let watcher = watch(scenario, 2, Some(current.clone())).await?;
    let before = r#"echo "$KUBECTL_DS_HOOK $KUBECTL_DS_NODE $KUBECTL_DS_NAMESPACE/$KUBECTL_DS_DAEMONSET $KUBECTL_DS_REVISION"; test -n "$KUBECTL_DS_POD""#;
    let after = r#"printf '\033[2Jafter %s\n' "$KUBECTL_DS_NODE" >&2"#;
    let arguments = ["--max-unavailable", "2", "--cordon", "--before", before, "--after", after];
    let text = start(scenario, &arguments)?.wait_for_exit(0).await?;
    let line = format!("hooks-a: --before: before hooks-a hooks/agent {current}");
    let steps = [
        "hooks-a: cordoned",
        "hooks-a: running --before",
        &line,
        "hooks-a: --before succeeded",
        "hooks-a: deleting pod ",
        "hooks-a: running --after",
        "after hooks-a",
        "hooks-a: --after succeeded",
        "hooks-a: uncordoned",
        "hooks-a: replaced by ",
    ];
    let places: Vec<Option<usize>> = steps.iter().map(|step| text.find(step)).collect();
    ensure(places.iter().all(Option::is_some) && places.is_sorted(), || format!("{places:?}\n{text}"))?;
    assert_contains(&text, &["hooks-b: already cordoned by someone else; stays cordoned", "(3 of 3 replaced)"])?;
    // What a hook prints never reaches a terminal raw.
    assert_not_contains(&text, &["\u{1b}", "hooks-b: uncordoned"])?;
    assert_no_violations(&watcher, &text)?;
    let left = cordoned(scenario).await?;
    ensure(left == [("hooks-b".to_owned(), false)], || format!("{left:?}\n{text}"))
}

/// A hook that fails or hangs is a failure of its node. Before the removal, nothing is removed and the node is uncordoned;
/// after it, the node stays cordoned until a run finishes it.
pub(super) async fn failed_hooks_fail_the_node(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let arguments = ["--cordon", "--before", "echo still draining; exit 7"];
    let text = start(scenario, &arguments)?.wait_for_exit(1).await?;
    let expected = ["still draining", "bad-hooks-a: failed: --before: exit status: 7", "bad-hooks-a: uncordoned"];
    assert_contains(&text, &expected)?;
    let arguments = ["--cordon", "--before", "sleep 600", "--hook-timeout", "1s"];
    let text = start(scenario, &arguments)?.wait_for_exit(1).await?;
    assert_contains(&text, &["bad-hooks-a: failed: --before: timed out after 1s (--hook-timeout)"])?;
    let left = cordoned(scenario).await?;
    ensure(watcher.removed().is_empty() && left.is_empty(), || format!("{left:?}\n{text}"))?;

    let text = start(scenario, &["--cordon", "--after", "exit 1"])?.wait_for_exit(1).await?;
    assert_contains(&text, &["bad-hooks-a: failed: --after: exit status: 1"])?;
    let left = cordoned(scenario).await?;
    ensure(left == [("bad-hooks-a".to_owned(), true)], || format!("{left:?}\n{text}"))?;
    // Its new pod would not be removed again.
    let text = start(scenario, &["--after", "true", "--dry-run=server"])?.wait_for_exit(0).await?;
    let removal = |letter: &str| format!("bad-hooks-{letter}: pod ");
    assert_contains(&text, &[&removal("b"), &removal("c"), "would be removed (server-side dry run)"])?;
    assert_not_contains(&text, &[&removal("a")])?;
    // The next run finishes it, also without --cordon.
    let text = start(scenario, &["--after", "true"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["1 node still cordoned by an earlier cycle, to be finished first: bad-hooks-a"])?;
    assert_no_violations(&watcher, &text)?;
    let left = cordoned(scenario).await?;
    ensure(left.is_empty() && watcher.removed().len() == 3, || format!("{left:?}\n{text}"))
}

/// A node that others have uncordoned and cordoned after a run left it cordoned stays cordoned.
pub(super) async fn cordon_of_others_is_kept(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({})).await?;
    let text = start(scenario, &["--cordon", "--after", "exit 1"])?.wait_for_exit(1).await?;
    assert_contains(&text, &["! 1 node stays cordoned: theirs-a", "kubectl uncordon theirs-a"])?;
    let mut node = scenario.node("a");
    node["spec"] = json!({"unschedulable": false});
    scenario.plane.merge(&node).await?;
    cordon(scenario, "a").await?;
    let text = start(scenario, &["--cordon"])?.wait_for_exit(0).await?;
    assert_not_contains(&text, &["theirs-a: uncordoned"])?;
    let left = cordoned(scenario).await?;
    ensure(left == [("theirs-a".to_owned(), false)], || format!("{left:?}\n{text}"))
}

/// A run that is killed at a random moment, several times: once a run has ended by itself, no node is left cordoned.
pub(super) async fn killed_runs_leave_no_node_cordoned(scenario: &Scenario<'_>) -> Result<(), Failed> {
    const KILLS: usize = 6;
    create_agent(scenario, &json!({})).await?;
    cordon(scenario, "c").await?;
    let mut rng = Rng::with_seed(15);
    let hooks =
        ["--cordon", "--max-unavailable", "2", "--before", "sleep 0.3", "--after", "sleep 0.3", "--wait-for-lock"];
    let mut left_by_kills = 0;
    for round in 0..2 {
        let current = update(scenario, &format!("image-{round}"), &json!({})).await?;
        let watcher = watch(scenario, 2, Some(current)).await?;
        for _ in 0..KILLS / 2 {
            let mut running = start(scenario, &hooks)?;
            running.wait_for("started: ").await?;
            tokio::time::sleep(Duration::from_millis(rng.u64(50..2500))).await;
            if !running.has_exited()? {
                running.signal("-KILL")?;
            }
            left_by_kills += cordoned(scenario).await?.iter().filter(|(_, is_own)| *is_own).count();
        }
        let text = start(scenario, &hooks)?.wait_for_exit(0).await?;
        let left = cordoned(scenario).await?;
        ensure(left == [("kills-c".to_owned(), false)], || format!("{left:?}\n{text}"))?;
        assert_no_violations(&watcher, &text)?;
        let new = with_image(scenario, &format!("image-{round}")).await?;
        ensure(new == scenario.nodes, || format!("{new} new pods\n{text}"))?;
    }
    // Otherwise the test proves nothing.
    ensure(left_by_kills > 0, || "no kill left a node cordoned".into())
}

/// Creates another DaemonSet like the agent, whose pods have these annotations.
async fn create_copy(scenario: &Scenario<'_>, name: &str, annotations: &Value) -> Result<Value, Failed> {
    let sets: Api<DaemonSet> = Api::namespaced(scenario.plane.client(), scenario.name);
    let agent = serde_json::to_value(sets.get("agent").await.map_err(failed)?)?;
    let mut copy = scenario.agent();
    copy["metadata"]["name"] = json!(name);
    copy["spec"] = agent["spec"].clone();
    copy["spec"]["selector"]["matchLabels"] = json!({"app": name});
    copy["spec"]["template"]["metadata"] = json!({"labels": {"app": name}, "annotations": annotations});
    scenario.plane.create(&copy).await?;
    Ok(copy)
}

/// Two cycles that cordon the same node wait for each other: the first would uncordon it under the second.
pub(super) async fn cycles_of_two_daemon_sets_take_turns(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let mut other = create_copy(scenario, "other", &json!({})).await?;
    wait_until("the pods of both exist", async || match scenario.pods().await {
        Ok(pods) if pods.len() == 2 => Ok(()),
        pods => Err(format!("{pods:?}")),
    })
    .await?;
    update(scenario, "two", &json!({})).await?;
    other["spec"]["template"]["metadata"]["annotations"] = json!({"turn": "two"});
    scenario.plane.merge(&other).await?;
    let first = start(scenario, &["--cordon", "--before", "sleep 3"])?;
    first.wait_for("turns-a: cordoned").await?;
    let second = ["cycle", "other", "-n", scenario.name, "--yes", "--cordon"];
    let second = RunningProgram::start(scenario.plane, &second)?;
    let (first, second) = (first.wait_for_exit(0).await?, second.wait_for_exit(0).await?);
    assert_contains(&first, &["turns-a: uncordoned"])?;
    assert_contains(&second, &["turns-a: cordoned", "turns-a: uncordoned"])?;
    assert_not_contains(&second, &["already cordoned"])?;
    let left = cordoned(scenario).await?;
    ensure(left.is_empty(), || format!("{left:?}\n{first}\n{second}"))
}

/// A node is started, and finished, when the pod of another DaemonSet on it is available.
pub(super) async fn required_daemon_set_is_waited_for(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    create_copy(scenario, "network", &json!({"ds.test/never-ready": "requires-a,requires-b"})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let (_, stderr) = start(scenario, &["--require", "absent"])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(&stderr, &["daemonset \"absent\" not found"])?;
    let (_, stderr) = start(scenario, &["--require", "agent"])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(&stderr, &["a DaemonSet cannot require itself"])?;
    let running = start(scenario, &["--require", "network"])?;
    running.wait_for("waiting: no available and up-to-date pod of requires/network (--require) on requires-a").await?;
    ensure(watcher.removed() == ["requires-c"], || running.stdout())?;
    let pods: Vec<Pod> = scenario.pods().await?;
    for pod in pods.iter().filter(|pod| pod.name_any().starts_with("network-")) {
        let mut pod = scenario.pod(&pod.name_any());
        pod["metadata"]["annotations"] = json!({"ds.test/never-ready": null});
        scenario.plane.merge(&pod).await?;
    }
    let text = running.wait_for_exit(0).await?;
    assert_contains(&text, &["On each node: replace the pod, wait for --require", "(3 of 3 replaced)"])?;
    assert_no_violations(&watcher, &text)
}

/// `--timeout` finishes the nodes in progress and starts no other.
pub(super) async fn timeout_ends_the_run(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    update(scenario, "two", &json!({"ds.test/slow": "*"})).await?;
    let watcher = watch(scenario, 1, None).await?;
    let text = start(scenario, &["--timeout", "1s"])?.wait_for_exit(1).await?;
    assert_contains(&text, &["Stopped: the time of --timeout is over", "1 of 3 pods replaced, 2 not started"])?;
    assert_contains(&text, &["Median per node: ", "run the same command again"])?;
    ensure(watcher.removed().len() == 1, || text)
}
