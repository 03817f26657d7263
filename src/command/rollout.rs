//! `kubectl ds rollout`.

pub(crate) mod args;
mod external_diff;
mod history;
mod once;
mod status;
mod watch;

use std::process::ExitCode;

use crate::command::args::Global;
use crate::command::rollout::args::{RolloutArgs, RolloutCommand};
use crate::error::Error;

pub(super) use once::event_query;

/// Runs a subcommand of `rollout`.
pub(crate) async fn run(args: RolloutArgs, global: Global) -> Result<ExitCode, Error> {
    match args.command {
        RolloutCommand::History(args) => history::run(args, global).await,
        RolloutCommand::Watch(args) => watch::run(args, global).await,
        RolloutCommand::Status(args) => status::run(args, global).await,
    }
}
