//! `-o json` and `-o yaml` of `rollout status`.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use super::blocker;
use super::lock::{LockView, PauseView};
use crate::cycle::LockSighting;
use crate::explain::{Reason, State};
use crate::render::name_list::ListLength;
use crate::render::reason_view::ReasonView;
use crate::render::remedy::Remedy;
use crate::render::structured::Head;
use crate::revision::{RevisionSource, revision_of};
use crate::rollout::{Blocker, BudgetUseReason, NodeProgress, NodeStep, Phase, RolloutStatus, Strategy};
use crate::snapshot::Known;

/// `kind: RolloutReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    daemon_sets: Vec<DaemonSetView<'a>>,
}

/// The progress of a rollout. A number is `None` if its objects could not be read.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers<'a> {
    revision: Option<&'a str>,
    revision_source: Option<RevisionSource>,
    phase: Phase,
    desired: Option<usize>,
    updated: Option<usize>,
    updated_available: Option<usize>,
    available: Option<usize>,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(rollout_status: &'a RolloutStatus<'_>) -> Self {
        let known = |number| (rollout_status.phase != Phase::Unknown).then_some(number);
        Self {
            revision: rollout_status.revision.hash.known().and_then(Option::as_deref),
            revision_source: rollout_status.revision.source,
            phase: rollout_status.phase,
            desired: known(rollout_status.desired),
            updated: known(rollout_status.updated),
            updated_available: known(rollout_status.updated_available),
            available: known(rollout_status.available),
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DaemonSetView<'a> {
    namespace: &'a str,
    name: &'a str,
    #[serde(flatten)]
    numbers: Numbers<'a>,
    strategy: Strategy,
    /// Only if it is paused by `rollout pause`.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PauseView>,
    /// Absent if it could not be read, and for a saved cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockView<'a>>,
    budget_used_by: Vec<BudgetUseView<'a>>,
    blockers: Vec<BlockerView<'a>>,
    nodes: Vec<RolloutNode<'a>>,
    outdated_misscheduled: &'a [&'a str],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct BudgetUseView<'a> {
    node: &'a str,
    #[serde(rename = "type")]
    reason: BudgetUseReason,
    node_down: bool,
    needs_intervention: bool,
    reasons: Vec<ReasonView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BlockerView<'a> {
    #[serde(flatten)]
    blocker: &'a Blocker<'a>,
    message: String,
    fix: Vec<Remedy>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct RolloutNode<'a> {
    node: &'a str,
    step: NodeStep,
    state: State,
    pod: Option<&'a str>,
    revision: Option<&'a str>,
    up_to_date: Option<bool>,
    reasons: Vec<ReasonView<'a>>,
}

impl<'a> Report<'a> {
    /// `lock` returns the lock of a DaemonSet.
    pub(crate) fn new(
        statuses: &'a [RolloutStatus<'a>],
        lock: impl Fn(&RolloutStatus<'_>) -> Known<Option<&'a LockSighting>>,
        unknown: &'a [String],
        now: Timestamp,
    ) -> Self {
        Self {
            head: Head::new("RolloutReport", now, unknown),
            daemon_sets: statuses.iter().map(|status| view(status, LockView::new(lock(status)), now)).collect(),
        }
    }
}

fn view<'a>(rollout_status: &'a RolloutStatus<'a>, lock: Option<LockView<'a>>, now: Timestamp) -> DaemonSetView<'a> {
    let DaemonSet { metadata, .. } = rollout_status.daemon_set;
    DaemonSetView {
        namespace: metadata.namespace.as_deref().unwrap_or_default(),
        name: metadata.name.as_deref().unwrap_or_default(),
        numbers: Numbers::new(rollout_status),
        strategy: rollout_status.strategy,
        paused: PauseView::new(rollout_status.daemon_set),
        lock,
        budget_used_by: rollout_status
            .budget_used_by
            .iter()
            .map(|budget_use| BudgetUseView {
                node: budget_use.node,
                reason: budget_use.reason,
                node_down: budget_use.node_down,
                needs_intervention: budget_use.needs_intervention,
                reasons: reason_views(&budget_use.reasons, now),
            })
            .collect(),
        blockers: rollout_status
            .blockers
            .iter()
            .map(|found| BlockerView {
                blocker: found,
                message: blocker::detail(&found.problem, now, ListLength::Handful),
                fix: blocker::remedies(found, rollout_status),
            })
            .collect(),
        nodes: rollout_status.nodes.iter().map(|progress| node_view(progress, now)).collect(),
        outdated_misscheduled: &rollout_status.outdated_misscheduled,
    }
}

fn node_view<'a>(progress: &'a NodeProgress<'a>, now: Timestamp) -> RolloutNode<'a> {
    let pod = progress.row.pods.first();
    RolloutNode {
        node: progress.node,
        step: progress.step,
        state: progress.row.state,
        pod: pod.map(|pod| pod.metadata.name.as_str()),
        revision: pod.and_then(|pod| revision_of(&pod.metadata.labels)),
        up_to_date: progress.row.up_to_date,
        reasons: reason_views(&progress.reasons, now),
    }
}

fn reason_views(reasons: &[Reason], now: Timestamp) -> Vec<ReasonView<'_>> {
    reasons.iter().map(|reason| ReasonView::new(reason, now)).collect()
}
