//! The PodTopologySpread filter: constraints with `DoNotSchedule`.
//!
//! The default constraints of the scheduler all have `ScheduleAnyway` and reject nothing.
//!
//! Upstream: `pkg/scheduler/framework/plugins/podtopologyspread/filtering.go` `calPreFilterState`, `Filter`,
//! `minMatchNum`; `common.go` `filterTopologySpreadConstraints`, `matchNodeInclusionPolicies`,
//! `countPodsMatchSelector`.

#[cfg(test)]
mod tests;

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::rejection::{FilterRejection, SpreadRejection};
use crate::check_result::CheckResult;
use std::collections::BTreeMap;

use super::topology::{Topology, is_same};
use crate::placement::{Affinity, FeatureGates, selector_obstacles, tolerates};
use crate::snapshot::pod::label_selector::selects;
use crate::snapshot::pod::{LabelSelector, Pod, PodSpec, TopologySpreadConstraint};
use crate::snapshot::{Known, Missing, Node};

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let constraints: Vec<Constraint<'_>> = attempt
        .pod
        .spec
        .topology_spread_constraints
        .iter()
        .filter(|constraint| constraint.when_unsatisfiable == "DoNotSchedule")
        .map(|constraint| Constraint::new(constraint, attempt.pod))
        .collect();
    if constraints.is_empty() {
        return CheckResult::Pass;
    }
    let topology = Topology::new(attempt);
    let mut rejections = Vec::new();
    let mut missing: Option<Missing> = None;
    for constraint in &constraints {
        match check(constraint, &constraints, attempt, &topology) {
            Known::Known(rejection) => rejections.extend(rejection.map(failure)),
            Known::Unknown(why) => missing = missing.or(Some(why)),
        }
    }
    CheckResult::from_partial(rejections, missing)
}

fn failure(rejection: SpreadRejection) -> FilterFailure {
    let (scheduler, code) = match rejection {
        SpreadRejection::TopologySpreadLabel { .. } => (
            "node(s) didn't match pod topology spread constraints (missing required label)",
            StatusCode::UnschedulableAndUnresolvable,
        ),
        SpreadRejection::TopologySpread { .. } => {
            ("node(s) didn't match pod topology spread constraints", StatusCode::Unschedulable)
        }
    };
    FilterFailure::new(FilterRejection::Spread(rejection), scheduler, code)
}

/// A constraint with its defaults.
struct Constraint<'a> {
    topology_key: &'a str,
    max_skew: usize,
    min_domains: usize,
    selector: Option<LabelSelector>,
    honors_affinity: bool,
    honors_taints: bool,
}

impl<'a> Constraint<'a> {
    fn new(constraint: &'a TopologySpreadConstraint, pod: &Pod) -> Self {
        let mut selector = constraint.label_selector.clone();
        if let Some(selector) = &mut selector {
            selector.merge_label_keys(&constraint.match_label_keys, "In", &pod.metadata.labels);
        }
        Self {
            topology_key: &constraint.topology_key,
            max_skew: usize::try_from(constraint.max_skew).unwrap_or_default(),
            min_domains: usize::try_from(constraint.min_domains.unwrap_or(1)).unwrap_or_default(),
            selector,
            honors_affinity: constraint.node_affinity_policy != "Ignore",
            honors_taints: constraint.node_taints_policy == "Honor",
        }
    }

    /// Whether the constraint counts the node and its pods.
    fn counts_node(&self, node: &Node, spec: &PodSpec) -> bool {
        (!self.honors_affinity || is_selected(node, spec)) && (!self.honors_taints || is_tolerated(node, spec))
    }

    fn counts_pod(&self, other: &Pod, namespace: &str) -> bool {
        // Upstream: an empty selector counts no pods.
        !self.selector.as_ref().is_some_and(LabelSelector::is_empty)
            && other.metadata.namespace == namespace
            && selects(self.selector.as_ref(), &other.metadata.labels)
    }
}

fn is_selected(node: &Node, spec: &PodSpec) -> bool {
    selector_obstacles(&spec.node_selector, node).next().is_none()
        && spec.required_node_affinity().is_none_or(|terms| Affinity::new(terms).failure(node).is_none())
}

fn is_tolerated(node: &Node, spec: &PodSpec) -> bool {
    let gates = FeatureGates::implied_by(spec);
    let repelling = node.spec.taints.iter().filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
    repelling.into_iter().all(|taint| spec.tolerations.iter().any(|toleration| tolerates(toleration, taint, gates)))
}

/// Whether the required node affinity selects only this node, as that of a daemon pod does.
fn is_pinned(spec: &PodSpec, node: &Node) -> bool {
    spec.required_node_affinity().is_some_and(|affinity| {
        affinity.node_selector_terms.iter().all(|term| {
            term.match_fields.iter().any(|field| {
                field.key == "metadata.name" && field.operator == "In" && field.values == [node.metadata.name.as_str()]
            })
        })
    })
}

