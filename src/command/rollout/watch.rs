//! `kubectl ds rollout watch`.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::status;
use crate::cli::rollout::{RolloutStatusArgs, RolloutWatchArgs};
use crate::cli::{Global, HistoryFormat, StructuredFormat};
use crate::cluster::file::Detail;
use crate::command::load::{Source, open};
use crate::command::print;
use crate::command::watching::{self, View, connection_lost};
use crate::coverage::{Coverage, cover};
use crate::error::Error;
use crate::render::ListLength;
use crate::render::rollout::{Ending, Event, Screen, Told, Watched, json_line, line, screen, yaml};
use crate::render::terminal::{self, ColorChoice, Redraw};
use crate::rollout::{Change, ChangeKind, Headway, Mark, Phase, Record, Standing, changes, revision_number, standing};
use crate::snapshot::{EventQuery, Snapshot};

/// Follows one rollout to its end.
///
/// # Errors
/// What keeps the command from an answer.
pub(super) async fn run(args: RolloutWatchArgs, global: Global) -> Result<ExitCode, Error> {
    let RolloutWatchArgs { name, once, revision, stall_timeout, timeout, output } = args;
    if once && revision.is_none() {
        let args = RolloutStatusArgs { names: vec![name], output, no_headers: false };
        return status::run(args, global).await;
    }
    if once {
        return Err(usage("--once does not wait, so it does not go with --revision", "leave one of the two out"));
    }
    if !global.from.is_empty() {
        return Err(usage("a saved cluster does not change, so there is nothing to follow", "add --once"));
    }
    if global.all_namespaces {
        return Err(usage(
            "rollout watch follows one DaemonSet, so it does not take --all-namespaces",
            "name its namespace with -n",
        ));
    }
    let source = open(&global.from, &global.access(), Detail::Placement).await?;
    let request = status::request(vec![name.clone()], &global, &source);
    let Source::Live(access) = &source else {
        return Err(usage("a saved cluster does not change, so there is nothing to follow", "add --once"));
    };
    let redraw = terminal::redraw();
    let mut watching = Watching {
        namespace: request.namespace.clone().unwrap_or_default(),
        name,
        goal: Goal {
            revision,
            stall_timeout: Some(stall_timeout).filter(|limit| !limit.is_zero()),
            timeout: timeout.filter(|limit| !limit.is_zero()),
        },
        manner: match output {
            Some(HistoryFormat::Json) => Manner::Structured(StructuredFormat::Json),
            Some(HistoryFormat::Yaml) => Manner::Structured(StructuredFormat::Yaml),
            Some(HistoryFormat::Wide) | None if redraw.shows_remarks() => Manner::Picture(redraw),
            Some(HistoryFormat::Wide) | None => Manner::Lines,
        },
        color: global.color,
        names: ListLength::wide(output == Some(HistoryFormat::Wide)),
        begun: (Instant::now(), Timestamp::now()),
        uid: None,
        is_judged: false,
        headway: None,
        record: None,
        said: Vec::new(),
        due: None,
    };
    watching::watch(access, &request, &mut watching).await
}

fn usage(message: &str, hint: &str) -> Error {
    Error::Usage { message: message.to_owned(), hint: hint.to_owned() }
}

/// What is waited for, and for how long.
struct Goal {
    revision: Option<i64>,
    stall_timeout: Option<Duration>,
    timeout: Option<Duration>,
}

/// How it is told.
enum Manner {
    /// A picture that is redrawn.
    Picture(Redraw),
    /// One line for each change.
    Lines,
    /// One document for each change.
    Structured(StructuredFormat),
}

struct Watching {
    namespace: String,
    name: String,
    goal: Goal,
    manner: Manner,
    color: ColorChoice,
    names: ListLength,
    begun: (Instant, Timestamp),
    /// Whom it is about: a name can be given anew.
    uid: Option<String>,
    /// Whether its phase was known once: where it rests on the pods, it may be unknown for a moment.
    is_judged: bool,
    headway: Option<Headway>,
    record: Option<Record>,
    /// The remarks that were written last.
    said: Vec<String>,
    due: Option<Instant>,
}

