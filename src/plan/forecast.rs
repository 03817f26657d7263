//! The rollout after the change: how many pods are replaced, how many at a time, and where it stops.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`. A node whose new pod never becomes available uses the
//! budget for good; when as many nodes as the budget has do, no other pod is replaced.

use super::creation::is_created_at_once;
use super::draft::{Cause, Draft, NodeDraft};
use super::result::NodeAction;
use super::rollout_forecast::RolloutForecast;
use crate::check_result::CheckResult;
use crate::explain::{Reason, State};
use crate::rollout::Strategy;

/// Lets the nodes keep their old pods that a blocked rollout does not reach. Returns whether anything changed.
pub(super) fn stop_where_blocked(draft: &mut Draft<'_>) -> bool {
    draft.undecided.clear();
    let before = draft.waiting.len();
    let Some(budget) = draft.strategy.budget() else { return false };
    let used: usize = draft.nodes.iter().filter(|node| uses_budget_for_good(draft, node)).count();
    let candidates: Vec<usize> = positions(draft, |node| node.cause == Cause::Rollout && is_rollout(node));
    let is_rejected = rejects_creation(draft);
    if candidates.is_empty() && draft.waiting.is_empty() {
        draft.is_blocked = is_rejected && positions(draft, is_rollout).iter().any(|_| true);
        return false;
    }
    let failing = candidates.iter().filter(|index| is_stuck_after(draft, &draft.nodes[**index])).count();
    if is_rejected && blocks_all(draft) || used >= budget {
        // At once, or by what the budget is used for already: no pod of these is replaced.
        draft.is_blocked = true;
        for index in candidates {
            let node = &mut draft.nodes[index];
            node.action = NodeAction::Keep;
            node.schedulable = None;
            node.obstacles.clear();
            node.preemption = None;
            draft.waiting.push(node.name.to_owned());
        }
        if is_rejected && blocks_all(draft) {
            // Also what is not available is not replaced while the controller's sync fails.
            for index in positions(draft, |node| node.cause == Cause::RolloutAtOnce && is_rollout(node)) {
                let node = &mut draft.nodes[index];
                node.action = NodeAction::Keep;
                node.schedulable = None;
                draft.waiting.push(node.name.to_owned());
            }
        }
        return draft.waiting.len() != before;
    }
    draft.is_blocked = is_rejected
        || used + failing >= budget && failing > 0 && candidates.len() > failing_room(used, failing, budget);
    if draft.is_blocked {
        for index in candidates {
            draft.nodes[index].is_assumed = true;
            draft.undecided.push(draft.nodes[index].name.to_owned());
        }
    }
    false
}

/// With this many candidates or fewer, all of them are replaced before the budget is used up.
fn failing_room(used: usize, failing: usize, budget: usize) -> usize {
    if used + failing == budget { failing.min(1) } else { 0 }
}

/// Whether creations that fail keep the rollout from its first step.
fn blocks_all(draft: &Draft<'_>) -> bool {
    draft.nodes.iter().any(|node| is_created_at_once(node.action, node.cause))
}

/// Whether the API server rejects pods that the rollout, or the sync before it, creates.
fn rejects_creation(draft: &Draft<'_>) -> bool {
    draft.rejects_all
        || draft.rejected > 0
        || draft.admission.iter().any(|one| one.rejected > 0 && matches!(one.result, CheckResult::Fail(_)))
}

fn positions(draft: &Draft<'_>, is_meant: impl Fn(&NodeDraft<'_>) -> bool) -> Vec<usize> {
    draft.nodes.iter().enumerate().filter(|(_, node)| is_meant(node)).map(|(index, _)| index).collect()
}

/// Whether the rollout replaces or deletes the pod.
fn is_rollout(node: &NodeDraft<'_>) -> bool {
    matches!(node.action, NodeAction::Replace | NodeAction::Delete)
        && matches!(node.cause, Cause::Rollout | Cause::RolloutAtOnce)
}

/// Whether the pod that the node has after the change never becomes available, as far as is known.
fn is_stuck_after(draft: &Draft<'_>, node: &NodeDraft<'_>) -> bool {
    if node.action == NodeAction::Delete {
        // On a node that is down, the pod stays there, terminating.
        return node.is_silent();
    }
    draft.rejects_all
        || node.schedulable == Some(false)
        || node.is_silent()
        || node.obstacles.iter().any(keeps_from_running)
}

