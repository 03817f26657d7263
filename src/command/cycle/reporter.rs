//! Reports the progress of a run as a live screen, as lines, or as documents.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::Timestamp;

use super::options::CycleOptions;
use crate::command::output_mode::OutputMode;
use crate::command::{draw, print};
use crate::coverage::Coverage;
use crate::cycle::{CycleOutcome, LockLoss, LockStatus, NodeEvent, Observation, Run, Summary, WaitReason};
use crate::error::Error;
use crate::render::ListLength;
use crate::render::ViewOptions;
use crate::render::cycle::{
    CycleScreen, DaemonSetRef, Event, PlanView, Report, ReportEvent, RunningHook, STOPPING, document, line, lock_lost,
    plan, screen, summary,
};
use crate::render::document::{DocumentOptions, Sequence};
use crate::render::live_screen::{Freshness, LiveScreen};
use crate::render::rollout::WatchProgress;
use crate::render::terminal::{self, ColorChoice};
use crate::rollout::{ProgressSample, ProgressTracker, RolloutStatus};

/// Reports the events of one DaemonSet.
pub(super) struct Reporter {
    mode: OutputMode,
    color: ColorChoice,
    namespace: String,
    name: String,
    tracker: Option<ProgressTracker>,
    emit_waiting: Option<WaitReason>,
    /// The lock status at the time of the plan; `None` for a saved cluster.
    lock: Option<LockStatus>,
    /// The running hooks by node.
    hooks: BTreeMap<String, RunningHook>,
    /// Why no further node is started.
    stopping: Option<String>,
    /// Whether the reader has closed standard output.
    is_output_closed: bool,
    /// Whether the terminal was closed: then a failed write is not an error.
    is_hung_up: bool,
}

/// The state in which an event occurs.
#[derive(Clone, Copy)]
pub(super) struct EventContext<'s> {
    coverage: &'s Coverage<'s>,
    status: &'s RolloutStatus<'s>,
    run: &'s Run,
    pub(super) now: Timestamp,
}

impl<'s> EventContext<'s> {
    pub(super) fn new(observation: &'s Observation<'_>, run: &'s Run) -> Self {
        Self { coverage: observation.coverage, status: observation.status, run, now: observation.now }
    }
}

impl Reporter {
    pub(super) fn new(options: &CycleOptions, coverage: &Coverage<'_>, lock: Option<LockStatus>) -> Self {
        Self {
            mode: OutputMode::new(options.output.as_ref(), LiveScreen::new()),
            color: options.color,
            namespace: coverage.namespace().to_owned(),
            name: coverage.name().to_owned(),
            tracker: None,
            emit_waiting: None,
            lock,
            hooks: BTreeMap::new(),
            stopping: None,
            is_output_closed: false,
            is_hung_up: false,
        }
    }

    /// The lock status at the time of the plan.
    pub(super) fn lock(&self) -> Option<&LockStatus> {
        self.lock.as_ref()
    }

    /// Shows that the run is stopping.
    pub(super) fn stop(&mut self) {
        self.stopping = Some(STOPPING.to_owned());
    }

    /// Shows that the lock is lost.
    pub(super) fn lose_lock(&mut self, loss: &LockLoss) {
        self.stopping = Some(lock_lost(loss));
    }

    /// Records that the terminal was closed.
    pub(super) fn drop_output(&mut self) {
        self.is_hung_up = true;
    }

