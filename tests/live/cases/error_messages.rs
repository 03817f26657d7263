//! What a user is told who names what is not there, or comes with the wrong credentials: one line for what failed, one
//! for what to do, and exit code 2.

use libtest_mimic::Failed;
use serde_json::json;

use crate::Ctx;
use crate::harness::client::ensure;
use crate::harness::control_plane::ControlPlane;

/// The arguments, and what the two lines must say.
const MISTAKES: [(&[&str], &str, &str); 6] = [
    (
        &["coverage", "-n", "kube-sistem"],
        "error: there is no namespace \"kube-sistem\" in context \"admin\"",
        "did you mean \"kube-system\"?",
    ),
    (
        &["coverage", "agnet"],
        "error: there is no DaemonSet \"agnet\" in namespace \"default\" of context \"admin\"",
        "did you mean \"agent\"?",
    ),
    (&["coverage", "-A", "--context", "expired"], "does not accept the credentials of expired", "kubectl auth whoami"),
    (&["coverage", "-A", "--as", "somebody"], "error: cannot list daemonsets", "ClusterRole"),
    (&["coverage", "-A", "--token", "wrong"], "does not accept the credentials of --token", "kubectl auth whoami"),
    (
        &["coverage", "-A", "-s", "http://127.0.0.1:1"],
        "error: cannot reach the API server http://127.0.0.1:1",
        "--context",
    ),
];

pub(crate) fn are_told_in_two_lines(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let labels = json!({"app": "agent"});
        let template =
            json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "agent"}]}});
        let spec = json!({"selector": {"matchLabels": labels}, "template": template});
        let metadata = json!({"name": "agent", "namespace": "default"});
        plane
            .create(&json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}))
            .await?;

        for (arguments, error, hint) in MISTAKES {
            let output = plane.ds(arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let told = || format!("{arguments:?}: {} {stderr}", output.status);
            let lines: Vec<&str> = stderr.lines().collect();
            ensure(output.status.code() == Some(2) && output.stdout.is_empty(), told)?;
            ensure(lines.len() == 2 && lines[0].contains(error) && lines[1].contains(hint), told)?;
        }
        let output = plane.ds(&["coverage", "-n", "kube-system"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let told = || format!("an empty namespace: {} {stderr}", output.status);
        ensure(output.status.code() == Some(0) && stderr.starts_with("note: no DaemonSets found in"), told)
    })
}
