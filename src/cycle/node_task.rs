//! One node of a run, from its start to its end: waiting, in progress, then replaced, failed or skipped.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::decision::{Failure, NodeEvent, PodRef, Skip};
use super::observation::NodeView;
use super::plan::{Planned, skip};
use super::{Observation, Policy};
use crate::rollout;
use crate::snapshot::PodSummary;

/// One planned node.
#[derive(Clone, Debug)]
pub(crate) struct NodeTask {
    pub(crate) node: String,
    /// The first pod to remove, by the plan.
    pub(crate) pod: PodRef,
    pub(crate) status: Status,
    /// The uids of the pods to replace when the plan was made. With `--all`, they may be up to date.
    outdated_uids: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Status {
    /// It is not started.
    Waiting,
    /// Its pod is being replaced.
    InProgress(InProgress),
    /// The new pod has been available for `--min-ready`.
    Replaced {
        pod: String,
        /// From the removal of the old pod until the new one counts.
        took: SignedDuration,
    },
    Failed {
        why: Failure,
        /// The old pod.
        pod: PodRef,
    },
    /// It was planned and then skipped.
    Skipped(Skip),
}

/// The progress of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InProgress {
    /// The pod that was removed last, or will be removed next.
    pub(crate) pod: PodRef,
    pub(crate) begun: Timestamp,
    /// Since when the new pod is available without interruption.
    pub(crate) available_since: Option<Timestamp>,
    /// The last rejection of the removal.
    pub(crate) refused: Option<Rejected>,
    /// How long the replacement took, if the new pod was available and then became unavailable.
    took: Option<SignedDuration>,
    /// What was reported last: the step, and whether the node had a problem.
    last_reported: Option<(rollout::NodeStep, bool)>,
}

/// A removal that the API server rejects for now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rejected {
    /// The message of the API server.
    pub(crate) message: String,
    /// When to retry.
    pub(crate) retry: Timestamp,
}

impl NodeTask {
    pub(super) fn new(planned: &Planned<'_>) -> Self {
        Self {
            node: planned.node.to_owned(),
            pod: planned.pod.clone(),
            status: Status::Waiting,
            outdated_uids: planned.outdated_uids.clone(),
        }
    }

