//! The lock of a DaemonSet: a Lease that only one run holds at a time. A run is one `cycle`, `rollout pause`,
//! `rollout resume` or `rollout undo`.
//!
//! The rules are those of client-go's leader election (`tools/leaderelection/leaderelection.go` `tryAcquireOrRenew`,
//! `isLeaseValid`, at v0.36.3). They do not depend on the clocks of other machines: a Lease has expired if this process
//! has observed no change of it for its duration. Two rules differ, because the lock protects removals:
//! - A run that lost the lock does not acquire it again: another run may have removed pods in between.
//! - A run that does not wait for the lock still observes the Lease until it expires or its holder renews it. At first,
//!   the Lease of a killed process looks like any other.
//!
//! [`Candidate`] decides how to acquire the lock, and [`Held`] whether it is still held. Both get the content of the
//! Lease as a [`LockRecord`] and the time as a [`Moment`]. The requests are sent elsewhere.
//!
//! Example of why two runs never hold the lock together, with a duration of 15 s: A sends its last renewal at 10 s and
//! is suspended. B first observes this renewal at 11 s, sees no change for 15 s, and takes the Lease over at 26 s. A
//! counts from the moment at which it sent the renewal, with the wall clock during the suspend, and trusts the lock
//! until 25 s. A renewal is sent before it can be observed, so A always stops first. [`Held::is_valid_for`] also
//! reserves the time that the next request may take.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// How long a Lease is valid after its last renewal: client-go's default `LeaseDuration`.
pub(crate) const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How often the holder renews it: client-go's default `RetryPeriod`.
pub(crate) const RENEW_PERIOD: Duration = Duration::from_secs(2);

/// How long a run that does not wait for the lock observes the Lease. It is longer than the duration of a Lease,
/// because the Lease is first observed after the start.
const OBSERVATION: Duration = LEASE_DURATION.saturating_add(RENEW_PERIOD.saturating_mul(2));

/// A moment on two clocks. The monotonic clock may stop while the machine is suspended. The wall clock continues, but
/// may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The time since the start of the process, by the monotonic clock.
    pub(crate) uptime: Duration,
    pub(crate) wall: Timestamp,
}

impl Moment {
    /// At least this much time has passed since `then`: use it to prove that a Lease of another holder has expired.
    pub(crate) fn at_least_since(self, then: Self) -> Duration {
        self.uptime.saturating_sub(then.uptime)
    }

    /// At most this much time has passed since `then`, unless the wall clock was set back during a suspend: use it to
    /// prove that the own Lease is still valid.
    pub(crate) fn at_most_since(self, then: Self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(then.wall)).unwrap_or(Duration::ZERO);
        wall.max(self.at_least_since(then))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LockHolder {
    /// `holderIdentity`: host, process and a random number.
    pub(crate) holder: String,
    /// `acquireTime`, by the holder's clock.
    pub(crate) since: Option<Timestamp>,
}

/// The content of a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockRecord {
    /// `None` if the lock was released: the identity of the holder is empty.
    pub(crate) holder: Option<LockHolder>,
    /// `leaseDurationSeconds`: how long the Lease is valid without a renewal.
    pub(crate) duration: Duration,
    /// `resourceVersion`: it changes with each write.
    pub(crate) version: String,
}

/// What to do while another run has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockWait {
    /// Give up when it is certain that the holder is alive.
    GiveUp,
    /// Wait until the lock is free.
    Wait,
    /// Wait at most this long.
    WaitFor(Duration),
}

/// A run that tries to acquire the lock.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    identity: String,
    patience: LockWait,
    began: Moment,
    /// The last version of the Lease, and when it was first observed.
    observed: Option<(String, Moment)>,
}

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Create,
    /// Write the candidate as holder, with the observed version as precondition. The Lease is free, has expired, or
    /// names this candidate already.
    Update,
    /// Read the Lease again later.
    Wait(LockHolder),
    /// Stop trying: the holder keeps the lock.
    GiveUp(LockHolder),
}

