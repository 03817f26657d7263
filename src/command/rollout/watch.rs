//! `kubectl ds rollout watch`.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use tokio::time::Instant;

use super::once;
use crate::cluster::file::Detail;
use crate::command::args::names::only_name;
use crate::command::args::{Global, OutputFormat};
use crate::command::output_mode::OutputMode;
use crate::command::rollout::args::RolloutWatchArgs;
use crate::command::rollout::locks::Locks;
use crate::command::rollout::once::{ExitCodeOf, OutputOptions};
use crate::command::watch_loop::{self, WatchHandler, connection_lost};
use crate::command::{draw, print};
use crate::coverage::{Coverage, compute_coverage};
use crate::cycle::cordoned_nodes;
use crate::error::Error;
use crate::load::{Source, open};
use crate::render::ListLength;
use crate::render::ViewOptions;
use crate::render::live_screen::{Freshness, LiveScreen};
use crate::render::rollout::{Ending, Event, WatchEvent, WatchProgress, cordons_in_words, document, line, screen};
use crate::render::terminal::{self, ColorChoice};
use crate::rollout::{
    EventKind, PauseState, Phase, ProgressSample, ProgressTracker, RolloutEvent, RolloutStatus, StatusRecord, changes,
    event_query_of_all, revision_number, rollout_status,
};
use crate::snapshot::{DaemonSetName, EventQuery, Snapshot};

/// Runs `rollout watch`.
pub(super) async fn run(args: RolloutWatchArgs, global: Global) -> Result<ExitCode, Error> {
    let RolloutWatchArgs { name, once, revision, any_revision, fail_fast, stall_timeout, timeout, output } = args;
    let names = vec![only_name(name, "rollout watch")?];
    if once && revision.is_none() {
        let options = OutputOptions { output, sort_by: None, no_headers: false };
        return once::once(names, None, options, ExitCodeOf::Rollouts, global).await;
    }
    if once {
        return Err(usage("--once cannot be combined with --revision", "remove one of the two flags"));
    }
    watch(
        names,
        Until { revision, any_revision, fail_fast, stall_timeout: Some(stall_timeout), timeout },
        output,
        global,
    )
    .await
}

/// The condition to wait for, and the time limits; a limit of zero is none.
pub(super) struct Until {
    pub(super) revision: Option<i64>,
    /// Whether the rollout of a template that differs from the first one is a success.
    pub(super) any_revision: bool,
    /// Whether to end when the rollout is stuck or paused.
    pub(super) fail_fast: bool,
    pub(super) stall_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
}

/// Watches the rollout of one DaemonSet.
pub(super) async fn watch(
    names: Vec<DaemonSetName>,
    until: Until,
    output: Option<OutputFormat>,
    global: Global,
) -> Result<ExitCode, Error> {
    if !global.from.is_empty() {
        return Err(usage("cannot watch a saved cluster: it does not change", "pass --once"));
    }
    global.check_one_daemon_set("rollout watch")?;
    let name = names.first().map(|name| name.name.clone()).unwrap_or_default();
    let source = open(&global.from, &global.access(), Detail::Placement).await?;
    let request = once::request(names, &global, &source);
    let Source::Live(access) = &source else {
        return Err(usage("cannot watch a saved cluster: it does not change", "pass --once"));
    };
    let locks = Locks::read(access, &request).await;
    if let Some(note) = locks.note(Timestamp::now()) {
        terminal::note(&note);
    }
    let live = LiveScreen::new();
    let mut watching = Watching {
        namespace: request.namespace.clone().unwrap_or_default(),
        name,
        until: Until {
            stall_timeout: until.stall_timeout.filter(|limit| !limit.is_zero()),
            timeout: until.timeout.filter(|limit| !limit.is_zero()),
            ..until
        },
        template: None,
        mode: OutputMode::new(output.as_ref(), live),
        color: global.color,
        names: ListLength::wide(output.as_ref().is_some_and(OutputFormat::is_wide)),
        begun: (Instant::now(), Timestamp::now()),
        uid: None,
        locks,
        left_cordoned: None,
        was_known: false,
        tracker: None,
        record: None,
        shown_notes: Vec::new(),
        is_disconnected: false,
        due: None,
    };
    watch_loop::watch(access, &request, &mut watching).await
}

