//! The result of `cycle`: the summary on a screen, and `kind: CycleReport`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::event::Numbers;
use super::text::{self, DaemonSetRef};
use crate::cycle::{
    CycleOutcome, Failure, HaltReason, LockStatus, NodeTask, Phase, PhaseSummary, Run, Skip, Status, Summary,
    phase_summaries,
};
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::remedy::Remedy;
use crate::render::rollout::screen::advice;
use crate::render::structured::Head;
use crate::render::style::Tone;
use crate::render::text::{pluralize, sanitize, width, wrap};

/// `kind: CycleReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    namespace: &'a str,
    name: &'a str,
    revision: &'a str,
    #[serde(flatten)]
    outcome: &'a CycleOutcome,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Remedy>,
    lock: Option<&'a LockStatus>,
    budget: usize,
    desired: usize,
    #[serde(flatten)]
    numbers: Numbers,
    median_seconds: Option<i64>,
    slowest_seconds: Option<i64>,
    /// How long the phases of the replaced nodes took.
    phases: Vec<PhaseView<'a>>,
    /// The nodes that this run has cordoned and not uncordoned.
    cordoned: Vec<&'a str>,
    nodes: Vec<CycleNode<'a>>,
}

/// The durations of one phase.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct PhaseView<'a> {
    phase: Phase,
    median_seconds: f64,
    slowest_seconds: f64,
    slowest_node: &'a str,
}

impl<'a> From<PhaseSummary<'a>> for PhaseView<'a> {
    fn from(summary: PhaseSummary<'a>) -> Self {
        let PhaseSummary { phase, median, slowest, slowest_node } = summary;
        Self { phase, median_seconds: seconds(median), slowest_seconds: seconds(slowest), slowest_node }
    }
}

/// Seconds with three decimals.
fn seconds(time: SignedDuration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// One node of the plan.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct CycleNode<'a> {
    node: &'a str,
    status: StatusName,
    pod: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    /// Seconds in each phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    phases: Option<BTreeMap<Phase, f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<&'a Skip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum StatusName {
    Waiting,
    InProgress,
    Replaced,
    Failed,
    Skipped,
}

impl<'a> Report<'a> {
    /// The report of a run, or of a plan that was not executed.
    pub(crate) fn new(
        run: &'a Run,
        outcome: &'a CycleOutcome,
        lock: Option<&'a LockStatus>,
        daemon_set_ref: DaemonSetRef<'a>,
        cordoned: &'a BTreeSet<String>,
        now: Timestamp,
    ) -> Self {
        let summary = Summary::new(run);
        let skipped = run.skipped().iter().map(|(node, why)| CycleNode {
            skip: Some(why),
            message: Some(text::skip(why, now)),
            ..CycleNode::new(node, StatusName::Skipped, None)
        });
        Self {
            head: Head::new("CycleReport", now, &[]),
            namespace: daemon_set_ref.namespace,
            name: daemon_set_ref.name,
            revision: run.target(),
            outcome,
            message: text::outcome(outcome, summary),
            fix: fix(run, outcome, daemon_set_ref),
            lock,
            budget: run.planned_budget(),
            desired: run.planned_desired(),
            numbers: summary.into(),
            median_seconds: summary.median.map(|time| time.as_secs()),
            slowest_seconds: summary.slowest.map(|time| time.as_secs()),
            cordoned: cordoned.iter().map(String::as_str).collect(),
            phases: phase_summaries(run).into_iter().map(PhaseView::from).collect(),
            nodes: run.tasks().iter().map(|task| node_view(task, now)).chain(skipped).collect(),
        }
    }
}

impl<'a> CycleNode<'a> {
    fn new(node: &'a str, status: StatusName, pod: Option<&'a str>) -> Self {
        Self { node, status, pod, seconds: None, phases: None, failure: None, skip: None, message: None }
    }
}

fn node_view(task: &NodeTask, now: Timestamp) -> CycleNode<'_> {
    let view = |status, pod| CycleNode::new(&task.node, status, pod);
    match &task.status {
        Status::Waiting => view(StatusName::Waiting, Some(&task.pod.name)),
        Status::InProgress(work) => view(StatusName::InProgress, Some(&work.pod.name)),
        Status::Replaced { pod, took, phases } => CycleNode {
            seconds: Some(took.as_secs()),
            phases: Some(phases.iter().map(|(phase, time)| (*phase, seconds(*time))).collect()),
            ..view(StatusName::Replaced, Some(pod))
        },
        Status::Failed { why, pod } => CycleNode {
            failure: Some(why),
            message: Some(text::failure(why, now)),
            ..view(StatusName::Failed, Some(&pod.name))
        },
        Status::Skipped(why) => {
            CycleNode { skip: Some(why), message: Some(text::skip(why, now)), ..view(StatusName::Skipped, None) }
        }
    }
}

fn fix(run: &Run, outcome: &CycleOutcome, daemon_set_ref: DaemonSetRef<'_>) -> Option<Remedy> {
    let has_failed = |is_wanted: fn(&Failure) -> bool| {
        run.tasks().iter().any(|task| matches!(&task.status, Status::Failed { why, .. } if is_wanted(why)))
    };
    match outcome {
        CycleOutcome::Halted { halt: HaltReason::TooManyFailures { .. } }
            if !has_failed(|why| !matches!(why, Failure::HookFailed { .. })) =>
        {
            Some(text::after_failed_hook())
        }
        CycleOutcome::Halted { halt: HaltReason::TooManyFailures { nodes } }
            if has_failed(|why| matches!(why, Failure::NodeProblem { .. })) =>
        {
            Some(text::after_bad_pod(nodes, daemon_set_ref))
        }
        CycleOutcome::Halted { halt } => text::next(halt, daemon_set_ref),
        _ => None,
    }
}

