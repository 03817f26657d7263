//! The counts of `.status` after the change, if the new pods that get a place become ready.

use super::draft::{Draft, NodeDraft};
use super::result::NodeAction;
use super::world::World;
use crate::coverage::Counts;
use crate::explain::pod::is_ready;

/// What the controller would write to `.status` in the end.
pub(super) fn after(draft: &Draft<'_>, world: &World) -> Counts {
    if world.snapshot.nodes.known().is_none() {
        return Counts::default();
    }
    let eligible = || draft.nodes.iter().filter(|node| node.is_eligible());
    let desired = eligible().count();
    if world.snapshot.missing_pods(draft.coverage.daemon_set).is_some() {
        return Counts { desired: Some(desired), ..Counts::default() };
    }
    let rejected = draft.rejected.min(desired);
    let has_pod = |node: &&NodeDraft<'_>| match node.action {
        NodeAction::Keep => node.pods.is_some(),
        NodeAction::Create | NodeAction::Replace | NodeAction::Evict => true,
        NodeAction::Delete | NodeAction::None => false,
    };
    let runs = |node: &&NodeDraft<'_>| node.schedulable == Some(true) && !node.is_silent();
    let is_new = |node: &&NodeDraft<'_>| node.has_new_pod();
    let ready = |node: &&NodeDraft<'_>| match (node.has_new_pod(), node.first_pod()) {
        (true, _) => runs(node),
        (false, Some(pod)) => is_ready(pod) || pod.spec.node_name.is_empty() && runs(node),
        (false, None) => false,
    };
    let available = |node: &&NodeDraft<'_>| match node.has_new_pod() {
        true => runs(node),
        false => {
            let waits = node.first_pod().is_some_and(|pod| pod.spec.node_name.is_empty());
            node.row.is_some_and(|row| row.is_available) || waits && runs(node)
        }
    };
    let up_to_date = eligible().filter(has_pod).try_fold(0, |sum, node| {
        let is_current = if is_new(&node) { Some(true) } else { node.row.and_then(|row| row.up_to_date) };
        Some(sum + usize::from(is_current?))
    });
    let less = |count: usize| count.saturating_sub(rejected);
    let current = less(eligible().filter(has_pod).count());
    // Of the rejected pods, it is not known which have a place; they are counted as if they all had one.
    let without_rejected = |count: usize| count.min(current);
    let available = without_rejected(eligible().filter(has_pod).filter(available).count());
    Counts {
        desired: Some(desired),
        current: Some(current),
        ready: Some(without_rejected(eligible().filter(has_pod).filter(ready).count())),
        up_to_date: up_to_date.map(without_rejected),
        available: Some(available),
        unavailable: Some(desired - available),
        misscheduled: Some(
            draft.nodes.iter().filter(|node| !node.is_eligible() && node.node.is_some()).filter(has_pod).count(),
        ),
    }
}
