//! One node and one DaemonSet.

use jiff::Timestamp;

use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::snapshot::{Labels, PodSummary};

/// One DaemonSet on one node.
#[derive(Debug)]
pub(crate) struct NodeCoverage<'a> {
    pub(crate) node: &'a str,
    /// `None` if nodes could not be read.
    pub(crate) labels: Option<&'a Labels>,
    /// Whether the node is eligible; `None` if nodes could not be read.
    pub(crate) placement: Option<Placement>,
    pub(crate) state: State,
    /// The pods on the node. The first one counts, in the order of the controller.
    pub(crate) pods: Vec<&'a PodSummary>,
    /// Whether the first pod is available, even if it is terminating, as in `.status`.
    pub(crate) is_available: bool,
    /// Since when the node has no available pod, as far as the objects show.
    pub(crate) uncovered_since: Option<Timestamp>,
    /// Whether the first pod is up to date; `None` without a pod, or if that is unknown.
    pub(crate) up_to_date: Option<bool>,
    pub(crate) reasons: Vec<Reason>,
    /// Whether events may add reasons: events of the DaemonSet if a pod is missing, else events of the first pod.
    pub(crate) wants_events: bool,
}

impl NodeCoverage<'_> {
    /// The creation time of the first pod.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        Some(self.pods.first()?.metadata.creation_timestamp?.timestamp())
    }

    /// The sum of the restarts of all containers of the first pod.
    pub(crate) fn restarts(&self) -> Option<i64> {
        let status = &self.pods.first()?.status;
        Some(status.all_container_statuses().map(|status| i64::from(status.restart_count)).sum())
    }
}
