//! What a diagnosis is made from.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;

use super::check::{Check, CheckName};
use crate::admission::PredictedPod;
use crate::change::allows_surge;
use crate::explain::{Reason, State, events, pod as pod_state};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{EventQuery, Known, Node, OpenShift};

/// The input: one DaemonSet, one node, and what is known about both.
#[derive(Clone, Debug)]
pub(crate) struct DiagnosisInput<'a> {
    pub(crate) daemon_set: &'a DaemonSet,
    /// The node, with its resources.
    pub(crate) node: &'a Node,
    /// False for a node from a file.
    pub(crate) node_exists: bool,
    /// The DaemonSet's pods for this node. The first one is the one that counts for the controller.
    pub(crate) pods: Known<Vec<&'a Pod>>,
    /// All pods that are bound to the node.
    pub(crate) bound: &'a Known<Vec<Pod>>,
    /// All unscheduled pods that are pinned to the node.
    pub(crate) pinned: &'a Known<Vec<Pod>>,
    /// All unscheduled pods for which preemption made room on this node.
    pub(crate) nominated: &'a Known<Vec<Pod>>,
    /// On a planned node: the daemon pods that are scheduled before this one, by priority and then by name.
    pub(crate) higher_priority_planned: Vec<&'a Pod>,
    /// The predicted pod; none if no prediction is needed.
    pub(crate) predicted: Option<&'a PredictedPod>,
    pub(crate) cluster_objects: &'a ClusterObjects,
    /// Warning events about the DaemonSet and its pods.
    pub(crate) events: &'a Known<Vec<Event>>,
    /// The additional rules of OpenShift.
    pub(crate) openshift: &'a Known<Option<OpenShift>>,
    pub(crate) now: Timestamp,
}

impl<'a> DiagnosisInput<'a> {
    /// The pod's state by its own status.
    pub(super) fn status_of(&self, pod: &Pod) -> (State, Vec<Reason>) {
        let min_ready_seconds = self.daemon_set.spec.min_ready_seconds.unwrap_or_default();
        let node = Some(self.node).filter(|_| !pod.spec.node_name.is_empty());
        pod_state::pod_state(&pod.summary(), node, min_ready_seconds, self.now)
    }

    /// With a surge, the new pod beside the one that counts, if it is not scheduled yet.
    pub(super) fn replacement(&self) -> Option<&'a Pod> {
        let pods = self.pods.known()?;
        let is_bound = |pod: &Pod| !pod.spec.node_name.is_empty();
        let waits = |pod: &&&Pod| !is_bound(pod) && !pod.is_terminal() && !pod.is_terminating();
        pods.first().filter(|first| is_bound(first))?;
        pods.iter().skip(1).find(waits).copied().filter(|_| allows_surge(self.daemon_set))
    }

    /// The same, with the newest warning about the pod if it is not healthy.
    pub(super) fn examine(&self, pod: &Pod) -> (State, Vec<Reason>) {
        let (state, mut reasons) = self.status_of(pod);
        if let (true, Some(events)) = (is_unhealthy(state), self.events.known()) {
            let warning = events::newest_warning(events, &pod.metadata.uid);
            reasons.extend(warning.filter(|warning| !is_repeated_by(&reasons, warning)));
            reasons.extend(self.failed_pods().filter(|_| state == State::Failed));
        }
        (state, reasons)
    }

    /// That the controller deletes failed pods on the node again and again.
    fn failed_pods(&self) -> Option<Reason> {
        let uid = self.daemon_set.metadata.uid.as_deref()?;
        events::failed_pods(self.events.known()?, uid, &self.node.metadata.name, self.now)
    }

    /// The events that can add to the diagnosis: warnings about unhealthy pods, FailedCreate where a pod is missing, and
    /// FailedDaemonPod where one has failed.
    pub(super) fn event_query(&self, state: State, checks: &[Check]) -> EventQuery {
        let mut query = EventQuery::default();
        if self.looks_for_rejections(state) || state == State::Unknown && events::status_counts_no_pods(self.daemon_set)
        {
            query.add_daemon_set(self.daemon_set);
        }
        if state == State::Failed {
            query.add_failed_pods(self.daemon_set);
        }
        let pods = self.pods.known().into_iter().flatten();
        // For a pending pod the scheduler's message is in its status, but not the time of its last attempt. It tells
        // whether a saved cluster in which nothing is in the pod's way is complete.
        let is_rejected = |check: &Check| matches!(check.name, CheckName::Filter(_)) && check.result.is_fail();
        let is_in_doubt = self.cluster_objects.saved.is_some() && !checks.iter().any(is_rejected);
        let has_events = |state: State| is_unhealthy(state) || state == State::Pending && is_in_doubt;
        for pod in pods.filter(|pod| has_events(self.status_of(pod).0)) {
            query.add_pod(&pod.metadata.uid);
        }
        query
    }

    /// A FailedCreate event stays for an hour, so it is current evidence only while a pod is missing.
    pub(super) fn looks_for_rejections(&self, state: State) -> bool {
        state == State::Missing && self.node_exists
    }
}

/// Whether a warning explains a pod in this state. For a pending pod the scheduler's message is in its status.
fn is_unhealthy(state: State) -> bool {
    !matches!(state, State::Available | State::Ready | State::Pending)
}

/// Whether the warning only repeats that the node is not ready, which another reason shows with more evidence.
fn is_repeated_by(reasons: &[Reason], warning: &Reason) -> bool {
    let is_of_node = matches!(warning, Reason::Warning { reason, .. } if reason == "NodeNotReady");
    is_of_node && reasons.iter().any(|reason| matches!(reason, Reason::NodeNotReady { .. }))
}
