//! One node of a run, from its start to its end: waiting, in progress, then replaced, failed or skipped.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::decision::{Failure, HookPoint, NodeEvent, PodRef, Skip};
use super::in_progress::{InProgress, Rejected, StepState};
use super::observation::NodeView;
use super::phases::{Phase, PhaseTimes};
use super::plan::{Planned, Unfinished, skip};
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
    /// An earlier run has cordoned the node, and this run uncordons it.
    pub(crate) is_marked: bool,
    /// An earlier run has replaced the pod, and this run only does what follows.
    pub(super) is_unfinished: bool,
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
        phases: PhaseTimes,
    },
    Failed {
        why: Failure,
        /// The old pod.
        pod: PodRef,
    },
    /// It was planned and then skipped.
    Skipped(Skip),
}

impl NodeTask {
    pub(super) fn new(planned: &Planned<'_>) -> Self {
        Self {
            node: planned.node.to_owned(),
            pod: planned.pod.clone(),
            status: Status::Waiting,
            outdated_uids: planned.outdated_uids.clone(),
            is_marked: planned.is_marked,
            is_unfinished: false,
        }
    }

    /// A node that an earlier run left cordoned after it had removed the old pod.
    pub(super) fn unfinished(unfinished: &Unfinished<'_>, now: Timestamp) -> Self {
        let pod = unfinished.pod.clone();
        Self {
            node: unfinished.node.to_owned(),
            status: Status::InProgress(InProgress::waiting_for_new_pod(pod.clone(), StepState::Pending, now)),
            pod,
            outdated_uids: BTreeSet::new(),
            is_marked: true,
            is_unfinished: true,
        }
    }

    /// What follows when the new pod is available.
    fn completion(&self, policy: &Policy) -> StepState {
        if policy.steps.after || policy.steps.cordon || self.is_marked { StepState::Pending } else { StepState::Done }
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

    /// Records that the node is prepared for the removal of its pod.
    pub(super) fn prepare(&mut self, pod: PodRef, policy: &Policy, now: Timestamp) {
        self.status = Status::InProgress(InProgress::preparing(pod, self.completion(policy), now));
    }

    /// Records that the removal of a pod is requested.
    pub(super) fn begin(&mut self, pod: PodRef, policy: &Policy, now: Timestamp) {
        let completion = self.completion(policy);
        match &mut self.status {
            // A retry, or another pod of the same node: the timeout continues.
            Status::InProgress(work) => {
                if work.pod != pod {
                    work.refused = None;
                }
                (work.pod, work.is_removal_sent) = (pod, true);
            }
            status => *status = Status::InProgress(InProgress::removing(pod, completion, now)),
        }
    }

    /// Records that the first removal on this node was not carried out.
    pub(super) fn revert(&mut self, policy: &Policy) {
        match &mut self.status {
            Status::InProgress(work) if policy.steps.prepares() => work.is_removal_sent = false,
            status => *status = Status::Waiting,
        }
    }

    /// Records that a hook is not started after all.
    pub(super) fn cancel_hook(&mut self, point: HookPoint) {
        match (&mut self.status, point) {
            (status @ Status::InProgress(_), HookPoint::Before) => *status = Status::Waiting,
            (Status::InProgress(work), HookPoint::After) => work.completion = StepState::Pending,
            _ => {}
        }
    }

    /// Records that a hook ended. Returns the failure of the node, if it has failed.
    pub(super) fn end_hook(
        &mut self,
        point: HookPoint,
        ended: Result<(), String>,
        now: Timestamp,
    ) -> Option<NodeEvent> {
        let Status::InProgress(work) = &mut self.status else { return None };
        let state = match point {
            HookPoint::Before => &mut work.preparation,
            HookPoint::After => &mut work.completion,
        };
        if *state != StepState::Running {
            return None;
        }
        *state = StepState::Done;
        if point == HookPoint::Before {
            // The time limit of a node does not include this: hooks have their own.
            work.begun = now;
        }
        match ended {
            Ok(()) => None,
            Err(message) => {
                let pod = work.pod.clone();
                self.change(Status::Failed { why: Failure::HookFailed { point, message }, pod })
            }
        }
    }

    /// Whether what follows the replacement has to be done now. Then it counts as running.
    pub(super) fn start_completion(&mut self, observation: &Observation<'_>, policy: &Policy) -> bool {
        let node_view = observation.node_view(&self.node);
        let is_ready = node_view.is_some_and(|node_view| {
            self.new_pod(node_view, observation).is_some() && observation.unmet_requirement(&self.node).is_none()
        });
        let Status::InProgress(work) = &mut self.status else { return false };
        let is_due = work.completion == StepState::Pending
            && is_ready
            && work.available_since.is_some_and(|since| observation.now.duration_since(since) >= policy.min_ready);
        if is_due {
            work.completion = StepState::Running;
            work.clock.enter(Phase::After, observation.now);
        }
        is_due
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
            (Status::Replaced { took, pod, .. }, Some(node_view)) => {
                self.became_unavailable(*took, pod, node_view, observation)
            }
            (Status::Failed { why, .. }, Some(node_view)) => self.recovered(why, node_view, observation, policy),
            (Status::Waiting | Status::InProgress(_), None) => Some(Status::Skipped(Skip::NodeGone)),
            _ => None,
        };
        self.change(next?)
    }

