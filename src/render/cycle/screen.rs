//! The live screen of `cycle`: the progress, what it is waiting for, a cell per node, and the nodes in progress.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::text;
use crate::coverage::Coverage;
use crate::cycle::{HookPoint, NodeTask, Run, Status, Summary, WaitReason};
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::coverage::strategy;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::rollout::WatchProgress;
use crate::render::rollout::node_grid::cells;
use crate::render::rollout::screen::{bars, failures, in_progress, speed};
use crate::render::style::{Tone, bar};
use crate::render::text::{pluralize, sanitize};
use crate::rollout::RolloutStatus;

/// The state of a run.
#[derive(Clone, Copy)]
pub(crate) struct CycleScreen<'p> {
    pub(crate) coverage: &'p Coverage<'p>,
    pub(crate) status: &'p RolloutStatus<'p>,
    pub(crate) watched: WatchProgress<'p>,
    pub(crate) run: &'p Run,
    /// `None` if it is not waiting.
    pub(crate) waiting: Option<&'p WaitReason>,
    /// Set if no further nodes are started.
    pub(crate) stopping: Option<&'p str>,
    /// The running hooks by node.
    pub(crate) hooks: &'p BTreeMap<String, RunningHook>,
}

/// A hook that is running.
#[derive(Clone, Debug)]
pub(crate) struct RunningHook {
    pub(crate) point: HookPoint,
    pub(crate) since: Timestamp,
    /// The last line of its output.
    pub(crate) line: String,
}

pub(crate) fn screen(out: &mut impl Write, picture: CycleScreen<'_>, screen: ViewOptions) -> io::Result<()> {
    let CycleScreen { coverage, status, watched, run, .. } = picture;
    let style = screen.style;
    let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
    let revision = sanitize(run.target());
    style.line(out, &format!("Cycling DaemonSet {name}  {}  revision {revision}", strategy(coverage)), Tone::Strong)?;
    let summary = Summary::new(run);
    let (cells_of_bar, tone) = bar(summary.replaced, summary.planned);
    writeln!(out, "{} {}", style.paint(&cells_of_bar, tone), progress(summary))?;
    bars(out, status, screen)?;
    let budget = format!("Max unavailable: {}", pluralize(run.planned_budget(), "node"));
    style.line(out, &budget, Tone::Quiet)?;
    if let Some(speed) = speed(status, watched, screen.now) {
        style.line(out, &speed, Tone::Plain)?;
    }
    for (text, tone) in notes(&picture, screen) {
        style.line(out, &text, tone)?;
    }
    failed(out, run, screen)?;
    failures(out, status, screen)?;
    if !status.nodes.is_empty() {
        writeln!(out)?;
        cells(out, &status.nodes, screen)?;
    }
    in_progress(out, status, screen)
}

/// `5 of 28 pods replaced, 1 in progress, 22 remaining`.
fn progress(summary: Summary) -> String {
    let Summary { planned, replaced, failed, skipped, in_progress, waiting, .. } = summary;
    let parts = [(in_progress, "in progress"), (waiting, "remaining"), (failed, "failed"), (skipped, "skipped")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!(", {number} {what}"));
    format!("{replaced} of {} replaced{}", pluralize(planned, "pod"), parts.collect::<String>())
}

fn notes(picture: &CycleScreen<'_>, screen: ViewOptions) -> Vec<(String, Tone)> {
    let mut notes = Vec::new();
    if let Some(text) = picture.stopping {
        notes.push((text.to_owned(), Tone::Warning));
    }
    if let Some(waiting) = picture.waiting.filter(|waiting| !matches!(waiting, WaitReason::Nodes)) {
        notes.push((format!("! {}", text::waiting(waiting, screen.now)), Tone::Warning));
    }
    let running = picture.hooks.iter().map(|(node, hook)| {
        let line = if hook.line.is_empty() { String::new() } else { format!(": {}", sanitize(&hook.line)) };
        let since = age(hook.since, screen.now);
        format!("… {}: running {} for {since}{line}", sanitize(node), text::hook_flag(hook.point))
    });
    let running: Vec<String> = running.collect();
    let (shown, more) = ListLength::for_terminal(screen.style.width).split(&running, HANDFUL);
    notes.extend(shown.iter().map(|text| (text.clone(), Tone::Moving)));
    if more > 0 {
        notes.push((format!("… {}", pluralize(more, "more hook")), Tone::Quiet));
    }
    let works = picture.run.tasks().iter().filter_map(|task| Some((task, task.work()?)));
    for (task, work) in works {
        if let Some(refused) = &work.refused {
            let since = age(work.begun, screen.now);
            let text =
                format!("! {}: pod not removed for {since}: {}", sanitize(&task.node), sanitize(&refused.message));
            notes.push((text, Tone::Warning));
        }
    }
    notes
}

fn failed(out: &mut impl Write, run: &Run, screen: ViewOptions) -> io::Result<()> {
    let failure = |task: &'_ NodeTask| match &task.status {
        Status::Failed { why, .. } => {
            Some(format!("✗ {} failed: {}", sanitize(&task.node), text::failure(why, screen.now)))
        }
        Status::Waiting | Status::InProgress(_) | Status::Replaced { .. } | Status::Skipped(_) => None,
    };
    let failures: Vec<String> = run.tasks().iter().filter_map(failure).collect();
    let (shown, more) = screen.style.names.split(&failures, HANDFUL);
    for text in shown {
        screen.style.line(out, text, Tone::Bad)?;
    }
    match more {
        0 => Ok(()),
        more => screen.style.line(out, &format!("✗ {} failed", pluralize(more, "more node")), Tone::Bad),
    }
}
