//! Pure: which logs of daemon pods to read, and how a log continues.
//!
//! - `containers`: the containers of a pod that the command line selects.
//! - `selection`: from the coverage of a node to the logs to read there, each with its run, or why there is none.
//! - `lines`: from the bytes of a stream to lines of limited length.
//! - `position`: which lines were shown already, so that a log continues after a lost connection without repeating any.
//! - `follow`: what to do when a followed stream ends.

mod containers;
mod follow;
mod lines;
mod position;
mod selection;

#[cfg(test)]
mod tests;

pub(crate) use containers::{ContainerChoice, selected_containers};
pub(crate) use follow::{ContainerView, Follower, Step, StreamEnd};
pub(crate) use lines::{LineSplitter, Part};
pub(crate) use position::{Position, split_time};
pub(crate) use selection::{LogSource, NoLog, NodeLogs, Run, RunChoice, has_any_log, is_silent, newest_pod, node_logs};
