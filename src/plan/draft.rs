//! What the controller does on each node, for one DaemonSet.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `podsShouldBeOnNode`; `pkg/controller/daemon/update.go`
//! `rollingUpdate`; `pkg/controller/tainteviction/taint_eviction.go` `processPodOnNode`.

use std::collections::{HashMap, HashSet};

use super::result::{AdmissionForecast, Before, NodeAction, ObjectEffect};
use super::world::{Changed, ChangedFrom, World, key};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::diagnosis::CheckReason;
use crate::placement::Placement;
use crate::revision;
use crate::rollout::{Availability, NodePods, Strategy, TemplateChange, node_pods, template_changes};
use crate::scheduling::preemption::Preemption;
use crate::snapshot::{Node, PodSummary};

/// One DaemonSet after the change.
pub(super) struct Draft<'a> {
    pub(super) coverage: &'a Coverage<'a>,
    pub(super) before: Option<&'a Before>,
    pub(super) from: Option<&'a ChangedFrom>,
    pub(super) strategy: Strategy,
    pub(super) nodes: Vec<NodeDraft<'a>>,
    pub(super) admission: Vec<AdmissionForecast>,
    /// How many of the new pods that are created at once the API server rejects.
    pub(super) rejected: usize,
    /// Whether it rejects every new pod.
    pub(super) rejects_all: bool,
    /// Why it rejects new pods.
    pub(super) rejections: Vec<CheckReason>,
    /// The nodes that keep their old pod because the rollout is blocked.
    pub(super) waiting: Vec<String>,
    pub(super) is_blocked: bool,
    /// The nodes on which the rollout stops only because of the controller's order.
    pub(super) undecided: Vec<String>,
}

/// One node.
pub(super) struct NodeDraft<'a> {
    pub(super) name: &'a str,
    /// `None` if the node is deleted, or nodes could not be read.
    pub(super) node: Option<&'a Node>,
    /// Its coverage after the change; `None` if the node is deleted.
    pub(super) row: Option<&'a NodeCoverage<'a>>,
    pub(super) placement: Option<Placement>,
    /// The pods of the DaemonSet there, if it has any or the node is eligible.
    pub(super) pods: Option<NodePods<'a>>,
    pub(super) action: NodeAction,
    /// What replaces or deletes the pod.
    pub(super) cause: Cause,
    pub(super) schedulable: Option<bool>,
    /// Why the new pod does not get its place, or why the old one is not replaced.
    pub(super) obstacles: Vec<CheckReason>,
    pub(super) preemption: Option<Preemption>,
    pub(super) is_assumed: bool,
    /// Whether the API server rejects the new pod, or may, because a quota has too little room.
    pub(super) creation: Creation,
    /// Whether the change changes the node.
    pub(super) is_changed: bool,
}

/// What the API server does with a new pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Accepted,
    /// It rejects some of the new pods; which ones depends on the order.
    Uncertain,
    Rejected,
}

