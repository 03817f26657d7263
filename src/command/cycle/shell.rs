//! Does what is decided: one step, look, the next step.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::eyes::{Eyes, Seen};
use super::lease_keeper::{Clock, Lock};
use super::locking::{Permit, lost};
use super::policy::{Mode, Wish};
use super::prompt;
use super::teller::{Scene, Teller};
use crate::command::watching::connection_lost;
use crate::cycle::{Halt, Held, Look, Moment, Outcome, Run, Sight, Step, Summary};
use crate::error::Error;
use crate::interrupt::{self, Signals, interruptible};
use crate::render::cycle::{Told, question};

/// How long to wait before lists that failed are asked for again.
pub(super) const RELOAD: Duration = Duration::from_secs(2);

/// One command at work.
pub(super) struct Shell {
    pub(super) eyes: Eyes,
    pub(super) signals: Signals,
    pub(super) wish: Wish,
    pub(super) clock: Clock,
    /// The exit code that goes with the signal that stopped it.
    pub(super) stopped_by: Option<u8>,
    /// The lock, from before the first removal to the end.
    pub(super) lock: Option<Lock>,
    pub(super) is_lock_lost: bool,
    /// The lock as it was confirmed last.
    pub(super) held: Option<Held>,
    /// Since when the lock could not be renewed before a removal.
    pub(super) unconfirmed_since: Option<Moment>,
}

/// What comes after a step.
enum Next {
    /// Decide again.
    Again,
    /// It is over.
    End(Outcome),
}

impl Shell {
    pub(super) fn new(eyes: Eyes, signals: Signals, wish: Wish, clock: Clock) -> Self {
        let (stopped_by, lock, is_lock_lost, held, unconfirmed_since) = (None, None, false, None, None);
        Self { eyes, signals, wish, clock, stopped_by, lock, is_lock_lost, held, unconfirmed_since }
    }

