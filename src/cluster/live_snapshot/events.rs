//! The warning events about the objects of a snapshot: listed once when first needed, and then watched.
//!
//! They are independent of the other lists of the snapshot: if their resourceVersion has expired, only the events are
//! listed again.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream, LocalBoxStream};
use k8s_openapi::api::core::v1::Event;

use super::index::{Identified, UidIndex, WatchUpdate};
use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::cluster::relist::RelistPace;
use crate::cluster::watch::Change;
use crate::error::Error;
use crate::snapshot::event::involved_uid;
use crate::snapshot::{EventFields, Known};

/// How many events about unknown objects are kept: an event may arrive before its pod.
const EARLY: usize = 256;

/// The events of a snapshot, and their watch.
pub(crate) struct Events {
    fields: EventFields,
    news: LocalBoxStream<'static, Result<EventUpdate, Error>>,
    /// Whether the first list is pending.
    is_awaited: bool,
    places: UidIndex,
    early: VecDeque<Event>,
}

/// An update of the events.
pub(super) enum EventUpdate {
    /// All events, or why they cannot be read.
    Listed(Known<Vec<Event>>),
    /// A change since the list.
    Changed(Box<Change<Event>>),
    /// The list failed and is retried. Reported once.
    Failed(Error),
}

impl Events {
    /// Starts to list and watch the events with these fields.
    pub(super) fn start(access: &Access, scope: &Scope, fields: EventFields) -> Self {
        let news = news(access.clone(), scope.clone(), fields.selector().into());
        Self { fields, news, is_awaited: true, places: UidIndex::new::<Event>(&[]), early: VecDeque::new() }
    }

    pub(super) fn fields(&self) -> EventFields {
        self.fields
    }

    /// Whether the first list is pending.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// The next update. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<EventUpdate, Error> {
        match self.news.next().await {
            Some(news) => news,
            // The events cannot be read, which was already reported.
            None => std::future::pending().await,
        }
    }

    /// Applies an update. `is_ours` returns whether the snapshot contains the object with a uid.
    pub(super) fn apply(
        &mut self,
        news: EventUpdate,
        events: &mut Known<Vec<Event>>,
        is_ours: impl Fn(&str) -> bool,
    ) -> WatchUpdate {
        match news {
            EventUpdate::Listed(listed) => {
                self.is_awaited = false;
                self.replace(listed, events, &is_ours);
                WatchUpdate::Changed
            }
            EventUpdate::Changed(change) => match *change {
                Change::Added(event) | Change::Modified(event) => self.put(event, events, &is_ours),
                Change::Deleted(event) => {
                    self.early.retain(|early| early.uid() != event.uid());
                    self.places.apply_known(events, Change::Deleted(event), Some)
                }
                change => self.places.apply_known(events, change, Some),
            },
            EventUpdate::Failed(error) => {
                // The previous events stay.
                if std::mem::take(&mut self.is_awaited) {
                    *events = Known::failed(error.to_string());
                }
                WatchUpdate::Interrupted(error)
            }
        }
    }

    /// Continues with another snapshot. Its new objects may have events that arrived early.
    pub(super) fn resume(
        &mut self,
        all: Known<Vec<Event>>,
        events: &mut Known<Vec<Event>>,
        is_ours: impl Fn(&str) -> bool,
    ) {
        let early = std::mem::take(&mut self.early);
        self.replace(all, events, &is_ours);
        for event in early {
            self.put(event, events, &is_ours);
        }
    }

    /// Replaces all events.
    fn replace(&mut self, all: Known<Vec<Event>>, events: &mut Known<Vec<Event>>, is_ours: &impl Fn(&str) -> bool) {
        (self.places, self.early) = (UidIndex::new::<Event>(&[]), VecDeque::new());
        match all {
            Known::Unknown(why) => *events = Known::Unknown(why),
            Known::Known(all) => {
                *events = Known::Known(Vec::new());
                for event in all {
                    self.put(event, events, is_ours);
                }
            }
        }
    }

    fn put(
        &mut self,
        mut event: Event,
        events: &mut Known<Vec<Event>>,
        is_ours: &impl Fn(&str) -> bool,
    ) -> WatchUpdate {
        event.metadata.managed_fields = None;
        if is_ours(involved_uid(&event)) {
            return self.places.apply_known(events, Change::Added(event), Some);
        }
        self.early.retain(|early| early.uid() != event.uid());
        if self.early.len() == EARLY {
            self.early.pop_front();
        }
        self.early.push_back(event);
        WatchUpdate::Quiet
    }

    /// Adds the early events of an object that was added to the snapshot.
    pub(super) fn welcome(&mut self, uid: &str, events: &mut Known<Vec<Event>>) {
        let all = std::mem::take(&mut self.early);
        let (ours, early): (VecDeque<Event>, _) = all.into_iter().partition(|event| involved_uid(event) == uid);
        self.early = early;
        for event in ours {
            self.places.apply_known(events, Change::Added(event), Some);
        }
    }

    /// Removes the events of an object that was removed from the snapshot.
    pub(super) fn forget(&mut self, uid: &str, events: &mut Known<Vec<Event>>) {
        let Known::Known(all) = events else { return };
        let before = all.len();
        all.retain(|event| involved_uid(event) != uid);
        if all.len() != before {
            self.places = UidIndex::new(all);
        }
    }
}

