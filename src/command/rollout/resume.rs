//! `kubectl ds rollout resume`.

use std::process::ExitCode;

use super::change::args::ResumeArgs;
use super::change::{Change, ChangeRun, exit_code, show_plan, show_result};
use super::change_options::{ChangeOptions, request};
use super::change_subject::ChangeSubject;
use super::pause::invalid;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::error::Error;
use crate::interrupt::interruptible;
use crate::load::{Source, open};
use crate::render::command_line::CommandLine;
use crate::render::document::Sequence;
use crate::rollout::{
    ChangeAction, ChangeOutcome, PauseState, PausedStrategy, PlannedFrom, ReplacedRevision, SpecChange, after_resume,
};

/// Runs `rollout resume`.
pub(super) async fn run(args: ResumeArgs, global: Global) -> Result<ExitCode, Error> {
    let args = args.change;
    let options = ChangeOptions::from_args(&args, &global);
    let (source, subject) = interruptible(async {
        let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
        options.mode.check(&source)?;
        let request = request(args.name, "rollout resume", &global, &source)?;
        let subject = ChangeSubject::load(&mut source, &request).await?;
        Ok((source, subject))
    })
    .await?;
    let change = plan(subject)?;
    match source {
        Source::Saved(_) => {
            show_plan(&change, None, &options)?;
            show_result(&change, &ChangeOutcome::Planned, None, &options, Sequence::First)?;
            Ok(exit_code(&ChangeOutcome::Planned, None))
        }
        Source::Live(access) => ChangeRun::new(*access, options, change).await?.run().await,
    }
}

fn plan(subject: ChangeSubject) -> Result<Change, Error> {
    let (mut plan, change) = match subject.pause_state() {
        PauseState::Paused(paused) => {
            (subject.plan(ChangeAction::Resume, paused.strategy.clone()), SpecChange::Resume(paused))
        }
        PauseState::Overridden => {
            let present = subject.live["spec"]["updateStrategy"].clone();
            (subject.plan(ChangeAction::RemoveAnnotation, present), SpecChange::RemoveAnnotation)
        }
        PauseState::Invalid(why) => return Err(invalid(&subject, &why)),
        PauseState::Rolling | PauseState::OnDelete => return Err(not_paused(&subject)),
    };
    let from = PlannedFrom::new(&subject.live);
    let (gaps, as_of) = (subject.gaps.clone(), subject.snapshot.as_of);
    if let SpecChange::Resume(paused) = &change {
        let subject = after(subject, paused)?;
        plan.replacement = subject.replacement();
        let history = subject.history().zip(plan.replacement.as_ref());
        plan.replaced =
            history.map(|(history, replacement)| ReplacedRevision::all(&history, replacement)).unwrap_or_default();
    }
    Ok(Change { plan, change, from, gaps, as_of })
}

/// The objects with the stored strategy.
///
/// # Errors
/// The annotation contains no valid strategy.
fn after(mut subject: ChangeSubject, paused: &PausedStrategy) -> Result<ChangeSubject, Error> {
    after_resume(&mut subject.snapshot, &paused.strategy)
        .ok_or_else(|| invalid(&subject, "its fields are not those of an update strategy"))?;
    Ok(subject)
}

fn not_paused(subject: &ChangeSubject) -> Error {
    let pause = CommandLine::own_program("rollout pause").name(subject.name()).namespace(subject.namespace()).offered();
    Error::Usage {
        message: format!("{} is not paused: it has no annotation of rollout pause", subject.full_name()),
        hint: match pause {
            Some(line) => format!("a rolling update is paused with: {line}"),
            None => "a rolling update is paused with rollout pause".into(),
        },
    }
}
