//! The checks of each station.

use k8s_openapi::api::apps::v1::DaemonSet;

use super::{Check, CheckReason, DiagnosisInput, Outcome, Stage, kubelet};
use crate::admission::{self, PredictedPod};
use crate::explain::pod::node_not_ready;
use crate::explain::{Reason, State, events};
use crate::placement::PlacementFailure;
use crate::scheduling::preemption::{Preemption, preemption};
use crate::scheduling::{self, Attempt, FilterFailure};
use crate::snapshot::Known;
use crate::snapshot::pod::{Pod, PodSpec};

/// The scheduler that judges as [`scheduling`] does.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The controller's rule, obstacle by obstacle.
pub(super) fn controller(template: &PodSpec, failures: Vec<PlacementFailure>) -> Vec<Check> {
    let name_of = |failure: &PlacementFailure| match failure {
        PlacementFailure::NodeName { .. } => "NodeName",
        PlacementFailure::NodeSelector { .. } => "NodeSelector",
        PlacementFailure::NodeAffinity { .. } => "NodeAffinity",
        PlacementFailure::NamespaceSelector { .. } | PlacementFailure::NamespaceMissing => "NamespaceSelector",
        PlacementFailure::Taint { .. } => "TaintToleration",
    };
    let is_made = |name: &&str| match *name {
        "NodeName" => !template.node_name.is_empty(),
        "NodeSelector" => !template.node_selector.is_empty(),
        "NodeAffinity" => template.required_node_affinity().is_some(),
        "NamespaceSelector" => failures.iter().any(|failure| name_of(failure) == "NamespaceSelector"),
        _ => true,
    };
    let names = ["NodeName", "NodeSelector", "NodeAffinity", "TaintToleration", "NamespaceSelector"];
    let check = |name: &'static str| {
        let own = failures.iter().filter(|failure| name_of(failure) == name);
        Check::from_reasons(Stage::Controller, name, own.cloned().map(Reason::NotEligible).collect())
    };
    names.into_iter().filter(is_made).map(check).collect()
}

