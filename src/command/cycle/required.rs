//! Observes a DaemonSet of `--require`: its pods, whatever node they are on.

use jiff::Timestamp;

use super::completeness::check;
use crate::cluster::access::Access;
use crate::cluster::live_snapshot::{SnapshotWatcher, WatchUpdate};
use crate::cycle::RequiredSnapshot;
use crate::error::Error;
use crate::load::Request;
use crate::load::live::{Loaded, load_without_nodes};
use crate::snapshot::DaemonSetName;

/// The observed state of one DaemonSet.
pub(super) struct RequiredDaemonSet {
    name: DaemonSetName,
    request: Request,
    loaded: Loaded,
    follow: Option<SnapshotWatcher>,
}

impl RequiredDaemonSet {
    /// Creates the first lists.
    ///
    /// # Errors
    /// The DaemonSet does not exist, or an object cannot be read.
    pub(super) async fn open(access: &Access, name: DaemonSetName) -> Result<Self, Error> {
        let request = Request::new(name.namespace.clone(), vec![name.clone()]);
        let loaded = load_without_nodes(access, &request).await?;
        check(&loaded.snapshot)?;
        Ok(Self { name, request, loaded, follow: None })
    }

    /// Lists again.
    pub(super) async fn refresh(&mut self, access: &Access) -> Result<(), Error> {
        let loaded = load_without_nodes(access, &self.request).await?;
        check(&loaded.snapshot)?;
        (self.loaded, self.follow) = (loaded, None);
        Ok(())
    }

    /// The state as of this moment.
    pub(super) fn snapshot(&self) -> RequiredSnapshot<'_> {
        (&self.name, &self.loaded.snapshot)
    }

    /// Waits for a change. Returns `false` if changes were missed.
    pub(super) async fn changed(&mut self, access: &Access) -> Result<bool, Error> {
        let Self { loaded, follow, .. } = self;
        let follow = follow.get_or_insert_with(|| loaded.follow(access));
        loop {
            match follow.next(&mut loaded.snapshot).await? {
                WatchUpdate::Changed => {
                    loaded.snapshot.as_of = Timestamp::now();
                    return Ok(true);
                }
                WatchUpdate::Relist => return Ok(false),
                WatchUpdate::Quiet | WatchUpdate::Interrupted(_) => {}
            }
        }
    }

    /// The time has passed.
    pub(super) fn set_time(&mut self, now: Timestamp) {
        self.loaded.snapshot.as_of = now;
    }
}
