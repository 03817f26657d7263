//! The diagnosis of one DaemonSet on one node: every check of the controller, admission, the scheduler, the kubelet and
//! the pod itself.
//!
//! Input: a [`DiagnosisInput`], or a [`NodeSnapshot`] for all DaemonSets of a node. Output: a [`Diagnosis`] with the
//! verdict and the checks in the order of the stages. `stages` runs the checks of each stage, `kubelet` those of the kubelet and the taint
//! eviction controller. For a pod that does not exist, the checks run on the predicted pod.

mod check;
mod input;
mod kubelet;
mod owner_pods;
mod stages;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use super::{ReadyStatus, Reason, State, events, pod as pod_state};
use crate::admission::PredictedPod;
use crate::placement::{self, Placement, PlacementFailure};
use crate::scheduling::preemption::Preemption;
use crate::scheduling::{FilterRejection, NodePod, PortRejection};
use crate::snapshot::node_snapshot::NodeSnapshot;
use crate::snapshot::pod::Pod;
use crate::snapshot::{EventQuery, Known, Node, Taint};

pub(crate) use check::{Check, CheckName, CheckReason, Stage};
pub(crate) use input::DiagnosisInput;
pub(crate) use kubelet::predicted as kubelet_checks;
pub(crate) use owner_pods::OwnerPod;
use owner_pods::owner_pods;

/// Whether the node has a healthy daemon pod, and if not, where it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Verdict {
    /// The node is eligible, and the pod cannot be created or scheduled.
    Blocked,
    /// The pod is bound to the node, and it is not ready.
    NotHealthy,
    /// Data that is required could not be read.
    Unknown,
    /// The node is not eligible.
    Excluded,
    /// The node does not exist yet; a pod would run on it.
    WouldRun,
    /// The pod is ready.
    Running,
}

#[derive(Debug)]
pub(crate) struct Diagnosis<'a> {
    /// What the diagnosis was made from, for the outcome of a change.
    pub(crate) input: DiagnosisInput<'a>,
    pub(crate) daemon_set: &'a DaemonSet,
    pub(crate) node: &'a Node,
    pub(crate) placement: Placement,
    pub(crate) state: State,
    /// The pod that counts, if one exists.
    pub(crate) pod: Option<&'a Pod>,
    /// With a surge, the new pod beside the one that counts, if it is not scheduled yet.
    pub(crate) replacement: Option<&'a Pod>,
    pub(crate) verdict: Verdict,
    /// Every check that ran, in the order of the stages.
    pub(crate) checks: Vec<Check>,
    /// Whether preemption would help, if the scheduler rejects the node.
    pub(crate) preemption: Option<Preemption>,
    /// The pods on the node of those who remove its untolerated taints.
    pub(crate) owner_pods: Vec<OwnerPod<'a>>,
    /// Whether the node does not exist yet.
    pub(crate) is_planned: bool,
    /// The taints of the node that the template does not tolerate.
    pub(crate) untolerated: Vec<Taint>,
    /// The assumptions about a predicted pod.
    pub(crate) assumptions: &'a [String],
    /// The events that can add to the diagnosis. It does not depend on the events that were read.
    pub(crate) event_query: EventQuery,
}

