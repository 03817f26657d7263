//! Whether preemption would help: would the scheduler evict other pods from the node to make room for the pod?
//!
//! [`preemption`] first checks what excludes preemption (gates, `preemptionPolicy: Never`, a failure that evictions
//! cannot resolve, an earlier preemption in progress). Then `trial` finds the victims, and `required_priority` finds the
//! least priority with which there would be victims.
//!
//! PodDisruptionBudgets are not read: they only change the order in which pods are reprieved. A preemption that the
//! scheduler has decided but not yet stored is not visible.
//!
//! Upstream: `pkg/scheduler/framework/preemption/preemption.go` `Preempt`, `findCandidates`;
//! `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go` `PodEligibleToPreemptOthers`,
//! `SelectVictimsOnNode`.

use super::attempt::{Attempt, FilterFailure, FilterResult};
use super::node_pod::NodePod;
use crate::check_result::CheckResult;
use std::cmp::Reverse;

use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde::Serialize;

use super::filter::{Filter, first_failure, run_filters};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Missing};

/// The result of preemption for a pod on its node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "verdict", rename_all_fields = "camelCase")]
pub(crate) enum Preemption {
    /// The pod fits without preemption.
    NotNeeded,
    /// The pod has scheduling gates, so the scheduler does not process it.
    NotTried,
    /// The filter that rejects the pod does not depend on other pods.
    NotHelpful,
    /// The pod's `preemptionPolicy` is `Never`.
    Never {
        /// The priority with which preemption would help if the policy allowed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        required_priority: Option<RequiredPriority>,
    },
    /// Preemption has happened, and its victims are being deleted.
    UnderWay { victims: Vec<NodePod> },
    /// No pod on the node has a lower priority.
    NoVictims {
        /// The priority with which there would be enough victims.
        #[serde(skip_serializing_if = "Option::is_none")]
        required_priority: Option<RequiredPriority>,
    },
    /// The pod would not fit even without all pods of a lower priority.
    NotEnough {
        /// The pods of a lower priority.
        candidates: Vec<NodePod>,
        /// The scheduler's messages that remain without these pods.
        remains: Vec<String>,
        /// The priority with which the pod would fit.
        #[serde(skip_serializing_if = "Option::is_none")]
        required_priority: Option<RequiredPriority>,
    },
    /// The scheduler evicts these pods, and then the pod fits.
    Possible {
        /// The pod with the highest priority first.
        victims: Vec<NodePod>,
        /// Pods with the same priority and start time as a victim: the scheduler may evict one of them instead.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        equals: Vec<NodePod>,
    },
    /// An object that the check needs could not be read.
    Unknown {
        /// Which objects, and why they could not be read.
        missing: String,
    },
}

/// A priority with which preemption would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequiredPriority {
    /// The least such priority.
    pub(crate) priority: i32,
    /// The PriorityClass with the lowest sufficient value, if the cluster has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// The pods that it would evict.
    pub(crate) victims: Vec<NodePod>,
}

impl Preemption {
    /// The scheduler's messages for the node after `preemption:`; empty if it has none.
    pub(crate) fn scheduler(&self) -> Vec<&str> {
        match self {
            // If preemption makes room, the pod gets a nominated node, and there is no message.
            Self::NotNeeded | Self::NotTried | Self::Possible { .. } | Self::Unknown { .. } => Vec::new(),
            Self::NotHelpful => vec!["Preemption is not helpful for scheduling"],
            Self::Never { .. } => vec!["not eligible due to preemptionPolicy=Never."],
            Self::UnderWay { .. } => vec!["not eligible due to a terminating pod on the nominated node."],
            Self::NoVictims { .. } => vec!["No preemption victims found for incoming pod"],
            Self::NotEnough { remains, .. } => remains.iter().map(String::as_str).collect(),
        }
    }
}

/// The result of preemption for the attempt. `outcomes` are the results of [`run_filters`] for it.
pub(crate) fn preemption(attempt: &Attempt<'_>, outcomes: &[(Filter, FilterResult)]) -> Preemption {
    result_of(attempt, outcomes, &required_priority, true)
}

/// The same without the priority that would be required, which takes as many trials as there are priorities on the node.
pub(crate) fn preemption_as_it_is(attempt: &Attempt<'_>, outcomes: &[(Filter, FilterResult)]) -> Preemption {
    result_of(attempt, outcomes, &|_, _| None, false)
}

type RequiredPriorityOf<'f> = dyn Fn(&Attempt<'_>, &[&Pod]) -> Option<RequiredPriority> + 'f;

