//! Whether the scheduler would make room for a pod by evicting others from its node.
//!
//! Upstream: `pkg/scheduler/framework/preemption/preemption.go` `Preempt`, `findCandidates`;
//! `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go` `PodEligibleToPreemptOthers`,
//! `SelectVictimsOnNode`. What is not known here: PodDisruptionBudgets, which only change who of several goes first,
//! and a preemption that the scheduler has begun and not yet written down.

use super::attempt::{Attempt, FilterFailure, FilterResult};
use super::node_pod::NodePod;
use crate::check_result::CheckResult;
use std::cmp::Reverse;

use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde::Serialize;

use super::filter::{Filter, first_failure, run_filters};
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;

/// What preemption does for a pod on its node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all_fields = "camelCase")]
pub(crate) enum Preemption {
    /// The pod fits.
    NotNeeded,
    /// The pod does not get into the queue.
    NotTried,
    /// What refuses the pod has nothing to do with other pods.
    NotHelpful,
    /// The pod's `preemptionPolicy` forbids it.
    Never {
        /// What would do, if it were allowed to.
        #[serde(skip_serializing_if = "Option::is_none")]
        required_priority: Option<RequiredPriority>,
    },
    /// It has happened, and its victims are on their way out.
    UnderWay {
        /// Who.
        victims: Vec<NodePod>,
    },
    /// No pod on the node has a lower priority.
    NoVictims {
        /// With which priority there would be some, and enough of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        required_priority: Option<RequiredPriority>,
    },
    /// Without any pod of a lower priority it would still not fit.
    NotEnough {
        /// The pods of a lower priority.
        candidates: Vec<NodePod>,
        /// What would still refuse it, in the scheduler's words.
        remains: Vec<String>,
        /// With which priority it would fit.
        #[serde(skip_serializing_if = "Option::is_none")]
        required_priority: Option<RequiredPriority>,
    },
    /// The scheduler evicts these, and the pod takes their place.
    Possible {
        /// The most important one first.
        victims: Vec<NodePod>,
    },
    /// An object that the check needs could not be read.
    Unknown {
        /// Which objects, and why they could not be read.
        missing: String,
    },
}

/// A priority with which preemption would make room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequiredPriority {
    /// The least.
    pub(crate) priority: i32,
    /// The PriorityClass of the least priority that is enough, if the cluster has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Whom it would evict.
    pub(crate) victims: Vec<NodePod>,
}

impl Preemption {
    /// What the scheduler says of the node behind `preemption:`; nothing where it says nothing.
    pub(crate) fn scheduler(&self) -> Vec<&str> {
        match self {
            // A pod for which room is being made gets a nominated node, and no word about it.
            Self::NotNeeded | Self::NotTried | Self::Possible { .. } | Self::Unknown { .. } => Vec::new(),
            Self::NotHelpful => vec!["Preemption is not helpful for scheduling"],
            Self::Never { .. } => vec!["not eligible due to preemptionPolicy=Never."],
            Self::UnderWay { .. } => vec!["not eligible due to a terminating pod on the nominated node."],
            Self::NoVictims { .. } => vec!["No preemption victims found for incoming pod"],
            Self::NotEnough { remains, .. } => remains.iter().map(String::as_str).collect(),
        }
    }
}

/// What preemption does for the attempt, of which `outcomes` is what [`judge`] said.
pub(crate) fn preemption(attempt: &Attempt<'_>, outcomes: &[(Filter, FilterResult)]) -> Preemption {
    let facts = relevant(attempt);
    let attempt = &Attempt { facts: &facts, ..attempt.clone() };
    let Some((_, rejections)) = first_failure(outcomes) else {
        return match missing(outcomes) {
            Some(missing) => Preemption::Unknown { missing },
            None => Preemption::NotNeeded,
        };
    };
    if !attempt.pod.spec.scheduling_gates.is_empty() {
        return Preemption::NotTried;
    }
    // The scheduler has looked no further than this plugin, whatever others would say.
    let is_helpful = rejections.iter().all(|rejection| rejection.may_preempt);
    let bound_pods = attempt.bound_pods.known().map(Vec::as_slice);
    if attempt.pod.spec.preemption_policy == "Never" {
        let required_priority =
            bound_pods.filter(|_| is_helpful).and_then(|bound_pods| required_priority(attempt, bound_pods));
        return Preemption::Never { required_priority };
    }
    if !is_helpful {
        return Preemption::NotHelpful;
    }
    let bound_pods = match &attempt.bound_pods {
        Known::Known(bound_pods) => bound_pods,
        Known::Unknown(missing) => return Preemption::Unknown { missing: missing.clone() },
    };
    let victims = under_way(attempt, bound_pods);
    if !victims.is_empty() {
        return Preemption::UnderWay { victims };
    }
    match trial(attempt, bound_pods) {
        Trial::NoVictims => Preemption::NoVictims { required_priority: required_priority(attempt, bound_pods) },
        Trial::Remains { candidates, remains } => {
            Preemption::NotEnough { candidates, remains, required_priority: required_priority(attempt, bound_pods) }
        }
        Trial::Fits { victims } => Preemption::Possible { victims },
        Trial::Unknown { missing } => Preemption::Unknown { missing },
    }
}

