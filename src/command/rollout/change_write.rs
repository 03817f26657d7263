//! Sends the patch of a change, and waits until the controller has observed it.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::change::ChangeRun;
use crate::cluster::daemon_set::{MERGE_PATCH, PATCH_LIMIT, STRATEGIC_PATCH};
use crate::cluster::lease::{DryRun, Written};
use crate::command::lock::{self, Lock, Protection};
use crate::cycle::LockLoss;
use crate::error::Error;
use crate::render::terminal;
use crate::rollout::{ChangeHalt, ChangeOutcome, PatchType};

/// How often the patch is sent. The controller writes the status many times during a rollout, and each write between
/// the read and the patch is a conflict.
const TRIES: usize = 30;
/// The delay after a failed request.
const RETRY_PERIOD: Duration = Duration::from_millis(500);
/// The interval between reads of the status.
const POLL_PERIOD: Duration = Duration::from_millis(200);

/// The result of sending the patch.
enum Sent {
    /// The DaemonSet has this generation now.
    Changed { generation: i64 },
    /// A signal arrived before the patch was sent.
    Stopped,
}

impl ChangeRun {
    /// Sends the patch as a dry run: the API server checks permission, admission and validation.
    pub(super) async fn dry_run(&self) -> Result<(), Error> {
        for _ in 0..TRIES {
            let live = self.read().await?;
            self.check(&live, false)?;
            if let Written::Done(_) = self.patch(&live, DryRun::Server).await? {
                return Ok(());
            }
        }
        Err(self.busy())
    }

    /// Sends the patch, and waits until the controller has observed it.
    pub(super) async fn write_and_wait(&mut self, lock: Option<&Lock>) -> Result<ChangeOutcome, Error> {
        let (sent, stopped_by) = self.write_to_the_end(lock).await?;
        self.stopped_by = stopped_by;
        let halted = |halt| Ok(ChangeOutcome::Halted { halt });
        match (sent, stopped_by) {
            (Sent::Stopped, _) => halted(ChangeHalt::Interrupted),
            (Sent::Changed { .. }, Some(_)) => halted(ChangeHalt::InterruptedUnconfirmed),
            (Sent::Changed { generation }, None) => self.until_observed(generation).await,
        }
    }

    /// Sends the patch. The first signal stops before the next request, and the second one at once.
    async fn write_to_the_end(&mut self, lock: Option<&Lock>) -> Result<(Sent, Option<u8>), Error> {
        let is_stopped = Cell::new(false);
        // The signals are taken out, because `write` borrows everything else.
        let mut signals = std::mem::replace(&mut self.signals, crate::interrupt::Signals::listen());
        let mut stopped_by = None;
        let sent = {
            let mut write = pin!(self.write(lock, &is_stopped));
            loop {
                tokio::select! {
                    sent = &mut write => break sent,
                    code = signals.next() => {
                        if stopped_by.replace(code).is_some() {
                            break Err(Error::Interrupted { code });
                        }
                        is_stopped.set(true);
                    }
                }
            }
        };
        self.signals = signals;
        Ok((sent?, stopped_by))
    }

