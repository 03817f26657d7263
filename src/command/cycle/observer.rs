//! Observes the cluster: fresh lists before a pod is deleted, and watches in between.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::completeness::check;
use super::required::RequiredDaemonSet;
use crate::cluster::access::Access;
use crate::cluster::live_snapshot::SnapshotWatcher;
use crate::cluster::relist::RelistPace;
use crate::command::lock::Clock;
use crate::command::watch_loop::{REFRESH, UpdateKind, until_change, until_events};
use crate::coverage::Coverage;
use crate::cycle::{Moment, Observation, RequiredSnapshot};
use crate::error::Error;
use crate::load::Request;
use crate::load::live::{self, Loaded};
use crate::rollout::event_query_of_all;
use crate::snapshot::{DaemonSetName, Known, Snapshot};

/// The maximum age of lists on which the deletion of a pod may be based.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// How much longer the pause between lists is than the lists themselves.
const LIST_PAUSE_FACTOR: u32 = 2;
/// The longest pause between lists.
const LONGEST_LIST_PAUSE: Duration = Duration::from_secs(2);

/// The observed state of one DaemonSet.
pub(super) struct Observer {
    pub(super) access: Access,
    request: Request,
    loaded: Loaded,
    /// The DaemonSets of `--require`.
    required: Vec<RequiredDaemonSet>,
    follow: Option<SnapshotWatcher>,
    clock: Clock,
    /// When the last lists were received.
    listed: Moment,
    /// How long they took.
    took: Duration,
    /// The current connection problem.
    pub(super) trouble: Option<String>,
    pace: RelistPace,
}

