//! Assertions on the report of `kubectl ds why-not` about one DaemonSet on one node.

use libtest_mimic::Failed;
use serde_json::Value;

use crate::harness::client::{document, ensure, failed};
use crate::harness::control_plane::ControlPlane;

/// A check that must fail, and its reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedReason<'a> {
    /// The name of the scheduler plugin, or of the controller's rule.
    pub(crate) check: &'a str,
    /// The reason's code.
    pub(crate) code: &'a str,
    /// The scheduler's message.
    pub(crate) scheduler: &'a str,
}

/// Runs `why-not` for a DaemonSet (namespace and name) on a node. The failed check must have a reason with this code
/// and the scheduler's message, a message of its own and a fix.
pub(crate) fn assert_explained(
    plane: &ControlPlane,
    node: &str,
    (namespace, name): (&str, &str),
    expected: ExpectedReason<'_>,
) -> Result<(), Failed> {
    let output = plane.ds(&["why-not", node, name, "-n", namespace, "-o", "json"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Exit code 1: the pod does not run.
    ensure(matches!(output.status.code(), Some(0 | 1)), || {
        format!("why-not {node} {name}: {}: {stderr}", output.status)
    })?;
    let report = document(&String::from_utf8_lossy(&output.stdout))?;
    ensure(report["kind"] == "WhyNotReport" && report["node"] == node, || format!("unexpected report: {report:.300}"))?;
    let is_expected_set = |set: &&Value| set["namespace"] == namespace && set["name"] == name;
    let set = list(&report["daemonSets"]).iter().find(is_expected_set);
    let checks = set.map_or(&[][..], |set| list(&set["checks"]));
    let is_failed = |check: &&Value| check["check"] == expected.check && check["result"] == "Fail";
    let mut reasons = checks.iter().filter(is_failed).flat_map(|check| list(&check["reasons"]));
    let is_expected = |reason: &&Value| reason["code"] == expected.code && reason["scheduler"] == expected.scheduler;
    let reason = reasons.find(is_expected).ok_or_else(|| {
        let failed: Vec<&Value> = checks.iter().filter(|check| check["result"] != "Pass").collect();
        self::failed(format!("{namespace}/{name} on {node}: expected {expected:?}, found {failed:?}"))
    })?;
    ensure(reason["message"].as_str().is_some_and(|message| !message.is_empty()), || {
        format!("{namespace}/{name} on {node}: no message in {reason}")
    })?;
    ensure(!list(&reason["fix"]).is_empty(), || format!("{namespace}/{name} on {node}: no fix in {reason}"))
}

/// The same by the scheduler's message only (with an empty `check`), or by the check only.
pub(crate) fn assert_rejected(
    plane: &ControlPlane,
    node: &str,
    (namespace, name): (&str, &str),
    check: &str,
    scheduler: Option<&str>,
) -> Result<(), Failed> {
    let output = plane.ds(&["why-not", node, name, "-n", namespace, "-o", "json"]);
    let report = document(&String::from_utf8_lossy(&output.stdout))?;
    let checks = list(&report["daemonSets"][0]["checks"]);
    let is_expected = |one: &&Value| {
        let has_message = |reason: &Value| scheduler.is_none_or(|message| reason["scheduler"] == message);
        one["result"] == "Fail"
            && (check.is_empty() || one["check"] == check)
            && list(&one["reasons"]).iter().any(has_message)
    };
    ensure(checks.iter().any(|one| is_expected(&one)), || {
        let failed: Vec<&Value> = checks.iter().filter(|check| check["result"] != "Pass").collect();
        format!("{namespace}/{name} on {node}: expected {check:?} {scheduler:?}, found {failed:?}")
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
