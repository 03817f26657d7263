//! Carries out a plan: decides the next step for each observation of the cluster.
//!
//! The order of the decisions: halt if the DaemonSet or its template is not that of the plan; update all entries; halt
//! on too many failures or on request; retry the nodes in progress and start the next ones, as far as the budget and the
//! canary allow it; otherwise wait, or finish.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decision::{Action, Failure, HaltReason, NodeEvent, ObservationSource, PodRef, Removal, Skip, WaitReason};
use super::node_task::{NodeTask, Status};
use super::plan::Plan;
use super::{Observation, Policy};
use crate::rollout::Strategy;
use crate::snapshot::PodSummary;

/// A plan in progress.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    policy: Policy,
    /// The uid of the DaemonSet.
    uid: String,
    /// The hash of the revision that the plan was made for.
    target: String,
    tasks: Vec<NodeTask>,
    /// The nodes that the plan skipped.
    skipped: Vec<(String, Skip)>,
    planned_desired: usize,
    planned_budget: usize,
    gate: CanaryGate,
    /// If set, no other node is started, and the run halts with this reason when no node is in progress.
    stopping: Option<HaltReason>,
    /// Since when the run waits for something that it cannot influence, and what that is.
    idle: Option<(Timestamp, WaitReason)>,
}

/// The most pods that are removed at the same time. An API server handles 200 modifying requests at a time by default
/// (`--max-mutating-requests-inflight`), and others need some of them.
const MOST_AT_ONCE: usize = 100;

/// How much of the budget is used up.
struct BudgetUse<'l> {
    /// How many nodes may be unavailable.
    budget: usize,
    used_by: BTreeSet<&'l str>,
}

/// Whether nodes after the canary may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CanaryGate {
    Open,
    /// Only the first nodes, up to this number.
    Canary(usize),
    /// The canary is replaced and observed until this time.
    Soak {
        size: usize,
        until: Timestamp,
    },
}

impl Run {
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

    /// The hash of the revision that the plan was made for.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The nodes with an outdated pod that the plan skipped.
    pub(crate) fn skipped(&self) -> &[(String, Skip)] {
        &self.skipped
    }

    /// The number of eligible nodes when the plan was made.
    pub(crate) fn planned_desired(&self) -> usize {
        self.planned_desired
    }

    /// How many of these may be unavailable at the same time.
    pub(crate) fn planned_budget(&self) -> usize {
        self.planned_budget
    }

    /// Whether the removal of this pod has already started.
    pub(crate) fn is_removing(&self, node: &str, pod: &PodRef) -> bool {
        self.in_progress().any(|task| task.node == node && task.work().is_some_and(|work| work.pod == *pod))
    }

    /// Whether the node is planned and not started.
    pub(crate) fn is_waiting(&self, node: &str) -> bool {
        self.tasks.iter().any(|task| task.node == node && task.is_waiting())
    }

    /// Records that the removal of the pod starts. Call this before the request is sent.
    pub(crate) fn begin(&mut self, node: &str, pod: &PodRef, now: Timestamp) {
        self.with(node, |task| task.begin(pod.clone(), now));
    }

    /// Records that the API server rejects the removal for now. Returns whether this is the first rejection of the pod.
    pub(crate) fn reject(&mut self, node: &str, message: &str, retry: Timestamp) -> bool {
        let task = self.tasks.iter_mut().find(|task| task.node == node);
        task.is_some_and(|task| task.reject(message, retry))
    }

    /// Records that the first removal on this node failed a precondition: the pod has changed since the decision, and
    /// nothing was removed.
    pub(crate) fn revert_to_pending(&mut self, node: &str) {
        self.with(node, |task| task.status = Status::Waiting);
    }

    /// Records that the API server will always reject the removal.
    pub(crate) fn fail(&mut self, node: &str, message: &str) -> NodeEvent {
        let why = Failure::NotRemoved { message: message.to_owned() };
        self.with(node, |task| {
            if let Status::InProgress(work) = &task.status {
                task.status = Status::Failed { why: why.clone(), pod: work.pod.clone() };
            }
        });
        NodeEvent::Failed { node: node.to_owned(), why }
    }

    /// Continues after the canary.
    pub(crate) fn resume(&mut self) {
        self.gate = CanaryGate::Open;
    }

    /// Starts no other node, and halts when no node is in progress. The first reason counts.
    pub(crate) fn stop(&mut self, why: HaltReason) {
        self.stopping.get_or_insert(why);
    }

