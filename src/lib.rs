//! skeleton
mod error;
mod snapshot;
mod cluster;
/// Entry.
pub fn run() -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
