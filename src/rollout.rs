//! A rollout as the controller sees it: revisions, the budget and who spends it, what holds it, and how fast it goes.

mod assessment;
mod blocker;
mod budget;
mod crash_loop;
mod events;
mod failed_create;
mod history;
mod node_pods;
mod node_problem;
mod node_progress;
mod phase;
mod progress;
mod rate;
mod status;
mod stuck;
mod surge_ports;

#[cfg(test)]
mod causes;
#[cfg(test)]
mod edge_cases;
#[cfg(test)]
mod world;

pub(crate) use blocker::{Blocker, FaultDomain, Problem, ProblemType};
pub(crate) use budget::{Strategy, resolve};
pub(crate) use events::{EventKind, RolloutEvent, StatusRecord, changes};
pub(crate) use history::{DeletedRevision, History, Revision, RevisionRange};
pub(crate) use node_progress::{BudgetUse, BudgetUseReason, NodeProgress, NodeStep};
pub(crate) use phase::Phase;
pub(crate) use progress::{ProgressSample, ProgressTracker, revision_number};
pub(crate) use rate::{Rate, rate};
pub(crate) use status::{RolloutStatus, event_query, rollout_status};
