//! All checks of one DaemonSet's pod on a node, with suggested fixes.

use std::io::{self, Write};

use super::overview::name_of;
use super::{all_remedies, verdict_symbol, verdict_tone};
use crate::check_result::CheckResult;
use crate::explain::diagnosis::{Check, Diagnosis, Stage, Verdict};
use crate::explain::log_excerpt::{ContainerRef, LogExcerpt, lines_of};
use crate::explain::{Reason, State};
use crate::placement::{Placement, PlacementFailure, TaintMeaning, taint_owner};
use crate::render::ViewOptions;
use crate::render::preemption;
use crate::render::reason::detail;
use crate::render::remedy::Remedy;
use crate::render::style::Tone;
use crate::render::text::{pluralize, sanitize, truncate, width, wrap};
use crate::scheduling::FilterRejection;
use crate::scheduling::preemption::Preemption;

/// The width of the column with the names of the stages.
const STAGE_WIDTH: usize = 13;
/// The most columns of one line of a log.
const LONGEST_LOG_LINE: usize = 200;

/// The fixes of the DaemonSets of one node that were written, with the first DaemonSet of each.
pub(crate) type WrittenFixes = Vec<(Remedy, String)>;

/// What is the same for all DaemonSets of a node.
#[derive(Clone, Copy)]
pub(crate) struct NodeView<'v> {
    pub(crate) node: &'v str,
    /// The ends of the logs of crashed containers.
    pub(crate) logs: &'v [LogExcerpt],
    pub(crate) screen: ViewOptions,
}

/// Writes the diagnosis. The commands of a fix that was written for another DaemonSet are not repeated.
pub(crate) fn diagnosis(
    out: &mut impl Write,
    diagnosis: &Diagnosis<'_>,
    view: NodeView<'_>,
    written: &mut WrittenFixes,
) -> io::Result<()> {
    let NodeView { node, logs, screen } = view;
    let sign = verdict_symbol(diagnosis.verdict);
    let name = sanitize(&format!("{}/{}", diagnosis.namespace(), diagnosis.name()));
    let head = format!("{sign} {name} on {}: {}: {}", sanitize(node), name_of(diagnosis.verdict), standing(diagnosis));
    screen.style.line(out, &head, verdict_tone(diagnosis.verdict))?;
    if !screen.wide
        && diagnosis.verdict == Verdict::Running
        && !diagnosis.checks.iter().any(|check| check.result.is_fail())
    {
        return Ok(());
    }
    let mut stages: Vec<Stage> = diagnosis.checks.iter().map(|check| check.stage).collect();
    stages.dedup();
    for stage in stages {
        let checks: Vec<&Check> = diagnosis.checks.iter().filter(|check| check.stage == stage).collect();
        let log_of = |reason: &Reason| match ContainerRef::explaining(reason, diagnosis) {
            Some(container) => lines_of(logs, &container),
            None => &[],
        };
        write_stage(out, name_of_stage(stage), &checks, log_of, screen)?;
    }
    // NotHelpful is obvious if the rejection does not depend on other pods.
    if let Some(verdict) =
        diagnosis.preemption.as_ref().filter(|verdict| screen.wide || **verdict != Preemption::NotHelpful)
    {
        entry(out, "preemption", &sanitize(&preemption::detail(verdict, screen.style.names)), Tone::Plain, screen)?;
    }
    for doubt in diagnosis.assumptions {
        entry(out, "assumption", &sanitize(doubt), Tone::Warning, screen)?;
    }
    let remedies = all_remedies(diagnosis, node);
    if remedies.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {}", screen.style.paint("Suggested fixes", Tone::Strong))?;
    for (number, remedy) in remedies.iter().enumerate() {
        let lead = format!("  {}. ", number + 1);
        if let Some((_, other)) = written.iter().find(|(known, _)| known == remedy) {
            let text = format!("{}: see {other} above", remedy.text_with_outcome());
            hanging_indent(out, &lead, &text, Tone::Plain, screen)?;
            continue;
        }
        written.push((remedy.clone(), name.clone()));
        hanging_indent(out, &lead, &remedy.text_with_outcome(), Tone::Plain, screen)?;
        for line in remedy.lines() {
            // Not wrapped, because it is for pasting.
            writeln!(out, "{}{}", " ".repeat(width(&lead) + 2), screen.style.paint(line, Tone::Moving))?;
        }
    }
    Ok(())
}

