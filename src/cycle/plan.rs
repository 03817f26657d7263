//! The plan: which pods to replace in which order, and which nodes to skip and why.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decision::{PodRef, Skip};
use super::observation::NodeView;
use super::{Observation, Policy};
use crate::explain::State;
use crate::revision::revision_of;
use crate::snapshot::PodSummary;

/// The plan for one observation.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The hash of the revision that the pods are replaced with.
    pub(crate) target: &'a str,
    /// The number of eligible nodes.
    pub(crate) desired: usize,
    /// How many of these may be unavailable at the same time.
    pub(crate) budget: usize,
    /// The nodes that are unavailable now.
    pub(crate) unavailable: Vec<&'a str>,
    /// The nodes that an earlier run cordoned and did not finish. Their pods are not replaced again.
    pub(crate) unfinished: Vec<Unfinished<'a>>,
    /// The nodes whose pods are replaced, in order.
    pub(crate) nodes: Vec<Planned<'a>>,
    /// Nodes that are skipped although they have a pod to replace.
    pub(crate) skipped: Vec<Skipped<'a>>,
    /// The number of nodes without a pod to replace.
    pub(crate) up_to_date: usize,
    /// The number of nodes with a pod to replace that the user did not select.
    pub(crate) not_selected: usize,
}

#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) node: &'a str,
    /// The pod to replace; if there are several, the first one.
    pub(crate) pod: PodRef,
    /// The revision of the pod.
    pub(crate) revision: Option<&'a str>,
    pub(crate) state: State,
    pub(crate) created: Option<Timestamp>,
    /// The uids of all pods to replace on the node.
    pub(super) outdated_uids: BTreeSet<String>,
    /// An earlier run has cordoned the node.
    pub(super) is_marked: bool,
}

/// A node that an earlier run cordoned and did not finish.
#[derive(Debug)]
pub(crate) struct Unfinished<'a> {
    pub(crate) node: &'a str,
    /// The new pod; an empty name if there is none yet.
    pub(super) pod: PodRef,
}

#[derive(Debug)]
pub(crate) struct Skipped<'a> {
    pub(crate) node: &'a str,
    pub(crate) why: Skip,
}

/// Makes the plan; `None` while the controller has not created the revision of the current template.
pub(crate) fn plan<'a>(observation: &Observation<'a>, policy: &Policy) -> Option<Plan<'a>> {
    let target = observation.revision()?;
    let desired = observation.desired();
    let mut plan = Plan {
        target,
        desired,
        budget: policy.max_unavailable.resolve(desired),
        unavailable: observation.unavailable().collect(),
        unfinished: Vec::new(),
        nodes: Vec::new(),
        skipped: Vec::new(),
        up_to_date: 0,
        not_selected: 0,
    };
    let is_selected =
        |node_view: &NodeView<'_>| policy.only.as_ref().is_none_or(|only| only.contains(node_view.row.node));
    let is_outdated = |pod: &PodSummary| policy.all || observation.is_outdated(pod);
    for node_view in policy.order.sort(observation.nodes().iter().collect()) {
        let has_outdated = node_view.row.pods.iter().any(|pod| is_outdated(pod));
        // An earlier run may have been killed while the old pod was terminating.
        let has_live_outdated = node_view.live().any(&is_outdated);
        match () {
            () if !has_live_outdated && node_view.is_marked() && is_selected(node_view) => {
                plan.unfinished.push(unfinished(node_view));
            }
            () if !has_outdated && node_view.row.pods.is_empty() => {}
            () if !has_outdated => plan.up_to_date += 1,
            () if !is_selected(node_view) => plan.not_selected += 1,
            () => match skip(node_view, is_outdated, policy) {
                Some(why) => plan.skipped.push(Skipped { node: node_view.row.node, why }),
                None => plan.nodes.extend(planned(node_view, is_outdated)),
            },
        }
    }
    Some(plan)
}

fn planned<'a>(node_view: &NodeView<'a>, is_outdated: impl Fn(&PodSummary) -> bool) -> Option<Planned<'a>> {
    let outdated_uids: Vec<&PodSummary> =
        node_view.live().filter(|pod| is_outdated(pod) && node_view.owns(pod)).collect();
    let pod = outdated_uids.first()?;
    Some(Planned {
        node: node_view.row.node,
        pod: PodRef::from_pod(pod),
        revision: revision_of(&pod.metadata.labels),
        state: node_view.row.state,
        created: pod.metadata.creation_timestamp.map(|time| time.timestamp()),
        outdated_uids: outdated_uids.iter().map(|pod| pod.metadata.uid.clone()).collect(),
        is_marked: node_view.is_marked(),
    })
}

fn unfinished<'a>(node_view: &NodeView<'a>) -> Unfinished<'a> {
    let pod = node_view.live().next().map(PodRef::from_pod);
    let none = || PodRef { name: String::new(), uid: String::new() };
    Unfinished { node: node_view.row.node, pod: pod.unwrap_or_else(none) }
}

/// Why a node is skipped. `is_outdated`: whether a pod has to be replaced.
pub(super) fn skip(
    node_view: &NodeView<'_>,
    is_outdated: impl Fn(&PodSummary) -> bool,
    policy: &Policy,
) -> Option<Skip> {
    let outdated_uids = || node_view.live().filter(|pod| is_outdated(pod));
    if outdated_uids().next().is_none() {
        return Some(Skip::AlreadyTerminating);
    }
    if outdated_uids().all(|pod| !node_view.owns(pod)) {
        return Some(Skip::NotControlled);
    }
    if let Some(condition) = node_view.lifecycle_condition().filter(|_| !policy.include_maintenance) {
        let since = condition.last_transition_time.map(|time| time.timestamp());
        return Some(Skip::Maintenance { condition: condition.type_.clone(), since });
    }
    match node_view.down() {
        // The node becomes eligible again when it is ready, unless something else excludes it.
        Some(_) if policy.include_not_ready && node_view.is_eligible_when_ready() => None,
        Some(_) if policy.include_not_ready => Some(Skip::NotEligible { reasons: node_view.row.reasons.clone() }),
        Some(down) => Some(Skip::NodeNotReady { reason: down.reason.to_owned(), since: down.since }),
        None if !node_view.is_eligible() => Some(Skip::NotEligible { reasons: node_view.row.reasons.clone() }),
        None => None,
    }
}
