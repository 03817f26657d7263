//! The way of a daemon pod: controller, admission, scheduler, kubelet, and the pod itself; every check on it.

mod kubelet;
mod stages;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;
use serde::Serialize;

use super::{Reason, State, pod as pod_state};
use crate::admission::PredictedPod;
use crate::placement::{EligibilityRule, FeatureGates, NamespaceSelector, Placement, PlacementFailure};
use crate::scheduling::preemption::Preemption;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::node_snapshot::NodeSnapshot;
use crate::snapshot::pod::Pod;
use crate::snapshot::{EventQuery, Known, Node, OpenShift, Taint};

/// Whether a node has a healthy daemon pod, and if not, at which end that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum Verdict {
    /// A pod is wanted, and cannot be made or has no node.
    Blocked,
    /// A pod has its node, and is not ready.
    NotHealthy,
    /// What would tell could not be read.
    Unknown,
    /// No pod is wanted.
    NotWanted,
    /// On a node that does not exist yet: a pod would run.
    WouldRun,
    /// A pod is there, and ready.
    Running,
}

/// The stations of the way, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum Stage {
    /// The DaemonSet controller: is a pod wanted?
    Controller,
    /// The API server: may the pod be made?
    Admission,
    /// The scheduler: does the node take it?
    Scheduler,
    /// The kubelet: does it accept and keep it?
    Kubelet,
    /// The pod itself.
    Pod,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Outcome {
    /// Nothing stands in the way.
    Pass,
    /// Something does.
    Fail,
    /// It cannot be told.
    Unknown,
}

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    /// At which station.
    pub(crate) stage: Stage,
    /// The plugin's or the rule's name.
    pub(crate) name: &'static str,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// Every reason; empty exactly for a pass.
    pub(crate) reasons: Vec<CheckReason>,
}

/// One reason of a check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckReason {
    /// The cause and its evidence.
    pub(crate) reason: Reason,
    /// The scheduler's own wording, where it has one.
    pub(crate) scheduler: Option<String>,
}

/// One DaemonSet and one node.
#[derive(Debug)]
pub(crate) struct DiagnosisInput<'a> {
    /// The DaemonSet.
    pub(crate) daemon_set: &'a DaemonSet,
    /// The node, with its resources.
    pub(crate) node: &'a Node,
    /// Whether the node exists; one from a file does not.
    pub(crate) node_exists: bool,
    /// The DaemonSet's pods that are meant for the node, the one that counts first.
    pub(crate) pods: Known<Vec<&'a Pod>>,
    /// Every pod that is bound to the node.
    pub(crate) bound: &'a Known<Vec<Pod>>,
    /// Every pod without a node for which room was made here.
    pub(crate) nominated: &'a Known<Vec<Pod>>,
    /// On a planned node: the daemon pods that come before this one, by their priority and then by their names.
    pub(crate) higher_priority_planned: Vec<&'a Pod>,
    /// The pod as the API server would make it; none where nobody asked.
    pub(crate) predicted: Option<&'a PredictedPod>,
    /// What else is known.
    pub(crate) facts: &'a ClusterObjects,
    /// Warning events about the DaemonSet and its pods.
    pub(crate) events: &'a Known<Vec<Event>>,
    /// What OpenShift adds.
    pub(crate) openshift: &'a Known<Option<OpenShift>>,
    /// The moment.
    pub(crate) now: Timestamp,
}

/// The whole way.
#[derive(Debug)]
pub(crate) struct Diagnosis<'a> {
    /// The DaemonSet.
    pub(crate) daemon_set: &'a DaemonSet,
    /// Whether a pod is wanted.
    pub(crate) placement: Placement,
    /// How things stand.
    pub(crate) state: State,
    /// The pod that counts, if there is one.
    pub(crate) pod: Option<&'a Pod>,
    /// The answer.
    pub(crate) verdict: Verdict,
    /// Every check that was made, in the order of the way.
    pub(crate) checks: Vec<Check>,
    /// Whether evicting others would help, where the scheduler refuses the node.
    pub(crate) preemption: Option<Preemption>,
    /// Whether the node is only planned.
    pub(crate) is_planned: bool,
    /// The node's taints that the template does not tolerate.
    pub(crate) untolerated: Vec<Taint>,
    /// What is not certain of a pod that does not exist.
    pub(crate) assumptions: &'a [String],
    /// The events that may say more: the same whether they were read or not.
    pub(crate) event_query: EventQuery,
}

