//! What users of kubectl expect: the same exit codes and last lines as kubectl, names in each of its forms, and help where
//! a name is elsewhere.

use std::process::Output;

use libtest_mimic::Failed;
use serde_json::json;

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_with_image, namespace, node, with_behavior};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;

pub(crate) const TESTS: &[LiveTest] = live_tests![rollout_status_agrees_with_kubectl, names_are_found_as_in_kubectl];

/// Runs the same `rollout status` in kubectl and in this program.
fn both(plane: &ControlPlane, ctx: &Ctx, arguments: &[&str]) -> Result<[Output; 2], Failed> {
    let words = [&["rollout", "status"], arguments].concat();
    let kubectl = std::process::Command::new(ctx.programs.join("kubectl"))
        .args(&words)
        .env("KUBECONFIG", plane.kubeconfig())
        .output()
        .map_err(failed)?;
    Ok([kubectl, plane.ds(&words)])
}

fn describe(outputs: &[Output; 2]) -> String {
    outputs.iter().map(|output| format!("{output:?}\n")).collect()
}

/// A complete rollout, one that is not complete, a time limit, and a name that does not exist.
fn rollout_status_agrees_with_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create_all(&[node("a"), node("b"), daemon_set_with_image("default", "agent", "one")]).await?;
        // Before the nodes are ready none is eligible, and the rollout is complete.
        wait_until("two nodes are eligible", async || {
            let coverage = plane.ds(&["coverage", "agent"]);
            let text = String::from_utf8_lossy(&coverage.stdout).into_owned();
            if text.contains("2 of 2 nodes covered") { Ok(()) } else { Err(text) }
        })
        .await?;
        for name in
            [&["agent"][..], &["ds/agent"], &["daemonset.apps/agent"], &["ds", "agent"], &["daemonsets", "agent"]]
        {
            // kubectl does not accept a name without its type.
            let of_kubectl = if name == ["agent"] { &["ds/agent"][..] } else { name };
            let outputs = [both(plane, ctx, of_kubectl)?, both(plane, ctx, name)?].map(|[kubectl, ds]| (kubectl, ds));
            let [(kubectl, _), (_, ds)] = outputs;
            let last = |output: &Output| String::from_utf8_lossy(&output.stdout).lines().last().map(str::to_owned);
            ensure(kubectl.status.code() == Some(0) && ds.status.code() == Some(0), || format!("{kubectl:?} {ds:?}"))?;
            ensure(last(&kubectl) == last(&ds), || format!("{:?} {:?}", last(&kubectl), last(&ds)))?;
        }
        let broken = with_behavior(daemon_set_with_image("default", "agent", "two"), &json!({"ds.test/no-image": "*"}));
        plane.update(&broken, |object| object["spec"] = broken["spec"].clone()).await?;
        wait_until("the rollout is not complete", async || {
            let once = plane.ds(&["rollout", "watch", "agent", "--once"]);
            if once.status.code() == Some(1) { Ok(()) } else { Err(format!("{once:?}")) }
        })
        .await?;
        for (arguments, code) in [
            (&["ds/agent", "--watch=false"][..], 0),
            (&["ds/agent", "-w=false"], 0),
            (&["ds/agent", "--timeout=2s"], 1),
        ] {
            let outputs = both(plane, ctx, arguments)?;
            let codes = outputs.each_ref().map(|output| output.status.code());
            ensure(codes == [Some(code); 2], || format!("{arguments:?}: {}", describe(&outputs)))?;
        }
        // kubectl exits with 1 for an error, this program with 2.
        let outputs = both(plane, ctx, &["ds/nothing"])?;
        let codes = outputs.each_ref().map(|output| output.status.code());
        ensure(codes == [Some(1), Some(2)], || describe(&outputs))?;

        let watching = RunningProgram::start(plane, &["rollout", "watch", "agent"])?;
        watching.wait_for("blocked on ").await?;
        let mended = daemon_set_with_image("default", "agent", "three");
        plane.update(&mended, |object| object["spec"] = mended["spec"].clone()).await?;
        // The rollout of another template than the one at the start is no success.
        let text = watching.wait_for_exit(1).await?;
        ensure(text.contains("with another pod template than at the start"), || text.clone())
    })
}

/// Other namespaces, beginnings of node names, swapped arguments, and lists of names.
fn names_are_found_as_in_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let labeled = |name: &str, tier: &str| {
            let mut daemon_set = daemon_set_with_image("logging", name, "one");
            daemon_set["metadata"]["labels"] = json!({"tier": tier});
            daemon_set
        };
        plane
            .create_all(&[
                namespace("logging"),
                node("worker-a"),
                node("worker-b"),
                labeled("agent", "x"),
                labeled("other", "y"),
            ])
            .await?;
        let text = |output: &Output| {
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        for (arguments, code, expected) in [
            (&["coverage", "agent"][..], 2, "it exists in namespace \"logging\": pass -n logging, or logging/agent"),
            (&["coverage"], 0, "2 DaemonSets in other namespaces: pass -A"),
            (&["coverage", "logging/agent"], 0, "DaemonSet logging/agent"),
            (&["rollout", "history", "logging/agent"], 0, "REVISION"),
            (&["cycle", "logging/agent", "--all", "--dry-run=client"], 0, "logging/agent"),
            (&["why-not", "worker-b", "agent"], 0, "logging/agent on worker-b"),
            (&["why-not", "worker-"], 2, "several nodes begin with \"worker-\": worker-a, worker-b"),
            (&["why-not", "node", "worker-a", "ds", "agent"], 0, "logging/agent on worker-a"),
            (&["why-not", "agent", "worker-a"], 2, "the node comes first: kubectl ds why-not worker-a agent"),
            (&["why-not", "-n", "logging", "ds/agent"], 0, "logging/agent: "),
            (&["why-not", "-n", "logging", "agent"], 0, "logging/agent: "),
            (&["why-not", "node/worker-a", "node/worker-b", "agent"], 0, "logging/agent on worker-b"),
        ] {
            // The controller creates revisions and pods with a delay.
            wait_until(&format!("{arguments:?} prints {expected:?}"), async || {
                let output = plane.ds(arguments);
                match output.status.code() == Some(code) && text(&output).contains(expected) {
                    true => Ok(()),
                    false => Err(format!("{output:?}")),
                }
            })
            .await?;
        }
        let beginning = plane.ds(&["why-not", "worker-a", "agent", "-o", "json"]);
        ensure(text(&beginning).contains("\"node\": \"worker-a\""), || text(&beginning))?;
        for arguments in
            [&["-n", "logging"][..], &["-n", "logging", "-l", "tier=x"], &["-n", "logging", "-l", "tier in (y,z)"]]
        {
            let of_kubectl = plane.kubectl(ctx, &[&["get", "ds", "-o", "name"], arguments].concat())?;
            let of_ds = plane.ds(&[&["coverage", "-o", "name"], arguments].concat());
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let of_ds = String::from_utf8_lossy(&of_ds.stdout).into_owned();
            ensure(sorted(&of_kubectl) == sorted(&of_ds), || format!("{arguments:?}: {of_kubectl} {of_ds}"))?;
        }
        let everywhere = plane.ds(&["coverage", "-A", "-o", "name"]);
        ensure(String::from_utf8_lossy(&everywhere.stdout).contains("logging/agent\n"), || text(&everywhere))
    })
}
