//! The changes of a DaemonSet that this program makes: each is one PATCH with the resourceVersion that was read.
//!
//! The controller writes the status many times during a rollout, and each write changes the resourceVersion. The
//! caller reads the object just before the PATCH, and [`PlannedFrom::check`] compares what matters with what the plan
//! was made from.
//!
//! Upstream: `kubectl/pkg/polymorphichelpers/rollback.go` `DaemonSetRollbacker.Rollback` for the rollback.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::history::normalize_template;
use super::paused_strategy::{PAUSED_STRATEGY, PausedStrategy};

/// A change of a DaemonSet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SpecChange {
    /// `OnDelete`, with the previous strategy in the annotation.
    Pause { at: Timestamp, by: String },
    /// The strategy of the annotation, without the annotation.
    Resume(PausedStrategy),
    /// Without the annotation; the strategy stays as it is.
    RemoveAnnotation,
    /// The template of a revision. The value is the data of its ControllerRevision, which is a strategic merge patch.
    Rollback { data: Value },
}

/// How the API server merges a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchType {
    /// RFC 7386.
    Merge,
    Strategic,
}

impl SpecChange {
    /// The patch of the DaemonSet as it was read, with its resourceVersion as precondition.
    pub(crate) fn patch(&self, live: &Value) -> (PatchType, Value) {
        let strategy = &live["spec"]["updateStrategy"];
        let (patch_type, mut patch) = match self {
            Self::Pause { at, by } => {
                let stored = PausedStrategy { strategy: strategy.clone(), at: Some(*at), by: Some(by.clone()) };
                let spec = json!({ "updateStrategy": merge_patch(strategy, &json!({ "type": "OnDelete" })) });
                (PatchType::Merge, json!({ "metadata": annotation(json!(stored.to_annotation())), "spec": spec }))
            }
            Self::Resume(paused) => {
                let spec = json!({ "updateStrategy": merge_patch(strategy, &paused.strategy) });
                (PatchType::Merge, json!({ "metadata": annotation(Value::Null), "spec": spec }))
            }
            Self::RemoveAnnotation => (PatchType::Merge, json!({ "metadata": annotation(Value::Null) })),
            Self::Rollback { data } => (PatchType::Strategic, data.clone()),
        };
        patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        (patch_type, patch)
    }

    /// Whether the DaemonSet has the change: a request without a response may have succeeded.
    pub(crate) fn is_done(&self, live: &Value) -> bool {
        let strategy = &live["spec"]["updateStrategy"];
        let stored = live["metadata"]["annotations"][PAUSED_STRATEGY].as_str();
        match self {
            Self::Pause { at, by } => {
                let is_own = |paused: PausedStrategy| {
                    // The annotation has whole seconds.
                    paused.at.map(Timestamp::as_second) == Some(at.as_second()) && paused.by.as_deref() == Some(by)
                };
                strategy["type"] == "OnDelete"
                    && stored.and_then(|text| PausedStrategy::parse(text).ok()).is_some_and(is_own)
            }
            Self::Resume(paused) => stored.is_none() && *strategy == paused.strategy,
            Self::RemoveAnnotation => stored.is_none(),
            Self::Rollback { data } => {
                normalize_template(data["spec"]["template"].clone())
                    == normalize_template(live["spec"]["template"].clone())
            }
        }
    }

    /// Whether the DaemonSet is as the change leaves it, no matter what has made it so.
    pub(crate) fn is_in_effect(&self, live: &Value) -> bool {
        match self {
            Self::Pause { .. } => live["spec"]["updateStrategy"]["type"] == "OnDelete",
            Self::Resume(_) | Self::RemoveAnnotation | Self::Rollback { .. } => self.is_done(live),
        }
    }
}

fn annotation(value: Value) -> Value {
    json!({ "annotations": { PAUSED_STRATEGY: value } })
}

/// The merge patch (RFC 7386) that turns `from` into `to`.
fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (from, to) else { return to.clone() };
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let changed = changed.map(|(key, value)| (key.clone(), merge_patch(old.get(key).unwrap_or(&Value::Null), value)));
    Value::Object(removed.chain(changed).collect::<Map<String, Value>>())
}

/// What a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFrom {
    uid: String,
    /// The API server increments it with every change of the spec.
    generation: i64,
    /// The annotation of `rollout pause`.
    paused: Option<String>,
}

impl PlannedFrom {
    /// From the DaemonSet as JSON.
    pub(crate) fn new(live: &Value) -> Self {
        let metadata = &live["metadata"];
        Self {
            uid: metadata["uid"].as_str().unwrap_or_default().to_owned(),
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            paused: metadata["annotations"][PAUSED_STRATEGY].as_str().map(str::to_owned),
        }
    }