impl<'a> DiagnosisInput<'a> {
    /// Walks the way.
    pub(crate) fn explain(&self) -> Diagnosis<'a> {
        let namespace = self.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let template = Pod::from_template(namespace, &self.daemon_set.spec.template);
        let selector = NamespaceSelector::new(self.openshift.known().and_then(Option::as_ref), namespace);
        let rule = EligibilityRule::new(&template.spec, selector, FeatureGates::implied_by(&template.spec));
        let placed = rule.evaluate(self.node);
        let placement = placed.placement;
        let taint_of = |failure: &PlacementFailure| match failure {
            PlacementFailure::Taint { taint } => Some(taint.clone()),
            _ => None,
        };
        let untolerated = placed.failures.iter().filter_map(taint_of).collect();
        let mut checks = stages::controller(&template.spec, placed.failures);
        checks.extend(stages::deletion(self.daemon_set));
        let pod = self.pods.known().and_then(|pods| pods.first()).copied();
        let mut preemption = None;
        let state = match (&self.pods, pod) {
            (Known::Unknown(_), _) => State::Unknown,
            (Known::Known(_), Some(pod)) => {
                let (state, reasons) = self.examine(pod);
                if pod.spec.node_name.is_empty() {
                    let scheduled = stages::scheduler(self, pod);
                    checks.extend(scheduled.checks);
                    preemption = scheduled.preemption;
                    checks.extend(stages::unscheduled(&checks, reasons, pod));
                    checks.extend(kubelet::predicted(pod, self.node));
                } else {
                    checks.push(Check::pass(Stage::Scheduler, "Bound"));
                    checks.extend(stages::bound(self, pod, reasons));
                }
                if placement == Placement::Run { state } else { State::Misscheduled }
            }
            (Known::Known(_), None) if placement == Placement::Run => State::Missing,
            (Known::Known(_), None) => State::Excluded,
        };
        if let (None, Some(predicted)) = (pod, self.predicted) {
            checks.extend(stages::admission(self, predicted, state));
            let scheduled = stages::predicted(self, &predicted.pod);
            checks.extend(scheduled.checks);
            preemption = scheduled.preemption;
        }
        if state == State::Missing && self.node_exists && checks.iter().all(|check| check.outcome != Outcome::Fail) {
            checks.push(stages::not_created(self.daemon_set));
        }
        checks.sort_by_key(|check| check.stage);
        Diagnosis {
            daemon_set: self.daemon_set,
            placement,
            state,
            pod,
            verdict: self.verdict(placement, state, pod, &checks),
            checks,
            preemption,
            is_planned: !self.node_exists,
            untolerated,
            event_query: self.event_query(state),
            assumptions: match (pod, self.predicted) {
                (None, Some(predicted)) => &predicted.assumptions,
                _ => &[],
            },
        }
    }

    fn verdict(&self, placement: Placement, state: State, pod: Option<&Pod>, checks: &[Check]) -> Verdict {
        let is_unsure = checks.iter().any(|check| check.stage >= Stage::Scheduler && check.outcome == Outcome::Unknown);
        let is_blocked = checks.iter().any(|check| check.outcome == Outcome::Fail);
        match (placement, state) {
            (_, State::Unknown) => Verdict::Unknown,
            (Placement::ContinueOnly | Placement::Exclude, _) => Verdict::NotWanted,
            (_, State::Available | State::Ready) => Verdict::Running,
            (_, State::Missing) if !self.node_exists && !is_blocked => match is_unsure {
                true => Verdict::Unknown,
                false => Verdict::WouldRun,
            },
            (_, State::Missing) => Verdict::Blocked,
            _ if pod.is_some_and(|pod| pod.spec.node_name.is_empty() && !pod.is_terminal()) => Verdict::Blocked,
            _ => Verdict::NotHealthy,
        }
    }

    /// Where the pod stands by its own status.
    fn status_of(&self, pod: &Pod) -> (State, Vec<Reason>) {
        let min_ready_seconds = self.daemon_set.spec.min_ready_seconds.unwrap_or_default();
        let node = Some(self.node).filter(|_| !pod.spec.node_name.is_empty());
        pod_state::pod_state(&pod.summary(), node, min_ready_seconds, self.now)
    }

    /// The same, with the newest warning about it where it is not well.
    fn examine(&self, pod: &Pod) -> (State, Vec<Reason>) {
        let (state, mut reasons) = self.status_of(pod);
        if let (true, Some(events)) = (is_unwell(state), self.events.known()) {
            let warning = super::events::newest_warning(events, &pod.metadata.uid);
            reasons.extend(warning.filter(|warning| !is_repeated_by(&reasons, warning)));
        }
        (state, reasons)
    }

    /// The events that may say more: about pods that are not well, and why none could be made where one is missing.
    fn event_query(&self, state: State) -> EventQuery {
        let mut query = EventQuery::default();
        if self.looks_for_rejections(state) {
            query.add_daemon_set(self.daemon_set);
        }
        let pods = self.pods.known().into_iter().flatten();
        for pod in pods.filter(|pod| is_unwell(self.status_of(pod).0)) {
            query.add_pod(&pod.metadata.uid);
        }
        query
    }

    /// The event stays for an hour: it speaks of today only while a pod is missing.
    fn looks_for_rejections(&self, state: State) -> bool {
        state == State::Missing && self.node_exists
    }
}

