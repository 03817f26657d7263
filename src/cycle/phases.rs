//! How long each phase of a node takes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A phase of the work on one node, in the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Phase {
    /// The node is cordoned, and `--before` runs.
    Before,
    /// The old pod terminates.
    Termination,
    /// The controller creates the new pod, and the scheduler binds it.
    Scheduling,
    /// The kubelet pulls images, mounts volumes and starts containers.
    Start,
    /// The containers run, and the pod is not available yet.
    Readiness,
    /// The pod is available: `--min-ready`, `--require` and `--after`.
    After,
}

/// Measures the phases of one node, by the local clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PhaseClock {
    current: Phase,
    since: Timestamp,
    spent: PhaseTimes,
}

/// The time spent in each phase.
pub(crate) type PhaseTimes = BTreeMap<Phase, SignedDuration>;

impl PhaseClock {
    pub(super) fn start(phase: Phase, now: Timestamp) -> Self {
        Self { current: phase, since: now, spent: PhaseTimes::new() }
    }

    /// The node is in this phase now. A phase may occur several times.
    pub(super) fn enter(&mut self, phase: Phase, now: Timestamp) {
        let spent = now.duration_since(self.since).max(SignedDuration::ZERO);
        let total = self.spent.entry(self.current).or_default();
        *total = total.saturating_add(spent);
        (self.current, self.since) = (phase, now);
    }

    /// The times until now.
    pub(super) fn times(mut self, now: Timestamp) -> PhaseTimes {
        let current = self.current;
        self.enter(current, now);
        self.spent
    }
}
