//! The events of a rollout: the differences between its status at two moments.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::blocker::{Blocker, Problem};
use super::node_progress::{NodeProgress, NodeStep};
use super::phase::Phase;
use super::status::RolloutStatus;
use crate::explain::Reason;

/// The parts of a [`RolloutStatus`] that are compared with the next one. It borrows nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatusRecord {
    uid: Option<String>,
    revision: Option<String>,
    is_rollback: bool,
    phase: Phase,
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
            nodes: rollout_status.nodes.iter().map(node).collect(),
            blockers: rollout_status.blockers.iter().map(blocker).collect(),
        }
    }

    /// Keeps the revision and the nodes of `before` while the controller has not created the revision of a new
    /// template. Otherwise the change from the old revision to the new one would be lost.
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

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RolloutEvent {
    /// When it was observed.
    pub(crate) at: Timestamp,
    pub(crate) kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum EventKind {
    /// The first event of a DaemonSet.
    Started {
        /// Nodes that are done.
        done: usize,
    },
    /// The current revision changed. There is no event for nodes that are done by the new template: `done` counts them.
    NewRevision {
        /// The hash of the previous revision.
        from: Option<String>,
        /// The hash of the current revision.
        to: String,
        /// Whether the DaemonSet had the template before.
        rollback: bool,
        /// Nodes that are done by the new template.
        done: usize,
    },
    /// The replacement of the node's pod started.
    NodeStarted {
        node: String,
        step: NodeStep,
    },
    /// The node's new pod has a problem, or a different one than before.
    NodeFailing {
        node: String,
        problems: Vec<Problem>,
        /// The reasons as in coverage.
        reasons: Vec<Reason>,
    },
    NodeDone {
        node: String,
    },
    /// A node that was done is no longer done.
    NodeRegressed {
        node: String,
        step: NodeStep,
        reasons: Vec<Reason>,
    },
    /// A node became eligible.
    NodeAdded {
        node: String,
        step: NodeStep,
    },
    /// A node was deleted or is no longer eligible.
    NodeRemoved {
        node: String,
        /// Whether the node was done.
        done: bool,
    },
    /// A blocker was found.
    BlockerFound {
        blocker: Problem,
        nodes: Vec<String>,
        /// Whether the whole rollout cannot continue because of it.
        blocking: bool,
    },
    /// A known blocker now blocks the whole rollout.
    BlockerConfirmed {
        blocker: Problem,
        nodes: Vec<String>,
        /// Always `true`.
        blocking: bool,
    },
    /// A blocker no longer exists.
    BlockerCleared {
        blocker: Problem,
    },
    PhaseChanged {
        from: Phase,
        to: Phase,
    },
    /// The DaemonSet was deleted.
    Deleted,
}

/// The events between two records, causes before their effects: a new revision, nodes, blockers, the phase. `before` is
/// `None` at first, and `now` is `None` if the DaemonSet does not exist.
pub(crate) fn changes(before: Option<&StatusRecord>, now: Option<&StatusRecord>, at: Timestamp) -> Vec<RolloutEvent> {
    let kinds = match (before, now) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec![EventKind::Deleted],
        (None, Some(now)) => began(now),
        // Another DaemonSet has the name now.
        (Some(before), Some(now)) if before.uid != now.uid => {
            std::iter::once(EventKind::Deleted).chain(began(now)).collect()
        }
        (Some(before), Some(now)) => between(before, now),
    };
    kinds.into_iter().map(|kind| RolloutEvent { at, kind }).collect()
}

fn began(now: &StatusRecord) -> Vec<EventKind> {
    let first = EventKind::Started { done: now.done() };
    let failing = now.nodes.iter().filter(|(_, node)| node.step == NodeStep::Failing);
    let failing = failing.map(|(name, node)| node.failing(name));
    let blockers = now.blockers.iter().map(BlockerRecord::found);
    std::iter::once(first).chain(failing).chain(blockers).collect()
}

fn between(before: &StatusRecord, now: &StatusRecord) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    // While the controller has not created a revision, the change is not reported.
    let is_new = now.revision.is_some() && now.revision != before.revision;
    if let Some(to) = now.revision.clone().filter(|_| is_new) {
        let (from, rollback, done) = (before.revision.clone(), now.is_rollback, now.done());
        kinds.push(EventKind::NewRevision { from, to, rollback, done });
    }
    let removed = before.nodes.iter().filter(|(name, _)| !now.nodes.contains_key(*name));
    kinds.extend(removed.map(|(name, node)| EventKind::NodeRemoved {
        node: name.clone(),
        done: !is_new && node.step == NodeStep::Done,
    }));
    for (name, node) in &now.nodes {
        match before.nodes.get(name) {
            None => kinds.extend(node.added(name, is_new)),
            // By the new template, nodes have other steps although nothing happened on them.
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
            // With a new revision, `done` of that event counts the node.
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
        // A node whose old pod is gone has started, even if steps in between were not observed.
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
