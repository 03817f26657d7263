//! Acquires the lock's Lease, renews it in the background, and releases it.
//!
//! A [`LockAcquirer`] tries to acquire the Lease. Then a [`Lock`] represents the task that renews it. Only that task writes
//! the Lease, so writes of one run never conflict with each other. Before a delete, [`Lock::confirm`] renews the Lease:
//! a successful write with the resourceVersion of the previous one proves that no other run had the lock in between.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cluster::access::Access;
use crate::cluster::lease::{DryRun, Written};
use crate::cycle::{
    Attempt, Candidate, Held, LEASE_DURATION, LockHolder, LockLoss, LockRecord, LockSighting, LockWait, Moment,
    RENEW_PERIOD, lease_name,
};
use crate::error::Error;

/// How often a renewal or release is retried after a conflict.
const TRIES: usize = 3;

/// The delay before a write that conflicted or failed is retried.
const RETRY_PERIOD: Duration = Duration::from_millis(100);

/// The label of all Leases of this program, as a selector.
pub(crate) const LEASE_LABEL: &str = "app.kubernetes.io/managed-by=kubectl-ds";

/// The source of [`Moment`]s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Moment {
        Moment { uptime: self.0.elapsed(), wall: Timestamp::now() }
    }
}

/// Accesses the Lease of one DaemonSet as one process.
#[derive(Clone)]
pub(crate) struct LeaseClient {
    access: Access,
    namespace: String,
    name: String,
    identity: String,
}

impl LeaseClient {
    pub(crate) fn new(access: &Access, namespace: &str, daemon_set: &str) -> Self {
        let (access, namespace) = (access.clone(), namespace.to_owned());
        Self { access, namespace, name: lease_name(daemon_set), identity: identity() }
    }

    /// `NAMESPACE/NAME`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The current holder.
    pub(crate) async fn holder(&self) -> Result<Option<LockHolder>, Error> {
        let lease = self.access.lease(&self.namespace, &self.name).await?;
        Ok(lease.as_ref().and_then(|lease| record(lease).holder))
    }

    /// Checks by dry runs that the Lease may be created and updated.
    ///
    /// # Errors
    /// The first missing permission, or any other error.
    pub(crate) async fn check_permissions(&self) -> Result<(), Error> {
        let lease = self.written(None, Timestamp::now());
        is_allowed(self.access.create_lease(&self.namespace, &lease, DryRun::Server).await)?;
        is_allowed(self.access.replace_lease(&self.namespace, &lease, DryRun::Server).await)
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        self.access.lease(&self.namespace, &self.name).await
    }

