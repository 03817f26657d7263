//! Acquires the lock before the first delete, confirms it before each one, and releases it at the end.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::execution::{Executor, RELIST_DELAY};
use super::observer::{Observer, is_fresh};
use super::options::Mode;
use super::reporter::{EventContext, Reporter};
use crate::cluster::delete::REMOVAL_LIMIT;
use crate::command::lock::{self, AcquireEvent, Acquired, Clock, Confirmed, Hurry, Intent, LeaseClient, Lock, Wait};
use crate::command::watch_loop::connection_lost;
use crate::cycle::{
    CycleOutcome, HaltReason, Held, LEASE_DURATION, LockHolder, LockLoss, LockStatus, Moment, Run, WaitReason,
};
use crate::error::Error;
use crate::render::cycle::ReportEvent;

/// A renewal that takes longer leaves too little time for a delete request.
const LATEST_RENEWAL: Duration = LEASE_DURATION.saturating_sub(REMOVAL_LIMIT);

/// Whether a pod may be deleted now.
pub(super) enum Permit {
    Granted,
    /// The observed state is outdated: list again.
    LookAgain,
    /// End the run.
    End(CycleOutcome),
}

/// On what the deletes of one decision depend: the lock and the lists.
pub(super) struct RemovalPermission {
    /// The last confirmed state of the lock; the outer `None` without a lock.
    held: Option<Option<Held>>,
    listed: Moment,
    clock: Clock,
}

impl RemovalPermission {
    /// Whether a delete may be sent now.
    pub(super) fn is_valid(&self) -> bool {
        let now = self.clock.now();
        let is_locked = match &self.held {
            None => true,
            Some(held) => held.as_ref().is_some_and(|held| held.is_valid_for(REMOVAL_LIMIT, now)),
        };
        is_locked && is_fresh(self.listed, now)
    }
}

impl Executor {
    fn lease_client(&self) -> LeaseClient {
        let (namespace, name) = self.options.daemon_set();
        LeaseClient::new(&self.observer.access, namespace, name)
    }

    /// The lock status for the plan. Permissions on Leases are checked only if the plan is to be executed.
    pub(super) async fn lock_status(&self) -> Result<LockStatus, Error> {
        let intent = if self.options.mode == Mode::Plan { Intent::Plan } else { Intent::Acquire };
        lock::lock_status(&self.lease_client(), self.options.lock, intent).await
    }