impl Identified for Event {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// The source of the next update.
enum Source {
    /// A list, after this many failed lists.
    List(u32),
    /// A list, because the watch has expired.
    Relist,
    Watch(BoxStream<'static, Result<Change<Event>, Error>>),
    Over,
}

/// The stream of updates. It ends if the events cannot be read at all.
fn news(access: Access, scope: Scope, fields: Arc<str>) -> LocalBoxStream<'static, Result<EventUpdate, Error>> {
    stream::unfold((Source::List(0), RelistPace::default()), move |(mut source, mut pace)| {
        let (access, scope, fields) = (access.clone(), scope.clone(), Arc::clone(&fields));
        async move {
            loop {
                let (news, next) = match source {
                    Source::Over => return None,
                    Source::Relist => {
                        pace.pause().await;
                        source = Source::List(0);
                        continue;
                    }
                    Source::List(failures) => match list(&access, &scope, &fields, failures).await {
                        // Each outage is reported once.
                        (Ok(EventUpdate::Failed(_)), next) if failures > 0 => {
                            source = next;
                            continue;
                        }
                        listed => listed,
                    },
                    Source::Watch(mut changes) => match changes.next().await {
                        None | Some(Ok(Change::Relist)) => {
                            source = Source::Relist;
                            continue;
                        }
                        Some(Ok(change)) => (Ok(EventUpdate::Changed(Box::new(change))), Source::Watch(changes)),
                        Some(Err(error)) => unreadable(error),
                    },
                };
                return Some((news, (next, pace)));
            }
        }
    })
    .boxed_local()
}

async fn list(access: &Access, scope: &Scope, fields: &str, failures: u32) -> (Result<EventUpdate, Error>, Source) {
    if failures > 0 {
        tokio::time::sleep(access.backoff.wait(failures)).await;
    }
    match access.list::<Event>(scope, None, Some(fields)).await {
        Ok(listed) => {
            let changes = access.watch(scope, None, Some(fields), listed.resource_version);
            (Ok(EventUpdate::Listed(Known::Known(listed.items))), Source::Watch(changes))
        }
        Err(error) if error.may_pass() => (Ok(EventUpdate::Failed(error)), Source::List(failures + 1)),
        Err(error) => unreadable(error),
    }
}

/// Missing permissions make the events unknown; any other error ends the command.
fn unreadable(error: Error) -> (Result<EventUpdate, Error>, Source) {
    match error {
        Error::Forbidden { .. } => (Ok(EventUpdate::Listed(Known::failed(error.to_string()))), Source::Over),
        error => (Err(error), Source::Over),
    }
}

#[cfg(test)]
mod tests;