/// The facts without the pods of which no filter takes notice for this pod: each trial copies them.
fn relevant(attempt: &Attempt<'_>) -> ClusterObjects {
    let spec = &attempt.pod.spec;
    let affinity = spec.affinity.as_ref();
    let looks_at_all = affinity.is_some_and(|own| own.pod_affinity.is_some() || own.pod_anti_affinity.is_some())
        || !spec.topology_spread_constraints.is_empty()
        || spec.volumes.iter().any(|volume| volume.source.persistent_volume_claim.is_some());
    let repels = |pod: &&Pod| {
        let affinity = pod.spec.affinity.as_ref().and_then(|affinity| affinity.pod_anti_affinity.as_ref());
        affinity.is_some_and(|affinity| !affinity.required.is_empty())
    };
    let pods = match &attempt.facts.pods {
        Known::Known(pods) => Known::Known(pods.iter().filter(|pod| looks_at_all || repels(pod)).cloned().collect()),
        Known::Unknown(why) => Known::Unknown(why.clone()),
    };
    attempt.facts.with_pods(pods)
}

/// The victims of an earlier preemption for this pod that are not gone yet. Upstream: `PodEligibleToPreemptOthers`,
/// `podTerminatingByPreemption`.
fn under_way(attempt: &Attempt<'_>, bound_pods: &[&Pod]) -> Vec<NodePod> {
    let pod = attempt.pod;
    if pod.status.nominated_node_name != attempt.node.metadata.name {
        return Vec::new();
    }
    let is_victim = |other: &&&Pod| {
        let target = other.status.conditions.iter().find(|condition| condition.type_ == "DisruptionTarget");
        other.is_terminating()
            && other.priority() < pod.priority()
            && target.is_some_and(|target| target.status == "True" && target.reason == "PreemptionByScheduler")
    };
    bound_pods.iter().filter(is_victim).map(|pod| NodePod::from_pod(pod, false)).collect()
}

/// What came of it when the pods of lower priority were taken away.
enum Trial {
    NoVictims,
    Remains { candidates: Vec<NodePod>, remains: Vec<String> },
    Fits { victims: Vec<NodePod> },
    Unknown { missing: String },
}

/// Takes all pods of lower priority away, then gives back as many as there is room for, the most important ones first.
fn trial(attempt: &Attempt<'_>, bound_pods: &[&Pod]) -> Trial {
    let priority = attempt.pod.priority();
    let (mut candidates, mut staying): (Vec<&Pod>, Vec<&Pod>) =
        bound_pods.iter().copied().partition(|pod| pod.priority() < priority);
    if candidates.is_empty() {
        return Trial::NoVictims;
    }
    // Pods without a start have not started: upstream counts them as started now.
    candidates.sort_by_key(|pod| {
        let start = pod.status.start_time;
        (Reverse(pod.priority()), start.is_none(), start, &pod.metadata.namespace, &pod.metadata.name)
    });
    let mut facts = facts_without(attempt.facts, &candidates);
    let outcomes = run_filters(&without(attempt, &staying, &facts));
    if let Some((_, rejections)) = first_failure(&outcomes) {
        return Trial::Remains { candidates: node_pods(&candidates), remains: words(rejections) };
    }
    if let Some(missing) = missing(&outcomes) {
        return Trial::Unknown { missing };
    }
    let mut victims = Vec::new();
    for pod in candidates {
        staying.push(pod);
        give_back(&mut facts, pod);
        let outcomes = run_filters(&without(attempt, &staying, &facts));
        if outcomes.iter().any(|(_, outcome)| *outcome != CheckResult::Pass) {
            staying.pop();
            take_away(&mut facts, pod);
            victims.push(pod);
        }
    }
    match victims.is_empty() {
        // Then it fitted all along, and what was said of the first try was of another moment.
        true => Trial::NoVictims,
        false => Trial::Fits { victims: node_pods(&victims) },
    }
}

