//! Gets the lock's Lease, renews it in the background, and releases it.
//!
//! [`LockAcquirer`] asks for it, one try at a time. Once it has it, a [`Lock`] stands for the task that renews it: that task
//! alone writes the Lease, so that no two writes of one run meet. Before a removal [`Lock::confirm`] has it renewed: a
//! write that succeeds, with the resourceVersion of the last one, proves that no other run had the lock in between.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cluster::connect::Access;
use crate::cluster::lease::{DryRun, Written};
use crate::cycle::{
    Attempt, Candidate, Held, LEASE_DURATION, LockHolder, LockLoss, LockPatience, LockRecord, Moment, RENEW_PERIOD,
    lease_name,
};
use crate::error::Error;

/// A Lease that changes under each try is left to the next one after so many.
const TRIES: usize = 3;

/// How long to wait before a write that met another one, or that failed, is tried again.
const RETRY_PERIOD: Duration = Duration::from_millis(100);

/// What tells the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Moment {
        Moment { uptime: self.0.elapsed(), wall: Timestamp::now() }
    }
}

/// The Lease of one DaemonSet, in the hands of one process.
#[derive(Clone)]
pub(super) struct LeaseClient {
    access: Access,
    namespace: String,
    name: String,
    identity: String,
}

impl LeaseClient {
    pub(super) fn new(access: &Access, namespace: &str, daemon_set: &str) -> Self {
        let (access, namespace) = (access.clone(), namespace.to_owned());
        Self { access, namespace, name: lease_name(daemon_set), identity: identity() }
    }

