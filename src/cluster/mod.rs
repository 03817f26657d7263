//! The only rooms that know an API server, or a file that stands for one.
//!
//! [`connect`](connect::connect) follows a kubeconfig to an [`Access`](connect::Access); on it,
//! [`list`] reads whole lists and [`watch`] what changes after them.
// The commands that call these rooms come later.
#![allow(dead_code)]

pub(crate) mod connect;
mod credentials;
mod json;
mod kubeconfig;
pub(crate) mod list;
mod protobuf;
mod proxy;
mod request;
pub(crate) mod watch;

pub(crate) use connect::{Access, AccessOptions, connect};
pub(crate) use list::{Bulk, Listed, Scope};
pub(crate) use watch::{Change, Watched};

#[cfg(test)]
mod fake;
