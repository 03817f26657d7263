//! Carries out a plan: decides the next step for each observation of the cluster.
//!
//! The order of the decisions: halt if the DaemonSet or its template is not that of the plan; update all entries; halt
//! on too many failures or on request; retry the nodes in progress and start the next ones, as far as the budget and the
//! canary allow it; otherwise wait, or finish.

mod removals;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decision::{
    Action, Failure, HaltReason, HookPoint, HookStart, NodeEvent, ObservationSource, PodRef, Removal, Skip, WaitReason,
};
use super::in_progress::InProgress;
use super::node_task::{NodeTask, Status};
use super::plan::Plan;
use super::{Observation, Policy};
use crate::rollout::Strategy;

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
            tasks: {
                let unfinished = plan.unfinished.iter().map(|one| NodeTask::unfinished(one, observation.now));
                unfinished.chain(plan.nodes.iter().map(NodeTask::new)).collect()
            },
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
        let is_sent = |work: &InProgress| work.is_removal_sent && work.pod == *pod;
        self.in_progress().any(|task| task.node == node && task.work().is_some_and(is_sent))
    }

    /// Whether no removal on the node has been requested.
    pub(crate) fn is_untouched(&self, node: &str) -> bool {
        let is_untouched = |task: &NodeTask| match task.work() {
            Some(work) => !work.is_removal_sent,
            None => task.is_waiting(),
        };
        self.tasks.iter().any(|task| task.node == node && is_untouched(task))
    }

    /// Records that the removal of the pod was not requested after all, or failed a precondition: nothing was removed.
    pub(crate) fn revert(&mut self, node: &str) {
        let policy = &self.policy;
        if let Some(task) = self.tasks.iter_mut().find(|task| task.node == node) {
            task.revert(policy);
        }
    }

    /// Records that a hook is not started after all.
    pub(crate) fn cancel_hook(&mut self, start: &HookStart) {
        self.with(&start.node, |task| task.cancel_hook(start.point));
    }

    /// Records that a hook ended. Returns the failure of the node, if it has failed.
    pub(crate) fn end_hook(
        &mut self,
        node: &str,
        point: HookPoint,
        ended: Result<(), String>,
        now: Timestamp,
    ) -> Option<NodeEvent> {
        self.tasks.iter_mut().find(|task| task.node == node)?.end_hook(point, ended, now)
    }

    /// Nodes that may be cordoned by this program although nothing is done on them: they are uncordoned at the end.
    pub(crate) fn left_cordoned(&self) -> impl Iterator<Item = &str> {
        let is_idle = |task: &&NodeTask| match &task.status {
            Status::Waiting | Status::Skipped(_) => true,
            Status::Failed { why, .. } => matches!(why, Failure::HookFailed { point: HookPoint::Before, .. }),
            Status::InProgress(work) => !work.is_removal_sent,
            Status::Replaced { .. } => false,
        };
        self.tasks.iter().filter(is_idle).map(|task| task.node.as_str())
    }

    /// Records that the removal of the pod starts. Call this before the request is sent.
    pub(crate) fn begin(&mut self, node: &str, pod: &PodRef, now: Timestamp) {
        let policy = &self.policy;
        if let Some(task) = self.tasks.iter_mut().find(|task| task.node == node) {
            task.begin(pod.clone(), policy, now);
        }
    }

    /// Records that the API server rejects the removal for now. Returns whether this is the first rejection of the pod.
    pub(crate) fn reject(&mut self, node: &str, message: &str, retry: Timestamp) -> bool {
        let task = self.tasks.iter_mut().find(|task| task.node == node);
        task.is_some_and(|task| task.reject(message, retry))
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
                    Action::Halt(HaltReason::TooManyFailures { .. }) => false,
                    Action::Halt(why) => is_idle && self.stopping.as_ref() == Some(why),
                    Action::Relist | Action::Replace(_) | Action::StartHooks(_) | Action::Ask | Action::Finish => false,
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
            let why = HaltReason::TooManyFailures { nodes: failed };
            if !self.policy.steps.any() {
                return Action::Halt(why);
            }
            // The other nodes in progress are finished, so that they are not left cordoned.
            self.stop(why);
        }
        if let CanaryGate::Soak { until, .. } = self.gate
            && until <= observation.now
            && self.in_progress().next().is_none()
        {
            // A node that becomes unavailable later does not bring the canary back.
            self.gate = CanaryGate::Open;
        }
        let completions = self.completions(observation);
        if !completions.is_empty() {
            return Action::StartHooks(completions);
        }
        if let Some(why) = self.stopping.clone() {
            return self.drain_in_progress(why, observation);
        }
        let preparations = self.preparations(observation);
        if !preparations.is_empty() {
            self.idle = None;
            return Action::StartHooks(preparations);
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
            _ if let Some((daemon_set, nodes)) = self.only_requirements(observation) => {
                self.idle(WaitReason::Requirement { daemon_set, nodes }, observation)
            }
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
            let is_hook_running = task.work().is_some_and(InProgress::is_hook_running);
            if !is_hook_running && task.removable(observation).is_some() {
                task.status = Status::Waiting;
            }
        }
        match self.in_progress().count() {
            0 => Action::Halt(why),
            _ => self.wait(WaitReason::Nodes, None, observation),
        }
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

    /// The nodes that may be started, except for what `--require` demands.
    fn candidates<'s>(&'s self, observation: &'s Observation<'_>) -> impl Iterator<Item = &'s NodeTask> {
        let may_begin = |task: &&NodeTask| task.is_waiting() && task.skip_reason(observation, &self.policy).is_none();
        self.tasks.iter().filter(may_begin)
    }

    fn has_candidates(&self, observation: &Observation<'_>) -> bool {
        self.candidates(observation).next().is_some()
    }

    /// The unmet requirement and its nodes, if every node that may be started lacks one.
    fn only_requirements(&self, observation: &Observation<'_>) -> Option<(String, Vec<String>)> {
        let unmet = |task: &NodeTask| Some((observation.unmet_requirement(&task.node)?, task.node.clone()));
        let unmet: Option<Vec<_>> = self.candidates(observation).map(unmet).collect();
        let unmet = unmet?;
        let (first, _) = unmet.first()?;
        Some((first.to_string(), unmet.into_iter().map(|(_, node)| node).collect()))
    }

    /// The nodes that are replaced, without those that an earlier run has replaced.
    fn replaced(&self) -> usize {
        let is_replaced = |task: &&NodeTask| !task.is_unfinished && matches!(task.status, Status::Replaced { .. });
        self.tasks.iter().filter(is_replaced).count()
    }

    /// What follows the replacement on the nodes whose new pods are available.
    fn completions(&mut self, observation: &Observation<'_>) -> Vec<HookStart> {
        let policy = &self.policy;
        let due = self.tasks.iter_mut().filter_map(|task| {
            let is_due = task.start_completion(observation, policy);
            is_due.then(|| HookStart {
                node: task.node.clone(),
                point: HookPoint::After,
                pod: task.new_pod_ref(observation),
                cordons: policy.steps.cordon || task.is_marked,
            })
        });
        due.collect()
    }

    /// What precedes the removal on the next nodes, as far as the budget and the canary allow it.
    fn preparations(&mut self, observation: &Observation<'_>) -> Vec<HookStart> {
        if !self.policy.steps.prepares() {
            return Vec::new();
        }
        let cordons = self.policy.steps.cordon;
        let start =
            |removal: Removal| HookStart { node: removal.node, point: HookPoint::Before, pod: removal.pod, cordons };
        let starts: Vec<HookStart> = self.starts(observation).into_iter().map(start).collect();
        for HookStart { node, pod, .. } in &starts {
            if let Some(task) = self.tasks.iter_mut().find(|task| task.node == *node) {
                task.prepare(pod.clone(), &self.policy, observation.now);
            }
        }
        starts
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
                WaitReason::Requirement { daemon_set, nodes } => HaltReason::RequirementNotMet { daemon_set, nodes },
                WaitReason::Revision | WaitReason::Nodes | WaitReason::Lock(_) | WaitReason::Soak { .. } => {
                    HaltReason::NotObserved
                }
            });
        }
        self.idle = Some((since, waiting.clone()));
        Action::Wait { waiting, until: since.checked_add(self.policy.node_timeout).ok() }
    }
}