/// Whether a pod in that state is looked up in the events: the scheduler's words are in the status of one without a node.
fn is_unwell(state: State) -> bool {
    !matches!(state, State::Available | State::Ready | State::Pending)
}

/// The events that may say more about any of them.
pub(crate) fn event_query(diagnoses: &[Diagnosis<'_>]) -> EventQuery {
    let mut query = EventQuery::default();
    diagnoses.iter().for_each(|diagnosis| query.extend(diagnosis.event_query.clone()));
    query
}

/// The way of every DaemonSet of the site, in its order; `made` holds the pods that do not exist.
pub(crate) fn all<'a>(node_snapshot: &'a NodeSnapshot, predicted: &'a [Option<PredictedPod>]) -> Vec<Diagnosis<'a>> {
    let pods = node_snapshot.daemon_pods();
    let each = node_snapshot.daemon_sets.iter().zip(pods).enumerate();
    let diagnosis = |(index, (daemon_set, pods)): (usize, (&'a DaemonSet, Known<Vec<&'a Pod>>))| {
        let input = DiagnosisInput {
            daemon_set,
            node: &node_snapshot.node,
            node_exists: node_snapshot.node_exists,
            pods,
            bound: &node_snapshot.bound,
            nominated: &node_snapshot.nominated,
            higher_priority_planned: planned_before(node_snapshot, predicted, index),
            predicted: predicted.get(index).and_then(Option::as_ref),
            facts: &node_snapshot.facts,
            events: &node_snapshot.events,
            openshift: &node_snapshot.openshift,
            now: node_snapshot.as_of,
        };
        input.explain()
    };
    each.map(diagnosis).collect()
}

/// The other daemon pods that a planned node gets, as far as they come before this one: the scheduler takes those of
/// higher priority first, and of equals one has to give way.
fn planned_before<'a>(
    node_snapshot: &NodeSnapshot,
    predicted: &'a [Option<PredictedPod>],
    index: usize,
) -> Vec<&'a Pod> {
    let Some(Some(own)) = predicted.get(index).filter(|_| !node_snapshot.node_exists) else { return Vec::new() };
    let wanted = daemon_sets_without_pod(node_snapshot, false);
    let rank = |index: usize, pod: &Pod| (std::cmp::Reverse(pod.priority()), index);
    let others = wanted.into_iter().filter(|other| *other != index);
    others
        .filter_map(|other| Some((other, &predicted.get(other)?.as_ref()?.pod)))
        .filter(|(other, pod)| rank(*other, pod) < rank(index, &own.pod))
        .map(|(_, pod)| pod)
        .collect()
}

