//! `kubectl ds cycle`.

mod executor;
mod lease_keeper;
mod locking;
mod observer;
mod options;
mod prompt;
mod removal;
mod reporter;
mod start;

use std::process::ExitCode;

use self::executor::Executor;
use self::lease_keeper::Clock;
use self::observer::Observer;
use self::options::{CycleOptions, Mode, from_args};
use self::reporter::Reporter;
use crate::cli::Global;
use crate::cli::cycle::CycleArgs;
use crate::cluster::file::Detail;
use crate::cycle::{CycleOutcome, LockStatus, Observation, Run, plan};
use crate::error::Error;
use crate::interrupt::{Signals, interruptible};
use crate::load::{Source, open};
use crate::render::cycle::PlanView;
use crate::snapshot::EventQuery;

/// Loads, plans, asks, and replaces node by node.
///
/// # Errors
/// What keeps the command from an answer; then nothing more is removed.
pub(crate) async fn run(args: CycleArgs, global: Global) -> Result<ExitCode, Error> {
    // A credential plugin leaves handlers of the signals behind, so they have to be listened to from the start.
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
            let observer = interruptible(Observer::open(*access, options.request.clone(), clock)).await?;
            Executor::new(observer, signals, options, clock).run().await
        }
    }
}

/// A saved cluster has a plan, and nothing that could be removed.
async fn plan_only(source: &mut Source, options: &CycleOptions) -> Result<ExitCode, Error> {
    if options.mode != Mode::Plan {
        return Err(Error::Usage {
            message: "a saved cluster cannot be changed".into(),
            hint: "--dry-run=client shows the plan".into(),
        });
    }
    // As on a live cluster, a plan looks at no events.
    let snapshot = source.snapshot(&options.request, |_| EventQuery::default()).await?;
    observer::check(&snapshot)?;
    let planned = Observation::at(&snapshot, |look| {
        options::check_strategy(look, &options.policy)?;
        let (run, mut reporter) = present(look, options, None)?;
        reporter.end(&run, &CycleOutcome::Planned, look.now)
    });
    // A name that is not there was told when it was looked for.
    planned.unwrap_or(Ok(()))?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the plan: the run that would carry it out, and who tells of it.
///
/// # Errors
/// The controller has made no revision of today's template; the output cannot be written.
fn present(look: &Observation<'_>, options: &CycleOptions, lock: Option<LockStatus>) -> Result<(Run, Reporter), Error> {
    let plan = plan(look, &options.policy).ok_or_else(|| observer::not_observed(look.coverage))?;
    let mut reporter = Reporter::new(options, look.coverage, lock.clone());
    let view = PlanView { coverage: look.coverage, plan: &plan, policy: &options.policy, lock: lock.as_ref() };
    reporter.plan(view, look.now)?;
    Ok((Run::new(&plan, look, options.policy.clone()), reporter))
}