/// Writes the outcome, the failed and skipped nodes, the durations, and how to continue.
pub(crate) fn summary(
    out: &mut impl Write,
    run: &Run,
    outcome: &CycleOutcome,
    daemon_set_ref: DaemonSetRef<'_>,
    cordoned: &BTreeSet<String>,
    screen: ViewOptions,
) -> io::Result<()> {
    let summary = Summary::new(run);
    if summary.planned == 0 {
        // The plan already shows that.
        return Ok(());
    }
    writeln!(out)?;
    let is_good = matches!(outcome, CycleOutcome::Finished | CycleOutcome::CanaryDone | CycleOutcome::Planned)
        && summary.failed == 0;
    let tone = if is_good { Tone::Good } else { Tone::Bad };
    screen.style.line(out, &capitalised(&text::outcome(outcome, summary)), tone)?;
    if !matches!(outcome, CycleOutcome::Planned | CycleOutcome::Declined) {
        screen.style.line(out, &tally(summary), Tone::Plain)?;
        if let Some(phases) = phases(run, screen) {
            screen.style.line(out, &phases, Tone::Plain)?;
        }
    }
    for task in run.tasks() {
        let (text, tone) = match &task.status {
            Status::Failed { why, .. } => (format!("✗ {}", text::failure(why, screen.now)), Tone::Bad),
            Status::Skipped(why) => (format!("- {}", text::skip(why, screen.now)), Tone::Warning),
            // A dry run starts nothing.
            Status::InProgress(_) if *outcome == CycleOutcome::Planned => continue,
            Status::InProgress(work) if !work.is_removal_sent => {
                ("… started, and its pod was not removed".to_owned(), Tone::Warning)
            }
            Status::InProgress(_) => {
                ("… in progress: its pod was removed, and the new one is not available yet".to_owned(), Tone::Warning)
            }
            Status::Waiting | Status::Replaced { .. } => continue,
        };
        indented(out, &format!("{} {text}", sanitize(&task.node)), tone, screen)?;
    }
    let mut number = 1;
    if let Some(remedy) = fix(run, outcome, daemon_set_ref) {
        advice(out, number, &remedy, screen)?;
        number += 1;
    }
    if cordoned.is_empty() {
        return Ok(());
    }
    let nodes: Vec<&str> = cordoned.iter().map(String::as_str).collect();
    let named = sanitize(&screen.style.names.list(&nodes));
    let stay = if nodes.len() == 1 { "stays" } else { "stay" };
    screen.style.line(out, &format!("! {} {stay} cordoned: {named}", pluralize(nodes.len(), "node")), Tone::Warning)?;
    advice(out, number, &text::after_cordon(&nodes), screen)
}

/// Writes an indented line, wrapped at the width of the terminal.
pub(super) fn indented(out: &mut impl Write, text: &str, tone: Tone, screen: ViewOptions) -> io::Result<()> {
    const LEAD: &str = "  ";
    let columns = screen.style.width.unwrap_or(usize::MAX).saturating_sub(width(LEAD));
    for (number, part) in wrap(text, columns, screen.style.names).into_iter().enumerate() {
        let part = match number {
            0 => screen.style.paint_mark(&part, tone),
            _ => screen.style.paint_rest(&part, tone),
        };
        writeln!(out, "{LEAD}{part}")?;
    }
    Ok(())
}

/// `5 of 28 pods replaced, 1 failed, 22 not started; median 12s, max 40s per node`.
fn tally(summary: Summary) -> String {
    let Summary { planned, replaced, failed, skipped, in_progress, waiting, .. } = summary;
    let parts =
        [(failed, "failed"), (skipped, "skipped"), (in_progress, "still in progress"), (waiting, "not started")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!(", {number} {what}"));
    let times = match (summary.median, summary.slowest) {
        (Some(median), Some(slowest)) => format!("; median {}, max {} per node", span(median), span(slowest)),
        _ => String::new(),
    };
    format!("{replaced} of {} replaced{}{times}", pluralize(planned, "pod"), parts.collect::<String>())
}

/// `Median per node: old pod gone 2s, image and start 8s (max 40s on n7), ready 3s`. Phases that took no time are
/// omitted.
fn phases(run: &Run, screen: ViewOptions) -> Option<String> {
    const SHORTEST: SignedDuration = SignedDuration::from_millis(500);
    let in_words = |PhaseSummary { phase, median, slowest, slowest_node }: PhaseSummary<'_>| {
        let most = match span(slowest) != span(median) {
            true => format!(" (max {} on {})", span(slowest), sanitize(slowest_node)),
            false => String::new(),
        };
        format!("{} {}{most}", phase_in_words(phase), span(median))
    };
    let summaries = phase_summaries(run).into_iter().filter(|summary| summary.slowest >= SHORTEST);
    let summaries: Vec<String> = summaries.map(in_words).collect();
    let joined = screen.style.names.join(&summaries, summaries.len(), ", ", String::clone);
    (!summaries.is_empty()).then(|| format!("Median per node: {joined}"))
}

fn phase_in_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Before => "cordon and --before",
        Phase::Termination => "old pod gone",
        Phase::Scheduling => "new pod scheduled",
        Phase::Start => "image and start",
        Phase::Readiness => "ready",
        Phase::After => "--min-ready, --require and --after",
    }
}

fn span(time: SignedDuration) -> String {
    let then = Timestamp::UNIX_EPOCH;
    let time = SignedDuration::from_secs((time.as_millis() + 500).div_euclid(1000).try_into().unwrap_or(i64::MAX));
    age(then, then.saturating_add(time).unwrap_or(then))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
