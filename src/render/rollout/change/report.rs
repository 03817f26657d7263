//! `kind: RolloutChangeReport`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::text;
use crate::cycle::LockStatus;
use crate::render::structured::Head;
use crate::rollout::{
    ChangeAction, ChangeOutcome, ChangePlan, FieldOwner, ReplacedRevision, Replacement, RevisionName, RollbackPlan,
};

/// `kind: RolloutChangeReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    namespace: &'a str,
    name: &'a str,
    action: ChangeAction,
    #[serde(flatten)]
    outcome: &'a ChangeOutcome,
    message: String,
    /// `null` for a saved cluster.
    lock: Option<&'a LockStatus>,
    update_strategy: Strategies<'a>,
    /// The revisions that nodes run; `null` if they could not be read.
    revisions: Option<&'a [RevisionName]>,
    /// Only for `Pause`: the nodes with an old and a new pod, of which the controller deletes the newer one.
    newer_pods_deleted: &'a [String],
    /// Only for `Undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<&'a RollbackPlan>,
    /// Only for `Resume`: the revisions whose pods are replaced, and what the current template changes.
    replaced: &'a [ReplacedRevision],
    /// What the controller replaces; `null` if it replaces nothing by itself, or if that is unknown.
    replacement: Option<&'a Replacement>,
    owners: Vec<OwnerView<'a>>,
}

/// `spec.updateStrategy` before and after the change.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Strategies<'a> {
    before: &'a Value,
    after: &'a Value,
}

/// A tool that may revert the change.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OwnerView<'a> {
    #[serde(flatten)]
    owner: &'a FieldOwner,
    message: String,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        plan: &'a ChangePlan,
        outcome: &'a ChangeOutcome,
        lock: Option<&'a LockStatus>,
        gaps: &'a [String],
        now: Timestamp,
    ) -> Self {
        Self {
            head: Head::new("RolloutChangeReport", now, gaps),
            namespace: &plan.namespace,
            name: &plan.name,
            action: plan.action,
            outcome,
            message: text::message(plan, outcome),
            lock,
            update_strategy: Strategies { before: &plan.strategy, after: &plan.strategy_after },
            revisions: plan.revisions.as_deref(),
            newer_pods_deleted: &plan.newer_pods_deleted,
            rollback: plan.rollback.as_ref(),
            replaced: &plan.replaced,
            replacement: plan.replacement.as_ref(),
            owners: plan.owners.iter().map(|owner| OwnerView { owner, message: text::owner(owner, plan) }).collect(),
        }
    }
}
