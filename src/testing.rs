//! Fixtures for unit tests: objects, a simulated cluster, inputs of rollouts and of scheduler filters, and an HTTP server.
//!
//! The tests themselves are in the `tests` module of what they test. A fixture that only one of them uses stays there.

pub(crate) mod filter_fixture;
pub(crate) mod http_server;
mod json_schemas;
pub(crate) mod objects;
pub(crate) mod rollout_fixture;
pub(crate) mod simulated_cluster;
pub(crate) mod volume_fixture;