    /// `NAMESPACE/NAME`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Who holds it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn holder(&self) -> Result<Option<LockHolder>, Error> {
        let lease = self.access.lease(&self.namespace, &self.name).await?;
        Ok(lease.as_ref().and_then(|lease| record(lease).holder))
    }

    /// Whether it may be created and updated: tried as dry runs.
    ///
    /// # Errors
    /// The first right that is missing; what keeps the API server from an answer.
    pub(super) async fn check_rights(&self) -> Result<(), Error> {
        let lease = self.written(None, Timestamp::now());
        is_allowed(self.access.create_lease(&self.namespace, &lease, DryRun::Server).await)?;
        is_allowed(self.access.replace_lease(&self.namespace, &lease, DryRun::Server).await)
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        self.access.lease(&self.namespace, &self.name).await
    }

    /// The Lease with this process as its holder, over what it was before.
    fn written(&self, before: Option<&Lease>, now: Timestamp) -> Lease {
        let old = before.and_then(|lease| lease.spec.as_ref());
        let is_own = old.and_then(|spec| spec.holder_identity.as_deref()) == Some(&self.identity);
        let transitions = old.and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let acquired = old.filter(|_| is_own).and_then(|spec| spec.acquire_time.clone());
        let labels = [("app.kubernetes.io/managed-by".to_owned(), "kubectl-ds".to_owned())];
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

/// Whether a dry run was allowed: one that is refused as a request, such as an update without a resourceVersion or where a
/// webhook knows no dry runs, was.
fn is_allowed(tried: Result<Written<Lease>, Error>) -> Result<(), Error> {
    match tried {
        Ok(_) | Err(Error::Api { code: 400 | 422, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Host, process, and a random number, as the same number may be another process's later.
fn identity() -> String {
    use std::hash::{BuildHasher, RandomState};
    let process = std::process::id();
    let random = RandomState::new().hash_one(process);
    format!("{}_{process}_{random:016x}", gethostname::gethostname().to_string_lossy())
}

/// What a Lease states. One that states no duration is taken as one of this program's.
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

/// Asks for the lock.
pub(super) struct LockAcquirer {
    client: LeaseClient,
    clock: Clock,
    candidate: Candidate,
}

/// What a try brought.
pub(super) enum Acquisition {
    /// The lock.
    Acquired(Lock),
    /// Another run holds it: try again.
    Waiting(LockHolder),
    /// Another run holds it, and it is not waited for any longer.
    GaveUp(LockHolder),
}

impl LockAcquirer {
    pub(super) fn new(client: LeaseClient, clock: Clock, patience: LockPatience) -> Self {
        let candidate = Candidate::new(client.identity.clone(), patience, clock.now());
        Self { client, clock, candidate }
    }

    /// Looks at the Lease, and writes it where it is free.
    ///
    /// # Errors
    /// What the API server refuses, and what keeps it from an answer.
    pub(super) async fn acquire(&mut self) -> Result<Acquisition, Error> {
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
                // Somebody was faster: the next look shows who.
                Written::Conflict => sleep(RETRY_PERIOD).await,
            }
        }
    }

    /// Gives back what a try may have brought that was broken off.
    pub(super) async fn give_back(self) {
        if let Ok(Some(lease)) = self.client.read().await {
            let held = Held::new(self.client.identity.clone(), self.clock.now());
            if held.check(Some(&record(&lease))).is_ok() {
                let keeper = LeaseRenewer { client: self.client, clock: self.clock, held, lease };
                let _ = keeper.release().await;
            }
        }
    }
}

/// Whether the lock is held.
#[derive(Debug)]
pub(super) enum Confirmed {
    /// It was renewed by a request that was sent at this moment.
    Held(Held),
    /// It is lost for good.
    Lost(LockLoss),
    /// It could not be renewed.
    Unknown(Error),
}

/// A lock that was acquired, while it is renewed in the background.
pub(super) struct Lock {
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

    /// Renews it, and tells whether it is held.
    pub(super) async fn confirm(&self) -> Confirmed {
        let (reply, answer) = oneshot::channel();
        let _ = self.asks.send(reply).await;
        // The keeper answers for as long as this lock is there.
        answer.await.unwrap_or(Confirmed::Lost(LockLoss::Deleted))
    }

    /// Waits until it is lost.
    pub(super) async fn lost(&mut self) -> LockLoss {
        match self.lost.wait_for(Option::is_some).await.ok().and_then(|loss| loss.clone()) {
            Some(loss) => loss,
            None => std::future::pending().await,
        }
    }

    /// Releases it; nothing may be removed after that.
    ///
    /// # Errors
    /// Why it was not: it expires by itself then.
    pub(super) async fn release(self) -> Result<(), Error> {
        let Self { asks, lost, keeper } = self;
        drop((asks, lost));
        keeper.await.unwrap_or(Ok(()))
    }
}

/// Writes the Lease.
struct LeaseRenewer {
    client: LeaseClient,
    clock: Clock,
    held: Held,
    /// As it was written last.
    lease: Lease,
}

impl LeaseRenewer {
    /// Renews the lock until nobody wants it any more, and then releases it.
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
        let cause = "somebody else writes the Lease all the time".to_owned();
        Confirmed::Unknown(Error::Unreachable { server: self.client.access.server().to_owned(), cause })
    }

    /// The Lease as it is now, if it is still this holder's: an answer that was lost may have been a good one.
    async fn observation(&self) -> Result<Result<Lease, LockLoss>, Error> {
        let lease = self.client.read().await?;
        let checked = self.held.check(lease.as_ref().map(record).as_ref());
        Ok(checked.and_then(|()| lease.ok_or(LockLoss::Deleted)))
    }

    /// Deletes the Lease, as it is of no use to anybody, and only as this holder wrote it: client-go's `release` clears
    /// the holder instead, as other candidates watch that object.
    async fn release(mut self) -> Result<(), Error> {
        let mut tries = 1..=TRIES;
        loop {
            let is_last = tries.next().is_none();
            match self.client.access.delete_lease(&self.client.namespace, &self.lease).await {
                Ok(Written::Done(())) => return Ok(()),
                Err(error) if is_last || !error.may_pass() => return Err(error),
                Ok(Written::Conflict) if is_last => return Ok(()),
                Err(_) => sleep(RETRY_PERIOD).await,
                // An answer that was lost may have been a good one, to a renewal or to the deletion.
                Ok(Written::Conflict) => match self.observation().await? {
                    Ok(lease) => self.lease = lease,
                    Err(_) => return Ok(()),
                },
            }
        }
    }
}
