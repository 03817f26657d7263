//! The checks of each station.

use k8s_openapi::api::apps::v1::DaemonSet;

use super::{Case, Check, Finding, Outcome, Stage, kubelet};
use crate::admission::{self, Made};
use crate::explain::pod::node_not_ready;
use crate::explain::{Reason, State, events};
use crate::placement::Obstacle;
use crate::scheduling::preemption::{Preemption, preemption};
use crate::scheduling::{self, Attempt, Refusal};
use crate::snapshot::Known;
use crate::snapshot::full_pod::{FullPod, FullSpec};

/// The scheduler that judges as [`scheduling`] does.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The controller's rule, obstacle by obstacle.
pub(super) fn controller(template: &FullSpec, obstacles: Vec<Obstacle>) -> Vec<Check> {
    let name_of = |obstacle: &Obstacle| match obstacle {
        Obstacle::NodeName { .. } => "NodeName",
        Obstacle::NodeSelector { .. } => "NodeSelector",
        Obstacle::NodeAffinity { .. } => "NodeAffinity",
        Obstacle::NamespaceSelector { .. } | Obstacle::NamespaceMissing => "NamespaceSelector",
        Obstacle::Taint { .. } => "TaintToleration",
    };
    let is_made = |name: &&str| match *name {
        "NodeName" => !template.node_name.is_empty(),
        "NodeSelector" => !template.node_selector.is_empty(),
        "NodeAffinity" => template.required_node_affinity().is_some(),
        "NamespaceSelector" => obstacles.iter().any(|obstacle| name_of(obstacle) == "NamespaceSelector"),
        _ => true,
    };
    let names = ["NodeName", "NodeSelector", "NodeAffinity", "TaintToleration", "NamespaceSelector"];
    let check = |name: &'static str| {
        let own = obstacles.iter().filter(|obstacle| name_of(obstacle) == name);
        Check::of(Stage::Controller, name, own.cloned().map(Reason::NotPlaced).collect())
    };
    names.into_iter().filter(is_made).map(check).collect()
}

/// What the API server would say of a pod that is not there.
pub(super) fn admission(case: &Case<'_>, made: &Made, state: State) -> Vec<Check> {
    let uid = case.daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let event = case.events.known().filter(|_| case.looks_for_rejections(state));
    let event = event.and_then(|events| events::failed_create(events, uid));
    let checks = admission::checks(case.daemon_set, made, case.facts, event.as_ref());
    // Only a pod that was refused, or one that was made, tells what these think of it.
    let is_untold = |check: &str| {
        let is_silent = matches!(check, "PodSecurity" | "ValidatingAdmissionPolicy" | "Webhook");
        is_silent && !case.node_exists && !made.is_like_another
    };
    let check = |check: admission::AdmissionCheck| match check.outcome {
        admission::Outcome::Pass if is_untold(check.check) => {
            let missing = "no pod of this revision exists, and this shows only when one is made".into();
            Check::unknown(Stage::Admission, check.check, missing)
        }
        admission::Outcome::Pass => Check::pass(Stage::Admission, check.check),
        admission::Outcome::Fail(refusals) => {
            let reason = |refusal| Reason::refused(refusal, check.event.as_ref());
            Check::of(Stage::Admission, check.check, refusals.into_iter().map(reason).collect())
        }
        admission::Outcome::Unknown { missing } => Check::unknown(Stage::Admission, check.check, missing),
    };
    checks.into_iter().map(check).collect()
}

/// What the scheduler says of a pod.
pub(super) struct Scheduled {
    /// Its filters.
    pub(super) checks: Vec<Check>,
    /// Whether evicting others would help; none where nothing is refused.
    pub(super) preemption: Option<Preemption>,
}

/// The scheduler's filters on a pod that waits for a node.
pub(super) fn scheduler(case: &Case<'_>, pod: &FullPod) -> Scheduled {
    if !is_default(pod) {
        // Another scheduler has rules of its own.
        return Scheduled { checks: Vec::new(), preemption: None };
    }
    judged(case, pod, Stage::Scheduler, &|_| true)
}

/// The same on a pod that does not exist yet. One that names its node bypasses the scheduler, and meets some of its
/// filters at the kubelet (`pkg/kubelet/lifecycle/predicate.go` `generalFilter`).
pub(super) fn predicted(case: &Case<'_>, pod: &FullPod) -> Scheduled {
    if pod.spec.node_name.is_empty() {
        let mut scheduled = scheduler(case, pod);
        scheduled.checks.extend(kubelet::predicted(pod, case.node));
        return scheduled;
    }
    let by_kubelet = |name: &str| matches!(name, "NodeName" | "NodeAffinity" | "NodePorts" | "NodeResourcesFit");
    let mut scheduled = judged(case, pod, Stage::Kubelet, &by_kubelet);
    scheduled.checks.extend(kubelet::predicted(pod, case.node));
    // A kubelet evicts nobody for a pod that is not critical.
    scheduled.preemption = None;
    scheduled
}

