//! Errors for objects that do not exist, wrong credentials and an unreachable server: one line with the error, one with
//! a hint, and exit code 2.

use libtest_mimic::Failed;
use serde_json::json;

use crate::Ctx;
use crate::harness::client::ensure;
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::daemon_set;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![wrong_arguments_print_error_and_hint];

/// The arguments, and a part of each of the two lines.
const CASES: [(&[&str], &str, &str); 6] = [
    (
        &["coverage", "-n", "kube-sistem"],
        "error: namespace \"kube-sistem\" not found (context \"admin\")",
        "did you mean \"kube-system\"?",
    ),
    (
        &["coverage", "agnet"],
        "error: daemonset \"agnet\" not found in namespace \"default\" (context \"admin\")",
        "did you mean \"agent\"?",
    ),
    (&["coverage", "-A", "--context", "expired"], "rejected the credentials of expired", "kubectl auth whoami"),
    (&["coverage", "-A", "--as", "someone"], "error: cannot list daemonsets", "ClusterRole"),
    (&["coverage", "-A", "--token", "wrong"], "rejected the credentials of --token", "kubectl auth whoami"),
    (
        &["coverage", "-A", "-s", "http://127.0.0.1:1"],
        "error: cannot reach the API server at http://127.0.0.1:1",
        "--context",
    ),
];

fn wrong_arguments_print_error_and_hint(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create(&daemon_set("default", "agent", &json!({}))).await?;

        for (arguments, error, hint) in CASES {
            let output = plane.ds(arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let output_text = || format!("{arguments:?}: {} {stderr}", output.status);
            let lines: Vec<&str> = stderr.lines().collect();
            ensure(output.status.code() == Some(2) && output.stdout.is_empty(), output_text)?;
            ensure(lines.len() == 2 && lines[0].contains(error) && lines[1].contains(hint), output_text)?;
        }
        let output = plane.ds(&["coverage", "-n", "kube-system"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let output_text = || format!("a namespace without DaemonSets: {} {stderr}", output.status);
        ensure(output.status.code() == Some(0) && stderr.starts_with("note: no DaemonSets found in"), output_text)
    })
}
