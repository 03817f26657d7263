//! skeleton
#![allow(dead_code, unused_imports)]
mod error;
mod snapshot;
mod cluster;
mod placement;
mod rollout;
mod explain;
mod coverage;
/// Entry.
pub fn run() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