/// Whether lists of this moment are recent. They are not after the machine was suspended.
pub(super) fn is_fresh(listed: Moment, now: Moment) -> bool {
    now.at_most_since(listed) <= FRESH_FOR
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WakeReason {
    /// Something may have changed.
    Changed,
    /// Changes were missed: fresh lists are needed.
    Missed,
}

impl Observer {
    /// Creates the first lists.
    ///
    /// # Errors
    /// Any object that cannot be read: all are required.
    pub(super) async fn open(
        access: Access,
        request: Request,
        required: &[DaemonSetName],
        clock: Clock,
    ) -> Result<Self, Error> {
        let asked = clock.now();
        let loaded = live::load(&access, &request).await?;
        check(&loaded.snapshot)?;
        let mut opened = Vec::new();
        for name in required {
            opened.push(RequiredDaemonSet::open(&access, name.clone()).await?);
        }
        let listed = clock.now();
        Ok(Self {
            access,
            request,
            loaded,
            required: opened,
            follow: None,
            clock,
            listed,
            took: listed.at_least_since(asked),
            trouble: None,
            pace: RelistPace::default(),
        })
    }

    /// When the last lists were received.
    pub(super) fn listed(&self) -> Moment {
        self.listed
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.loaded.snapshot
    }

    async fn load(&mut self) -> Result<Loaded, Error> {
        for required in &mut self.required {
            required.refresh(&self.access).await?;
        }
        live::load(&self.access, &self.request).await
    }

    /// Observes the DaemonSet; `None` if it does not exist.
    pub(super) fn observe<T>(&self, see: impl FnOnce(&Observation<'_>) -> T) -> Option<T> {
        let required: Vec<RequiredSnapshot<'_>> = self.required.iter().map(RequiredDaemonSet::snapshot).collect();
        Observation::at(self.snapshot(), &required, see)
    }

    /// Until when new lists have to wait; `None` if they may be requested now. The watch collects changes meanwhile, so
    /// that one decision takes them all into account, and the lists of a large fleet do not load the server all the
    /// time.
    pub(super) fn lists_wait_until(&self) -> Option<Timestamp> {
        let pause = self.took.saturating_mul(LIST_PAUSE_FACTOR).min(LONGEST_LIST_PAUSE);
        let left = pause.checked_sub(self.clock.now().at_least_since(self.listed))?;
        Timestamp::now().checked_add(left).ok()
    }

    /// Lists again.
    pub(super) async fn refresh(&mut self) -> Result<(), Error> {
        let asked = self.clock.now();
        let mut loaded = self.load().await?;
        if self.clock.now().at_most_since(asked) > FRESH_FOR {
            // The machine may have been suspended since the responses. If the server is just slow, one retry is enough.
            loaded = self.load().await?;
        }
        check(&loaded.snapshot)?;
        self.listed = self.clock.now();
        self.took = self.listed.at_least_since(asked);
        // Events are kept: they only explain.
        let known = std::mem::replace(&mut self.loaded.snapshot.events, Known::Known(Vec::new()));
        self.follow = match self.follow.take().and_then(SnapshotWatcher::into_events) {
            Some(events) => {
                let mut follow = loaded.follow(&self.access);
                follow.resume_events(events, known, &mut loaded.snapshot);
                Some(follow)
            }
            None => None,
        };
        self.loaded = loaded;
        self.trouble = None;
        Ok(())
    }

    /// Waits for a change, or until the given time. Watches that end at once are restarted with a delay.
    ///
    /// # Errors
    /// Any error that a retry cannot fix, such as revoked permissions.
    pub(super) async fn wait(&mut self, until: Option<Timestamp>) -> Result<WakeReason, Error> {
        let seen = self.until_event(until).await?;
        if seen == WakeReason::Missed {
            tokio::select! {
                () = self.pace.pause() => {}
                () = until_moment(until) => {}
            }
        }
        Ok(seen)
    }

    /// A note to the user if watches end at once.
    pub(super) fn note(&self) -> Option<&'static str> {
        self.pace.note()
    }

    async fn until_event(&mut self, until: Option<Timestamp>) -> Result<WakeReason, Error> {
        let Self { access, loaded, required, follow, trouble, .. } = self;
        let follow = follow.get_or_insert_with(|| loaded.follow(access));
        if follow.watch_events(access, || event_query_of_all(&loaded.snapshot))
            && let UpdateKind::Relist = until_events(&mut loaded.snapshot, follow, trouble).await?
        {
            return Ok(WakeReason::Missed);
        }
        let mut missed = Ok(false);
        let wake = async || {
            let changed = required_change(required, access).await;
            missed = changed.map(|is_complete| !is_complete);
        };
        let update = until_change(&mut loaded.snapshot, follow, trouble, deadline(until), wake).await?;
        let now = Timestamp::now();
        loaded.snapshot.as_of = now;
        required.iter_mut().for_each(|required| required.set_time(now));
        if missed? {
            return Ok(WakeReason::Missed);
        }
        Ok(match update {
            UpdateKind::Relist => WakeReason::Missed,
            UpdateKind::Change | UpdateKind::Nothing => WakeReason::Changed,
        })
    }
}

/// Waits for a change of a DaemonSet of `--require`; forever without one. Returns `false` if changes were missed.
async fn required_change(required: &mut [RequiredDaemonSet], access: &Access) -> Result<bool, Error> {
    let changes = required.iter_mut().map(|required| Box::pin(required.changed(access)));
    match changes.collect::<FuturesUnordered<_>>().next().await {
        Some(changed) => changed,
        None => std::future::pending().await,
    }
}

async fn until_moment(until: Option<Timestamp>) {
    match until.map(left) {
        Some(left) => sleep(left).await,
        None => std::future::pending().await,
    }
}

/// The remaining time, or zero.
fn left(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

fn deadline(until: Option<Timestamp>) -> Instant {
    // The margin prevents waking up just before the time, repeatedly.
    let left = until.map(|until| left(until) + Duration::from_millis(20));
    Instant::now() + left.map_or(REFRESH, |left| left.min(REFRESH))
}

/// The error for a controller that has not created a revision of the current template.
pub(super) fn not_observed(coverage: &Coverage<'_>) -> Error {
    Error::UndeterminedRollout { what: format!("{}/{}", coverage.namespace(), coverage.name()) }
}
