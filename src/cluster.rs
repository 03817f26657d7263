//! The only module that reads an API server or a saved cluster.
//!
//! [`connect`](connect::connect) resolves a kubeconfig to an [`Access`](access::Access). On it, [`list`] reads
//! complete lists, [`watch`] receives the changes after them, and [`live_snapshot`] keeps a snapshot up to date with
//! them. [`relist`] delays repeated lists. [`delete`] deletes or evicts one pod, [`lease`] writes the lock for
//! that, [`cordon`] cordons nodes, and [`daemon_set`] changes a DaemonSet: these are the only writes of the program. [`apply`] sends dry runs.
//! [`mod@file`] reads a saved cluster, [`manifests`] reads manifests.
//! [`log_stream`] reads logs, and [`kubectl`] hands commands over to kubectl.
//! `access_review` asks the server what the user may do, and [`programs`] finds programs on this machine.

pub(crate) mod access;
mod access_review;
mod api_kind;
pub(crate) mod apply;
mod backoff;
mod bounded;
pub(crate) mod connect;
pub(crate) mod cordon;
mod credentials;
pub(crate) mod daemon_set;
pub(crate) mod delete;
pub(crate) mod file;
mod json;
mod kubeconfig;
pub(crate) mod kubectl;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod live_snapshot;
pub(crate) mod log_stream;
pub(crate) mod manifests;
mod pod_log;
pub(crate) mod programs;
mod protobuf;
mod proxy;
pub(crate) mod query;
pub(crate) mod relist;
mod request;
mod server;
pub(crate) mod watch;

#[cfg(test)]
mod tests;
