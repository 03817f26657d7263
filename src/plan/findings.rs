//! What may surprise in a plan, for one DaemonSet.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`, `updatedDesiredNodeCounts`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::draft::{Cause, Draft, NodeDraft};
use super::finding::Finding;
use super::result::{NodeAction, ObjectEffect};
use super::rollout_forecast::RolloutForecast;
use super::world::World;
use crate::coverage::Counts;
use crate::explain::Reason;
use crate::explain::pod::is_ready;
use crate::rollout::Strategy;
use crate::scheduling::preemption::Preemption;

/// The findings about one DaemonSet, the gravest first.
pub(super) fn findings(draft: &Draft<'_>, world: &World, rollout: &RolloutForecast, after: Counts) -> Vec<Finding> {
    let mut findings = problems(draft, rollout);
    findings.extend(of_rollout(draft, world, rollout));
    let before = |node: &&NodeDraft<'_>| draft.before.and_then(|before| before.nodes.get(node.name));
    let left = nodes(draft, |node| {
        node.action == NodeAction::Keep
            && !node.is_eligible()
            && before(&node).is_some_and(|before| before.placement != node.placement)
    });
    findings.extend((!left.is_empty()).then_some(Finding::Misscheduled { nodes: left }));
    let is_of_interest = draft.effect() != ObjectEffect::Unchanged;
    findings.extend((is_of_interest && after.desired == Some(0)).then_some(Finding::NoEligibleNode));
    findings.extend(several_operating_systems(draft));
    findings.sort_by_key(Finding::severity);
    findings
}

/// An image for one operating system does not run on the nodes of another one (`spec.os` only rejects the pod there).
fn several_operating_systems(draft: &Draft<'_>) -> Option<Finding> {
    const OS: &str = "kubernetes.io/os";
    let is_linux = |node: &NodeDraft<'_>| {
        let os = node.node.and_then(|node| node.metadata.labels.get(OS));
        os.is_none_or(|os| os == "linux")
    };
    let others = nodes(draft, |node| node.action == NodeAction::Create && !is_linux(node));
    let has_linux = draft.nodes.iter().any(|node| node.is_eligible() && is_linux(node));
    (has_linux && !others.is_empty()).then_some(Finding::SeveralOperatingSystems { nodes: others })
}

fn nodes(draft: &Draft<'_>, is_meant: impl Fn(&NodeDraft<'_>) -> bool) -> Vec<String> {
    draft.nodes.iter().filter(|node| is_meant(node)).map(|node| node.name.to_owned()).collect()
}

fn problems(draft: &Draft<'_>, rollout: &RolloutForecast) -> Vec<Finding> {
    let mut findings = Vec::new();
    if rollout.blocked {
        findings.push(Finding::RolloutBlocked {
            budget: rollout.budget.unwrap_or_default(),
            used_by: rollout.blocked_by.clone(),
            waiting: rollout.waiting.clone(),
        });
    }
    let rejected = draft.admission.iter().map(|one| one.rejected).max().unwrap_or_default();
    if rejected > 0 {
        findings.push(Finding::PodsRejected { rejected, new_pods: draft.with_new_pod().count().max(rejected) });
    }
    let has = |node: &NodeDraft<'_>, is_it: fn(&Reason) -> bool| node.obstacles.iter().any(|one| is_it(&one.reason));
    let without_place =
        nodes(draft, |node| node.has_new_pod() && node.schedulable == Some(false) && !draft.rejects_all);
    findings.extend((!without_place.is_empty()).then_some(Finding::Unschedulable { nodes: without_place }));
    let not_running = nodes(draft, |node| {
        node.has_new_pod()
            && node.schedulable == Some(true)
            && has(node, |reason| {
                matches!(reason, Reason::NodeNotReady { .. } | Reason::NodePressure { .. } | Reason::VirtualNode { .. })
            })
    });
    findings.extend((!not_running.is_empty()).then_some(Finding::CannotRun { nodes: not_running }));
    let evicted =
        nodes(draft, |node| node.has_new_pod() && has(node, |reason| matches!(reason, Reason::TaintEviction { .. })));
    findings.extend((!evicted.is_empty()).then_some(Finding::EvictedRepeatedly { nodes: evicted }));
    let victims = |node: &NodeDraft<'_>| match &node.preemption {
        Some(Preemption::Possible { victims, .. }) => victims.clone(),
        _ => Vec::new(),
    };
    let preempting = nodes(draft, |node| !victims(node).is_empty());
    let mut pods: Vec<String> =
        draft.nodes.iter().flat_map(victims).map(|victim| format!("{}/{}", victim.namespace, victim.pod)).collect();
    pods.sort();
    findings.extend((!preempting.is_empty()).then_some(Finding::Preempts { nodes: preempting, pods }));
    findings
}

fn of_rollout(draft: &Draft<'_>, world: &World, rollout: &RolloutForecast) -> Vec<Finding> {
    let mut findings = Vec::new();
    let at_once = nodes(draft, |node| node.cause == Cause::RolloutAtOnce && node.action == NodeAction::Replace);
    let min_ready = draft.coverage.daemon_set.spec.min_ready_seconds.unwrap_or_default();
    let is_ready_only = |node: &&NodeDraft<'_>| node.first_pod().is_some_and(is_ready);
    if let (Strategy::Rolling { max_unavailable: budget }, true) = (draft.strategy, !at_once.is_empty()) {
        let soon = draft.nodes.iter().filter(|node| at_once.iter().any(|name| name == node.name));
        let within_min_ready_seconds = min_ready > 0 && soon.clone().any(|node| is_ready_only(&node));
        if at_once.len() > budget || within_min_ready_seconds {
            findings.push(Finding::ReplacedAtOnce { nodes: at_once.clone(), budget, within_min_ready_seconds });
        }
    }
    if let (Strategy::Surge { max_surge }, true) = (draft.strategy, !at_once.is_empty())
        && at_once.len() > max_surge
    {
        findings.push(Finding::SurgeIgnoresMaxUnavailable { nodes: at_once });
    }
    let is_rollout = rollout.replaced > 0 || !rollout.waiting.is_empty();
    if let (Some(limit), Some(budget), true) = (percentage(draft), draft.strategy.budget(), is_rollout) {
        let desired = draft.nodes.iter().filter(|node| node.is_eligible()).count();
        if budget >= desired && desired > 1 {
            findings.push(Finding::AllAtOnce { limit });
        } else if limit == "0%" {
            findings.push(Finding::LimitIsZero { limit });
        }
    }
    if draft.strategy == Strategy::OnDelete && rollout.outdated > 0 && draft.effect() != ObjectEffect::Unchanged {
        findings.push(Finding::NothingUntilDeleted { outdated: rollout.outdated });
    }
    findings.extend(draft.earlier_revision(world).map(|revision| Finding::EarlierRevision { revision }));
    findings
}

/// The limit of the strategy, if it is a percentage.
fn percentage(draft: &Draft<'_>) -> Option<String> {
    let rolling = draft.coverage.daemon_set.spec.update_strategy.as_ref()?.rolling_update.as_ref()?;
    let limit = match draft.strategy {
        Strategy::Surge { .. } => rolling.max_surge.as_ref()?,
        Strategy::Rolling { .. } => rolling.max_unavailable.as_ref()?,
        Strategy::OnDelete => return None,
    };
    match limit {
        IntOrString::String(text) => Some(text.clone()),
        IntOrString::Int(_) => None,
    }
}
