//! Holds the lock from before the first removal to the end.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::lease_keeper::{Confirmed, LeaseClient, Lock, Seeker, Sought};
use super::policy::Mode;
use super::shell::{RELOAD, Shell};
use super::teller::{Scene, Teller};
use crate::cluster::remove::REMOVAL_LIMIT;
use crate::command::watching::connection_lost;
use crate::cycle::{Halt, LEASE_DURATION, LockHolder, LockLoss, LockStatus, Look, Outcome, Run, Waiting};
use crate::error::Error;
use crate::render::cycle::Told;
use crate::render::terminal;

/// How often a lock that another run holds is looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// How long the release may take; a Lease that was not released expires.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// The same where the user does not want to wait.
const HURRIED_RELEASE_LIMIT: Duration = Duration::from_secs(1);

/// A renewal that took longer leaves too little time for a removal.
const LATEST_RENEWAL: Duration = LEASE_DURATION.saturating_sub(REMOVAL_LIMIT);

/// Whether a pod may be removed now.
pub(super) enum Permit {
    /// Yes.
    Granted,
    /// Not by what was seen: look again.
    LookAgain,
    /// It is over.
    End(Outcome),
}

impl Shell {
    fn lease_client(&self) -> LeaseClient {
        let namespace = self.wish.request.namespace.as_deref().unwrap_or_default();
        let name = self.wish.request.names.first().map_or("", String::as_str);
        LeaseClient::new(&self.eyes.access, namespace, name)
    }

    /// The lock before the plan is shown. Rights are tried only by who is to use them.
    pub(super) async fn lock_status(&self) -> Result<LockStatus, Error> {
        if self.wish.lock.is_none() {
            return Ok(LockStatus::Disabled);
        }
        let client = self.lease_client();
        let lease = client.full_name();
        let seen = async {
            let holder = client.holder().await?;
            if self.wish.mode != Mode::Plan {
                client.check_rights().await?;
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

    /// Gets the lock, if one is wanted; an outcome where that is the end.
    pub(super) async fn acquire(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Option<Outcome>, Error> {
        let Some(patience) = self.wish.lock else { return Ok(None) };
        let mut seeker = Seeker::new(self.lease_client(), self.clock, patience);
        let mut is_told = false;
        loop {
            let sought = tokio::select! {
                sought = seeker.seek() => sought,
                code = self.signals.next() => return self.leave(seeker, code).await,
            };
            let wait = match sought {
                Ok(Sought::Acquired(lock)) => {
                    self.lock = Some(lock);
                    return Ok(None);
                }
                Ok(Sought::GaveUp(holder)) => return Ok(Some(Outcome::Halted { halt: Halt::locked(holder) })),
                Ok(Sought::Waits(holder)) => {
                    self.tell_of_holder(holder, run, teller)?;
                    LOOK_PERIOD
                }
                Err(error) if error.may_pass() => {
                    if !std::mem::replace(&mut is_told, true) {
                        teller.remark(&connection_lost(&error.to_string()), run, Timestamp::now())?;
                    }
                    RELOAD
                }
                Err(error) => return Err(Error::NoLock { cause: error.to_string() }),
            };
            if teller.is_unheard() {
                return Ok(Some(Outcome::Halted { halt: Halt::Interrupted }));
            }
            tokio::select! {
                () = sleep(wait) => {}
                code = self.signals.next() => return self.leave(seeker, code).await,
            }
        }
    }

    /// Stopped while it waits for the lock: nothing is in work.
    async fn leave(&mut self, seeker: Seeker, code: u8) -> Result<Option<Outcome>, Error> {
        self.stopped_by = Some(code);
        let _ = timeout(HURRIED_RELEASE_LIMIT, seeker.give_back()).await;
        Ok(Some(Outcome::Halted { halt: Halt::Interrupted }))
    }

    fn tell_of_holder(&self, holder: LockHolder, run: &Run, teller: &mut Teller) -> Result<(), Error> {
        let waiting = Waiting::Lock(holder);
        let told = Look::at(self.eyes.snapshot(), |look| {
            let mut scene = Scene::of(look, run);
            scene.now = Timestamp::now();
            teller.waits(Some(&waiting), None, scene)
        });
        told.unwrap_or(Ok(()))
    }

    /// Has the lock renewed: only then a removal is allowed, and only at once.
    pub(super) async fn permit(&mut self, run: &mut Run, teller: &mut Teller) -> Result<Permit, Error> {
        let Some(lock) = &self.lock else {
            return Ok(if self.may_remove() { Permit::Granted } else { Permit::LookAgain });
        };
        let confirmed = tokio::select! {
            confirmed = lock.confirm() => confirmed,
            code = self.signals.next() => return Ok(match self.stop(run, teller, code)? {
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
                let (server, seconds) = (self.eyes.access.server().to_owned(), LATEST_RENEWAL.as_secs_f64());
                self.not_renewed(&Error::Timeout { server, seconds }, run, teller).await
            }
            Confirmed::Lost(loss) => {
                self.lose(&loss, run, teller)?;
                Ok(Permit::LookAgain)
            }
            Confirmed::Unknown(error) => self.not_renewed(&error, run, teller).await,
        }
    }

    /// Whether a removal that is sent now ends while the lock is valid, and follows from what was seen a moment ago. A
    /// suspend may lie between a permit and its use.
    pub(super) fn may_remove(&self) -> bool {
        let is_locked = match (&self.lock, &self.held) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(held)) => held.is_valid_for(REMOVAL_LIMIT, self.clock.now()),
        };
        is_locked && self.eyes.is_fresh()
    }

    /// The lock could not be renewed: nothing is removed until it is.
    async fn not_renewed(&mut self, error: &Error, run: &mut Run, teller: &mut Teller) -> Result<Permit, Error> {
        let now = self.clock.now();
        let is_first = self.unconfirmed_since.is_none();
        let since = *self.unconfirmed_since.get_or_insert(now);
        let limit = Duration::try_from(self.wish.policy.node_timeout).unwrap_or(Duration::MAX);
        if !error.may_pass() || now.at_most_since(since) >= limit {
            run.stop(Halt::LockNotRenewed { message: error.to_string() });
            return Ok(Permit::LookAgain);
        }
        if is_first {
            let text = format!("the lock was not renewed, so no pod is removed; trying again: {error}");
            teller.remark(&text, run, Timestamp::now())?;
        }
        tokio::select! {
            () = sleep(RELOAD) => Ok(Permit::LookAgain),
            code = self.signals.next() => Ok(match self.stop(run, teller, code)? {
                Some(outcome) => Permit::End(outcome),
                None => Permit::LookAgain,
            }),
        }
    }

    /// Begins no further node.
    pub(super) fn lose(&mut self, loss: &LockLoss, run: &mut Run, teller: &mut Teller) -> Result<(), Error> {
        self.is_lock_lost = true;
        run.stop(Halt::lock_lost(loss.clone()));
        teller.lose_lock(loss);
        teller.event(Told::LockLost(loss), None, run, Timestamp::now())
    }

    /// Gives the lock back. A second signal is not kept waiting for it.
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
            Err(_) => "the API server did not answer in time".to_owned(),
        };
        terminal::note(&format!("the lock was not released, and expires by itself: {why}"));
    }
}

/// Waits until the lock is lost; for ever where there is none, or where that is known.
pub(super) async fn lost(lock: &mut Option<Lock>, is_known: bool) -> LockLoss {
    match lock {
        Some(lock) if !is_known => lock.lost().await,
        Some(_) | None => std::future::pending().await,
    }
}
