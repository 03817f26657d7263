//! `kubectl ds rollout undo`.
//!
//! The plan is computed from the objects as they will be after the rollback ([`after_rollback`]). With `OnDelete`, the
//! pods are replaced by a [`CycleStage`], under the same lock as the patch.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use super::change::args::UndoArgs;
use super::change::{Change, ChangeRun, exit_code, show_plan, show_result};
use super::change_options::{ChangeMode, ChangeOptions, request};
use super::change_subject::ChangeSubject;
use crate::cluster::file::{self, Detail};
use crate::command::args::Global;
use crate::command::cycle::args::CycleArgs;
use crate::command::cycle::stage::CycleStage;
use crate::command::print;
use crate::cycle::LockStatus;
use crate::error::Error;
use crate::interrupt::interruptible;
use crate::load::{Source, open};
use crate::render::ListLength;
use crate::render::document::Sequence;
use crate::render::rollout::history::{Side, diff};
use crate::render::terminal::{self, ColorChoice};
use crate::rollout::{
    ChangeAction, ChangeOutcome, History, PlannedFrom, Revision, RevisionName, RollbackError, RollbackPlan,
    RollbackTarget, SpecChange, after_rollback, rollback_target, template_changes,
};

/// How long to wait until the controller observes the rollback.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(60);

/// A planned rollback.
struct Rollback {
    change: Change,
    description: Description,
    /// The hash of the revision that is rolled back; `None` while the controller has not created it.
    bad: Option<String>,
}

/// What is shown after the plan of the change.
struct Description {
    /// The objects as they will be after the rollback.
    after: ChangeSubject,
    /// The output of `--diff`.
    diff: Vec<u8>,
}

/// What a command line leads to.
enum Planned {
    Rollback(Box<Rollback>),
    /// The DaemonSet has the template of the revision already.
    Skipped(Box<Change>),
}

/// Runs `rollout undo`.
pub(super) async fn run(args: UndoArgs, global: Global) -> Result<ExitCode, Error> {
    let UndoArgs { to_revision, cycle } = args;
    let diff = cycle.diff;
    let given = given_option(&cycle);
    let (source, subject, stage, options) = interruptible(async {
        let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
        let (mode, output, color) = (ChangeMode::new(cycle.dry_run, cycle.yes), cycle.output.clone(), global.color);
        mode.check(&source)?;
        let request = request(cycle.name.clone(), "rollout undo", &global, &source)?;
        let stage = CycleStage::from_args(cycle, &global, &source).await?;
        let options = ChangeOptions { mode, lock: stage.lock(), timeout: OBSERVE_TIMEOUT, output, color };
        let subject = ChangeSubject::load(&mut source, &request).await?;
        Ok((source, subject, stage, options))
    })
    .await?;
    let is_on_delete = subject.live["spec"]["updateStrategy"]["type"] == "OnDelete";
    check_options(&subject, is_on_delete, given)?;
    let diff = diff.then_some(options.color);
    let rollback = match plan(subject, to_revision, diff)? {
        Planned::Skipped(change) => {
            show_result(&change, &ChangeOutcome::NotNeeded, None, &options, Sequence::Stream)?;
            return Ok(ExitCode::SUCCESS);
        }
        Planned::Rollback(rollback) => *rollback,
    };
    let Rollback { change, description, bad } = rollback;
    let stage = is_on_delete.then(|| stage.for_revision(bad));
    match source {
        Source::Saved(_) => {
            show(&change, &description, &options, None, stage.as_ref())?;
            show_result(&change, &ChangeOutcome::Planned, None, &options, Sequence::Stream)?;
            Ok(exit_code(&ChangeOutcome::Planned, None))
        }
        Source::Live(access) => live(ChangeRun::new(*access, options, change).await?, &description, stage).await,
    }
}

/// Shows the plan, rolls back, and with `OnDelete` replaces the pods.
async fn live(mut run: ChangeRun, description: &Description, stage: Option<CycleStage>) -> Result<ExitCode, Error> {
    let planned = show(&run.change, description, &run.options, Some(&run.lock_status), stage.as_ref())?;
    if let (Some(stage), true) = (&stage, run.options.mode != ChangeMode::Plan) {
        interruptible(stage.check(&run.access, &description.after.snapshot)).await?;
    }
    if let Some(outcome) = run.check_and_ask(planned).await? {
        show_result(&run.change, &outcome, Some(&run.lock_status), &run.options, Sequence::Stream)?;
        return Ok(exit_code(&outcome, run.stopped_by));
    }
    let (outcome, lock) = run.make().await?;
    show_result(&run.change, &outcome, Some(&run.lock_status), &run.options, Sequence::Stream)?;
    match (outcome, stage) {
        (ChangeOutcome::Done, Some(stage)) => stage.run(run.access, run.signals, run.clock, lock).await,
        (outcome, _) => {
            run.release(lock).await;
            Ok(exit_code(&outcome, run.stopped_by))
        }
    }
}

/// Shows the plan of the rollback, the diff, and the plan of the cycle. Returns the number of nodes of the cycle.
fn show(
    change: &Change,
    description: &Description,
    options: &ChangeOptions,
    lock: Option<&LockStatus>,
    stage: Option<&CycleStage>,
) -> Result<Option<usize>, Error> {
    show_plan(change, lock, options)?;
    if options.output.is_none() && !description.diff.is_empty() {
        print(|out| writeln!(out).and_then(|()| out.write_all(&description.diff)))?;
    }
    stage.map(|stage| stage.show_plan(&description.after.snapshot)).transpose()
}

