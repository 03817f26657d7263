//! The status of a rollout: how far it is, which nodes use the budget, what blocks it, and how fast it is.
//!
//! The input is the [`Coverage`](crate::coverage::Coverage) of one DaemonSet and its snapshot, the output a
//! [`RolloutStatus`] (`status`). `budget` resolves the update strategy. `node_pods` sorts the pods of each node into
//! new, old and terminating ones, as the controller does. `assessment` combines what is found out about a node: its
//! problems (`node_problem`, `crash_loop`, `surge_conflict`, `failed_create`) with their evidence, its step and its use of
//! the budget (`node_progress`). A [`Blocker`] is one problem with all its nodes. `stuck` proves whether the rollout is
//! stuck, and `phase` summarizes. Over several snapshots, `events` returns the differences, and `progress` and `rate`
//! measure the speed. `history` lists the revisions.
//!
//! The rest is about changes of a rollout: `paused_strategy` is what a pause stores, `rollback` selects a revision,
//! `replacement` predicts which pods the controller replaces after a change, `field_owner` finds the tools that may
//! revert it, and `spec_change` is the change as a patch. A [`ChangePlan`] has what a person sees before it.
//!
//! [`Phase`] is the first that applies:
//! - [`Phase::Unknown`]: pods could not be read, or which of them are up to date.
//! - [`Phase::Deleting`]: the DaemonSet has a deletion timestamp, so that the controller ignores it.
//! - [`Phase::NotObserved`]: the controller has not observed the newest spec, or has no revision of it yet.
//! - [`Phase::Complete`]: every eligible node has an available new pod and no old one.
//! - [`Phase::AwaitingDeletion`]: the strategy is `OnDelete` and a node still has its old pod.
//! - [`Phase::Stuck`]: it is proven that the rollout cannot complete without intervention.
//! - [`Phase::Progressing`]: a node makes progress, even if slowly, or the controller is about to start one, or nodes
//!   that could not be read may make progress.
//! - [`Phase::Degraded`]: every eligible node has a new pod, and the unavailable ones have problems that may pass.
//! - [`Phase::Blocked`]: nodes without a new pod remain, and no node makes progress. This may pass.

mod assessment;
mod blocker;
mod budget;
mod change_plan;
mod crash_loop;
mod events;
mod failed_create;
mod field_owner;
mod history;
mod node_pods;
mod node_problem;
mod node_progress;
mod paused_strategy;
mod phase;
mod progress;
mod rate;
mod replacement;
mod rollback;
mod spec_change;
mod status;
mod stuck;
mod surge_conflict;
mod template_changes;

#[cfg(test)]
mod tests;

pub(crate) use blocker::{Blocker, FaultDomain, Problem, ProblemType};
pub(crate) use budget::{Strategy, resolve};
pub(crate) use change_plan::{
    ChangeAction, ChangeHalt, ChangeOutcome, ChangePlan, ReplacedRevision, RevisionName, RollbackPlan,
};
pub(crate) use events::{EventKind, RolloutEvent, StatusRecord, changes};
pub(crate) use field_owner::{FieldOwner, OwnedField, field_owners};
pub(crate) use history::{DeletedRevision, History, Revision, RevisionRange};
pub(crate) use node_pods::{Availability, NodePods, node_pods};
pub(crate) use node_progress::{BudgetUse, BudgetUseReason, NodeProgress, NodeStep};
pub(crate) use paused_strategy::{PAUSED_STRATEGY, PauseState, PausedStrategy};
pub(crate) use phase::Phase;
pub(crate) use progress::{ProgressSample, ProgressTracker, revision_number};
pub(crate) use rate::{Rate, rate};
pub(crate) use replacement::{Replacement, after_resume, after_rollback, nodes_with_both_pods, replacement, roll_back};
pub(crate) use rollback::{RollbackError, RollbackTarget, rollback_target};
pub(crate) use spec_change::{PatchType, PlannedFrom, SpecChange};
pub(crate) use status::{RolloutStatus, event_query_of_all, rollout_status};
pub(crate) use template_changes::{TemplateChange, template_changes};