    /// The progress of the node while it is in progress.
    pub(crate) fn work(&self) -> Option<&InProgress> {
        match &self.status {
            Status::InProgress(work) => Some(work),
            _ => None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.status == Status::Waiting
    }

    /// Whether the pod has to be replaced.
    fn is_outdated(&self, pod: &PodSummary, observation: &Observation<'_>) -> bool {
        observation.is_outdated(pod) || self.outdated_uids.contains(&pod.metadata.uid)
    }

    /// The pod to remove next: one that has to be replaced, is not terminating, and is controlled by the DaemonSet.
    pub(super) fn removable<'a>(&self, observation: &Observation<'a>) -> Option<&'a PodSummary> {
        let node_view = observation.node_view(&self.node)?;
        node_view.live().find(|pod| self.is_outdated(pod, observation) && node_view.owns(pod))
    }

    /// Why the node cannot be started now.
    pub(super) fn skip_reason(&self, observation: &Observation<'_>, policy: &Policy) -> Option<Skip> {
        match observation.node_view(&self.node) {
            None => Some(Skip::NodeGone),
            Some(node_view) => skip(node_view, |pod| self.is_outdated(pod, observation), policy),
        }
    }

    /// Whether no pod to replace is ready, so that a removal makes nothing worse. It is not enough that none is
    /// available: a ready pod becomes available by time alone, without a new resourceVersion.
    pub(super) fn has_no_ready_pod(&self, observation: &Observation<'_>) -> bool {
        let is_ready = |pod: &PodSummary| pod.condition("Ready").is_some_and(|condition| condition.is_true());
        let has_ready =
            |node_view: &NodeView<'_>| node_view.live().any(|pod| self.is_outdated(pod, observation) && is_ready(pod));
        !observation.node_view(&self.node).is_some_and(has_ready)
    }

    pub(super) fn begin(&mut self, pod: PodRef, now: Timestamp) {
        match &mut self.status {
            // A retry, or another pod of the same node: the timeout continues.
            Status::InProgress(work) => {
                if work.pod != pod {
                    work.refused = None;
                }
                work.pod = pod;
            }
            status => *status = Status::InProgress(InProgress::new(pod, now, None)),
        }
    }

    /// Returns whether this is the first rejection of the removal of this pod.
    pub(super) fn reject(&mut self, message: &str, retry: Timestamp) -> bool {
        match &mut self.status {
            Status::InProgress(work) => {
                let refused = Rejected { message: message.to_owned(), retry };
                work.refused.replace(refused).is_none()
            }
            _ => false,
        }
    }

    /// Updates the status from an observation, and returns what is new.
    pub(super) fn update(&mut self, observation: &Observation<'_>, policy: &Policy) -> Option<NodeEvent> {
        let node_view = observation.node_view(&self.node);
        let next = match (&self.status, node_view) {
            (Status::Waiting, Some(node_view)) => self.waiting(node_view, observation),
            (Status::InProgress(work), Some(node_view)) => {
                return self.in_progress(work.clone(), node_view, observation, policy);
            }
            (Status::Replaced { took, pod }, Some(node_view)) => {
                self.became_unavailable(*took, pod, node_view, observation)
            }
            (Status::Failed { .. }, Some(node_view)) => self.recovered(node_view, observation),
            (Status::Waiting | Status::InProgress(_), None) => Some(Status::Skipped(Skip::NodeGone)),
            _ => None,
        };
        self.change(next?)
    }

    fn change(&mut self, next: Status) -> Option<NodeEvent> {
        self.status = next;
        let node = self.node.clone();
        match self.status.clone() {
            Status::Replaced { pod, took } => Some(NodeEvent::Replaced { node, pod, took }),
            Status::Failed { why, .. } => Some(NodeEvent::Failed { node, why }),
            Status::Skipped(why) => Some(NodeEvent::Skipped { node, why }),
            Status::InProgress(_) => Some(NodeEvent::Regressed { node }),
            Status::Waiting => None,
        }
    }

    fn waiting(&self, node_view: &NodeView<'_>, observation: &Observation<'_>) -> Option<Status> {
        let has_outdated = node_view.row.pods.iter().any(|pod| self.is_outdated(pod, observation));
        (!has_outdated).then_some(Status::Skipped(Skip::ReplacedMeanwhile))
    }

    fn in_progress(
        &mut self,
        mut work: InProgress,
        node_view: &NodeView<'_>,
        observation: &Observation<'_>,
        policy: &Policy,
    ) -> Option<NodeEvent> {
        if self.removable(observation).is_none() {
            work.refused = None;
        } else if self.skip_reason(observation, policy).is_some() {
            // Nothing was removed, and the node may no longer be started.
            self.status = Status::Waiting;
            return None;
        }
        let now = observation.now;
        if let Some(new) = self.new_pod(node_view, observation) {
            let since = *work.available_since.get_or_insert(now);
            if now.duration_since(since) >= policy.min_ready {
                let took = work.took.unwrap_or_else(|| now.duration_since(work.begun));
                return self.change(Status::Replaced { pod: new.metadata.name.clone(), took });
            }
        } else {
            work.available_since = None;
            if node_view.row.pods.is_empty() && !node_view.is_eligible() && node_view.down().is_none() {
                return self.change(Status::Skipped(Skip::NotEligible { reasons: node_view.row.reasons.clone() }));
            }
            if let Some(why) = self.failure(&work, observation, policy) {
                return self.change(Status::Failed { why, pod: work.pod });
            }
        }
        let news = self.step_changed(&mut work, observation);
        self.status = Status::InProgress(work);
        news
    }

    /// The available new pod, if no pod to replace remains.
    fn new_pod<'a>(&self, node_view: &NodeView<'a>, observation: &Observation<'a>) -> Option<&'a PodSummary> {
        if node_view.row.pods.iter().any(|pod| self.is_outdated(pod, observation)) {
            return None;
        }
        node_view.live().find(|pod| node_view.is_available(pod))
    }

    fn failure(&self, work: &InProgress, observation: &Observation<'_>, policy: &Policy) -> Option<Failure> {
        if let Some(problem) = observation.lasting_problem(&self.node) {
            return Some(Failure::NodeProblem { problem: problem.clone() });
        }
        if observation.now.duration_since(work.begun) < policy.node_timeout {
            return None;
        }
        let refused = work.refused.as_ref().filter(|_| self.removable(observation).is_some());
        Some(match (refused, observation.progress(&self.node)) {
            (Some(refused), _) => Failure::NotRemoved { message: refused.message.clone() },
            (None, Some(progress)) => {
                Failure::TimedOut { step: Some(progress.step), reasons: progress.reasons.clone() }
            }
            (None, None) => {
                let reasons = observation
                    .node_view(&self.node)
                    .map(|node_view| node_view.row.reasons.clone())
                    .unwrap_or_default();
                Failure::TimedOut { step: None, reasons }
            }
        })
    }

    /// Reports each step once, and again if the node gets or loses a problem.
    fn step_changed(&self, work: &mut InProgress, observation: &Observation<'_>) -> Option<NodeEvent> {
        let progress = observation.progress(&self.node)?;
        let seen = (progress.step, !progress.problems.is_empty());
        let is_begun = !matches!(progress.step, rollout::NodeStep::Outdated | rollout::NodeStep::Done);
        if !is_begun || work.last_reported.replace(seen) == Some(seen) {
            return None;
        }
        Some(NodeEvent::StepChanged { node: self.node.clone(), step: progress.step, reasons: progress.reasons.clone() })
    }

    /// If the new pod is no longer available, the node is in progress again.
    fn became_unavailable(
        &self,
        took: SignedDuration,
        pod: &str,
        node_view: &NodeView<'_>,
        observation: &Observation<'_>,
    ) -> Option<Status> {
        let is_eligible = node_view.is_eligible() || node_view.down().is_some();
        if !is_eligible || self.new_pod(node_view, observation).is_some() {
            return None;
        }
        let pod = PodRef { name: pod.to_owned(), uid: String::new() };
        Some(Status::InProgress(InProgress::new(pod, observation.now, Some(took))))
    }

    fn recovered(&self, node_view: &NodeView<'_>, observation: &Observation<'_>) -> Option<Status> {
        let pod = self.new_pod(node_view, observation)?;
        let took = pod.metadata.creation_timestamp.map(|made| observation.now.duration_since(made.timestamp()));
        Some(Status::Replaced { pod: pod.metadata.name.clone(), took: took.unwrap_or_default() })
    }

    /// The next time at which the status may change without a change in the cluster.
    pub(super) fn due(&self, observation: &Observation<'_>, policy: &Policy) -> Option<Timestamp> {
        let work = self.work()?;
        let after = |from: Timestamp, wait: SignedDuration| from.checked_add(wait).ok();
        let times = [
            after(work.begun, policy.node_timeout),
            work.available_since.and_then(|since| after(since, policy.min_ready)),
            observation.node_view(&self.node).and_then(NodeView::next_available_at),
            work.refused.as_ref().map(|refused| refused.retry),
        ];
        times.into_iter().flatten().filter(|due| *due > observation.now).min()
    }
}

impl InProgress {
    fn new(pod: PodRef, begun: Timestamp, took: Option<SignedDuration>) -> Self {
        Self { pod, begun, available_since: None, refused: None, took, last_reported: None }
    }
}
