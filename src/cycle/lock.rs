//! The lock of a run: a Lease that only one run of a DaemonSet holds at a time.
//!
//! The rules are those of client-go's leader election (`tools/leaderelection/leaderelection.go` `tryAcquireOrRenew`,
//! `isLeaseValid`, at v0.36.3). No clock of another machine is read: a Lease has expired when this process has seen no
//! change of it for the duration that it states. Two rules differ, because what the lock guards is a removal:
//! - A run that lost the lock never takes it back: another run may have removed pods in between.
//! - A run that does not wait for the lock still looks at it for as long as a Lease lasts, or until the holder renews it:
//!   the Lease of a process that was killed looks like any other at first.
//!
//! [`Candidate`] decides how to get the lock, [`Held`] whether it is still held. Both get what the Lease states as a
//! [`LockRecord`] and the time as a [`Moment`]; the requests are sent elsewhere.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// For how long a Lease is valid after it was renewed last: client-go's default `LeaseDuration`.
pub(crate) const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How often the holder renews it: client-go's default `RetryPeriod`.
pub(crate) const RENEW_PERIOD: Duration = Duration::from_secs(2);

/// How long a run that does not wait looks for a renewal. Longer than a Lease lasts, as the first look comes later than
/// the start.
const OBSERVATION: Duration = LEASE_DURATION.saturating_add(RENEW_PERIOD.saturating_mul(2));

/// A moment on two clocks. A clock that only runs forward may stand still while the machine is suspended; the wall clock
/// runs on then, and may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The time that the process has run.
    pub(crate) uptime: Duration,
    /// The wall clock.
    pub(crate) wall: Timestamp,
}

impl Moment {
    /// No less time than this has passed since then.
    pub(crate) fn at_least_since(self, then: Self) -> Duration {
        self.uptime.saturating_sub(then.uptime)
    }

    /// No more time than this has passed since then, unless the wall clock was set back during a suspend.
    pub(crate) fn at_most_since(self, then: Self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(then.wall)).unwrap_or(Duration::ZERO);
        wall.max(self.at_least_since(then))
    }
}

/// Who holds a Lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LockHolder {
    /// Its `holderIdentity`: host, process, and a random number.
    pub(crate) holder: String,
    /// Its `acquireTime`, by the holder's clock.
    pub(crate) since: Option<Timestamp>,
}

/// What a Lease states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockRecord {
    /// None where the holder is empty: it was released.
    pub(crate) holder: Option<LockHolder>,
    /// For how long it is valid without a renewal.
    pub(crate) duration: Duration,
    /// Which state of the object this is; another one after each write.
    pub(crate) version: String,
}

/// What to do while another run holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockPatience {
    /// Give up as soon as it is clear that the holder is alive.
    GiveUp,
    /// Wait until it is free.
    Wait,
    /// Wait for this long at most.
    WaitFor(Duration),
}

/// A run that wants the lock.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    identity: String,
    patience: LockPatience,
    began: Moment,
    /// The last state of the Lease, and when it was seen first.
    observed: Option<(String, Moment)>,
}

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Create the Lease.
    Create,
    /// Write itself into the Lease as it was seen: it is free, it has expired, or the candidate is its holder.
    Update,
    /// Look again in a while.
    Wait(LockHolder),
    /// Leave it to the holder.
    GiveUp(LockHolder),
}

impl Candidate {
    /// A candidate with an identity that no other process has.
    pub(crate) fn new(identity: String, patience: LockPatience, now: Moment) -> Self {
        Self { identity, patience, began: now, observed: None }
    }

