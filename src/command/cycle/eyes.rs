//! Sees the cluster: fresh lists before anything is removed, and watches in between.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cluster::connect::Access;
use crate::cluster::follow::{Follow, Step};
use crate::command::load::live::{self, Loaded};
use crate::command::load::{About, Request};
use crate::coverage::{Coverage, cover};
use crate::error::Error;
use crate::snapshot::Snapshot;

/// Changes come in bursts: one look at all that come within this time.
const BURST: Duration = Duration::from_millis(250);
/// Ages grow, and ready pods become available, without any change.
const TICK: Duration = Duration::from_secs(5);
/// Events are not read again more often than this.
const EVENTS: Duration = Duration::from_secs(10);
/// How long the events may take: they only explain.
const EVENTS_PATIENCE: Duration = Duration::from_secs(5);

/// What is seen of one DaemonSet.
pub(super) struct Eyes {
    pub(super) access: Access,
    request: Request,
    loaded: Loaded,
    follow: Option<Follow>,
    events_read: Option<Instant>,
    /// What is wrong with the connection.
    pub(super) trouble: Option<String>,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something may be different.
    Changed,
    /// Changes were missed: only fresh lists tell.
    Missed,
}

impl Eyes {
    /// Lists for the first time.
    ///
    /// # Errors
    /// What cannot be read, all of which is needed here.
    pub(super) async fn open(access: Access, request: Request) -> Result<Self, Error> {
        let loaded = live::load(&access, &request).await?;
        check(&loaded.snapshot)?;
        Ok(Self { access, request, loaded, follow: None, events_read: None, trouble: None })
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.loaded.snapshot
    }

    /// Lists anew.
    ///
    /// # Errors
    /// What cannot be read; it may pass.
    pub(super) async fn refresh(&mut self) -> Result<(), Error> {
        let mut loaded = live::load(&self.access, &self.request).await?;
        check(&loaded.snapshot)?;
        loaded.snapshot.events = self.loaded.snapshot.events.clone();
        self.loaded = loaded;
        self.follow = None;
        self.trouble = None;
        Ok(())
    }

    /// Reads the events again where they may explain something, and not too often.
    pub(super) async fn read_events(&mut self) {
        let may_read = self.events_read.is_none_or(|read| read.elapsed() >= EVENTS);
        if !may_read || !cover(&self.loaded.snapshot).iter().any(Coverage::wants_events) {
            return;
        }
        self.events_read = Some(Instant::now());
        let events = timeout(EVENTS_PATIENCE, live::events(&self.access, &self.request, About::Pods)).await;
        // Without them, less is explained; an outage is noticed by the watches.
        if let Ok(Ok(events)) = events {
            self.loaded.snapshot.events = events;
        }
    }

    /// Waits until something has changed, or until the moment given.
    ///
    /// # Errors
    /// What will not pass by itself, such as rights that were taken away.
    pub(super) async fn wait(&mut self, until: Option<Timestamp>) -> Result<Seen, Error> {
        let Self { access, loaded, follow, trouble, .. } = self;
        let follow = follow.get_or_insert_with(|| loaded.follow(access));
        let mut deadline = deadline(until);
        let seen = loop {
            let step = tokio::select! {
                biased;
                () = sleep_until(deadline) => break Seen::Changed,
                step = follow.next(&mut loaded.snapshot) => step?,
            };
            match step {
                Step::Relist => break Seen::Missed,
                Step::Changed => *trouble = None,
                Step::Quiet if trouble.take().is_some() => {}
                Step::Quiet => continue,
                Step::Interrupted(error) => {
                    trouble.get_or_insert_with(|| error.to_string());
                }
            }
            deadline = deadline.min(Instant::now() + BURST);
        };
        loaded.snapshot.as_of = Timestamp::now();
        Ok(seen)
    }
}

fn deadline(until: Option<Timestamp>) -> Instant {
    let left = until.map(|until| until.duration_since(Timestamp::now()));
    let left = left.map(|left| Duration::try_from(left).unwrap_or(Duration::ZERO));
    // A moment that is hardly reached would be looked at again and again.
    let left = left.map(|left| left + Duration::from_millis(20));
    Instant::now() + left.map_or(TICK, |left| left.min(TICK))
}

/// Who replaces pods must see nodes, pods and revisions, all of them.
///
/// # Errors
/// What could not be read.
pub(super) fn check(snapshot: &Snapshot) -> Result<(), Error> {
    let gaps =
        [snapshot.nodes.missing(), snapshot.pods.missing(), snapshot.revisions.missing(), snapshot.openshift.missing()];
    match gaps.into_iter().flatten().next() {
        Some(gap) => Err(Error::Blind { gap: gap.to_owned() }),
        None => Ok(()),
    }
}

/// The controller has made no revision of today's template.
pub(super) fn not_observed(coverage: &Coverage<'_>) -> Error {
    Error::UnjudgedRollout { what: format!("{}/{}", coverage.namespace(), coverage.name()) }
}
