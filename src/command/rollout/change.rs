//! Makes one change of a DaemonSet: for `rollout pause`, `rollout resume` and `rollout undo`.
//!
//! Each command makes a [`Change`] from a snapshot. [`ChangeRun`] then shows the plan, checks the permissions, asks,
//! acquires the lock, sends the patch, and waits until the controller has observed it. A sync of the controller that is
//! in progress may still delete pods by the old spec. The controller syncs a DaemonSet in one worker at a time, and
//! writes `status.observedGeneration` at the end of a sync (`pkg/controller/daemon/daemon_controller.go`
//! `syncDaemonSet`, `updateDaemonSetStatus`). So when the status has the new generation, every earlier sync has ended.

pub(crate) mod args;

use std::process::ExitCode;

use jiff::Timestamp;

use super::change_options::{ChangeMode, ChangeOptions};
use crate::cluster::access::Access;
use crate::command::args::OutputFormat;
use crate::command::lock::{self, AcquireEvent, Acquired, Clock, Hurry, Intent, LeaseClient, Lock, Wait};
use crate::command::watch_loop::connection_lost;
use crate::command::{print, prompt};
use crate::cycle::{LockHolder, LockStatus};
use crate::error::Error;
use crate::interrupt::{Signals, interruptible};
use crate::render::document::{DocumentOptions, Sequence};
use crate::render::rollout::change::{Report, plan, question, result};
use crate::render::{ListLength, ViewOptions, terminal};
use crate::rollout::{ChangeHalt, ChangeOutcome, ChangePlan, PlannedFrom, SpecChange};

/// A planned change.
pub(super) struct Change {
    pub(super) plan: ChangePlan,
    pub(super) change: SpecChange,
    pub(super) from: PlannedFrom,
    /// Objects that could not be read.
    pub(super) gaps: Vec<String>,
    /// The time of the objects.
    pub(super) as_of: Timestamp,
}

/// Writes the plan, unless a report follows at the end.
pub(super) fn show_plan(change: &Change, lock: Option<&LockStatus>, options: &ChangeOptions) -> Result<(), Error> {
    match &options.output {
        None => print(|out| plan(out, &change.plan, lock, view(change, options))).map(drop),
        Some(_) => Ok(()),
    }
}

fn view(change: &Change, options: &ChangeOptions) -> ViewOptions {
    ViewOptions::new(terminal::style(options.color, ListLength::Handful), change.as_of)
}

/// Writes how the command ended, or the report.
pub(super) fn show_result(
    change: &Change,
    outcome: &ChangeOutcome,
    lock: Option<&LockStatus>,
    options: &ChangeOptions,
    sequence: Sequence,
) -> Result<(), Error> {
    print(|out| match options.output.as_ref().and_then(OutputFormat::document) {
        None => Ok(result(out, &change.plan, outcome, view(change, options))?),
        Some(format) => {
            let report = Report::new(&change.plan, outcome, lock, &change.gaps, change.as_of);
            format.write(out, &report, DocumentOptions::new(sequence))
        }
    })
    .map(drop)
}

/// 0 if the change was made, planned, or not needed.
pub(super) fn exit_code(outcome: &ChangeOutcome, stopped_by: Option<u8>) -> ExitCode {
    match outcome {
        ChangeOutcome::Done | ChangeOutcome::Planned | ChangeOutcome::NotNeeded => ExitCode::SUCCESS,
        ChangeOutcome::Declined => ExitCode::from(1),
        ChangeOutcome::Halted { .. } => ExitCode::from(stopped_by.unwrap_or(1)),
    }
}

/// Makes a change of a DaemonSet on a live cluster.
pub(super) struct ChangeRun {
    pub(super) access: Access,
    pub(super) options: ChangeOptions,
    pub(super) change: Change,
    pub(super) signals: Signals,
    pub(super) clock: Clock,
    pub(super) lock_status: LockStatus,
    /// The exit code of the signal that stopped the command.
    pub(super) stopped_by: Option<u8>,
}

impl ChangeRun {
    /// Reads the status of the lock.
    pub(super) async fn new(access: Access, options: ChangeOptions, change: Change) -> Result<Self, Error> {
        let intent = if options.mode == ChangeMode::Plan { Intent::Plan } else { Intent::Acquire };
        let client = LeaseClient::new(&access, &change.plan.namespace, &change.plan.name);
        let lock_status = interruptible(lock::lock_status(&client, options.lock, intent)).await?;
        let (signals, clock) = (Signals::listen(), Clock::start());
        Ok(Self { access, options, change, signals, clock, lock_status, stopped_by: None })
    }

