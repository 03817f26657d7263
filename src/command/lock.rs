//! The lock of a DaemonSet, which every command acquires before it changes the DaemonSet or deletes its pods: `cycle`,
//! `rollout pause`, `rollout resume` and `rollout undo`.
//!
//! [`lock_status`] reads it for a plan, [`acquire`] waits for it, [`confirm`] renews it before a write, and [`release`]
//! deletes its Lease. The rules are in [`crate::cycle`] (`lock`), the requests in `lease_keeper`.

pub(crate) mod args;
mod lease_keeper;

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::cycle::{Held, LockHolder, LockLoss, LockStatus, LockWait};
use crate::error::Error;
use crate::interrupt::Signals;
use crate::render::terminal;

pub(crate) use lease_keeper::{Acquisition, Clock, Confirmed, LEASE_LABEL, LeaseClient, Lock, LockAcquirer, sighting};

/// The interval between checks of a lock that another command holds.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// The delay before a failed request is sent again.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// The time limit for the release; a Lease that is not released expires.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// The time limit for the release after a signal.
const HURRIED_RELEASE_LIMIT: Duration = Duration::from_secs(1);

/// Whether the command is going to acquire the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// It only shows a plan.
    Plan,
    /// It writes the Lease, so that the permissions are checked.
    Acquire,
}

/// The lock status for a plan. Permissions on Leases are checked only if the plan is to be executed. `wait` is `None`
/// with `--no-lock`.
///
/// # Errors
/// The API server did not respond, or rejected the credentials. A missing permission is a status.
pub(crate) async fn lock_status(
    client: &LeaseClient,
    wait: Option<LockWait>,
    intent: Intent,
) -> Result<LockStatus, Error> {
    if wait.is_none() {
        return Ok(LockStatus::Disabled);
    }
    let lease = client.full_name();
    let seen = async {
        let holder = client.holder().await?;
        if intent == Intent::Acquire {
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

/// The result of [`acquire`].
pub(crate) enum Acquired {
    Lock(Lock),
    /// Another command holds the lock, and the time limit has expired.
    HeldBy(LockHolder),
    /// A signal, by its exit code, or the closed output ended the wait.
    Interrupted(Option<u8>),
}

/// Why [`acquire`] waits.
pub(crate) enum AcquireEvent<'e> {
    /// Another command holds the lock.
    Waiting(LockHolder),
    /// The API server did not respond. Reported once.
    ConnectionLost(&'e Error),
}

/// Whether [`acquire`] continues to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Continue,
    /// The output is closed: end the wait.
    End,
}

/// Acquires the lock. `report` gets the reason for each wait.
///
/// # Errors
/// [`Error::NoLock`]: a request was rejected. An error of `report`.
pub(crate) async fn acquire(
    client: LeaseClient,
    clock: Clock,
    patience: LockWait,
    signals: &mut Signals,
    mut report: impl FnMut(AcquireEvent<'_>) -> Result<Wait, Error>,
) -> Result<Acquired, Error> {
    let mut acquirer = LockAcquirer::new(client, clock, patience);
    let mut is_reported = false;
    loop {
        let sought = tokio::select! {
            sought = acquirer.acquire() => sought,
            code = signals.next() => return Ok(leave(acquirer, code).await),
        };
        let (wait, pause) = match sought {
            Ok(Acquisition::Acquired(lock)) => return Ok(Acquired::Lock(lock)),
            Ok(Acquisition::GaveUp(holder)) => return Ok(Acquired::HeldBy(holder)),
            Ok(Acquisition::Waiting(holder)) => (report(AcquireEvent::Waiting(holder))?, LOOK_PERIOD),
            Err(error) if error.may_pass() => {
                let wait = match std::mem::replace(&mut is_reported, true) {
                    true => Wait::Continue,
                    false => report(AcquireEvent::ConnectionLost(&error))?,
                };
                (wait, RETRY_PERIOD)
            }
            Err(error) => return Err(Error::NoLock { cause: error.to_string() }),
        };
        if wait == Wait::End {
            return Ok(Acquired::Interrupted(None));
        }
        tokio::select! {
            () = sleep(pause) => {}
            code = signals.next() => return Ok(leave(acquirer, code).await),
        }
    }
}

/// Ends the wait for the lock on a signal. A canceled attempt may have acquired it.
async fn leave(acquirer: LockAcquirer, code: u8) -> Acquired {
    let _ = timeout(HURRIED_RELEASE_LIMIT, acquirer.give_back()).await;
    Acquired::Interrupted(Some(code))
}

/// Whether a write that takes at most `needed` is protected by the lock.
pub(crate) enum Protection {
    /// There is no lock (`--no-lock`), or it was renewed just now and is in this state.
    Valid(Option<Held>),
    Lost(LockLoss),
    /// It could not be renewed.
    NotRenewed(Error),
}

/// Renews the lock for a write that takes at most `needed`.
pub(crate) async fn confirm(lock: Option<&Lock>, clock: Clock, needed: Duration) -> Protection {
    let Some(lock) = lock else { return Protection::Valid(None) };
    let is_valid = |held: &Held| held.is_valid_for(needed, clock.now());
    match lock.confirm().await {
        Confirmed::Held(held) if is_valid(&held) => Protection::Valid(Some(held)),
        Confirmed::Held(_) => {
            Protection::NotRenewed(Error::NoLock { cause: "the API server responded too slowly".to_owned() })
        }
        Confirmed::Lost(loss) => Protection::Lost(loss),
        Confirmed::Unknown(error) => Protection::NotRenewed(error),
    }
}

/// Whether a signal has already ended the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hurry {
    No,
    Yes,
}

/// Releases the lock. Returns the exit code of a signal that ends the wait for the release.
pub(crate) async fn release(lock: Option<Lock>, hurry: Hurry, signals: &mut Signals) -> Option<u8> {
    let lock = lock?;
    let limit = match hurry {
        Hurry::Yes => HURRIED_RELEASE_LIMIT,
        Hurry::No => RELEASE_LIMIT,
    };
    let released = tokio::select! {
        released = timeout(limit, lock.release()) => released,
        code = signals.next() => return Some(code),
    };
    let why = match released {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the API server did not respond in time".to_owned(),
    };
    terminal::note(&format!("cannot release the lock, it will expire: {why}"));
    None
}
