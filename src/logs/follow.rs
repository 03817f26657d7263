//! What to do when the stream of a followed log ends.
//!
//! A stream ends when the container does, but also when the kubelet or the API server restarts, when a connection is
//! lost, and, with some container runtimes, when the log is rotated. kubectl ends in all these cases
//! (`pkg/cmd/logs/logs.go` `DefaultConsumeRequest`). Here, a log ends only with its pod.

use std::time::Duration;

use super::selection::{has_log, status_of};
use crate::snapshot::PodSummary;
use crate::snapshot::pod_summary::ContainerStatus;

/// The delay after the first stream that brought nothing; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the API server knows about a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerView {
    /// Whether its pod exists.
    pub(crate) exists: bool,
    /// Whether its pod is being deleted.
    pub(crate) terminating: bool,
    /// Whether the kubelet has a log of it.
    pub(crate) has_log: bool,
    pub(crate) running: bool,
    pub(crate) restarts: i32,
}

impl ContainerView {
    /// The container of a pod that exists.
    pub(crate) fn new(pod: &PodSummary, container: &str) -> Self {
        let status = status_of(pod, container);
        Self {
            exists: true,
            terminating: pod.is_terminating(),
            has_log: status.is_some_and(has_log),
            running: status.is_some_and(ContainerStatus::is_running),
            restarts: status.map_or(0, |status| status.restart_count),
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// At the end of the log.
    Complete { had_lines: bool },
    /// The connection was lost, or the server or the kubelet failed.
    Broken { had_lines: bool },
    /// The kubelet has no log yet.
    NotReady,
    /// The pod does not exist.
    Gone,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Open a stream.
    Open,
    /// Open a stream after a pause, or as soon as the container changes.
    OpenAfter(Duration),
    /// Wait until the container changes.
    Wait,
    /// The log is complete.
    End,
}

/// The state of one followed log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follower {
    /// How many streams in a row brought nothing.
    idle: u32,
    /// The restarts of the container when the last stream was opened.
    restarts: Option<i32>,
}

impl Follower {
    /// What to do while no stream is open and none has ended.
    pub(crate) fn begin(&self, view: ContainerView) -> Step {
        match view {
            ContainerView { exists: false, .. } => Step::End,
            ContainerView { has_log: true, .. } => Step::Open,
            ContainerView { .. } => Step::Wait,
        }
    }

    pub(crate) fn opened(&mut self, view: ContainerView) {
        self.restarts = Some(view.restarts);
    }

    /// What to do after a stream.
    pub(crate) fn ended(&mut self, end: StreamEnd, view: ContainerView) -> Step {
        let had_lines = match end {
            StreamEnd::Complete { had_lines } | StreamEnd::Broken { had_lines } => had_lines,
            StreamEnd::NotReady | StreamEnd::Gone => false,
        };
        self.idle = if had_lines { 0 } else { self.idle.saturating_add(1) };
        match end {
            StreamEnd::Gone => Step::End,
            _ if !view.exists => Step::End,
            StreamEnd::Complete { .. } if self.restarts.is_some_and(|restarts| view.restarts > restarts) => {
                if view.has_log { Step::Open } else { Step::Wait }
            }
            // It wrote its last line, and its next run is a change.
            StreamEnd::Complete { .. } if !view.running => Step::Wait,
            // It runs on, or the API server does not know yet that it ended.
            StreamEnd::Complete { .. } | StreamEnd::Broken { .. } | StreamEnd::NotReady => {
                Step::OpenAfter(self.pause())
            }
        }
    }

    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.idle.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
    }
}