    async fn write(&self, lock: Option<&Lock>, is_stopped: &Cell<bool>) -> Result<Sent, Error> {
        // Whether a patch was sent and no response arrived.
        let mut is_open = false;
        let mut last = None;
        for _ in 0..TRIES {
            if is_stopped.get() && !is_open {
                return Ok(Sent::Stopped);
            }
            match self.try_once(lock, is_open).await {
                Ok(Some(sent)) => return Ok(sent),
                Ok(None) => {}
                Err((error, was_sent)) if error.may_pass() => {
                    is_open |= was_sent;
                    last = Some(error);
                    sleep(RETRY_PERIOD).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
        if is_open {
            terminal::note(unchanged(is_open));
        }
        Err(last.unwrap_or_else(|| self.busy()))
    }

    /// Reads the DaemonSet and sends the patch; `None` after a conflict. An error is returned with whether the patch was
    /// sent.
    async fn try_once(&self, lock: Option<&Lock>, is_open: bool) -> Result<Option<Sent>, (Error, bool)> {
        let not_sent = |error| (error, false);
        let held = match lock::confirm(lock, self.clock, PATCH_LIMIT).await {
            Protection::Valid(held) => held,
            Protection::Lost(loss) => {
                return Err(not_sent(Error::Changed { message: format!("{}: {}", lost(&loss), unchanged(is_open)) }));
            }
            Protection::NotRenewed(error) => return Err(not_sent(error)),
        };
        let live = self.read().await.map_err(not_sent)?;
        if is_open && self.change.change.is_done(&live) {
            return Ok(Some(Sent::Changed { generation: generation(&live) }));
        }
        self.check(&live, is_open).map_err(not_sent)?;
        if held.is_some_and(|held| !held.is_valid_for(PATCH_LIMIT, self.clock.now())) {
            // The read was slow, or the machine was suspended.
            return Ok(None);
        }
        match self.patch(&live, DryRun::None).await {
            Ok(Written::Done(changed)) => Ok(Some(Sent::Changed { generation: generation(&changed) })),
            Ok(Written::Conflict) => Ok(None),
            Err(error) => Err((error, true)),
        }
    }

    async fn read(&self) -> Result<Value, Error> {
        let plan = &self.change.plan;
        let live = self.access.daemon_set(&plan.namespace, &plan.name).await?;
        live.ok_or_else(|| Error::NotFound {
            message: format!("daemonset {:?} was deleted", plan.name),
            hint: "list the DaemonSets: kubectl get daemonsets -A".into(),
        })
    }

    /// `is_open`: whether a patch was sent and no response arrived.
    fn check(&self, live: &Value, is_open: bool) -> Result<(), Error> {
        self.change
            .from
            .check(live)
            .map_err(|why| Error::Changed { message: format!("{why} after the plan was made: {}", unchanged(is_open)) })
    }

    async fn patch(&self, live: &Value, dry_run: DryRun) -> Result<Written<Value>, Error> {
        let plan = &self.change.plan;
        let (patch_type, patch) = self.change.change.patch(live);
        let media_type = match patch_type {
            PatchType::Merge => MERGE_PATCH,
            PatchType::Strategic => STRATEGIC_PATCH,
        };
        self.access.patch_daemon_set(&plan.namespace, &plan.name, media_type, &patch, dry_run).await
    }

    fn busy(&self) -> Error {
        Error::Changed {
            message: format!("daemonset {:?} changes all the time: nothing was changed", self.change.plan.name),
        }
    }

    /// Waits until the controller has observed the generation.
    pub(super) async fn until_observed(&mut self, expected: i64) -> Result<ChangeOutcome, Error> {
        let deadline = Instant::now() + self.options.timeout;
        loop {
            let observed = match self.read().await {
                Ok(live) if observed_generation(&live) >= expected => return self.observed(&live),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            match observed {
                Err(error) if !error.may_pass() => return Err(error),
                _ if Instant::now() >= deadline => {
                    let seconds = self.options.timeout.as_secs();
                    return Ok(ChangeOutcome::Halted { halt: ChangeHalt::NotConfirmed { seconds } });
                }
                _ => {}
            }
            tokio::select! {
                () = sleep(POLL_PERIOD) => {}
                code = self.signals.next() => {
                    self.stopped_by = Some(code);
                    return Ok(ChangeOutcome::Halted { halt: ChangeHalt::InterruptedUnconfirmed });
                }
            }
        }
    }

    /// The outcome once the controller has observed the change, unless something else has reverted it meanwhile.
    fn observed(&self, live: &Value) -> Result<ChangeOutcome, Error> {
        match self.change.change.is_in_effect(live) {
            true => Ok(ChangeOutcome::Done),
            false => Err(Error::Changed {
                message: "the change was made, and something else has reverted it already".into(),
            }),
        }
    }
}

/// What is known of the change after an error.
fn unchanged(is_open: bool) -> &'static str {
    match is_open {
        true => "a request got no response, so the change may have been made",
        false => "nothing was changed",
    }
}

fn lost(loss: &LockLoss) -> String {
    match loss {
        LockLoss::TakenOver(holder) => format!("the lock was lost to {}", holder.holder),
        LockLoss::Deleted | LockLoss::Cleared => "the lock was lost: its Lease was deleted or cleared".to_owned(),
    }
}

fn generation(live: &Value) -> i64 {
    live["metadata"]["generation"].as_i64().unwrap_or_default()
}

fn observed_generation(live: &Value) -> i64 {
    live["status"]["observedGeneration"].as_i64().unwrap_or_default()
}
