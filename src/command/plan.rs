//! `kubectl ds plan`.

mod apply;
pub(crate) mod args;
mod nodes;
mod rollback;
mod view;

use std::process::ExitCode;

use self::args::{PlanArgs, PlanCommand};
use self::view::PlanView;
use crate::command::args::Global;
use crate::error::Error;
use crate::load::Source;
use crate::plan::{ClusterChange, World, plan};
use crate::render::plan::PlanContext;
use crate::render::terminal;

/// Runs `plan`.
pub(crate) async fn run(args: PlanArgs, global: Global) -> Result<ExitCode, Error> {
    match args.command {
        PlanCommand::Apply(args) => apply::run(args, &global).await,
        PlanCommand::Node(args) => nodes::run(*args, &global).await,
        PlanCommand::Rollback(args) => rollback::run(args, &global).await,
    }
}

/// Reads what the change needs, makes the plan, and shows it.
async fn show(
    source: &Source,
    mut world: World,
    change: &ClusterChange,
    context: &PlanContext,
    view: &PlanView,
) -> Result<ExitCode, Error> {
    source.complete(&mut world, change).await?;
    let (gaps, as_of) = (world.gaps(), world.snapshot.as_of);
    gaps.iter().for_each(|gap| terminal::note(gap));
    let plan = plan(world, change);
    view.write(&plan, context, &gaps, as_of)?;
    Ok(view.exit_code(&plan))
}
