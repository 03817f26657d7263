//! Required node affinity: which terms match a node, and what mismatches in the others.
//!
//! Upstream: `component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go` `LazyErrorNodeSelector.Match`,
//! `newNodeSelectorTerm`; `apimachinery/pkg/labels/selector.go` `NewRequirement`, `Requirement.Matches`.

use super::failure::{PlacementFailure, Requirement, TermMismatch};
use crate::snapshot::Node;
use crate::snapshot::labels::{is_label_key, is_label_value};
use crate::snapshot::pod_summary::NodeSelectorRequirement;
use crate::snapshot::pod_summary::{NodeSelector, NodeSelectorTerm};

/// The only field of a node that `matchFields` supports.
const NAME_FIELD: &str = "metadata.name";

/// The terms that are not empty. One of them must match.
#[derive(Debug)]
pub(crate) struct Affinity<'a> {
    terms: Vec<Term<'a>>,
}

#[derive(Debug)]
enum Term<'a> {
    /// All expressions and fields must match.
    All(&'a NodeSelectorTerm),
    /// The term is invalid and matches nothing. The controller reports no error for it.
    Void(String),
}

impl<'a> Affinity<'a> {
    pub(crate) fn new(selector: &'a NodeSelector) -> Self {
        // An empty term matches nothing: upstream skips it.
        let terms = selector
            .node_selector_terms
            .iter()
            .filter(|term| !(term.match_expressions.is_empty() && term.match_fields.is_empty()))
            .map(|term| match fault(term) {
                None => Term::All(term),
                Some(fault) => Term::Void(fault),
            })
            .collect();
        Self { terms }
    }

    /// The obstacle if no term matches the node.
    pub(crate) fn failure(&self, node: &Node) -> Option<PlacementFailure> {
        let mut misses = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let mismatch = term.mismatch(node);
            if mismatch.invalid.is_none() && mismatch.mismatches.is_empty() {
                return None;
            }
            misses.push(mismatch);
        }
        Some(PlacementFailure::NodeAffinity { terms: misses.into() })
    }
}

impl Term<'_> {
    fn mismatch(&self, node: &Node) -> TermMismatch {
        let term = match self {
            Term::All(term) => term,
            Term::Void(fault) => {
                return TermMismatch { invalid: Some(fault.clone()), mismatches: Vec::new() };
            }
        };
        let by_label = term.match_expressions.iter().filter_map(|requirement| {
            let found = node.metadata.labels.get(&requirement.key).map(String::as_str);
            (!holds(requirement, found)).then(|| mismatches(requirement, found))
        });
        let by_field = term.match_fields.iter().filter_map(|requirement| {
            // For an unknown field, upstream's field set returns the empty string.
            let is_name = requirement.key == NAME_FIELD;
            let found = if is_name { node.metadata.name.as_str() } else { "" };
            (!holds(requirement, Some(found))).then(|| mismatches(requirement, Some(found)))
        });
        TermMismatch { invalid: None, mismatches: by_label.chain(by_field).collect() }
    }
}

fn mismatches(requirement: &NodeSelectorRequirement, found: Option<&str>) -> Requirement {
    Requirement {
        key: requirement.key.clone(),
        operator: requirement.operator.clone(),
        values: requirement.values.clone(),
        found: found.map(str::to_owned),
    }
}

/// Whether the value satisfies a requirement that is valid.
fn holds(requirement: &NodeSelectorRequirement, found: Option<&str>) -> bool {
    let values = &requirement.values;
    let contains = |found: &str| values.iter().any(|value| value == found);
    match requirement.operator.as_str() {
        "In" => found.is_some_and(contains),
        "NotIn" => !found.is_some_and(contains),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compare(found, values).is_some_and(|(found, limit)| found > limit),
        "Lt" => compare(found, values).is_some_and(|(found, limit)| found < limit),
        _ => false,
    }
}

/// Both sides as integers. A label that is not an integer satisfies neither `Gt` nor `Lt`.
fn compare(found: Option<&str>, values: &[String]) -> Option<(i64, i64)> {
    Some((found?.parse().ok()?, values.first()?.parse().ok()?))
}

/// The first error that makes a term invalid.
fn fault(term: &NodeSelectorTerm) -> Option<String> {
    let in_expressions = term.match_expressions.iter().find_map(expression_fault);
    in_expressions.or_else(|| term.match_fields.iter().find_map(field_fault))
}

/// Upstream: `labels.NewRequirement`.
fn expression_fault(requirement: &NodeSelectorRequirement) -> Option<String> {
    let NodeSelectorRequirement { key, operator, values } = requirement;
    if !is_label_key(key) {
        return Some(format!("{key:?} is not a valid label key"));
    }
    let fault = match operator.as_str() {
        "In" | "NotIn" if values.is_empty() => "requires at least one value",
        "Exists" | "DoesNotExist" if !values.is_empty() => "allows no values",
        "Gt" | "Lt" if values.len() != 1 => "requires exactly one value",
        "Gt" | "Lt" if compare(Some("0"), values).is_none() => "requires an integer",
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => "",
        _ => "is not a valid operator",
    };
    if !fault.is_empty() {
        return Some(format!("{key} {operator}: {operator} {fault}"));
    }
    let bad = values.iter().find(|value| !is_label_value(value))?;
    Some(format!("{key} {operator}: {bad:?} is not a valid label value"))
}

/// Upstream: `nodeSelectorRequirementsAsFieldSelector`.
fn field_fault(requirement: &NodeSelectorRequirement) -> Option<String> {
    let NodeSelectorRequirement { key, operator, values } = requirement;
    match operator.as_str() {
        "In" | "NotIn" if values.len() == 1 => None,
        "In" | "NotIn" => Some(format!("{key} {operator}: a field requires exactly one value")),
        _ => Some(format!("{key} {operator}: a field allows only the operators In and NotIn")),
    }
}
