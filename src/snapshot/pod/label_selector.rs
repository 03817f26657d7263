//! Matching and printing of label selectors.
//!
//! Upstream: `apimachinery/pkg/apis/meta/v1/helpers.go` `LabelSelectorAsSelector`;
//! `apimachinery/pkg/labels/selector.go` `NewRequirement`, `Requirement.Matches`, `Requirement.String`.

use std::fmt;

use super::LabelSelector;
use crate::snapshot::object::Labels;
use crate::snapshot::pod_summary::NodeSelectorRequirement;

/// Whether an optional selector matches these labels. An absent selector matches nothing.
pub(crate) fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    selector.is_some_and(|selector| selector.matches(labels))
}

impl LabelSelector {
    /// Whether the selector matches these labels. An empty selector matches everything; an invalid one matches nothing,
    /// because upstream's error stops the caller.
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| holds(requirement, labels))
    }

    /// Whether the selector has no requirements, and so matches everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Adds, for each of these keys, the requirement to have or not to have the value in `labels`. Keys that `labels`
    /// does not have are ignored. A requirement that the selector already has is not added again: then the API server
    /// has merged it.
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
    /// Prints the selector as kubectl reads and writes it, in the order of the keys; empty for one that matches
    /// everything.
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
    fn absent_selector_matches_nothing_empty_one_everything() {
        let some = labels(json!({ "a": "1" }));
        assert!(!selects(None, &some));
        assert!(selects(Some(&LabelSelector::default()), &some));
        assert!(selects(Some(&LabelSelector::default()), &Labels::new()));
        assert!(LabelSelector::default().is_empty());
    }

    #[test]
    fn operators_match_as_in_the_api() {
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
            // Invalid requirements.
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
    fn all_requirements_must_match() {
        let both = selector(json!({
            "matchLabels": { "a": "1" },
            "matchExpressions": [{ "key": "b", "operator": "Exists" }],
        }));
        assert!(both.matches(&labels(json!({ "a": "1", "b": "" }))));
        assert!(!both.matches(&labels(json!({ "a": "1" }))));
        assert!(!both.matches(&labels(json!({ "b": "" }))));
    }

    #[test]
    fn selector_is_printed_as_kubectl_reads_it() {
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
    fn label_keys_are_merged_once_if_pod_has_them() {
        let pod = labels(json!({ "hash": "abc" }));
        let mut merged = selector(json!({ "matchLabels": { "app": "a" } }));
        let keys = ["hash".to_owned(), "absent".to_owned()];
        merged.merge_label_keys(&keys, "In", &pod);
        assert_eq!(merged.to_string(), "app=a,hash in (abc)");
        // A pod whose label was changed later keeps the requirement that the API server merged.
        merged.merge_label_keys(&keys, "In", &labels(json!({ "hash": "other" })));
        assert_eq!(merged.to_string(), "app=a,hash in (abc)");
        merged.merge_label_keys(&keys, "NotIn", &pod);
        assert_eq!(merged.to_string(), "app=a,hash in (abc),hash notin (abc)");
    }
}