/// The state of the pod, for use after the verdict.
fn standing(diagnosis: &Diagnosis<'_>) -> String {
    let pod = diagnosis.pod.map(|pod| sanitize(&pod.metadata.name)).unwrap_or_default();
    if let Some(new) = diagnosis.replacement {
        let (state, new) = (diagnosis.state.name(), sanitize(&new.metadata.name));
        return format!("pod {pod} is {state}; the new pod {new} beside it has not been scheduled");
    }
    match (diagnosis.state, diagnosis.placement) {
        (State::Missing, _) if diagnosis.verdict == Verdict::WouldRun => "a pod would be created and would fit".into(),
        (State::Missing, _) => "pod missing".into(),
        (State::Excluded, _) => match awaited_owner(diagnosis) {
            Some(owner) => format!("no pod runs here until {owner} removes its taint"),
            None => "no pod should run here".into(),
        },
        (State::Misscheduled, Placement::ContinueOnly) => {
            let is_terminating = diagnosis.pod.is_some_and(|pod| pod.is_terminating());
            let what = if is_terminating { "is Terminating and" } else { "keeps running but" };
            format!("existing pod {pod} {what} would not be recreated")
        }
        (State::Misscheduled, _) => format!("no pod should run here, but pod {pod} exists"),
        (State::Pending, _) => format!("pod {pod} has not been scheduled"),
        (State::Unknown, _) => match diagnosis.input.pods.missing() {
            Some(missing) => format!("it is not known whether a pod exists: {}", sanitize(&missing.to_string())),
            None => "it is not known whether a pod exists".into(),
        },
        (state, _) => format!("pod {pod} is {}", state.name()),
    }
}

/// Whose taint alone keeps the pod off the node until its owner is ready on it.
fn awaited_owner(diagnosis: &Diagnosis<'_>) -> Option<&'static str> {
    let mut failures = diagnosis.failures();
    let is_taint = |reason: &Reason| {
        matches!(
            reason,
            Reason::NotEligible(PlacementFailure::Taint { .. })
                | Reason::FilterRejection(FilterRejection::Placed(PlacementFailure::Taint { .. }))
        )
    };
    let [taint] = diagnosis.untolerated.as_slice() else { return None };
    let owner = taint_owner(taint).filter(|owner| matches!(owner.meaning, TaintMeaning::Startup(_)))?;
    failures.all(|(_, failure)| is_taint(&failure.reason)).then_some(owner.name)
}

fn name_of_stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Controller => "controller",
        Stage::Admission => "admission",
        Stage::Scheduler => "scheduler",
        Stage::Kubelet => "kubelet",
        Stage::Pod => "pod",
    }
}

/// Writes failed and unknown checks with one entry per reason, and passed checks in one line.
fn write_stage<'l>(
    out: &mut impl Write,
    name: &str,
    checks: &[&Check],
    log_of: impl Fn(&Reason) -> &'l [String],
    screen: ViewOptions,
) -> io::Result<()> {
    let mut lead = name;
    let fails = checks.iter().any(|check| check.result.is_fail());
    // Next to a certain cause, unknown checks are secondary.
    let sign = |check: &Check| match check.result {
        CheckResult::Fail(_) => Some(('✗', Tone::Bad)),
        CheckResult::Unknown { .. } if !fails || screen.wide => Some(('?', Tone::Warning)),
        CheckResult::Pass | CheckResult::Unknown { .. } => None,
    };
    for check in checks {
        let Some((sign, tone)) = sign(check) else { continue };
        for reason in check.reasons().iter() {
            let text =
                format!("{sign} {}: {}", check.name.as_str(), detail(&reason.reason, screen.now, screen.style.names));
            entry(out, lead, &text, tone, screen)?;
            lead = "";
            for line in log_of(&reason.reason) {
                // A line of a log may be a document of its own.
                let line = truncate(&format!("  log: {}", sanitize(line)), LONGEST_LOG_LINE);
                entry(out, "", &line, Tone::Quiet, screen)?;
            }
        }
    }
    let folded = || checks.iter().filter(|check| sign(check).is_none());
    let passed: Vec<&str> =
        folded().filter(|check| !check.result.is_unknown()).map(|check| check.name.as_str()).collect();
    let unknown = folded().filter(|check| check.result.is_unknown()).count();
    let other = if lead.is_empty() { "other check" } else { "check" };
    let unknown = (unknown > 0).then(|| format!("? {} unknown", pluralize(unknown, other)));
    let passed = match passed.as_slice() {
        [] => None,
        [one] => Some(format!("✓ {one}")),
        all if screen.wide => Some(format!("✓ {}", all.join(", "))),
        all => Some(format!("✓ {} pass", pluralize(all.len(), other))),
    };
    match [unknown, passed].into_iter().flatten().collect::<Vec<_>>() {
        nothing if nothing.is_empty() => Ok(()),
        folded => entry(out, lead, &folded.join("   "), Tone::Quiet, screen),
    }
}

fn entry(out: &mut impl Write, name: &str, text: &str, tone: Tone, screen: ViewOptions) -> io::Result<()> {
    hanging_indent(out, &format!("  {name:STAGE_WIDTH$}"), text, tone, screen)
}

/// Writes a text with a hanging indent, wrapped at the width of the terminal.
fn hanging_indent(out: &mut impl Write, lead: &str, text: &str, tone: Tone, screen: ViewOptions) -> io::Result<()> {
    /// The minimum width of the text, even if the terminal is narrower.
    const LEAST: usize = 20;
    let indent = width(lead);
    let room = screen.style.width.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(LEAST));
    for (number, part) in wrap(text, room, screen.style.names).into_iter().enumerate() {
        let before = if number == 0 { lead.to_owned() } else { " ".repeat(indent) };
        let part = match number {
            0 => screen.style.paint_mark(&part, tone),
            _ => screen.style.paint_rest(&part, tone),
        };
        writeln!(out, "{before}{part}")?;
    }
    Ok(())
}