fn without<'b>(attempt: &Attempt<'b>, staying: &[&'b Pod], facts: &'b ClusterObjects) -> Attempt<'b> {
    Attempt { bound_pods: Known::Known(staying.to_vec()), facts, ..attempt.clone() }
}

/// The same facts without these pods: filters that look beyond the node find them there.
fn facts_without(facts: &ClusterObjects, gone: &[&Pod]) -> ClusterObjects {
    let mut facts = facts.clone();
    if let Known::Known(pods) = &mut facts.pods {
        pods.retain(|pod| !gone.iter().any(|other| is_same(pod, other)));
    }
    facts
}

fn give_back(facts: &mut ClusterObjects, pod: &Pod) {
    if let Known::Known(pods) = &mut facts.pods {
        pods.push(pod.clone());
    }
}

fn take_away(facts: &mut ClusterObjects, pod: &Pod) {
    if let Known::Known(pods) = &mut facts.pods {
        pods.retain(|other| !is_same(other, pod));
    }
}

fn is_same(a: &Pod, b: &Pod) -> bool {
    a.metadata.name == b.metadata.name && a.metadata.namespace == b.metadata.namespace
}

/// The least priority with which preemption would make room. A pod's own policy is left aside.
fn required_priority(attempt: &Attempt<'_>, bound_pods: &[&Pod]) -> Option<RequiredPriority> {
    // Nobody gives up a priority that the pod has.
    let above = bound_pods.iter().filter_map(|pod| pod.priority().checked_add(1));
    let mut priorities: Vec<i32> = above.map(|priority| priority.max(attempt.pod.priority())).collect();
    priorities.sort_unstable();
    priorities.dedup();
    priorities.into_iter().find_map(|priority| {
        let mut pod = attempt.pod.clone();
        pod.spec.priority = Some(priority);
        pod.spec.preemption_policy = String::new();
        let Trial::Fits { victims } = trial(&Attempt { pod: &pod, ..attempt.clone() }, bound_pods) else { return None };
        let class = class_of(attempt.facts, priority);
        // No class of a person's own can be as high.
        (priority <= HIGHEST_USER_DEFINABLE || class.is_some()).then_some(RequiredPriority { priority, class, victims })
    })
}

/// Upstream: `pkg/apis/scheduling/types.go` `HighestUserDefinablePriority`.
const HIGHEST_USER_DEFINABLE: i32 = 1_000_000_000;
/// The classes that every cluster has. Upstream: `pkg/apis/scheduling/v1/helpers.go` `SystemPriorityClasses`.
const SYSTEM: [(&str, i32); 2] = [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// The lowest class of at least that priority whose pods may preempt. Those of the system are for what nothing else
/// reaches.
fn class_of(facts: &ClusterObjects, priority: i32) -> Option<String> {
    let is_fit =
        |class: &&PriorityClass| class.value >= Some(priority) && class.preemption_policy.as_deref() != Some("Never");
    let named = |class: &PriorityClass| Some((class.value, class.metadata.name.clone()?));
    let own = facts.priority_classes.known().into_iter().flatten().filter(is_fit).filter_map(named);
    let own = own.filter(|(value, _)| *value <= Some(HIGHEST_USER_DEFINABLE)).min().map(|(_, name)| name);
    let system = SYSTEM.iter().filter(|(_, value)| priority > HIGHEST_USER_DEFINABLE && *value >= priority);
    own.or_else(|| system.map(|(name, _)| (*name).to_owned()).next())
}

fn missing(outcomes: &[(Filter, FilterResult)]) -> Option<String> {
    outcomes.iter().find_map(|(_, outcome)| match outcome {
        CheckResult::Unknown { missing } => Some(missing.clone()),
        _ => None,
    })
}

/// Each wording once, as the scheduler counts nodes and not causes.
fn words(rejections: &[FilterFailure]) -> Vec<String> {
    let mut words: Vec<String> = rejections.iter().map(|rejection| rejection.scheduler.clone()).collect();
    words.sort();
    words.dedup();
    words
}

fn node_pods(pods: &[&Pod]) -> Vec<NodePod> {
    pods.iter().map(|pod| NodePod::from_pod(pod, false)).collect()
}

#[cfg(test)]
mod tests;
