//! Applies changes to lists of objects.

use std::collections::HashMap;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};

use crate::cluster::watch::Change;
use crate::error::Error;
use crate::snapshot::{Known, Node, PodSummary};

/// The effect of an update on the snapshot.
#[derive(Debug)]
pub(crate) enum WatchUpdate {
    /// The snapshot has changed.
    Changed,
    /// Nothing has changed; the connection works.
    Quiet,
    /// A connection was lost and is being restored.
    Interrupted(Error),
    /// Changes were missed, or pods that were not listed are needed now: list again.
    Relist,
}

/// An object with a uid.
pub(super) trait Identified {
    fn uid(&self) -> &str;
}

impl Identified for Node {
    fn uid(&self) -> &str {
        &self.metadata.uid
    }
}

impl Identified for PodSummary {
    fn uid(&self) -> &str {
        &self.metadata.uid
    }
}

impl Identified for DaemonSet {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

impl Identified for ControllerRevision {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// The index of each object in its list, by uid.
pub(super) struct UidIndex(HashMap<String, usize>);

impl UidIndex {
    pub(super) fn new<T: Identified>(items: &[T]) -> Self {
        Self(items.iter().enumerate().map(|(place, item)| (item.uid().to_owned(), place)).collect())
    }

    pub(super) fn has(&self, uid: &str) -> bool {
        self.0.contains_key(uid)
    }

    pub(super) fn apply_known<T: Identified>(
        &mut self,
        items: &mut Known<Vec<T>>,
        change: Change<T>,
        keep: impl FnMut(T) -> Option<T>,
    ) -> WatchUpdate {
        match items {
            Known::Known(items) => self.apply(items, change, keep),
            Known::Unknown(_) => WatchUpdate::Quiet,
        }
    }

    pub(super) fn apply<T: Identified>(
        &mut self,
        items: &mut Vec<T>,
        change: Change<T>,
        mut keep: impl FnMut(T) -> Option<T>,
    ) -> WatchUpdate {
        match change {
            Change::Added(item) | Change::Modified(item) => {
                let uid = item.uid().to_owned();
                match keep(item) {
                    Some(item) => self.put(items, uid, item),
                    None => self.remove(items, &uid),
                }
            }
            Change::Deleted(item) => self.remove(items, item.uid()),
            Change::Bookmark => WatchUpdate::Quiet,
            Change::Interrupted(error) => WatchUpdate::Interrupted(error),
            Change::Relist => WatchUpdate::Relist,
        }
    }

    pub(super) fn put<T>(&mut self, items: &mut Vec<T>, uid: String, item: T) -> WatchUpdate {
        match self.0.get(&uid) {
            Some(&place) => items[place] = item,
            None => {
                self.0.insert(uid, items.len());
                items.push(item);
            }
        }
        WatchUpdate::Changed
    }

    pub(super) fn remove<T: Identified>(&mut self, items: &mut Vec<T>, uid: &str) -> WatchUpdate {
        let Some(place) = self.0.remove(uid) else {
            return WatchUpdate::Quiet;
        };
        items.swap_remove(place);
        if let Some(moved) = items.get(place) {
            self.0.insert(moved.uid().to_owned(), place);
        }
        WatchUpdate::Changed
    }
}