impl<'a> DiagnosisInput<'a> {
    /// Runs every check.
    pub(crate) fn explain(&self) -> Diagnosis<'a> {
        let namespace = self.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let template = Pod::from_template(namespace, &self.daemon_set.spec.template);
        let placed = placement::evaluate(self.daemon_set, self.node, self.openshift);
        let placement = placed.placement;
        let taint_of = |failure: &PlacementFailure| match failure {
            PlacementFailure::Taint { taint } => Some(taint.clone()),
            _ => None,
        };
        let untolerated: Vec<Taint> = placed.failures.iter().filter_map(taint_of).collect();
        let owner_pods = owner_pods(self, &untolerated);
        let mut checks = stages::controller(&template.spec, placed.failures);
        checks.extend(stages::deletion(self.daemon_set));
        let pod = self.pods.known().and_then(|pods| pods.first()).copied();
        let mut preemption = None;
        let state = match (&self.pods, pod) {
            (Known::Unknown(_), _) => {
                if placement == Placement::Run && events::status_counts_no_pods(self.daemon_set) {
                    checks.extend(stages::rejected_by_event(self));
                }
                State::Unknown
            }
            (Known::Known(_), Some(pod)) => {
                let (state, reasons) = self.examine(pod);
                if pod.spec.node_name.is_empty() {
                    let scheduled = stages::scheduler(self, pod);
                    checks.extend(scheduled.checks);
                    preemption = scheduled.preemption;
                    checks.extend(stages::unscheduled(self, &checks, reasons, pod));
                    checks.extend(kubelet::predicted(pod, self.node));
                } else {
                    checks.push(Check::pass(Stage::Scheduler, CheckName::Bound));
                    if let Some(new) = self.replacement() {
                        let scheduled = stages::scheduler(self, new);
                        checks.extend(stages::unscheduled(self, &scheduled.checks, self.examine(new).1, new));
                        checks.extend(scheduled.checks);
                        preemption = scheduled.preemption;
                    }
                    checks.extend(stages::rejected_by_kubelet(self, pod, &reasons));
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
        if state == State::Missing && self.node_exists && checks.iter().all(|check| !check.result.is_fail()) {
            checks.push(stages::not_created(self.daemon_set));
        }
        if let Some(virtual_node) = pod_state::on_virtual_node(self.node, state) {
            checks.push(Check::from_reasons(Stage::Kubelet, CheckName::VirtualNode, vec![virtual_node]));
        }
        for leaving in pod_state::on_leaving_node(self.node, state) {
            let check = match leaving {
                Reason::NodeMaintenance { .. } => CheckName::NodeMaintenance,
                _ => CheckName::NodeDeletion,
            };
            checks.push(Check::from_reasons(Stage::Kubelet, check, vec![leaving]));
        }
        checks.sort_by_key(|check| check.stage);
        Diagnosis {
            input: self.clone(),
            daemon_set: self.daemon_set,
            node: self.node,
            placement,
            state,
            pod,
            replacement: self.replacement(),
            verdict: self.verdict(placement, state, pod, &checks),
            event_query: self.event_query(state, &checks),
            checks,
            preemption,
            owner_pods,
            is_planned: !self.node_exists,
            untolerated,
            assumptions: match (pod, self.predicted) {
                (None, Some(predicted)) => &predicted.assumptions,
                _ => &[],
            },
        }
    }

    fn verdict(&self, placement: Placement, state: State, pod: Option<&Pod>, checks: &[Check]) -> Verdict {
        let is_unsure = checks.iter().any(|check| check.stage >= Stage::Scheduler && check.result.is_unknown());
        let is_blocked = checks.iter().any(|check| check.result.is_fail());
        match (placement, state) {
            (_, State::Unknown) => Verdict::Unknown,
            (Placement::ContinueOnly | Placement::Exclude, _) => Verdict::Excluded,
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
}

/// The events that can add to any of these diagnoses.
pub(crate) fn event_query(diagnoses: &[Diagnosis<'_>]) -> EventQuery {
    let mut query = EventQuery::default();
    diagnoses.iter().for_each(|diagnosis| query.extend(diagnosis.event_query.clone()));
    query
}

/// The diagnosis of every DaemonSet of the node, in the same order. `predicted` has a predicted pod for each DaemonSet
/// without a pod.
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
            pinned: &node_snapshot.pinned,
            nominated: &node_snapshot.nominated,
            higher_priority_planned: planned_before(node_snapshot, predicted, index),
            predicted: predicted.get(index).and_then(Option::as_ref),
            cluster_objects: &node_snapshot.cluster_objects,
            events: &node_snapshot.events,
            openshift: &node_snapshot.openshift,
            now: node_snapshot.as_of,
        };
        input.explain()
    };
    each.map(diagnosis).collect()
}

/// The other predicted pods that a planned node gets before this one. The scheduler takes pods with a higher priority
/// first; of equal ones, the first in the list goes first.
fn planned_before<'a>(
    node_snapshot: &NodeSnapshot,
    predicted: &'a [Option<PredictedPod>],
    index: usize,
) -> Vec<&'a Pod> {
    let Some(Some(own)) = predicted.get(index).filter(|_| !node_snapshot.node_exists) else { return Vec::new() };
    let wanted = daemon_sets_without_pod(node_snapshot, DaemonSetSelection::All);
    let rank = |index: usize, pod: &Pod| (std::cmp::Reverse(pod.priority()), index);
    let others = wanted.into_iter().filter(|other| *other != index);
    others
        .filter_map(|other| Some((other, &predicted.get(other)?.as_ref()?.pod)))
        .filter(|(other, pod)| rank(*other, pod) < rank(index, &own.pod))
        .map(|(_, pod)| pod)
        .collect()
}

