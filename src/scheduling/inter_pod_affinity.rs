//! Pods that want each other near, or far.
//!
//! Upstream: `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go` `PreFilter`, `Filter`; `plugin.go`
//! `mergeAffinityTermNamespacesIfNotEmpty`, `GetNamespaceLabelsSnapshot`; `kube-scheduler/framework/types.go`
//! `AffinityTerm.Matches`.
//!
//! Any pod of the cluster may keep pods away from its whole zone. Where the pods of the cluster are not known, only
//! those on the node are asked: else every pod on every node would be in doubt for the sake of a rare case.

mod term;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::surroundings::{Domain, OtherPod, Surroundings, is_same};
use super::{Attempt, Misfit, Outcome, Refusal};
use crate::snapshot::full_pod::{FullPod, PodAffinity};
use crate::snapshot::{Known, Node};
pub(crate) use term::Selected;
use term::{Term, and};

/// Which pods are in the way, or missing. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum AffinityMisfit {
    /// The node lacks the label by which the required pod affinity says what is near.
    PodAffinityTopologyKey {
        /// The label's key.
        topology_key: String,
    },
    /// No pod that the required pod affinity asks for is near.
    PodAffinity {
        /// The terms: one pod has to meet all of them.
        wanted: Vec<Selected>,
        /// The label that says what is near.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
    },
    /// A pod that the pod's own required anti-affinity keeps away from is near.
    PodAntiAffinity {
        /// The term.
        unwanted: Selected,
        /// The label that says what is near.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
        /// The pods in the way.
        pods: Vec<OtherPod>,
    },
    /// The required anti-affinity of pods near by keeps the pod away.
    ExistingPodsAntiAffinity {
        /// Their term, which the pod meets.
        unwanted: Selected,
        /// The label that says what is near.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
        /// The pods that have the term.
        pods: Vec<OtherPod>,
    },
}

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let surroundings = Surroundings::of(attempt);
    let mut findings = Findings::default();
    judge_affinity(attempt, &surroundings, &mut findings);
    judge_anti_affinity(attempt, &surroundings, &mut findings);
    judge_existing(attempt, &surroundings, &mut findings);
    match findings.missing {
        Some(missing) if findings.refusals.is_empty() => Outcome::Unknown { missing },
        _ => Outcome::of(findings.refusals),
    }
}

/// What is found, and the first thing that was missing.
#[derive(Default)]
struct Findings {
    refusals: Vec<Refusal>,
    missing: Option<String>,
}

impl Findings {
    fn refuse(&mut self, misfit: AffinityMisfit) {
        let (scheduler, may_preempt) = match misfit {
            AffinityMisfit::PodAffinityTopologyKey { .. } | AffinityMisfit::PodAffinity { .. } => {
                ("node(s) didn't match pod affinity rules", false)
            }
            AffinityMisfit::PodAntiAffinity { .. } => ("node(s) didn't match pod anti-affinity rules", true),
            AffinityMisfit::ExistingPodsAntiAffinity { .. } => {
                ("node(s) didn't satisfy existing pods anti-affinity rules", true)
            }
        };
        self.refusals.push(Refusal { misfit: Misfit::Affinity(misfit), scheduler: scheduler.into(), may_preempt });
    }

    fn miss(&mut self, missing: Option<&str>) {
        self.missing = self.missing.take().or_else(|| missing.map(str::to_owned));
    }

    /// What is known, or else no and a note of what is missing.
    fn is_so(&mut self, answer: &Known<bool>) -> bool {
        self.miss(answer.missing());
        answer.known().copied().unwrap_or_default()
    }
}

fn own<'a>(attempt: &Attempt<'a>, of: impl Fn(&'a FullPod) -> Option<&'a PodAffinity>) -> Vec<Term> {
    let terms = of(attempt.pod).into_iter().flat_map(|affinity| &affinity.required);
    terms.map(|term| Term::of_new(term, attempt.pod)).collect()
}

fn pod_affinity(pod: &FullPod) -> Option<&PodAffinity> {
    pod.spec.affinity.as_ref()?.pod_affinity.as_ref()
}

fn pod_anti_affinity(pod: &FullPod) -> Option<&PodAffinity> {
    pod.spec.affinity.as_ref()?.pod_anti_affinity.as_ref()
}

