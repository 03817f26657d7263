//! What changed between two looks at a rollout.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::blocker::{Blocker, Problem};
use super::node_progress::{NodeProgress, NodeStep};
use super::phase::Phase;
use super::status::RolloutStatus;
use crate::explain::Reason;

/// What is kept of a [`RolloutStatus`] to be held against the next one: it borrows nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatusRecord {
    uid: Option<String>,
    revision: Option<String>,
    is_rollback: bool,
    phase: Phase,
    desired: usize,
    nodes: BTreeMap<String, NodeRecord>,
    blockers: Vec<BlockerRecord>,
}

#[derive(Clone, Debug, PartialEq)]
struct NodeRecord {
    step: NodeStep,
    reasons: Vec<Reason>,
    problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq)]
struct BlockerRecord {
    problem: Problem,
    nodes: Vec<String>,
    blocking: bool,
}

impl StatusRecord {
    /// Takes down how things stand.
    pub(crate) fn new(rollout_status: &RolloutStatus<'_>) -> Self {
        let node = |progress: &NodeProgress<'_>| {
            let (reasons, problems) = (progress.reasons.clone(), progress.problems.clone());
            (progress.node.to_owned(), NodeRecord { step: progress.step, reasons, problems })
        };
        let blocker = |blocker: &Blocker<'_>| BlockerRecord {
            problem: blocker.problem.clone(),
            nodes: blocker.nodes.iter().map(|node| (*node).to_owned()).collect(),
            blocking: blocker.blocking,
        };
        Self {
            uid: rollout_status.daemon_set.metadata.uid.clone(),
            revision: rollout_status.revision.hash.known().cloned().flatten(),
            is_rollback: rollout_status.is_rollback,
            phase: rollout_status.phase,
            desired: rollout_status.desired,
            nodes: rollout_status.nodes.iter().map(node).collect(),
            blockers: rollout_status.blockers.iter().map(blocker).collect(),
        }
    }

    /// The same for whoever took down `before`. Between two templates there is a moment in which the controller has made
    /// no revision of the new one: until it has, revision and nodes are where they were.
    pub(crate) fn after(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if self.revision.is_none() && before.uid == self.uid => {
                Self { revision: before.revision.clone(), nodes: before.nodes.clone(), ..self }
            }
            _ => self,
        }
    }

    fn done(&self) -> usize {
        self.nodes.values().filter(|node| node.step == NodeStep::Done).count()
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutEvent {
    /// When it was seen.
    pub(crate) at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub(crate) kind: EventKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum EventKind {
    /// The first look.
    Started {
        /// Where the rollout is.
        phase: Phase,
        /// The hash of the current revision; none while there is none.
        revision: Option<String>,
        /// Nodes that are done.
        done: usize,
        /// Nodes on which a pod is wanted.
        desired: usize,
    },
    /// There is a new template. What its nodes are at from here on is told by `done` and `desired`.
    NewRevision {
        /// The hash that was the current one.
        from: Option<String>,
        /// The hash that is.
        to: String,
        /// Whether the template is one that the DaemonSet had before.
        rollback: bool,
        /// Nodes that are done, by the new template.
        done: usize,
        /// Nodes on which a pod is wanted.
        desired: usize,
    },
    /// A node's old pod goes, or its new pod comes.
    NodeStarted {
        /// The node.
        node: String,
        /// Where it is.
        step: NodeStep,
    },
    /// A node's new pod is in trouble, or in another trouble than before.
    NodeFailing {
        /// The node.
        node: String,
        /// What it is.
        problems: Vec<Problem>,
        /// The same as coverage tells it.
        reasons: Vec<Reason>,
    },
    /// A node is done.
    NodeDone {
        /// The node.
        node: String,
    },
    /// A node that was done is not any more.
    NodeRegressed {
        /// The node.
        node: String,
        /// Where it is.
        step: NodeStep,
        /// Why.
        reasons: Vec<Reason>,
    },
    /// A pod is wanted on a node on which none was.
    NodeAdded {
        /// The node.
        node: String,
        /// Where it is.
        step: NodeStep,
    },
    /// A node is gone, or none is wanted there any more.
    NodeRemoved {
        /// The node.
        node: String,
        /// Whether it was done.
        done: bool,
    },
    /// Something began to hold nodes.
    BlockerFound {
        /// What.
        blocker: Problem,
        /// The nodes.
        nodes: Vec<String>,
        /// Whether the rollout as a whole does not go on because of it.
        blocking: bool,
    },
    /// What held nodes before holds the rollout as a whole by now.
    BlockerConfirmed {
        /// What.
        blocker: Problem,
        /// The nodes.
        nodes: Vec<String>,
        /// `true`, as where a hold begins so.
        blocking: bool,
    },
    /// It holds them no more.
    BlockerCleared {
        /// What did.
        blocker: Problem,
    },
    /// The rollout came to another phase: complete, stuck, going on again, ...
    PhaseChanged {
        /// Where it was.
        from: Phase,
        /// Where it is.
        to: Phase,
    },
    /// The DaemonSet is gone.
    Deleted,
}

/// What changed since the last look, causes before what follows from them. Without a last look it is the first one;
/// without a present one the DaemonSet is gone.
pub(crate) fn changes(before: Option<&StatusRecord>, now: Option<&StatusRecord>, at: Timestamp) -> Vec<RolloutEvent> {
    let kinds = match (before, now) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec![EventKind::Deleted],
        (None, Some(now)) => began(now),
        // The name was taken by another one.
        (Some(before), Some(now)) if before.uid != now.uid => {
            std::iter::once(EventKind::Deleted).chain(began(now)).collect()
        }
        (Some(before), Some(now)) => between(before, now),
    };
    kinds.into_iter().map(|kind| RolloutEvent { at, kind }).collect()
}

fn began(now: &StatusRecord) -> Vec<EventKind> {
    let StatusRecord { revision, phase, desired, .. } = now;
    let first = EventKind::Started { phase: *phase, revision: revision.clone(), done: now.done(), desired: *desired };
    let failing = now.nodes.iter().filter(|(_, node)| node.step == NodeStep::Failing);
    let failing = failing.map(|(name, node)| node.failing(name));
    let blockers = now.blockers.iter().map(BlockerRecord::found);
    std::iter::once(first).chain(failing).chain(blockers).collect()
}

fn between(before: &StatusRecord, now: &StatusRecord) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    // The moment at which the controller has no revision yet belongs to the new one.
    let is_new = now.revision.is_some() && now.revision != before.revision;
    if let Some(to) = now.revision.clone().filter(|_| is_new) {
        let (from, rollback, done, desired) = (before.revision.clone(), now.is_rollback, now.done(), now.desired);
        kinds.push(EventKind::NewRevision { from, to, rollback, done, desired });
    }
    let removed = before.nodes.iter().filter(|(name, _)| !now.nodes.contains_key(*name));
    kinds.extend(removed.map(|(name, node)| EventKind::NodeRemoved {
        node: name.clone(),
        done: !is_new && node.step == NodeStep::Done,
    }));
    for (name, node) in &now.nodes {
        match before.nodes.get(name) {
            None => kinds.extend(node.added(name, is_new)),
            // By another template, nodes are where they are without having come there.
            Some(before) if is_new => kinds.extend(node.under_new_revision(before, name)),
            Some(_) if now.revision.is_none() => {}
            Some(before) => kinds.extend(node.since(before, name)),
        }
    }
    let ended = before
        .blockers
        .iter()
        .filter(|blocker| !now.blockers.iter().any(|other| other.problem.has_same_cause(&blocker.problem)));
    kinds.extend(ended.map(|blocker| EventKind::BlockerCleared { blocker: blocker.problem.clone() }));
    let known =
        |blocker: &BlockerRecord| before.blockers.iter().find(|other| other.problem.has_same_cause(&blocker.problem));
    kinds.extend(now.blockers.iter().filter_map(|blocker| match known(blocker) {
        None => Some(blocker.found()),
        Some(known) if blocker.blocking && !known.blocking => Some(blocker.confirmed()),
        Some(_) => None,
    }));
    if before.phase != now.phase {
        kinds.push(EventKind::PhaseChanged { from: before.phase, to: now.phase });
    }
    kinds
}

