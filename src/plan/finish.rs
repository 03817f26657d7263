//! From the draft of a DaemonSet to its plan.

use super::assumption::Assumption;
use super::draft::{Draft, NodeDraft};
use super::findings::findings;
use super::result::{DaemonSetPlan, NodePlan, ObjectEffect};
use super::world::{DryRun, World, key};
use super::{alerts, counts, forecast};
use crate::explain::Reason;
use crate::explain::diagnosis::CheckReason;

/// What the plan of the DaemonSet assumes.
pub(super) fn assumptions(draft: &Draft<'_>, world: &World) -> Vec<Assumption> {
    let mut all = Vec::new();
    if draft.with_new_pod().next().is_some() {
        all.extend([Assumption::NewPodsBecomeReady, Assumption::NoOtherPods]);
        if let Some(DryRun::NotAsked(why)) = world.created.get(&key(draft.coverage.daemon_set)) {
            let message = format!("what webhooks and policies make of the pods of {}: {why}", draft.full_name());
            all.push(Assumption::NotRead { message });
        }
    }
    if !draft.undecided.is_empty() {
        let nodes = draft.undecided.clone();
        all.push(Assumption::OrderOfRollout { daemon_set: draft.full_name(), nodes });
    }
    let is_new = draft.effect() == ObjectEffect::Created;
    let revisions = world.snapshot.revisions.missing().filter(|_| !is_new);
    let missing = [world.snapshot.missing_pods(draft.coverage.daemon_set), revisions];
    all.extend(missing.into_iter().flatten().map(|missing| Assumption::NotRead { message: missing.to_string() }));
    all
}

/// The plan of the DaemonSet.
pub(super) fn finish(draft: &Draft<'_>, world: &World) -> DaemonSetPlan {
    let rollout = forecast::summary(draft);
    let after = counts::after(draft, world);
    DaemonSetPlan {
        namespace: draft.coverage.namespace().to_owned(),
        name: draft.coverage.name().to_owned(),
        effect: draft.effect(),
        template_changes: draft.template_changes(),
        earlier_revision: draft.earlier_revision(world),
        strategy: draft.strategy,
        before: draft.before.map(|before| before.counts),
        findings: findings(draft, world, &rollout, after),
        alerts: alerts::new_alerts(draft.before.map(|before| before.counts), after, rollout.blocked),
        rollout,
        after,
        admission: draft.admission.clone(),
        nodes: draft.nodes.iter().map(|node| node_plan(draft, node)).collect(),
    }
}

fn node_plan(of: &Draft<'_>, draft: &NodeDraft<'_>) -> NodePlan {
    let not_eligible = draft.row.into_iter().flat_map(|row| &row.reasons).filter_map(|reason| match reason {
        Reason::NotEligible(_) => Some(CheckReason { reason: reason.clone(), scheduler: None }),
        _ => None,
    });
    NodePlan {
        node: draft.name.to_owned(),
        before: of.before.and_then(|before| before.nodes.get(draft.name)).cloned(),
        placement: draft.placement,
        action: draft.action,
        schedulable: draft.schedulable,
        reasons: not_eligible.chain(draft.obstacles.iter().cloned()).collect(),
        preemption: draft.preemption.clone(),
        is_assumed: draft.is_assumed,
        is_effect: of.is_effect(draft),
    }
}
