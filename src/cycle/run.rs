//! What to do next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decision::{Action, Failure, HaltReason, NodeEvent, ObservationSource, PodRef, Skip, WaitReason};
use super::node_task::{NodeTask, Status};
use super::plan::Plan;
use super::{Observation, Policy};
use crate::rollout::Strategy;
use crate::snapshot::PodSummary;

/// A plan that is being carried out.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    policy: Policy,
    /// Of the DaemonSet.
    uid: String,
    /// The hash of the template that the plan was made for.
    target: String,
    tasks: Vec<NodeTask>,
    /// What the plan left alone.
    skipped: Vec<(String, Skip)>,
    planned_desired: usize,
    planned_budget: usize,
    gate: CanaryGate,
    /// Begins no further node, and halts for this reason once nothing is in work.
    stopping: Option<HaltReason>,
    /// Since when nothing goes on for a reason that is not the run's own, and which.
    idle: Option<(Timestamp, WaitReason)>,
}

/// Whether nodes beyond the canary may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CanaryGate {
    Open,
    /// Not before so many are replaced.
    Canary(usize),
    /// Not before this moment.
    Soak {
        size: usize,
        until: Timestamp,
    },
}

impl Run {
    /// Begins to carry out a plan.
    pub(crate) fn new(plan: &Plan<'_>, observation: &Observation<'_>, policy: Policy) -> Self {
        Self {
            uid: observation.coverage.daemon_set.metadata.uid.clone().unwrap_or_default(),
            target: plan.target.to_owned(),
            tasks: plan.nodes.iter().map(NodeTask::new).collect(),
            skipped: plan.skipped.iter().map(|one| (one.node.to_owned(), one.why.clone())).collect(),
            planned_desired: plan.desired,
            planned_budget: plan.budget,
            gate: policy.canary.map_or(CanaryGate::Open, CanaryGate::Canary),
            stopping: None,
            idle: None,
            policy,
        }
    }

    /// The planned nodes, in their order.
    pub(crate) fn tasks(&self) -> &[NodeTask] {
        &self.tasks
    }

    /// The hash of the template that the plan was made for.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The nodes with an old pod that the plan left alone.
    pub(crate) fn skipped(&self) -> &[(String, Skip)] {
        &self.skipped
    }

    /// On how many nodes a pod was wanted when the plan was made.
    pub(crate) fn planned_desired(&self) -> usize {
        self.planned_desired
    }

    /// How many of these might be without an available pod.
    pub(crate) fn planned_budget(&self) -> usize {
        self.planned_budget
    }

    /// Whether this very pod was to be removed before.
    pub(crate) fn is_removing(&self, node: &str, pod: &PodRef) -> bool {
        self.in_progress().any(|task| task.node == node && task.work().is_some_and(|work| work.pod == *pod))
    }

    /// Whether the node's turn has not come yet.
    pub(crate) fn is_waiting(&self, node: &str) -> bool {
        self.tasks.iter().any(|task| task.node == node && task.is_waiting())
    }

    /// The pod is about to be removed.
    pub(crate) fn begin(&mut self, node: &str, pod: &PodRef, now: Timestamp) {
        self.with(node, |task| task.begin(pod.clone(), now));
    }

    /// The API server refuses the removal for now; whether that is new.
    pub(crate) fn reject(&mut self, node: &str, message: &str, retry: Timestamp) -> bool {
        let task = self.tasks.iter_mut().find(|task| task.node == node);
        task.is_some_and(|task| task.reject(message, retry))
    }

    /// Nothing came of the first removal on this node, and nothing will: the pod is not as it was when that was decided.
    pub(crate) fn revert_to_pending(&mut self, node: &str) {
        self.with(node, |task| task.status = Status::WaitReason);
    }

    /// The removal will be refused however often it is tried.
    pub(crate) fn fail(&mut self, node: &str, message: &str) -> NodeEvent {
        let why = Failure::NotRemoved { message: message.to_owned() };
        self.with(node, |task| {
            if let Status::InProgress(work) = &task.status {
                task.status = Status::Failed { why: why.clone(), pod: work.pod.clone() };
            }
        });
        NodeEvent::Failed { node: node.to_owned(), why }
    }

    /// Goes on after the canary.
    pub(crate) fn resume(&mut self) {
        self.gate = CanaryGate::Open;
    }

    /// Begins no further node, for the first reason that there is.
    pub(crate) fn stop(&mut self, why: HaltReason) {
        self.stopping.get_or_insert(why);
    }

