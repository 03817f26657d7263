//! Executes the run: decide on a step, execute it, observe the cluster, repeat.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::execution::{Executor, RELIST_DELAY};
use super::locking::{Permit, lost};
use super::observer::WakeReason;
use super::options::Mode;
use super::reporter::{EventContext, Reporter};
use super::running_hooks::{HookMessage, HookNews, RunningHooks};
use crate::command::prompt;
use crate::command::watch_loop::connection_lost;
use crate::cycle::{Action, CycleOutcome, HaltReason, HookPoint, HookStart, ObservationSource, Run, Summary};
use crate::error::Error;
use crate::interrupt::{self, interruptible};
use crate::render::cycle::{Question, ReportEvent, question};

/// How often the screen is redrawn while hooks print.
const REDRAW: Duration = Duration::from_millis(250);

/// What to do after a step.
enum Next {
    /// Decide again.
    Again,
    /// End the run.
    End(CycleOutcome),
}

impl Executor {
    /// Plans, asks for confirmation, and executes the plan.
    pub(super) async fn run(mut self) -> Result<ExitCode, Error> {
        // No node is in progress: a signal ends the command at once.
        let (mut run, mut reporter, outcome) = interruptible(self.prepare()).await?;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None if self.options.mode == Mode::ServerDryRun => {
                interruptible(self.server_dry_run(&mut run, &mut reporter)).await?
            }
            None => self.carry_out_locked(&mut run, &mut reporter).await?,
        };
        reporter.end(&run, &outcome, &self.cordoned, Timestamp::now())?;
        Ok(self.exit_code(&run, &outcome))
    }

    /// Plans and asks for confirmation. Returns an outcome if the plan is not to be executed.
    async fn prepare(&mut self) -> Result<(Run, Reporter, Option<CycleOutcome>), Error> {
        self.until_observed().await?;
        let (run, reporter) = self.plan().await?;
        let outcome = self.confirm(&run, &reporter).await?;
        Ok((run, reporter, outcome))
    }

    /// Executes the plan while holding the lock, and always releases the lock.
    async fn carry_out_locked(&mut self, run: &mut Run, reporter: &mut Reporter) -> Result<CycleOutcome, Error> {
        if let Some(outcome) = self.acquire(run, reporter).await? {
            return Ok(outcome);
        }
        let outcome = self.carry_out_to_the_end(run, reporter).await;
        let lock = self.lock.take();
        self.release(lock).await;
        outcome
    }

    /// Executes the steps of the run, at most until `--timeout`, and undoes what would be left half-done.
    pub(super) async fn carry_out_to_the_end(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
    ) -> Result<CycleOutcome, Error> {
        self.deadline = self.options.timeout.and_then(|limit| Timestamp::now().checked_add(limit).ok());
        let outcome = self.carry_out(run, reporter).await;
        self.end_hooks(run, reporter).await.and(outcome)
    }

    /// Executes the steps of the run.
    async fn carry_out(&mut self, run: &mut Run, reporter: &mut Reporter) -> Result<CycleOutcome, Error> {
        // The cluster may have changed since the plan, for example by another run.
        if let Next::End(outcome) = self.refresh(run, reporter).await? {
            return Ok(outcome);
        }
        let mut sight = ObservationSource::Listed;
        let mut is_begun = false;
        loop {
            let step = self.decide(run, reporter, sight, &mut is_begun)?;
            let next = match step {
                Action::Relist => match self.observer.lists_wait_until() {
                    None => self.refresh(run, reporter).await?,
                    until @ Some(_) => match self.wait(run, reporter, until).await? {
                        Some(next) => next,
                        None => {
                            sight = ObservationSource::Watched;
                            continue;
                        }
                    },
                },
                Action::Replace(removals) => match self.permit(run, reporter).await? {
                    Permit::Granted => match self.replace(run, reporter, removals).await? {
                        Some(outcome) => Next::End(outcome),
                        None => self.refresh(run, reporter).await?,
                    },
                    Permit::LookAgain => self.refresh(run, reporter).await?,
                    Permit::End(outcome) => Next::End(outcome),
                },
                Action::StartHooks(starts) => self.start_hooks_if_permitted(run, reporter, starts).await?,
                Action::Wait { until, .. } => match self.wait(run, reporter, until).await? {
                    Some(next) => next,
                    None => {
                        sight = ObservationSource::Watched;
                        continue;
                    }
                },
                Action::Ask => match self.ask_after_canary(run, reporter).await? {
                    Some(outcome) => Next::End(outcome),
                    None => self.refresh(run, reporter).await?,
                },
                Action::Finish => Next::End(CycleOutcome::Finished),
                Action::Halt(halt) => Next::End(CycleOutcome::Halted { halt }),
            };
            match next {
                Next::Again => sight = ObservationSource::Listed,
                Next::End(outcome) => return Ok(outcome),
            }
        }
    }

    /// Starts hooks. What precedes a removal needs the lock, as the removal does; what follows it is always done.
    async fn start_hooks_if_permitted(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        starts: Vec<HookStart>,
    ) -> Result<Next, Error> {
        let is_preparation = starts.iter().any(|start| start.point == HookPoint::Before);
        let permit = if is_preparation { self.permit(run, reporter).await? } else { Permit::Granted };
        match permit {
            Permit::Granted => {
                self.start_hooks(run, starts);
                Ok(Next::Again)
            }
            Permit::LookAgain => {
                starts.iter().for_each(|start| run.cancel_hook(start));
                self.refresh(run, reporter).await
            }
            Permit::End(outcome) => Ok(Next::End(outcome)),
        }
    }

    /// Decides on the next step from the observed state, and reports what is new.
    fn decide(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        sight: ObservationSource,
        is_begun: &mut bool,
    ) -> Result<Action, Error> {
        if reporter.is_output_closed() {
            // The output is closed: a problem would not be noticed.
            run.stop(HaltReason::Interrupted);
        }
        if self.deadline.is_some_and(|deadline| deadline <= Timestamp::now()) {
            run.stop(HaltReason::TimedOut);
        }
        let trouble = self.observer.trouble.as_deref();
        let decided = self.observer.observe(|observation| {
            if !std::mem::replace(is_begun, true) {
                reporter.emit(ReportEvent::Started, EventContext::new(observation, run))?;
            }
            let (step, news) = run.next(Some(observation), sight);
            if step == Action::Relist {
                return Ok(step);
            }
            let context = EventContext::new(observation, run);
            news.iter().try_for_each(|one| reporter.emit(ReportEvent::NodeEvent(one), context))?;
            let waiting = match &step {
                Action::Wait { waiting, .. } => Some(waiting),
                _ => None,
            };
            reporter.emit_waiting(waiting, trouble, context)?;
            Ok(step)
        });
        decided.unwrap_or_else(|| Ok(run.next(None, sight).0))
    }

    /// Lists again, and retries until it succeeds or a signal stops the run.
    async fn refresh(&mut self, run: &mut Run, reporter: &mut Reporter) -> Result<Next, Error> {
        let mut is_reported = false;
        loop {
            let refreshed = tokio::select! {
                refreshed = self.observer.refresh() => refreshed,
                code = self.signals.next() => match self.stop(run, reporter, code)? {
                    Some(outcome) => return Ok(Next::End(outcome)),
                    None => continue,
                },
            };
            let error = match refreshed {
                Ok(()) => return Ok(Next::Again),
                // With --require, another DaemonSet may be the one that does not exist: its error says so.
                Err(Error::NotFound { .. }) if self.options.required.is_empty() => {
                    return Ok(Next::End(CycleOutcome::Halted { halt: HaltReason::Deleted }));
                }
                Err(error) => error,
            };
            if !error.may_pass() {
                return Err(error);
            }
            if !std::mem::replace(&mut is_reported, true) {
                let text = connection_lost(&error.to_string());
                reporter.connection_note(&text, run, Timestamp::now())?;
            }
            tokio::select! {
                () = sleep(RELIST_DELAY) => {}
                code = self.signals.next() => if let Some(outcome) = self.stop(run, reporter, code)? {
                    return Ok(Next::End(outcome));
                },
            }
        }
    }

    /// Waits for a change. Returns `None` if only watched changes have arrived.
    async fn wait(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        until: Option<Timestamp>,
    ) -> Result<Option<Next>, Error> {
        let had_trouble = self.observer.trouble.is_some();
        let until = until.into_iter().chain(self.deadline.filter(|deadline| *deadline > Timestamp::now())).min();
        let redraw = Instant::now() + REDRAW;
        let seen = loop {
            tokio::select! {
                seen = self.observer.wait(until) => break seen?,
                message = hook_message(&mut self.hooks) => {
                    let is_output = matches!(message.news, HookNews::Line(_));
                    self.record_hook(run, reporter, message)?;
                    // A hook may print many lines: each needs no decision.
                    if !is_output || Instant::now() >= redraw {
                        return Ok(None);
                    }
                }
                code = self.signals.next() => return Ok(self.stop(run, reporter, code)?.map(Next::End)),
                loss = lost(&mut self.lock, self.is_lock_lost) => {
                    self.lose(&loss, run, reporter)?;
                    return Ok(None);
                }
            }
        };
        if let Some(trouble) = self.observer.trouble.clone().filter(|_| !had_trouble) {
            reporter.connection_note(&connection_lost(&trouble), run, Timestamp::now())?;
        }
        match seen {
            WakeReason::Missed => {
                if let Some(note) = self.observer.note() {
                    reporter.connection_note(note, run, Timestamp::now())?;
                }
                self.refresh(run, reporter).await.map(Some)
            }
            WakeReason::Changed => Ok(None),
        }
    }

    /// Handles a signal: after the first one no further node is started, the second one ends the command.
    pub(super) fn stop(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        code: u8,
    ) -> Result<Option<CycleOutcome>, Error> {
        if code == interrupt::HANGUP {
            reporter.drop_output();
        }
        if self.stopped_by.replace(code).is_some() {
            return Ok(Some(CycleOutcome::Halted { halt: HaltReason::Interrupted }));
        }
        run.stop(HaltReason::Interrupted);
        reporter.stop();
        reporter.event(ReportEvent::Stopping, None, run, Timestamp::now())?;
        Ok(None)
    }

    /// Asks whether to continue after the canary. Returns an outcome if the run ends here.
    async fn ask_after_canary(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
    ) -> Result<Option<CycleOutcome>, Error> {
        let confirmed = matches!(self.options.mode, Mode::Execute { confirmed: true });
        if confirmed || !prompt::can_ask() {
            return Ok(Some(CycleOutcome::CanaryDone));
        }
        let question = question(Question::AfterCanary, Summary::new(run), reporter.daemon_set_ref());
        let is_yes = match prompt::ask(&question, &mut self.signals).await {
            Err(Error::Interrupted { code }) => {
                self.stopped_by = Some(code);
                return Ok(Some(CycleOutcome::Halted { halt: HaltReason::Interrupted }));
            }
            answer => answer?,
        };
        if !is_yes {
            return Ok(Some(CycleOutcome::Halted { halt: HaltReason::Declined }));
        }
        run.resume();
        Ok(None)
    }

    pub(super) fn gone(&self) -> Error {
        Error::NotFound {
            message: format!("daemonset {:?} was deleted", self.options.daemon_set().1),
            hint: "list the DaemonSets: kubectl get daemonsets -A".into(),
        }
    }

    pub(super) fn exit_code(&self, run: &Run, outcome: &CycleOutcome) -> ExitCode {
        match (outcome, self.stopped_by) {
            (CycleOutcome::Halted { halt: HaltReason::Interrupted }, Some(code)) => ExitCode::from(code),
            (CycleOutcome::Halted { .. } | CycleOutcome::Declined, _) => ExitCode::from(1),
            (CycleOutcome::Finished | CycleOutcome::CanaryDone | CycleOutcome::Planned, _) => {
                ExitCode::from(u8::from(Summary::new(run).failed > 0))
            }
        }
    }
}

/// Waits for news of a hook; forever if none was started.
async fn hook_message(hooks: &mut Option<RunningHooks>) -> HookMessage {
    match hooks {
        Some(hooks) => hooks.next().await,
        None => std::future::pending().await,
    }
}