    /// # Errors
    /// What has changed since the plan.
    pub(crate) fn check(&self, live: &Value) -> Result<(), &'static str> {
        let now = Self::new(live);
        if now.uid != self.uid {
            return Err("the DaemonSet was deleted and created again");
        }
        if now.generation != self.generation {
            return Err("the spec of the DaemonSet was changed");
        }
        if now.paused != self.paused {
            return Err("the annotation of rollout pause was changed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn live(strategy: Value) -> Value {
        json!({"metadata": {"uid": "u", "generation": 3, "resourceVersion": "42", "annotations": {"a": "b"}},
            "spec": {"updateStrategy": strategy, "template": {"spec": {"containers": []}}}})
    }

    fn merged(mut object: Value, change: &SpecChange) -> Value {
        let (patch_type, patch) = change.patch(&object);
        assert_eq!(patch_type, PatchType::Merge);
        assert_eq!(patch["metadata"]["resourceVersion"], "42");
        json_patch::merge(&mut object, &patch);
        object
    }

    #[test]
    fn pause_and_resume_restore_the_object_exactly() {
        for strategy in [
            json!({"type": "RollingUpdate"}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}, "new": {"a": 1}}),
        ] {
            let before = live(strategy);
            let pause = SpecChange::Pause { at: "2026-01-02T12:00:00.5Z".parse().unwrap(), by: "laptop".into() };
            assert!(!pause.is_done(&before));
            let paused = merged(before.clone(), &pause);
            assert_eq!(paused["spec"]["updateStrategy"], json!({"type": "OnDelete"}));
            assert_eq!(paused["spec"]["template"], before["spec"]["template"]);
            assert!(pause.is_done(&paused));
            let text = paused["metadata"]["annotations"][PAUSED_STRATEGY].as_str().unwrap();
            let resume = SpecChange::Resume(PausedStrategy::parse(text).unwrap());
            assert!(!resume.is_done(&paused));
            let resumed = merged(paused, &resume);
            assert_eq!(resumed, before);
            assert!(resume.is_done(&resumed));
        }
    }

    #[test]
    fn resume_removes_fields_that_were_added_meanwhile() {
        let paused = PausedStrategy { strategy: json!({"type": "RollingUpdate"}), at: None, by: None };
        let object = live(json!({"type": "OnDelete", "rollingUpdate": {"maxUnavailable": 5}}));
        let resumed = merged(object, &SpecChange::Resume(paused));
        assert_eq!(resumed["spec"]["updateStrategy"], json!({"type": "RollingUpdate"}));
    }

    #[test]
    fn removing_the_annotation_keeps_the_strategy() {
        let mut object = live(json!({"type": "RollingUpdate"}));
        object["metadata"]["annotations"][PAUSED_STRATEGY] = json!("x");
        let change = SpecChange::RemoveAnnotation;
        assert!(!change.is_done(&object));
        assert_eq!(merged(object, &change), live(json!({"type": "RollingUpdate"})));
    }

    #[test]
    fn rollback_is_the_data_of_the_revision_with_a_precondition() {
        let template =
            json!({"$patch": "replace", "metadata": {"creationTimestamp": null}, "spec": {"containers": [1]}});
        let change = SpecChange::Rollback { data: json!({"spec": {"template": template}}) };
        let (patch_type, patch) = change.patch(&live(json!({"type": "OnDelete"})));
        assert_eq!(patch_type, PatchType::Strategic);
        assert_eq!(patch, json!({"metadata": {"resourceVersion": "42"}, "spec": {"template": template}}));
        let mut object = live(json!({"type": "OnDelete"}));
        assert!(!change.is_done(&object));
        object["spec"]["template"] = json!({"metadata": {}, "spec": {"containers": [1]}});
        assert!(change.is_done(&object));
    }

    #[test]
    fn changes_since_the_plan_are_found_and_status_writes_are_not() {
        let before = live(json!({"type": "OnDelete"}));
        let planned = PlannedFrom::new(&before);
        let with = |pointer: &str, value: Value| {
            let mut changed = before.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            planned.check(&changed)
        };
        assert_eq!(with("/metadata/resourceVersion", json!("43")), Ok(()));
        assert!(with("/metadata/generation", json!(4)).is_err());
        assert!(with("/metadata/uid", json!("v")).is_err());
        assert!(with("/metadata/annotations", json!({PAUSED_STRATEGY: "x"})).is_err());
    }
}