/// `satisfyPodAffinity`.
fn judge_affinity(attempt: &Attempt<'_>, surroundings: &Surroundings<'_>, findings: &mut Findings) {
    let terms = own(attempt, pod_affinity);
    let mut keys: Vec<&str> = terms.iter().map(|term| term.topology_key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut domains: Vec<(&str, Domain<'_>)> = Vec::new();
    for key in keys {
        match surroundings.domain(key) {
            Some(domain) => domains.push((key, domain)),
            None => findings.refuse(AffinityMisfit::PodAffinityTopologyKey { topology_key: key.to_owned() }),
        }
    }
    // One pod has to meet all terms; it counts in the domain of each.
    let meets_all = |pod: &FullPod| and(terms.iter().map(|term| term.selects(pod, attempt)));
    let mut lacking: Vec<AffinityMisfit> = Vec::new();
    let mut missing: Option<String> = None;
    for (key, domain) in &domains {
        let answers: Vec<Known<bool>> = domain.pods.iter().map(|(pod, _)| meets_all(pod)).collect();
        if answers.contains(&Known::Known(true)) {
            continue;
        }
        let doubt = answers.iter().find_map(Known::missing).or(domain.missing.as_deref());
        match doubt {
            Some(why) => missing = missing.or_else(|| Some(why.to_owned())),
            None => lacking.push(AffinityMisfit::PodAffinity {
                wanted: terms.iter().map(Term::evidence).collect(),
                topology_key: (*key).to_owned(),
                topology_value: domain.value.to_owned(),
            }),
        }
    }
    if lacking.is_empty() && missing.is_none() {
        return;
    }
    // With a label missing the exception is out of the question.
    let is_first = match findings.refusals.is_empty() {
        true => is_first_of_its_kind(&terms, attempt, surroundings),
        false => Known::Known(false),
    };
    match is_first {
        Known::Known(true) => {}
        Known::Known(false) => {
            lacking.into_iter().for_each(|misfit| findings.refuse(misfit));
            findings.miss(missing.as_deref());
        }
        Known::Unknown(why) => findings.miss(Some(&why)),
    }
}

/// A pod that asks for pods like itself may go anywhere as long as there is none in the whole cluster.
fn is_first_of_its_kind(terms: &[Term], attempt: &Attempt<'_>, surroundings: &Surroundings<'_>) -> Known<bool> {
    let meets_all = |pod: &FullPod| and(terms.iter().map(|term| term.selects(pod, attempt)));
    let has_a_key = |node: &Node| terms.iter().any(|term| node.metadata.labels.contains_key(&term.topology_key));
    let none = |pods: &[(&FullPod, &Node)]| {
        and(pods.iter().filter(|(_, node)| has_a_key(node)).map(|(pod, _)| not(meets_all(pod))))
    };
    let here: Vec<(&FullPod, &Node)> =
        surroundings.here.known().into_iter().flatten().map(|pod| (*pod, surroundings.node)).collect();
    let unread = |missing: Option<&str>| match missing {
        Some(why) => Known::Unknown(why.to_owned()),
        None => Known::Known(true),
    };
    and([
        meets_all(attempt.pod),
        none(&here),
        unread(surroundings.here.missing()),
        surroundings.beyond.known().map_or(Known::Known(true), |beyond| none(beyond)),
        unread(surroundings.beyond.missing()),
    ])
}

fn not(answer: Known<bool>) -> Known<bool> {
    match answer {
        Known::Known(answer) => Known::Known(!answer),
        unknown => unknown,
    }
}

/// `satisfyPodAntiAffinity`. A node without the label has nothing near.
fn judge_anti_affinity(attempt: &Attempt<'_>, surroundings: &Surroundings<'_>, findings: &mut Findings) {
    let terms = own(attempt, pod_anti_affinity);
    for term in &terms {
        let Some(domain) = surroundings.domain(&term.topology_key) else { continue };
        findings.miss(domain.missing.as_deref());
        findings.miss(attempt.nominated.missing());
        let nominated = promised(attempt).map(|pod| (pod, attempt.node));
        let mut pods: Vec<OtherPod> = Vec::new();
        for (pod, node) in domain.pods.iter().copied().chain(nominated) {
            if findings.is_so(&term.selects(pod, attempt)) {
                pods.push(OtherPod::of(pod, node));
            }
        }
        if !pods.is_empty() {
            pods.sort();
            findings.refuse(AffinityMisfit::PodAntiAffinity {
                unwanted: term.evidence(),
                topology_key: term.topology_key.clone(),
                topology_value: domain.value.to_owned(),
                pods,
            });
        }
    }
}

/// `satisfyExistingPodsAntiAffinity`.
fn judge_existing(attempt: &Attempt<'_>, surroundings: &Surroundings<'_>, findings: &mut Findings) {
    findings.miss(surroundings.here.missing());
    let here = surroundings.here.known().into_iter().flatten().map(|pod| (*pod, attempt.node));
    let beyond = surroundings.beyond.known().into_iter().flatten().copied();
    let promised: Vec<(&FullPod, &Node)> = promised(attempt)
        .filter(|pod| repels(pod, attempt.node, attempt) != Known::Known(false))
        .map(|pod| (pod, attempt.node))
        .collect();
    let promised = match promised.is_empty() || findings.is_so(&is_looked_at(attempt, surroundings)) {
        true => promised,
        false => Vec::new(),
    };
    let mut refused: Vec<(Term, String, Vec<OtherPod>)> = Vec::new();
    for (pod, node) in here.chain(promised).chain(beyond) {
        for term in pod_anti_affinity(pod).into_iter().flat_map(|affinity| &affinity.required) {
            let key = &term.topology_key;
            let Some(value) = attempt.node.metadata.labels.get(key) else { continue };
            if node.metadata.labels.get(key) != Some(value) {
                continue;
            }
            let term = Term::of_stored(term, pod);
            if !findings.is_so(&term.keeps_away(attempt)) {
                continue;
            }
            let other = OtherPod::of(pod, node);
            match refused.iter_mut().find(|(same, ..)| *same == term) {
                Some((_, _, pods)) => pods.push(other),
                None => refused.push((term, value.clone(), vec![other])),
            }
        }
    }
    for (term, topology_value, mut pods) in refused {
        pods.sort();
        findings.refuse(AffinityMisfit::ExistingPodsAntiAffinity {
            unwanted: term.evidence(),
            topology_key: term.topology_key,
            topology_value,
            pods,
        });
    }
}

/// Whether a term of the pod on that node keeps the pod in question away from some part of the cluster.
fn repels(pod: &FullPod, node: &Node, attempt: &Attempt<'_>) -> Known<bool> {
    let terms = pod_anti_affinity(pod).into_iter().flat_map(|affinity| &affinity.required);
    let reaching = terms.filter(|term| node.metadata.labels.contains_key(&term.topology_key));
    not(and(reaching.map(|term| not(Term::of_stored(term, pod).keeps_away(attempt)))))
}

/// Whether the scheduler judges the pod at all: where it has no terms, and no bound pod of the whole cluster has any about
/// it, it is passed by before those that were promised the node are thought of (`PreFilter` answers `Skip`).
fn is_looked_at(attempt: &Attempt<'_>, surroundings: &Surroundings<'_>) -> Known<bool> {
    let mut own = [pod_affinity(attempt.pod), pod_anti_affinity(attempt.pod)].into_iter().flatten();
    if own.any(|affinity| !affinity.required.is_empty()) {
        return Known::Known(true);
    }
    let here = surroundings.here.known().into_iter().flatten().map(|pod| (*pod, attempt.node));
    let beyond = surroundings.beyond.known().into_iter().flatten().copied();
    let nobody = and(here.chain(beyond).map(|(pod, node)| not(repels(pod, node, attempt))));
    match (nobody, surroundings.beyond.missing()) {
        (Known::Known(true), Some(why)) => Known::Unknown(why.to_owned()),
        (nobody, _) => not(nobody),
    }
}

/// The pods for which preemption has made room on the node, and which the pod may not overtake: the scheduler counts
/// them as if they were there already (`pkg/scheduler/framework/runtime/framework.go` `addGENominatedPods`).
fn promised<'a>(attempt: &Attempt<'a>) -> impl Iterator<Item = &'a FullPod> {
    let pod = attempt.pod;
    let nominated: Vec<&FullPod> = attempt.nominated.known().cloned().unwrap_or_default();
    nominated.into_iter().filter(move |other| other.priority() >= pod.priority() && !is_same(other, pod))
}
