//! One row per DaemonSet, those without progress first.

use std::io::{self, Write};

use super::blocker;
use super::labels::{budget, phase_name, phase_tone, step_sign};
use crate::render::ViewOptions;
use crate::render::name_list::HANDFUL;
use crate::render::style::{Tone, bar};
use crate::render::table::{Column, Columns};
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{NodeStep, Phase, RolloutStatus};

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
    let mut order: Vec<&RolloutStatus<'_>> = statuses.iter().collect();
    if !screen.is_sorted {
        order.sort_by_cached_key(|status| (urgency(status.phase), namespace(status), name(status)));
    }
    let columns = columns(with_namespace, screen);
    let complete = order.iter().filter(|status| is_complete(status)).count();
    let mut table = Vec::new();
    columns.table(order.iter().copied()).write(&mut table, screen.style, screen.headers)?;
    if !screen.headers || screen.is_sorted || !screen.does_not_fit(&table) || complete == 0 {
        return out.write_all(&table);
    }
    // Complete rollouts would push the others off the screen.
    order.retain(|status| !is_complete(status));
    if !order.is_empty() {
        columns.table(order.iter().copied()).write(out, screen.style, screen.headers)?;
    }
    let line =
        format!("{} {}: Complete (-o wide lists them)", step_sign(NodeStep::Done), pluralize(complete, "rollout"));
    screen.style.line(out, &line, Tone::Good)
}

fn is_complete(status: &RolloutStatus<'_>) -> bool {
    status.phase == Phase::Complete && status.outdated_misscheduled.is_empty()
}

fn columns<'a>(with_namespace: bool, screen: ViewOptions) -> Columns<'static, RolloutStatus<'a>> {
    let number = |status: &RolloutStatus<'a>, number: usize| match status.phase == Phase::Unknown {
        true => ("?".to_owned(), Tone::Plain),
        false => (format!("{number}/{}", status.desired), Tone::Plain),
    };
    Columns::<RolloutStatus<'a>>::new()
        .add_if(with_namespace, Column::text("NAMESPACE"), |status| (sanitize(&namespace(status)), Tone::Plain))
        .add(Column::text("NAME"), |status| (sanitize(&name(status)), Tone::Plain))
        .add(Column::text("PHASE"), |status| (phase_name(status.phase).to_owned(), phase_tone(status.phase)))
        .add_if(screen.is_terminal(), Column::text("").weight(1), |status| match status.phase == Phase::Unknown {
            true => ("?".to_owned(), Tone::Warning),
            // Green only where the new pods are available, too.
            false => bar(status.updated_available, status.desired),
        })
        .add(Column::number("UPDATED"), move |status| number(status, status.updated))
        .add(Column::number("AVAILABLE"), move |status| number(status, status.available))
        .add(Column::text("BLOCKED BY"), move |status| (blocked_by(status, screen), Tone::Plain))
}

fn namespace(status: &RolloutStatus<'_>) -> String {
    status.daemon_set.metadata.namespace.clone().unwrap_or_default()
}

fn name(status: &RolloutStatus<'_>) -> String {
    status.daemon_set.metadata.name.clone().unwrap_or_default()
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
        let known = rollout_status.blockers.iter().map(|found| blocker::short_with_nodes(found, screen.style.names));
        return known.chain(missing).collect::<Vec<_>>().join("; ");
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
