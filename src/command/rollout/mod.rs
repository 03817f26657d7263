//! `kubectl ds rollout`.

mod history;

use std::process::ExitCode;

use crate::cli::{Global, RolloutCommand};
use crate::error::Error;

/// Runs the command behind `rollout`.
///
/// # Errors
/// What keeps the command from an answer.
pub(crate) async fn run(command: RolloutCommand, global: Global) -> Result<ExitCode, Error> {
    match command {
        RolloutCommand::History(args) => history::run(args, global).await,
    }
}