/// What the API server would say of a pod that is not there.
pub(super) fn admission(input: &DiagnosisInput<'_>, predicted: &PredictedPod, state: State) -> Vec<Check> {
    let uid = input.daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let event = input.events.known().filter(|_| input.looks_for_rejections(state));
    let event = event.and_then(|events| events::failed_create(events, uid));
    let checks = admission::checks(input.daemon_set, predicted, input.facts, event.as_ref());
    // Only a pod that was refused, or one that was made, tells what these think of it.
    let is_untold = |check: &str| {
        let is_silent = matches!(check, "PodSecurity" | "ValidatingAdmissionPolicy" | "Webhook");
        is_silent && !input.node_exists && !predicted.from_existing
    };
    let check = |check: admission::AdmissionCheck| match check.outcome {
        admission::Outcome::Pass if is_untold(check.check) => {
            let missing = "no pod of this revision exists, and this shows only when one is made".into();
            Check::unknown(Stage::Admission, check.check, missing)
        }
        admission::Outcome::Pass => Check::pass(Stage::Admission, check.check),
        admission::Outcome::Fail(rejections) => {
            let reason = |rejection| Reason::rejected(rejection, check.event.as_ref());
            Check::from_reasons(Stage::Admission, check.check, rejections.into_iter().map(reason).collect())
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
pub(super) fn scheduler(input: &DiagnosisInput<'_>, pod: &Pod) -> Scheduled {
    if !is_default(pod) {
        // Another scheduler has rules of its own.
        return Scheduled { checks: Vec::new(), preemption: None };
    }
    judged(input, pod, Stage::Scheduler, &|_| true)
}

/// The same on a pod that does not exist yet. One that names its node bypasses the scheduler, and meets some of its
/// filters at the kubelet (`pkg/kubelet/lifecycle/predicate.go` `generalFilter`).
pub(super) fn predicted(input: &DiagnosisInput<'_>, pod: &Pod) -> Scheduled {
    if pod.spec.node_name.is_empty() {
        let mut scheduled = scheduler(input, pod);
        scheduled.checks.extend(kubelet::predicted(pod, input.node));
        return scheduled;
    }
    let by_kubelet = |name: &str| matches!(name, "NodeName" | "NodeAffinity" | "NodePorts" | "NodeResourcesFit");
    let mut scheduled = judged(input, pod, Stage::Kubelet, &by_kubelet);
    scheduled.checks.extend(kubelet::predicted(pod, input.node));
    // A kubelet evicts nobody for a pod that is not critical.
    scheduled.preemption = None;
    scheduled
}

fn judged(input: &DiagnosisInput<'_>, pod: &Pod, stage: Stage, is_asked: &dyn Fn(&str) -> bool) -> Scheduled {
    let attempt = attempt(input, pod);
    let outcomes = scheduling::run_filters(&attempt);
    let rejected = scheduling::first_failure(&outcomes).is_some();
    let is_blank = !input.node_exists && input.node.status.allocatable.is_empty();
    // Nobody makes room on a node that is down, and of one without resources nobody can tell.
    let is_of_use = !is_blank && node_not_ready(input.node).is_none();
    let preemption = (rejected && is_of_use).then(|| preemption(&attempt, &outcomes));
    let reason = |failure: FilterFailure| CheckReason {
        reason: Reason::FilterRejection(failure.rejection),
        scheduler: Some(failure.scheduler),
    };
    let check = |(name, outcome): (&'static str, scheduling::Outcome)| match outcome {
        // A file with the template of a node may leave its resources out.
        _ if is_blank && name == "NodeResourcesFit" => {
            Check::unknown(stage, name, "the node's status.allocatable is not given".into())
        }
        scheduling::Outcome::Pass => Check::pass(stage, name),
        scheduling::Outcome::Fail { rejections, .. } => {
            let reasons = rejections.into_iter().map(reason).collect();
            Check { stage, name, outcome: Outcome::Fail, reasons }
        }
        scheduling::Outcome::Unknown { missing } => Check::unknown(stage, name, missing),
    };
    let checks = outcomes.into_iter().filter(|(name, _)| is_asked(name)).map(check).collect();
    Scheduled { checks, preemption }
}

fn attempt<'a>(input: &DiagnosisInput<'a>, pod: &'a Pod) -> Attempt<'a> {
    let others = |pods: &'a Known<Vec<Pod>>| match pods {
        // Of a node that does not exist all pods are known: it has none.
        Known::Known(_) if input.node_exists && input.facts.partial_pods.is_some() => {
            Known::Unknown(input.facts.partial_pods.clone().unwrap_or_default())
        }
        Known::Known(pods) => {
            let counts = |other: &&Pod| !other.is_terminal() && !is_same(other, pod);
            Known::Known(pods.iter().filter(counts).collect())
        }
        Known::Unknown(why) => Known::Unknown(why.clone()),
    };
    let mut bound_pods: Known<Vec<&'a Pod>> = others(input.bound);
    if let Known::Known(bound_pods) = &mut bound_pods {
        bound_pods.extend(input.higher_priority_planned.iter().copied());
    }
    Attempt { pod, node: input.node, bound_pods, nominated: others(input.nominated), facts: input.facts }
}

/// A pod that was not made yet has no uid, and is nobody's double.
fn is_same(a: &Pod, b: &Pod) -> bool {
    !a.metadata.uid.is_empty() && a.metadata.uid == b.metadata.uid
}

fn is_default(pod: &Pod) -> bool {
    matches!(pod.spec.scheduler_name.as_str(), "" | DEFAULT_SCHEDULER)
}

/// What the pod's own condition says where no filter explains why it has no node.
pub(super) fn unscheduled(checks: &[Check], reasons: Vec<Reason>, pod: &Pod) -> Option<Check> {
    if pod.is_terminating() || pod.is_terminal() {
        return Some(Check::from_reasons(Stage::Pod, "Phase", reasons)).filter(|check| check.outcome == Outcome::Fail);
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
    Some(Check::from_reasons(Stage::Scheduler, "PodScheduled", reasons.into_iter().map(named).collect()))
}

/// What the kubelet and the pod say of a pod that has its node.
pub(super) fn bound(input: &DiagnosisInput<'_>, pod: &Pod, reasons: Vec<Reason>) -> Vec<Check> {
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
        let own = reasons.iter().filter(|reason| kubelet::check_for_reason(reason) == (stage, name));
        Check::from_reasons(stage, name, own.cloned().collect())
    };
    let mut checks: Vec<Check> = CHECKS.into_iter().map(check).collect();
    let others = input.pods.known().map(Vec::as_slice).unwrap_or_default();
    let others: Vec<&Pod> = others.iter().filter(|other| !is_same(other, pod)).copied().collect();
    if !others.is_empty() {
        let names = others.iter().map(|other| other.metadata.name.clone()).collect();
        let of_others = others.iter().flat_map(|other| input.examine(other).1);
        let reasons = [Reason::ExtraPods { pods: names }].into_iter().chain(of_others).collect();
        checks.push(Check::from_reasons(Stage::Pod, "OnePod", reasons));
    }
    checks.push(kubelet::taint_eviction(pod, input.node));
    checks
}

/// A DaemonSet that is being deleted gets no new pods.
pub(super) fn deletion(daemon_set: &DaemonSet) -> Option<Check> {
    let since = daemon_set.metadata.deletion_timestamp.as_ref()?.0;
    let finalizers = daemon_set.metadata.finalizers.clone().unwrap_or_default();
    Some(Check::from_reasons(
        Stage::Controller,
        "DaemonSetDeleted",
        vec![Reason::DaemonSetDeleting { since, finalizers }],
    ))
}

/// A pod is wanted, none is there, and nothing found explains it.
pub(super) fn not_created(daemon_set: &DaemonSet) -> Check {
    Check::from_reasons(Stage::Controller, "PodCreated", vec![Reason::not_created(daemon_set)])
}
