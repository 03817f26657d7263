//! The InterPodAffinity filter: required pod affinity and anti-affinity, of the pod and of other pods.
//!
//! Any pod in the cluster can have an anti-affinity term that excludes the pod from a whole zone. If the pods of the
//! cluster are unknown, only the pods on the node are checked for such terms: otherwise every pod on every node would
//! be unknown because of a rare case.
//!
//! Upstream: `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go` `PreFilter`, `Filter`; `plugin.go`
//! `mergeAffinityTermNamespacesIfNotEmpty`, `GetNamespaceLabelsSnapshot`; `kube-scheduler/framework/types.go`
//! `AffinityTerm.Matches`.

mod term;

#[cfg(test)]
mod tests;

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::node_pod::OtherPod;
use super::rejection::{AffinityRejection, FilterRejection};
use crate::check_result::CheckResult;

use super::topology::{Domain, Topology, is_same};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::{Pod, PodAffinity};
use crate::snapshot::{HOSTNAME, Known, Labels, Missing, Node};
use term::{Term, and};

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let topology = Topology::new(attempt);
    let mut report = AffinityFilterReport::default();
    check_affinity(attempt, &topology, &mut report);
    check_anti_affinity(attempt, &topology, &mut report);
    check_existing(attempt, &topology, &mut report);
    CheckResult::from_partial(report.rejections, report.missing)
}

/// Whether a required anti-affinity of one pod excludes the other from the same node. With label keys the answer depends
/// on labels that only created pods have; then it is no.
pub(crate) fn exclude_each_other(pod: &Pod, bound: &Pod) -> bool {
    let terms = || [pod, bound].into_iter().filter_map(pod_anti_affinity).flat_map(|affinity| &affinity.required);
    if terms().any(|term| !term.match_label_keys.is_empty() || !term.mismatch_label_keys.is_empty()) {
        return false;
    }
    // Without other nodes, only terms with the hostname as their domain apply.
    let mut node = Node::default();
    node.metadata.labels = Labels::from([(HOSTNAME.to_owned(), String::new())]).into();
    let attempt = Attempt {
        pod,
        node: &node,
        bound_pods: Known::Known(vec![bound]),
        nominated: Known::Known(Vec::new()),
        cluster_objects: &ClusterObjects::default(),
    };
    let CheckResult::Fail(failures) = filter(&attempt) else { return false };
    failures.iter().any(|failure| failure.rejection.outlasts_more_pods())
}

/// The rejections, and the first thing that could not be read.
#[derive(Default)]
struct AffinityFilterReport {
    rejections: Vec<FilterFailure>,
    missing: Option<Missing>,
}

impl AffinityFilterReport {
    fn reject(&mut self, rejection: AffinityRejection) {
        let (scheduler, code) = match rejection {
            AffinityRejection::PodAffinityTopologyKey { .. } | AffinityRejection::PodAffinity { .. } => {
                ("node(s) didn't match pod affinity rules", StatusCode::UnschedulableAndUnresolvable)
            }
            AffinityRejection::PodAntiAffinity { .. } => {
                ("node(s) didn't match pod anti-affinity rules", StatusCode::Unschedulable)
            }
            AffinityRejection::ExistingPodsAntiAffinity { .. } => {
                ("node(s) didn't satisfy existing pods anti-affinity rules", StatusCode::Unschedulable)
            }
        };
        self.rejections.push(FilterFailure::new(FilterRejection::Affinity(rejection), scheduler, code));
    }

    fn note_missing(&mut self, missing: Option<&Missing>) {
        self.missing = self.missing.take().or_else(|| missing.cloned());
    }

    /// The answer if it is known. Otherwise false, and what is missing is recorded.
    fn resolve(&mut self, answer: &Known<bool>) -> bool {
        self.note_missing(answer.missing());
        answer.known().copied().unwrap_or_default()
    }
}

fn own<'a>(attempt: &Attempt<'a>, of: impl Fn(&'a Pod) -> Option<&'a PodAffinity>) -> Vec<Term> {
    let terms = of(attempt.pod).into_iter().flat_map(|affinity| &affinity.required);
    terms.map(|term| Term::from_incoming_pod(term, attempt.pod)).collect()
}

fn pod_affinity(pod: &Pod) -> Option<&PodAffinity> {
    pod.spec.affinity.as_ref()?.pod_affinity.as_ref()
}