/// The DaemonSets, by their places, of which there is no pod that could be judged, and of which one is wanted or was
/// asked about by name.
pub(crate) fn daemon_sets_without_pod(node_snapshot: &NodeSnapshot, is_named: bool) -> Vec<usize> {
    let is_open = |(_, pods): &(usize, Known<Vec<&Pod>>)| pods.known().is_some_and(Vec::is_empty);
    let open = node_snapshot.daemon_pods().into_iter().enumerate().filter(is_open).map(|(index, _)| index);
    let is_eligible = |index: &usize| {
        let Some(daemon_set) = node_snapshot.daemon_sets.get(*index) else { return false };
        let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let template = Pod::from_template(namespace, &daemon_set.spec.template);
        let selector = NamespaceSelector::new(node_snapshot.openshift.known().and_then(Option::as_ref), namespace);
        let rule = EligibilityRule::new(&template.spec, selector, FeatureGates::implied_by(&template.spec));
        rule.evaluate(&node_snapshot.node).placement == Placement::Run
    };
    open.filter(|index| is_named || is_eligible(index)).collect()
}

/// The pods of the DaemonSets that wait for a node.
pub(crate) fn waiting(node_snapshot: &NodeSnapshot) -> Vec<Pod> {
    let pods = node_snapshot.daemon_pods();
    let first = pods.iter().filter_map(|pods| pods.known()?.first().copied());
    first.filter(|pod| pod.spec.node_name.is_empty()).cloned().collect()
}

/// Whether a warning only repeats that the node is not ready, which is told with more of it.
fn is_repeated_by(reasons: &[Reason], warning: &Reason) -> bool {
    let is_of_node = matches!(warning, Reason::Warning { reason, .. } if reason == "NodeNotReady");
    is_of_node && reasons.iter().any(|reason| matches!(reason, Reason::NodeNotReady { .. }))
}

impl Check {
    fn pass(stage: Stage, name: &'static str) -> Self {
        Self { stage, name, outcome: Outcome::Pass, reasons: Vec::new() }
    }

    /// A failure for these reasons, or a pass where there are none.
    fn from_reasons(stage: Stage, name: &'static str, reasons: Vec<Reason>) -> Self {
        let outcome = if reasons.is_empty() { Outcome::Pass } else { Outcome::Fail };
        let reasons = reasons.into_iter().map(|reason| CheckReason { reason, scheduler: None }).collect();
        Self { stage, name, outcome, reasons }
    }

    fn unknown(stage: Stage, name: &'static str, missing: String) -> Self {
        let reason = CheckReason { reason: Reason::NotKnown { missing }, scheduler: None };
        Self { stage, name, outcome: Outcome::Unknown, reasons: vec![reason] }
    }
}

impl Diagnosis<'_> {
    /// The DaemonSet's namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.daemon_set.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The DaemonSet's name.
    pub(crate) fn name(&self) -> &str {
        self.daemon_set.metadata.name.as_deref().unwrap_or_default()
    }

    /// The reasons of every check that fails, in the order of the way.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Check, &CheckReason)> {
        let failed = self.checks.iter().filter(|check| check.outcome == Outcome::Fail);
        failed.flat_map(|check| check.reasons.iter().map(move |reason| (check, reason)))
    }
}
