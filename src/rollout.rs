//! A rollout as the controller sees it: revisions, the budget and who spends it, what holds it, and how fast it goes.

mod budget;
mod crash_loop;
mod events;
mod progress;
mod history;
mod blocker;
mod rate;
mod failed_create;
mod revision;
mod revision_source;
mod node_pods;
mod status;
mod stuck;
mod surge_ports;
mod node_problem;

#[cfg(test)]
mod causes;
#[cfg(test)]
mod edge_cases;
#[cfg(test)]
mod world;

pub(crate) use budget::{Strategy, resolve};
pub(crate) use events::{RolloutEvent, EventKind, StatusRecord, changes};
pub(crate) use progress::{ProgressTracker, ProgressSample, revision_number};
pub(crate) use history::{RevisionRange, DeletedRevision, History, Revision};
pub(crate) use blocker::{Cause, FaultDomain, Blocker};
pub(crate) use rate::{Rate, rate};
pub(crate) use revision::{CurrentRevision, is_current, revision_of};
pub(crate) use revision_source::RevisionSource;
pub(crate) use status::{Phase, NodeProgress, BudgetUse, BudgetUseReason, RolloutStatus, NodeStep, event_query, rollout_status};