fn pod_anti_affinity(pod: &Pod) -> Option<&PodAffinity> {
    pod.spec.affinity.as_ref()?.pod_anti_affinity.as_ref()
}

/// Upstream: `satisfyPodAffinity`.
fn check_affinity(attempt: &Attempt<'_>, topology: &Topology<'_>, report: &mut AffinityFilterReport) {
    let terms = own(attempt, pod_affinity);
    let mut keys: Vec<&str> = terms.iter().map(|term| term.topology_key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut domains: Vec<(&str, Domain<'_>)> = Vec::new();
    for key in keys {
        match topology.domain(key) {
            Some(domain) => domains.push((key, domain)),
            None => report.reject(AffinityRejection::PodAffinityTopologyKey { topology_key: key.to_owned() }),
        }
    }
    // One pod must match all terms; it counts in the domain of each term.
    let meets_all = |pod: &Pod| and(terms.iter().map(|term| term.selects(pod, attempt)));
    let mut lacking: Vec<AffinityRejection> = Vec::new();
    let mut missing: Option<Missing> = None;
    for (key, domain) in &domains {
        let answers: Vec<Known<bool>> = domain.pods.iter().map(|(pod, _)| meets_all(pod)).collect();
        if answers.contains(&Known::Known(true)) {
            continue;
        }
        let doubt = answers.iter().find_map(Known::missing).or(domain.missing.as_ref());
        match doubt {
            Some(why) => missing = missing.or_else(|| Some(why.to_owned())),
            None => lacking.push(AffinityRejection::PodAffinity {
                required: terms.iter().map(Term::evidence).collect(),
                topology_key: (*key).to_owned(),
                topology_value: domain.value.to_owned(),
            }),
        }
    }
    if lacking.is_empty() && missing.is_none() {
        return;
    }
    // The exception does not apply if the node lacks a topology label.
    let is_first = match report.rejections.is_empty() {
        true => is_first_of_its_kind(&terms, attempt, topology),
        false => Known::Known(false),
    };
    match is_first {
        Known::Known(true) => {}
        Known::Known(false) => {
            lacking.into_iter().for_each(|rejection| report.reject(rejection));
            report.note_missing(missing.as_ref());
        }
        Known::Unknown(why) => report.note_missing(Some(&why)),
    }
}

/// The exception for the first pod of a group: if the pod matches its own terms and no pod in the cluster does, it may
/// run on any node that has the labels.
fn is_first_of_its_kind(terms: &[Term], attempt: &Attempt<'_>, topology: &Topology<'_>) -> Known<bool> {
    let meets_all = |pod: &Pod| and(terms.iter().map(|term| term.selects(pod, attempt)));
    let has_a_key = |node: &Node| terms.iter().any(|term| node.metadata.labels.contains_key(&term.topology_key));
    let none = |pods: &[(&Pod, &Node)]| {
        and(pods.iter().filter(|(_, node)| has_a_key(node)).map(|(pod, _)| not(meets_all(pod))))
    };
    let node_pods: Vec<(&Pod, &Node)> =
        topology.node_pods.known().into_iter().flatten().map(|pod| (*pod, topology.node)).collect();
    let unread = |missing: Option<&Missing>| match missing {
        Some(why) => Known::Unknown(why.to_owned()),
        None => Known::Known(true),
    };
    and([
        meets_all(attempt.pod),
        none(&node_pods),
        unread(topology.node_pods.missing()),
        topology.other_pods.known().map_or(Known::Known(true), |other_pods| none(other_pods)),
        unread(topology.other_pods.missing()),
    ])
}

fn not(answer: Known<bool>) -> Known<bool> {
    match answer {
        Known::Known(answer) => Known::Known(!answer),
        unknown => unknown,
    }
}

/// Upstream: `satisfyPodAntiAffinity`. A node without the label is in no domain, so nothing conflicts.
fn check_anti_affinity(attempt: &Attempt<'_>, topology: &Topology<'_>, report: &mut AffinityFilterReport) {
    let terms = own(attempt, pod_anti_affinity);
    for term in &terms {
        let Some(domain) = topology.domain(&term.topology_key) else { continue };
        report.note_missing(domain.missing.as_ref());
        report.note_missing(attempt.nominated.missing());
        let nominated = promised(attempt).map(|pod| (pod, attempt.node));
        let mut pods: Vec<OtherPod> = Vec::new();
        for (pod, node) in domain.pods.iter().copied().chain(nominated) {
            if report.resolve(&term.selects(pod, attempt)) {
                pods.push(OtherPod::new(pod, node));
            }
        }
        if !pods.is_empty() {
            pods.sort();
            report.reject(AffinityRejection::PodAntiAffinity {
                term: term.evidence(),
                topology_key: term.topology_key.clone(),
                topology_value: domain.value.to_owned(),
                pods,
            });
        }
    }
}

/// Upstream: `satisfyExistingPodsAntiAffinity`.
fn check_existing(attempt: &Attempt<'_>, topology: &Topology<'_>, report: &mut AffinityFilterReport) {
    report.note_missing(topology.node_pods.missing());
    let node_pods = topology.node_pods.known().into_iter().flatten().map(|pod| (*pod, attempt.node));
    let other_pods = topology.other_pods.known().into_iter().flatten().copied();
    let promised: Vec<(&Pod, &Node)> = promised(attempt)
        .filter(|pod| repels(pod, attempt.node, attempt) != Known::Known(false))
        .map(|pod| (pod, attempt.node))
        .collect();
    let promised = match promised.is_empty() || report.resolve(&is_relevant(attempt, topology)) {
        true => promised,
        false => Vec::new(),
    };
    let mut rejections: Vec<(Term, String, Vec<OtherPod>)> = Vec::new();
    for (pod, node) in node_pods.chain(promised).chain(other_pods) {
        for term in pod_anti_affinity(pod).into_iter().flat_map(|affinity| &affinity.required) {
            let key = &term.topology_key;
            let Some(value) = attempt.node.metadata.labels.get(key) else { continue };
            if node.metadata.labels.get(key) != Some(value) {
                continue;
            }
            let term = Term::from_existing_pod(term, pod);
            if !report.resolve(&term.keeps_away(attempt)) {
                continue;
            }
            let other = OtherPod::new(pod, node);
            match rejections.iter_mut().find(|(same, ..)| *same == term) {
                Some((_, _, pods)) => pods.push(other),
                None => rejections.push((term, value.clone(), vec![other])),
            }
        }
    }
    for (term, topology_value, mut pods) in rejections {
        pods.sort();
        report.reject(AffinityRejection::ExistingPodsAntiAffinity {
            term: term.evidence(),
            topology_key: term.topology_key,
            topology_value,
            pods,
        });
    }
}

/// Whether a term of the other pod matches the pod, in whatever domain of the other pod's node.
fn repels(pod: &Pod, node: &Node, attempt: &Attempt<'_>) -> Known<bool> {
    let terms = pod_anti_affinity(pod).into_iter().flat_map(|affinity| &affinity.required);
    let reaching = terms.filter(|term| node.metadata.labels.contains_key(&term.topology_key));
    not(and(reaching.map(|term| not(Term::from_existing_pod(term, pod).keeps_away(attempt)))))
}

/// Whether the scheduler runs the filter for the pod. If the pod has no terms and no bound pod in the cluster has an
/// anti-affinity term that matches it, `PreFilter` returns `Skip`, and nominated pods are never considered.
fn is_relevant(attempt: &Attempt<'_>, topology: &Topology<'_>) -> Known<bool> {
    let mut own = [pod_affinity(attempt.pod), pod_anti_affinity(attempt.pod)].into_iter().flatten();
    if own.any(|affinity| !affinity.required.is_empty()) {
        return Known::Known(true);
    }
    let node_pods = topology.node_pods.known().into_iter().flatten().map(|pod| (*pod, attempt.node));
    let other_pods = topology.other_pods.known().into_iter().flatten().copied();
    let nobody = and(node_pods.chain(other_pods).map(|(pod, node)| not(repels(pod, node, attempt))));
    match (nobody, topology.other_pods.missing()) {
        (Known::Known(true), Some(why)) => Known::Unknown(why.to_owned()),
        (nobody, _) => not(nobody),
    }
}

/// The nominated pods with at least the priority of the pod. The scheduler treats them as if they were already on the
/// node (`pkg/scheduler/framework/runtime/framework.go` `addGENominatedPods`).
fn promised<'a>(attempt: &Attempt<'a>) -> impl Iterator<Item = &'a Pod> {
    let pod = attempt.pod;
    let nominated: Vec<&Pod> = attempt.nominated.known().cloned().unwrap_or_default();
    nominated.into_iter().filter(move |other| other.priority() >= pod.priority() && !is_same(other, pod))
}
