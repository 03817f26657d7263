//! What the API server decides about the new pods of a plan.
//!
//! The controller creates missing pods first; while that fails, it does not continue a rollout
//! (`pkg/controller/daemon/daemon_controller.go` `updateDaemonSet`: an error of `manage` ends the sync).

use std::collections::HashSet;

use super::assumption::Assumption;
use super::draft::{Cause, Creation, Draft};
use super::new_pod::for_node;
use super::result::{AdmissionForecast, NodeAction};
use super::world::{ClusterChange, DryRun, World, key};
use crate::admission::{self, AdmissionPlugin, AdmissionRejection, PredictedPod};
use crate::check_result::CheckResult;
use crate::explain::Reason;
use crate::explain::diagnosis::CheckReason;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Missing};

/// Fills in what admission decides.
pub(super) fn check(
    world: &World,
    change: &ClusterChange,
    drafts: &mut [Draft<'_>],
    assumptions: &mut Vec<Assumption>,
) {
    // The pods that are created so far, by namespace: quotas count them together.
    let mut created: Vec<Pod> = Vec::new();
    let leaving = leaving_at_once(world, drafts);
    for draft in drafts.iter_mut() {
        let Some(first) = draft.with_new_pod().next().map(|node| node.name) else { continue };
        let new = draft.new_pod(world);
        let pod = for_node(&new, draft.coverage.daemon_set, first);
        let predicted = PredictedPod { pod, ..new };
        assumptions
            .extend(predicted.assumptions.iter().map(|message| Assumption::NotRead { message: message.clone() }));
        let all = draft.with_new_pod().count();
        draft.admission = plugins(world, draft, &predicted, change.objects.is_empty());
        draft.rejects_all = draft.admission.iter().any(|one| one.result.is_fail());
        if draft.rejects_all {
            draft.rejected = all;
            draft.rejections = draft.admission.iter().flat_map(reasons_of).collect();
            draft
                .nodes
                .iter_mut()
                .filter(|node| node.has_new_pod())
                .for_each(|node| node.creation = Creation::Rejected);
            continue;
        }
        let room = quota(world, draft, &predicted.pod, &created, &leaving);
        if let Some(rejected) = room.rejected {
            draft.rejected = rejected;
            let creations = created_at_once(draft);
            if rejected < creations {
                assumptions.push(Assumption::OrderOfCreation { daemon_set: draft.full_name(), rejected });
            }
            let creation = if rejected == creations { Creation::Rejected } else { Creation::Uncertain };
            draft.rejections = reasons_of(&room.forecast);
            for node in draft.nodes.iter_mut().filter(|node| is_created_at_once(node.action, node.cause)) {
                node.creation = creation;
            }
        }
        let accepted = created_at_once(draft) - draft.rejected.min(created_at_once(draft));
        created.extend(std::iter::repeat_n(predicted.pod, accepted));
        draft.admission.push(room.forecast);
    }
}

fn reasons_of(forecast: &AdmissionForecast) -> Vec<CheckReason> {
    match &forecast.result {
        CheckResult::Fail(reasons) => reasons.clone(),
        CheckResult::Pass | CheckResult::Unknown { .. } => Vec::new(),
    }
}

/// Whether the controller creates the pod in its next sync: before, and without, a rollout.
pub(super) fn is_created_at_once(action: NodeAction, cause: Cause) -> bool {
    match action {
        NodeAction::Create => true,
        NodeAction::Replace => matches!(cause, Cause::Sync),
        NodeAction::Keep | NodeAction::Delete | NodeAction::Evict | NodeAction::None => false,
    }
}

/// The pods that syncs of the controller delete, and that leave: they make room in quotas. The controller tries a rejected
/// creation again, so that the order does not matter in the end.
fn leaving_at_once<'w>(world: &'w World, drafts: &[Draft<'_>]) -> Vec<&'w Pod> {
    let leaves = |action: NodeAction, cause: Cause| {
        action == NodeAction::Delete && cause == Cause::Sync || is_created_at_once(action, cause)
    };
    let nodes = drafts.iter().flat_map(|draft| &draft.nodes);
    let leaving: HashSet<&str> = nodes
        .filter(|node| leaves(node.action, node.cause) && !node.is_silent())
        .flat_map(|node| node.live_pods().map(|pod| pod.metadata.uid.as_str()))
        .collect();
    let is_leaving = |pod: &&Pod| {
        leaving.contains(pod.metadata.uid.as_str()) && !pod.is_terminal() && pod.metadata.finalizers.is_empty()
    };
    world.pods.known().into_iter().flatten().filter(is_leaving).collect()
}

fn created_at_once(draft: &Draft<'_>) -> usize {
    draft.nodes.iter().filter(|node| is_created_at_once(node.action, node.cause)).count()
}

/// The result of every plugin but the quotas.
///
/// `is_complete`: the API server knew every object that decides. Otherwise the manifests have some that it did not know,
/// and it may reject a pod for lack of them.
fn plugins(world: &World, draft: &Draft<'_>, predicted: &PredictedPod, is_complete: bool) -> Vec<AdmissionForecast> {
    let all = draft.with_new_pod().count();
    let daemon_set = draft.coverage.daemon_set;
    let answer = world.created.get(&key(daemon_set));
    let checks = admission::checks(daemon_set, predicted, &world.cluster_objects, None);
    let of_answer: Vec<AdmissionRejection> = match answer {
        Some(DryRun::Rejected(message)) => admission::read_rejection(message, &predicted.pod),
        Some(DryRun::Created(_) | DryRun::NotAsked(_)) | None => Vec::new(),
    };
    // The server has run all plugins on a pod that it would create.
    let is_accepted = matches!(answer, Some(DryRun::Created(_)));
    let mut forecasts: Vec<AdmissionForecast> = Vec::new();
    for check in checks.into_iter().filter(|check| check.plugin != AdmissionPlugin::ResourceQuota) {
        let plugin = check.plugin;
        let result = match check.result {
            CheckResult::Fail(rejections) => CheckResult::Fail(rejections.into_iter().map(reason).collect()),
            CheckResult::Pass if plugin.is_opaque() && !is_accepted && !predicted.from_existing => {
                let why = match answer {
                    Some(DryRun::NotAsked(why)) => why.clone(),
                    _ => "only the creation of a pod shows what it decides".to_owned(),
                };
                CheckResult::Unknown { missing: Missing::Undetermined(why) }
            }
            CheckResult::Pass => CheckResult::Pass,
            CheckResult::Unknown { .. } if is_accepted => CheckResult::Pass,
            CheckResult::Unknown { missing } => CheckResult::Unknown { missing },
        };
        let rejected = if result.is_fail() { all } else { 0 };
        forecasts.push(AdmissionForecast { plugin, result, rejected });
    }
    for rejection in of_answer.into_iter().filter(|one| one.plugin() != AdmissionPlugin::ResourceQuota) {
        let plugin = rejection.plugin();
        let result = CheckResult::Fail(vec![reason(rejection)]);
        match forecasts.iter_mut().find(|known| known.plugin == plugin) {
            Some(known) if known.result.is_fail() => {}
            Some(known) if !is_complete && plugin.is_evaluated() && known.result == CheckResult::Pass => {}
            Some(known) => *known = AdmissionForecast { plugin, result, rejected: all },
            None => forecasts.push(AdmissionForecast { plugin, result, rejected: all }),
        }
    }
    forecasts
}

fn reason(rejection: AdmissionRejection) -> CheckReason {
    CheckReason { reason: Reason::rejected(rejection, None), scheduler: None }
}

/// What the quotas decide.
struct QuotaForecast {
    forecast: AdmissionForecast,
    /// How many of the pods that are created at once are rejected, if any.
    rejected: Option<usize>,
}

fn quota(world: &World, draft: &Draft<'_>, pod: &Pod, created: &[Pod], leaving: &[&Pod]) -> QuotaForecast {
    let plugin = AdmissionPlugin::ResourceQuota;
    let quotas = world.cluster_objects.in_namespace(&world.cluster_objects.quotas, &pod.metadata.namespace);
    let quotas = match quotas.as_ref() {
        Known::Known(quotas) => quotas,
        Known::Unknown(missing) => {
            let result = CheckResult::Unknown { missing: missing.clone() };
            return QuotaForecast { forecast: AdmissionForecast { plugin, result, rejected: 0 }, rejected: None };
        }
    };
    let in_namespace = |other: &&&Pod| other.metadata.namespace == pod.metadata.namespace;
    let freed: Vec<&Pod> = leaving.iter().filter(in_namespace).copied().collect();
    let others = created.iter().filter(|other| other.metadata.namespace == pod.metadata.namespace);
    let quotas = admission::quotas_with(quotas, others);
    let creations = created_at_once(draft);
    let (room, rejections) = admission::quota_room(&quotas, pod, &freed, creations);
    if room < creations {
        let result = CheckResult::Fail(rejections.into_iter().map(reason).collect());
        let rejected = creations - room;
        return QuotaForecast { forecast: AdmissionForecast { plugin, result, rejected }, rejected: Some(rejected) };
    }
    // A pod of a rollout takes the place of its old pod, which a surge keeps meanwhile.
    let is_surge = draft.strategy.is_surge();
    let of_rollout = draft
        .nodes
        .iter()
        .find(|node| node.action == NodeAction::Replace && matches!(node.cause, Cause::Rollout | Cause::RolloutAtOnce));
    let Some(of_rollout) = of_rollout else {
        return QuotaForecast {
            forecast: AdmissionForecast { plugin, result: CheckResult::Pass, rejected: 0 },
            rejected: None,
        };
    };
    let objects = world.pods.known().map_or(&[][..], Vec::as_slice);
    let old = of_rollout.live_pods().filter_map(|old| objects.iter().find(|pod| pod.metadata.uid == old.metadata.uid));
    let mut freed = freed;
    if !is_surge {
        freed.extend(old);
    }
    let (room, rejections) = admission::quota_room(&quotas, pod, &freed, creations + 1);
    match room > creations {
        true => QuotaForecast {
            forecast: AdmissionForecast { plugin, result: CheckResult::Pass, rejected: 0 },
            rejected: None,
        },
        false => {
            let result = CheckResult::Fail(rejections.into_iter().map(reason).collect());
            let rejected = draft.with_new_pod().count() - creations;
            QuotaForecast { forecast: AdmissionForecast { plugin, result, rejected }, rejected: None }
        }
    }
}
