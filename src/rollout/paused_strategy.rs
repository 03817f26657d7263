//! What `rollout pause` stores in the DaemonSet, so that `rollout resume` restores the update strategy exactly.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The annotation of a paused DaemonSet. Its value is a [`PausedStrategy`] as JSON.
pub(crate) const PAUSED_STRATEGY: &str = "kubectl-ds/paused-update-strategy";

/// The version of the annotation's format. A program that reads another version changes nothing.
const VERSION: u32 = 1;

/// The update strategy before the pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PausedStrategy {
    /// `spec.updateStrategy` as the API server returned it, absent fields included.
    pub(crate) strategy: Value,
    /// When it was paused, by the clock of the machine that paused it.
    pub(crate) at: Option<Timestamp>,
    /// The host on which it was paused.
    pub(crate) by: Option<String>,
}

/// The annotation's format.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    update_strategy: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_by: Option<String>,
}

impl PausedStrategy {
    /// The value of the annotation.
    pub(crate) fn to_annotation(&self) -> String {
        let stored = Stored {
            version: VERSION,
            update_strategy: self.strategy.clone(),
            paused_at: self.at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            paused_by: self.by.clone(),
        };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Parses the value of the annotation.
    ///
    /// # Errors
    /// Why it does not contain a strategy to restore. Anybody who may change the DaemonSet may have written it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let stored: Stored = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if stored.version != VERSION {
            return Err(format!("version {} of the format is not supported", stored.version));
        }
        let kind = stored.update_strategy.get("type").and_then(Value::as_str);
        if kind != Some("RollingUpdate") {
            return Err("it contains no RollingUpdate strategy".to_owned());
        }
        Ok(Self {
            strategy: stored.update_strategy,
            at: stored.paused_at.and_then(|at| at.parse().ok()),
            by: stored.paused_by,
        })
    }

    /// The strategy that the DaemonSet stores; `None` if it was not paused.
    pub(crate) fn of(daemon_set: &DaemonSet) -> Option<Result<Self, String>> {
        let annotations = daemon_set.metadata.annotations.as_ref()?;
        annotations.get(PAUSED_STRATEGY).map(|text| Self::parse(text))
    }
}

/// Whether the DaemonSet is paused, that is, whether its controller replaces no outdated pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PauseState {
    /// `RollingUpdate`.
    Rolling,
    /// `RollingUpdate`, with the annotation of an earlier pause: something else has changed the strategy since.
    Overridden,
    /// `OnDelete` by `rollout pause`.
    Paused(PausedStrategy),
    /// `OnDelete` with an annotation that is not valid, for this reason.
    Invalid(String),
    /// `OnDelete`, and never paused.
    OnDelete,
}

impl PauseState {
    pub(crate) fn new(daemon_set: &DaemonSet) -> Self {
        let strategy = daemon_set.spec.update_strategy.as_ref();
        let is_on_delete = strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete");
        match (is_on_delete, PausedStrategy::of(daemon_set)) {
            (false, None) => Self::Rolling,
            (false, Some(_)) => Self::Overridden,
            (true, None) => Self::OnDelete,
            (true, Some(Ok(paused))) => Self::Paused(paused),
            (true, Some(Err(why))) => Self::Invalid(why),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::testing::objects::from_json;

    fn paused(strategy: Value) -> PausedStrategy {
        PausedStrategy { strategy, at: Some("2026-01-02T12:00:00Z".parse().unwrap()), by: Some("laptop".into()) }
    }

    #[test]
    fn annotation_restores_every_form_of_a_strategy() {
        for strategy in [
            json!({"type": "RollingUpdate"}),
            json!({"type": "RollingUpdate", "rollingUpdate": {}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}, "future": [1, {"a": null}]}),
        ] {
            let paused = paused(strategy);
            assert_eq!(PausedStrategy::parse(&paused.to_annotation()).unwrap(), paused);
        }
    }

    #[test]
    fn foreign_annotations_are_rejected() {
        for text in [
            "",
            "{",
            "null",
            "[]",
            r#"{"version":2,"updateStrategy":{"type":"RollingUpdate"}}"#,
            r#"{"version":1}"#,
            r#"{"version":1,"updateStrategy":null}"#,
            r#"{"version":1,"updateStrategy":{"type":"OnDelete"}}"#,
            r#"{"version":1,"updateStrategy":{"type":{"x":1}}}"#,
        ] {
            assert!(PausedStrategy::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn state_depends_on_strategy_and_annotation() {
        let state = |kind: &str, annotation: Option<&str>| {
            let mut object = json!({"metadata": {"name": "d"}, "spec": {"selector": {}, "template": {},
                "updateStrategy": {"type": kind}}});
            if let Some(text) = annotation {
                object["metadata"]["annotations"] = json!({PAUSED_STRATEGY: text});
            }
            PauseState::new(&from_json(object))
        };
        let stored = paused(json!({"type": "RollingUpdate"}));
        let text = stored.to_annotation();
        assert_eq!(state("RollingUpdate", None), PauseState::Rolling);
        assert_eq!(state("RollingUpdate", Some(&text)), PauseState::Overridden);
        assert_eq!(state("OnDelete", None), PauseState::OnDelete);
        assert_eq!(state("OnDelete", Some(&text)), PauseState::Paused(stored));
        assert!(matches!(state("OnDelete", Some("x")), PauseState::Invalid(_)));
    }
}
