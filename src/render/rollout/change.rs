//! The plan, the result and the report of `rollout pause`, `rollout resume` and `rollout undo`.

mod report;
mod text;

use std::io::{self, Write};

use jiff::Timestamp;

use super::changes_in_words;
use super::screen::advice;
use super::strategy_text::strategy;
use crate::cycle::LockStatus;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::cycle::lock_status;
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::style::Tone;
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{
    ChangeAction, ChangeOutcome, ChangePlan, ReplacedRevision, Replacement, RevisionName, RollbackPlan, Strategy,
};

pub(crate) use report::Report;
use text::message;
pub(crate) use text::question;

/// Writes the plan: what changes, which pods are replaced, and what a person should know before it.
pub(crate) fn plan(
    out: &mut impl Write,
    plan: &ChangePlan,
    lock: Option<&LockStatus>,
    screen: ViewOptions,
) -> io::Result<()> {
    let style = screen.style;
    style.line(out, &head(plan, screen.now), Tone::Strong)?;
    for line in facts(plan, screen.style.names) {
        style.line(out, &line, Tone::Plain)?;
    }
    for line in warnings(plan, screen.style.names) {
        style.line(out, &format!("! {line}"), Tone::Warning)?;
    }
    match lock.map(lock_status) {
        Some((text, true)) => style.line(out, &text, Tone::Warning),
        Some((_, false)) | None => Ok(()),
    }
}

/// `DaemonSet logging/agent  OnDelete (paused 5m ago on laptop) → RollingUpdate (maxUnavailable 2)`.
fn head(plan: &ChangePlan, now: Timestamp) -> String {
    let paused = plan.paused.as_ref().map(|(at, by)| {
        let at = at.map(|at| format!(" {} ago", age(at, now))).unwrap_or_default();
        let by = by.as_ref().map(|by| format!(" on {}", sanitize(by))).unwrap_or_default();
        format!(" (paused{at}{by})")
    });
    let (before, after) = (strategy(&plan.strategy), strategy(&plan.strategy_after));
    let name = sanitize(&format!("{}/{}", plan.namespace, plan.name));
    let head = format!("DaemonSet {name}  {before}{}", paused.unwrap_or_default());
    if plan.strategy == plan.strategy_after { head } else { format!("{head} → {after}") }
}

/// What the change does.
fn facts(plan: &ChangePlan, names: ListLength) -> Vec<String> {
    let mut lines = Vec::new();
    match plan.action {
        ChangeAction::Pause => {
            lines.push("The controller stops replacing pods; the template and its revision stay unchanged".to_owned());
        }
        ChangeAction::RemoveAnnotation => {
            lines.push(
                "The update strategy was changed after the pause: it is kept, and only the annotation of the pause is \
                 removed"
                    .to_owned(),
            );
        }
        ChangeAction::Resume | ChangeAction::Undo => {}
    }
    lines.extend(plan.rollback.iter().flat_map(|rollback| rollback_lines(rollback, names)));
    if plan.rollback.is_none() {
        lines.extend(plan.revisions.as_deref().and_then(by_revision));
    }
    let changes = plan.replaced.iter().filter(|replaced| !replaced.changes.is_empty());
    lines.extend(changes.map(|ReplacedRevision { revision, changes, .. }| {
        format!("Changes from revision {revision}: {}", changes_in_words(changes, names))
    }));
    if let Some(replacement) = &plan.replacement {
        lines.extend(replacement_lines(replacement, names));
    }
    lines
}

fn rollback_lines(rollback: &RollbackPlan, names: ListLength) -> Vec<String> {
    let RollbackPlan { from, to, next_number, changes } = rollback;
    let from_text = from.as_ref().map_or_else(|| "the current template".to_owned(), text::revision);
    let mut lines =
        vec![format!("Rolls back from {from_text} to {}, which gets the number {next_number}", text::revision(to))];
    if !changes.is_empty() {
        lines.push(format!("Changes: {}", changes_in_words(changes, names)));
    }
    if let Some(nodes) = from.as_ref().and_then(|from| from.nodes.as_ref()) {
        lines.push(match nodes.as_slice() {
            [] => "No node runs the current revision".to_owned(),
            nodes => {
                format!("The current revision runs on {}: {}", pluralize(nodes.len(), "node"), node_list(nodes, names))
            }
        });
    }
    if let Some(nodes) = to.nodes.as_ref().filter(|nodes| !nodes.is_empty()) {
        let number = pluralize(nodes.len(), "node");
        lines.push(format!("{number} with revision {}: the pods stay unchanged", to.revision));
    }
    lines
}