fn result_of(
    attempt: &Attempt<'_>,
    outcomes: &[(Filter, FilterResult)],
    required_priority: &RequiredPriorityOf<'_>,
    needs_priority: bool,
) -> Preemption {
    let Some((_, rejections)) = first_failure(outcomes) else {
        return match missing(outcomes) {
            Some(missing) => Preemption::Unknown { missing: missing.to_string() },
            None => Preemption::NotNeeded,
        };
    };
    if !attempt.pod.spec.scheduling_gates.is_empty() {
        return Preemption::NotTried;
    }
    // The scheduler stopped at this plugin, so the results of later filters do not matter.
    let is_helpful = rejections.iter().all(|rejection| rejection.may_preempt());
    let bound_pods = attempt.bound_pods.known().map(Vec::as_slice);
    let may_try = bound_pods.is_some_and(|pods| pods.iter().any(|pod| is_candidate(pod, attempt.pod)));
    // Copied only if a trial needs it: a required priority, or victims.
    let cluster_objects = if is_helpful && (needs_priority || may_try) { Some(relevant(attempt)) } else { None };
    let attempt = &match &cluster_objects {
        Some(cluster_objects) => Attempt { cluster_objects, ..attempt.clone() },
        None => attempt.clone(),
    };
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
        Known::Unknown(missing) => return Preemption::Unknown { missing: missing.to_string() },
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
        Trial::Fits { victims, equals } => Preemption::Possible { victims, equals },
        Trial::Unknown { missing } => Preemption::Unknown { missing: missing.to_string() },
    }
}

/// Whether preemption may evict the other pod for the pod.
fn is_candidate(other: &Pod, pod: &Pod) -> bool {
    other.priority() < pod.priority()
}

/// The objects without the pods that no filter reads for this pod, because each trial copies them.
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
    let pods = attempt.cluster_objects.pods.as_ref();
    let pods = pods.map(|pods| pods.iter().filter(|pod| looks_at_all || repels(pod)).cloned().collect());
    attempt.cluster_objects.with_pods(pods)
}

/// The victims of an earlier preemption for this pod that still exist.
///
/// Upstream: `PodEligibleToPreemptOthers`, `podTerminatingByPreemption`.
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
    bound_pods.iter().filter(is_victim).map(|pod| NodePod::bound(pod)).collect()
}

/// The result of removing the pods of a lower priority.
enum Trial {
    NoVictims,
    Remains {
        candidates: Vec<NodePod>,
        remains: Vec<String>,
    },
    /// `equals`: the pods that stay although a victim is as important.
    Fits {
        victims: Vec<NodePod>,
        equals: Vec<NodePod>,
    },
    Unknown {
        missing: Missing,
    },
}

/// Removes all pods of a lower priority, then reprieves (puts back) as many as possible, most important first.
///
/// The pods that cannot be put back are the victims. Example: a node with 2 cores, and a pod of priority 100 that
/// requests 1 core.
///
/// | pod on the node | priority | CPU | put back? |
/// |---|--:|--:|---|
/// | high | 50 | 1 | yes: 1 + 1 cores fit |
/// | low, started first | 0 | 500m | no: 1 + 1 + 0.5 cores do not fit |
/// | low, started last | 0 | 500m | no |
///
/// Without all three the pod fits, so preemption helps, and the two low pods are the victims. A less important pod can
/// stay although a larger, more important one cannot: if `high` requested 500m and the first low pod 1 core, only that
/// low pod would be a victim (1 + 0.5 + 0.5 cores fit). The result is that of upstream, which is not always the
/// smallest possible set of victims.
fn trial(attempt: &Attempt<'_>, bound_pods: &[&Pod]) -> Trial {
    let (mut candidates, mut staying): (Vec<&Pod>, Vec<&Pod>) =
        bound_pods.iter().copied().partition(|pod| is_candidate(pod, attempt.pod));
    if candidates.is_empty() {
        return Trial::NoVictims;
    }
    // Upstream treats pods without a start time as started now.
    candidates.sort_by_key(|pod| {
        let start = pod.status.start_time;
        (Reverse(pod.priority()), start.is_none(), start, &pod.metadata.namespace, &pod.metadata.name)
    });
    let mut cluster_objects = objects_without(attempt.cluster_objects, &candidates);
    let outcomes = run_filters(&without(attempt, &staying, &cluster_objects));
    if let Some((_, rejections)) = first_failure(&outcomes) {
        return Trial::Remains { candidates: node_pods(&candidates), remains: messages(rejections) };
    }
    if let Some(missing) = missing(&outcomes) {
        return Trial::Unknown { missing };
    }
    let (mut victims, mut spared) = (Vec::new(), Vec::new());
    for pod in candidates {
        staying.push(pod);
        give_back(&mut cluster_objects, pod);
        let outcomes = run_filters(&without(attempt, &staying, &cluster_objects));
        if outcomes.iter().any(|(_, outcome)| *outcome != CheckResult::Pass) {
            staying.pop();
            take_away(&mut cluster_objects, pod);
            victims.push(pod);
        } else {
            spared.push(pod);
        }
    }
    // Upstream orders by these two only (`pkg/scheduler/util/utils.go` `MoreImportantPod`).
    let importance = |pod: &Pod| (pod.priority(), pod.status.start_time);
    spared.retain(|pod| victims.iter().any(|victim| importance(victim) == importance(pod)));
    match victims.is_empty() {
        // The pod fits with all pods put back, so the failure was of another moment.
        true => Trial::NoVictims,
        false => Trial::Fits { victims: node_pods(&victims), equals: node_pods(&spared) },
    }
}

