//! One node as the controller's rollout looks at it: which pods are there, old and new.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`, `findUpdatedPodsOnNode`.

use std::collections::HashMap;

use super::standing::{Spending, Step};
use super::{CurrentRevision, Strategy, is_current};
use crate::coverage::{Coverage, Row};
use crate::explain::pod::is_available;
use crate::placement::Placement;
use crate::snapshot::{Node, Pod, Snapshot};

/// A node, or the name of one that is gone, with the DaemonSet's pods there.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// The node's name.
    pub(super) name: &'a str,
    /// The node; none when it is gone, or nodes could not be read.
    pub(super) node: Option<&'a Node>,
    /// The node as coverage sees it; none when it is gone.
    pub(super) row: Option<&'a Row<'a>>,
    /// Whether a pod is wanted. Without nodes, each that has a pod is taken for one on which it is wanted.
    pub(super) is_wanted: bool,
    /// Pods of the current revision that are not being deleted.
    pub(super) new: Vec<&'a Pod>,
    /// The same of older revisions.
    pub(super) old: Vec<&'a Pod>,
    /// Pods that are being deleted.
    pub(super) going: Vec<&'a Pod>,
    /// Whether one of `going` is of an older revision.
    pub(super) has_old_going: bool,
}

/// What pods are judged by.
#[derive(Clone, Copy)]
pub(super) struct Yardstick<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) min_ready_seconds: i32,
}

impl Yardstick<'_> {
    pub(super) fn is_available(&self, pod: &Pod) -> bool {
        is_available(pod, self.min_ready_seconds, self.snapshot.as_of)
    }
}

/// Every node that the rollout looks at: those on which a pod is wanted, and all others that have one.
pub(super) fn sites<'a>(coverage: &'a Coverage<'a>, snapshot: &'a Snapshot) -> Vec<Site<'a>> {
    let nodes: HashMap<&str, &Node> =
        snapshot.nodes.known().into_iter().flatten().map(|node| (node.metadata.name.as_str(), node)).collect();
    let rows = coverage.rows.iter().filter_map(|row| {
        let is_wanted = matches!(row.placement, Some(Placement::Run) | None);
        let site = Site::of(row.node, &row.pods, &coverage.revision);
        let site = Site { node: nodes.get(row.node).copied(), row: Some(row), is_wanted, ..site };
        (is_wanted || !row.pods.is_empty()).then_some(site)
    });
    let mut gone: Vec<(&str, Vec<&Pod>)> = Vec::new();
    for pod in &coverage.strays {
        // A pod that names no node is not counted.
        let Some(node) = pod.target_node() else { continue };
        match gone.iter_mut().find(|(name, _)| *name == node) {
            Some((_, pods)) => pods.push(pod),
            None => gone.push((node, vec![pod])),
        }
    }
    let gone = gone.into_iter().map(|(name, pods)| Site::of(name, &pods, &coverage.revision));
    rows.chain(gone).collect()
}

impl<'a> Site<'a> {
    fn of(name: &'a str, pods: &[&'a Pod], revision: &CurrentRevision) -> Self {
        let is_new = |pod: &Pod| is_current(pod, revision) == Some(true);
        let (going, live): (Vec<&Pod>, Vec<&Pod>) = pods.iter().copied().partition(|pod| pod.is_terminating());
        let (new, old) = live.into_iter().partition(|pod| is_new(pod));
        let has_old_going = going.iter().any(|pod| !is_new(pod));
        Self { name, node: None, row: None, is_wanted: false, new, old, going, has_old_going }
    }

    /// An old pod and no new one: a candidate, or one to be replaced at once.
    pub(super) fn lone_old(&self) -> Option<&'a Pod> {
        match (self.new.as_slice(), self.old.as_slice()) {
            ([], [old]) => Some(old),
            _ => None,
        }
    }

    /// The new pod that counts: an available one before others.
    pub(super) fn new_pod(&self, by: Yardstick<'_>) -> Option<&'a Pod> {
        self.new.iter().find(|pod| by.is_available(pod)).or(self.new.first()).copied()
    }

    /// Whether the new pod is there and available.
    pub(super) fn is_updated(&self, by: Yardstick<'_>) -> bool {
        self.new_pod(by).is_some_and(|pod| by.is_available(pod))
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self, by: Yardstick<'_>) -> bool {
        self.is_updated(by) && self.old.is_empty() && !self.has_old_going
    }

    /// Where the node is; `is_failing` tells whether its new pod is in trouble.
    pub(super) fn step(&self, by: Yardstick<'_>, is_failing: bool) -> Step {
        match (self.new.is_empty(), self.old.is_empty(), self.going.is_empty()) {
            (false, ..) if self.is_done(by) => Step::Done,
            (false, ..) if self.is_updated(by) => Step::Replacing,
            (false, ..) if is_failing => Step::Failing,
            (false, ..) => Step::Starting,
            (true, false, _) => Step::Outdated,
            (true, true, false) => Step::Replacing,
            (true, true, true) => Step::Waiting,
        }
    }

    /// Why the node counts against the budget, if it does.
    pub(super) fn spending(&self, strategy: Strategy, by: Yardstick<'_>) -> Option<Spending> {
        if self.new.len() > 1 || self.old.len() > 1 {
            return (strategy != Strategy::OnDelete).then_some(Spending::Duplicate);
        }
        match (strategy, self.new.first(), self.old.first()) {
            (Strategy::OnDelete, ..) => None,
            (Strategy::Surge { .. }, Some(new), Some(_)) => (!by.is_available(new)).then_some(Spending::BothRevisions),
            (Strategy::Surge { .. }, ..) => None,
            (Strategy::Rolling { .. }, Some(_), Some(_)) => Some(Spending::BothRevisions),
            (Strategy::Rolling { .. }, Some(new), None) => (!by.is_available(new)).then_some(Spending::NewUnavailable),
            (Strategy::Rolling { .. }, None, Some(old)) => (!by.is_available(old)).then_some(Spending::OldUnavailable),
            (Strategy::Rolling { .. }, None, None) if self.going.is_empty() => Some(Spending::Missing),
            (Strategy::Rolling { .. }, None, None) => Some(Spending::Terminating),
        }
    }

    /// The node's condition `Ready`, when it is anything but `True`.
    pub(super) fn down(&self) -> Option<&'a crate::snapshot::node::NodeCondition> {
        self.node?.condition("Ready").filter(|condition| condition.status != "True")
    }
}
