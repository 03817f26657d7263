//! Tells what happens, as a picture, as lines or as documents.

use std::io;

use jiff::Timestamp;

use super::policy::Wish;
use crate::cli::StructuredFormat;
use crate::command::print;
use crate::coverage::Coverage;
use crate::cycle::{LockLoss, LockStatus, Look, Outcome, Run, Summary, Waiting};
use crate::error::Error;
use crate::render::ListLength;
use crate::render::cycle::{
    Event, Picture, Place, PlanView, Report, STOPPING, Told, json_line, line, lock_lost, plan, screen, summary, yaml,
};
use crate::render::rollout::{Screen, Watched};
use crate::render::structured;
use crate::render::terminal::{self, ColorChoice, Redraw};
use crate::rollout::{Headway, Mark, Standing};

/// How it is told.
enum Manner {
    /// A picture that is redrawn.
    Picture(Redraw),
    /// One line for each event.
    Lines,
    /// One document for each event, and one at the end.
    Structured(StructuredFormat),
}

/// Tells what happens to one DaemonSet.
pub(super) struct Teller {
    manner: Manner,
    color: ColorChoice,
    namespace: String,
    name: String,
    headway: Option<Headway>,
    waits: Option<Waiting>,
    /// The lock when the plan was made; none for a saved cluster.
    lock: Option<LockStatus>,
    /// What is said where no further node is begun.
    stopping: Option<String>,
    /// Nobody reads any more.
    is_unheard: bool,
    /// The terminal is gone: what cannot be written is no error.
    is_hung_up: bool,
}

/// What stands behind an event.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    coverage: &'s Coverage<'s>,
    standing: &'s Standing<'s>,
    run: &'s Run,
    pub(super) now: Timestamp,
}

impl<'s> Scene<'s> {
    pub(super) fn of(look: &'s Look<'_>, run: &'s Run) -> Self {
        Self { coverage: look.coverage, standing: look.standing, run, now: look.now }
    }
}

impl Teller {
    pub(super) fn new(wish: &Wish, coverage: &Coverage<'_>, lock: Option<LockStatus>) -> Self {
        let redraw = terminal::redraw();
        Self {
            manner: match wish.output {
                Some(format) => Manner::Structured(format),
                None if redraw.shows_remarks() => Manner::Picture(redraw),
                None => Manner::Lines,
            },
            color: wish.color,
            namespace: coverage.namespace().to_owned(),
            name: coverage.name().to_owned(),
            headway: None,
            waits: None,
            lock,
            stopping: None,
            is_unheard: false,
            is_hung_up: false,
        }
    }

    /// The lock when the plan was made.
    pub(super) fn lock(&self) -> Option<&LockStatus> {
        self.lock.as_ref()
    }

    /// It was asked to stop.
    pub(super) fn stop(&mut self) {
        self.stopping = Some(STOPPING.to_owned());
    }

    /// The lock is lost.
    pub(super) fn lose_lock(&mut self, loss: &LockLoss) {
        self.stopping = Some(lock_lost(loss));
    }

    /// The terminal is gone.
    pub(super) fn hang_up(&mut self) {
        self.is_hung_up = true;
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { namespace: &self.namespace, name: &self.name }
    }

    fn screen(&self, now: Timestamp) -> Screen {
        Screen { style: terminal::style(self.color, ListLength::Handful), titles: true, now }
    }

    /// Shows the plan; a program gets it with the report.
    pub(super) fn plan(&mut self, view: PlanView<'_>, now: Timestamp) -> Result<(), Error> {
        if matches!(self.manner, Manner::Structured(_)) {
            return Ok(());
        }
        let shown = self.screen(now);
        self.print(|_, out| plan(out, view, shown))
    }

    /// Nobody reads any more.
    pub(super) fn is_unheard(&self) -> bool {
        self.is_unheard
    }

    /// Says something about the connection: in a picture it stands for as long as it lasts.
    pub(super) fn remark(&mut self, text: &str, run: &Run, now: Timestamp) -> Result<(), Error> {
        match &self.manner {
            Manner::Structured(_) => self.event(Told::Remark(text), None, run, now),
            Manner::Lines => {
                terminal::note(text);
                Ok(())
            }
            Manner::Picture(_) => Ok(()),
        }
    }

