//! A cycle as the second part of another command: it replaces the pods of one revision, under a lock that is already
//! held.

use std::process::ExitCode;

use jiff::Timestamp;

use super::args::CycleArgs;
use super::completeness;
use super::execution::Executor;
use super::node_hooks::check_cordon;
use super::observer::{self, Observer};
use super::options::{self, CycleOptions, from_args};
use super::reporter::Reporter;
use super::start::{check_watches, disruption_budgets};
use crate::cluster::access::Access;
use crate::cluster::delete::PodPrecondition;
use crate::cluster::lease::DryRun;
use crate::command::args::Global;
use crate::command::lock::{Clock, Hurry, Lock, release};
use crate::command::print;
use crate::cycle::{CycleOutcome, LockWait, Observation, Plan, PodRef, Policy, RemovalMethod, Run, pdb_conflict, plan};
use crate::error::Error;
use crate::interrupt::Signals;
use crate::load::Source;
use crate::render::cycle::{PlanView, barrier_in_words, plan as write_plan};
use crate::render::{ListLength, ViewOptions, terminal};
use crate::snapshot::Snapshot;

/// A cycle that another command runs.
pub(crate) struct CycleStage {
    options: CycleOptions,
    /// The hash of the revision whose pods are replaced; `None` if there is no such revision.
    bad: Option<String>,
}

impl CycleStage {
    /// # Errors
    /// As for `cycle`: a selector or node name matches no node.
    pub(crate) async fn from_args(args: CycleArgs, global: &Global, source: &Source) -> Result<Self, Error> {
        Ok(Self { options: from_args(args, global, source).await?, bad: None })
    }

    /// The same for the pods of the revision with this hash.
    pub(crate) fn for_revision(self, bad: Option<String>) -> Self {
        Self { bad, ..self }
    }

    /// What to do while another command holds the lock; `None` with `--no-lock`.
    pub(crate) fn lock(&self) -> Option<LockWait> {
        self.options.lock
    }

    /// Shows the plan for a snapshot, unless a report follows. Returns the number of nodes.
    ///
    /// # Errors
    /// Objects that the plan depends on could not be read.
    pub(crate) fn show_plan(&self, snapshot: &Snapshot) -> Result<usize, Error> {
        completeness::check(snapshot)?;
        let shown = self.with_plan(snapshot, |look, plan, policy| {
            if self.options.output.is_none() {
                let style = terminal::style(self.options.color, ListLength::Handful);
                let view =
                    PlanView { coverage: look.coverage, plan, policy, lock: None, history: None, with_diff: false };
                print(|out| {
                    use std::io::Write;
                    writeln!(out)?;
                    write_plan(out, view, ViewOptions::new(style, look.now))
                })?;
            }
            Ok(plan.nodes.len())
        });
        shown.unwrap_or(Ok(0))
    }

    /// Checks the permissions, and the PodDisruptionBudgets for `--evict`, before anything is changed.
    ///
    /// # Errors
    /// A permission is missing; a PodDisruptionBudget never allows an eviction.
    pub(crate) async fn check(&self, access: &Access, snapshot: &Snapshot) -> Result<(), Error> {
        let budgets = match self.options.policy.removal {
            RemovalMethod::Evict => disruption_budgets(access, &self.options).await?,
            RemovalMethod::Delete => Vec::new(),
        };
        let first = self.with_plan(snapshot, |look, plan, _| {
            let conflict = pdb_conflict(look, &budgets).filter(|_| !plan.nodes.is_empty());
            match conflict.map(|conflict| barrier_in_words(&conflict)) {
                Some((message, hint)) => Err(Error::Usage { message, hint }),
                None => Ok(plan.nodes.first().map(|planned| (planned.node.to_owned(), planned.pod.clone()))),
            }
        });
        match first.transpose()?.flatten() {
            Some((node, pod)) => {
                check_watches(access, &self.options).await?;
                check_cordon(access, &self.options, &node).await?;
                self.dry_run(access, &pod).await
            }
            None => Ok(()),
        }
    }

    /// Sends the removal of a pod as a dry run, which reports a missing permission.
    async fn dry_run(&self, access: &Access, pod: &PodRef) -> Result<(), Error> {
        let (namespace, _) = self.options.daemon_set();
        let target = PodPrecondition { namespace, name: &pod.name, uid: &pod.uid, version: None };
        match self.options.policy.removal {
            RemovalMethod::Delete => access.delete_pod(target, DryRun::Server).await?,
            RemovalMethod::Evict => access.evict_pod(target, DryRun::Server).await?,
        };
        Ok(())
    }

    /// Calls `see` with the plan for the nodes of the revision; `None` without a DaemonSet.
    fn with_plan<T>(
        &self,
        snapshot: &Snapshot,
        see: impl FnOnce(&Observation<'_>, &Plan<'_>, &Policy) -> Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        Observation::at(snapshot, &[], |look| {
            let mut policy = self.options.policy.clone();
            policy.restrict_to(look.nodes_with_revision(self.bad.as_deref()));
            let plan = plan(look, &policy).ok_or_else(|| observer::not_observed(look.coverage))?;
            see(look, &plan, &policy)
        })
    }

    /// Replaces the pods of the revision, and releases the lock.
    pub(crate) async fn run(
        self,
        access: Access,
        mut signals: Signals,
        clock: Clock,
        lock: Option<Lock>,
    ) -> Result<ExitCode, Error> {
        let Self { options, bad } = self;
        let opened = tokio::select! {
            opened = Observer::open(access, options.request.clone(), &options.required, clock) => opened,
            code = signals.next() => Err(Error::Interrupted { code }),
        };
        let observer = match opened {
            Ok(observer) => observer,
            Err(error) => {
                release(lock, Hurry::Yes, &mut signals).await;
                return Err(error);
            }
        };
        let mut executor = Executor::new(observer, signals, options, clock);
        executor.lock = lock;
        let result = executor.replace_revision(bad.as_deref()).await;
        let lock = executor.lock.take();
        executor.release(lock).await;
        result
    }
}

impl Executor {
    /// Plans for the nodes with this revision, executes the plan, and reports the outcome.
    async fn replace_revision(&mut self, bad: Option<&str>) -> Result<ExitCode, Error> {
        self.until_observed().await?;
        let planned = self.observer.observe(|look| {
            options::check_strategy(look, &self.options.policy)?;
            let mut policy = self.options.policy.clone();
            policy.restrict_to(look.nodes_with_revision(bad));
            let plan = plan(look, &policy).ok_or_else(|| observer::not_observed(look.coverage))?;
            let reporter = Reporter::new(&self.options, look.coverage, None);
            Ok::<_, Error>((Run::new(&plan, look, policy), reporter))
        });
        let (mut run, mut reporter) = planned.ok_or_else(|| self.gone())??;
        let outcome = match run.tasks().is_empty() {
            true => CycleOutcome::Finished,
            false => self.carry_out_to_the_end(&mut run, &mut reporter).await?,
        };
        reporter.end(&run, &outcome, &self.cordoned, Timestamp::now())?;
        Ok(self.exit_code(&run, &outcome))
    }
}