    fn change(&mut self, next: Status) -> Option<NodeEvent> {
        self.status = next;
        let node = self.node.clone();
        match self.status.clone() {
            Status::Replaced { pod, took, .. } => Some(NodeEvent::Replaced { node, pod, took }),
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
        if work.is_hook_running() {
            return None;
        }
        if self.removable(observation).is_none() {
            work.refused = None;
        } else if self.skip_reason(observation, policy).is_some() {
            // Nothing was removed, and the node may no longer be started.
            self.status = Status::Waiting;
            return None;
        }
        let now = observation.now;
        work.clock.enter(self.phase(node_view, observation), now);
        let is_required_available = observation.unmet_requirement(&self.node).is_none();
        if let Some(new) = self.new_pod(node_view, observation).filter(|_| is_required_available) {
            let since = *work.available_since.get_or_insert(now);
            if now.duration_since(since) >= policy.min_ready && work.completion == StepState::Done {
                let took = work.took.unwrap_or_else(|| now.duration_since(work.begun));
                let (pod, phases) = (new.metadata.name.clone(), work.clock.times(now));
                return self.change(Status::Replaced { pod, took, phases });
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

    /// The phase of a node whose old pod is being removed.
    fn phase(&self, node_view: &NodeView<'_>, observation: &Observation<'_>) -> Phase {
        if node_view.row.pods.iter().any(|pod| self.is_outdated(pod, observation)) {
            return Phase::Termination;
        }
        match node_view.live().next() {
            None => Phase::Scheduling,
            Some(pod) if pod.spec.node_name.is_empty() => Phase::Scheduling,
            Some(pod) if node_view.is_available(pod) => Phase::After,
            Some(pod) if pod.containers_run() => Phase::Readiness,
            Some(_) => Phase::Start,
        }
    }

    /// The new pod, or the last one that was removed.
    pub(super) fn new_pod_ref(&self, observation: &Observation<'_>) -> PodRef {
        let new = observation.node_view(&self.node).and_then(|node_view| self.new_pod(node_view, observation));
        new.map_or_else(|| self.pod.clone(), PodRef::from_pod)
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
        if let Some(daemon_set) = observation.unmet_requirement(&self.node)
            && observation.node_view(&self.node).is_some_and(|node| self.new_pod(node, observation).is_some())
        {
            return Some(Failure::RequirementNotMet { daemon_set: daemon_set.to_string() });
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
        // What follows the replacement has been done.
        let work = InProgress::waiting_for_new_pod(pod, StepState::Done, observation.now);
        Some(Status::InProgress(InProgress { took: Some(took), ..work }))
    }

    /// The status of a failed node whose new pod has become available. A failed hook is not repeated.
    fn recovered(
        &self,
        why: &Failure,
        node_view: &NodeView<'_>,
        observation: &Observation<'_>,
        policy: &Policy,
    ) -> Option<Status> {
        if matches!(why, Failure::HookFailed { .. }) || observation.unmet_requirement(&self.node).is_some() {
            return None;
        }
        let pod = self.new_pod(node_view, observation)?;
        if self.completion(policy) == StepState::Pending {
            let work = InProgress::waiting_for_new_pod(PodRef::from_pod(pod), StepState::Pending, observation.now);
            return Some(Status::InProgress(work));
        }
        let took = pod.metadata.creation_timestamp.map(|made| observation.now.duration_since(made.timestamp()));
        let (pod, took) = (pod.metadata.name.clone(), took.unwrap_or_default());
        Some(Status::Replaced { pod, took, phases: PhaseTimes::new() })
    }

    /// The next time at which the status may change without a change in the cluster.
    pub(super) fn due(&self, observation: &Observation<'_>, policy: &Policy) -> Option<Timestamp> {
        // The end of a hook is an event of its own.
        let work = self.work().filter(|work| !work.is_hook_running())?;
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