    fn with(&mut self, node: &str, change: impl FnOnce(&mut NodeTask)) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.node == node) {
            change(task);
        }
    }

    /// Decides what to do next from one look, or from the DaemonSet being gone; and tells what is new. By changes alone
    /// it only waits, or halts as it was asked to: whatever else would come next is decided by fresh lists.
    pub(crate) fn next(
        &mut self,
        observation: Option<&Observation<'_>>,
        sight: ObservationSource,
    ) -> (Action, Vec<NodeEvent>) {
        match sight {
            ObservationSource::Listed => self.next_by_lists(observation),
            ObservationSource::Watched => {
                let mut trial = self.clone();
                let (step, news) = trial.next_by_lists(observation);
                let is_idle = self.in_progress().next().is_none();
                let may_do = match &step {
                    Action::Wait { .. } => true,
                    // It was asked to halt, whatever the cluster looks like.
                    Action::HaltReason(why) => is_idle && self.stopping.as_ref() == Some(why),
                    Action::Relist | Action::Replace { .. } | Action::Ask | Action::Finish => false,
                };
                if !may_do || news.iter().any(NodeEvent::is_final) {
                    return (Action::Relist, Vec::new());
                }
                *self = trial;
                (step, news)
            }
        }
    }

    fn next_by_lists(&mut self, observation: Option<&Observation<'_>>) -> (Action, Vec<NodeEvent>) {
        let Some(observation) = observation
            .filter(|observation| observation.coverage.daemon_set.metadata.uid.as_deref() == Some(&self.uid))
        else {
            return (Action::HaltReason(HaltReason::Deleted), Vec::new());
        };
        if let Err(step) = self.check_unchanged(observation) {
            return (step, Vec::new());
        }
        let policy = &self.policy;
        let news: Vec<NodeEvent> = self.tasks.iter_mut().filter_map(|task| task.update(observation, policy)).collect();
        (self.decide(observation), news)
    }

    /// The DaemonSet and its template are those of the plan.
    fn check_unchanged(&mut self, observation: &Observation<'_>) -> Result<(), Action> {
        if observation.coverage.daemon_set.metadata.deletion_timestamp.is_some() {
            return Err(Action::HaltReason(HaltReason::Deleting));
        }
        if !self.policy.all && observation.status.strategy != Strategy::OnDelete {
            return Err(Action::HaltReason(HaltReason::StrategyChanged));
        }
        match observation.revision() {
            Some(revision) if revision == self.target => Ok(()),
            Some(revision) => Err(Action::HaltReason(HaltReason::TemplateChanged { to: revision.to_owned() })),
            None => Err(self.idle(WaitReason::Revision, observation)),
        }
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Action {
        let failed = |task: &&NodeTask| matches!(task.status, Status::Failed { .. });
        let failed: Vec<String> = self.tasks.iter().filter(failed).map(|task| task.node.clone()).collect();
        if failed.len() > self.policy.max_failures {
            return Action::HaltReason(HaltReason::TooManyFailures { nodes: failed });
        }
        if let Some(why) = self.stopping.clone() {
            return self.drain_in_progress(why, observation);
        }
        if let Some(step) = self.retry_in_progress(observation).or_else(|| self.begin_next(observation)) {
            self.idle = None;
            return step;
        }
        let is_in_work = self.in_progress().next().is_some();
        match (self.gate, self.has_candidates(observation)) {
            _ if is_in_work => self.wait(WaitReason::Nodes, None, observation),
            (_, false) => self.finish(observation),
            (CanaryGate::Soak { until, .. }, _) => self.wait(WaitReason::Soak { until }, Some(until), observation),
            (CanaryGate::Canary(size), _) if self.replaced() >= size => self.canary_is_done(size, observation),
            _ => {
                let budget_used_by =
                    self.unavailable_or_in_progress(observation, None).into_iter().map(str::to_owned).collect();
                self.idle(WaitReason::Budget { budget_used_by, budget: self.budget(observation) }, observation)
            }
        }
    }

    /// Begins nothing, and waits for what was begun.
    fn drain_in_progress(&mut self, why: HaltReason, observation: &Observation<'_>) -> Action {
        for task in self.tasks.iter_mut().filter(|task| task.work().is_some()) {
            if task.removable(observation).is_some() {
                task.status = Status::WaitReason;
            }
        }
        match self.in_progress().count() {
            0 => Action::HaltReason(why),
            _ => self.wait(WaitReason::Nodes, None, observation),
        }
    }

    /// A node in work that still has a stale pod: its removal did not come through, or left another one.
    fn retry_in_progress(&self, observation: &Observation<'_>) -> Option<Action> {
        let budget = self.budget(observation);
        self.in_progress().find_map(|task| {
            let pod = task.removable(observation)?;
            let refused = task.work().and_then(|work| work.refused.as_ref());
            let may_retry = refused.is_none_or(|refused| refused.retry <= observation.now);
            let has_room = self.unavailable_or_in_progress(observation, Some(task)).len() < budget;
            (may_retry && (has_room || task.has_no_ready_pod(observation))).then(|| replace(task, pod, has_room))
        })
    }

    /// The first node whose turn it is.
    fn begin_next(&self, observation: &Observation<'_>) -> Option<Action> {
        let budget = self.budget(observation);
        let in_progress = self.in_progress().count();
        let is_open = match self.gate {
            CanaryGate::Open => true,
            CanaryGate::Canary(size) => self.replaced() + in_progress < size,
            CanaryGate::Soak { until, .. } => until <= observation.now,
        };
        if !is_open || in_progress >= budget {
            return None;
        }
        let has_room = self.unavailable_or_in_progress(observation, None).len() < budget;
        let task = self.candidates(observation).find(|task| has_room || task.has_no_ready_pod(observation))?;
        Some(replace(task, task.removable(observation)?, has_room))
    }

    /// Nodes that are without an available pod, or may be before long: those in work and those that failed count even
    /// where nothing seems to have come of the removal, as it may be on its way still.
    fn unavailable_or_in_progress<'l>(
        &'l self,
        observation: &Observation<'l>,
        without: Option<&NodeTask>,
    ) -> BTreeSet<&'l str> {
        let is_touched = |task: &&NodeTask| matches!(task.status, Status::InProgress(_) | Status::Failed { .. });
        let touched = self.tasks.iter().filter(is_touched).filter(|task| observation.node_view(&task.node).is_some());
        let others = touched.filter(|task| without.is_none_or(|without| without.node != task.node));
        observation.unavailable().chain(others.map(|task| task.node.as_str())).collect()
    }

    fn budget(&self, observation: &Observation<'_>) -> usize {
        self.policy.max_unavailable.resolve(observation.desired())
    }

    pub(super) fn in_progress(&self) -> impl Iterator<Item = &NodeTask> {
        self.tasks.iter().filter(|task| task.work().is_some())
    }

    fn candidates<'s>(&'s self, observation: &'s Observation<'_>) -> impl Iterator<Item = &'s NodeTask> {
        let may_begin = |task: &&NodeTask| task.is_waiting() && task.skip_reason(observation, &self.policy).is_none();
        self.tasks.iter().filter(may_begin)
    }

    fn has_candidates(&self, observation: &Observation<'_>) -> bool {
        self.candidates(observation).next().is_some()
    }

    fn replaced(&self) -> usize {
        self.tasks.iter().filter(|task| matches!(task.status, Status::Replaced { .. })).count()
    }

    fn canary_is_done(&mut self, size: usize, observation: &Observation<'_>) -> Action {
        let Some(soak) = self.policy.soak else { return Action::Ask };
        let until = observation.now.checked_add(soak).unwrap_or(Timestamp::MAX);
        self.gate = CanaryGate::Soak { size, until };
        self.wait(WaitReason::Soak { until }, Some(until), observation)
    }

    /// Nothing is in work, and no node can be begun: what still waits is left alone.
    fn finish(&mut self, observation: &Observation<'_>) -> Action {
        for task in self.tasks.iter_mut().filter(|task| task.is_waiting()) {
            if let Some(why) = task.skip_reason(observation, &self.policy) {
                task.status = Status::Skipped(why);
            }
        }
        Action::Finish
    }

    fn wait(&mut self, waiting: WaitReason, until: Option<Timestamp>, observation: &Observation<'_>) -> Action {
        self.idle = None;
        if let (WaitReason::Nodes, CanaryGate::Soak { size, .. }) = (&waiting, self.gate) {
            // One of the canary is not well any more: it is watched anew.
            self.gate = CanaryGate::Canary(size);
        }
        let due = self.tasks.iter().filter_map(|task| task.due(observation, &self.policy));
        Action::Wait { waiting, until: due.chain(until).min() }
    }

    /// Waits for something that others have to do, and not for ever.
    fn idle(&mut self, waiting: WaitReason, observation: &Observation<'_>) -> Action {
        let is_same =
            |(_, before): &&(Timestamp, WaitReason)| std::mem::discriminant(before) == std::mem::discriminant(&waiting);
        let since = self.idle.as_ref().filter(is_same).map_or(observation.now, |(since, _)| *since);
        if observation.now.duration_since(since) >= self.policy.node_timeout {
            return Action::HaltReason(match waiting {
                WaitReason::Budget { budget_used_by, .. } => HaltReason::BudgetExhausted { nodes: budget_used_by },
                _ => HaltReason::NotObserved,
            });
        }
        self.idle = Some((since, waiting.clone()));
        Action::Wait { waiting, until: since.checked_add(self.policy.node_timeout).ok() }
    }
}

fn replace(task: &NodeTask, pod: &PodSummary, has_room: bool) -> Action {
    let unchanged = (!has_room).then(|| pod.metadata.resource_version.clone());
    Action::Replace { node: task.node.clone(), pod: PodRef::from_pod(pod), unchanged }
}