    fn with(&mut self, node: &str, change: impl FnOnce(&mut NodeTask)) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.node == node) {
            change(task);
        }
    }

    /// Decides the next step, and returns what is new. `observation` is `None` if the DaemonSet does not exist. From
    /// watch events alone, the result is only to wait or to halt on request: every other decision requires new lists.
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
                    // A halt on request does not depend on the cluster.
                    Action::Halt(why) => is_idle && self.stopping.as_ref() == Some(why),
                    Action::Relist | Action::Replace(_) | Action::Ask | Action::Finish => false,
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
            return (Action::Halt(HaltReason::Deleted), Vec::new());
        };
        if let Err(step) = self.check_unchanged(observation) {
            return (step, Vec::new());
        }
        let policy = &self.policy;
        let news: Vec<NodeEvent> = self.tasks.iter_mut().filter_map(|task| task.update(observation, policy)).collect();
        (self.decide(observation), news)
    }

    /// Checks that the DaemonSet and its template are still those of the plan.
    fn check_unchanged(&mut self, observation: &Observation<'_>) -> Result<(), Action> {
        if observation.coverage.daemon_set.metadata.deletion_timestamp.is_some() {
            return Err(Action::Halt(HaltReason::Deleting));
        }
        if !self.policy.all && observation.status.strategy != Strategy::OnDelete {
            return Err(Action::Halt(HaltReason::StrategyChanged));
        }
        match observation.revision() {
            Some(revision) if revision == self.target => Ok(()),
            Some(revision) => Err(Action::Halt(HaltReason::TemplateChanged { to: revision.to_owned() })),
            None => Err(self.idle(WaitReason::Revision, observation)),
        }
    }

    fn decide(&mut self, observation: &Observation<'_>) -> Action {
        let failed = |task: &&NodeTask| matches!(task.status, Status::Failed { .. });
        let failed: Vec<String> = self.tasks.iter().filter(failed).map(|task| task.node.clone()).collect();
        if failed.len() > self.policy.max_failures {
            return Action::Halt(HaltReason::TooManyFailures { nodes: failed });
        }
        if let Some(why) = self.stopping.clone() {
            return self.drain_in_progress(why, observation);
        }
        let removals = self.removals(observation);
        if !removals.is_empty() {
            self.idle = None;
            return Action::Replace(removals);
        }
        let is_in_work = self.in_progress().next().is_some();
        match (self.gate, self.has_candidates(observation)) {
            _ if is_in_work => self.wait(WaitReason::Nodes, None, observation),
            (_, false) => self.finish(observation),
            (CanaryGate::Soak { until, .. }, _) => self.wait(WaitReason::Soak { until }, Some(until), observation),
            (CanaryGate::Canary(size), _) if self.replaced() >= size => self.canary_is_done(size, observation),
            _ => {
                let budget_used_by =
                    self.unavailable_or_in_progress(observation).into_iter().map(str::to_owned).collect();
                self.idle(WaitReason::Budget { budget_used_by, budget: self.budget(observation) }, observation)
            }
        }
    }

    /// Starts no node, and waits for the nodes in progress.
    fn drain_in_progress(&mut self, why: HaltReason, observation: &Observation<'_>) -> Action {
        for task in self.tasks.iter_mut().filter(|task| task.work().is_some()) {
            // A pod to replace remains: its removal is not sent, or not sent again.
            if task.removable(observation).is_some() {
                task.status = Status::Waiting;
            }
        }
        match self.in_progress().count() {
            0 => Action::Halt(why),
            _ => self.wait(WaitReason::Nodes, None, observation),
        }
    }

    /// The pods to remove now, at most [`MOST_AT_ONCE`]: first those of nodes in progress, then those of the next nodes.
    fn removals<'l>(&'l self, observation: &'l Observation<'l>) -> Vec<Removal> {
        let mut budget =
            BudgetUse { budget: self.budget(observation), used_by: self.unavailable_or_in_progress(observation) };
        let mut removals = self.retries(observation, &budget);
        removals.extend(self.starts(observation, &mut budget));
        removals.truncate(MOST_AT_ONCE);
        removals
    }

    /// Nodes in progress that still have a pod to replace: the removal was lost or rejected, or there is a second pod.
    /// They already count as used budget, so any number of them can be retried together.
    fn retries(&self, observation: &Observation<'_>, budget: &BudgetUse<'_>) -> Vec<Removal> {
        let retry = |task: &NodeTask| {
            let pod = task.removable(observation)?;
            let refused = task.work().and_then(|work| work.refused.as_ref());
            let may_retry = refused.is_none_or(|refused| refused.retry <= observation.now);
            let is_unavailable = observation.node_view(&task.node).is_some_and(|node| node.is_unavailable());
            let others = budget.used_by.len() - usize::from(!is_unavailable);
            let has_room = others < budget.budget;
            (may_retry && (has_room || task.has_no_ready_pod(observation))).then(|| removal(task, pod, has_room))
        };
        self.in_progress().filter_map(retry).collect()
    }

    /// Starts the next nodes, as far as the budget and the canary allow it. Each node counts as used budget for those
    /// after it.
    ///
    /// A pod that is not ready may be replaced even if the budget is used up: its node is already unavailable.
    ///
    /// Example with a budget of 2: n1 is in progress, n7 is unavailable, and the outdated pod on n4 is not ready, so
    /// that three nodes count ([`unavailable_or_in_progress`](Self::unavailable_or_in_progress)). n2 with an available
    /// pod has to wait. n4 may start: it is already one of the three. But if its pod became ready before the request
    /// arrives, the removal would increase the number from 2 to 3. The request therefore contains the observed
    /// resourceVersion, and the API server rejects it if the pod has changed. Then n1 and n4 are in progress, 2 of 2,
    /// and no other node may start, ready or not.
    fn starts<'l>(&'l self, observation: &'l Observation<'l>, budget: &mut BudgetUse<'l>) -> Vec<Removal> {
        let mut in_progress = self.in_progress().count();
        let most = match self.gate {
            CanaryGate::Open => budget.budget,
            CanaryGate::Canary(size) => budget.budget.min(size.saturating_sub(self.replaced())),
            CanaryGate::Soak { until, .. } if until <= observation.now => budget.budget,
            CanaryGate::Soak { .. } => 0,
        };
        let mut starts = Vec::new();
        for task in self.candidates(observation) {
            if in_progress >= most {
                break;
            }
            let has_room = budget.used_by.len() < budget.budget;
            if let Some(pod) = task.removable(observation)
                && (has_room || task.has_no_ready_pod(observation))
            {
                starts.push(removal(task, pod, has_room));
                budget.used_by.insert(&task.node);
                in_progress += 1;
            }
        }
        starts
    }

    /// Nodes that are unavailable or may become so: nodes in progress and failed nodes count even if their old pod
    /// still exists, because its removal may not have arrived yet.
    fn unavailable_or_in_progress<'l>(&'l self, observation: &Observation<'l>) -> BTreeSet<&'l str> {
        let is_touched = |task: &&NodeTask| matches!(task.status, Status::InProgress(_) | Status::Failed { .. });
        let touched = self.tasks.iter().filter(is_touched).filter(|task| observation.node_view(&task.node).is_some());
        observation.unavailable().chain(touched.map(|task| task.node.as_str())).collect()
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

    /// No node is in progress and none can be started: the remaining nodes are skipped.
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
            // A node of the canary regressed: observe the canary again from the start.
            self.gate = CanaryGate::Canary(size);
        }
        let due = self.tasks.iter().filter_map(|task| task.due(observation, &self.policy));
        Action::Wait { waiting, until: due.chain(until).min() }
    }

    /// Waits for something that the run cannot influence, at most for `--node-timeout`.
    fn idle(&mut self, waiting: WaitReason, observation: &Observation<'_>) -> Action {
        let is_same =
            |(_, before): &&(Timestamp, WaitReason)| std::mem::discriminant(before) == std::mem::discriminant(&waiting);
        let since = self.idle.as_ref().filter(is_same).map_or(observation.now, |(since, _)| *since);
        if observation.now.duration_since(since) >= self.policy.node_timeout {
            return Action::Halt(match waiting {
                WaitReason::Budget { budget_used_by, .. } => HaltReason::BudgetExhausted { nodes: budget_used_by },
                WaitReason::Revision | WaitReason::Nodes | WaitReason::Lock(_) | WaitReason::Soak { .. } => {
                    HaltReason::NotObserved
                }
            });
        }
        self.idle = Some((since, waiting.clone()));
        Action::Wait { waiting, until: since.checked_add(self.policy.node_timeout).ok() }
    }
}

fn removal(task: &NodeTask, pod: &PodSummary, has_room: bool) -> Removal {
    let unchanged = (!has_room).then(|| pod.metadata.resource_version.clone());
    Removal { node: task.node.clone(), pod: PodRef::from_pod(pod), unchanged }
}