    /// The Lease to write, with this process as its holder.
    fn written(&self, before: Option<&Lease>, now: Timestamp) -> Lease {
        let old = before.and_then(|lease| lease.spec.as_ref());
        let is_own = old.and_then(|spec| spec.holder_identity.as_deref()) == Some(&self.identity);
        let transitions = old.and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let acquired = old.filter(|_| is_own).and_then(|spec| spec.acquire_time.clone());
        let (label, value) = LEASE_LABEL.split_once('=').unwrap_or_default();
        let labels = [(label.to_owned(), value.to_owned())];
        Lease {
            metadata: before.map_or_else(
                || ObjectMeta { name: Some(self.name.clone()), labels: Some(labels.into()), ..ObjectMeta::default() },
                |lease| ObjectMeta { managed_fields: None, ..lease.metadata.clone() },
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: acquired.or(Some(MicroTime(now))),
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(transitions.saturating_add(i32::from(before.is_some() && !is_own))),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// Whether a dry run shows the permission. 400 and 422 come after authorization, for example for an update without a
/// resourceVersion or for a webhook that does not support dry runs.
fn is_allowed(tried: Result<Written<Lease>, Error>) -> Result<(), Error> {
    match tried {
        Ok(_) | Err(Error::Api { code: 400 | 422, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Host, process ID, and a random number, because process IDs are reused.
fn identity() -> String {
    use std::hash::{BuildHasher, RandomState};
    let process = std::process::id();
    let random = RandomState::new().hash_one(process);
    format!("{}_{process}_{random:016x}", gethostname::gethostname().to_string_lossy())
}

/// The lock record of a Lease. Without a duration, this program's default applies.
fn record(lease: &Lease) -> LockRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    let since = spec.acquire_time.map(|MicroTime(time)| time);
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|one| *one > 0);
    LockRecord {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()).map(|holder| LockHolder { holder, since }),
        duration: seconds.map_or(LEASE_DURATION, Duration::from_secs),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

/// The holder of a Lease, for people; `None` if it has none.
pub(crate) fn sighting(lease: &Lease) -> Option<LockSighting> {
    let LockRecord { holder, duration, .. } = record(lease);
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|MicroTime(time)| *time);
    let lease = lease.metadata.name.clone().unwrap_or_default();
    holder.map(|LockHolder { holder, since }| LockSighting {
        lease,
        holder,
        since,
        renewed,
        duration_seconds: duration.as_secs(),
    })
}

/// Tries to acquire the lock.
pub(crate) struct LockAcquirer {
    client: LeaseClient,
    clock: Clock,
    candidate: Candidate,
}

/// The result of one attempt.
pub(crate) enum Acquisition {
    Acquired(Lock),
    /// Another run holds the lock: try again.
    Waiting(LockHolder),
    /// Another run holds the lock, and the time limit has expired.
    GaveUp(LockHolder),
}

impl LockAcquirer {
    pub(crate) fn new(client: LeaseClient, clock: Clock, patience: LockWait) -> Self {
        let candidate = Candidate::new(client.identity.clone(), patience, clock.now());
        Self { client, clock, candidate }
    }

    /// Reads the Lease, and writes it if it is free.
    pub(crate) async fn acquire(&mut self) -> Result<Acquisition, Error> {
        let LeaseClient { access, namespace, .. } = &self.client;
        loop {
            let lease = self.client.read().await?;
            let record = lease.as_ref().map(record);
            let sent = self.clock.now();
            let attempt = self.candidate.next(record.as_ref(), sent);
            let written = self.client.written(lease.as_ref(), sent.wall);
            let outcome = match attempt {
                Attempt::Create => access.create_lease(namespace, &written, DryRun::None).await?,
                Attempt::Update => access.replace_lease(namespace, &written, DryRun::None).await?,
                Attempt::Wait(holder) => return Ok(Acquisition::Waiting(holder)),
                Attempt::GiveUp(holder) => return Ok(Acquisition::GaveUp(holder)),
            };
            match outcome {
                Written::Done(lease) => {
                    let held = Held::new(self.client.identity.clone(), sent);
                    let keeper = LeaseRenewer { client: self.client.clone(), clock: self.clock, held, lease };
                    return Ok(Acquisition::Acquired(Lock::keep(keeper)));
                }
                // Another process was faster: read again.
                Written::Conflict => sleep(RETRY_PERIOD).await,
            }
        }
    }

    /// Releases a lock that a canceled attempt may have acquired.
    pub(crate) async fn give_back(self) {
        if let Ok(Some(lease)) = self.client.read().await {
            let held = Held::new(self.client.identity.clone(), self.clock.now());
            if held.check(Some(&record(&lease))).is_ok() {
                let keeper = LeaseRenewer { client: self.client, clock: self.clock, held, lease };
                let _ = keeper.release().await;
            }
        }
    }
}

/// The result of a renewal.
#[derive(Debug)]
pub(crate) enum Confirmed {
    /// The lock was renewed.
    Held(Held),
    /// The lock is lost.
    Lost(LockLoss),
    /// The renewal failed.
    Unknown(Error),
}

/// An acquired lock that is renewed in the background.
pub(crate) struct Lock {
    asks: mpsc::Sender<oneshot::Sender<Confirmed>>,
    lost: watch::Receiver<Option<LockLoss>>,
    keeper: JoinHandle<Result<(), Error>>,
}

impl Lock {
    fn keep(keeper: LeaseRenewer) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let (loss, lost) = watch::channel(None);
        Self { asks, lost, keeper: tokio::spawn(keeper.work(asked, loss)) }
    }

    /// Renews the lock.
    pub(crate) async fn confirm(&self) -> Confirmed {
        let (reply, answer) = oneshot::channel();
        let _ = self.asks.send(reply).await;
        // The keeper runs for as long as this value exists.
        answer.await.unwrap_or(Confirmed::Lost(LockLoss::Deleted))
    }

    /// Waits until the lock is lost.
    pub(crate) async fn lost(&mut self) -> LockLoss {
        match self.lost.wait_for(Option::is_some).await.ok().and_then(|loss| loss.clone()) {
            Some(loss) => loss,
            None => std::future::pending().await,
        }
    }

    /// Releases the lock. No pod may be deleted after that. On an error the Lease expires.
    pub(crate) async fn release(self) -> Result<(), Error> {
        let Self { asks, lost, keeper } = self;
        drop((asks, lost));
        keeper.await.unwrap_or(Ok(()))
    }
}

/// The task that writes the Lease.
struct LeaseRenewer {
    client: LeaseClient,
    clock: Clock,
    held: Held,
    /// The Lease as last written.
    lease: Lease,
}

impl LeaseRenewer {
    /// Renews the lock until the [`Lock`] is dropped, and then releases it.
    async fn work(
        mut self,
        mut asked: mpsc::Receiver<oneshot::Sender<Confirmed>>,
        loss: watch::Sender<Option<LockLoss>>,
    ) -> Result<(), Error> {
        loop {
            let reply = tokio::select! {
                reply = asked.recv() => match reply {
                    Some(reply) => Some(reply),
                    None => break,
                },
                () = sleep(RENEW_PERIOD), if loss.borrow().is_none() => None,
            };
            let before = loss.borrow().clone();
            let confirmed = match before {
                Some(loss) => Confirmed::Lost(loss),
                None => self.renew().await,
            };
            if let Confirmed::Lost(how) = &confirmed {
                loss.send_replace(Some(how.clone()));
            }
            if let Some(reply) = reply {
                let _ = reply.send(confirmed);
            }
        }
        let is_lost = loss.borrow().is_some();
        if is_lost { Ok(()) } else { self.release().await }
    }

    async fn renew(&mut self) -> Confirmed {
        for _ in 0..TRIES {
            let sent = self.clock.now();
            let written = self.client.written(Some(&self.lease), sent.wall);
            match self.client.access.replace_lease(&self.client.namespace, &written, DryRun::None).await {
                Ok(Written::Done(lease)) => {
                    self.lease = lease;
                    self.held.renew(sent);
                    return Confirmed::Held(self.held.clone());
                }
                Ok(Written::Conflict) => match self.observation().await {
                    Ok(Ok(lease)) => self.lease = lease,
                    Ok(Err(loss)) => return Confirmed::Lost(loss),
                    Err(error) => return Confirmed::Unknown(error),
                },
                Err(error) => return Confirmed::Unknown(error),
            }
        }
        let cause = "another process keeps writing the Lease".to_owned();
        Confirmed::Unknown(Error::Unreachable { server: self.client.access.server().to_owned(), cause })
    }

    /// Reads the Lease after a conflict. It may still be this holder's: a write without a response may have succeeded.
    async fn observation(&self) -> Result<Result<Lease, LockLoss>, Error> {
        let lease = self.client.read().await?;
        let checked = self.held.check(lease.as_ref().map(record).as_ref());
        Ok(checked.and_then(|()| lease.ok_or(LockLoss::Deleted)))
    }

    /// Deletes the Lease as this holder wrote it. client-go's `release` clears the holder instead, because other
    /// candidates watch the object; here nobody does.
    async fn release(mut self) -> Result<(), Error> {
        let mut tries = 1..=TRIES;
        loop {
            let is_last = tries.next().is_none();
            match self.client.access.delete_lease(&self.client.namespace, &self.lease).await {
                Ok(Written::Done(())) => return Ok(()),
                Err(error) if is_last || !error.may_pass() => return Err(error),
                Ok(Written::Conflict) if is_last => return Ok(()),
                Err(_) => sleep(RETRY_PERIOD).await,
                // A renewal or delete without a response may have succeeded.
                Ok(Written::Conflict) => match self.observation().await? {
                    Ok(lease) => self.lease = lease,
                    Err(_) => return Ok(()),
                },
            }
        }
    }
}