impl View for Watching {
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery {
        status::event_query(snapshot)
    }

    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error> {
        let now = snapshot.as_of;
        let coverages = cover(snapshot);
        let uid = snapshot.daemon_sets.first().and_then(|daemon_set| daemon_set.metadata.uid.as_deref());
        let Some(coverage) = coverages.first().filter(|_| self.uid.is_none() || self.uid.as_deref() == uid) else {
            return self.end(Ending::Deleted, None, now);
        };
        self.uid = uid.map(str::to_owned);
        let standing = standing(coverage, snapshot);
        let mark = Mark::of(&standing);
        let headway = self.headway.get_or_insert_with(|| Headway::begin(mark, now));
        match trouble {
            None => headway.saw(mark, now),
            Some(_) => headway.lost_sight(now),
        }
        let current = revision_number(&standing, &snapshot.revisions);
        let remarks: Vec<String> = snapshot.gaps().into_iter().chain(trouble.map(connection_lost)).collect();
        let is_read = self.tell(coverage, &standing, current, &remarks, now)?;
        if !is_read {
            return Ok(ControlFlow::Break(ExitCode::SUCCESS));
        }
        self.is_judged |= standing.phase != Phase::Unknown;
        // A number of a revision is in the revisions alone.
        let is_blind = self.goal.revision.is_some() && snapshot.revisions.known().is_none();
        if (!self.is_judged || is_blind) && trouble.is_none() {
            return Err(status::unjudged(&standing));
        }
        match self.ending(&standing, current, trouble.is_some(), now) {
            Some(ending) => {
                if let Some(wanted) = self.goal.revision.filter(|wanted| Some(*wanted) != current) {
                    terminal::note(&never_came(wanted, current));
                }
                self.end(ending, Some(&standing), now)
            }
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn outage(&mut self, error: &Error) -> ControlFlow<ExitCode> {
        let now = Timestamp::now();
        if let Some(headway) = &mut self.headway {
            headway.lost_sight(now);
        }
        let remark = connection_lost(&error.to_string());
        // Each attempt may fail in its own words; the first ones will do.
        if !self.said.iter().any(|said| said.starts_with(&connection_lost(""))) {
            terminal::note(&remark);
            self.said.push(remark);
        }
        let is_over = self.goal.timeout.is_some_and(|limit| self.begun.0.elapsed() >= limit);
        match is_over.then(|| self.end(Ending::TimedOut, None, now)) {
            Some(Ok(end)) => end,
            Some(Err(_)) => ControlFlow::Break(ExitCode::from(1)),
            None => ControlFlow::Continue(()),
        }
    }

    /// It was there when the watch began, so by now it was deleted.
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
    /// Whether it is over, and if not, when to look again at the latest.
    fn ending(
        &mut self,
        standing: &Standing<'_>,
        current: Option<i64>,
        is_blind: bool,
        now: Timestamp,
    ) -> Option<Ending> {
        let is_wanted = self.goal.revision.is_none_or(|wanted| Some(wanted) == current);
        if standing.phase == Phase::Complete && is_wanted && !is_blind {
            return Some(Ending::Complete);
        }
        let elapsed = self.begun.0.elapsed();
        let until_timeout = self.goal.timeout.map(|limit| limit.saturating_sub(elapsed));
        let idle = self.headway.as_ref().map(|headway| now.duration_since(headway.advanced()));
        let idle = idle.and_then(|idle| Duration::try_from(idle).ok()).unwrap_or_default();
        let until_stalled = self.goal.stall_timeout.map(|limit| limit.saturating_sub(idle)).filter(|_| !is_blind);
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

    /// Says the end.
    fn end(
        &mut self,
        ending: Ending,
        standing: Option<&Standing<'_>>,
        now: Timestamp,
    ) -> Result<ControlFlow<ExitCode>, Error> {
        let waited = match (ending, &self.headway) {
            (Ending::Stalled, Some(headway)) => now.duration_since(headway.advanced()),
            _ => now.duration_since(self.begun.1),
        };
        if standing.is_none() && ending == Ending::Deleted {
            let gone = changes(self.record.as_ref(), None, now);
            self.write(&gone.iter().map(|change| self.event(change, None)).collect::<Vec<_>>())?;
        }
        let told = Told::Ended(ending, waited);
        self.write(&[Event { at: now, told, namespace: &self.namespace, name: &self.name, standing }])?;
        Ok(ControlFlow::Break(match ending {
            Ending::Complete => ExitCode::SUCCESS,
            Ending::Stalled | Ending::TimedOut | Ending::Deleted => ExitCode::from(1),
        }))
    }

    /// Tells what is new, and whether there is still a reader.
    fn tell(
        &mut self,
        coverage: &Coverage<'_>,
        standing: &Standing<'_>,
        current: Option<i64>,
        remarks: &[String],
        now: Timestamp,
    ) -> Result<bool, Error> {
        let record = Record::of(standing).after(self.record.as_ref());
        let news = changes(self.record.as_ref(), Some(&record), now);
        let shown = self.screen(now);
        let is_read = match (&mut self.manner, &self.headway) {
            (Manner::Picture(redraw), Some(headway)) => {
                let waits_for = self.goal.revision.filter(|wanted| Some(*wanted) != current);
                let watched = Watched { headway, waits_for: waits_for.map(|wanted| (wanted, current)) };
                let mut picture = Vec::new();
                screen(&mut picture, coverage, standing, Some(watched), shown).map_err(Error::Output)?;
                print(|out| redraw.frame(out, &picture, remarks))?
            }
            _ => {
                remarks.iter().filter(|remark| !self.said.contains(remark)).for_each(|remark| terminal::note(remark));
                let is_said = |change: &&Change| match self.manner {
                    Manner::Lines => !is_said_beside(&change.kind, &news, self.goal.revision.is_none()),
                    _ => true,
                };
                let news: Vec<Event<'_, '_>> =
                    news.iter().filter(is_said).map(|change| self.event(change, Some(standing))).collect();
                self.write(&news)?
            }
        };
        self.said = remarks.to_vec();
        self.record = Some(record);
        Ok(is_read)
    }

    fn screen(&self, now: Timestamp) -> Screen {
        // A terminal may have another size by now.
        Screen { style: terminal::style(self.color, self.names), titles: true, now }
    }

    fn event<'c, 'a>(&'c self, change: &'c Change, standing: Option<&'c Standing<'a>>) -> Event<'c, 'a> {
        Event::change(change, (&self.namespace, &self.name), standing)
    }

    /// Writes events, below a picture if there is one.
    fn write(&self, events: &[Event<'_, '_>]) -> Result<bool, Error> {
        let one = |out: &mut io::BufWriter<io::StdoutLock<'static>>, event: &Event<'_, '_>| match &self.manner {
            Manner::Structured(StructuredFormat::Json) => json_line(out, event),
            Manner::Structured(StructuredFormat::Yaml) => yaml(out, event),
            Manner::Picture(_) | Manner::Lines => line(out, event, self.screen(event.at)),
        };
        print(|out| {
            events.iter().try_for_each(|event| one(out, event))?;
            out.flush()
        })
    }
}

/// Why it waited in vain.
fn never_came(wanted: i64, current: Option<i64>) -> String {
    let is = current.map(|current| format!(", which is {current}")).unwrap_or_default();
    format!("revision {wanted} did not become the current one{is}")
}

/// Whether another line of the same moment says it better: the end, or what it is stuck on.
fn is_said_beside(kind: &ChangeKind, news: &[Change], ends_when_complete: bool) -> bool {
    let is_certain = |change: &Change| {
        matches!(
            change.kind,
            ChangeKind::HoldBegan { is_certain: true, .. } | ChangeKind::HoldCertain { is_certain: true, .. }
        )
    };
    match kind {
        ChangeKind::PhaseChanged { to: Phase::Complete, .. } => ends_when_complete,
        ChangeKind::PhaseChanged { to: Phase::Stuck, .. } => news.iter().any(is_certain),
        _ => false,
    }
}