/// `Nodes by revision: 27 (current) on 3 nodes, 26 on 6 nodes`.
fn by_revision(revisions: &[RevisionName]) -> Option<String> {
    let one = |one: &RevisionName| {
        let nodes = one.nodes.as_ref()?.len();
        let mark = if one.current { " (current)" } else { "" };
        Some(format!("{}{mark} on {}", one.revision, pluralize(nodes, "node")))
    };
    let all: Option<Vec<String>> = revisions.iter().rev().map(one).collect();
    all.filter(|all| !all.is_empty()).map(|all| format!("Revisions: {}", all.join(", ")))
}

fn replacement_lines(replacement: &Replacement, names: ListLength) -> Vec<String> {
    let Replacement { strategy, desired, nodes, .. } = replacement;
    if nodes.is_empty() {
        return vec!["No pod will be replaced: every node runs this revision".to_owned()];
    }
    let pace = match strategy {
        Strategy::Rolling { max_unavailable } => format!("at most {} unavailable", pluralize(*max_unavailable, "node")),
        Strategy::Surge { max_surge } => {
            format!("with new pods beside the old ones on at most {}", pluralize(*max_surge, "node"))
        }
        Strategy::OnDelete => return Vec::new(),
    };
    vec![format!(
        "Will replace the pods on {} of {}, {pace}: {}",
        nodes.len(),
        pluralize(*desired, "node"),
        node_list(nodes, names)
    )]
}

fn warnings(plan: &ChangePlan, names: ListLength) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.action == ChangeAction::Pause {
        lines.push(
            "new nodes, and pods that are recreated for another reason, still get the current template".to_owned(),
        );
    }
    let target = plan.rollback.as_ref().map(|rollback| &rollback.to);
    if let Some(to) = target.filter(|to| to.nodes.as_ref().is_some_and(Vec::is_empty)) {
        lines.push(format!("no node runs revision {}: no pod shows that it works", to.revision));
    }
    if !plan.newer_pods_deleted.is_empty() {
        let number = pluralize(plan.newer_pods_deleted.len(), "node");
        let list = node_list(&plan.newer_pods_deleted, names);
        lines.push(format!("{number} with an old and a new pod: the controller deletes the newer pod: {list}"));
    }
    if let Some(Replacement { strategy, at_once, deleted, budget_used_by, .. }) = &plan.replacement {
        if !at_once.is_empty() {
            let what = match strategy {
                Strategy::Surge { .. } => "replaced at once, beyond maxSurge",
                Strategy::Rolling { .. } | Strategy::OnDelete => "deleted at once, beyond maxUnavailable",
            };
            let number = pluralize(at_once.len(), "node");
            lines.push(format!("{number} with an unavailable outdated pod, {what}: {}", node_list(at_once, names)));
        }
        if !budget_used_by.is_empty() {
            let number = pluralize(budget_used_by.len(), "node");
            lines.push(format!("{number} already using the budget: {}", node_list(budget_used_by, names)));
        }
        if !deleted.is_empty() {
            let number = pluralize(deleted.len(), "node");
            let list = node_list(deleted, names);
            lines.push(format!("{number} not eligible: the outdated pod is deleted and not recreated: {list}"));
        }
    }
    lines.extend(plan.owners.iter().map(|owner| text::owner(owner, plan)));
    lines
}

fn node_list(nodes: &[String], names: ListLength) -> String {
    names.join(nodes, HANDFUL_OF_NODES, ", ", |node| sanitize(node))
}

/// Writes how the command ended, and what to run next.
pub(crate) fn result(
    out: &mut impl Write,
    plan: &ChangePlan,
    outcome: &ChangeOutcome,
    screen: ViewOptions,
) -> io::Result<()> {
    let tone = match outcome {
        ChangeOutcome::Done | ChangeOutcome::Planned | ChangeOutcome::NotNeeded => Tone::Good,
        ChangeOutcome::Declined | ChangeOutcome::Halted { .. } => Tone::Bad,
    };
    screen.style.line(out, &message(plan, outcome), tone)?;
    match text::next(plan, outcome) {
        Some(remedy) => advice(out, 1, &remedy, screen),
        None => Ok(()),
    }
}
