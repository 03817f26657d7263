//! What ends an alert: the remedies of its causes.

use super::causes::groups;
use crate::alerts::{ActiveAlert, CauseType, DaemonSetAlerts, FalseAlarm, NodeCause, Verdict};
use crate::explain::Reason;
use crate::placement::PlacementFailure;
use crate::render::command_line::CommandLine;
use crate::render::commands;
use crate::render::reason;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::rollout::{awaiting_deletion, blocker_remedies};
use crate::rollout::Strategy;
use crate::snapshot::Taint;

/// The remedies of an alert, each once; of several nodes with the same cause, for the first one.
pub(super) fn remedies(active: &ActiveAlert<'_>, of: &DaemonSetAlerts<'_>) -> Vec<Remedy> {
    let mut all: Vec<Remedy> = Vec::new();
    let mut add = |remedies: Vec<Remedy>| {
        for remedy in remedies.into_iter().map(Remedy::not_verified) {
            if !all.contains(&remedy) {
                all.push(remedy);
            }
        }
    };
    if active.alert.is_about_rollout() && active.verdict == Verdict::Real {
        of.rollout.blockers.iter().for_each(|blocker| add(blocker_remedies(blocker, of.rollout)));
    }
    let has_blocker = |cause: &NodeCause<'_>| {
        active.alert.is_about_rollout() && of.rollout.blockers.iter().any(|one| one.nodes.contains(&cause.node))
    };
    for group in groups(&active.causes) {
        let without_blocker = |cause: &&&NodeCause<'_>| cause.false_alarm.is_some() || !has_blocker(cause);
        if let Some(cause) = group.causes.iter().find(without_blocker) {
            add(of_cause(cause, of));
        }
    }
    if active.false_alarms.contains(&FalseAlarm::StatusOutdated) {
        let retry = commands::retry(of.coverage.namespace(), of.coverage.name());
        add(vec![Remedy::run("trigger a sync of the controller, which updates .status", [retry])]);
    }
    all
}

fn of_cause(cause: &NodeCause<'_>, of: &DaemonSetAlerts<'_>) -> Vec<Remedy> {
    match (cause.false_alarm, cause.cause_type) {
        (Some(FalseAlarm::AwaitingDeletion), _) => awaiting_deletion::remedies(of.rollout),
        (Some(FalseAlarm::RolloutInProgress), _) => vec![watch(of)],
        (Some(FalseAlarm::NodeJoined), _) => vec![Remedy::text_only("wait until the new node has started its pods")],
        (Some(FalseAlarm::NodeLeaving), _) => vec![Remedy::run(
            "complete the maintenance of the node: the alert ends when the node is back, or deleted",
            [CommandLine::new("kubectl describe node").name(cause.node)],
        )],
        (_, CauseType::Outdated) => vec![watch(of)],
        (_, CauseType::Missing | CauseType::Unavailable | CauseType::Misscheduled) => of_reason(cause, of),
    }
}

fn watch(of: &DaemonSetAlerts<'_>) -> Remedy {
    let line = CommandLine::own_program("rollout watch").name(of.coverage.name()).namespace(of.coverage.namespace());
    Remedy::run("watch the rollout", [line])
}

fn of_reason(cause: &NodeCause<'_>, of: &DaemonSetAlerts<'_>) -> Vec<Remedy> {
    let row = of.coverage.rows.iter().find(|row| row.node == cause.node);
    let reasons = row.map(|row| row.reasons.as_slice()).unwrap_or_default();
    let untolerated: Vec<Taint> = reasons.iter().filter_map(taint).cloned().collect();
    let target = RemedyContext {
        node: cause.node,
        namespace: of.coverage.namespace(),
        daemon_set: of.coverage.name(),
        pod: cause.pod,
        is_failed: matches!(cause.reason, Some(Reason::PodFailed { .. })),
        template: of.coverage.daemon_set.spec.template.spec.as_ref(),
        on_delete: of.rollout.strategy == Strategy::OnDelete,
        is_planned: false,
        is_cordoned: false,
        lacks_network: false,
        untolerated: &untolerated,
        node_labels: row.and_then(|row| row.labels),
        owner_pods: &[],
    };
    let mut all = cause.reason.as_ref().map(|reason| reason::remedies(reason, &target)).unwrap_or_default();
    if all.is_empty() || cause.cause_type == CauseType::Missing {
        let why_not = CommandLine::own_program("why-not").name(cause.node).namespace(target.namespace);
        all.push(Remedy::run("see all obstacles on the node, and how to fix them", [why_not.name(target.daemon_set)]));
    }
    all
}

fn taint(reason: &Reason) -> Option<&Taint> {
    match reason {
        Reason::NotEligible(PlacementFailure::Taint { taint }) => Some(taint),
        _ => None,
    }
}
