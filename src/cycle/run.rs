//! What to do next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::entry::{Entry, Failure, Status};
use super::plan::{Plan, Skip};
use super::step::{Halt, News, PodRef, Sight, Step, Waiting};
use super::{Look, Policy};
use crate::rollout::Strategy;
use crate::snapshot::Pod;

/// A plan that is being carried out.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    policy: Policy,
    /// Of the DaemonSet.
    uid: String,
    /// The hash of the template that the plan was made for.
    target: String,
    entries: Vec<Entry>,
    /// What the plan left alone.
    left_alone: Vec<(String, Skip)>,
    planned_wanted: usize,
    planned_budget: usize,
    gate: Gate,
    /// Begins no further node, and halts for this reason once nothing is in work.
    stopping: Option<Halt>,
    /// Since when nothing goes on for a reason that is not the run's own, and which.
    idle: Option<(Timestamp, Waiting)>,
}

/// Whether nodes beyond the canary may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
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
    pub(crate) fn of(plan: &Plan<'_>, look: &Look<'_>, policy: Policy) -> Self {
        Self {
            uid: look.coverage.daemon_set.metadata.uid.clone().unwrap_or_default(),
            target: plan.target.to_owned(),
            entries: plan.nodes.iter().map(Entry::of).collect(),
            left_alone: plan.skipped.iter().map(|one| (one.node.to_owned(), one.why.clone())).collect(),
            planned_wanted: plan.wanted,
            planned_budget: plan.budget,
            gate: policy.canary.map_or(Gate::Open, Gate::Canary),
            stopping: None,
            idle: None,
            policy,
        }
    }

    /// The planned nodes, in their order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The hash of the template that the plan was made for.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The nodes with an old pod that the plan left alone.
    pub(crate) fn left_alone(&self) -> &[(String, Skip)] {
        &self.left_alone
    }

    /// On how many nodes a pod was wanted when the plan was made.
    pub(crate) fn planned_wanted(&self) -> usize {
        self.planned_wanted
    }

    /// How many of these might be without an available pod.
    pub(crate) fn planned_budget(&self) -> usize {
        self.planned_budget
    }

    /// Whether this very pod was to be removed before.
    pub(crate) fn is_removing(&self, node: &str, pod: &PodRef) -> bool {
        self.in_work().any(|entry| entry.node == node && entry.work().is_some_and(|work| work.pod == *pod))
    }

    /// Whether the node's turn has not come yet.
    pub(crate) fn is_waiting(&self, node: &str) -> bool {
        self.entries.iter().any(|entry| entry.node == node && entry.is_waiting())
    }

    /// The pod is about to be removed.
    pub(crate) fn begin(&mut self, node: &str, pod: &PodRef, now: Timestamp) {
        self.with(node, |entry| entry.begin(pod.clone(), now));
    }

    /// The API server refuses the removal for now; whether that is new.
    pub(crate) fn refuse(&mut self, node: &str, message: &str, retry: Timestamp) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.node == node);
        entry.is_some_and(|entry| entry.refuse(message, retry))
    }

    /// Nothing came of the first removal on this node, and nothing will: the pod is not as it was when that was decided.
    pub(crate) fn withdraw(&mut self, node: &str) {
        self.with(node, |entry| entry.status = Status::Waiting);
    }

    /// The removal will be refused however often it is tried.
    pub(crate) fn fail(&mut self, node: &str, message: &str) -> News {
        let why = Failure::NotRemoved { message: message.to_owned() };
        self.with(node, |entry| {
            if let Status::InWork(work) = &entry.status {
                entry.status = Status::Failed { why: why.clone(), pod: work.pod.clone() };
            }
        });
        News::Failed { node: node.to_owned(), why }
    }

    /// Goes on after the canary.
    pub(crate) fn go_on(&mut self) {
        self.gate = Gate::Open;
    }

    /// Begins no further node, for the first reason that there is.
    pub(crate) fn stop(&mut self, why: Halt) {
        self.stopping.get_or_insert(why);
    }

    fn with(&mut self, node: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.node == node) {
            change(entry);
        }
    }

    /// Decides what to do next from one look, or from the DaemonSet being gone; and tells what is new. By changes alone
    /// it only waits, or halts as it was asked to: whatever else would come next is decided by fresh lists.
    pub(crate) fn next(&mut self, look: Option<&Look<'_>>, sight: Sight) -> (Step, Vec<News>) {
        match sight {
            Sight::Listed => self.next_by_lists(look),
            Sight::Followed => {
                let mut trial = self.clone();
                let (step, news) = trial.next_by_lists(look);
                let is_idle = self.in_work().next().is_none();
                let may_do = match &step {
                    Step::Wait { .. } => true,
                    // It was asked to halt, whatever the cluster looks like.
                    Step::Halt(why) => is_idle && self.stopping.as_ref() == Some(why),
                    Step::LookAgain | Step::Replace { .. } | Step::Ask | Step::Finish => false,
                };
                if !may_do || news.iter().any(News::is_final) {
                    return (Step::LookAgain, Vec::new());
                }
                *self = trial;
                (step, news)
            }
        }
    }

    fn next_by_lists(&mut self, look: Option<&Look<'_>>) -> (Step, Vec<News>) {
        let Some(look) = look.filter(|look| look.coverage.daemon_set.metadata.uid.as_deref() == Some(&self.uid)) else {
            return (Step::Halt(Halt::Deleted), Vec::new());
        };
        if let Err(step) = self.is_the_same(look) {
            return (step, Vec::new());
        }
        let policy = &self.policy;
        let news: Vec<News> = self.entries.iter_mut().filter_map(|entry| entry.update(look, policy)).collect();
        (self.decide(look), news)
    }

    /// The DaemonSet and its template are those of the plan.
    fn is_the_same(&mut self, look: &Look<'_>) -> Result<(), Step> {
        if look.coverage.daemon_set.metadata.deletion_timestamp.is_some() {
            return Err(Step::Halt(Halt::BeingDeleted));
        }
        if !self.policy.all && look.standing.strategy != Strategy::OnDelete {
            return Err(Step::Halt(Halt::StrategyChanged));
        }
        match look.revision() {
            Some(revision) if revision == self.target => Ok(()),
            Some(revision) => Err(Step::Halt(Halt::TemplateChanged { to: revision.to_owned() })),
            None => Err(self.idle(Waiting::Revision, look)),
        }
    }

    fn decide(&mut self, look: &Look<'_>) -> Step {
        let failed = |entry: &&Entry| matches!(entry.status, Status::Failed { .. });
        let failed: Vec<String> = self.entries.iter().filter(failed).map(|entry| entry.node.clone()).collect();
        if failed.len() > self.policy.max_failures {
            return Step::Halt(Halt::Failures { nodes: failed });
        }
        if let Some(why) = self.stopping.clone() {
            return self.wind_up(why, look);
        }
        if let Some(step) = self.unfinished(look).or_else(|| self.begin_next(look)) {
            self.idle = None;
            return step;
        }
        let is_in_work = self.in_work().next().is_some();
        match (self.gate, self.has_candidates(look)) {
            _ if is_in_work => self.wait(Waiting::Nodes, None, look),
            (_, false) => self.finish(look),
            (Gate::Soak { until, .. }, _) => self.wait(Waiting::Soak { until }, Some(until), look),
            (Gate::Canary(size), _) if self.replaced() >= size => self.canary_is_done(size, look),
            _ => {
                let spent_by = self.busy(look, None).into_iter().map(str::to_owned).collect();
                self.idle(Waiting::Budget { spent_by, budget: self.budget(look) }, look)
            }
        }
    }

    /// Begins nothing, and waits for what was begun.
    fn wind_up(&mut self, why: Halt, look: &Look<'_>) -> Step {
        for entry in self.entries.iter_mut().filter(|entry| entry.work().is_some()) {
            if entry.removable(look).is_some() {
                entry.status = Status::Waiting;
            }
        }
        match self.in_work().count() {
            0 => Step::Halt(why),
            _ => self.wait(Waiting::Nodes, None, look),
        }
    }

    /// A node in work that still has a stale pod: its removal did not come through, or left another one.
    fn unfinished(&self, look: &Look<'_>) -> Option<Step> {
        let budget = self.budget(look);
        self.in_work().find_map(|entry| {
            let pod = entry.removable(look)?;
            let refused = entry.work().and_then(|work| work.refused.as_ref());
            let may_retry = refused.is_none_or(|refused| refused.retry <= look.now);
            let has_room = self.busy(look, Some(entry)).len() < budget;
            (may_retry && (has_room || entry.is_down(look))).then(|| replace(entry, pod, has_room))
        })
    }

    /// The first node whose turn it is.
    fn begin_next(&self, look: &Look<'_>) -> Option<Step> {
        let budget = self.budget(look);
        let in_work = self.in_work().count();
        let is_open = match self.gate {
            Gate::Open => true,
            Gate::Canary(size) => self.replaced() + in_work < size,
            Gate::Soak { until, .. } => until <= look.now,
        };
        if !is_open || in_work >= budget {
            return None;
        }
        let has_room = self.busy(look, None).len() < budget;
        let entry = self.candidates(look).find(|entry| has_room || entry.is_down(look))?;
        Some(replace(entry, entry.removable(look)?, has_room))
    }

    /// Nodes that are without an available pod, or may be before long: those in work and those that failed count even
    /// where nothing seems to have come of the removal, as it may be on its way still.
    fn busy<'l>(&'l self, look: &Look<'l>, without: Option<&Entry>) -> BTreeSet<&'l str> {
        let is_touched = |entry: &&Entry| matches!(entry.status, Status::InWork(_) | Status::Failed { .. });
        let touched = self.entries.iter().filter(is_touched).filter(|entry| look.spot(&entry.node).is_some());
        let others = touched.filter(|entry| without.is_none_or(|without| without.node != entry.node));
        look.unavailable().chain(others.map(|entry| entry.node.as_str())).collect()
    }

    fn budget(&self, look: &Look<'_>) -> usize {
        self.policy.max_unavailable.of(look.wanted())
    }

    pub(super) fn in_work(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.work().is_some())
    }

    fn candidates<'s>(&'s self, look: &'s Look<'_>) -> impl Iterator<Item = &'s Entry> {
        let may_begin = |entry: &&Entry| entry.is_waiting() && entry.obstacle(look, &self.policy).is_none();
        self.entries.iter().filter(may_begin)
    }

    fn has_candidates(&self, look: &Look<'_>) -> bool {
        self.candidates(look).next().is_some()
    }

    fn replaced(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.status, Status::Replaced { .. })).count()
    }

    fn canary_is_done(&mut self, size: usize, look: &Look<'_>) -> Step {
        let Some(soak) = self.policy.soak else { return Step::Ask };
        let until = look.now.checked_add(soak).unwrap_or(Timestamp::MAX);
        self.gate = Gate::Soak { size, until };
        self.wait(Waiting::Soak { until }, Some(until), look)
    }

    /// Nothing is in work, and no node can be begun: what still waits is left alone.
    fn finish(&mut self, look: &Look<'_>) -> Step {
        for entry in self.entries.iter_mut().filter(|entry| entry.is_waiting()) {
            if let Some(why) = entry.obstacle(look, &self.policy) {
                entry.status = Status::Skipped(why);
            }
        }
        Step::Finish
    }

    fn wait(&mut self, waiting: Waiting, until: Option<Timestamp>, look: &Look<'_>) -> Step {
        self.idle = None;
        if let (Waiting::Nodes, Gate::Soak { size, .. }) = (&waiting, self.gate) {
            // One of the canary is not well any more: it is watched anew.
            self.gate = Gate::Canary(size);
        }
        let due = self.entries.iter().filter_map(|entry| entry.due(look, &self.policy));
        Step::Wait { waiting, until: due.chain(until).min() }
    }

    /// Waits for something that others have to do, and not for ever.
    fn idle(&mut self, waiting: Waiting, look: &Look<'_>) -> Step {
        let is_same =
            |(_, before): &&(Timestamp, Waiting)| std::mem::discriminant(before) == std::mem::discriminant(&waiting);
        let since = self.idle.as_ref().filter(is_same).map_or(look.now, |(since, _)| *since);
        if look.now.duration_since(since) >= self.policy.node_timeout {
            return Step::Halt(match waiting {
                Waiting::Budget { spent_by, .. } => Halt::BudgetSpent { nodes: spent_by },
                _ => Halt::NotObserved,
            });
        }
        self.idle = Some((since, waiting.clone()));
        Step::Wait { waiting, until: since.checked_add(self.policy.node_timeout).ok() }
    }
}

fn replace(entry: &Entry, pod: &Pod, has_room: bool) -> Step {
    let unchanged = (!has_room).then(|| pod.metadata.resource_version.clone());
    Step::Replace { node: entry.node.clone(), pod: PodRef::of(pod), unchanged }
}
