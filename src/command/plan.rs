//! `kubectl ds plan`.

mod apply;
pub(crate) mod args;
mod nodes;
mod rollback;
mod view;

use std::process::ExitCode;

use self::args::{PlanArgs, PlanCommand};
use crate::command::args::Global;
use crate::error::Error;

/// Runs `plan`.
pub(crate) async fn run(args: PlanArgs, global: Global) -> Result<ExitCode, Error> {
    match args.command {
        PlanCommand::Apply(args) => apply::run(args, &global).await,
        PlanCommand::Node(args) => nodes::run(*args, &global).await,
        PlanCommand::Rollback(args) => rollback::run(args, &global).await,
    }
}
