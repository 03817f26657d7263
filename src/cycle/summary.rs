//! The result of a run.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Serialize;

use super::node_task::Status;
use super::phases::Phase;
use super::{HaltReason, Run};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome")]
pub(crate) enum CycleOutcome {
    /// Every planned node is replaced, failed or skipped.
    Finished,
    /// The canary is replaced. The other nodes are left to another run.
    CanaryDone,
    /// The run stopped before all planned nodes were done.
    Halted { halt: HaltReason },
    /// Only the plan was requested.
    Planned,
    /// The user did not confirm the plan.
    Declined,
}

/// The numbers of nodes, and the duration of the replacements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) planned: usize,
    pub(crate) replaced: usize,
    pub(crate) failed: usize,
    /// Nodes that were planned and then skipped.
    pub(crate) skipped: usize,
    pub(crate) in_progress: usize,
    /// Nodes that were not started.
    pub(crate) waiting: usize,
    /// The median duration; the lower one of an even number.
    pub(crate) median: Option<SignedDuration>,
    /// The longest duration.
    pub(crate) slowest: Option<SignedDuration>,
}

impl Summary {
    pub(crate) fn new(run: &Run) -> Self {
        let mut summary = Self { planned: run.tasks().len(), ..Self::default() };
        let mut times = Vec::new();
        for task in run.tasks() {
            match &task.status {
                Status::Waiting => summary.waiting += 1,
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

/// The durations of one phase over all replaced nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhaseSummary<'a> {
    pub(crate) phase: Phase,
    /// The lower one of an even number.
    pub(crate) median: SignedDuration,
    pub(crate) slowest: SignedDuration,
    /// The node with the longest duration.
    pub(crate) slowest_node: &'a str,
}

/// The phases that occurred, in the order of the work.
pub(crate) fn phase_summaries(run: &Run) -> Vec<PhaseSummary<'_>> {
    let mut by_phase: BTreeMap<Phase, Vec<(SignedDuration, &str)>> = BTreeMap::new();
    for task in run.tasks() {
        if let Status::Replaced { phases, .. } = &task.status {
            for (phase, time) in phases {
                by_phase.entry(*phase).or_default().push((*time, task.node.as_str()));
            }
        }
    }
    let summary = |(phase, mut times): (Phase, Vec<(SignedDuration, _)>)| {
        times.sort_unstable();
        let (median, _) = *times.get(times.len().saturating_sub(1) / 2)?;
        let (slowest, slowest_node) = *times.last()?;
        Some(PhaseSummary { phase, median, slowest, slowest_node })
    };
    by_phase.into_iter().filter_map(summary).collect()
}
