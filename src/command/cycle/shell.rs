//! Does what is decided: one step, look, the next step.

use std::process::ExitCode;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use tokio::time::sleep;

use super::eyes::{Eyes, Seen, not_observed};
use super::policy::{Mode, Wish, check_strategy};
use super::present;
use super::prompt;
use super::signals::Signals;
use super::teller::{Scene, Teller};
use crate::cluster::list::Scope;
use crate::cluster::remove::{Removed, Target};
use crate::command::watching::connection_lost;
use crate::cycle::{Halt, Look, Outcome, PodRef, Removal, Run, Step, Summary, barrier};
use crate::error::Error;
use crate::render::cycle::{Told, barrier_in_words, question};
use crate::render::terminal;

/// A refused removal is tried again after so long, unless the server names a time: as kubectl drain does.
const AGAIN: Duration = Duration::from_secs(5);
/// The same where the connection broke off, or the server failed.
const SOON: Duration = Duration::from_secs(1);
/// How long to wait before lists that failed are asked for again.
const RELOAD: Duration = Duration::from_secs(2);
/// How long the controller may take to see the newest template before the plan is made.
const OBSERVED: SignedDuration = SignedDuration::from_secs(60);

/// One command at work.
pub(super) struct Shell {
    eyes: Eyes,
    signals: Signals,
    wish: Wish,
    /// The exit code that goes with the signal that stopped it.
    stopped_by: Option<u8>,
}

/// What comes after a step.
enum Next {
    /// Decide again.
    Again,
    /// It is over.
    End(Outcome),
}

impl Shell {
    pub(super) fn new(eyes: Eyes, signals: Signals, wish: Wish) -> Self {
        Self { eyes, signals, wish, stopped_by: None }
    }

    /// Plans, asks, and carries the plan out.
    ///
    /// # Errors
    /// What keeps it from going on.
    pub(super) async fn run(mut self) -> Result<ExitCode, Error> {
        self.until_observed().await?;
        let (mut run, mut teller) = self.plan().await?;
        let outcome = match self.permission(&run, &teller).await? {
            Some(outcome) => outcome,
            None if self.wish.mode == Mode::Trial => self.rehearse(&mut run, &mut teller).await?,
            None => self.carry_out(&mut run, &mut teller).await?,
        };
        teller.end(&run, &outcome, Timestamp::now())?;
        Ok(self.exit_code(&run, &outcome))
    }

    /// A template that was applied a moment ago has no revision yet.
    async fn until_observed(&mut self) -> Result<(), Error> {
        let begun = Timestamp::now();
        loop {
            let seen = Look::at(self.eyes.snapshot(), |look| {
                check_strategy(look, &self.wish.policy)?;
                Ok::<_, Error>((look.is_observed(), not_observed(look.coverage)))
            });
            let (is_observed, missing) = seen.ok_or_else(|| self.gone())??;
            if is_observed {
                return Ok(());
            }
            if Timestamp::now().duration_since(begun) > OBSERVED {
                return Err(missing);
            }
            let seen = tokio::select! {
                seen = self.eyes.wait(None) => seen?,
                code = self.signals.next() => return Err(Error::Interrupted { code }),
            };
            if seen == Seen::Missed {
                self.eyes.refresh().await?;
            }
        }
    }

    /// Shows the plan.
    async fn plan(&mut self) -> Result<(Run, Teller), Error> {
        let budgets = match self.wish.policy.removal {
            Removal::Evict => self.disruption_budgets().await?,
            Removal::Delete => Vec::new(),
        };
        let planned = Look::at(self.eyes.snapshot(), |look| {
            let (run, teller) = present(look, &self.wish)?;
            match barrier(look, &budgets).filter(|_| !run.entries().is_empty()) {
                Some(barrier) => {
                    let (message, hint) = barrier_in_words(&barrier);
                    Err(Error::Usage { message, hint })
                }
                None => Ok((run, teller)),
            }
        });
        planned.ok_or_else(|| self.gone())?
    }

