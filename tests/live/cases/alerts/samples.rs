//! Saves of a cluster, with what the program reports of each.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use super::STRETCH;
use crate::Ctx;
use crate::harness::client::{document, ensure, failed};
use crate::harness::control_plane::ControlPlane;

/// The numbers of one `.status`, as `tests/alert-rules` reads them.
pub(super) type Status = Value;

/// One save of the cluster.
pub(super) struct Sample {
    pub(super) at: Timestamp,
    /// By `NAMESPACE/NAME`.
    pub(super) statuses: BTreeMap<String, Status>,
    /// What the program reports: the state of each active alert, by DaemonSet and alert.
    pub(super) reported: BTreeMap<(String, String), String>,
}

pub(super) struct Samples(pub(super) Vec<Sample>);

impl Samples {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Saves the cluster, and runs the program on the stretched save.
    pub(super) fn take(&mut self, ctx: &Ctx, plane: &ControlPlane) -> Result<(), Failed> {
        let kinds = "nodes,daemonsets,pods,events,controllerrevisions";
        let saved = plane.kubectl(ctx, &["get", kinds, "-A", "-o", "json", "--show-managed-fields"])?;
        // The save has everything that happened before this.
        let at = Timestamp::now();
        let mut saved: Value = serde_json::from_str(&saved).map_err(failed)?;
        let statuses = statuses(&saved);
        stretch(&mut saved, at);
        if let Some(items) = saved["items"].as_array_mut() {
            items.push(event(at));
        }
        let file = plane.dir().join("stretched.json");
        std::fs::write(&file, saved.to_string())?;
        let output = plane.ds(&["alerts", "-A", "-o", "json", "--from", "stretched.json"]);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure(matches!(output.status.code(), Some(0 | 1)), || format!("{}: {stderr}", output.status))?;
        let report = document(&stdout)?;
        check(&report, &statuses, at, output.status.code())?;
        self.0.push(Sample { at, statuses, reported: states(&report) });
        Ok(())
    }

    /// Whether a `.status` changed within this time before the last sample.
    pub(super) fn unstable_for(&self, time: Duration) -> Result<bool, Failed> {
        let last = self.0.last().ok_or_else(|| failed("no sample"))?;
        let time = SignedDuration::try_from(time).map_err(failed)?;
        let before = self.0.iter().rev().take_while(|sample| sample.statuses == last.statuses).last();
        Ok(before.is_none_or(|first| last.at.duration_since(first.at) < time))
    }

    /// The input of `tests/alert-rules`.
    pub(super) fn series(&self) -> Value {
        let first = self.0.first().map(|sample| sample.at).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a few minutes")]
        let seconds = |sample: &Sample| (sample.at.duration_since(first).as_millis() as f64) / 1000.0 * STRETCH as f64;
        let mut series: Map<String, Value> = Map::new();
        for name in self.0.iter().flat_map(|sample| sample.statuses.keys()) {
            let of = |sample: &Sample| sample.statuses.get(name).cloned().unwrap_or_default();
            series.insert(name.clone(), self.0.iter().map(of).collect());
        }
        json!({"seconds": self.0.iter().map(seconds).collect::<Vec<f64>>(), "series": series})
    }
}

/// The fields of `.status` that kube-state-metrics exports for the alerts.
fn statuses(saved: &Value) -> BTreeMap<String, Status> {
    let items = saved["items"].as_array().into_iter().flatten();
    let sets = items.filter(|item| item["kind"] == "DaemonSet");
    let status = |set: &Value| {
        let number = |field: &str| set["status"][field].as_i64().unwrap_or_default();
        json!({
            "current": number("currentNumberScheduled"),
            "desired": number("desiredNumberScheduled"),
            "misscheduled": number("numberMisscheduled"),
            "updated": number("updatedNumberScheduled"),
            "available": number("numberAvailable"),
        })
    };
    sets.map(|set| (full_name(&set["metadata"]), status(set))).collect()
}

fn full_name(metadata: &Value) -> String {
    let text = |field: &str| metadata[field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// Multiplies the age of every timestamp.
fn stretch(value: &mut Value, now: Timestamp) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| stretch(item, now)),
        Value::Object(fields) => fields.values_mut().for_each(|field| stretch(field, now)),
        Value::String(text) if text.ends_with('Z') => {
            if let Ok(time) = text.parse::<Timestamp>() {
                let age = now.duration_since(time).max(SignedDuration::ZERO);
                *text =
                    (now - age * i32::try_from(STRETCH).unwrap_or(1)).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An event at this time: the time of a saved cluster is the newest one in it.
fn event(now: Timestamp) -> Value {
    let now = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": "default", "name": "saved", "uid": "saved", "creationTimestamp": now},
        "involvedObject": {"kind": "Node", "name": "none", "uid": "none"},
        "type": "Normal", "reason": "Saved", "firstTimestamp": now, "lastTimestamp": now,
    })
}

/// The report is about the same numbers and the same time, and its exit code follows from it.
fn check(report: &Value, statuses: &BTreeMap<String, Status>, at: Timestamp, code: Option<i32>) -> Result<(), Failed> {
    let as_of: Timestamp = report["asOf"].as_str().unwrap_or_default().parse().map_err(failed)?;
    ensure(at.duration_since(as_of).abs() < SignedDuration::from_secs(2), || format!("as of {as_of}, saved at {at}"))?;
    let sets = report["daemonSets"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure(sets.len() == statuses.len(), || format!("{} of {} DaemonSets", sets.len(), statuses.len()))?;
    for set in sets {
        let (name, numbers) = (full_name(set), &set["status"]);
        let read = json!({
            "current": numbers["current"], "desired": numbers["desired"], "misscheduled": numbers["misscheduled"],
            "updated": numbers["upToDate"], "available": numbers["available"],
        });
        ensure(statuses.get(&name) == Some(&read), || format!("{name}: {read}, not {:?}", statuses.get(&name)))?;
    }
    let active = states(report).len();
    ensure(code == Some(i32::from(active > 0)), || format!("exit code {code:?} with {active} active alerts"))
}

fn states(report: &Value) -> BTreeMap<(String, String), String> {
    let sets = report["daemonSets"].as_array().into_iter().flatten();
    let alerts = sets.flat_map(|set| set["alerts"].as_array().into_iter().flatten().map(move |alert| (set, alert)));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    alerts.map(|(set, alert)| ((full_name(set), text(&alert["alert"])), text(&alert["state"]))).collect()
}