/// What makes the controller act on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A sync: pods that are missing, that should not be there, or that have ended.
    Sync,
    /// The rollout, when the budget allows it.
    Rollout,
    /// The rollout, whatever the budget is: the old pod is not available.
    RolloutAtOnce,
    /// Preemption by a pod of the plan.
    Preemption,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        coverage: &'a Coverage<'a>,
        world: &'a World,
        before: Option<&'a Before>,
        changed: &'a Changed,
    ) -> Self {
        let from = changed.daemon_sets.get(&key(coverage.daemon_set));
        let availability = Availability::new(coverage.daemon_set, &world.snapshot);
        let nodes: HashMap<&str, &Node> = world
            .snapshot
            .nodes
            .known()
            .into_iter()
            .flatten()
            .map(|node| (node.metadata.name.as_str(), node))
            .collect();
        let mut sites: HashMap<&str, NodePods<'a>> =
            node_pods(coverage, &world.snapshot).into_iter().map(|site| (site.name, site)).collect();
        if keeps_template(from, coverage) {
            sites.values_mut().for_each(|site| take_as_current(site, coverage));
        }
        let desired = coverage.rows.iter().filter(|row| row.placement == Some(Placement::Run)).count();
        let strategy = Strategy::new(coverage.daemon_set, desired);
        let present: HashSet<&str> = coverage.rows.iter().map(|row| row.node).collect();
        let mut gone: Vec<&str> = sites.keys().copied().filter(|name| !present.contains(name)).collect();
        gone.sort_unstable();
        let rows = coverage.rows.iter().map(|row| (row.node, Some(row)));
        let all = rows.chain(gone.into_iter().map(|name| (name, None)));
        let mut draft = |(name, row): (&'a str, Option<&'a NodeCoverage<'a>>)| {
            let placement = row.and_then(|row| row.placement);
            let (node, pods) = (nodes.get(name).copied(), sites.remove(name));
            let (action, cause) = match (&pods, node) {
                (None, _) => (NodeAction::None, Cause::Sync),
                // The pods of a node that does not exist are removed by the controller and the pod garbage collector
                // (`pkg/controller/podgc/gc_controller.go` `gcOrphaned`).
                (Some(_), None) if world.snapshot.nodes.known().is_some() => (NodeAction::Delete, Cause::Sync),
                (Some(pods), _) => decide(pods, node, placement, strategy, availability),
            };
            NodeDraft {
                name,
                node,
                row,
                placement,
                pods,
                action,
                cause,
                schedulable: None,
                obstacles: Vec::new(),
                preemption: None,
                is_assumed: false,
                creation: Creation::Accepted,
                is_changed: changed.nodes.contains(name),
            }
        };
        Self {
            coverage,
            before,
            from,
            strategy,
            nodes: all.map(&mut draft).collect(),
            admission: Vec::new(),
            rejected: 0,
            rejects_all: false,
            rejections: Vec::new(),
            waiting: Vec::new(),
            is_blocked: false,
            undecided: Vec::new(),
        }
    }

    pub(super) fn effect(&self) -> ObjectEffect {
        match self.from {
            None => ObjectEffect::Unchanged,
            Some(ChangedFrom::Nothing) => ObjectEffect::Created,
            Some(ChangedFrom::DaemonSet(before)) => {
                let is_same = before.spec == self.coverage.daemon_set.spec
                    && before.metadata.labels == self.coverage.daemon_set.metadata.labels;
                if is_same { ObjectEffect::Unchanged } else { ObjectEffect::Changed }
            }
        }
    }

    /// `NAMESPACE/NAME`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.coverage.namespace(), self.coverage.name())
    }

    /// Whether the change has an effect on its pods.
    pub(super) fn has_effect(&self) -> bool {
        self.nodes.iter().any(|node| self.is_effect(node))
    }

    /// Whether what happens on the node is an effect of the change, and does not happen anyway.
    pub(super) fn is_effect(&self, node: &NodeDraft<'_>) -> bool {
        let has_rollout_effect = || self.before.is_some_and(|before| before.is_blocked) && !self.is_blocked;
        let before = self.before.and_then(|before| before.nodes.get(node.name));
        let is_concerned = node.pods.is_some() || node.placement == Some(Placement::Run);
        let moved = before.is_none_or(|before| before.placement != node.placement) && is_concerned;
        self.from.is_some()
            || moved
            || match (node.action, node.cause) {
                (NodeAction::None, _) => false,
                // A pod that waits for its place may get it now.
                (NodeAction::Keep, _) => node.schedulable == Some(true) || node.is_assumed,
                // The controller tries to create it already.
                (NodeAction::Create, _) => before.is_none_or(|before| before.pod.is_some()),
                (NodeAction::Replace | NodeAction::Delete, Cause::Rollout | Cause::RolloutAtOnce) => {
                    has_rollout_effect()
                }
                // A pod that has ended is replaced anyway.
                (NodeAction::Replace | NodeAction::Delete, Cause::Sync) => false,
                (NodeAction::Replace | NodeAction::Delete, Cause::Preemption) => true,
                (NodeAction::Evict, _) => node.is_changed,
            }
    }

    /// The nodes on which a pod is created or replaced.
    pub(super) fn with_new_pod(&self) -> impl Iterator<Item = &NodeDraft<'a>> {
        self.nodes.iter().filter(|node| node.has_new_pod())
    }

    pub(super) fn template_changes(&self) -> Vec<TemplateChange> {
        let Some(ChangedFrom::DaemonSet(before)) = self.from else { return Vec::new() };
        let value =
            |template: &k8s_openapi::api::core::v1::PodTemplateSpec| serde_json::to_value(template).unwrap_or_default();
        template_changes(&value(&before.spec.template), &value(&self.coverage.daemon_set.spec.template))
    }

    /// The number of the revision that the new template had before.
    pub(super) fn earlier_revision(&self, world: &World) -> Option<i64> {
        if self.effect() == ObjectEffect::Created || keeps_template(self.from, self.coverage) {
            return None;
        }
        let revisions = world.snapshot.revisions.known()?;
        revision::current_of(self.coverage.daemon_set, revisions)?.revision
    }
}

