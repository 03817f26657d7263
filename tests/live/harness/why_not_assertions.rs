//! What `kubectl ds why-not` must say of one DaemonSet on one node.

use libtest_mimic::Failed;
use serde_json::Value;

use crate::client::{ensure, failed};
use crate::plane::Plane;

/// A check that must fail, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The plugin's or rule's name.
    pub(crate) check: &'a str,
    /// The reason's code.
    pub(crate) code: &'a str,
    /// The scheduler's wording.
    pub(crate) scheduler: &'a str,
}

/// Asks why the DaemonSet (namespace and name) has no pod that runs on the node. One reason of the failed check must
/// have the code and the scheduler's wording, and something to do about it.
pub(crate) fn assert_explained(
    plane: &Plane,
    node: &str,
    (namespace, name): (&str, &str),
    expected: Expected<'_>,
) -> Result<(), Failed> {
    let output = plane.ds(&["why-not", node, name, "-n", namespace, "-o", "json"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // 1 is the answer "it does not run".
    ensure(matches!(output.status.code(), Some(0 | 1)), || {
        format!("why-not {node} {name} ended with {}: {stderr}", output.status)
    })?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("why-not {node} {name} is not JSON ({error}): {stderr}")))?;
    ensure(report["kind"] == "WhyNotReport" && report["node"] == node, || format!("another report: {report:.300}"))?;
    let is_it = |set: &&Value| set["namespace"] == namespace && set["name"] == name;
    let set = list(&report["daemonSets"]).iter().find(is_it);
    let checks = set.map_or(&[][..], |set| list(&set["checks"]));
    let is_failed = |check: &&Value| check["check"] == expected.check && check["result"] == "Fail";
    let mut reasons = checks.iter().filter(is_failed).flat_map(|check| list(&check["reasons"]));
    let is_meant = |reason: &&Value| reason["code"] == expected.code && reason["scheduler"] == expected.scheduler;
    let reason = reasons.find(is_meant).ok_or_else(|| {
        let failed: Vec<&Value> = checks.iter().filter(|check| check["result"] != "Pass").collect();
        self::failed(format!("{namespace}/{name} on {node}: not explained by {expected:?}, but by {failed:?}"))
    })?;
    ensure(reason["message"].as_str().is_some_and(|message| !message.is_empty()), || {
        format!("{namespace}/{name} on {node}: no sentence in {reason}")
    })?;
    ensure(!list(&reason["fix"]).is_empty(), || format!("{namespace}/{name} on {node}: nothing to do in {reason}"))
}

/// The same by the scheduler's wording alone, or by the check alone.
pub(crate) fn assert_refused(
    plane: &Plane,
    node: &str,
    (namespace, name): (&str, &str),
    check: &str,
    scheduler: Option<&str>,
) -> Result<(), Failed> {
    let output = plane.ds(&["why-not", node, name, "-n", namespace, "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        failed(format!("why-not {node} {name}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
    })?;
    let checks = list(&report["daemonSets"][0]["checks"]);
    let is_meant = |one: &&Value| {
        let words = |reason: &Value| scheduler.is_none_or(|words| reason["scheduler"] == words);
        one["result"] == "Fail"
            && (check.is_empty() || one["check"] == check)
            && list(&one["reasons"]).iter().any(words)
    };
    ensure(checks.iter().any(|one| is_meant(&one)), || {
        let failed: Vec<&Value> = checks.iter().filter(|check| check["result"] != "Pass").collect();
        format!("{namespace}/{name} on {node}: not explained by {check:?} {scheduler:?}, but by {failed:?}")
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
