//! `kubectl ds rollout`.

pub(crate) mod args;
pub(crate) mod change;
mod change_options;
mod change_subject;
mod change_write;
mod external_diff;
mod history;
mod locks;
mod once;
mod pause;
mod resume;
mod status;
pub(in crate::command) mod undo;
mod watch;

use std::process::ExitCode;

use crate::command::args::Global;
use crate::command::rollout::args::{RolloutArgs, RolloutCommand};
use crate::error::Error;
use crate::interrupt::interruptible;

/// Runs a subcommand of `rollout`.
pub(crate) async fn run(args: RolloutArgs, global: Global) -> Result<ExitCode, Error> {
    match args.command {
        RolloutCommand::History(args) => interruptible(history::run(args, global)).await,
        RolloutCommand::Watch(args) => interruptible(watch::run(args, global)).await,
        RolloutCommand::Status(args) => interruptible(status::run(args, global)).await,
        // They handle signals themselves, to release the lock.
        RolloutCommand::Pause(args) => pause::run(args, global).await,
        RolloutCommand::Resume(args) => resume::run(args, global).await,
        RolloutCommand::Undo(args) => undo::run(*args, global).await,
    }
}
