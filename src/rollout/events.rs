//! What changed between two looks at a rollout.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Cause, Hold, Phase, Standing, Step};
use crate::explain::Reason;

/// What is kept of a [`Standing`] to be held against the next one: it borrows nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    uid: Option<String>,
    revision: Option<String>,
    is_undo: bool,
    phase: Phase,
    desired: usize,
    nodes: BTreeMap<String, NodeRecord>,
    holds: Vec<HoldRecord>,
}

#[derive(Clone, Debug, PartialEq)]
struct NodeRecord {
    step: Step,
    reasons: Vec<Reason>,
    causes: Vec<Cause>,
}

#[derive(Clone, Debug, PartialEq)]
struct HoldRecord {
    cause: Cause,
    nodes: Vec<String>,
    is_certain: bool,
}

impl Record {
    /// Takes down how things stand.
    pub(crate) fn of(standing: &Standing<'_>) -> Self {
        let node = |progress: &super::Progress<'_>| {
            let (reasons, causes) = (progress.reasons.clone(), progress.causes.clone());
            (progress.node.to_owned(), NodeRecord { step: progress.step, reasons, causes })
        };
        let hold = |hold: &Hold<'_>| HoldRecord {
            cause: hold.cause.clone(),
            nodes: hold.nodes.iter().map(|node| (*node).to_owned()).collect(),
            is_certain: hold.is_certain,
        };
        Self {
            uid: standing.daemon_set.metadata.uid.clone(),
            revision: standing.revision.hash.known().cloned().flatten(),
            is_undo: standing.is_undo,
            phase: standing.phase,
            desired: standing.desired,
            nodes: standing.nodes.iter().map(node).collect(),
            holds: standing.holds.iter().map(hold).collect(),
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
        self.nodes.values().filter(|node| node.step == Step::Done).count()
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    /// When it was seen.
    pub(crate) at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub(crate) kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub(crate) enum ChangeKind {
    /// The first look.
    Began {
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
        is_undo: bool,
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
        step: Step,
    },
    /// A node's new pod is in trouble, or in another trouble than before.
    NodeFailing {
        /// The node.
        node: String,
        /// What it is.
        causes: Vec<Cause>,
        /// The same as coverage tells it.
        reasons: Vec<Reason>,
    },
    /// A node is done.
    NodeDone {
        /// The node.
        node: String,
    },
    /// A node that was done is not any more.
    NodeUndone {
        /// The node.
        node: String,
        /// Where it is.
        step: Step,
        /// Why.
        reasons: Vec<Reason>,
    },
    /// A pod is wanted on a node on which none was.
    NodeAdded {
        /// The node.
        node: String,
        /// Where it is.
        step: Step,
    },
    /// A node is gone, or none is wanted there any more.
    NodeRemoved {
        /// The node.
        node: String,
        /// Whether it was done.
        was_done: bool,
    },
    /// Something began to hold nodes.
    HoldBegan {
        /// What.
        cause: Cause,
        /// The nodes.
        nodes: Vec<String>,
        /// Whether the rollout as a whole does not go on because of it.
        is_certain: bool,
    },
    /// What held nodes before holds the rollout as a whole by now.
    HoldCertain {
        /// What.
        cause: Cause,
        /// The nodes.
        nodes: Vec<String>,
        /// `true`, as where a hold begins so.
        is_certain: bool,
    },
    /// It holds them no more.
    HoldEnded {
        /// What did.
        cause: Cause,
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
pub(crate) fn changes(before: Option<&Record>, now: Option<&Record>, at: Timestamp) -> Vec<Change> {
    let kinds = match (before, now) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec![ChangeKind::Deleted],
        (None, Some(now)) => began(now),
        // The name was taken by another one.
        (Some(before), Some(now)) if before.uid != now.uid => {
            std::iter::once(ChangeKind::Deleted).chain(began(now)).collect()
        }
        (Some(before), Some(now)) => between(before, now),
    };
    kinds.into_iter().map(|kind| Change { at, kind }).collect()
}

fn began(now: &Record) -> Vec<ChangeKind> {
    let Record { revision, phase, desired, .. } = now;
    let first = ChangeKind::Began { phase: *phase, revision: revision.clone(), done: now.done(), desired: *desired };
    let failing = now.nodes.iter().filter(|(_, node)| node.step == Step::Failing);
    let failing = failing.map(|(name, node)| node.failing(name));
    let holds = now.holds.iter().map(HoldRecord::began);
    std::iter::once(first).chain(failing).chain(holds).collect()
}

fn between(before: &Record, now: &Record) -> Vec<ChangeKind> {
    let mut kinds = Vec::new();
    // The moment at which the controller has no revision yet belongs to the new one.
    let is_new = now.revision.is_some() && now.revision != before.revision;
    if let Some(to) = now.revision.clone().filter(|_| is_new) {
        let (from, is_undo, done, desired) = (before.revision.clone(), now.is_undo, now.done(), now.desired);
        kinds.push(ChangeKind::NewRevision { from, to, is_undo, done, desired });
    }
    let removed = before.nodes.iter().filter(|(name, _)| !now.nodes.contains_key(*name));
    kinds.extend(removed.map(|(name, node)| ChangeKind::NodeRemoved {
        node: name.clone(),
        was_done: !is_new && node.step == Step::Done,
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
    let ended = before.holds.iter().filter(|hold| !now.holds.iter().any(|other| other.cause.is_same(&hold.cause)));
    kinds.extend(ended.map(|hold| ChangeKind::HoldEnded { cause: hold.cause.clone() }));
    let known = |hold: &HoldRecord| before.holds.iter().find(|other| other.cause.is_same(&hold.cause));
    kinds.extend(now.holds.iter().filter_map(|hold| match known(hold) {
        None => Some(hold.began()),
        Some(known) if hold.is_certain && !known.is_certain => Some(hold.certain()),
        Some(_) => None,
    }));
    if before.phase != now.phase {
        kinds.push(ChangeKind::PhaseChanged { from: before.phase, to: now.phase });
    }
    kinds
}

impl HoldRecord {
    fn began(&self) -> ChangeKind {
        let Self { cause, nodes, is_certain } = self.clone();
        ChangeKind::HoldBegan { cause, nodes, is_certain }
    }

    fn certain(&self) -> ChangeKind {
        let Self { cause, nodes, is_certain } = self.clone();
        ChangeKind::HoldCertain { cause, nodes, is_certain }
    }
}

impl NodeRecord {
    fn failing(&self, name: &str) -> ChangeKind {
        ChangeKind::NodeFailing { node: name.to_owned(), causes: self.causes.clone(), reasons: self.reasons.clone() }
    }

    fn added(&self, name: &str, is_new: bool) -> Vec<ChangeKind> {
        let node = name.to_owned();
        let mut kinds = vec![ChangeKind::NodeAdded { node: node.clone(), step: self.step }];
        match self.step {
            // The new revision has counted it.
            Step::Done if !is_new => kinds.push(ChangeKind::NodeDone { node }),
            Step::Failing => kinds.push(self.failing(name)),
            _ => {}
        }
        kinds
    }

    fn under_new_revision(&self, before: &Self, name: &str) -> Vec<ChangeKind> {
        let has_started = self.step != before.step && !matches!(self.step, Step::Outdated | Step::Done);
        let started = has_started.then(|| ChangeKind::NodeStarted { node: name.to_owned(), step: self.step });
        let failing = (self.step == Step::Failing).then(|| self.failing(name));
        started.into_iter().chain(failing).collect()
    }

    fn since(&self, before: &Self, name: &str) -> Vec<ChangeKind> {
        let node = || name.to_owned();
        let mut kinds = Vec::new();
        let has_moved = self.step != before.step;
        if has_moved && before.step == Step::Done {
            let reasons = self.reasons.clone();
            kinds.push(ChangeKind::NodeUndone { node: node(), step: self.step, reasons });
        }
        // However many steps were between the two looks, a node that leaves its old pod has started.
        if has_moved && before.step == Step::Outdated {
            kinds.push(ChangeKind::NodeStarted { node: node(), step: self.step });
        }
        if self.step == Step::Failing && (has_moved || !self.has_causes_of(before)) {
            kinds.push(self.failing(name));
        }
        if has_moved && self.step == Step::Done {
            kinds.push(ChangeKind::NodeDone { node: node() });
        }
        kinds
    }

    fn has_causes_of(&self, before: &Self) -> bool {
        self.causes.iter().all(|cause| before.causes.iter().any(|other| other.is_same(cause)))
    }
}

#[cfg(test)]
mod tests;
