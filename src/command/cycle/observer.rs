//! Observes the cluster: fresh lists before a pod is deleted, and watches in between.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::cluster::access::Access;
use crate::cluster::live_snapshot::SnapshotWatcher;
use crate::cluster::relist::RelistPace;
use crate::command::lock::Clock;
use crate::command::watch_loop::{REFRESH, UpdateKind, until_change, until_events};
use crate::coverage::Coverage;
use crate::cycle::Moment;
use crate::error::Error;
use crate::load::Request;
use crate::load::live::{self, Loaded};
use crate::rollout::event_query_of_all;
use crate::snapshot::{Known, Missing, Snapshot};

/// The maximum age of lists on which the deletion of a pod may be based.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// The observed state of one DaemonSet.
pub(super) struct Observer {
    pub(super) access: Access,
    request: Request,
    loaded: Loaded,
    follow: Option<SnapshotWatcher>,
    clock: Clock,
    /// When the last lists were received.
    listed: Moment,
    /// The current connection problem.
    pub(super) trouble: Option<String>,
    pace: RelistPace,
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
    pub(super) async fn open(access: Access, request: Request, clock: Clock) -> Result<Self, Error> {
        let loaded = live::load(&access, &request).await?;
        check(&loaded.snapshot)?;
        Ok(Self {
            access,
            request,
            loaded,
            follow: None,
            clock,
            listed: clock.now(),
            trouble: None,
            pace: RelistPace::default(),
        })
    }

    /// Whether the last lists are recent. They are not after the machine was suspended.
    pub(super) fn is_fresh(&self) -> bool {
        self.clock.now().at_most_since(self.listed) <= FRESH_FOR
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.loaded.snapshot
    }

    /// Lists again.
    pub(super) async fn refresh(&mut self) -> Result<(), Error> {
        let asked = self.clock.now();
        let mut loaded = live::load(&self.access, &self.request).await?;
        if self.clock.now().at_most_since(asked) > FRESH_FOR {
            // The machine may have been suspended since the responses. If the server is just slow, one retry is enough.
            loaded = live::load(&self.access, &self.request).await?;
        }
        check(&loaded.snapshot)?;
        self.listed = self.clock.now();
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
        let Self { access, loaded, follow, trouble, .. } = self;
        let follow = follow.get_or_insert_with(|| loaded.follow(access));
        if follow.watch_events(access, || event_query_of_all(&loaded.snapshot))
            && let UpdateKind::Relist = until_events(&mut loaded.snapshot, follow, trouble).await?
        {
            return Ok(WakeReason::Missed);
        }
        let never = async || std::future::pending().await;
        let update = until_change(&mut loaded.snapshot, follow, trouble, deadline(until), never).await?;
        loaded.snapshot.as_of = Timestamp::now();
        Ok(match update {
            UpdateKind::Relist => WakeReason::Missed,
            UpdateKind::Change | UpdateKind::Nothing => WakeReason::Changed,
        })
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

/// Checks that nodes, pods and revisions could be read completely.
///
/// # Errors
/// [`Error::IncompleteView`].
pub(super) fn check(snapshot: &Snapshot) -> Result<(), Error> {
    let gaps =
        [snapshot.nodes.missing(), snapshot.pods.missing(), snapshot.revisions.missing(), snapshot.openshift.missing()];
    match gaps.into_iter().flatten().next() {
        Some(gap) => Err(Error::IncompleteView { gap: gap.to_string(), is_saved: matches!(gap, Missing::NotSaved(_)) }),
        None => Ok(()),
    }
}

/// The error for a controller that has not created a revision of the current template.
pub(super) fn not_observed(coverage: &Coverage<'_>) -> Error {
    Error::UndeterminedRollout { what: format!("{}/{}", coverage.namespace(), coverage.name()) }
}
