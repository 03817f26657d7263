//! What is to be replaced, in which order, and what is left alone and why.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decision::{PodRef, Skip};
use super::observation::NodeView;
use super::{Observation, Policy};
use crate::explain::State;
use crate::revision::revision_of;
use crate::snapshot::PodSummary;

/// The plan, as one look gives it.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The hash of the template that pods are replaced by.
    pub(crate) target: &'a str,
    /// On how many nodes a pod is wanted.
    pub(crate) desired: usize,
    /// How many of these may be without an available pod at once.
    pub(crate) budget: usize,
    /// Those that are so now.
    pub(crate) unavailable: Vec<&'a str>,
    /// The nodes whose pods are replaced, in this order.
    pub(crate) nodes: Vec<Planned<'a>>,
    /// Nodes with a stale pod that is left alone.
    pub(crate) skipped: Vec<Skipped<'a>>,
    /// Nodes with nothing to replace.
    pub(crate) up_to_date: usize,
    /// Nodes with a stale pod that were not asked for.
    pub(crate) not_selected: usize,
}

/// A node whose pod is replaced.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    /// The node.
    pub(crate) node: &'a str,
    /// Its pod; where there are several, the first to go.
    pub(crate) pod: PodRef,
    /// The pod's revision.
    pub(crate) revision: Option<&'a str>,
    /// How the node stands now.
    pub(crate) state: State,
    /// When the pod was made.
    pub(crate) created: Option<Timestamp>,
    /// The uids of all pods to be replaced here.
    pub(super) outdated_uids: BTreeSet<String>,
}

/// A node that is left alone.
#[derive(Debug)]
pub(crate) struct Skipped<'a> {
    /// The node.
    pub(crate) node: &'a str,
    /// Why.
    pub(crate) why: Skip,
}

/// Makes the plan; none while the controller has not made a revision of today's template.
pub(crate) fn plan<'a>(observation: &Observation<'a>, policy: &Policy) -> Option<Plan<'a>> {
    let target = observation.revision()?;
    let desired = observation.desired();
    let mut plan = Plan {
        target,
        desired,
        budget: policy.max_unavailable.resolve(desired),
        unavailable: observation.unavailable().collect(),
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
        match () {
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
    })
}

/// Why a node with a stale pod is left alone.
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
    match node_view.down() {
        Some(_) if policy.include_not_ready => None,
        Some(down) => Some(Skip::NodeNotReady { reason: down.reason.to_owned(), since: down.since }),
        None if !node_view.is_eligible() => Some(Skip::NotEligible { reasons: node_view.row.reasons.clone() }),
        None => None,
    }
}
