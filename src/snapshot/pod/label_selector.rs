//! What a label selector selects, and how it is written.
//!
//! Upstream: `apimachinery/pkg/apis/meta/v1/helpers.go` `LabelSelectorAsSelector`; `apimachinery/pkg/labels/selector.go`
//! `NewRequirement`, `Requirement.Matches`, `Requirement.String`.

use std::fmt;

use super::LabelSelector;
use crate::snapshot::object::Labels;
use crate::snapshot::pod_summary::NodeSelectorRequirement;

/// Whether a selector that may be absent selects an object with these labels. An absent one selects nothing.
pub(crate) fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    selector.is_some_and(|selector| selector.matches(labels))
}

impl LabelSelector {
    /// Whether it selects an object with these labels. An empty one selects everything; one that cannot be understood
    /// nothing, as upstream's error stops the caller.
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| holds(requirement, labels))
    }

    /// Whether it asks for nothing, and so selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Asks besides for each of these keys to have, or not to have, the value that `labels` has for it; a key that
    /// `labels` does not have is left out. What the selector asks of a key already is not asked twice: the API server
    /// has been here then.
    ///
    /// Upstream: `pkg/registry/core/pod/strategy.go` `applyLabelKeysToLabelSelector`.
    pub(crate) fn merge_label_keys(&mut self, keys: &[String], operator: &str, labels: &Labels) {
        for key in keys {
            let is_merged = |requirement: &NodeSelectorRequirement| {
                requirement.key == *key && requirement.operator == operator && requirement.values.len() == 1
            };
            if let Some(value) = labels.get(key).filter(|_| !self.match_expressions.iter().any(is_merged)) {
                self.match_expressions.push(NodeSelectorRequirement {
                    key: key.clone(),
                    operator: operator.to_owned(),
                    values: vec![value.clone()],
                });
            }
        }
    }
}

fn holds(NodeSelectorRequirement { key, operator, values }: &NodeSelectorRequirement, labels: &Labels) -> bool {
    let found = labels.get(key);
    match operator.as_str() {
        "In" => found.is_some_and(|found| values.contains(found)),
        "NotIn" => !values.is_empty() && !found.is_some_and(|found| values.contains(found)),
        "Exists" => values.is_empty() && found.is_some(),
        "DoesNotExist" => values.is_empty() && found.is_none(),
        _ => false,
    }
}

impl fmt::Display for LabelSelector {
    /// As kubectl writes and reads selectors, in the order of the keys; nothing for one that selects everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.match_labels.iter().map(|(key, value)| (key.as_str(), format!("{key}={value}")));
        let expressions =
            self.match_expressions.iter().map(|requirement| (requirement.key.as_str(), text(requirement)));
        let mut parts: Vec<(&str, String)> = pairs.chain(expressions).collect();
        parts.sort();
        let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
        f.write_str(&parts.join(","))
    }
}

fn text(NodeSelectorRequirement { key, operator, values }: &NodeSelectorRequirement) -> String {
    let mut values = values.clone();
    values.sort();
    let values = values.join(",");
    match operator.as_str() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.clone(),
        "DoesNotExist" => format!("!{key}"),
        _ => format!("{key} {operator} ({values})"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn labels(labels: Value) -> Labels {
        serde_json::from_value(labels).unwrap()
    }

    fn selector(selector: Value) -> LabelSelector {
        serde_json::from_value(selector).unwrap()
    }

    fn expression(operator: &str, values: &[&str]) -> LabelSelector {
        selector(json!({ "matchExpressions": [{ "key": "a", "operator": operator, "values": values }] }))
    }

    #[test]
    fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
        let some = labels(json!({ "a": "1" }));
        assert!(!selects(None, &some));
        assert!(selects(Some(&LabelSelector::default()), &some));
        assert!(selects(Some(&LabelSelector::default()), &Labels::new()));
        assert!(LabelSelector::default().is_empty());
    }

    #[test]
    fn every_operator_selects_as_the_api_says() {
        let one = labels(json!({ "a": "1", "b": "2" }));
        let none = Labels::new();
        for (selector, with, without) in [
            (selector(json!({ "matchLabels": { "a": "1", "b": "2" } })), true, false),
            (selector(json!({ "matchLabels": { "a": "1", "b": "3" } })), false, false),
            (expression("In", &["1", "2"]), true, false),
            (expression("In", &["2"]), false, false),
            (expression("NotIn", &["1"]), false, true),
            (expression("NotIn", &["2"]), true, true),
            (expression("Exists", &[]), true, false),
            (expression("DoesNotExist", &[]), false, true),
            // What cannot be understood.
            (expression("NotIn", &[]), false, false),
            (expression("Exists", &["1"]), false, false),
            (expression("DoesNotExist", &["1"]), false, false),
            (expression("Gt", &["0"]), false, false),
        ] {
            assert_eq!(selector.matches(&one), with, "{selector}");
            assert_eq!(selector.matches(&none), without, "{selector}, no labels");
        }
    }

    #[test]
    fn all_parts_must_hold() {
        let both = selector(json!({
            "matchLabels": { "a": "1" },
            "matchExpressions": [{ "key": "b", "operator": "Exists" }],
        }));
        assert!(both.matches(&labels(json!({ "a": "1", "b": "" }))));
        assert!(!both.matches(&labels(json!({ "a": "1" }))));
        assert!(!both.matches(&labels(json!({ "b": "" }))));
    }

    #[test]
    fn it_is_written_as_kubectl_reads_it() {
        let written = selector(json!({
            "matchLabels": { "d": "1", "b": "x" },
            "matchExpressions": [
                { "key": "c", "operator": "In", "values": ["z", "y"] },
                { "key": "a", "operator": "NotIn", "values": ["q"] },
                { "key": "f", "operator": "Exists" },
                { "key": "e", "operator": "DoesNotExist" },
            ],
        }));
        assert_eq!(written.to_string(), "a notin (q),b=x,c in (y,z),d=1,!e,f");
        assert_eq!(LabelSelector::default().to_string(), "");
    }

    #[test]
    fn label_keys_are_merged_once_and_only_those_that_the_pod_has() {
        let pod = labels(json!({ "hash": "abc" }));
        let mut merged = selector(json!({ "matchLabels": { "app": "a" } }));
        let keys = ["hash".to_owned(), "absent".to_owned()];
        merged.merge_label_keys(&keys, "In", &pod);
        assert_eq!(merged.to_string(), "app=a,hash in (abc)");
        // A pod whose label was changed later keeps what the API server merged.
        merged.merge_label_keys(&keys, "In", &labels(json!({ "hash": "other" })));
        assert_eq!(merged.to_string(), "app=a,hash in (abc)");
        merged.merge_label_keys(&keys, "NotIn", &pod);
        assert_eq!(merged.to_string(), "app=a,hash in (abc),hash notin (abc)");
    }
}
