//! Finds the state of a daemon pod on a node, and the reasons for it.
//!
//! - `pod`: the state of one pod and its reasons, from `.status` alone. `coverage` and `rollout` use this part.
//! - `events`: what warning events add to that.
//! - `image_problem`: why an image cannot be pulled, from the words of the registry.
//! - `reason`: one variant for each cause, with its evidence; the renderer writes the sentences.
//! - `diagnosis`: the complete diagnosis of one DaemonSet on one node for `why-not`: every check of the controller, the API
//!   server, the scheduler and the kubelet, and of the pod itself.
//! - `outcome`: the same diagnosis after a change, which tells whether a suggested fix works.

pub(crate) mod diagnosis;
pub(crate) mod events;
mod image_problem;
pub(crate) mod log_excerpt;
pub(crate) mod outcome;
pub(crate) mod pod;
mod reason;

use serde::Serialize;

pub(crate) use image_problem::ImageProblem;
pub(crate) use reason::{Exit, FailedBy, ReadyStatus, Reason};

/// The state of a DaemonSet on a node. The order is that of urgency, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum State {
    /// The node is eligible, and no pod object exists.
    Missing,
    /// The pod's phase is `Failed`.
    Failed,
    /// A container has a problem, or all containers run and the pod is not ready.
    NotReady,
    /// The pod has not been scheduled.
    Pending,
    /// All containers exited with 0, which the containers of a daemon should not do.
    Succeeded,
    /// The pod is being deleted.
    Terminating,
    /// The pod is bound and starts without a problem so far.
    Starting,
    /// The node is not eligible, and a pod exists.
    Misscheduled,
    /// Data that is required could not be read.
    Unknown,
    /// The pod is ready, but not yet for `minReadySeconds`.
    Ready,
    /// The pod has been ready for at least `minReadySeconds`.
    Available,
    /// The node is not eligible, and no pod exists.
    Excluded,
}

impl State {
    /// Every state, in the order of urgency.
    pub(crate) const ALL: [Self; 12] = [
        Self::Missing,
        Self::Failed,
        Self::NotReady,
        Self::Pending,
        Self::Succeeded,
        Self::Terminating,
        Self::Starting,
        Self::Misscheduled,
        Self::Unknown,
        Self::Ready,
        Self::Available,
        Self::Excluded,
    ];

    /// The states of an unhealthy node: all but Available, Ready and Excluded.
    pub(crate) const UNHEALTHY: [Self; 9] = [
        Self::Missing,
        Self::Failed,
        Self::NotReady,
        Self::Pending,
        Self::Succeeded,
        Self::Terminating,
        Self::Starting,
        Self::Misscheduled,
        Self::Unknown,
    ];

    /// The name in flags and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Failed => "Failed",
            Self::NotReady => "NotReady",
            Self::Pending => "Pending",
            Self::Succeeded => "Succeeded",
            Self::Terminating => "Terminating",
            Self::Starting => "Starting",
            Self::Misscheduled => "Misscheduled",
            Self::Unknown => "Unknown",
            Self::Ready => "Ready",
            Self::Available => "Available",
            Self::Excluded => "Excluded",
        }
    }
}
