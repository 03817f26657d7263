//! Where a daemon pod stands on its way to being available, and what holds it there.

pub(crate) mod diagnosis;
pub(crate) mod events;
pub(crate) mod pod;
mod reason;

use serde::Serialize;

pub(crate) use reason::{Exit, FailedBy, Reason};

/// How a node and a DaemonSet stand to each other. The order is that of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum State {
    /// Wanted, and there is no pod object.
    Missing,
    /// The pod has failed.
    Failed,
    /// Its containers have trouble, or run without being ready.
    NotReady,
    /// The pod has no node yet.
    Pending,
    /// All its containers have ended well, which a daemon's should not.
    Succeeded,
    /// Being deleted.
    Terminating,
    /// Bound, and on its way without trouble so far.
    Starting,
    /// Not wanted, and there is a pod.
    Misscheduled,
    /// What would tell could not be read.
    Unknown,
    /// Ready, but not yet for `minReadySeconds`.
    Ready,
    /// Ready for at least `minReadySeconds`.
    Available,
    /// Not wanted, and there is none.
    Excluded,
}

impl State {
    /// Every state, in order of urgency.
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

    /// The name, as the flags and the JSON spell it.
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
