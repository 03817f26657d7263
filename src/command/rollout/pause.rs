//! `kubectl ds rollout pause`.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::change::args::PauseArgs;
use super::change::{Change, ChangeRun, exit_code, show_plan, show_result};
use super::change_options::{ChangeMode, ChangeOptions, request};
use super::change_subject::ChangeSubject;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::error::Error;
use crate::interrupt::interruptible;
use crate::load::{Source, open};
use crate::render::command_line::CommandLine;
use crate::render::document::Sequence;
use crate::rollout::{ChangeAction, ChangeOutcome, PAUSED_STRATEGY, PauseState, PlannedFrom, SpecChange};

/// Runs `rollout pause`.
pub(super) async fn run(args: PauseArgs, global: Global) -> Result<ExitCode, Error> {
    let args = args.change;
    // It never asks: a brake that waits for an answer is none.
    let options = ChangeOptions::from_args(&args, &global);
    let mode = match options.mode {
        ChangeMode::Execute { .. } => ChangeMode::Execute { confirmed: true },
        other => other,
    };
    let options = ChangeOptions { mode, ..options };
    let (source, subject) = interruptible(async {
        let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
        options.mode.check(&source)?;
        let request = request(args.name, "rollout pause", &global, &source)?;
        let subject = ChangeSubject::load(&mut source, &request).await?;
        Ok((source, subject))
    })
    .await?;
    let state = subject.pause_state();
    let is_paused = matches!(state, PauseState::Paused(_));
    let change = plan(&subject, state)?;
    match source {
        Source::Saved(_) => {
            show_plan(&change, None, &options)?;
            let outcome = if is_paused { ChangeOutcome::NotNeeded } else { ChangeOutcome::Planned };
            show_result(&change, &outcome, None, &options, Sequence::First)?;
            Ok(exit_code(&outcome, None))
        }
        Source::Live(access) if is_paused => {
            already_paused(ChangeRun::new(*access, options, change).await?, &subject).await
        }
        Source::Live(access) => ChangeRun::new(*access, options, change).await?.run().await,
    }
}

fn plan(subject: &ChangeSubject, state: PauseState) -> Result<Change, Error> {
    let plan = subject.plan(ChangeAction::Pause, json!({ "type": "OnDelete" }));
    let (mut at, mut by) = (Timestamp::now(), gethostname::gethostname().to_string_lossy().into_owned());
    match state {
        PauseState::Rolling | PauseState::Overridden => {}
        PauseState::Paused(paused) => {
            (at, by) = (paused.at.unwrap_or(at), paused.by.unwrap_or(by));
        }
        PauseState::OnDelete => return Err(on_delete(subject)),
        PauseState::Invalid(why) => return Err(invalid(subject, &why)),
    }
    let (change, from) = (SpecChange::Pause { at, by }, PlannedFrom::new(&subject.live));
    Ok(Change { plan, change, from, gaps: subject.gaps.clone(), as_of: subject.snapshot.as_of })
}

/// Nothing is changed. Whether the controller has observed the pause is still of interest: the command that paused it
/// may have been interrupted.
async fn already_paused(mut run: ChangeRun, subject: &ChangeSubject) -> Result<ExitCode, Error> {
    show_plan(&run.change, Some(&run.lock_status), &run.options)?;
    let generation = subject.live["metadata"]["generation"].as_i64().unwrap_or_default();
    let outcome = match run.options.mode {
        ChangeMode::Plan | ChangeMode::ServerDryRun => ChangeOutcome::NotNeeded,
        ChangeMode::Execute { .. } => match run.until_observed(generation).await? {
            ChangeOutcome::Done => ChangeOutcome::NotNeeded,
            other => other,
        },
    };
    show_result(&run.change, &outcome, Some(&run.lock_status), &run.options, Sequence::First)?;
    Ok(exit_code(&outcome, run.stopped_by))
}

fn on_delete(subject: &ChangeSubject) -> Error {
    let cycle = CommandLine::own_program("cycle").name(subject.name()).namespace(subject.namespace()).offered();
    Error::Usage {
        message: format!(
            "{} uses the OnDelete strategy: there is no rolling update to pause, pods are replaced only when they are \
             deleted",
            subject.full_name()
        ),
        hint: match cycle {
            Some(line) => format!("replace the outdated pods with: {line}"),
            None => "replace the outdated pods with cycle".into(),
        },
    }
}

/// The error for an annotation without a valid strategy.
pub(super) fn invalid(subject: &ChangeSubject, why: &str) -> Error {
    Error::Usage {
        message: format!("the annotation {PAUSED_STRATEGY} of {} is not valid: {why}", subject.full_name()),
        hint: "set spec.updateStrategy and remove the annotation with kubectl edit daemonset".into(),
    }
}
