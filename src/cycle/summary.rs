//! What came of a run.

use jiff::SignedDuration;
use serde::Serialize;

use super::node_task::Status;
use super::{HaltReason, Run};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome")]
pub(crate) enum CycleOutcome {
    /// Every planned node came to its end.
    Finished,
    /// The canary is replaced, and the rest is for another run.
    CanaryDone,
    /// The rest was left alone.
    Halted {
        /// Why.
        halt: HaltReason,
    },
    /// Nothing was to be done but the plan.
    Planned,
    /// The user did not want it.
    Declined,
}

/// Numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Nodes that were planned.
    pub(crate) planned: usize,
    /// Nodes with their new pod.
    pub(crate) replaced: usize,
    /// Nodes that failed.
    pub(crate) failed: usize,
    /// Nodes that were left alone after all.
    pub(crate) skipped: usize,
    /// Nodes that are still in work.
    pub(crate) in_progress: usize,
    /// Nodes whose turn did not come.
    pub(crate) waiting: usize,
    /// The median of the times that nodes took.
    pub(crate) median: Option<SignedDuration>,
    /// The longest of them.
    pub(crate) slowest: Option<SignedDuration>,
}

impl Summary {
    /// Counts the nodes of a run.
    pub(crate) fn new(run: &Run) -> Self {
        let mut summary = Self { planned: run.tasks().len(), ..Self::default() };
        let mut times = Vec::new();
        for task in run.tasks() {
            match &task.status {
                Status::WaitReason => summary.waiting += 1,
                Status::InProgress(_) => summary.in_progress += 1,
                Status::Failed { .. } => summary.failed += 1,
                Status::Skipped(_) => summary.skipped += 1,
                Status::Replaced { took, .. } => {
                    summary.replaced += 1;
                    times.push(*took);
                }
            }
        }
        times.sort_unstable();
        summary.median = times.get(times.len().saturating_sub(1) / 2).copied();
        summary.slowest = times.last().copied();
        summary
    }
}
