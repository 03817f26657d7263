//! What keeps a change from being made: the lock, missing permissions, changes by others.

use k8s_openapi::api::coordination::v1::Lease;

use super::*;
use crate::harness::manifests::{cluster_role, cluster_role_binding, reference, rule};

const LEASE: &str = "kubectl-ds-cycle-agent";

/// The holder of the lock.
pub(super) async fn holder(scenario: &Scenario<'_>) -> Result<Option<String>, Failed> {
    let leases: Api<Lease> = Api::namespaced(scenario.plane.client(), scenario.name);
    let lease = leases.get_opt(LEASE).await.map_err(failed)?;
    Ok(lease.and_then(|lease| lease.spec).and_then(|spec| spec.holder_identity))
}

/// What a rejected change must not touch.
async fn spec_and_uids(scenario: &Scenario<'_>) -> Result<(Value, BTreeMap<String, (String, String)>), Failed> {
    let agent = agent(scenario).await?;
    Ok((json!([agent.metadata.generation, agent.metadata.annotations, agent.spec]), pods(scenario).await?))
}

/// While a cycle holds the lock, nothing is changed, and the holder is named. `rollout status` shows it.
pub(super) async fn cycle_holds_the_lock(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    until_all_run(scenario, "two").await?;
    let free = report_of_status(scenario)?;
    ensure(free["lock"] == json!({"state": "Free"}), || free.to_string())?;
    let starting = json!({"ds.test/starting": "*"});
    let arguments = ["cycle", "agent", "-n", scenario.name, "--yes", "--all"];
    scenario.patch_spec(&json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}})).await?;
    scenario.patch_spec(&template_patch("three", &starting)).await?;
    until_observed(scenario).await?;
    let cycle = RunningProgram::start(scenario.plane, &arguments)?;
    cycle.wait_for(": deleting pod ").await?;
    let first = holder(scenario).await?.ok_or_else(|| failed("no lock"))?;
    let before = spec_and_uids(scenario).await?;
    let text = start(scenario, "undo", &["--yes"])?.wait_for_exit(1).await?;
    let locked = format!("Nothing was changed: another command holds the lock: {first}");
    assert_contains(&text, &[&locked, "--wait-for-lock"])?;
    let text = start(scenario, "undo", &["--yes", "-o", "json"])?.wait_for_exit(1).await?;
    let report = document(text.trim())?;
    ensure(report["halt"]["code"] == "Locked" && report["halt"]["holder"] == first, || text)?;
    let status = report_of_status(scenario)?;
    ensure(status["lock"]["state"] == "Held" && status["lock"]["holder"] == first, || status.to_string())?;
    ensure(status["lock"]["renewed"].is_string() && status["lock"]["since"].is_string(), || status.to_string())?;
    let locked = format!("locked by {first} for ");
    for (line, before) in [(&["agent", "--watch=false"][..], "! "), (&[], "guard-lock/agent: ")] {
        let output = scenario.plane.ds(&[&["rollout", "status", "-n", scenario.name], line].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_contains(&text, &[&format!("\n{before}{locked}"), ", renewed "])?;
        // Of one DaemonSet, it is shown before the progress.
        ensure(line.is_empty() || text.find(&locked) < text.find(" of 3 updated"), || text.clone())?;
        ensure(!text.contains("probably ended"), || text)?;
    }
    ensure(spec_and_uids(scenario).await? == before, || "something was changed".into())?;
    // A killed holder is not shown as an active one.
    cycle.signal("-KILL")?;
    drop(cycle);
    let mut killed = reference("coordination.k8s.io/v1", "Lease", Some(scenario.name), LEASE);
    killed["spec"] = json!({"renewTime": "2026-01-02T03:04:05.000000Z"});
    scenario.plane.merge(&killed).await?;
    let output = scenario.plane.ds(&["rollout", "status", "agent", "-n", scenario.name, "--watch=false"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_contains(&text, &[" ago although a lock is valid for 15s: the command has probably ended"])?;
    // The next command takes the expired lock over, and releases it.
    let running = start(scenario, "undo", &["--yes"])?;
    running.wait_for("rolled back to revision 2").await?;
    running.wait_for_exit(0).await?;
    ensure(holder(scenario).await?.is_none(), || "the lock was not released".into())
}

/// A watch with --fail-fast ends on a paused rollout. The status shows the nodes that a cycle left cordoned.
pub(super) async fn paused_rollouts_end_a_watch(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    // The first new pod never becomes available, so the pause is midway.
    scenario.patch_spec(&template_patch("two", &json!({"ds.test/starting": "*"}))).await?;
    until_observed(scenario).await?;
    report(scenario, "pause", &[])?;
    let mut node = scenario.node("b");
    node["metadata"]["labels"]["kubectl-ds/cordoned-for"] = json!("guard-watch.agent");
    node["spec"] = json!({"unschedulable": true});
    scenario.plane.merge(&node).await?;
    let left = "1 node still cordoned by an earlier cycle: guard-watch-b; finish it with: kubectl ds cycle agent -n \
                guard-watch";
    let (text, stderr) = start(scenario, "watch", &["--fail-fast"])?.wait_for_exit_with_stderr(1).await?;
    assert_contains(
        &text,
        &["paused after ", "resume it with: kubectl ds rollout resume agent -n guard-watch", " of 3 updated"],
    )?;
    assert_contains(&stderr, &[left])?;
    let status = start(scenario, "status", &["--watch=false"])?.wait_for_exit(0).await?;
    assert_contains(&status, &[&format!("\n! {left}\n")])?;
    node["spec"] = json!({"unschedulable": false});
    scenario.plane.merge(&node).await?;
    let status = start(scenario, "status", &["--watch=false"])?.wait_for_exit(0).await?;
    ensure(!status.contains("cordoned"), || status)
}

fn report_of_status(scenario: &Scenario<'_>) -> Result<Value, Failed> {
    let output = scenario.plane.ds(&["rollout", "status", "agent", "-n", scenario.name, "-o", "json"]);
    Ok(document(&String::from_utf8_lossy(&output.stdout))?["daemonSets"][0].clone())
}

/// A user who can only read gets an error before anything is changed.
pub(super) async fn permissions_are_checked_first(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    until_all_run(scenario, "two").await?;
    let read = ["get", "list", "watch"];
    let core = rule("", &["pods", "nodes", "events"], &read);
    let leases = rule("coordination.k8s.io", &["leases"], &["get", "create", "update", "delete"]);
    let apps = |verbs: &[&str]| rule("apps", &["daemonsets", "controllerrevisions"], verbs);
    let role = cluster_role("change-reader", &json!([core, apps(&read), leases]));
    scenario.plane.create_all(&[role.clone(), cluster_role_binding("change-reader", "change-reader")]).await?;
    let before = spec_and_uids(scenario).await?;
    let run = |command: &str, arguments: &[&str]| {
        let line = ["rollout", command, "agent", "-n", scenario.name, "--yes", "--as", "change-reader"];
        let output = scenario.plane.ds(&[&line, arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for command in ["pause", "undo"] {
        wait_until("the missing permission is reported", async || {
            let (code, stderr) = run(command, &[]);
            let is_reported = code == Some(2) && stderr.contains("cannot patch daemonsets");
            if is_reported { Ok(()) } else { Err(format!("{code:?} {stderr}")) }
        })
        .await?;
    }
    ensure(spec_and_uids(scenario).await? == before, || "something was changed".into())?;
    // With the permission on DaemonSets, and without the one on Leases.
    let mut role = role;
    role["rules"] = json!([core, apps(&["get", "list", "watch", "patch"])]);
    scenario.plane.merge(&role).await?;
    wait_until("the missing lock is reported", async || {
        let (code, stderr) = run("pause", &[]);
        let is_reported =
            code == Some(2) && stderr.contains("cannot lock the DaemonSet") && stderr.contains("--no-lock");
        if is_reported { Ok(()) } else { Err(format!("{code:?} {stderr}")) }
    })
    .await?;
    ensure(spec_and_uids(scenario).await? == before, || "something was changed".into())?;
    // The status works without the permission on Leases, and has one note, only for an open rollout.
    let status = || {
        let line = ["rollout", "status", "agent", "-n", scenario.name, "--watch=false", "--as", "change-reader"];
        let output = scenario.plane.ds(&line);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = status();
    ensure(code == Some(0) && !stderr.contains("lease"), || stderr.clone())?;
    let (code, stderr) = run("pause", &["--no-lock"]);
    ensure(code == Some(0), || stderr.clone())?;
    scenario.patch_spec(&template_patch("three", &json!({}))).await?;
    until_observed(scenario).await?;
    let (code, stderr) = status();
    ensure(code == Some(0) && stderr.matches("cannot get leases").count() == 1, || stderr.clone())
}

/// A change of the spec after the plan: the patch is not sent.
pub(super) async fn changed_between_plan_and_patch(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    scenario.patch_spec(&template_patch("two", &json!({}))).await?;
    until_all_run(scenario, "two").await?;
    let mut other = reference("coordination.k8s.io/v1", "Lease", Some(scenario.name), LEASE);
    other["spec"] = json!({"holderIdentity": "someone-else", "leaseDurationSeconds": 3600});
    // Ctrl-C while it waits: nothing is changed, and the lock of the other command stays.
    scenario.plane.create(&other).await?;
    let before = spec_and_uids(scenario).await?;
    let running = start(scenario, "pause", &["--wait-for-lock"])?;
    wait_until("the command waits for the lock", async || {
        let stderr = running.stderr();
        if stderr.contains("another command holds the lock") { Ok(()) } else { Err(stderr) }
    })
    .await?;
    running.signal("-INT")?;
    assert_contains(&running.wait_for_exit(130).await?, &["Interrupted: nothing was changed"])?;
    ensure(holder(scenario).await?.as_deref() == Some("someone-else"), || "the lock was released".into())?;
    ensure(spec_and_uids(scenario).await? == before, || "something was changed".into())?;
    scenario.plane.delete(&other).await?;
    for (command, image) in [("undo", "three"), ("pause", "four")] {
        scenario.plane.create(&other).await?;
        let running = start(scenario, command, &["--yes", "--wait-for-lock"])?;
        wait_until("the command waits for the lock", async || {
            let stderr = running.stderr();
            if stderr.contains("another command holds the lock: someone-else") { Ok(()) } else { Err(stderr) }
        })
        .await?;
        scenario.patch_spec(&template_patch(image, &json!({}))).await?;
        let generation = agent(scenario).await?.metadata.generation;
        scenario.plane.delete(&other).await?;
        let (_, stderr) = running.wait_for_exit_with_stderr(2).await?;
        assert_contains(
            &stderr,
            &["the spec of the DaemonSet was changed after the plan was made: nothing was changed"],
        )?;
        let after = agent(scenario).await?;
        ensure(after.metadata.generation == generation, || format!("{after:?}"))?;
        until_all_run(scenario, image).await?;
        ensure(holder(scenario).await?.is_none(), || "the lock was not released".into())?;
    }
    Ok(())
}

/// A strategy that was changed after the pause is kept.
pub(super) async fn changed_strategy_is_kept(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({})).await?;
    start(scenario, "pause", &[])?.wait_for_exit(0).await?;
    let status = report_of_status(scenario)?;
    ensure(status["paused"]["updateStrategy"]["type"] == "RollingUpdate", || status.to_string())?;
    let again = report(scenario, "pause", &[])?;
    ensure(again["outcome"] == "NotNeeded", || again.to_string())?;
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}});
    scenario.patch_spec(&json!({"updateStrategy": rolling})).await?;
    let before = strategy_bytes(scenario).await?;
    let text = start(scenario, "resume", &["--yes"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["The update strategy was changed after the pause", "annotation removed"])?;
    ensure(strategy_bytes(scenario).await? == before, || "the strategy was overwritten".into())?;
    let annotations = agent(scenario).await?.annotations().clone();
    ensure(!annotations.contains_key("kubectl-ds/paused-update-strategy"), || format!("{annotations:?}"))?;
    let (_, stderr) = start(scenario, "resume", &["--yes"])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(&stderr, &["guard-resume/agent is not paused", "kubectl ds rollout pause agent -n guard-resume"])
}

/// OnDelete cannot be paused, a question needs a terminal, and dry runs change nothing.
pub(super) async fn rejections_change_nothing(scenario: &Scenario<'_>) -> Result<(), Failed> {
    scenario.create_agent(&json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    let before = spec_and_uids(scenario).await?;
    let (_, stderr) = start(scenario, "pause", &[])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(
        &stderr,
        &["guard-repeat/agent uses the OnDelete strategy", "kubectl ds cycle agent -n guard-repeat"],
    )?;
    ensure(spec_and_uids(scenario).await? == before, || "something was changed".into())?;
    scenario.patch_spec(&json!({"updateStrategy": {"type": "RollingUpdate"}})).await?;
    until_observed(scenario).await?;
    let before = spec_and_uids(scenario).await?;
    for dry_run in ["--dry-run=client", "--dry-run=server"] {
        let text = start(scenario, "pause", &[dry_run])?.wait_for_exit(0).await?;
        assert_contains(&text, &["→ OnDelete", "Dry run: nothing was changed"])?;
    }
    ensure(spec_and_uids(scenario).await? == before, || "something was changed".into())?;
    start(scenario, "pause", &[])?.wait_for_exit(0).await?;
    let (_, stderr) = start(scenario, "resume", &[])?.wait_for_exit_with_stderr(2).await?;
    assert_contains(&stderr, &["cannot ask for confirmation", "--yes"])?;
    let text = start(scenario, "resume", &["--dry-run=server"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["OnDelete (paused ", "→ RollingUpdate (", "Dry run: nothing was changed"])?;
    ensure(strategy_bytes(scenario).await?.contains("OnDelete"), || "it was resumed".into())
}
