//! Rights that are missing: told before anything is removed.

use super::*;
use crate::harness::client::binding;

/// Who may only read is told before anything is deleted, and who may not even read is told too.
pub(crate) fn are_needed(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let scenario = Scenario { plane, name: "rights", nodes: 3 };
        scenario.set_up().await?;
        begin(&scenario, &json!({})).await?;
        update(&scenario, "two", &json!({})).await?;
        let before = uids(&scenario).await?;
        let nobody = plane.ds_as("nobody", &["cycle", "agent", "-n", "rights", "--yes"]);
        let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
        ensure(nobody.status.code() == Some(2) && said.contains("cannot list"), || said.clone())?;
        let core = json!([
            {"apiGroups": [""], "resources": ["pods", "nodes", "events"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["daemonsets", "controllerrevisions"], "verbs": ["get", "list", "watch"]},
        ]);
        plane.create_all(&[
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": core}),
            binding("reader", "nobody"),
        ])
        .await?;
        for (arguments, right) in [(&["--yes"][..], "cannot delete pods"), (&["--yes", "--evict"], "cannot create pods/eviction")] {
            let arguments = [&["cycle", "agent", "-n", "rights"], arguments].concat();
            let said = wait_until("the reader may read, and not delete", async || {
                let output = plane.ds_as("nobody", &arguments);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let is_told = output.status.code() == Some(2) && said.contains(right);
                if is_told { Ok(said) } else { Err(format!("{:?} {said}", output.status)) }
            })
            .await?;
            ensure(said.contains("hint: ask for the right to"), || said)?;
        }
        let after = uids(&scenario).await?;
        ensure(before == after, || format!("{before:?} -> {after:?}"))
    })
}

/// Who may not write Leases is told in the plan, and may go without.
pub(super) async fn locks_need_rights(scenario: &Scenario<'_>) -> Result<(), Failed> {
    begin(scenario, &json!({})).await?;
    let current = update(scenario, "two", &json!({})).await?;
    let watcher = watch(scenario, 1, Some(current)).await?;
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods", "nodes", "events"], "verbs": ["get", "list", "watch", "delete"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets", "controllerrevisions"], "verbs": ["get", "list", "watch"]},
    ]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "remover"}, "rules": rules});
    scenario.plane.create_all(&[role.clone(), binding("remover", "remover")]).await?;
    let cases: [(&[&str], &str); 3] =
        [(&[], "cannot get leases"), (&["get"], "cannot create leases"), (&["get", "create"], "cannot update leases")];
    for (verbs, missing) in cases {
        let mut role = role.clone();
        if !verbs.is_empty() {
            let more = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs});
            role["rules"] = json!([rules[0], rules[1], more]);
        }
        scenario.plane.merge(&role).await?;
        wait_until("the rights are as they are meant", async || {
            let running = start(scenario, &["--as", "remover"]).map_err(|failure| format!("{failure:?}"))?;
            let (text, said) = running
                .wait_for_exit_with_stderr(2)
                .await
                .map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
            let is_told = text.contains(&format!("! no lock: {missing}")) && text.contains("--no-lock goes without it");
            let is_refused =
                said.contains("error: cannot lock the DaemonSet: ") && said.contains("hint: ask for the rights");
            if is_told && is_refused { Ok(()) } else { Err(format!("{text}{said}")) }
        })
        .await?;
    }
    assert_contains(
        &start(scenario, &["--as", "remover", "--dry-run=server"])?.wait_for_exit(0).await?,
        &["! no lock: cannot update leases"],
    )?;
    ensure(watcher.removed().is_empty(), || format!("{:?}", watcher.removed()))?;
    let text = start(scenario, &["--as", "remover", "--no-lock"])?.wait_for_exit(0).await?;
    assert_contains(&text, &["! no lock: another cycle of this DaemonSet at the same time can exceed the budget", "\nDone\n"])?;
    obeyed(&watcher, &text)
}
