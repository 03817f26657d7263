//! Acquires the lock before the first delete, confirms it before each one, and releases it at the end.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::execution::{Executor, RELIST_DELAY};
use super::lease_keeper::{Acquisition, Clock, Confirmed, LeaseClient, Lock, LockAcquirer};
use super::observer::is_fresh;
use super::options::Mode;
use super::reporter::{EventContext, Reporter};
use crate::cluster::delete::REMOVAL_LIMIT;
use crate::command::watch_loop::connection_lost;
use crate::cycle::{
    CycleOutcome, HaltReason, Held, LEASE_DURATION, LockHolder, LockLoss, LockStatus, Moment, Run, WaitReason,
};
use crate::error::Error;
use crate::render::cycle::ReportEvent;
use crate::render::terminal;

/// The interval between checks of a lock that another run holds.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// The time limit for the release; a Lease that is not released expires.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// The time limit for the release after a signal.
const HURRIED_RELEASE_LIMIT: Duration = Duration::from_secs(1);

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
        let namespace = self.options.request.namespace.as_deref().unwrap_or_default();
        let name = self.options.request.names.first().map_or("", |name| name.name.as_str());
        LeaseClient::new(&self.observer.access, namespace, name)
    }

    /// The lock status for the plan. Permissions on Leases are checked only if the plan is to be executed.
    pub(super) async fn lock_status(&self) -> Result<LockStatus, Error> {
        if self.options.lock.is_none() {
            return Ok(LockStatus::Disabled);
        }
        let client = self.lease_client();
        let lease = client.full_name();
        let seen = async {
            let holder = client.holder().await?;
            if self.options.mode != Mode::Plan {
                client.check_permissions().await?;
            }
            Ok(holder)
        };
        match seen.await {
            Ok(None) => Ok(LockStatus::Free { lease }),
            Ok(Some(LockHolder { holder, since })) => Ok(LockStatus::Held { lease, holder, since }),
            Err(error) if error.may_pass() => Err(error),
            Err(error @ Error::Unauthorized { .. }) => Err(error),
            Err(error) => Ok(LockStatus::Unavailable { lease, message: error.to_string() }),
        }
    }

    /// Acquires the lock, unless `--no-lock` is set. Returns an outcome if the run ends here.
    pub(super) async fn acquire(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
    ) -> Result<Option<CycleOutcome>, Error> {
        let Some(patience) = self.options.lock else { return Ok(None) };
        let mut seeker = LockAcquirer::new(self.lease_client(), self.clock, patience);
        let mut is_reported = false;
        loop {
            let sought = tokio::select! {
                sought = seeker.acquire() => sought,
                code = self.signals.next() => return self.leave(seeker, code).await,
            };
            let wait = match sought {
                Ok(Acquisition::Acquired(lock)) => {
                    self.lock = Some(lock);
                    return Ok(None);
                }
                Ok(Acquisition::GaveUp(holder)) => {
                    return Ok(Some(CycleOutcome::Halted { halt: HaltReason::locked(holder) }));
                }
                Ok(Acquisition::Waiting(holder)) => {
                    self.report_holder(holder, run, reporter)?;
                    LOOK_PERIOD
                }
                Err(error) if error.may_pass() => {
                    if !std::mem::replace(&mut is_reported, true) {
                        reporter.connection_note(&connection_lost(&error.to_string()), run, Timestamp::now())?;
                    }
                    RELIST_DELAY
                }
                Err(error) => return Err(Error::NoLock { cause: error.to_string() }),
            };
            if reporter.is_output_closed() {
                return Ok(Some(CycleOutcome::Halted { halt: HaltReason::Interrupted }));
            }
            tokio::select! {
                () = sleep(wait) => {}
                code = self.signals.next() => return self.leave(seeker, code).await,
            }
        }
    }

    /// Ends the wait for the lock on a signal: no node is in progress.
    async fn leave(&mut self, seeker: LockAcquirer, code: u8) -> Result<Option<CycleOutcome>, Error> {
        self.stopped_by = Some(code);
        let _ = timeout(HURRIED_RELEASE_LIMIT, seeker.give_back()).await;
        Ok(Some(CycleOutcome::Halted { halt: HaltReason::Interrupted }))
    }

    fn report_holder(&self, holder: LockHolder, run: &Run, reporter: &mut Reporter) -> Result<(), Error> {
        let waiting = WaitReason::Lock(holder);
        let event = self.observer.observe(|observation| {
            let mut context = EventContext::new(observation, run);
            context.now = Timestamp::now();
            reporter.emit_waiting(Some(&waiting), None, context)
        });
        event.unwrap_or(Ok(()))
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
        let Some(lock) = lock else { return };
        let is_hurried = self.stopped_by.is_some();
        let limit = if is_hurried { HURRIED_RELEASE_LIMIT } else { RELEASE_LIMIT };
        let released = tokio::select! {
            released = timeout(limit, lock.release()) => released,
            code = self.signals.next() => {
                self.stopped_by.get_or_insert(code);
                return;
            }
        };
        let why = match released {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the API server did not respond in time".to_owned(),
        };
        terminal::note(&format!("cannot release the lock, it will expire: {why}"));
    }
}

/// Waits until the lock is lost; forever if there is no lock or the loss is already known.
pub(super) async fn lost(lock: &mut Option<Lock>, is_known: bool) -> LockLoss {
    match lock {
        Some(lock) if !is_known => lock.lost().await,
        Some(_) | None => std::future::pending().await,
    }
}
