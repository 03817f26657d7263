//! What a person sees while pods are replaced: how far it is, what is waited for, a cell for every node, and the nodes
//! in work.

use std::io::{self, Write};

use super::words;
use crate::coverage::Coverage;
use crate::cycle::{Run, Status, Summary, Waiting};
use crate::render::age::age;
use crate::render::coverage::strategy;
use crate::render::rollout::cells::cells;
use crate::render::rollout::screen::{bars, in_work, obstacles, speed};
use crate::render::rollout::{Screen, Watched};
use crate::render::style::{Tone, bar};
use crate::render::text::{count, safe};
use crate::rollout::Standing;

/// So many failed nodes are named.
const NAMED: usize = 5;

/// A run at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Picture<'p> {
    /// The nodes as coverage sees them.
    pub(crate) coverage: &'p Coverage<'p>,
    /// The nodes as a rollout sees them.
    pub(crate) standing: &'p Standing<'p>,
    /// How far it got, and when.
    pub(crate) watched: Watched<'p>,
    /// The run.
    pub(crate) run: &'p Run,
    /// What is waited for; none while something is being done.
    pub(crate) waiting: Option<&'p Waiting>,
    /// What is said of it where it begins no further node.
    pub(crate) stopping: Option<&'p str>,
}

/// Writes the picture.
pub(crate) fn screen(out: &mut impl Write, picture: Picture<'_>, screen: Screen) -> io::Result<()> {
    let Picture { coverage, standing, watched, run, .. } = picture;
    let style = screen.style;
    let name = safe(&format!("{}/{}", coverage.namespace(), coverage.name()));
    let revision = safe(run.target());
    style.line(out, &format!("Cycling DaemonSet {name}  {}  revision {revision}", strategy(coverage)), Tone::Strong)?;
    let summary = Summary::of(run);
    let (cells_of_bar, tone) = bar(summary.replaced, summary.planned);
    writeln!(out, "{} {}", style.paint(&cells_of_bar, tone), progress(summary))?;
    bars(out, standing, screen)?;
    let budget = format!("At most {} may be without an available pod", count(run.planned_budget(), "node"));
    style.line(out, &budget, Tone::Quiet)?;
    if let Some(speed) = speed(standing, watched, screen.now) {
        style.line(out, &speed, Tone::Plain)?;
    }
    for (text, tone) in remarks(&picture, screen) {
        style.line(out, &text, tone)?;
    }
    failed(out, run, screen)?;
    obstacles(out, standing, screen)?;
    if !standing.nodes.is_empty() {
        writeln!(out)?;
        cells(out, &standing.nodes, screen)?;
    }
    in_work(out, standing, screen)
}

/// `5 of 28 nodes replaced, 1 in work, 22 to go`.
fn progress(summary: Summary) -> String {
    let Summary { planned, replaced, failed, skipped, in_work, waiting, .. } = summary;
    let parts = [(in_work, "in work"), (waiting, "to go"), (failed, "failed"), (skipped, "left alone")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!(", {number} {what}"));
    format!("{replaced} of {} replaced{}", count(planned, "node"), parts.collect::<String>())
}

fn remarks(picture: &Picture<'_>, screen: Screen) -> Vec<(String, Tone)> {
    let mut remarks = Vec::new();
    if let Some(text) = picture.stopping {
        remarks.push((text.to_owned(), Tone::Warning));
    }
    if let Some(waiting) = picture.waiting.filter(|waiting| !matches!(waiting, Waiting::Nodes)) {
        remarks.push((format!("! {}", words::waiting(waiting, screen.now)), Tone::Warning));
    }
    let works = picture.run.entries().iter().filter_map(|entry| Some((entry, entry.work()?)));
    for (entry, work) in works {
        if let Some(refused) = &work.refused {
            let since = age(work.begun, screen.now);
            let text = format!("! {} not removed for {since}: {}", safe(&entry.node), safe(&refused.message));
            remarks.push((text, Tone::Warning));
        }
    }
    remarks
}

fn failed(out: &mut impl Write, run: &Run, screen: Screen) -> io::Result<()> {
    let why = run.entries().iter().filter_map(|entry| match &entry.status {
        Status::Failed { why, .. } => Some((&entry.node, why)),
        _ => None,
    });
    why.take(NAMED).try_for_each(|(node, why)| {
        let text = format!("✗ {} failed: {}", safe(node), words::failure(why, screen.now));
        screen.style.line(out, &text, Tone::Bad)
    })
}
