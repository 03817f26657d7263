//! What a diagnosis is made from.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;

use crate::admission::PredictedPod;
use crate::explain::{Reason, State, events, pod as pod_state};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{EventQuery, Known, Node, OpenShift};

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

impl DiagnosisInput<'_> {
    /// Where the pod stands by its own status.
    pub(super) fn status_of(&self, pod: &Pod) -> (State, Vec<Reason>) {
        let min_ready_seconds = self.daemon_set.spec.min_ready_seconds.unwrap_or_default();
        let node = Some(self.node).filter(|_| !pod.spec.node_name.is_empty());
        pod_state::pod_state(&pod.summary(), node, min_ready_seconds, self.now)
    }

    /// The same, with the newest warning about it where it is not well.
    pub(super) fn examine(&self, pod: &Pod) -> (State, Vec<Reason>) {
        let (state, mut reasons) = self.status_of(pod);
        if let (true, Some(events)) = (is_unwell(state), self.events.known()) {
            let warning = events::newest_warning(events, &pod.metadata.uid);
            reasons.extend(warning.filter(|warning| !is_repeated_by(&reasons, warning)));
        }
        (state, reasons)
    }

    /// The events that may say more: about pods that are not well, and why none could be made where one is missing.
    pub(super) fn event_query(&self, state: State) -> EventQuery {
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
    pub(super) fn looks_for_rejections(&self, state: State) -> bool {
        state == State::Missing && self.node_exists
    }
}

/// Whether a pod in that state is looked up in the events: the scheduler's words are in the status of one without a node.
fn is_unwell(state: State) -> bool {
    !matches!(state, State::Available | State::Ready | State::Pending)
}

/// Whether a warning only repeats that the node is not ready, which is told with more of it.
fn is_repeated_by(reasons: &[Reason], warning: &Reason) -> bool {
    let is_of_node = matches!(warning, Reason::Warning { reason, .. } if reason == "NodeNotReady");
    is_of_node && reasons.iter().any(|reason| matches!(reason, Reason::NodeNotReady { .. }))
}