impl<'a> NodeDraft<'a> {
    pub(super) fn has_new_pod(&self) -> bool {
        matches!(self.action, NodeAction::Create | NodeAction::Replace | NodeAction::Evict)
    }

    /// The pod that stays until something else happens.
    pub(super) fn first_pod(&self) -> Option<&'a PodSummary> {
        let pods = self.pods.as_ref()?;
        pods.new.first().or(pods.old.first()).or(pods.terminating.first()).copied()
    }

    /// The pods that are there before the new one: all but those that are being deleted already.
    pub(super) fn live_pods(&self) -> impl Iterator<Item = &'a PodSummary> {
        self.pods.iter().flat_map(|pods| pods.new.iter().chain(&pods.old)).copied()
    }

    /// Whether no kubelet reports for the node: pods there neither start nor end.
    pub(super) fn is_silent(&self) -> bool {
        is_silent(self.node)
    }

    pub(super) fn is_eligible(&self) -> bool {
        self.placement == Some(Placement::Run)
    }
}

/// Whether the change leaves the template of the DaemonSet as it is.
fn keeps_template(from: Option<&ChangedFrom>, coverage: &Coverage<'_>) -> bool {
    match from {
        None => true,
        Some(ChangedFrom::Nothing) => false,
        Some(ChangedFrom::DaemonSet(before)) => before.spec.template == coverage.daemon_set.spec.template,
    }
}

/// Takes pods as up to date if it is not known whether they are: otherwise every plan on a cluster without its revisions
/// would have the rollouts of all its DaemonSets.
fn take_as_current(site: &mut NodePods<'_>, coverage: &Coverage<'_>) {
    let (unknown, old) =
        site.old.iter().copied().partition(|pod| revision::is_current(pod, &coverage.revision).is_none());
    site.old = old;
    site.new.extend::<Vec<&PodSummary>>(unknown);
}

fn is_silent(node: Option<&Node>) -> bool {
    let ready = node.and_then(|node| node.condition("Ready"));
    ready.is_some_and(|ready| ready.status == "Unknown")
}

/// What the controller does with the pods of one node.
fn decide(
    pods: &NodePods<'_>,
    node: Option<&Node>,
    placement: Option<Placement>,
    strategy: Strategy,
    availability: Availability<'_>,
) -> (NodeAction, Cause) {
    let is_surge = strategy.is_surge();
    let has_ended = |pod: &&PodSummary| pod.is_terminal();
    let running = || pods.new.iter().chain(&pods.old).filter(|pod| !has_ended(pod));
    let has_running = running().next().is_some();
    let has_any = !(pods.new.is_empty() && pods.old.is_empty());
    // If nodes could not be read, an existing pod is taken as one that may stay.
    match placement.unwrap_or(Placement::ContinueOnly) {
        Placement::Exclude if has_any => (NodeAction::Delete, Cause::Sync),
        Placement::Exclude => (NodeAction::None, Cause::Sync),
        Placement::ContinueOnly if !has_any => (NodeAction::None, Cause::Sync),
        Placement::ContinueOnly if !has_running => (NodeAction::Delete, Cause::Sync),
        Placement::Run if !has_any => match pods.terminating.is_empty() || is_surge || !is_silent(node) {
            true => (NodeAction::Create, Cause::Sync),
            // The pod is removed when the kubelet reports again, or the node is deleted.
            false => (NodeAction::Keep, Cause::Sync),
        },
        Placement::Run if !has_running => (NodeAction::Replace, Cause::Sync),
        Placement::Run | Placement::ContinueOnly if strategy == Strategy::OnDelete || pods.old.is_empty() => {
            (NodeAction::Keep, Cause::Sync)
        }
        // The old pod stays until the new one beside it is available.
        Placement::Run | Placement::ContinueOnly if is_surge && !pods.new.is_empty() => (NodeAction::Keep, Cause::Sync),
        Placement::Run | Placement::ContinueOnly => {
            let old = pods.only_outdated();
            let cause = match old.is_some_and(|old| !availability.is_available(old)) {
                true => Cause::RolloutAtOnce,
                false => Cause::Rollout,
            };
            let action = if placement == Some(Placement::Run) { NodeAction::Replace } else { NodeAction::Delete };
            (action, cause)
        }
    }
}