    /// Shows the plan, makes the change, and waits until the controller has observed it.
    pub(super) async fn run(mut self) -> Result<ExitCode, Error> {
        show_plan(&self.change, Some(&self.lock_status), &self.options)?;
        let outcome = match self.check_and_ask(None).await? {
            Some(outcome) => outcome,
            None => {
                let (outcome, lock) = self.make().await?;
                self.release(lock).await;
                outcome
            }
        };
        show_result(&self.change, &outcome, Some(&self.lock_status), &self.options, Sequence::First)?;
        Ok(exit_code(&outcome, self.stopped_by))
    }

    /// Checks the permission by a dry run, and asks for confirmation. Returns an outcome if nothing is to be changed.
    /// `nodes`: how many nodes the command replaces pods on itself.
    pub(super) async fn check_and_ask(&mut self, nodes: Option<usize>) -> Result<Option<ChangeOutcome>, Error> {
        let confirmed = match self.options.mode {
            ChangeMode::Plan => return Ok(Some(ChangeOutcome::Planned)),
            ChangeMode::ServerDryRun => None,
            ChangeMode::Execute { confirmed } => Some(confirmed),
        };
        interruptible(self.dry_run()).await?;
        let Some(confirmed) = confirmed else { return Ok(Some(ChangeOutcome::Planned)) };
        if let LockStatus::Unavailable { message, .. } = &self.lock_status {
            return Err(Error::NoLock { cause: message.clone() });
        }
        if confirmed {
            return Ok(None);
        }
        // With --output the plan is not printed, so there is nothing to confirm.
        if self.options.output.is_some() || !prompt::can_ask() {
            return Err(Error::Usage {
                message: "cannot ask for confirmation: standard input is not a terminal, or -o is set".into(),
                hint: "pass --yes to confirm, or --dry-run=client to print the plan only".into(),
            });
        }
        let is_yes = prompt::ask(&question(&self.change.plan, nodes), &mut self.signals).await?;
        Ok((!is_yes).then_some(ChangeOutcome::Declined))
    }

    /// Acquires the lock, makes the change, and waits until the controller has observed it. Returns the lock, which the
    /// caller releases.
    pub(super) async fn make(&mut self) -> Result<(ChangeOutcome, Option<Lock>), Error> {
        let lock = match self.acquire().await? {
            Ok(lock) => lock,
            Err(halt) => return Ok((ChangeOutcome::Halted { halt }, None)),
        };
        match self.write_and_wait(lock.as_ref()).await {
            Ok(outcome) => Ok((outcome, lock)),
            Err(error) => {
                if let Error::Interrupted { code } = error {
                    self.stopped_by = Some(code);
                }
                self.release(lock).await;
                Err(error)
            }
        }
    }

    /// Acquires the lock, unless `--no-lock` is set.
    async fn acquire(&mut self) -> Result<Result<Option<Lock>, ChangeHalt>, Error> {
        let Some(patience) = self.options.lock else { return Ok(Ok(None)) };
        let client = LeaseClient::new(&self.access, &self.change.plan.namespace, &self.change.plan.name);
        let mut is_reported = false;
        let report = |event: AcquireEvent<'_>| {
            match event {
                AcquireEvent::Waiting(LockHolder { holder, .. }) if !std::mem::replace(&mut is_reported, true) => {
                    terminal::note(&format!("waiting: another command holds the lock: {holder}"));
                }
                AcquireEvent::Waiting(_) => {}
                AcquireEvent::ConnectionLost(error) => terminal::note(&connection_lost(&error.to_string())),
            }
            Ok(Wait::Continue)
        };
        Ok(match lock::acquire(client, self.clock, patience, &mut self.signals, report).await? {
            Acquired::Lock(lock) => Ok(Some(lock)),
            Acquired::HeldBy(LockHolder { holder, since }) => Err(ChangeHalt::Locked { holder, since }),
            Acquired::Interrupted(code) => {
                self.stopped_by = code;
                Err(ChangeHalt::Interrupted)
            }
        })
    }

    /// Releases the lock.
    pub(super) async fn release(&mut self, lock: Option<Lock>) {
        let hurry = if self.stopped_by.is_some() { Hurry::Yes } else { Hurry::No };
        if let Some(code) = lock::release(lock, hurry, &mut self.signals).await {
            self.stopped_by.get_or_insert(code);
        }
    }
}
