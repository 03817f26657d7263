//! Replacing the pods of a DaemonSet node by node: what to do next is decided here, and done elsewhere.
//!
//! A [`Plan`] is made from one look at the cluster; a [`Run`] carries it out, one [`Action`] at a time. Nothing is stored
//! but in memory: the revision that each node runs is the state, so that a run that was killed is taken up by the next
//! one. Only one run removes pods at a time: the one that has the lock ([`Candidate`], [`Held`]).
//!
//! What no step ever does, whatever the cluster does meanwhile:
//! - leave more wanted nodes without an available pod than the budget, those already down counted; where more are down
//!   than that when a pod is removed, their number does not grow by it;
//! - touch a pod that the DaemonSet does not control, or one that is not stale;
//! - go on after the template or the DaemonSet became another one;
//! - fail a node, halt or finish by changes alone, which may be long past after a suspend: that takes fresh lists.

mod decision;
mod lock;
mod node_task;
mod observation;
mod order;
mod pdb;
mod plan;
mod policy;
mod run;
mod summary;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod table;
#[cfg(test)]
mod world;

pub(crate) use decision::{Action, Failure, HaltReason, NodeEvent, ObservationSource, PodRef, Skip, WaitReason};
pub(crate) use lock::{
    Attempt, Candidate, Held, LEASE_DURATION, LockHolder, LockLoss, LockPatience, LockRecord, LockStatus, Moment,
    RENEW_PERIOD, lease_name,
};
pub(crate) use node_task::{NodeTask, Status};
pub(crate) use observation::Observation;
pub(crate) use order::Order;
pub(crate) use pdb::{PdbConflict, pdb_conflict};
pub(crate) use plan::{Plan, Planned, plan};
pub(crate) use policy::{MaxUnavailable, Policy, RemovalMethod};
pub(crate) use run::Run;
pub(crate) use summary::{CycleOutcome, Summary};
