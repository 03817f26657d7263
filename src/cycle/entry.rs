//! One node of a run, from its turn to its end.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::look::Spot;
use super::plan::{Planned, Skip, skip};
use super::step::{News, PodRef};
use super::{Look, Policy};
use crate::explain::Reason;
use crate::rollout;
use crate::rollout::Cause;
use crate::snapshot::Pod;

/// A node that was planned.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The node.
    pub(crate) node: String,
    /// The pod that was planned to go first.
    pub(crate) pod: PodRef,
    /// Where it is.
    pub(crate) status: Status,
    /// The uids of the pods that were there when the plan was made and are to be replaced.
    stale: BTreeSet<String>,
}

/// Where a planned node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Status {
    /// Its turn has not come.
    Waiting,
    /// Its pod is being replaced.
    InWork(Work),
    /// The new pod is available, and was for long enough.
    Replaced {
        /// The new pod.
        pod: String,
        /// From the removal of the old pod to now.
        took: SignedDuration,
    },
    /// The new pod did not come up.
    Failed {
        /// Why.
        why: Failure,
        /// The pod that was removed.
        pod: PodRef,
    },
    /// It was left alone after all.
    Skipped(Skip),
}

/// A node in work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    /// The pod that was removed last, or is about to be.
    pub(crate) pod: PodRef,
    /// Since when.
    pub(crate) begun: Timestamp,
    /// Since when the new pod is available without a break.
    pub(crate) available_since: Option<Timestamp>,
    /// The API server's last refusal to remove the pod.
    pub(crate) refused: Option<Refused>,
    /// How long it took before the new pod became unavailable again.
    took: Option<SignedDuration>,
    /// What was told last: the step, and whether it was in trouble.
    told: Option<(rollout::Step, bool)>,
}

/// A removal that the API server refuses for now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    /// Its words.
    pub(crate) message: String,
    /// When to try again.
    pub(crate) retry: Timestamp,
}

/// Why a node has failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Failure {
    /// The new pod cannot come up by itself.
    Trouble {
        /// What proves it.
        cause: Cause,
    },
    /// It was not done within `--node-timeout`.
    TimedOut {
        /// Where it was.
        step: Option<rollout::Step>,
        /// What it waited for.
        reasons: Vec<Reason>,
    },
    /// The API server would not remove the old pod within `--node-timeout`.
    NotRemoved {
        /// Its words.
        message: String,
    },
}

impl Entry {
    pub(super) fn of(planned: &Planned<'_>) -> Self {
        Self {
            node: planned.node.to_owned(),
            pod: planned.pod.clone(),
            status: Status::Waiting,
            stale: planned.stale.clone(),
        }
    }