    async fn disruption_budgets(&self) -> Result<Vec<PodDisruptionBudget>, Error> {
        let namespace = self.wish.request.namespace.clone().unwrap_or_default();
        match self.eyes.access.list::<PodDisruptionBudget>(&Scope::Namespace(namespace), None, None).await {
            Ok(listed) => Ok(listed.items),
            Err(error @ Error::Forbidden { .. }) => {
                terminal::note(&format!("{error}: a budget that never allows an eviction would not be noticed"));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the plan may be carried out; an outcome where it may not.
    async fn permission(&mut self, run: &Run, teller: &Teller) -> Result<Option<Outcome>, Error> {
        let Some(first) = run.entries().first() else {
            let is_plan = self.wish.mode == Mode::Plan;
            return Ok(Some(if is_plan { Outcome::Planned } else { Outcome::Finished }));
        };
        if self.wish.mode == Mode::Plan {
            return Ok(Some(Outcome::Planned));
        }
        // A lack of rights is said before anybody is asked, and before anything is removed.
        self.remove(&first.pod, None, true).await?;
        let Mode::Real { is_answered: false } = self.wish.mode else { return Ok(None) };
        // Who asks for documents is not shown the plan either.
        if self.wish.output.is_some() || !prompt::can_ask() {
            return Err(Error::Usage {
                message: "whether the pods may be replaced cannot be asked here: there is no terminal, or -o".into(),
                hint: "--yes answers beforehand; --dry-run=client shows the plan".into(),
            });
        }
        let is_yes = prompt::ask(&question(false, Summary::of(run), teller.place()), &mut self.signals).await?;
        Ok((!is_yes).then_some(Outcome::Declined))
    }

    /// Sends every removal as a dry run.
    async fn rehearse(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Outcome, Error> {
        let planned: Vec<(String, PodRef)> =
            run.entries().iter().map(|entry| (entry.node.clone(), entry.pod.clone())).collect();
        for (node, pod) in planned {
            let now = Timestamp::now();
            let news;
            let told = match self.remove(&pod, None, true).await? {
                Removed::Accepted => Told::WouldRemove { node: &node, pod: &pod },
                Removed::NotThere => Told::Remark("a pod of the plan is not there any more"),
                Removed::Changed { message } | Removed::NotNow { message, .. } | Removed::Denied { message } => {
                    run.begin(&node, &pod, now);
                    news = run.fail(&node, &message);
                    Told::News(&news)
                }
            };
            teller.event(told, None, run, now)?;
        }
        Ok(Outcome::Planned)
    }

    /// Step after step, to the end.
    async fn carry_out(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Outcome, Error> {
        // Some time went by since the plan.
        if let Next::End(outcome) = self.look_anew(run, teller).await? {
            return Ok(outcome);
        }
        let mut is_fresh = true;
        let mut is_begun = false;
        loop {
            let step = self.decide(run, teller, &mut is_begun)?;
            let next = match step {
                Step::Replace { .. } if !is_fresh => self.look_anew(run, teller).await?,
                Step::Replace { node, pod, unchanged } => {
                    self.replace(run, teller, &node, &pod, unchanged.as_deref()).await?;
                    self.look_anew(run, teller).await?
                }
                Step::Wait { until, .. } => {
                    is_fresh = false;
                    match self.wait(run, teller, until).await? {
                        Some(outcome) => Next::End(outcome),
                        None => continue,
                    }
                }
                Step::Ask => match self.ask_after_canary(run, teller).await? {
                    Some(outcome) => Next::End(outcome),
                    None => self.look_anew(run, teller).await?,
                },
                Step::Finish => Next::End(Outcome::Finished),
                Step::Halt(halt) => Next::End(Outcome::Halted { halt }),
            };
            match next {
                Next::Again => is_fresh = true,
                Next::End(outcome) => return Ok(outcome),
            }
        }
    }

    /// Asks the run what to do by what is seen, and tells what is new.
    fn decide(&mut self, run: &mut Run, teller: &mut Teller, is_begun: &mut bool) -> Result<Step, Error> {
        if teller.is_unheard() {
            // Who cannot be told of trouble is not to run into it.
            run.stop();
        }
        let trouble = self.eyes.trouble.as_deref();
        let decided = Look::at(self.eyes.snapshot(), |look| {
            if !std::mem::replace(is_begun, true) {
                teller.tell(Told::Began, Scene::of(look, run))?;
            }
            let (step, news) = run.next(Some(look));
            let scene = Scene::of(look, run);
            news.iter().try_for_each(|one| teller.tell(Told::News(one), scene))?;
            let waiting = match &step {
                Step::Wait { waiting, .. } => Some(waiting),
                _ => None,
            };
            teller.waits(waiting, trouble, scene)?;
            Ok(step)
        });
        decided.unwrap_or_else(|| Ok(run.next(None).0))
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

    /// Removes one pod, and remembers what became of it.
    async fn replace(
        &mut self,
        run: &mut Run,
        teller: &mut Teller,
        node: &str,
        pod: &PodRef,
        unchanged: Option<&str>,
    ) -> Result<(), Error> {
        let now = Timestamp::now();
        let (is_again, is_first) = (run.is_removing(node, pod), run.is_waiting(node));
        // Before it is sent: whatever becomes of the answer, the node is in work.
        run.begin(node, pod, now);
        if !is_again {
            let is_eviction = self.wish.policy.removal == Removal::Evict;
            teller.event(Told::Removing { node, pod, is_eviction }, None, run, now)?;
        }
        match self.remove(pod, unchanged, false).await? {
            Removed::Accepted | Removed::NotThere => {}
            Removed::Changed { message } => {
                teller.event(Told::Refused { node, message: &message }, None, run, now)?;
                // Of an earlier removal on the node something may come still.
                if is_first {
                    run.withdraw(node);
                }
            }
            Removed::NotNow { message, after } => {
                let usual = if self.wish.policy.removal == Removal::Evict { AGAIN } else { SOON };
                let wait = SignedDuration::try_from(after.unwrap_or(usual)).unwrap_or(SignedDuration::ZERO);
                let retry = now.saturating_add(wait.max(SignedDuration::from_secs(1))).unwrap_or(now);
                if !is_again {
                    teller.event(Told::Refused { node, message: &message }, None, run, now)?;
                }
                run.refuse(node, &message, retry);
            }
            Removed::Denied { message } => {
                let news = run.fail(node, &message);
                teller.event(Told::News(&news), None, run, now)?;
            }
        }
        Ok(())
    }

    async fn remove(&self, pod: &PodRef, version: Option<&str>, is_trial: bool) -> Result<Removed, Error> {
        let namespace = self.wish.request.namespace.as_deref().unwrap_or_default();
        let target = Target { namespace, name: &pod.name, uid: &pod.uid, version };
        match self.wish.policy.removal {
            Removal::Delete => self.eyes.access.delete_pod(target, is_trial).await,
            Removal::Evict => self.eyes.access.evict_pod(target, is_trial).await,
        }
    }

    /// Waits for a change; an outcome where a signal ends it.
    async fn wait(
        &mut self,
        run: &mut Run,
        teller: &mut Teller,
        until: Option<Timestamp>,
    ) -> Result<Option<Outcome>, Error> {
        let had_trouble = self.eyes.trouble.is_some();
        let seen = tokio::select! {
            seen = self.eyes.wait(until) => seen?,
            code = self.signals.next() => return self.stop(run, teller, code),
        };
        if let Some(trouble) = self.eyes.trouble.clone().filter(|_| !had_trouble) {
            teller.remark(&connection_lost(&trouble), run, Timestamp::now())?;
        }
        match seen {
            Seen::Missed => match self.look_anew(run, teller).await? {
                Next::Again => Ok(None),
                Next::End(outcome) => Ok(Some(outcome)),
            },
            Seen::Changed => Ok(None),
        }
    }

    /// The first signal begins no further node, the second one ends it.
    fn stop(&mut self, run: &mut Run, teller: &mut Teller, code: u8) -> Result<Option<Outcome>, Error> {
        if self.stopped_by.replace(code).is_some() {
            return Ok(Some(Outcome::Halted { halt: Halt::Interrupted }));
        }
        run.stop();
        teller.is_stopping = true;
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

    fn gone(&self) -> Error {
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