    /// Decides by the Lease as it was read just now; none where there is none.
    pub(crate) fn next(&mut self, record: Option<&LockRecord>, now: Moment) -> Attempt {
        let Some(record) = record else {
            self.observed = None;
            return Attempt::Create;
        };
        let Some(holder) = record.holder.as_ref().filter(|holder| holder.holder != self.identity) else {
            return Attempt::Update;
        };
        let (is_changed, since) = match &self.observed {
            Some((version, since)) if *version == record.version => (false, *since),
            before => (before.is_some(), now),
        };
        self.observed = Some((record.version.clone(), since));
        if now.at_least_since(since) >= record.duration {
            return Attempt::Update;
        }
        let waited = now.at_least_since(self.began);
        let gives_up = match self.patience {
            LockPatience::GiveUp => is_changed || waited >= OBSERVATION,
            LockPatience::Wait => false,
            LockPatience::WaitFor(limit) => waited >= limit,
        };
        if gives_up { Attempt::GiveUp(holder.clone()) } else { Attempt::Wait(holder.clone()) }
    }
}

/// Why a lock is not held any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LockLoss {
    /// The Lease is gone: somebody deleted it, or another run took it over and has ended since.
    Deleted,
    /// The Lease has no holder: somebody cleared it.
    Cleared,
    /// Another holder is in the Lease.
    TakenOver(LockHolder),
}

/// The lock as its holder knows it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    identity: String,
    renewed: Moment,
}

impl Held {
    /// Acquired by a request that was sent at this moment.
    pub(crate) fn new(identity: String, sent: Moment) -> Self {
        Self { identity, renewed: sent }
    }

    /// Renewed by a request that was sent at this moment.
    pub(crate) fn renew(&mut self, sent: Moment) {
        self.renewed = sent;
    }

    /// Whether nobody can have taken the lock over so far, nor will for this long.
    pub(crate) fn is_valid_for(&self, needed: Duration, now: Moment) -> bool {
        now.at_most_since(self.renewed).saturating_add(needed) <= LEASE_DURATION
    }

    /// Whether the Lease, as it was read just now, is still this holder's. One that expired while nobody took it still is:
    /// no other run held it meanwhile, or its holder would be another one.
    ///
    /// # Errors
    /// How it was lost.
    pub(crate) fn check(&self, record: Option<&LockRecord>) -> Result<(), LockLoss> {
        let record = record.ok_or(LockLoss::Deleted)?;
        match &record.holder {
            Some(holder) if holder.holder == self.identity => Ok(()),
            Some(holder) => Err(LockLoss::TakenOver(holder.clone())),
            None => Err(LockLoss::Cleared),
        }
    }
}

/// The lock of a DaemonSet when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all_fields = "camelCase")]
pub(crate) enum LockStatus {
    /// Nobody holds it.
    Free {
        /// The Lease.
        lease: String,
    },
    /// Somebody holds it, or held it when it was killed.
    Held {
        /// The Lease.
        lease: String,
        /// The holder's identity.
        holder: String,
        /// Since when, by the holder's clock.
        since: Option<Timestamp>,
    },
    /// The Lease may not be read or written.
    Unavailable {
        /// The Lease.
        lease: String,
        /// Why.
        message: String,
    },
    /// The user does not want a lock.
    Disabled,
}

/// The longest name of an object: a DNS subdomain.
const LONGEST_NAME: usize = 253;

/// The name of a DaemonSet's Lease: valid for every valid name of a DaemonSet, and no two have the same. One that would
/// be too long ends in a hash, and has a dot where the others have a dash.
pub(crate) fn lease_name(daemon_set: &str) -> String {
    const PREFIX: &str = "kubectl-ds-cycle";
    let name = format!("{PREFIX}-{daemon_set}");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let hash = format!("{:032x}", fnv_1a(daemon_set.as_bytes()));
    let room = LONGEST_NAME - PREFIX.len() - hash.len() - 2;
    let beginning: String = daemon_set.chars().take(room).collect();
    let beginning = beginning.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{PREFIX}.{beginning}-{hash}")
}

/// FNV-1a with 128 bits: the same on every machine and in every version, which a standard hasher is not.
fn fnv_1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests;