/// The rejection by one constraint, if there is one.
fn check(
    constraint: &Constraint<'_>,
    all: &[Constraint<'_>],
    attempt: &Attempt<'_>,
    topology: &Topology<'_>,
) -> Known<Option<SpreadRejection>> {
    let key = constraint.topology_key;
    let Some(value) = attempt.node.metadata.labels.get(key) else {
        return Known::Known(Some(SpreadRejection::TopologySpreadLabel { topology_key: key.to_owned() }));
    };
    let counts = match count(constraint, all, attempt, topology) {
        Ok(counts) => counts,
        Err(missing) => return Known::Unknown(missing),
    };
    let self_match = selects(constraint.selector.as_ref(), &attempt.pod.metadata.labels);
    let rejection = |counts: &BTreeMap<&str, usize>| {
        let min_matching = counts.values().min().copied().filter(|_| counts.len() >= constraint.min_domains);
        let min_matching = min_matching.unwrap_or_default();
        let matching = counts.get(value.as_str()).copied().unwrap_or_default();
        (matching + usize::from(self_match) > constraint.max_skew + min_matching).then(|| {
            SpreadRejection::TopologySpread {
                topology_key: key.to_owned(),
                topology_value: value.clone(),
                selector: constraint.selector.as_ref().map(LabelSelector::to_string).unwrap_or_default(),
                matching,
                self_match,
                min_matching,
                domains: counts.len(),
                min_domains: constraint.min_domains,
                max_skew: constraint.max_skew,
            }
        })
    };
    let promised = match promised(constraint, all, attempt) {
        Known::Known(promised) => promised,
        Known::Unknown(why) => return Known::Unknown(why),
    };
    // The node must satisfy the constraint both without and with the nominated pods.
    let mut with_promised = counts.clone();
    if promised > 0 {
        *with_promised.entry(value).or_default() += promised;
    }
    Known::Known(rejection(&counts).or_else(|| rejection(&with_promised)))
}

/// The number of matching pods in each domain, or what could not be read.
fn count<'a>(
    constraint: &Constraint<'_>,
    all: &[Constraint<'_>],
    attempt: &Attempt<'a>,
    topology: &Topology<'a>,
) -> Result<BTreeMap<&'a str, usize>, Missing> {
    let (spec, namespace) = (&attempt.pod.spec, attempt.pod.metadata.namespace.as_str());
    let mut counts: BTreeMap<&'a str, usize> = BTreeMap::new();
    let value_on = |node: &'a Node| {
        let has_all_keys = all.iter().all(|one| node.metadata.labels.contains_key(one.topology_key));
        let counts = has_all_keys && constraint.counts_node(node, spec);
        node.metadata.labels.get(constraint.topology_key).filter(|_| counts).map(String::as_str)
    };
    let counts_pod = |pod: &Pod| !pod.is_terminating() && constraint.counts_pod(pod, namespace);
    if let Some(value) = value_on(attempt.node) {
        let node_pods = known(&topology.node_pods)?;
        *counts.entry(value).or_default() += node_pods.iter().filter(|pod| counts_pod(pod)).count();
    }
    if constraint.honors_affinity && is_pinned(spec, attempt.node) {
        return Ok(counts);
    }
    for node in known(&topology.others)? {
        if let Some(value) = value_on(node) {
            counts.entry(value).or_default();
        }
    }
    for (pod, node) in known(&topology.other_pods)? {
        if let Some(value) = value_on(node).filter(|_| counts_pod(pod)) {
            *counts.entry(value).or_default() += 1;
        }
    }
    Ok(counts)
}

fn known<T>(value: &Known<T>) -> Result<&T, Missing> {
    match value {
        Known::Known(value) => Ok(value),
        Known::Unknown(why) => Err(why.clone()),
    }
}

/// The number of matching nominated pods with at least the priority of the pod. Unlike for bound pods, upstream does
/// not ignore those that are being deleted.
fn promised(constraint: &Constraint<'_>, all: &[Constraint<'_>], attempt: &Attempt<'_>) -> Known<usize> {
    let (pod, node) = (attempt.pod, attempt.node);
    let has_all_keys = all.iter().all(|one| node.metadata.labels.contains_key(one.topology_key));
    if !has_all_keys || !constraint.counts_node(node, &pod.spec) {
        return Known::Known(0);
    }
    let counts = |other: &&&Pod| {
        other.priority() >= pod.priority()
            && !is_same(other, pod)
            && other.metadata.namespace == pod.metadata.namespace
            && selects(constraint.selector.as_ref(), &other.metadata.labels)
    };
    attempt.nominated.as_ref().map(|nominated| nominated.iter().filter(counts).count())
}
