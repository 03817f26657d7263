//! The progress of a node while its pod is being replaced.

use jiff::{SignedDuration, Timestamp};

use super::decision::PodRef;
use super::phases::{Phase, PhaseClock};
use crate::rollout;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InProgress {
    /// The pod that was removed last, or will be removed next.
    pub(crate) pod: PodRef,
    pub(crate) begun: Timestamp,
    /// Whether the removal of `pod` has been requested.
    pub(crate) is_removal_sent: bool,
    /// Since when the new pod is available without interruption.
    pub(crate) available_since: Option<Timestamp>,
    /// The last rejection of the removal.
    pub(crate) refused: Option<Rejected>,
    /// What precedes the removal.
    pub(super) preparation: StepState,
    /// What follows when the new pod is available.
    pub(super) completion: StepState,
    /// How long the replacement took, if the new pod was available and then became unavailable.
    pub(super) took: Option<SignedDuration>,
    /// What was reported last: the step, and whether the node had a problem.
    pub(super) last_reported: Option<(rollout::NodeStep, bool)>,
    pub(super) clock: PhaseClock,
}

/// The state of what is done on the node before or after the replacement: cordon, hooks, uncordon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    Pending,
    Running,
    /// Also if there is nothing to do.
    Done,
}

/// A removal that the API server rejects for now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rejected {
    /// The message of the API server.
    pub(crate) message: String,
    /// When to retry.
    pub(crate) retry: Timestamp,
}

impl InProgress {
    /// The removal of the pod starts.
    pub(super) fn removing(pod: PodRef, completion: StepState, begun: Timestamp) -> Self {
        Self {
            pod,
            begun,
            is_removal_sent: true,
            available_since: None,
            refused: None,
            preparation: StepState::Done,
            completion,
            took: None,
            last_reported: None,
            clock: PhaseClock::start(Phase::Termination, begun),
        }
    }

    /// The node is prepared for the removal of the pod.
    pub(super) fn preparing(pod: PodRef, completion: StepState, begun: Timestamp) -> Self {
        Self {
            is_removal_sent: false,
            preparation: StepState::Running,
            clock: PhaseClock::start(Phase::Before, begun),
            ..Self::removing(pod, completion, begun)
        }
    }

    /// The new pod exists and is not available.
    pub(super) fn waiting_for_new_pod(pod: PodRef, completion: StepState, begun: Timestamp) -> Self {
        Self { clock: PhaseClock::start(Phase::Readiness, begun), ..Self::removing(pod, completion, begun) }
    }

    /// Whether something runs on the node that this program started. It has a time limit of its own.
    pub(super) fn is_hook_running(&self) -> bool {
        self.preparation == StepState::Running || self.completion == StepState::Running
    }
}
