//! The states of alerts in Prometheus against those that the program reports.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::SignedDuration;
use libtest_mimic::Failed;
use serde_json::Value;

use super::samples::{Sample, Samples};
use super::{SLACK, STRETCH};
use crate::harness::client::{ensure, failed};

const STUCK: &str = "KubeDaemonSetRolloutStuck";
const NOT_SCHEDULED: &str = "KubeDaemonSetNotScheduled";
const MISSCHEDULED: &str = "KubeDaemonSetMisScheduled";

/// The state of each active alert, by DaemonSet and alert.
type States = BTreeMap<(String, String), String>;

/// Compares each sample, and the firing alerts in the end.
pub(super) fn compare(samples: &Samples, evaluator: &Path) -> Result<(), Failed> {
    let evaluated = evaluate(samples, evaluator)?;
    ensure(evaluated.len() == samples.0.len(), || "not every sample was evaluated".to_owned())?;
    let mut wrong = Vec::new();
    for index in 0..samples.0.len() {
        wrong.extend(differences(samples, &evaluated, index).into_iter().map(|text| format!("sample {index}: {text}")));
    }
    let (Some(last), Some(expected)) = (samples.0.last(), evaluated.last()) else { return Err(failed("no sample")) };
    let (ours, theirs) = (firing(&last.reported, "Firing"), firing(expected, "firing"));
    if ours != theirs {
        wrong.push(format!("in the end, these fire: {ours:#?}, in Prometheus: {theirs:#?}"));
    }
    ensure(wrong.is_empty(), || format!("{}\n{}", wrong.join("\n"), history(samples, &evaluated)))?;
    eprintln!("{} samples, {} alerts fire in the end", samples.0.len(), theirs.len());
    check_variety(&evaluated, &theirs)
}

/// Prometheus' states after each sample.
fn evaluate(samples: &Samples, evaluator: &Path) -> Result<Vec<States>, Failed> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alert-rules/rules.yaml");
    let mut child = Command::new(evaluator)
        .arg(rules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(samples.series().to_string().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    let evaluated: Vec<Value> = serde_json::from_slice(&output.stdout).map_err(failed)?;
    let text = |alert: &Value, field: &str| alert[field].as_str().unwrap_or_default().to_owned();
    let states = |evaluation: &Value| {
        let alerts = evaluation.as_array().into_iter().flatten();
        alerts.map(|alert| ((text(alert, "daemonSet"), text(alert, "alert")), text(alert, "state"))).collect()
    };
    Ok(evaluated.iter().map(states).collect())
}

fn differences(samples: &Samples, evaluated: &[States], index: usize) -> Vec<String> {
    let (sample, expected) = (&samples.0[index], &evaluated[index]);
    let mut wrong = Vec::new();
    let all: BTreeSet<&(String, String)> = sample.reported.keys().chain(expected.keys()).collect();
    for key in all {
        let (ours, theirs) = (sample.reported.get(key), expected.get(key));
        match (ours, theirs) {
            (None, Some(theirs)) => wrong.push(format!("{key:?} is {theirs} in Prometheus only")),
            (Some(ours), None) if key.1 != STUCK || !updated_changed(samples, index, &key.0) => {
                wrong.push(format!("{key:?} is {ours}, and not active in Prometheus"));
            }
            (Some(ours), _) if ours == "Firing" && !fires_soon(evaluated, index, key) => {
                wrong.push(format!("{key:?} is Firing, and {theirs:?} in Prometheus"));
            }
            (Some(_), _) | (None, None) => {}
        }
    }
    wrong
}

/// Whether the number of updated pods changed in the last five minutes, so that `changes()` is not 0.
fn updated_changed(samples: &Samples, index: usize, name: &str) -> bool {
    let window = SignedDuration::from_mins(5) / i32::try_from(STRETCH).unwrap_or(1);
    let now = samples.0[index].at;
    let recent = samples.0[..=index].iter().filter(|sample| now.duration_since(sample.at) < window);
    let updated = |sample: &Sample| sample.statuses.get(name).map(|status| status["updated"].clone());
    recent.map(updated).collect::<Vec<_>>().windows(2).any(|pair| pair[0] != pair[1])
}

/// Whether it fires in Prometheus within [`SLACK`] samples. Near the end, it may be pending: the last sample is compared
/// exactly.
fn fires_soon(evaluated: &[States], index: usize, key: &(String, String)) -> bool {
    let soon = evaluated[index..].iter().take(SLACK + 1);
    let mut states = soon.map(|states| states.get(key).map(String::as_str));
    let is_near_end = evaluated.len() <= index + SLACK;
    states.any(|state| state == Some("firing") || is_near_end && state == Some("pending"))
}

fn firing(states: &States, name: &str) -> BTreeSet<(String, String)> {
    states.iter().filter(|(_, state)| *state == name).map(|(key, _)| key.clone()).collect()
}

/// Fails if an alert never fired, or if nothing was pending: such scenarios prove nothing.
fn check_variety(evaluated: &[States], fired: &BTreeSet<(String, String)>) -> Result<(), Failed> {
    for alert in [STUCK, NOT_SCHEDULED, MISSCHEDULED] {
        ensure(fired.iter().any(|(_, name)| name == alert), || format!("no variety: {alert} does not fire"))?;
    }
    let is_pending = |states: &States| states.values().any(|state| state == "pending");
    ensure(evaluated.last().is_some_and(is_pending), || "no variety: nothing is pending in the end".to_owned())
}

/// Every sample, for the message of a failure.
fn history(samples: &Samples, evaluated: &[States]) -> String {
    let start = samples.0.first().map(|sample| sample.at).unwrap_or_default();
    let line = |(index, (sample, states)): (usize, (&Sample, &States))| {
        let seconds = sample.at.duration_since(start).as_secs();
        format!(
            "{index} ({seconds} s): {:?}\n    reported {:?}\n    Prometheus {states:?}",
            sample.statuses, sample.reported
        )
    };
    samples.0.iter().zip(evaluated).enumerate().map(line).collect::<Vec<_>>().join("\n")
}
