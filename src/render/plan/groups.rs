//! The nodes of a plan, those with the same fate in one row.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::placement::Placement;
use crate::plan::{DaemonSetPlan, Finding, NodeAction, NodePlan};
use crate::render::ViewOptions;
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::reason::summary;
use crate::render::style::Tone;
use crate::render::table::{Column, Columns};
use crate::render::text::sanitize;
use crate::scheduling::preemption::Preemption;

/// What happens to a node's pod, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Unschedulable,
    Deleted,
    Evicted,
    Created,
    Replaced,
    Left,
    Kept,
    Excluded,
}

/// Nodes with the same fate for the same reasons.
struct Group {
    fate: Fate,
    action: &'static str,
    reasons: String,
    nodes: Vec<String>,
}

/// Writes the table; nothing if there are no nodes.
pub(super) fn table(out: &mut impl Write, one: &DaemonSetPlan, screen: ViewOptions) -> io::Result<()> {
    let groups = groups(one, screen);
    if groups.is_empty() {
        return Ok(());
    }
    let names = screen.style.names;
    let columns = Columns::new()
        .add(Column::text("POD"), |group: &Group| (group.action.to_owned(), tone(group.fate)))
        .add(Column::number("NODES"), |group: &Group| (group.nodes.len().to_string(), Tone::Plain))
        .add(Column::text("REASON").weight(1), |group: &Group| (group.reasons.clone(), Tone::Plain))
        .add(Column::text("NODE NAMES"), move |group: &Group| {
            (names.join(&group.nodes, HANDFUL_OF_NODES, ", ", |name| sanitize(name)), Tone::Plain)
        });
    columns.table(groups.iter()).write(out, screen.style, screen.headers)
}

fn groups(one: &DaemonSetPlan, screen: ViewOptions) -> Vec<Group> {
    let mut tally: BTreeMap<(Fate, String), Vec<String>> = BTreeMap::new();
    for node in &one.nodes {
        let fate = fate(node);
        let is_quiet = matches!(fate, Fate::Kept | Fate::Excluded) || !node.is_effect;
        // Why no node is eligible is the question then.
        let is_quiet = is_quiet && !(fate == Fate::Excluded && one.findings.contains(&Finding::NoEligibleNode));
        if is_quiet && !screen.wide && !screen.unfolded {
            continue;
        }
        tally.entry((fate, reasons(node, one, screen))).or_default().push(node.node.clone());
    }
    let mut groups: Vec<Group> = tally
        .into_iter()
        .map(|((fate, reasons), nodes)| Group { fate, action: action(fate), reasons, nodes })
        .collect();
    groups.sort_by_key(|group| (group.fate, std::cmp::Reverse(group.nodes.len())));
    groups
}

fn fate(node: &NodePlan) -> Fate {
    let has_no_place = node.schedulable == Some(false);
    match node.action {
        NodeAction::Create | NodeAction::Replace | NodeAction::Keep if has_no_place => Fate::Unschedulable,
        NodeAction::Create => Fate::Created,
        NodeAction::Replace => Fate::Replaced,
        NodeAction::Evict => Fate::Evicted,
        NodeAction::Delete => Fate::Deleted,
        NodeAction::Keep if node.placement == Some(Placement::ContinueOnly) => Fate::Left,
        NodeAction::Keep => Fate::Kept,
        NodeAction::None => Fate::Excluded,
    }
}

fn action(fate: Fate) -> &'static str {
    match fate {
        Fate::Unschedulable => "no place",
        Fate::Deleted => "deleted",
        Fate::Evicted => "evicted",
        Fate::Created => "created",
        Fate::Replaced => "replaced",
        Fate::Left => "left behind",
        Fate::Kept => "kept",
        Fate::Excluded => "none",
    }
}

fn tone(fate: Fate) -> Tone {
    match fate {
        Fate::Unschedulable => Tone::Bad,
        Fate::Deleted | Fate::Evicted | Fate::Left => Tone::Warning,
        Fate::Created => Tone::Good,
        Fate::Replaced => Tone::Moving,
        Fate::Kept | Fate::Excluded => Tone::Quiet,
    }
}

fn reasons(node: &NodePlan, one: &DaemonSetPlan, screen: ViewOptions) -> String {
    let mut all: Vec<String> = node.reasons.iter().map(|reason| summary(&reason.reason)).collect();
    if one.rollout.waiting.contains(&node.node) {
        all.push("rollout blocked".to_owned());
    }
    if let Some(Preemption::Possible { victims, .. }) = &node.preemption {
        all.push(format!("evicts {}", crate::render::text::pluralize(victims.len(), "pod")));
    }
    if node.is_assumed {
        all.push("not certain".to_owned());
    }
    if node.placement.is_none() && node.before.is_some() && node.action == NodeAction::Delete {
        all.push("the node is deleted".to_owned());
    }
    let length = if screen.wide { ListLength::All } else { ListLength::Handful };
    length.list(&all)
}