    /// The work on it, while there is any.
    pub(crate) fn work(&self) -> Option<&Work> {
        match &self.status {
            Status::InWork(work) => Some(work),
            _ => None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.status == Status::Waiting
    }

    fn is_stale(&self, pod: &Pod, look: &Look<'_>) -> bool {
        look.is_old(pod) || self.stale.contains(&pod.metadata.uid)
    }

    /// The stale pod to remove next, if one is there that may be removed.
    pub(super) fn removable<'a>(&self, look: &Look<'a>) -> Option<&'a Pod> {
        let spot = look.spot(&self.node)?;
        spot.live().find(|pod| self.is_stale(pod, look) && spot.owns(pod))
    }

    /// Why its turn cannot come now, although the node is there.
    pub(super) fn obstacle(&self, look: &Look<'_>, policy: &Policy) -> Option<Skip> {
        match look.spot(&self.node) {
            None => Some(Skip::NodeGone),
            Some(spot) => skip(spot, |pod| self.is_stale(pod, look), policy),
        }
    }

    /// Whether no stale pod of it is ready: then its node loses nothing. One that is ready and not available yet becomes
    /// so by time alone, which no resourceVersion tells.
    pub(super) fn is_down(&self, look: &Look<'_>) -> bool {
        let is_ready = |pod: &Pod| pod.condition("Ready").is_some_and(|condition| condition.is_true());
        let has_ready = |spot: &Spot<'_>| spot.live().any(|pod| self.is_stale(pod, look) && is_ready(pod));
        !look.spot(&self.node).is_some_and(has_ready)
    }

    pub(super) fn begin(&mut self, pod: PodRef, now: Timestamp) {
        match &mut self.status {
            // The same node again: its time goes on.
            Status::InWork(work) => {
                if work.pod != pod {
                    work.refused = None;
                }
                work.pod = pod;
            }
            status => *status = Status::InWork(Work::of(pod, now, None)),
        }
    }

    /// Whether that is the first refusal of this pod's removal.
    pub(super) fn refuse(&mut self, message: &str, retry: Timestamp) -> bool {
        match &mut self.status {
            Status::InWork(work) => {
                let refused = Refused { message: message.to_owned(), retry };
                work.refused.replace(refused).is_none()
            }
            _ => false,
        }
    }

    /// Brings the entry up to what is seen; tells what is new.
    pub(super) fn update(&mut self, look: &Look<'_>, policy: &Policy) -> Option<News> {
        let spot = look.spot(&self.node);
        let next = match (&self.status, spot) {
            (Status::Waiting, Some(spot)) => self.waiting(spot, look),
            (Status::InWork(work), Some(spot)) => return self.in_work(work.clone(), spot, look, policy),
            (Status::Replaced { took, pod }, Some(spot)) => self.relapsed(*took, pod, spot, look),
            (Status::Failed { .. }, Some(spot)) => self.recovered(spot, look),
            (Status::Waiting | Status::InWork(_), None) => Some(Status::Skipped(Skip::NodeGone)),
            _ => None,
        };
        self.change(next?)
    }

    fn change(&mut self, next: Status) -> Option<News> {
        self.status = next;
        let node = self.node.clone();
        match self.status.clone() {
            Status::Replaced { pod, took } => Some(News::Replaced { node, pod, took }),
            Status::Failed { why, .. } => Some(News::Failed { node, why }),
            Status::Skipped(why) => Some(News::Skipped { node, why }),
            Status::InWork(_) => Some(News::Undone { node }),
            Status::Waiting => None,
        }
    }

    fn waiting(&self, spot: &Spot<'_>, look: &Look<'_>) -> Option<Status> {
        let has_stale = spot.row.pods.iter().any(|pod| self.is_stale(pod, look));
        (!has_stale).then_some(Status::Skipped(Skip::ReplacedMeanwhile))
    }

    fn in_work(&mut self, mut work: Work, spot: &Spot<'_>, look: &Look<'_>, policy: &Policy) -> Option<News> {
        if self.removable(look).is_none() {
            work.refused = None;
        } else if self.obstacle(look, policy).is_some() {
            // Nothing was removed yet, and by now nothing should be.
            self.status = Status::Waiting;
            return None;
        }
        let now = look.now;
        if let Some(new) = self.new_pod(spot, look) {
            let since = *work.available_since.get_or_insert(now);
            if now.duration_since(since) >= policy.min_ready {
                let took = work.took.unwrap_or_else(|| now.duration_since(work.begun));
                return self.change(Status::Replaced { pod: new.metadata.name.clone(), took });
            }
        } else {
            work.available_since = None;
            if spot.row.pods.is_empty() && !spot.is_wanted() && spot.down().is_none() {
                return self.change(Status::Skipped(Skip::NotWanted { reasons: spot.row.reasons.clone() }));
            }
            if let Some(why) = self.failure(&work, look, policy) {
                return self.change(Status::Failed { why, pod: work.pod });
            }
        }
        let news = self.moved(&mut work, look);
        self.status = Status::InWork(work);
        news
    }

    /// The pod that the node is to have, available and alone.
    fn new_pod<'a>(&self, spot: &Spot<'a>, look: &Look<'a>) -> Option<&'a Pod> {
        if spot.row.pods.iter().any(|pod| self.is_stale(pod, look)) {
            return None;
        }
        spot.live().find(|pod| spot.is_available(pod))
    }

    fn failure(&self, work: &Work, look: &Look<'_>, policy: &Policy) -> Option<Failure> {
        if let Some(cause) = look.lasting_trouble(&self.node) {
            return Some(Failure::Trouble { cause: cause.clone() });
        }
        if look.now.duration_since(work.begun) < policy.node_timeout {
            return None;
        }
        let refused = work.refused.as_ref().filter(|_| self.removable(look).is_some());
        Some(match (refused, look.progress(&self.node)) {
            (Some(refused), _) => Failure::NotRemoved { message: refused.message.clone() },
            (None, Some(progress)) => {
                Failure::TimedOut { step: Some(progress.step), reasons: progress.reasons.clone() }
            }
            (None, None) => {
                let reasons = look.spot(&self.node).map(|spot| spot.row.reasons.clone()).unwrap_or_default();
                Failure::TimedOut { step: None, reasons }
            }
        })
    }

    /// Tells a step once, and once more when trouble comes up in it.
    fn moved(&self, work: &mut Work, look: &Look<'_>) -> Option<News> {
        let progress = look.progress(&self.node)?;
        let seen = (progress.step, !progress.causes.is_empty());
        let is_begun = !matches!(progress.step, rollout::Step::Outdated | rollout::Step::Done);
        if !is_begun || work.told.replace(seen) == Some(seen) {
            return None;
        }
        Some(News::Moved { node: self.node.clone(), step: progress.step, reasons: progress.reasons.clone() })
    }

    /// A pod that was available and is not any more: the node is in work again, by nobody's doing.
    fn relapsed(&self, took: SignedDuration, pod: &str, spot: &Spot<'_>, look: &Look<'_>) -> Option<Status> {
        let is_wanted = spot.is_wanted() || spot.down().is_some();
        if !is_wanted || self.new_pod(spot, look).is_some() {
            return None;
        }
        let pod = PodRef { name: pod.to_owned(), uid: String::new() };
        Some(Status::InWork(Work::of(pod, look.now, Some(took))))
    }

    fn recovered(&self, spot: &Spot<'_>, look: &Look<'_>) -> Option<Status> {
        let pod = self.new_pod(spot, look)?;
        let took = pod.metadata.creation_timestamp.map(|made| look.now.duration_since(made.timestamp()));
        Some(Status::Replaced { pod: pod.metadata.name.clone(), took: took.unwrap_or_default() })
    }

    /// When time alone changes something.
    pub(super) fn due(&self, look: &Look<'_>, policy: &Policy) -> Option<Timestamp> {
        let work = self.work()?;
        let after = |from: Timestamp, wait: SignedDuration| from.checked_add(wait).ok();
        let times = [
            after(work.begun, policy.node_timeout),
            work.available_since.and_then(|since| after(since, policy.min_ready)),
            look.spot(&self.node).and_then(Spot::matures),
            work.refused.as_ref().map(|refused| refused.retry),
        ];
        times.into_iter().flatten().filter(|due| *due > look.now).min()
    }
}

impl Work {
    fn of(pod: PodRef, begun: Timestamp, took: Option<SignedDuration>) -> Self {
        Self { pod, begun, available_since: None, refused: None, took, told: None }
    }
}