impl Candidate {
    /// `identity` must be unique among all processes.
    pub(crate) fn new(identity: String, patience: LockWait, now: Moment) -> Self {
        Self { identity, patience, began: now, observed: None }
    }

    /// Decides by the Lease as read just now. `record` is `None` if the Lease does not exist.
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
            LockWait::GiveUp => is_changed || waited >= OBSERVATION,
            LockWait::Wait => false,
            LockWait::WaitFor(limit) => waited >= limit,
        };
        if gives_up { Attempt::GiveUp(holder.clone()) } else { Attempt::Wait(holder.clone()) }
    }
}

/// Why a lock is no longer held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LockLoss {
    /// The Lease was deleted, either by a user or by another run that took it over and has ended since.
    Deleted,
    /// The Lease has no holder: something cleared it.
    Cleared,
    /// The Lease has another holder.
    TakenOver(LockHolder),
}

/// The lock from the point of view of its holder.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    identity: String,
    renewed: Moment,
}

impl Held {
    /// The lock was acquired by a request that was sent at `sent`.
    pub(crate) fn new(identity: String, sent: Moment) -> Self {
        Self { identity, renewed: sent }
    }

    /// The lock was renewed by a request that was sent at `sent`.
    pub(crate) fn renew(&mut self, sent: Moment) {
        self.renewed = sent;
    }

    /// Whether it is certain that no other run has taken the lock over, nor can within `needed` from now.
    pub(crate) fn is_valid_for(&self, needed: Duration, now: Moment) -> bool {
        now.at_most_since(self.renewed).saturating_add(needed) <= LEASE_DURATION
    }

    /// Checks that the Lease as read just now still belongs to this holder. This may be true for an expired Lease: if
    /// another run had acquired it, its holder would have changed.
    ///
    /// # Errors
    /// How the lock was lost.
    pub(crate) fn check(&self, record: Option<&LockRecord>) -> Result<(), LockLoss> {
        let record = record.ok_or(LockLoss::Deleted)?;
        match &record.holder {
            Some(holder) if holder.holder == self.identity => Ok(()),
            Some(holder) => Err(LockLoss::TakenOver(holder.clone())),
            None => Err(LockLoss::Cleared),
        }
    }
}

/// The state of the lock when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all_fields = "camelCase")]
pub(crate) enum LockStatus {
    /// No run has the lock.
    Free { lease: String },
    /// A run has the lock, or had it when it was killed.
    Held {
        lease: String,
        holder: String,
        /// When the holder acquired the lock, by its own clock.
        since: Option<Timestamp>,
    },
    /// The permission to read or write the Lease is missing.
    Unavailable { lease: String, message: String },
    /// The user disabled the lock.
    Disabled,
}

/// The holder of a Lease as one read shows it, for people. Whether the holder is alive is not known: the clocks of
/// machines differ, and only a [`Candidate`] that observes the Lease for its duration can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockSighting {
    /// The name of the Lease.
    pub(crate) lease: String,
    pub(crate) holder: String,
    /// `acquireTime`, by the holder's clock.
    pub(crate) since: Option<Timestamp>,
    /// `renewTime`, by the holder's clock.
    pub(crate) renewed: Option<Timestamp>,
    pub(crate) duration_seconds: u64,
}

impl LockSighting {
    /// Whether the last renewal is older than the duration of the Lease, by the clock of `now`: the holder has probably
    /// ended without a release.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        let limit = i64::try_from(self.duration_seconds).unwrap_or(i64::MAX);
        self.renewed.is_none_or(|renewed| now.duration_since(renewed).as_secs() > limit)
    }
}

/// The maximum length of an object name, which is a DNS subdomain.
const LONGEST_NAME: usize = 253;

/// The name of the Lease of a DaemonSet. It is valid for every valid name of a DaemonSet, and unique. A name that would
/// be too long is truncated and ends with a hash. It has a dot after the prefix, so that it cannot equal a short name.
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

/// FNV-1a with 128 bits. Unlike the standard hasher, it returns the same on every machine and in every version.
pub(super) fn fnv_1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests;