fn without<'b>(attempt: &Attempt<'b>, staying: &[&'b Pod], cluster_objects: &'b ClusterObjects) -> Attempt<'b> {
    Attempt { bound_pods: Known::Known(staying.to_vec()), cluster_objects, ..attempt.clone() }
}

/// The objects without these pods, because filters that check other nodes would find them there.
fn objects_without(cluster_objects: &ClusterObjects, gone: &[&Pod]) -> ClusterObjects {
    let mut cluster_objects = cluster_objects.clone();
    if let Known::Known(pods) = &mut cluster_objects.pods {
        pods.retain(|pod| !gone.iter().any(|other| is_same(pod, other)));
    }
    cluster_objects
}

fn give_back(cluster_objects: &mut ClusterObjects, pod: &Pod) {
    if let Known::Known(pods) = &mut cluster_objects.pods {
        pods.push(pod.clone());
    }
}

fn take_away(cluster_objects: &mut ClusterObjects, pod: &Pod) {
    if let Known::Known(pods) = &mut cluster_objects.pods {
        pods.retain(|other| !is_same(other, pod));
    }
}

fn is_same(a: &Pod, b: &Pod) -> bool {
    a.metadata.name == b.metadata.name && a.metadata.namespace == b.metadata.namespace
}

/// The least priority with which preemption would make room, whatever the pod's own policy.
///
/// The candidates for eviction are the pods with a lower priority than the pod. That set changes only where the
/// priority passes the one of a pod on the node, so it is sufficient to try `p + 1` for every priority `p` on the node,
/// in ascending order: the first that succeeds is the least. Values below the pod's own priority are raised to it.
///
/// Example: a node with 2 cores is full with one pod of priority 0 and one of priority 5, each with 1 core, and a pod
/// of priority 0 requests 2 cores. With priority 1 only the first pod can be evicted, and 1 core is not enough. With 6
/// both can be evicted, so the answer is 6. The priorities 2 to 5 have the same candidates as 1.
fn required_priority(attempt: &Attempt<'_>, bound_pods: &[&Pod]) -> Option<RequiredPriority> {
    // Never lower than the pod's own priority.
    let above = bound_pods.iter().filter_map(|pod| pod.priority().checked_add(1));
    let mut priorities: Vec<i32> = above.map(|priority| priority.max(attempt.pod.priority())).collect();
    priorities.sort_unstable();
    priorities.dedup();
    priorities.into_iter().find_map(|priority| {
        let mut pod = attempt.pod.clone();
        pod.spec.priority = Some(priority);
        pod.spec.preemption_policy = String::new();
        let Trial::Fits { victims, .. } = trial(&Attempt { pod: &pod, ..attempt.clone() }, bound_pods) else {
            return None;
        };
        let class = class_of(attempt.cluster_objects, priority);
        // Only the system classes have a higher value.
        (priority <= HIGHEST_USER_DEFINABLE || class.is_some()).then_some(RequiredPriority { priority, class, victims })
    })
}

/// Upstream: `pkg/apis/scheduling/types.go` `HighestUserDefinablePriority`.
const HIGHEST_USER_DEFINABLE: i32 = 1_000_000_000;
/// The classes that every cluster has. Upstream: `pkg/apis/scheduling/v1/helpers.go` `SystemPriorityClasses`.
const SYSTEM: [(&str, i32); 2] = [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// The class with the lowest value of at least that priority whose pods may preempt. The system classes are used only
/// for priorities that no other class can have.
fn class_of(cluster_objects: &ClusterObjects, priority: i32) -> Option<String> {
    let is_fit =
        |class: &&PriorityClass| class.value >= Some(priority) && class.preemption_policy.as_deref() != Some("Never");
    let named = |class: &PriorityClass| Some((class.value, class.metadata.name.clone()?));
    let own = cluster_objects.priority_classes.known().into_iter().flatten().filter(is_fit).filter_map(named);
    let own = own.filter(|(value, _)| *value <= Some(HIGHEST_USER_DEFINABLE)).min().map(|(_, name)| name);
    let system = SYSTEM.iter().filter(|(_, value)| priority > HIGHEST_USER_DEFINABLE && *value >= priority);
    own.or_else(|| system.map(|(name, _)| (*name).to_owned()).next())
}

fn missing(outcomes: &[(Filter, FilterResult)]) -> Option<Missing> {
    outcomes.iter().find_map(|(_, outcome)| match outcome {
        CheckResult::Unknown { missing } => Some(missing.clone()),
        _ => None,
    })
}

/// The distinct messages: the scheduler counts nodes, not causes.
fn messages(rejections: &[FilterFailure]) -> Vec<String> {
    let mut words: Vec<String> = rejections.iter().map(|rejection| rejection.scheduler.clone()).collect();
    words.sort();
    words.dedup();
    words
}

fn node_pods(pods: &[&Pod]) -> Vec<NodePod> {
    pods.iter().map(|pod| NodePod::bound(pod)).collect()
}

#[cfg(test)]
mod tests;