impl BlockerRecord {
    fn found(&self) -> EventKind {
        let Self { problem, nodes, blocking } = self.clone();
        EventKind::BlockerFound { blocker: problem, nodes, blocking }
    }

    fn confirmed(&self) -> EventKind {
        let Self { problem, nodes, blocking } = self.clone();
        EventKind::BlockerConfirmed { blocker: problem, nodes, blocking }
    }
}

impl NodeRecord {
    fn failing(&self, name: &str) -> EventKind {
        EventKind::NodeFailing { node: name.to_owned(), problems: self.problems.clone(), reasons: self.reasons.clone() }
    }

    fn added(&self, name: &str, is_new: bool) -> Vec<EventKind> {
        let node = name.to_owned();
        let mut kinds = vec![EventKind::NodeAdded { node: node.clone(), step: self.step }];
        match self.step {
            // The new revision has counted it.
            NodeStep::Done if !is_new => kinds.push(EventKind::NodeDone { node }),
            NodeStep::Failing => kinds.push(self.failing(name)),
            _ => {}
        }
        kinds
    }

    fn under_new_revision(&self, before: &Self, name: &str) -> Vec<EventKind> {
        let has_started = self.step != before.step && !matches!(self.step, NodeStep::Outdated | NodeStep::Done);
        let started = has_started.then(|| EventKind::NodeStarted { node: name.to_owned(), step: self.step });
        let failing = (self.step == NodeStep::Failing).then(|| self.failing(name));
        started.into_iter().chain(failing).collect()
    }

    fn since(&self, before: &Self, name: &str) -> Vec<EventKind> {
        let node = || name.to_owned();
        let mut kinds = Vec::new();
        let has_moved = self.step != before.step;
        if has_moved && before.step == NodeStep::Done {
            let reasons = self.reasons.clone();
            kinds.push(EventKind::NodeRegressed { node: node(), step: self.step, reasons });
        }
        // However many steps were between the two looks, a node that leaves its old pod has started.
        if has_moved && before.step == NodeStep::Outdated {
            kinds.push(EventKind::NodeStarted { node: node(), step: self.step });
        }
        if self.step == NodeStep::Failing && (has_moved || !self.has_problems_of(before)) {
            kinds.push(self.failing(name));
        }
        if has_moved && self.step == NodeStep::Done {
            kinds.push(EventKind::NodeDone { node: node() });
        }
        kinds
    }

    fn has_problems_of(&self, before: &Self) -> bool {
        self.problems.iter().all(|problem| before.problems.iter().any(|other| other.has_same_cause(problem)))
    }
}

#[cfg(test)]
mod tests;