    /// Plans, asks, and carries the plan out.
    ///
    /// # Errors
    /// What keeps it from going on.
    pub(super) async fn run(mut self) -> Result<ExitCode, Error> {
        // Nothing is in work: a signal ends it at once.
        let (mut run, mut teller, outcome) = interruptible(self.prepare()).await?;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None if self.wish.mode == Mode::Trial => interruptible(self.rehearse(&mut run, &mut teller)).await?,
            None => self.carry_out_locked(&mut run, &mut teller).await?,
        };
        teller.end(&run, &outcome, Timestamp::now())?;
        Ok(self.exit_code(&run, &outcome))
    }

    /// Plans and asks; an outcome where the plan is not to be carried out.
    async fn prepare(&mut self) -> Result<(Run, Teller, Option<Outcome>), Error> {
        self.until_observed().await?;
        let (run, teller) = self.plan().await?;
        let outcome = self.permission(&run, &teller).await?;
        Ok((run, teller, outcome))
    }

    /// Carries the plan out with the lock, and gives that back however it ends.
    async fn carry_out_locked(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Outcome, Error> {
        if let Some(outcome) = self.acquire(run, teller).await? {
            return Ok(outcome);
        }
        let outcome = self.carry_out(run, teller).await;
        let lock = self.lock.take();
        self.release(lock).await;
        outcome
    }

    /// Step after step, to the end.
    async fn carry_out(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Outcome, Error> {
        // Some time went by since the plan, and perhaps another run.
        if let Next::End(outcome) = self.look_anew(run, teller).await? {
            return Ok(outcome);
        }
        let mut sight = Sight::Listed;
        let mut is_begun = false;
        loop {
            let step = self.decide(run, teller, sight, &mut is_begun)?;
            let next = match step {
                Step::LookAgain => self.look_anew(run, teller).await?,
                Step::Replace { node, pod, unchanged } => match self.permit(run, teller).await? {
                    Permit::Granted => match self.replace(run, teller, &node, &pod, unchanged.as_deref()).await? {
                        Some(outcome) => Next::End(outcome),
                        None => self.look_anew(run, teller).await?,
                    },
                    Permit::LookAgain => self.look_anew(run, teller).await?,
                    Permit::End(outcome) => Next::End(outcome),
                },
                Step::Wait { until, .. } => match self.wait(run, teller, until).await? {
                    Some(next) => next,
                    None => {
                        sight = Sight::Followed;
                        continue;
                    }
                },
                Step::Ask => match self.ask_after_canary(run, teller).await? {
                    Some(outcome) => Next::End(outcome),
                    None => self.look_anew(run, teller).await?,
                },
                Step::Finish => Next::End(Outcome::Finished),
                Step::Halt(halt) => Next::End(Outcome::Halted { halt }),
            };
            match next {
                Next::Again => sight = Sight::Listed,
                Next::End(outcome) => return Ok(outcome),
            }
        }
    }

    /// Asks the run what to do by what is seen, and tells what is new.
    fn decide(&mut self, run: &mut Run, teller: &mut Teller, sight: Sight, is_begun: &mut bool) -> Result<Step, Error> {
        if teller.is_unheard() {
            // Who cannot be told of trouble is not to run into it.
            run.stop(Halt::Interrupted);
        }
        let trouble = self.eyes.trouble.as_deref();
        let decided = Look::at(self.eyes.snapshot(), |look| {
            if !std::mem::replace(is_begun, true) {
                teller.tell(Told::Began, Scene::of(look, run))?;
            }
            let (step, news) = run.next(Some(look), sight);
            if step == Step::LookAgain {
                return Ok(step);
            }
            let scene = Scene::of(look, run);
            news.iter().try_for_each(|one| teller.tell(Told::News(one), scene))?;
            let waiting = match &step {
                Step::Wait { waiting, .. } => Some(waiting),
                _ => None,
            };
            teller.waits(waiting, trouble, scene)?;
            Ok(step)
        });
        decided.unwrap_or_else(|| Ok(run.next(None, sight).0))
    }

    /// Lists anew, for as long as that takes; a signal meanwhile stops it.
    async fn look_anew(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Next, Error> {
        let mut is_told = false;
        loop {
            let refreshed = tokio::select! {
                refreshed = self.eyes.refresh() => refreshed,
                code = self.signals.next() => match self.stop(run, teller, code)? {
                    Some(outcome) => return Ok(Next::End(outcome)),
                    None => continue,
                },
            };
            let error = match refreshed {
                Ok(()) => return Ok(Next::Again),
                Err(Error::NotFound { .. }) => return Ok(Next::End(Outcome::Halted { halt: Halt::Deleted })),
                Err(error) => error,
            };
            if !error.may_pass() {
                return Err(error);
            }
            if !std::mem::replace(&mut is_told, true) {
                let text = connection_lost(&error.to_string());
                teller.remark(&text, run, Timestamp::now())?;
            }
            tokio::select! {
                () = sleep(RELOAD) => {}
                code = self.signals.next() => if let Some(outcome) = self.stop(run, teller, code)? {
                    return Ok(Next::End(outcome));
                },
            }
        }
    }

    /// Waits for a change; what comes next where more than that has happened.
    async fn wait(
        &mut self,
        run: &mut Run,
        teller: &mut Teller,
        until: Option<Timestamp>,
    ) -> Result<Option<Next>, Error> {
        let had_trouble = self.eyes.trouble.is_some();
        let seen = tokio::select! {
            seen = self.eyes.wait(until) => seen?,
            code = self.signals.next() => return Ok(self.stop(run, teller, code)?.map(Next::End)),
            loss = lost(&mut self.lock, self.is_lock_lost) => {
                self.lose(&loss, run, teller)?;
                return Ok(None);
            }
        };
        if let Some(trouble) = self.eyes.trouble.clone().filter(|_| !had_trouble) {
            teller.remark(&connection_lost(&trouble), run, Timestamp::now())?;
        }
        match seen {
            Seen::Missed => {
                if let Some(note) = self.eyes.note() {
                    teller.remark(note, run, Timestamp::now())?;
                }
                self.look_anew(run, teller).await.map(Some)
            }
            Seen::Changed => Ok(None),
        }
    }

    /// The first signal begins no further node, the second one ends it.
    pub(super) fn stop(&mut self, run: &mut Run, teller: &mut Teller, code: u8) -> Result<Option<Outcome>, Error> {
        if code == interrupt::HANGUP {
            teller.hang_up();
        }
        if self.stopped_by.replace(code).is_some() {
            return Ok(Some(Outcome::Halted { halt: Halt::Interrupted }));
        }
        run.stop(Halt::Interrupted);
        teller.stop();
        teller.event(Told::Stopping, None, run, Timestamp::now())?;
        Ok(None)
    }

    /// The canary is replaced: an outcome where that is the end.
    async fn ask_after_canary(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Option<Outcome>, Error> {
        let is_answered = matches!(self.wish.mode, Mode::Real { is_answered: true });
        if is_answered || !prompt::can_ask() {
            return Ok(Some(Outcome::CanaryDone));
        }
        let question = question(true, Summary::of(run), teller.place());
        let is_yes = match prompt::ask(&question, &mut self.signals).await {
            Err(Error::Interrupted { code }) => {
                self.stopped_by = Some(code);
                return Ok(Some(Outcome::Halted { halt: Halt::Interrupted }));
            }
            answer => answer?,
        };
        if !is_yes {
            return Ok(Some(Outcome::Halted { halt: Halt::Declined }));
        }
        run.go_on();
        Ok(None)
    }

    pub(super) fn gone(&self) -> Error {
        Error::NotFound {
            message: format!("the DaemonSet {:?} is gone", self.wish.request.names.first().map_or("", String::as_str)),
            hint: "kubectl get daemonsets -A lists those that are there".into(),
        }
    }

    fn exit_code(&self, run: &Run, outcome: &Outcome) -> ExitCode {
        match (outcome, self.stopped_by) {
            (Outcome::Halted { halt: Halt::Interrupted }, Some(code)) => ExitCode::from(code),
            (Outcome::Halted { .. } | Outcome::Declined, _) => ExitCode::from(1),
            (Outcome::Finished | Outcome::CanaryDone | Outcome::Planned, _) => {
                ExitCode::from(u8::from(Summary::of(run).failed > 0))
            }
        }
    }
}