fn keeps_from_running(obstacle: &crate::explain::diagnosis::CheckReason) -> bool {
    matches!(obstacle.reason, Reason::NodePressure { .. } | Reason::VirtualNode { .. } | Reason::NodeNotReady { .. })
}

/// Whether the node uses the budget before another pod is replaced, and does not stop.
fn uses_budget_for_good(draft: &Draft<'_>, node: &NodeDraft<'_>) -> bool {
    let is_surge = draft.strategy.is_surge();
    let Some(pods) = &node.pods else { return false };
    match (node.action, node.cause) {
        (NodeAction::Create | NodeAction::Evict, _) | (NodeAction::Replace, Cause::Sync | Cause::Preemption) => {
            !is_surge && is_stuck_after(draft, node)
        }
        (NodeAction::Replace, Cause::RolloutAtOnce) => is_stuck_after(draft, node),
        (NodeAction::Delete, Cause::RolloutAtOnce) => !is_surge && node.is_silent(),
        // Deleted by a sync; the node is not iterated once the pod is gone.
        (NodeAction::Delete, Cause::Sync) => {
            !is_surge && node.is_silent() && node.node.is_some() && !pods.old.is_empty() | !pods.new.is_empty()
        }
        (NodeAction::Keep, _) => keeps_budget(draft, node),
        (NodeAction::Replace | NodeAction::Delete, _) | (NodeAction::None, _) => false,
    }
}

/// Whether a pod that stays uses the budget for good.
fn keeps_budget(draft: &Draft<'_>, node: &NodeDraft<'_>) -> bool {
    let Some(row) = node.row else { return false };
    let Some(pods) = &node.pods else { return false };
    let is_surge = draft.strategy.is_surge();
    if is_surge {
        return !pods.new.is_empty() && !pods.old.is_empty() && !row.is_available;
    }
    match (pods.new.first(), pods.old.first()) {
        // Terminating only.
        (None, None) => node.is_silent(),
        (Some(new), None) => {
            let waits_for_place = new.spec.node_name.is_empty();
            match (waits_for_place, node.schedulable) {
                (true, Some(true)) => node.is_silent() || node.obstacles.iter().any(keeps_from_running),
                (true, _) => true,
                (false, _) => !row.is_available && !matches!(row.state, State::Starting | State::Ready),
            }
        }
        // An old pod that waits is counted by its own kind.
        _ => false,
    }
}

/// The forecast for people and scripts.
pub(super) fn summary(draft: &Draft<'_>) -> RolloutForecast {
    let replaced = draft.nodes.iter().filter(|node| node.action == NodeAction::Replace && is_rollout(node));
    let replaced: Vec<&NodeDraft<'_>> = replaced.collect();
    let at_once = replaced.iter().filter(|node| node.cause == Cause::RolloutAtOnce).count();
    let outdated = match draft.strategy {
        Strategy::OnDelete => {
            draft.nodes.iter().filter(|node| node.pods.as_ref().is_some_and(|pods| !pods.old.is_empty())).count()
        }
        Strategy::Rolling { .. } | Strategy::Surge { .. } => 0,
    };
    let is_rollout = !replaced.is_empty() || !draft.waiting.is_empty();
    let budget = draft.strategy.budget().filter(|_| is_rollout);
    let in_budget = replaced.len() - at_once;
    let waves = budget.map_or(0, |budget| in_budget.div_ceil(budget.max(1)));
    let min_ready = draft.coverage.daemon_set.spec.min_ready_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let rounds = waves.max(usize::from(at_once > 0)) as u64;
    let blocked_by =
        draft.nodes.iter().filter(|node| uses_budget_for_good(draft, node)).map(|node| node.name.to_owned());
    RolloutForecast {
        replaced: replaced.len(),
        at_once,
        budget,
        waves,
        least_seconds: min_ready
            .filter(|seconds| *seconds > 0 && rounds > 0)
            .map(|seconds| seconds.saturating_mul(rounds)),
        blocked: draft.is_blocked,
        blocked_by: if draft.is_blocked { blocked_by.collect() } else { Vec::new() },
        waiting: draft.waiting.clone(),
        outdated,
    }
}
