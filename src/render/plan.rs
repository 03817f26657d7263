//! The screen and the report of `plan`.

mod groups;
mod report;
mod text;

use std::io::{self, Write};

use super::ViewOptions;
use super::rollout::changes_in_words;
use super::style::Tone;
use super::text::{pluralize, sanitize};
use crate::coverage::Counts;
use crate::plan::{DaemonSetPlan, NodeAction, ObjectEffect, Plan, Severity};
use crate::rollout::Strategy;

pub(crate) use report::Report;

/// What is shown of the command beside the plan itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlanContext {
    /// What the change is: `3 nodes: taint infra=true:NoSchedule`. Safe text.
    pub(crate) change: Option<String>,
    /// How the desired objects were determined. Safe text.
    pub(crate) method: Option<&'static str>,
}

/// Writes the plan: for each DaemonSet a summary, then the problems, then the nodes in groups.
pub(crate) fn plan(out: &mut impl Write, plan: &Plan, context: &PlanContext, screen: ViewOptions) -> io::Result<()> {
    let style = screen.style;
    if let Some(change) = &context.change {
        style.line(out, change, Tone::Strong)?;
    }
    if plan.daemon_sets.is_empty() {
        style.line(out, "No DaemonSet is concerned: no pod is created, replaced or deleted", Tone::Good)?;
    }
    for (index, one) in plan.daemon_sets.iter().enumerate() {
        if index > 0 || context.change.is_some() {
            writeln!(out)?;
        }
        daemon_set(out, one, screen)?;
    }
    let assumptions = text::assumptions(plan, style.names);
    let usual = text::usual_assumptions(plan, context.method);
    if !assumptions.is_empty() || usual.is_some() {
        writeln!(out)?;
    }
    for line in &assumptions {
        style.line(out, &format!("? {line}"), Tone::Warning)?;
    }
    if let Some(line) = usual {
        style.line(out, &line, Tone::Quiet)?;
    }
    Ok(())
}

fn daemon_set(out: &mut impl Write, one: &DaemonSetPlan, screen: ViewOptions) -> io::Result<()> {
    let style = screen.style;
    style.line(out, &head(one), Tone::Strong)?;
    if !one.template_changes.is_empty() {
        style.line(out, &format!("  {}", changes_in_words(&one.template_changes, style.names)), Tone::Plain)?;
    }
    style.line(out, &format!("  {}", coverage(one)), Tone::Plain)?;
    for line in text::rollout(one) {
        style.line(out, &format!("  {line}"), Tone::Plain)?;
    }
    for finding in &one.findings {
        let (sign, tone) = match finding.severity() {
            Severity::Problem => ('✗', Tone::Bad),
            Severity::Warning => ('!', Tone::Warning),
            Severity::Note => ('·', Tone::Quiet),
        };
        style.line(out, &format!("{sign} {}", text::finding(finding, one, style.names)), tone)?;
    }
    for line in text::admission(one, screen.now, style.names) {
        style.line(out, &format!("✗ {line}"), Tone::Bad)?;
    }
    for alert in &one.alerts {
        let line = format!("! alert {} fires after {}m", alert.name(), alert.minutes());
        style.line(out, &line, Tone::Warning)?;
    }
    groups::table(out, one, screen)
}

/// `DaemonSet monitoring/agent  changed  RollingUpdate (maxUnavailable 1)`.
fn head(one: &DaemonSetPlan) -> String {
    let effect = match one.effect {
        ObjectEffect::Created => "created",
        ObjectEffect::Changed => "changed",
        ObjectEffect::Unchanged => "unchanged",
    };
    sanitize(&format!("DaemonSet {}/{}  {effect}  {}", one.namespace, one.name, strategy(one.strategy)))
}

/// `Coverage: 38 of 38 → 50 of 52 nodes available (14 gain a pod, 2 lose it, 36 replaced)`.
fn coverage(one: &DaemonSetPlan) -> String {
    let text = |counts: &Counts| match (counts.available, counts.desired) {
        (Some(available), Some(desired)) => format!("{available} of {desired}"),
        (None, Some(desired)) => format!("? of {desired}"),
        _ => "?".to_owned(),
    };
    let before = one.before.as_ref().map_or_else(|| "none".to_owned(), text);
    let count = |is_meant: &dyn Fn(NodeAction) -> bool| one.nodes.iter().filter(|node| is_meant(node.action)).count();
    let parts = [
        (count(&|action| action == NodeAction::Create), "created"),
        (count(&|action| action == NodeAction::Replace), "replaced"),
        (count(&|action| action == NodeAction::Evict), "evicted"),
        (count(&|action| action == NodeAction::Delete), "deleted"),
        (count(&|action| action == NodeAction::Keep), "kept"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let pods = if parts.is_empty() { "no pods".to_owned() } else { format!("pods: {}", parts.join(", ")) };
    let nodes = pluralize(one.after.desired.unwrap_or_default(), "node");
    let after = one.after.available.map_or_else(|| "?".to_owned(), |available| available.to_string());
    format!("available {before} → {after} of {nodes}; {pods}")
}

/// `RollingUpdate (maxUnavailable 2)`, with the number of nodes.
fn strategy(strategy: Strategy) -> String {
    match strategy {
        Strategy::OnDelete => "OnDelete".to_owned(),
        Strategy::Rolling { max_unavailable } => format!("RollingUpdate (maxUnavailable {max_unavailable})"),
        Strategy::Surge { max_surge } => format!("RollingUpdate (maxSurge {max_surge})"),
    }
}
