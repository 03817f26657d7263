//! Which of kubernetes-mixin's alerts about DaemonSets are active, since when at least, and whether they are right.
//!
//! Input: the [`Coverage`](crate::coverage::Coverage) and the [`RolloutStatus`](crate::rollout::RolloutStatus) of a
//! DaemonSet, and their snapshot. Output: a [`DaemonSetAlerts`].
//!
//! - `alert` has the expressions. They read `.status`, so whether an alert is active follows from `.status` alone.
//! - `duration` proves since when an expression is true, from the time of the last write of `.status`.
//! - `cause` finds the nodes that make it true, from nodes and pods, and what makes a false alarm of each.
//! - `missed` finds what should raise an alert and does not.
//! - `report` combines them.

mod alert;
mod cause;
mod duration;
mod missed;
mod report;

#[cfg(test)]
mod tests;

pub(crate) use alert::Alert;
pub(crate) use cause::{CauseType, FalseAlarm, NodeCause};
pub(crate) use missed::MissedAlert;
pub(crate) use report::{ActiveAlert, AlertState, DaemonSetAlerts, StatusLag, Verdict, daemon_set_alerts};
