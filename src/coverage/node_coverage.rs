//! One node and one DaemonSet.

use jiff::Timestamp;

use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::snapshot::{Labels, PodSummary};

/// One DaemonSet on one node.
#[derive(Debug)]
pub(crate) struct NodeCoverage<'a> {
    /// The node's name.
    pub(crate) node: &'a str,
    /// The node's labels; none when nodes could not be read.
    pub(crate) labels: Option<&'a Labels>,
    /// Whether a pod is wanted; none when nodes could not be read.
    pub(crate) placement: Option<Placement>,
    /// How things stand.
    pub(crate) state: State,
    /// The pods on the node, the one that counts first.
    pub(crate) pods: Vec<&'a PodSummary>,
    /// Whether the first pod is available, even while it is being deleted.
    pub(crate) is_available: bool,
    /// Whether the first pod runs the current revision.
    pub(crate) up_to_date: Option<bool>,
    /// Every reason.
    pub(crate) reasons: Vec<Reason>,
    /// Whether events may say more: of the DaemonSet where a pod is missing, else of the first pod.
    pub(crate) wants_events: bool,
}

impl NodeCoverage<'_> {
    /// When the first pod was made.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        Some(self.pods.first()?.metadata.creation_timestamp?.timestamp())
    }

    /// How often the containers of the first pod were started again, all together.
    pub(crate) fn restarts(&self) -> Option<i64> {
        let status = &self.pods.first()?.status;
        let all = status.container_statuses.iter().chain(&status.init_container_statuses);
        Some(all.map(|status| i64::from(status.restart_count)).sum())
    }
}
