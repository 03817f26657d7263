//! Tracks the progress of a rollout while it is watched: when it last advanced, and how fast it is.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;

use super::{Rate, RolloutStatus, rate};
use crate::revision::revision_of;
use crate::snapshot::Known;

/// How many completions are kept: more than [`rate()`] uses.
const COMPLETIONS: usize = 200;

/// The progress of a rollout at one moment, in nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProgressSample<'a> {
    /// The hash of the current revision; `None` while the controller has not created it.
    pub(crate) revision: Option<&'a str>,
    /// Eligible nodes.
    pub(crate) desired: usize,
    /// Of these, nodes with an up-to-date pod.
    pub(crate) updated: usize,
    /// Of these, nodes with an available up-to-date pod.
    pub(crate) done: usize,
}

impl<'a> ProgressSample<'a> {
    pub(crate) fn new(rollout_status: &'a RolloutStatus<'_>) -> Self {
        Self {
            revision: rollout_status.revision.hash.known().and_then(Option::as_deref),
            desired: rollout_status.desired,
            updated: rollout_status.updated,
            done: rollout_status.updated_available,
        }
    }

    fn left(self) -> usize {
        self.desired.saturating_sub(self.done)
    }
}

/// The progress of a rollout since it is watched.
#[derive(Clone, Debug)]
pub(crate) struct ProgressTracker {
    revision: Option<String>,
    /// The highest number so far: a pod that crashes and recovers is not progress.
    most_updated: usize,
    most_done: usize,
    least_left: usize,
    last_progress: Timestamp,
    /// Since when no changes arrive.
    blind_since: Option<Timestamp>,
    /// When nodes became done, in order.
    completions: Vec<Timestamp>,
}

impl ProgressTracker {
    pub(crate) fn begin(sample: ProgressSample<'_>, now: Timestamp) -> Self {
        Self {
            revision: sample.revision.map(str::to_owned),
            most_updated: sample.updated,
            most_done: sample.done,
            least_left: sample.left(),
            last_progress: now,
            blind_since: None,
            completions: Vec::new(),
        }
    }

    /// Call this while no changes arrive: it is unknown whether the rollout advances, so the time does not count.
    pub(crate) fn pause(&mut self, now: Timestamp) {
        self.blind_since.get_or_insert(now);
    }

    /// Records the next sample. A new revision resets the tracker.
    pub(crate) fn observe(&mut self, sample: ProgressSample<'_>, now: Timestamp) {
        if let Some(since) = self.blind_since.take() {
            self.last_progress = (self.last_progress + now.duration_since(since)).min(now);
        }
        if sample.revision.is_some() && sample.revision != self.revision.as_deref() {
            *self = Self::begin(sample, now);
            return;
        }
        if sample.updated > self.most_updated || sample.done > self.most_done || sample.left() < self.least_left {
            self.last_progress = now;
        }
        // A node that was done before does not count again.
        let newly_done = sample.done.saturating_sub(self.most_done);
        self.completions.extend(std::iter::repeat_n(now, newly_done));
        self.completions.drain(..self.completions.len().saturating_sub(COMPLETIONS));
        self.most_updated = self.most_updated.max(sample.updated);
        self.most_done = self.most_done.max(sample.done);
        self.least_left = self.least_left.min(sample.left());
    }

    /// When the rollout last advanced; at first, when the watch began.
    pub(crate) fn last_progress(&self) -> Timestamp {
        self.last_progress
    }

    /// The rate and the remaining time; `None` with fewer than two completions.
    pub(crate) fn rate(&self, sample: ProgressSample<'_>, now: Timestamp) -> Option<Rate> {
        rate(&self.completions, sample.left(), now)
    }
}

/// The number of the current revision; `None` while the controller has not created it.
pub(crate) fn revision_number(
    rollout_status: &RolloutStatus<'_>,
    revisions: &Known<Vec<ControllerRevision>>,
) -> Option<i64> {
    let hash = rollout_status.revision.hash.known()?.as_deref()?;
    let uid = rollout_status.daemon_set.metadata.uid.as_deref();
    let is_ours = |revision: &&ControllerRevision| {
        let mut owners = revision.metadata.owner_references.iter().flatten();
        owners.any(|owner| Some(owner.uid.as_str()) == uid)
    };
    let of_hash = |revision: &&ControllerRevision| {
        revision.metadata.labels.as_ref().is_some_and(|labels| revision_of(labels) == Some(hash))
    };
    revisions.known()?.iter().filter(is_ours).filter(of_hash).filter_map(|revision| revision.revision).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn sample(desired: usize, updated: usize, done: usize) -> ProgressSample<'static> {
        ProgressSample { revision: Some("new"), desired, updated, done }
    }

    #[test]
    fn rate_counts_only_nodes_that_became_done_while_watched() {
        let mut tracker = ProgressTracker::begin(sample(10, 2, 2), at(0));
        assert!(tracker.rate(sample(10, 2, 2), at(5)).is_none());
        for (node, seconds) in [(3, 30), (4, 60), (5, 90)] {
            tracker.observe(sample(10, node, node), at(seconds));
        }
        let rate = tracker.rate(sample(10, 5, 5), at(91));
        assert!(rate.is_some_and(|rate| rate.left == SignedDuration::from_secs(150)), "{rate:?}");
    }

    #[test]
    fn pod_that_crashes_and_recovers_is_not_progress() {
        let mut tracker = ProgressTracker::begin(sample(3, 0, 0), at(0));
        tracker.observe(sample(3, 1, 1), at(10));
        tracker.observe(sample(3, 0, 0), at(20));
        tracker.observe(sample(3, 1, 1), at(30));
        assert_eq!(tracker.last_progress(), at(10));
        tracker.observe(sample(3, 2, 1), at(40));
        assert_eq!(tracker.last_progress(), at(40));
    }

    #[test]
    fn removed_node_is_progress_and_new_revision_resets() {
        let mut tracker = ProgressTracker::begin(sample(3, 1, 1), at(0));
        tracker.observe(sample(2, 1, 1), at(10));
        assert_eq!(tracker.last_progress(), at(10));
        tracker.observe(ProgressSample { revision: Some("newer"), ..sample(2, 0, 0) }, at(20));
        assert_eq!(tracker.last_progress(), at(20));
        // The controller has not created the next revision yet.
        tracker.observe(ProgressSample { revision: None, ..sample(2, 0, 0) }, at(30));
        assert_eq!(tracker.last_progress(), at(20));
    }

    #[test]
    fn time_without_a_connection_does_not_count() {
        let mut tracker = ProgressTracker::begin(sample(3, 1, 1), at(0));
        tracker.pause(at(10));
        tracker.pause(at(60));
        tracker.observe(sample(3, 1, 1), at(110));
        assert_eq!(tracker.last_progress(), at(100));
        tracker.observe(sample(3, 1, 1), at(120));
        assert_eq!(tracker.last_progress(), at(100));
    }
}