fn usage(message: &str, hint: &str) -> Error {
    Error::Usage { message: message.to_owned(), hint: hint.to_owned() }
}

struct Watching {
    namespace: String,
    name: String,
    until: Until,
    /// The template at the start.
    template: Option<PodTemplateSpec>,
    mode: OutputMode,
    color: ColorChoice,
    names: ListLength,
    begun: (Instant, Timestamp),
    /// The UID of the DaemonSet: a new one can have the same name.
    uid: Option<String>,
    /// Whether the phase was known at least once. After that it may be unknown for a moment.
    /// The locks at the start.
    locks: Locks,
    /// The nodes that a cycle had cordoned at the start: a cycle that starts later cordons others.
    left_cordoned: Option<Vec<String>>,
    was_known: bool,
    tracker: Option<ProgressTracker>,
    record: Option<StatusRecord>,
    /// The notes that were written last.
    shown_notes: Vec<String>,
    /// Whether the loss of the connection was reported.
    is_disconnected: bool,
    due: Option<Instant>,
}

impl WatchHandler for Watching {
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery {
        event_query_of_all(snapshot)
    }

    fn show(&mut self, snapshot: &Snapshot, problem: Option<&str>) -> Result<ControlFlow<ExitCode>, Error> {
        let now = snapshot.as_of;
        let coverages = compute_coverage(snapshot);
        let uid = snapshot.daemon_sets.first().and_then(|daemon_set| daemon_set.metadata.uid.as_deref());
        let Some(coverage) = coverages.first().filter(|_| self.uid.is_none() || self.uid.as_deref() == uid) else {
            return self.end(Ending::Deleted, None, now);
        };
        self.uid = uid.map(str::to_owned);
        let template = &coverage.daemon_set.spec.template;
        let is_first_template = self.template.get_or_insert_with(|| template.clone()) == template;
        let rollout_status = rollout_status(coverage, snapshot);
        let sample = ProgressSample::new(&rollout_status);
        let tracker = self.tracker.get_or_insert_with(|| ProgressTracker::begin(sample, now));
        match problem {
            None => tracker.observe(sample, now),
            Some(_) => tracker.pause(now),
        }
        let current = revision_number(&rollout_status, &snapshot.revisions);
        let cordons = self.cordons(&rollout_status, snapshot);
        let notes: Vec<String> =
            snapshot.gaps().into_iter().chain(cordons).chain(problem.map(connection_lost)).collect();
        self.is_disconnected = problem.is_some();
        let is_read = self.report(coverage, &rollout_status, current, &notes, now)?;
        if !is_read {
            return Ok(ControlFlow::Break(ExitCode::SUCCESS));
        }
        self.was_known |= rollout_status.phase != Phase::Unknown;
        // Only the ControllerRevisions have revision numbers.
        let is_blind = self.until.revision.is_some() && snapshot.revisions.known().is_none();
        if (!self.was_known || is_blind) && problem.is_none() {
            return Err(once::unknown_result(&rollout_status));
        }
        match self.ending(&rollout_status, current, problem.is_some(), now) {
            Some(Ending::Complete) if !is_first_template && self.accepts_only_first_template() => {
                self.end(Ending::TemplateChanged, Some(&rollout_status), now)
            }
            Some(ending) => {
                if let Some(eligible) = self.until.revision.filter(|eligible| Some(*eligible) != current) {
                    terminal::note(&revision_not_reached(eligible, current));
                }
                self.end(ending, Some(&rollout_status), now)
            }
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn is_live(&self) -> bool {
        matches!(self.mode, OutputMode::Screen(_))
    }

    /// Nothing is known of a rollout that is no longer watched.
    fn quit(&self) -> Result<ExitCode, Error> {
        Err(Error::Interrupted { code: 130 })
    }

    fn on_disconnect(&mut self, error: &Error) -> ControlFlow<ExitCode> {
        let now = Timestamp::now();
        if let Some(tracker) = &mut self.tracker {
            tracker.pause(now);
        }
        let note = connection_lost(&error.to_string());
        // The message may differ on each attempt; only the first is reported.
        if !std::mem::replace(&mut self.is_disconnected, true) {
            terminal::note(&note);
            self.shown_notes.push(note);
        }
        let is_over = self.until.timeout.is_some_and(|limit| self.begun.0.elapsed() >= limit);
        match is_over.then(|| self.end(Ending::TimedOut, None, now)) {
            Some(Ok(end)) => end,
            Some(Err(_)) => ControlFlow::Break(ExitCode::from(1)),
            None => ControlFlow::Continue(()),
        }
    }

    /// The DaemonSet existed when the watch started, so not found means that it was deleted.
    fn failed(&mut self, error: Error) -> Result<ExitCode, Error> {
        match error {
            Error::NotFound { .. } => match self.end(Ending::Deleted, None, Timestamp::now())? {
                ControlFlow::Break(code) => Ok(code),
                ControlFlow::Continue(()) => Ok(ExitCode::from(1)),
            },
            error => Err(error),
        }
    }
}

impl Watching {
    /// The nodes that were cordoned by a cycle at the start, and still are.
    fn cordons(&mut self, rollout_status: &RolloutStatus<'_>, snapshot: &Snapshot) -> Option<String> {
        let cordoned = cordoned_nodes(snapshot, &self.namespace, &self.name);
        let first = || cordoned.iter().map(|node| (*node).to_owned()).collect();
        let left = self.left_cordoned.get_or_insert_with(first);
        let still: Vec<&str> = cordoned.into_iter().filter(|node| left.iter().any(|one| one == node)).collect();
        let lock = self.locks.of(rollout_status);
        cordons_in_words(rollout_status.daemon_set, &still, &lock, self.begun.1, self.names)
    }

    /// `--revision` names the template to wait for.
    fn accepts_only_first_template(&self) -> bool {
        !self.until.any_revision && self.until.revision.is_none()
    }

    /// Whether the watch has ended. If not, sets the time of the next limit in `due`.
    fn ending(
        &mut self,
        rollout_status: &RolloutStatus<'_>,
        current: Option<i64>,
        is_blind: bool,
        now: Timestamp,
    ) -> Option<Ending> {
        let is_eligible = self.until.revision.is_none_or(|eligible| Some(eligible) == current);
        if rollout_status.phase == Phase::Complete && is_eligible && !is_blind {
            return Some(Ending::Complete);
        }
        if rollout_status.phase == Phase::Stuck && self.until.fail_fast && !is_blind {
            return Some(Ending::Stuck);
        }
        // While a cycle replaces the pods, a paused rollout makes progress.
        let is_paused = matches!(PauseState::new(rollout_status.daemon_set), PauseState::Paused(_))
            && rollout_status.phase == Phase::AwaitingDeletion
            && !self.locks.is_held(rollout_status, self.begun.1);
        if is_paused && self.until.fail_fast && !is_blind {
            return Some(Ending::Paused);
        }
        let elapsed = self.begun.0.elapsed();
        let until_timeout = self.until.timeout.map(|limit| limit.saturating_sub(elapsed));
        let idle = self.tracker.as_ref().map(|tracker| now.duration_since(tracker.last_progress()));
        let idle = idle.and_then(|idle| Duration::try_from(idle).ok()).unwrap_or_default();
        let until_stalled = self.until.stall_timeout.map(|limit| limit.saturating_sub(idle)).filter(|_| !is_blind);
        if until_timeout.is_some_and(|left| left.is_zero()) {
            return Some(Ending::TimedOut);
        }
        if until_stalled.is_some_and(|left| left.is_zero()) {
            return Some(Ending::Stalled);
        }
        let left = until_timeout.into_iter().chain(until_stalled).min();
        self.due = left.and_then(|left| Instant::now().checked_add(left));
        None
    }

    /// Reports the end.
    fn end(
        &mut self,
        ending: Ending,
        rollout_status: Option<&RolloutStatus<'_>>,
        now: Timestamp,
    ) -> Result<ControlFlow<ExitCode>, Error> {
        let waited = match (ending, &self.tracker) {
            (Ending::Stalled, Some(tracker)) => now.duration_since(tracker.last_progress()),
            _ => now.duration_since(self.begun.1),
        };
        if rollout_status.is_none() && ending == Ending::Deleted {
            let deleted_revisions = changes(self.record.as_ref(), None, now);
            self.write(&deleted_revisions.iter().map(|change| self.event(change, None)).collect::<Vec<_>>())?;
        }
        let watch_event = WatchEvent::Ended(ending, waited);
        self.write(&[Event { at: now, watch_event, namespace: &self.namespace, name: &self.name, rollout_status }])?;
        Ok(ControlFlow::Break(match ending {
            Ending::Complete => ExitCode::SUCCESS,
            Ending::Stalled
            | Ending::TimedOut
            | Ending::Deleted
            | Ending::Stuck
            | Ending::Paused
            | Ending::TemplateChanged => ExitCode::from(1),
        }))
    }

    /// Reports the changes. Returns `false` if the reader has closed the pipe.
    fn report(
        &mut self,
        coverage: &Coverage<'_>,
        rollout_status: &RolloutStatus<'_>,
        current: Option<i64>,
        notes: &[String],
        now: Timestamp,
    ) -> Result<bool, Error> {
        let record = StatusRecord::new(rollout_status).after(self.record.as_ref());
        let news = changes(self.record.as_ref(), Some(&record), now);
        let shown = self.screen(now);
        let freshness = if self.is_disconnected { Freshness::Stale } else { Freshness::Current };
        let is_read = match (&mut self.mode, &self.tracker) {
            (OutputMode::Screen(live), Some(tracker)) => {
                let waits_for = self.until.revision.filter(|eligible| Some(*eligible) != current);
                let watched = WatchProgress {
                    tracker,
                    waits_for: waits_for.map(|eligible| (eligible, current)),
                    stall_timeout: self.until.stall_timeout,
                };
                let mut picture = Vec::new();
                screen(&mut picture, coverage, rollout_status, &[], Some(watched), shown).map_err(Error::Output)?;
                draw(|out| live.frame(out, &picture, notes, now, freshness))?
            }
            _ => {
                notes.iter().filter(|note| !self.shown_notes.contains(note)).for_each(|note| terminal::note(note));
                let is_said = |change: &&RolloutEvent| match self.mode {
                    OutputMode::Lines => !is_redundant(&change.kind, &news, self.until.revision.is_none()),
                    OutputMode::Screen(_) | OutputMode::Documents(_) => true,
                };
                let news: Vec<Event<'_, '_>> =
                    news.iter().filter(is_said).map(|change| self.event(change, Some(rollout_status))).collect();
                self.write(&news)?
            }
        };
        self.shown_notes = notes.to_vec();
        self.record = Some(record);
        Ok(is_read)
    }

    fn screen(&self, now: Timestamp) -> ViewOptions {
        // Read on every redraw: the terminal may have been resized.
        ViewOptions::new(terminal::style(self.color, self.names), now)
    }

    fn event<'c, 'a>(
        &'c self,
        change: &'c RolloutEvent,
        rollout_status: Option<&'c RolloutStatus<'a>>,
    ) -> Event<'c, 'a> {
        Event::change(change, (&self.namespace, &self.name), rollout_status)
    }

    /// Writes events, below the screen if there is one.
    fn write(&self, events: &[Event<'_, '_>]) -> Result<bool, Error> {
        let one = |out: &mut io::BufWriter<io::StdoutLock<'static>>, event: &Event<'_, '_>| match &self.mode {
            OutputMode::Documents(format) => document(out, event, format),
            OutputMode::Screen(_) | OutputMode::Lines => line(out, event, self.screen(event.at)),
        };
        print(|out| {
            events.iter().try_for_each(|event| one(out, event))?;
            out.flush()
        })
    }
}

fn revision_not_reached(eligible: i64, current: Option<i64>) -> String {
    let is = current.map(|current| format!(" (current revision: {current})")).unwrap_or_default();
    format!("revision {eligible} did not become current{is}")
}

/// Whether another line of the same update already covers this one: the end of the watch, or a blocker.
fn is_redundant(kind: &EventKind, news: &[RolloutEvent], ends_when_complete: bool) -> bool {
    let blocking = |change: &RolloutEvent| {
        matches!(
            change.kind,
            EventKind::BlockerFound { blocking: true, .. } | EventKind::BlockerConfirmed { blocking: true, .. }
        )
    };
    let EventKind::PhaseChanged { to, .. } = kind else { return false };
    match to {
        Phase::Complete => ends_when_complete,
        Phase::Stuck => news.iter().any(blocking),
        Phase::Unknown
        | Phase::NotObserved
        | Phase::Progressing
        | Phase::AwaitingDeletion
        | Phase::Degraded
        | Phase::Blocked
        | Phase::Deleting => false,
    }
}
