//! Takes the place of the crate of this name in the dependencies of kube's client, which calls it only for the
//! auth-provider `gcp` of a kubeconfig. kubectl removed this provider in 1.26, and kubectl-ds rejects it before it builds a
//! client (`take` in `src/cluster/credentials.rs`).
//!
//! The crate itself brings a parser generator and a regular expression engine: 0.7 MB of a program of 10 MB.

use std::fmt;

use serde_json::Value;

/// The error of every query.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported;

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSONPath is not supported")
    }
}

impl std::error::Error for Unsupported {}

/// The one method that kube's client calls.
pub trait JsonPath {
    /// The values at a path.
    ///
    /// # Errors
    /// Always.
    fn query(&self, path: &str) -> Result<Vec<&Value>, Unsupported>;
}

impl JsonPath for Value {
    fn query(&self, _path: &str) -> Result<Vec<&Value>, Unsupported> {
        Err(Unsupported)
    }
}
