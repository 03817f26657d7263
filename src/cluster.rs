//! The only rooms that know an API server, or a file that stands for one.
//!
//! [`connect`](connect::connect) follows a kubeconfig to an [`Access`](connect::Access); on it,
//! [`list`] reads whole lists, [`watch`] what changes after them, and [`follow`] keeps a snapshot up to date.
//! [`relist`] spaces out lists that are read again. [`remove`] takes one pod away, and [`lease`] writes the lock of who
//! does so: the only writes in the program. [`file`] reads a saved cluster.

mod bounded;
pub(crate) mod connect;
mod credentials;
pub(crate) mod delete;
pub(crate) mod file;
mod json;
mod kubeconfig;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod live_snapshot;
mod protobuf;
mod proxy;
pub(crate) mod relist;
mod request;
mod server;
pub(crate) mod watch;

#[cfg(test)]
mod test_server;
