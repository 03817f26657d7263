//! `kubectl ds cycle`.

mod eyes;
mod lease_keeper;
mod locking;
mod policy;
mod prompt;
mod removal;
mod shell;
mod start;
mod teller;

use std::process::ExitCode;

use self::eyes::Eyes;
use self::lease_keeper::Clock;
use self::policy::{Mode, Wish, understand};
use self::shell::Shell;
use self::teller::Teller;
use super::load::{Source, open};
use crate::cli::Global;
use crate::cli::cycle::CycleArgs;
use crate::cluster::file::Detail;
use crate::cycle::{LockStatus, Look, Outcome, Run, plan};
use crate::error::Error;
use crate::interrupt::{Signals, interruptible};
use crate::render::cycle::PlanView;
use crate::snapshot::EventQuery;

/// Loads, plans, asks, and replaces node by node.
///
/// # Errors
/// What keeps the command from an answer; then nothing more is removed.
pub(crate) async fn run(args: CycleArgs, global: Global) -> Result<ExitCode, Error> {
    // A credential plugin leaves handlers of the signals behind, so they have to be listened to from the start.
    let (mut source, wish) = interruptible(async {
        let source = open(&global.from, &global.access(), Detail::Placement).await?;
        let wish = understand(args, &global, &source).await?;
        Ok((source, wish))
    })
    .await?;
    match source {
        Source::Saved(_) => plan_only(&mut source, &wish).await,
        Source::Live(access) => {
            let signals = Signals::listen();
            let clock = Clock::start();
            let eyes = interruptible(Eyes::open(*access, wish.request.clone(), clock)).await?;
            Shell::new(eyes, signals, wish, clock).run().await
        }
    }
}

/// A saved cluster has a plan, and nothing that could be removed.
async fn plan_only(source: &mut Source, wish: &Wish) -> Result<ExitCode, Error> {
    if wish.mode != Mode::Plan {
        return Err(Error::Usage {
            message: "a saved cluster cannot be changed".into(),
            hint: "--dry-run=client shows the plan".into(),
        });
    }
    // As on a live cluster, a plan looks at no events.
    let snapshot = source.snapshot(&wish.request, |_| EventQuery::default()).await?;
    eyes::check(&snapshot)?;
    let planned = Look::at(&snapshot, |look| {
        policy::check_strategy(look, &wish.policy)?;
        let (run, mut teller) = present(look, wish, None)?;
        teller.end(&run, &Outcome::Planned, look.now)
    });
    // A name that is not there was told when it was looked for.
    planned.unwrap_or(Ok(()))?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the plan: the run that would carry it out, and who tells of it.
///
/// # Errors
/// The controller has made no revision of today's template; the output cannot be written.
fn present(look: &Look<'_>, wish: &Wish, lock: Option<LockStatus>) -> Result<(Run, Teller), Error> {
    let plan = plan(look, &wish.policy).ok_or_else(|| eyes::not_observed(look.coverage))?;
    let mut teller = Teller::new(wish, look.coverage, lock.clone());
    let view = PlanView { coverage: look.coverage, plan: &plan, policy: &wish.policy, lock: lock.as_ref() };
    teller.plan(view, look.now)?;
    Ok((Run::of(&plan, look, wish.policy.clone()), teller))
}