/// Which DaemonSets the user asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaemonSetSelection {
    /// Every DaemonSet that could run on the node.
    All,
    /// DaemonSets that the user named: also those that do not select the node.
    Named,
}

/// The indexes of the DaemonSets without a pod on the node. Of DaemonSets that were not named, only those for which the
/// node is eligible.
pub(crate) fn daemon_sets_without_pod(node_snapshot: &NodeSnapshot, selection: DaemonSetSelection) -> Vec<usize> {
    let is_open = |(_, pods): &(usize, Known<Vec<&Pod>>)| pods.known().is_some_and(Vec::is_empty);
    let open = node_snapshot.daemon_pods().into_iter().enumerate().filter(is_open).map(|(index, _)| index);
    let is_eligible = |index: &usize| {
        let Some(daemon_set) = node_snapshot.daemon_sets.get(*index) else { return false };
        let result = placement::evaluate(daemon_set, &node_snapshot.node, &node_snapshot.openshift);
        result.placement == Placement::Run
    };
    open.filter(|index| selection == DaemonSetSelection::Named || is_eligible(index)).collect()
}

/// Whether pods could be moved off the node to make room. Then the other nodes tell whether they have a place to go.
pub(crate) fn could_move_pods(diagnoses: &[Diagnosis<'_>]) -> bool {
    let of_reason = |reason: &Reason| match reason {
        Reason::FilterRejection(FilterRejection::Resources(rejection)) => rejection.users().any(NodePod::is_movable),
        Reason::FilterRejection(FilterRejection::Ports(PortRejection::HostPortInUse { used_by, .. })) => {
            used_by.iter().any(|user| user.node_pod.is_movable())
        }
        Reason::FilterRejection(FilterRejection::Affinity(_)) => true,
        _ => false,
    };
    diagnoses.iter().flat_map(Diagnosis::failures).any(|(_, failure)| of_reason(&failure.reason))
}

/// The unscheduled pods of the DaemonSets.
pub(crate) fn waiting(node_snapshot: &NodeSnapshot) -> Vec<Pod> {
    let pods = node_snapshot.daemon_pods();
    let all = pods.iter().filter_map(Known::known).flatten();
    all.filter(|pod| pod.spec.node_name.is_empty()).map(|pod| (*pod).clone()).collect()
}

impl Diagnosis<'_> {
    pub(crate) fn namespace(&self) -> &str {
        self.daemon_set.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.daemon_set.metadata.name.as_deref().unwrap_or_default()
    }

    /// The failure that no change of the pod can end: then only its own remedy is of use.
    pub(crate) fn final_failure(&self) -> Option<(CheckName, &CheckReason)> {
        self.failures().find(|(_, reason)| matches!(reason.reason, Reason::VirtualNode { .. }))
    }

    /// The reasons of every failed check, in the order of the stages, causes before their effects.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (CheckName, &CheckReason)> {
        let all = || self.checks.iter().flat_map(|check| check.failures().iter().map(|reason| (check.name, reason)));
        // A node whose kubelet reports may be not ready because of this pod: its own trouble comes first.
        let is_effect = |(_, reason): &(CheckName, &CheckReason)| {
            matches!(reason.reason, Reason::NodeNotReady { status: ReadyStatus::False, .. })
        };
        all().filter(move |reason| !is_effect(reason)).chain(all().filter(is_effect))
    }
}
