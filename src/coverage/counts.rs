//! The counts in the `.status` of a DaemonSet, computed from nodes and pods. `.status` itself lags: a new taint of a
//! node may not change it until something else triggers a sync.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `updateDaemonSetStatus`.

use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use super::node_coverage::NodeCoverage;
use crate::explain::pod::is_ready;
use crate::placement::Placement;
use crate::snapshot::Snapshot;

/// The counts of the controller. A count is `None` if the objects for it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Eligible nodes.
    pub(crate) desired: Option<usize>,
    /// Of these, nodes with a pod in any state, including pods that are not scheduled yet.
    pub(crate) current: Option<usize>,
    /// Of these, nodes whose first pod is ready.
    pub(crate) ready: Option<usize>,
    /// Of these, nodes whose first pod is up to date.
    pub(crate) up_to_date: Option<usize>,
    /// Of these, nodes whose first pod is available.
    pub(crate) available: Option<usize>,
    /// `desired` minus `available`.
    pub(crate) unavailable: Option<usize>,
    /// Nodes that are not eligible and have a pod.
    pub(crate) misscheduled: Option<usize>,
}

impl Counts {
    /// The numbers in `.status`. A number that is absent is 0, as the API server omits it then.
    pub(crate) fn of_status(daemon_set: &DaemonSet) -> Self {
        let status = daemon_set.status.clone().unwrap_or_default();
        let number = |number: i32| usize::try_from(number).ok();
        let optional = |value: Option<i32>| number(value.unwrap_or_default());
        Self {
            desired: number(status.desired_number_scheduled),
            current: number(status.current_number_scheduled),
            ready: number(status.number_ready),
            up_to_date: optional(status.updated_number_scheduled),
            available: optional(status.number_available),
            unavailable: optional(status.number_unavailable),
            misscheduled: number(status.number_misscheduled),
        }
    }

    pub(super) fn new(rows: &[NodeCoverage<'_>], daemon_set: &DaemonSet, snapshot: &Snapshot) -> Self {
        if snapshot.nodes.known().is_none() {
            return Self::default();
        }
        let desired = rows.iter().filter(|row| row.placement == Some(Placement::Run)).count();
        if snapshot.missing_pods(daemon_set).is_some() {
            return Self { desired: Some(desired), ..Self::default() };
        }
        let first_pods = || {
            let wanted = rows.iter().filter(|row| row.placement == Some(Placement::Run));
            wanted.filter_map(|row| Some((row, row.pods.first()?)))
        };
        let available = first_pods().filter(|(row, _)| row.is_available).count();
        let is_misscheduled = |row: &&NodeCoverage<'_>| row.placement != Some(Placement::Run) && !row.pods.is_empty();
        Self {
            desired: Some(desired),
            current: Some(first_pods().count()),
            ready: Some(first_pods().filter(|(_, pod)| is_ready(pod)).count()),
            up_to_date: first_pods()
                .map(|(row, _)| row.up_to_date)
                .try_fold(0, |sum, is_current| Some(sum + usize::from(is_current?))),
            available: Some(available),
            unavailable: Some(desired - available),
            misscheduled: Some(rows.iter().filter(is_misscheduled).count()),
        }
    }
}
