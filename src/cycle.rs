//! Replaces the pods of a DaemonSet node by node. This module decides what to do next, and the `cycle` command does it.
//!
//! An [`Observation`] is a DaemonSet and its nodes at one moment. [`plan()`] selects and orders the
//! nodes by the [`Policy`] of the user, with [`Order`]. A [`Run`] carries out the [`Plan`] with one [`NodeTask`] for
//! each node: for each observation, it returns the next [`Action`] and the [`NodeEvent`] of the nodes. [`Summary`]
//! counts the results, and [`phase_summaries`] their durations.
//!
//! The state is kept in memory only. The revisions of the pods show which nodes are done, and a label shows which nodes
//! were cordoned ([`cordon_mark()`]), so that a new run can continue after one that was killed. Only the run that has the lock removes pods ([`Candidate`], [`Held`]).
//! [`pdb_conflict`] finds PodDisruptionBudgets that never allow an eviction.
//!
//! Invariants of every step, whatever else happens in the cluster. A step removes several pods at the same time; the
//! invariants hold for every subset of them in every order, because a request may be lost or late:
//! - The removals never make more eligible nodes unavailable than the budget allows. If other causes have already made
//!   more nodes unavailable, they do not increase their number.
//! - Only pods that the DaemonSet controls are removed: outdated ones, or with `--all` those that the plan was made
//!   for.
//! - No pod is removed after the template has changed or the DaemonSet was recreated.
//! - No node fails, and no run halts or finishes, because of watch events alone, unless the user asked it to halt.
//!   After a suspend, they may be outdated: such a decision requires new lists.

mod cordon_mark;
mod decision;
mod in_progress;
mod lock;
mod node_task;
mod observation;
mod order;
mod pdb;
mod phases;
mod plan;
mod policy;
mod requirement;
mod run;
mod summary;

#[cfg(test)]
mod tests;

pub(crate) use cordon_mark::{CORDONED_FOR, cordon_mark, cordoned_nodes};
pub(crate) use decision::{
    Action, Failure, HaltReason, HookPoint, HookStart, NodeEvent, ObservationSource, PodRef, Removal, Skip, WaitReason,
};
pub(crate) use lock::{
    Attempt, Candidate, Held, LEASE_DURATION, LockHolder, LockLoss, LockRecord, LockSighting, LockStatus, LockWait,
    Moment, RENEW_PERIOD, lease_name,
};
pub(crate) use node_task::{NodeTask, Status};
pub(crate) use observation::{Observation, RequiredSnapshot};
pub(crate) use order::Order;
pub(crate) use pdb::{PdbConflict, pdb_conflict};
pub(crate) use phases::Phase;
pub(crate) use plan::{Plan, Planned, plan};
pub(crate) use policy::{MaxUnavailable, Policy, RemovalMethod, Steps};
pub(crate) use run::Run;
pub(crate) use summary::{CycleOutcome, PhaseSummary, Summary, phase_summaries};