    /// Tells an event: in a picture it is seen anyway.
    pub(super) fn tell(&mut self, told: Told<'_>, scene: Scene<'_>) -> Result<(), Error> {
        let Scene { standing, run, now, .. } = scene;
        self.event(told, Some(standing), run, now)
    }

    /// The same while the DaemonSet is not seen.
    pub(super) fn event(
        &mut self,
        told: Told<'_>,
        standing: Option<&Standing<'_>>,
        run: &Run,
        now: Timestamp,
    ) -> Result<(), Error> {
        let shown = self.screen(now);
        self.print(|teller, out| {
            let event = Event { at: now, told, place: teller.place(), summary: Summary::of(run), standing };
            match &teller.manner {
                Manner::Picture(_) => Ok(()),
                Manner::Lines => line(out, &event, shown),
                Manner::Structured(StructuredFormat::Json) => json_line(out, &event),
                Manner::Structured(StructuredFormat::Yaml) => yaml(out, &event),
            }
        })
    }

    /// What is waited for now: told once, and seen for as long as it lasts.
    pub(super) fn waits(
        &mut self,
        waiting: Option<&Waiting>,
        trouble: Option<&str>,
        scene: Scene<'_>,
    ) -> Result<(), Error> {
        let is_same = match (&self.waits, waiting) {
            (Some(before), Some(now)) => std::mem::discriminant(before) == std::mem::discriminant(now),
            (before, now) => before.is_none() == now.is_none(),
        };
        self.waits = waiting.cloned();
        if let Some(waiting) = waiting.filter(|waiting| !is_same && !matches!(waiting, Waiting::Nodes)) {
            self.tell(Told::Waits(waiting), scene)?;
        }
        self.draw(trouble, scene)
    }

    /// Draws the picture anew.
    fn draw(&mut self, trouble: Option<&str>, scene: Scene<'_>) -> Result<(), Error> {
        let Scene { coverage, standing, run, now } = scene;
        let mark = Mark::of(standing);
        self.headway.get_or_insert_with(|| Headway::begin(mark, now)).saw(mark, now);
        let shown = self.screen(now);
        self.print(|teller, out| {
            let (Manner::Picture(redraw), Some(headway)) = (&mut teller.manner, &teller.headway) else {
                return Ok(());
            };
            let watched = Watched { headway, waits_for: None };
            let (waiting, stopping) = (teller.waits.as_ref(), teller.stopping.as_deref());
            let mut picture = Vec::new();
            screen(&mut picture, Picture { coverage, standing, watched, run, waiting, stopping }, shown)?;
            let remarks: Vec<String> = trouble.map(crate::command::watching::connection_lost).into_iter().collect();
            redraw.frame(out, &picture, &remarks)
        })
    }

    /// Tells how it ended.
    pub(super) fn end(&mut self, run: &Run, outcome: &Outcome, now: Timestamp) -> Result<(), Error> {
        let shown = self.screen(now);
        self.print(|teller, out| match &teller.manner {
            Manner::Structured(StructuredFormat::Json) => {
                structured::json_line(out, &Report::of(run, outcome, teller.lock(), teller.place(), now))
            }
            Manner::Structured(StructuredFormat::Yaml) => {
                structured::yaml_document(out, &Report::of(run, outcome, teller.lock(), teller.place(), now))
            }
            Manner::Picture(_) | Manner::Lines => summary(out, run, outcome, teller.place(), shown),
        })
    }

    /// Nobody has to read it for it to go on: what was begun is brought to its end.
    fn print(
        &mut self,
        render: impl FnOnce(&mut Self, &mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
    ) -> Result<(), Error> {
        if self.is_unheard {
            return Ok(());
        }
        let is_read = match print(|out| render(self, out)) {
            // A terminal that cannot be written to is gone; the signal may come later.
            Err(Error::Output(_)) if self.is_hung_up || matches!(self.manner, Manner::Picture(_)) => false,
            written => written?,
        };
        self.is_unheard |= !is_read;
        Ok(())
    }
}
