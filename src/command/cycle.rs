//! `kubectl ds cycle`.

pub(crate) mod args;
mod completeness;
mod execution;
mod executor;
mod hook;
mod locking;
mod node_hooks;
mod observer;
mod options;
mod removal;
mod reporter;
mod required;
mod running_hooks;
pub(crate) mod stage;
mod start;

use std::collections::BTreeSet;
use std::process::ExitCode;

use self::execution::Executor;
use self::observer::Observer;
use self::options::{CycleOptions, Mode, from_args};
use self::reporter::Reporter;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::command::cycle::args::CycleArgs;
use crate::command::lock::Clock;
use crate::cycle::{CycleOutcome, LockStatus, Observation, Run, plan};
use crate::error::Error;
use crate::interrupt::{Signals, interruptible};
use crate::load::{Source, open};
use crate::render::cycle::PlanView;
use crate::rollout::History;
use crate::snapshot::{EventQuery, Snapshot};

/// Runs `cycle`. No pod is deleted after an error.
pub(crate) async fn run(args: CycleArgs, global: Global) -> Result<ExitCode, Error> {
    // Starting a credential plugin installs signal handlers, so signals must be handled from the start.
    let (mut source, options) = interruptible(async {
        let source = open(&global.from, &global.access(), Detail::Placement).await?;
        let options = from_args(args, &global, &source).await?;
        Ok((source, options))
    })
    .await?;
    match source {
        Source::Saved(_) => plan_only(&mut source, &options).await,
        Source::Live(access) => {
            let signals = Signals::listen();
            let clock = Clock::start();
            let observer =
                interruptible(Observer::open(*access, options.request.clone(), &options.required, clock)).await?;
            Executor::new(observer, signals, options, clock).run().await
        }
    }
}

/// Prints the plan for a saved cluster.
async fn plan_only(source: &mut Source, options: &CycleOptions) -> Result<ExitCode, Error> {
    if options.mode != Mode::Plan {
        return Err(Error::Usage {
            message: "cannot replace pods of a saved cluster".into(),
            hint: "pass --dry-run=client to print the plan only".into(),
        });
    }
    // The plan uses no events, as on a live cluster.
    let snapshot = source.snapshot(&options.request, |_| EventQuery::default()).await?;
    completeness::check(&snapshot)?;
    let planned = Observation::at(&snapshot, &[], |look| {
        options::check_strategy(look, &options.policy)?;
        let (run, mut reporter) = present(look, &snapshot, options, None)?;
        reporter.end(&run, &CycleOutcome::Planned, &BTreeSet::new(), look.now)
    });
    // `None`: the loader has already reported a DaemonSet that does not exist.
    planned.unwrap_or(Ok(()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the plan, and returns the run that executes it and its reporter.
///
/// # Errors
/// The controller has not created a revision of the current template; the output cannot be written.
fn present(
    look: &Observation<'_>,
    snapshot: &Snapshot,
    options: &CycleOptions,
    lock: Option<LockStatus>,
) -> Result<(Run, Reporter), Error> {
    let plan = plan(look, &options.policy).ok_or_else(|| observer::not_observed(look.coverage))?;
    let mut reporter = Reporter::new(options, look.coverage, lock.clone());
    let history = History::new(look.coverage.daemon_set, snapshot).ok();
    let view = PlanView {
        coverage: look.coverage,
        plan: &plan,
        policy: &options.policy,
        lock: lock.as_ref(),
        history: history.as_ref(),
        with_diff: options.with_diff,
    };
    reporter.plan(view, look.now)?;
    Ok((Run::new(&plan, look, options.policy.clone()), reporter))
}