    /// Acquires the lock, unless `--no-lock` is set. Returns an outcome if the run ends here.
    pub(super) async fn acquire(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
    ) -> Result<Option<CycleOutcome>, Error> {
        let Some(patience) = self.options.lock else { return Ok(None) };
        let client = self.lease_client();
        let Self { observer, signals, clock, .. } = self;
        let report = |event: AcquireEvent<'_>| {
            match event {
                AcquireEvent::Waiting(holder) => report_holder(observer, holder, run, reporter)?,
                AcquireEvent::ConnectionLost(error) => {
                    reporter.connection_note(&connection_lost(&error.to_string()), run, Timestamp::now())?;
                }
            }
            Ok(if reporter.is_output_closed() { Wait::End } else { Wait::Continue })
        };
        match lock::acquire(client, *clock, patience, signals, report).await? {
            Acquired::Lock(lock) => {
                self.lock = Some(lock);
                Ok(None)
            }
            Acquired::HeldBy(holder) => Ok(Some(CycleOutcome::Halted { halt: HaltReason::locked(holder) })),
            Acquired::Interrupted(code) => {
                self.stopped_by = code.or(self.stopped_by);
                Ok(Some(CycleOutcome::Halted { halt: HaltReason::Interrupted }))
            }
        }
    }

    /// Renews the lock. Only a fresh renewal permits a delete, and only immediately.
    pub(super) async fn permit(&mut self, run: &mut Run, reporter: &mut Reporter) -> Result<Permit, Error> {
        let Some(lock) = &self.lock else {
            return Ok(if self.may_remove() { Permit::Granted } else { Permit::LookAgain });
        };
        let confirmed = tokio::select! {
            confirmed = lock.confirm() => confirmed,
            code = self.signals.next() => return Ok(match self.stop(run, reporter, code)? {
                Some(outcome) => Permit::End(outcome),
                None => Permit::LookAgain,
            }),
        };
        match confirmed {
            Confirmed::Held(held) if held.is_valid_for(REMOVAL_LIMIT, self.clock.now()) => {
                self.unconfirmed_since = None;
                self.held = Some(held);
                Ok(if self.may_remove() { Permit::Granted } else { Permit::LookAgain })
            }
            Confirmed::Held(_) => {
                let (server, seconds) = (self.observer.access.server().to_owned(), LATEST_RENEWAL.as_secs_f64());
                self.not_renewed(&Error::Timeout { server, seconds }, run, reporter).await
            }
            Confirmed::Lost(loss) => {
                self.lose(&loss, run, reporter)?;
                Ok(Permit::LookAgain)
            }
            Confirmed::Unknown(error) => self.not_renewed(&error, run, reporter).await,
        }
    }

    /// Whether a delete that is sent now completes while the lock is valid, and is based on recent lists. Checked again
    /// after a permit, because the machine may have been suspended in between.
    fn may_remove(&self) -> bool {
        self.removal_permission().is_valid()
    }

    /// The permission for the deletes of one decision.
    pub(super) fn removal_permission(&self) -> RemovalPermission {
        let held = self.lock.is_some().then(|| self.held.clone());
        RemovalPermission { held, listed: self.observer.listed(), clock: self.clock }
    }

    /// Handles a failed renewal: no pod is deleted until a renewal succeeds.
    async fn not_renewed(&mut self, error: &Error, run: &mut Run, reporter: &mut Reporter) -> Result<Permit, Error> {
        let now = self.clock.now();
        let is_first = self.unconfirmed_since.is_none();
        let since = *self.unconfirmed_since.get_or_insert(now);
        let limit = Duration::try_from(self.options.policy.node_timeout).unwrap_or(Duration::MAX);
        if !error.may_pass() || now.at_most_since(since) >= limit {
            run.stop(HaltReason::LockNotRenewed { message: error.to_string() });
            return Ok(Permit::LookAgain);
        }
        if is_first {
            let text = format!("cannot renew the lock, so no pod is deleted; retrying: {error}");
            reporter.connection_note(&text, run, Timestamp::now())?;
        }
        tokio::select! {
            () = sleep(RELIST_DELAY) => Ok(Permit::LookAgain),
            code = self.signals.next() => Ok(match self.stop(run, reporter, code)? {
                Some(outcome) => Permit::End(outcome),
                None => Permit::LookAgain,
            }),
        }
    }

    /// Handles the loss of the lock: no further node is started.
    pub(super) fn lose(&mut self, loss: &LockLoss, run: &mut Run, reporter: &mut Reporter) -> Result<(), Error> {
        self.is_lock_lost = true;
        run.stop(HaltReason::lock_lost(loss.clone()));
        reporter.lose_lock(loss);
        reporter.event(ReportEvent::LockLost(loss), None, run, Timestamp::now())
    }

    /// Releases the lock. A signal ends the wait for the release.
    pub(super) async fn release(&mut self, lock: Option<Lock>) {
        let hurry = if self.stopped_by.is_some() { Hurry::Yes } else { Hurry::No };
        if let Some(code) = lock::release(lock, hurry, &mut self.signals).await {
            self.stopped_by.get_or_insert(code);
        }
    }
}

fn report_holder(observer: &Observer, holder: LockHolder, run: &Run, reporter: &mut Reporter) -> Result<(), Error> {
    let waiting = WaitReason::Lock(holder);
    let event = observer.observe(|observation| {
        let mut context = EventContext::new(observation, run);
        context.now = Timestamp::now();
        reporter.emit_waiting(Some(&waiting), None, context)
    });
    event.unwrap_or(Ok(()))
}

/// Waits until the lock is lost; forever if there is no lock or the loss is already known.
pub(super) async fn lost(lock: &mut Option<Lock>, is_known: bool) -> LockLoss {
    match lock {
        Some(lock) if !is_known => lock.lost().await,
        Some(_) | None => std::future::pending().await,
    }
}
