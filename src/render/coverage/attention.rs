//! `kubectl ds` without a subcommand: what needs attention, at most a screen of it.

use std::io::{self, Write};

use super::shared_causes::SharedCauses;
use super::summary_table::{is_healthy, urgency};
use super::{number, reasons_in_short};
use crate::coverage::{Coverage, NodeCoverage};
use crate::render::ViewOptions;
use crate::render::command_line::CommandLine;
use crate::render::rollout::phase_in_short;
use crate::render::style::Tone;
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{Phase, RolloutStatus};

/// The number of DaemonSets that are listed where the terminal does not limit it.
const MOST: usize = 20;
/// The lines beside the list: the title, the shared causes, the commands, and the prompt.
const OTHER_LINES: usize = 9;

/// One DaemonSet that needs attention.
struct Item<'r, 'a> {
    coverage: &'r Coverage<'a>,
    /// What of its rollout needs attention.
    phase: Option<String>,
    /// The reasons that are not shared with other DaemonSets.
    reasons: Vec<String>,
    /// Whether other reasons are shared with other DaemonSets.
    has_shared: bool,
}

/// Writes what needs attention: nodes that cost several DaemonSets, then DaemonSets, worst first, then the next command.
pub(crate) fn attention(
    out: &mut impl Write,
    coverages: &[Coverage<'_>],
    statuses: &[RolloutStatus<'_>],
    place: &str,
    screen: ViewOptions,
) -> io::Result<()> {
    let all: Vec<&Coverage<'_>> = coverages.iter().collect();
    let shared = SharedCauses::new(&all);
    let mut items: Vec<Item<'_, '_>> = coverages
        .iter()
        .zip(statuses)
        .filter(|(coverage, status)| needs_attention(coverage, status))
        .map(|(coverage, status)| item(coverage, status, &shared))
        .collect();
    let unhealthy = items.len();
    // What is shared with other DaemonSets has been said.
    items.retain(|item| item.phase.is_some() || !item.reasons.is_empty() || !item.has_shared);
    let of_all = pluralize(coverages.len(), "DaemonSet");
    let title = match (coverages.len(), unhealthy) {
        (0, _) => format!("no DaemonSets found in {place}"),
        (_, 0) => format!("{of_all} in {place}: all healthy"),
        (_, 1) => format!("1 of {of_all} in {place} needs attention"),
        (_, unhealthy) => format!("{unhealthy} of {of_all} in {place} need attention"),
    };
    screen.style.line(out, &title, if unhealthy == 0 { Tone::Good } else { Tone::Strong })?;
    shared.write(out, screen)?;
    items.sort_by_cached_key(|item| urgency(item.coverage));
    let room = screen.style.height.map_or(MOST, |height| height.saturating_sub(OTHER_LINES).max(1)).min(MOST);
    let (shown, more) = screen.style.names.split(&items, room);
    for item in shown {
        write_item(out, item, screen)?;
    }
    if more > 0 {
        screen.style.line(out, &format!("… {}", pluralize(more, "more DaemonSet")), Tone::Quiet)?;
    }
    let of_worst = items.first().map(|item| {
        let (namespace, name) = (item.coverage.namespace(), item.coverage.name());
        CommandLine::own_program("coverage").namespace(namespace).name(name)
    });
    let next = [shared.next_command(), of_worst];
    next.into_iter().flatten().filter_map(CommandLine::offered).try_for_each(|line| writeln!(out, "→ {line}"))
}

fn needs_attention(coverage: &Coverage<'_>, status: &RolloutStatus<'_>) -> bool {
    let is_without_nodes = coverage.counts.desired == Some(0) && coverage.rows.iter().all(|row| row.pods.is_empty());
    phase(status).is_some() || !(is_without_nodes || is_healthy(coverage))
}

fn item<'r, 'a>(coverage: &'r Coverage<'a>, status: &RolloutStatus<'_>, shared: &SharedCauses<'a>) -> Item<'r, 'a> {
    let own: Vec<&NodeCoverage<'a>> = coverage.rows.iter().filter(|row| !shared.has(row)).collect();
    let has_shared = own.len() < coverage.rows.len();
    let mut reasons = reasons_in_short(own.into_iter());
    let phase = phase(status);
    if reasons.is_empty() && !has_shared && phase.is_none() {
        reasons.extend(counted(coverage));
    }
    Item { coverage, phase, reasons, has_shared }
}

/// What the counts show, if no node has a reason.
fn counted(coverage: &Coverage<'_>) -> Vec<String> {
    let counts = &coverage.counts;
    let outdated = counts.current.zip(counts.up_to_date).map(|(current, updated)| current.saturating_sub(updated));
    let (Some(outdated), Some(misscheduled)) = (outdated, counts.misscheduled) else {
        return vec!["unknown: not all objects could be read".into()];
    };
    let counted = [(outdated, "outdated"), (misscheduled, "misscheduled")];
    counted.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect()
}

/// What of the rollout needs attention: a rollout that moves does not.
fn phase(status: &RolloutStatus<'_>) -> Option<String> {
    match status.phase {
        Phase::Blocked | Phase::Stuck | Phase::AwaitingDeletion => Some(phase_in_short(status)),
        Phase::Unknown
        | Phase::NotObserved
        | Phase::Progressing
        | Phase::Degraded
        | Phase::Complete
        | Phase::Deleting => None,
    }
}

fn write_item(out: &mut impl Write, item: &Item<'_, '_>, screen: ViewOptions) -> io::Result<()> {
    /// The number of reasons of one DaemonSet.
    const REASONS: usize = 2;
    let Item { coverage, phase, reasons, .. } = item;
    let counts = &coverage.counts;
    let name = sanitize(&format!("{}/{}", coverage.namespace(), coverage.name()));
    let (sign, tone) = match counts.unavailable {
        Some(0) => ('!', Tone::Warning),
        Some(_) => ('✗', Tone::Bad),
        None => ('?', Tone::Warning),
    };
    let reasons = screen.style.names.join(reasons, REASONS, "; ", String::clone);
    let covered = format!("{} of {} covered", number(counts.available), number(counts.desired));
    let parts = [Some(covered), phase.clone(), Some(reasons).filter(|reasons| !reasons.is_empty())];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    screen.style.line(out, &format!("{sign} {name}: {text}"), tone)
}