/// The first option of `cycle` on the command line that selects nodes or a pace: without `OnDelete` it would be ignored.
fn given_option(args: &CycleArgs) -> Option<&'static str> {
    let options = [
        ("--all", args.all),
        ("--nodes", args.nodes.is_some()),
        ("--node", !args.node.is_empty()),
        ("--canary", args.canary.is_some()),
        ("--max-unavailable", "1".parse() != Ok(args.max_unavailable.clone())),
        ("--include-not-ready", args.include_not_ready),
        ("--include-maintenance", args.include_maintenance),
        ("--require", !args.require.is_empty()),
        ("--cordon", args.cordon),
        ("--before", args.before.is_some()),
        ("--after", args.after.is_some()),
        ("--timeout", args.timeout.is_some()),
        ("--evict", args.evict),
    ];
    options.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
}

fn check_options(subject: &ChangeSubject, is_on_delete: bool, given: Option<&'static str>) -> Result<(), Error> {
    match given {
        Some("--all") => Err(Error::Usage {
            message: "rollout undo replaces only the pods of the revision that it rolls back".into(),
            hint: "omit --all".into(),
        }),
        Some(option) if !is_on_delete => Err(Error::Usage {
            message: format!(
                "{option} has no effect: with the RollingUpdate strategy, the controller replaces the pods of {}",
                subject.full_name()
            ),
            hint: "omit it, or stop the controller first with rollout pause".into(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Makes the plan. `diff_color` is set with `--diff`.
fn plan(
    mut subject: ChangeSubject,
    to_revision: Option<i64>,
    diff_color: Option<ColorChoice>,
) -> Result<Planned, Error> {
    let mut plan = subject.plan(ChangeAction::Undo, subject.live["spec"]["updateStrategy"].clone());
    let (from, gaps, as_of) = (PlannedFrom::new(&subject.live), subject.gaps.clone(), subject.snapshot.as_of);
    let history = subject.history().ok_or_else(|| unknown(&subject))?;
    let target = rollback_target(&history, to_revision.filter(|number| *number > 0));
    let (revision, is_current) = match target.map_err(|why| no_target(&history, why))? {
        RollbackTarget::Revision(revision) => (revision, false),
        RollbackTarget::AlreadyCurrent(revision) => (revision, true),
    };
    let data = revision.data().clone();
    let rollback = rollback_plan(&history, revision, is_current);
    let bad = rollback.from.as_ref().map(|from| from.hash.clone());
    let mut shown = Vec::new();
    if let Some(color) = diff_color.filter(|_| !is_current) {
        let style = terminal::style(color, ListLength::Handful);
        let present = history.current().map_or(Side::Today(&history), Side::Revision);
        diff(&mut shown, present, Side::Revision(revision), style)?;
    }
    plan.rollback = Some(rollback);
    let change = SpecChange::Rollback { data: data.clone() };
    if is_current {
        return Ok(Planned::Skipped(Box::new(Change { plan, change, from, gaps, as_of })));
    }
    let is_on_delete = plan.is_on_delete_after();
    after_rollback(&mut subject.snapshot, &data).ok_or_else(|| Error::NotFound {
        message: format!("the template of the revision of {} is not valid", subject.full_name()),
        hint: "select another one with --to-revision".into(),
    })?;
    plan.replacement = subject.replacement().filter(|_| !is_on_delete);
    let description = Description { after: subject, diff: shown };
    Ok(Planned::Rollback(Box::new(Rollback { change: Change { plan, change, from, gaps, as_of }, description, bad })))
}

fn rollback_plan(history: &History<'_>, revision: &Revision<'_>, is_current: bool) -> RollbackPlan {
    let present = history.current();
    let template = present.map_or_else(|| history.current_template(), Revision::template);
    let newest = history.revisions.iter().map(|revision| revision.number).max().unwrap_or_default();
    RollbackPlan {
        from: present.map(RevisionName::new),
        to: RevisionName::new(revision),
        // The controller reuses the revision and gives it the next number (`daemon/update.go` `constructHistory`).
        next_number: if is_current { revision.number } else { newest.saturating_add(1) },
        changes: template_changes(&template, &revision.template()),
    }
}

fn unknown(subject: &ChangeSubject) -> Error {
    Error::NotFound {
        message: format!("cannot roll back {}: its revisions could not be read", subject.full_name()),
        hint: file::HINT.into(),
    }
}

/// kubectl's messages (`kubectl/pkg/polymorphichelpers/rollback.go`).
pub(in crate::command) fn no_target(history: &History<'_>, why: RollbackError) -> Error {
    let numbers: Vec<String> = history.revisions.iter().map(|revision| revision.number.to_string()).collect();
    match why {
        RollbackError::NoLastRevision => Error::NotFound {
            message: format!("no last revision to roll back to for {}/{}", history.namespace(), history.name()),
            hint: "the controller keeps as many old revisions as revisionHistoryLimit says (default 10)".into(),
        },
        RollbackError::NotFound(number) => Error::NotFound {
            message: format!("unable to find specified revision {number} in history"),
            hint: format!("available revisions: {}", ListLength::Handful.list(&numbers)),
        },
    }
}
