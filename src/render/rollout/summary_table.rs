//! One row per DaemonSet, those without progress first.

use std::io::{self, Write};

use super::blocker;
use super::labels::{budget, phase_name, phase_tone};
use crate::render::ViewOptions;
use crate::render::name_list::HANDFUL;
use crate::render::style::{Tone, bar};
use crate::render::table::{Column, Table};
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{Phase, RolloutStatus};

/// The number of nodes that are named as users of the budget.
const BUDGET_USES: usize = 3;

pub(crate) fn summary_table(
    out: &mut impl Write,
    statuses: &[RolloutStatus<'_>],
    with_namespace: bool,
    screen: ViewOptions,
) -> io::Result<()> {
    if statuses.is_empty() {
        return Ok(());
    }
    let namespace =
        |rollout_status: &RolloutStatus<'_>| rollout_status.daemon_set.metadata.namespace.clone().unwrap_or_default();
    let name = |rollout_status: &RolloutStatus<'_>| rollout_status.daemon_set.metadata.name.clone().unwrap_or_default();
    let mut order: Vec<&RolloutStatus<'_>> = statuses.iter().collect();
    order.sort_by_cached_key(|rollout_status| {
        (urgency(rollout_status.phase), namespace(rollout_status), name(rollout_status))
    });
    let mut columns = Vec::new();
    if with_namespace {
        columns.push(Column::text("NAMESPACE"));
    }
    columns.extend([
        Column::text("NAME"),
        Column::text("PHASE"),
        Column::text("").weight(1),
        Column::number("UPDATED"),
        Column::number("AVAILABLE"),
        Column::text("BLOCKED BY"),
    ]);
    let mut table = Table::new(columns);
    for rollout_status in order {
        let is_known = rollout_status.phase != Phase::Unknown;
        let number =
            |number: usize| if is_known { format!("{number}/{}", rollout_status.desired) } else { "?".to_owned() };
        let (bar, tone) = bar(rollout_status.updated, rollout_status.desired);
        let mut cells = Vec::new();
        if with_namespace {
            cells.push((sanitize(&namespace(rollout_status)), Tone::Plain));
        }
        cells.extend([
            (sanitize(&name(rollout_status)), Tone::Plain),
            (phase_name(rollout_status.phase).to_owned(), phase_tone(rollout_status.phase)),
            if is_known { (bar, tone) } else { ("?".to_owned(), Tone::Warning) },
            (number(rollout_status.updated), Tone::Plain),
            (number(rollout_status.available), Tone::Plain),
            (blocked_by(rollout_status, screen), Tone::Plain),
        ]);
        table.row(cells);
    }
    table.write(out, screen.style, screen.headers)
}

fn urgency(phase: Phase) -> usize {
    match phase {
        Phase::Stuck => 0,
        Phase::Blocked => 1,
        Phase::Unknown => 2,
        Phase::Degraded => 3,
        Phase::Progressing => 4,
        Phase::NotObserved => 5,
        Phase::AwaitingDeletion => 6,
        Phase::Deleting => 7,
        Phase::Complete => 8,
    }
}

fn blocked_by(rollout_status: &RolloutStatus<'_>, screen: ViewOptions) -> String {
    if rollout_status.phase == Phase::Unknown {
        let missing = rollout_status.missing.iter().map(|missing| sanitize(&missing.to_string()));
        return missing.collect::<Vec<_>>().join("; ");
    }
    let mut parts: Vec<String> = Vec::new();
    if rollout_status.phase != Phase::Complete {
        let blockers = rollout_status.blockers.iter();
        parts.extend(blockers.map(|found| blocker::short_with_nodes(found, screen.style.names)));
        if parts.is_empty() {
            parts.extend(budget(rollout_status, BUDGET_USES, screen));
        }
    }
    match rollout_status.outdated_misscheduled.len() {
        0 => {}
        nodes => parts.push(format!("outdated pods on {}", pluralize(nodes, "ineligible node"))),
    }
    screen.style.names.join(&parts, HANDFUL, "; ", String::clone)
}