fn judged(case: &Case<'_>, pod: &FullPod, stage: Stage, is_asked: &dyn Fn(&str) -> bool) -> Scheduled {
    let attempt = attempt(case, pod);
    let outcomes = scheduling::judge(&attempt);
    let refused = scheduling::first_refusal(&outcomes).is_some();
    let is_blank = !case.node_exists && case.node.status.allocatable.is_empty();
    // Nobody makes room on a node that is down, and of one without resources nobody can tell.
    let is_of_use = !is_blank && node_not_ready(case.node).is_none();
    let preemption = (refused && is_of_use).then(|| preemption(&attempt, &outcomes));
    let finding =
        |refusal: Refusal| Finding { reason: Reason::Misfit(refusal.misfit), scheduler: Some(refusal.scheduler) };
    let check = |(name, outcome): (&'static str, scheduling::Outcome)| match outcome {
        // A file with the template of a node may leave its resources out.
        _ if is_blank && name == "NodeResourcesFit" => {
            Check::unknown(stage, name, "the node's status.allocatable is not given".into())
        }
        scheduling::Outcome::Pass => Check::pass(stage, name),
        scheduling::Outcome::Fail { refusals, .. } => {
            let findings = refusals.into_iter().map(finding).collect();
            Check { stage, name, outcome: Outcome::Fail, findings }
        }
        scheduling::Outcome::Unknown { missing } => Check::unknown(stage, name, missing),
    };
    let checks = outcomes.into_iter().filter(|(name, _)| is_asked(name)).map(check).collect();
    Scheduled { checks, preemption }
}

fn attempt<'a>(case: &Case<'a>, pod: &'a FullPod) -> Attempt<'a> {
    let others = |pods: &'a Known<Vec<FullPod>>| match pods {
        // Of a node that does not exist all pods are known: it has none.
        Known::Known(_) if case.node_exists && case.facts.partial_pods.is_some() => {
            Known::Unknown(case.facts.partial_pods.clone().unwrap_or_default())
        }
        Known::Known(pods) => {
            let counts = |other: &&FullPod| !other.is_terminal() && !is_same(other, pod);
            Known::Known(pods.iter().filter(counts).collect())
        }
        Known::Unknown(why) => Known::Unknown(why.clone()),
    };
    let mut neighbours: Known<Vec<&'a FullPod>> = others(case.bound);
    if let Known::Known(neighbours) = &mut neighbours {
        neighbours.extend(case.beside.iter().copied());
    }
    Attempt { pod, node: case.node, neighbours, nominated: others(case.nominated), facts: case.facts }
}

/// A pod that was not made yet has no uid, and is nobody's double.
fn is_same(a: &FullPod, b: &FullPod) -> bool {
    !a.metadata.uid.is_empty() && a.metadata.uid == b.metadata.uid
}

fn is_default(pod: &FullPod) -> bool {
    matches!(pod.spec.scheduler_name.as_str(), "" | DEFAULT_SCHEDULER)
}

/// What the pod's own condition says where no filter explains why it has no node.
pub(super) fn unscheduled(checks: &[Check], reasons: Vec<Reason>, pod: &FullPod) -> Option<Check> {
    if pod.is_terminating() || pod.is_terminal() {
        return Some(Check::of(Stage::Pod, "Phase", reasons)).filter(|check| check.outcome == Outcome::Fail);
    }
    let of_scheduler = |outcome| checks.iter().any(|check| check.stage == Stage::Scheduler && check.outcome == outcome);
    if of_scheduler(Outcome::Fail) {
        return None;
    }
    let named = |reason| match reason {
        Reason::Unschedulable { scheduler } if of_scheduler(Outcome::Pass) && !of_scheduler(Outcome::Unknown) => {
            Reason::NoLongerUnschedulable { scheduler }
        }
        Reason::NotScheduled { .. } => Reason::NotScheduled { scheduler_name: Some(pod.spec.scheduler_name.clone()) },
        other => other,
    };
    Some(Check::of(Stage::Scheduler, "PodScheduled", reasons.into_iter().map(named).collect()))
}

/// What the kubelet and the pod say of a pod that has its node.
pub(super) fn bound(case: &Case<'_>, pod: &FullPod, reasons: Vec<Reason>) -> Vec<Check> {
    const CHECKS: [(Stage, &str); 8] = [
        (Stage::Kubelet, "NodeReady"),
        (Stage::Kubelet, "PodAdmission"),
        (Stage::Kubelet, "Termination"),
        (Stage::Pod, "Phase"),
        (Stage::Pod, "InitContainers"),
        (Stage::Pod, "Image"),
        (Stage::Pod, "Containers"),
        (Stage::Pod, "Readiness"),
    ];
    // That it has to stay ready for a while is no failure.
    let reasons: Vec<Reason> =
        reasons.into_iter().filter(|reason| !matches!(reason, Reason::MinReadySeconds { .. })).collect();
    let check = |(stage, name): (Stage, &'static str)| {
        let own = reasons.iter().filter(|reason| kubelet::place_of(reason) == (stage, name));
        Check::of(stage, name, own.cloned().collect())
    };
    let mut checks: Vec<Check> = CHECKS.into_iter().map(check).collect();
    let others = case.pods.known().map(Vec::as_slice).unwrap_or_default();
    let others: Vec<&FullPod> = others.iter().filter(|other| !is_same(other, pod)).copied().collect();
    if !others.is_empty() {
        let names = others.iter().map(|other| other.metadata.name.clone()).collect();
        let of_others = others.iter().flat_map(|other| case.examine(other).1);
        let reasons = [Reason::ExtraPods { pods: names }].into_iter().chain(of_others).collect();
        checks.push(Check::of(Stage::Pod, "OnePod", reasons));
    }
    checks.push(kubelet::taint_eviction(pod, case.node));
    checks
}

/// A DaemonSet that is being deleted gets no new pods.
pub(super) fn deletion(daemon_set: &DaemonSet) -> Option<Check> {
    let since = daemon_set.metadata.deletion_timestamp.as_ref()?.0;
    let finalizers = daemon_set.metadata.finalizers.clone().unwrap_or_default();
    Some(Check::of(Stage::Controller, "DaemonSetDeleted", vec![Reason::DaemonSetDeleting { since, finalizers }]))
}

/// A pod is wanted, none is there, and nothing found explains it.
pub(super) fn not_created(daemon_set: &DaemonSet) -> Check {
    Check::of(Stage::Controller, "PodCreated", vec![Reason::not_created(daemon_set)])
}