    pub(super) fn daemon_set_ref(&self) -> DaemonSetRef<'_> {
        DaemonSetRef { namespace: &self.namespace, name: &self.name }
    }

    fn screen(&self, now: Timestamp) -> ViewOptions {
        ViewOptions::new(terminal::style(self.color, ListLength::Handful), now)
    }

    /// Prints the plan. With --output it is part of the final report.
    pub(super) fn plan(&mut self, view: PlanView<'_>, now: Timestamp) -> Result<(), Error> {
        if matches!(self.mode, OutputMode::Documents(_)) {
            return Ok(());
        }
        let shown = self.screen(now);
        self.print(|_, out| plan(out, view, shown))
    }

    /// Whether the reader has closed standard output.
    pub(super) fn is_output_closed(&self) -> bool {
        self.is_output_closed
    }

    /// Reports a connection problem. The live screen shows it while it lasts.
    pub(super) fn connection_note(&mut self, text: &str, run: &Run, now: Timestamp) -> Result<(), Error> {
        match &self.mode {
            OutputMode::Documents(_) => self.event(ReportEvent::ConnectionNote(text), None, run, now),
            OutputMode::Lines => {
                terminal::note(text);
                Ok(())
            }
            OutputMode::Screen(_) => Ok(()),
        }
    }

    /// Reports an event. The live screen shows its effect instead.
    pub(super) fn emit(&mut self, event: ReportEvent<'_>, context: EventContext<'_>) -> Result<(), Error> {
        let EventContext { status, run, now, .. } = context;
        self.event(event, Some(status), run, now)
    }

    /// As [`Self::emit`], also without an observed state.
    pub(super) fn event(
        &mut self,
        event: ReportEvent<'_>,
        status: Option<&RolloutStatus<'_>>,
        run: &Run,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.note_hook(event, now);
        let shown = self.screen(now);
        self.print(|reporter, out| {
            let event =
                Event { at: now, event, daemon_set_ref: reporter.daemon_set_ref(), summary: Summary::new(run), status };
            match &reporter.mode {
                OutputMode::Screen(_) => Ok(()),
                OutputMode::Lines => line(out, &event, shown),
                OutputMode::Documents(format) => document(out, &event, format),
            }
        })
    }

    /// Remembers a running hook for the live screen.
    fn note_hook(&mut self, event: ReportEvent<'_>, now: Timestamp) {
        match event {
            ReportEvent::HookStarted { node, point } => {
                self.hooks.insert(node.to_owned(), RunningHook { point, since: now, line: String::new() });
            }
            ReportEvent::HookLine { node, line, .. } => {
                if let Some(hook) = self.hooks.get_mut(node) {
                    line.clone_into(&mut hook.line);
                }
            }
            ReportEvent::HookEnded { node, .. } => drop(self.hooks.remove(node)),
            ReportEvent::NodeEvent(NodeEvent::Failed { node, .. }) => drop(self.hooks.remove(node)),
            _ => {}
        }
    }

    /// Reports what the run is waiting for: once as an event, and on the live screen while it lasts.
    pub(super) fn emit_waiting(
        &mut self,
        waiting: Option<&WaitReason>,
        trouble: Option<&str>,
        context: EventContext<'_>,
    ) -> Result<(), Error> {
        let is_same = match (&self.emit_waiting, waiting) {
            (Some(before), Some(now)) => std::mem::discriminant(before) == std::mem::discriminant(now),
            (before, now) => before.is_none() == now.is_none(),
        };
        self.emit_waiting = waiting.cloned();
        if let Some(waiting) = waiting.filter(|waiting| !is_same && !matches!(waiting, WaitReason::Nodes)) {
            self.emit(ReportEvent::Waiting(waiting), context)?;
        }
        self.draw(trouble, context)
    }

    /// Redraws the live screen.
    fn draw(&mut self, trouble: Option<&str>, context: EventContext<'_>) -> Result<(), Error> {
        let EventContext { coverage, status, run, now } = context;
        let sample = ProgressSample::new(status);
        self.tracker.get_or_insert_with(|| ProgressTracker::begin(sample, now)).observe(sample, now);
        let shown = self.screen(now);
        let freshness = if trouble.is_none() { Freshness::Current } else { Freshness::Stale };
        self.draw_frame(|reporter, out| {
            let (OutputMode::Screen(live), Some(tracker)) = (&mut reporter.mode, &reporter.tracker) else {
                return Ok(());
            };
            let watched = WatchProgress { tracker, waits_for: None, stall_timeout: None };
            let (waiting, stopping) = (reporter.emit_waiting.as_ref(), reporter.stopping.as_deref());
            let mut picture = Vec::new();
            screen(
                &mut picture,
                CycleScreen { coverage, status, watched, run, waiting, stopping, hooks: &reporter.hooks },
                shown,
            )?;
            let notes: Vec<String> = trouble.map(crate::command::watch_loop::connection_lost).into_iter().collect();
            live.frame(out, &picture, &notes, now, freshness)
        })
    }

    /// Reports the outcome. `cordoned`: the nodes that stay cordoned.
    pub(super) fn end(
        &mut self,
        run: &Run,
        outcome: &CycleOutcome,
        cordoned: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let shown = self.screen(now);
        self.print(|reporter, out| match &reporter.mode {
            OutputMode::Documents(format) => {
                let report = Report::new(run, outcome, reporter.lock(), reporter.daemon_set_ref(), cordoned, now);
                format.write(out, &report, DocumentOptions::new(Sequence::Stream))
            }
            OutputMode::Screen(_) | OutputMode::Lines => {
                summary(out, run, outcome, reporter.daemon_set_ref(), cordoned, shown)
            }
        })
    }

    /// Writes to standard output. A closed pipe is not an error, because the nodes in progress must be finished.
    fn print(
        &mut self,
        render: impl FnOnce(&mut Self, &mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
    ) -> Result<(), Error> {
        if self.is_output_closed {
            return Ok(());
        }
        let written = print(|out| render(self, out));
        self.note_closed(written)
    }

    /// As [`Self::print`], for a frame of the live screen.
    fn draw_frame(
        &mut self,
        render: impl FnOnce(&mut Self, &mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
    ) -> Result<(), Error> {
        if self.is_output_closed || !matches!(self.mode, OutputMode::Screen(_)) {
            return Ok(());
        }
        let written = draw(|out| render(self, out));
        self.note_closed(written)
    }

    fn note_closed(&mut self, written: Result<bool, Error>) -> Result<(), Error> {
        let is_read = match written {
            // A failed write to a terminal means that it was closed; SIGHUP may arrive later.
            Err(Error::Output(_)) if self.is_hung_up || matches!(self.mode, OutputMode::Screen(_)) => false,
            written => written?,
        };
        self.is_output_closed |= !is_read;
        Ok(())
    }
}
