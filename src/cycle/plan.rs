//! What is to be replaced, in which order, and what is left alone and why.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::look::Spot;
use super::step::PodRef;
use super::{Look, Policy};
use crate::explain::{Reason, State};
use crate::rollout::revision_of;
use crate::snapshot::Pod;

/// The plan, as one look gives it.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The hash of the template that pods are replaced by.
    pub(crate) target: &'a str,
    /// On how many nodes a pod is wanted.
    pub(crate) wanted: usize,
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
    pub(crate) not_asked_for: usize,
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
    pub(super) stale: BTreeSet<String>,
}

/// A node that is left alone.
#[derive(Debug)]
pub(crate) struct Skipped<'a> {
    /// The node.
    pub(crate) node: &'a str,
    /// Why.
    pub(crate) why: Skip,
}

/// Why a node is left alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Skip {
    /// The node is down: its pod would not go, or nothing would come after it.
    NodeNotReady {
        /// The reason of the node's condition `Ready`.
        reason: String,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// No pod is wanted there any more, so that the controller would make none.
    NotWanted {
        /// Why.
        reasons: Vec<Reason>,
    },
    /// The DaemonSet does not control the pod: it would adopt it.
    NotAdopted,
    /// The pod is being deleted already.
    AlreadyGoing,
    /// Somebody else replaced it meanwhile.
    ReplacedMeanwhile,
    /// The node is gone.
    NodeGone,
}

/// Makes the plan; none while the controller has not made a revision of today's template.
pub(crate) fn plan<'a>(look: &Look<'a>, policy: &Policy) -> Option<Plan<'a>> {
    let target = look.revision()?;
    let wanted = look.wanted();
    let mut plan = Plan {
        target,
        wanted,
        budget: policy.max_unavailable.of(wanted),
        unavailable: look.unavailable().collect(),
        nodes: Vec::new(),
        skipped: Vec::new(),
        up_to_date: 0,
        not_asked_for: 0,
    };
    let is_asked_for = |spot: &Spot<'_>| policy.only.as_ref().is_none_or(|only| only.contains(spot.row.node));
    let is_stale = |pod: &Pod| policy.all || look.is_old(pod);
    for spot in policy.order.sort(look.spots().iter().collect()) {
        let has_stale = spot.row.pods.iter().any(|pod| is_stale(pod));
        match () {
            () if !has_stale && spot.row.pods.is_empty() => {}
            () if !has_stale => plan.up_to_date += 1,
            () if !is_asked_for(spot) => plan.not_asked_for += 1,
            () => match skip(spot, is_stale, policy) {
                Some(why) => plan.skipped.push(Skipped { node: spot.row.node, why }),
                None => plan.nodes.extend(planned(spot, is_stale)),
            },
        }
    }
    Some(plan)
}

fn planned<'a>(spot: &Spot<'a>, is_stale: impl Fn(&Pod) -> bool) -> Option<Planned<'a>> {
    let stale: Vec<&Pod> = spot.live().filter(|pod| is_stale(pod) && spot.owns(pod)).collect();
    let pod = stale.first()?;
    Some(Planned {
        node: spot.row.node,
        pod: PodRef::of(pod),
        revision: revision_of(&pod.metadata.labels),
        state: spot.row.state,
        created: pod.metadata.creation_timestamp.map(|time| time.timestamp()),
        stale: stale.iter().map(|pod| pod.metadata.uid.clone()).collect(),
    })
}

/// Why a node with a stale pod is left alone.
pub(super) fn skip(spot: &Spot<'_>, is_stale: impl Fn(&Pod) -> bool, policy: &Policy) -> Option<Skip> {
    let stale = || spot.live().filter(|pod| is_stale(pod));
    if stale().next().is_none() {
        return Some(Skip::AlreadyGoing);
    }
    if stale().all(|pod| !spot.owns(pod)) {
        return Some(Skip::NotAdopted);
    }
    match spot.down() {
        Some(_) if policy.include_not_ready => None,
        Some(down) => Some(Skip::NodeNotReady { reason: down.reason.to_owned(), since: down.since }),
        None if !spot.is_wanted() => Some(Skip::NotWanted { reasons: spot.row.reasons.clone() }),
        None => None,
    }
}
