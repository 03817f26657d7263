//! Missing permissions are reported before any pod is removed.

use super::*;
use crate::harness::client::message;
use crate::harness::manifests::{cluster_role, cluster_role_binding, rule};

const CORE: [&str; 3] = ["pods", "nodes", "events"];
const APPS: [&str; 2] = ["daemonsets", "controllerrevisions"];
const READ: [&str; 3] = ["get", "list", "watch"];

pub(crate) const TESTS: &[LiveTest] = live_tests![missing_permissions_are_reported];

/// A user who can only read, and a user without permissions, get an error before any pod is removed.
fn missing_permissions_are_reported(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let scenario = Scenario { plane, name: "permissions", nodes: 3 };
        scenario.set_up().await?;
        create_agent(&scenario, &json!({})).await?;
        update(&scenario, "two", &json!({})).await?;
        let before = uids(&scenario).await?;
        let nobody = plane.ds_as("nobody", &["cycle", "agent", "-n", "permissions", "--yes"]);
        let stderr = String::from_utf8_lossy(&nobody.stderr).into_owned();
        ensure(nobody.status.code() == Some(2) && stderr.contains("cannot list"), || stderr.clone())?;
        let reader = cluster_role("reader", &json!([rule("", &CORE, &READ), rule("apps", &APPS, &READ)]));
        plane.create_all(&[reader, cluster_role_binding("reader", "nobody")]).await?;
        let cases = [(&["--yes"][..], "cannot delete pods"), (&["--yes", "--evict"], "cannot create pods/eviction")];
        for (arguments, missing) in cases {
            let arguments = [&["cycle", "agent", "-n", "permissions"], arguments].concat();
            let stderr = wait_until("the user can read and not delete", async || {
                let output = plane.ds_as("nobody", &arguments);
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                let is_reported = output.status.code() == Some(2) && stderr.contains(missing);
                if is_reported { Ok(stderr) } else { Err(format!("{:?} {stderr}", output.status)) }
            })
            .await?;
            ensure(stderr.contains("hint: ") && stderr.contains("RBAC permission"), || stderr)?;
        }
        let after = uids(&scenario).await?;
        ensure(before == after, || format!("{before:?} -> {after:?}"))
    })
}

/// A user without permissions for Leases gets a warning in the plan, and can run without a lock.
pub(super) async fn locks_need_permissions(scenario: &Scenario<'_>) -> Result<(), Failed> {
    create_agent(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let rules = [rule("", &CORE, &["get", "list", "watch", "delete"]), rule("apps", &APPS, &READ)];
    let role = cluster_role("remover", &json!(rules));
    scenario.plane.create_all(&[role.clone(), cluster_role_binding("remover", "remover")]).await?;
    let cases: [(&[&str], &str); 3] =
        [(&[], "cannot get leases"), (&["get"], "cannot create leases"), (&["get", "create"], "cannot update leases")];
    for (verbs, missing) in cases {
        let mut role = role.clone();
        if !verbs.is_empty() {
            let leases = rule("coordination.k8s.io", &["leases"], verbs);
            role["rules"] = json!([rules[0], rules[1], leases]);
        }
        scenario.plane.merge(&role).await?;
        wait_until(&format!("{missing} is reported"), async || {
            let running = start(scenario, &["--as", "remover"]).map_err(|failure| format!("{failure:?}"))?;
            let (text, stderr) = running.wait_for_exit_with_stderr(2).await.map_err(message)?;
            let has_warning =
                text.contains(&format!("! no lock: {missing}")) && text.contains("use --no-lock to run without a lock");
            let has_error = stderr.contains("error: cannot lock the DaemonSet: ") && stderr.contains("RBAC permission");
            if has_warning && has_error { Ok(()) } else { Err(format!("{text}{stderr}")) }
        })
        .await?;
    }
    assert_contains(
        &start(scenario, &["--as", "remover", "--dry-run=server"])?.wait_for_exit(0).await?,
        &["! no lock: cannot update leases"],
    )?;
    ensure(watcher.removed().is_empty(), || format!("{:?}", watcher.removed()))?;
    let text = start(scenario, &["--as", "remover", "--no-lock"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["! no lock: a concurrent cycle of this DaemonSet can exceed the budget", "\nDone\n"])?;
    assert_no_violations(&watcher, &text)
}
