//! The checks of each stage.

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::DaemonSet;

use super::check::{Check, CheckName, CheckReason, Stage};
use super::input::DiagnosisInput;
use super::kubelet;
use crate::admission::{self, AdmissionPlugin, PredictedPod};
use crate::check_result::CheckResult;
use crate::explain::{FailedBy, Reason, State, events};
use crate::placement::PlacementFailure;
use crate::scheduling::preemption::{Preemption, preemption};
use crate::scheduling::{self, Attempt, Filter, FilterFailure, FilterResult};
use crate::snapshot::pod::{Pod, PodSpec};
use crate::snapshot::{Known, Missing};

/// The scheduler whose rules [`scheduling`] implements.
const DEFAULT_SCHEDULER: &str = "default-scheduler";
/// Why the pods in the files are not all that the scheduler saw.
const CONTRADICTED: &str = "the scheduler rejected the pod moments before the files were saved, but nothing in them is \
                            in its way: pods of the node may be missing in them";
/// After this time at the latest, the scheduler tries again (`pkg/scheduler/backend/queue/scheduling_queue.go`
/// `DefaultPodMaxInUnschedulablePodsDuration`).
const RETRY_OF_SCHEDULER: SignedDuration = SignedDuration::from_mins(5);

/// The checks of the controller's eligibility rule, one for each kind of obstacle.
pub(super) fn controller(template: &PodSpec, failures: Vec<PlacementFailure>) -> Vec<Check> {
    let name_of = |failure: &PlacementFailure| match failure {
        PlacementFailure::NodeName { .. } => CheckName::NodeName,
        PlacementFailure::NodeSelector { .. } => CheckName::NodeSelector,
        PlacementFailure::NodeAffinity { .. } => CheckName::NodeAffinity,
        PlacementFailure::NamespaceSelector { .. } | PlacementFailure::NamespaceMissing => CheckName::NamespaceSelector,
        PlacementFailure::Taint { .. } => CheckName::TaintToleration,
    };
    let applies = [
        (CheckName::NodeName, !template.node_name.is_empty()),
        (CheckName::NodeSelector, !template.node_selector.is_empty()),
        (CheckName::NodeAffinity, template.required_node_affinity().is_some()),
        (CheckName::TaintToleration, true),
        // Only OpenShift has it, so it shows only where it fails.
        (CheckName::NamespaceSelector, failures.iter().any(|one| name_of(one) == CheckName::NamespaceSelector)),
    ];
    let check = |name: CheckName| {
        let own = failures.iter().filter(|failure| name_of(failure) == name);
        Check::from_reasons(Stage::Controller, name, own.cloned().map(Reason::NotEligible).collect())
    };
    applies.into_iter().filter(|(_, applies)| *applies).map(|(name, _)| check(name)).collect()
}

/// The checks of the API server for a pod that does not exist.
pub(super) fn admission(input: &DiagnosisInput<'_>, predicted: &PredictedPod, state: State) -> Vec<Check> {
    let uid = input.daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let event = input.events.known().filter(|_| input.looks_for_rejections(state));
    let event = event.and_then(|events| events::failed_create(events, uid));
    let checks = admission::checks(input.daemon_set, predicted, input.cluster_objects, event.as_ref());
    // Only a rejection, or a pod that was created, shows what an opaque plugin decides.
    let is_undecided = |plugin: AdmissionPlugin| plugin.is_opaque() && !input.node_exists && !predicted.from_existing;
    let check = |check: admission::AdmissionCheck| {
        let name = CheckName::Admission(check.plugin);
        match check.result {
            CheckResult::Pass if is_undecided(check.plugin) => {
                let missing = "no pod of this revision exists, and the result shows only when one is created";
                let missing = Missing::Undetermined(missing.to_owned());
                Check::unknown(Stage::Admission, name, missing)
            }
            CheckResult::Pass => Check::pass(Stage::Admission, name),
            CheckResult::Fail(rejections) => {
                let reason = |rejection| Reason::rejected(rejection, check.event.as_ref());
                Check::from_reasons(Stage::Admission, name, rejections.into_iter().map(reason).collect())
            }
            CheckResult::Unknown { missing } => Check::unknown(Stage::Admission, name, missing),
        }
    };
    checks.into_iter().map(check).collect()
}

/// The rejections that the newest FailedCreate event reports, where no pod can be predicted.
pub(super) fn rejected_by_event(input: &DiagnosisInput<'_>) -> Vec<Check> {
    let uid = input.daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let Some(event) = input.events.known().and_then(|events| events::failed_create(events, uid)) else {
        return Vec::new();
    };
    let check = |rejection: admission::AdmissionRejection| {
        let name = CheckName::Admission(rejection.plugin());
        Check::from_reasons(Stage::Admission, name, vec![Reason::rejected(rejection, Some(&event))])
    };
    admission::parse_rejections(input.daemon_set, &event).into_iter().map(check).collect()
}

/// The result of the scheduler stage.
pub(super) struct Scheduled {
    /// The filters.
    pub(super) checks: Vec<Check>,
    /// Whether preemption would help; none if no filter rejects the pod.
    pub(super) preemption: Option<Preemption>,
}

/// The scheduler's filters for an unscheduled pod.
pub(super) fn scheduler(input: &DiagnosisInput<'_>, pod: &Pod) -> Scheduled {
    if !is_default(pod) {
        // Another scheduler may have other rules.
        return Scheduled { checks: Vec::new(), preemption: None };
    }
    run_filters(input, pod, Stage::Scheduler, &|_| true)
}

/// The same for a pod that does not exist yet. A pod with `spec.nodeName` bypasses the scheduler; the kubelet runs some
/// of the filters on it (`pkg/kubelet/lifecycle/predicate.go` `generalFilter`).
pub(super) fn predicted(input: &DiagnosisInput<'_>, pod: &Pod) -> Scheduled {
    if pod.spec.node_name.is_empty() {
        let mut scheduled = scheduler(input, pod);
        scheduled.checks.extend(kubelet::predicted(pod, input.node));
        return scheduled;
    }
    let mut scheduled = run_filters(input, pod, Stage::Kubelet, &is_run_by_kubelet);
    scheduled.checks.extend(kubelet::predicted(pod, input.node));
    // A kubelet preempts only for critical pods; that is not modeled.
    scheduled.preemption = None;
    scheduled
}

/// The filters that a kubelet runs on a pod of its node (`pkg/kubelet/lifecycle/predicate.go` `generalFilter`).
fn is_run_by_kubelet(filter: Filter) -> bool {
    matches!(filter, Filter::NodeName | Filter::NodeAffinity | Filter::NodePorts | Filter::NodeResourcesFit)
}

/// For a pod that the kubelet rejected: the same filters on the next pod, which name the pods that are in its way.
pub(super) fn rejected_by_kubelet(input: &DiagnosisInput<'_>, pod: &Pod, reasons: &[Reason]) -> Vec<Check> {
    let is_rejected = |reason: &Reason| match reason {
        Reason::PodFailed { by: FailedBy::Kubelet, reason, .. } => Reason::is_filter_rejection_of_kubelet(reason),
        _ => false,
    };
    if !reasons.iter().any(is_rejected) {
        return Vec::new();
    }
    let next = admission::predict_from(pod, &input.node.metadata.name);
    let mut checks = run_filters(input, &next, Stage::Kubelet, &is_run_by_kubelet).checks;
    checks.retain(|check| check.result.is_fail());
    checks
}

fn run_filters(input: &DiagnosisInput<'_>, pod: &Pod, stage: Stage, is_included: &dyn Fn(Filter) -> bool) -> Scheduled {
    let mut attempt = attempt(input, pod);
    let mut results = scheduling::run_filters(&attempt);
    // A node that does not exist has no pods, so its pods are known.
    let partial = input.cluster_objects.partial_pods.as_deref().filter(|_| input.node_exists);
    let is_contradicted =
        || scheduling::first_failure(&results).is_none() && was_rejected_moments_before_save(input, pod);
    if let Some(why) = partial.or_else(|| is_contradicted().then_some(CONTRADICTED)) {
        let missing = Missing::NotSaved(why.to_owned());
        results = scheduling::with_missing_pods(&attempt, results, &missing);
        attempt.bound_pods = Known::Unknown(missing);
    }
    let rejected = scheduling::first_failure(&results).is_some();
    let is_blank = !input.node_exists && input.node.status.allocatable.is_empty();
    // No preemption happens on a node that is down. For a node without resources the result is unknown.
    let is_of_use = !is_blank && Reason::node_not_ready(input.node).is_none();
    let preemption = (rejected && is_of_use).then(|| preemption(&attempt, &results));
    let reason = |failure: FilterFailure| CheckReason {
        reason: Reason::FilterRejection(failure.rejection),
        scheduler: Some(failure.scheduler),
    };
    let check = |(filter, result): (Filter, FilterResult)| {
        let name = CheckName::Filter(filter);
        match result {
            // A node template in a file may have no resources.
            _ if is_blank && filter == Filter::NodeResourcesFit => {
                Check::unknown(stage, name, Missing::Undetermined("the node has no status.allocatable".into()))
            }
            CheckResult::Pass => Check::pass(stage, name),
            CheckResult::Fail(failures) => {
                Check { stage, name, result: CheckResult::Fail(failures.into_iter().map(reason).collect()) }
            }
            CheckResult::Unknown { missing } => Check::unknown(stage, name, missing),
        }
    };
    let included = results.into_iter().filter(|(filter, _)| is_included(*filter));
    let checks = included.map(check).collect();
    Scheduled { checks, preemption }
}

fn attempt<'a>(input: &DiagnosisInput<'a>, pod: &'a Pod) -> Attempt<'a> {
    let counts = |other: &&Pod| !other.is_terminal() && !is_same(other, pod);
    let others = |pods: &'a Known<Vec<Pod>>| pods.as_ref().map(|pods| pods.iter().filter(counts).collect());
    let mut bound_pods: Known<Vec<&'a Pod>> = others(input.bound);
    if let Known::Known(bound_pods) = &mut bound_pods {
        bound_pods.extend(input.higher_priority_planned.iter().copied());
    }
    Attempt {
        pod,
        node: input.node,
        bound_pods,
        nominated: others(input.nominated),
        cluster_objects: input.cluster_objects,
    }
}

/// Whether both are the same pod. A predicted pod has no uid, so it equals no other pod.
fn is_same(a: &Pod, b: &Pod) -> bool {
    !a.metadata.uid.is_empty() && a.metadata.uid == b.metadata.uid
}

fn is_default(pod: &Pod) -> bool {
    matches!(pod.spec.scheduler_name.as_str(), "" | DEFAULT_SCHEDULER)
}

/// The check from the pod's own condition, if no filter explains why it is unscheduled.
pub(super) fn unscheduled(
    input: &DiagnosisInput<'_>,
    checks: &[Check],
    reasons: Vec<Reason>,
    pod: &Pod,
) -> Option<Check> {
    if pod.is_terminating() || pod.is_terminal() {
        return Some(Check::from_reasons(Stage::Pod, CheckName::Phase, reasons)).filter(|check| check.result.is_fail());
    }
    let of_scheduler = || checks.iter().filter(|check| check.stage == Stage::Scheduler);
    if of_scheduler().any(|check| check.result.is_fail()) {
        return None;
    }
    let all_pass = of_scheduler().next().is_some()
        && !of_scheduler().any(|check| check.result.is_unknown())
        && !was_rejected_moments_before_save(input, pod);
    let named = |reason| match reason {
        Reason::Unschedulable { scheduler } if all_pass => Reason::NoLongerUnschedulable { scheduler },
        Reason::NotScheduled { .. } => Reason::NotScheduled { scheduler_name: Some(pod.spec.scheduler_name.clone()) },
        other => other,
    };
    Some(Check::from_reasons(Stage::Scheduler, CheckName::PodScheduled, reasons.into_iter().map(named).collect()))
}

/// Whether the scheduler rejected the pod so shortly before a cluster was saved that the files must lack what is in the
/// way: with everything in place, the scheduler would have bound the pod.
fn was_rejected_moments_before_save(input: &DiagnosisInput<'_>, pod: &Pod) -> bool {
    let is_saved = input.cluster_objects.saved.is_some();
    let events = input.events.known().filter(|_| is_saved);
    let last = events.and_then(|events| events::failed_scheduling(events, &pod.metadata.uid));
    last.is_some_and(|last| input.now.duration_since(last) < RETRY_OF_SCHEDULER)
}

/// The kubelet's and the pod's checks for a bound pod.
pub(super) fn bound(input: &DiagnosisInput<'_>, pod: &Pod, reasons: Vec<Reason>) -> Vec<Check> {
    const CHECKS: [(Stage, CheckName); 8] = [
        (Stage::Kubelet, CheckName::NodeReady),
        (Stage::Kubelet, CheckName::PodAdmission),
        (Stage::Kubelet, CheckName::Termination),
        (Stage::Pod, CheckName::Phase),
        (Stage::Pod, CheckName::InitContainers),
        (Stage::Pod, CheckName::Image),
        (Stage::Pod, CheckName::Containers),
        (Stage::Pod, CheckName::Readiness),
    ];
    // `minReadySeconds` that have not passed yet are not a failure.
    let reasons: Vec<Reason> =
        reasons.into_iter().filter(|reason| !matches!(reason, Reason::MinReadySeconds { .. })).collect();
    let check = |(stage, name): (Stage, CheckName)| {
        let own = reasons.iter().filter(|reason| kubelet::check_for_reason(reason) == (stage, name));
        Check::from_reasons(stage, name, own.cloned().collect())
    };
    let mut checks: Vec<Check> = CHECKS.into_iter().map(check).collect();
    let others = input.pods.known().map(Vec::as_slice).unwrap_or_default();
    let expected = [Some(pod), input.replacement()];
    let is_extra = |other: &&&Pod| !expected.iter().flatten().any(|pod| is_same(other, pod));
    let others: Vec<&Pod> = others.iter().filter(is_extra).copied().collect();
    if !others.is_empty() {
        let names = others.iter().map(|other| other.metadata.name.clone()).collect();
        let of_others = others.iter().flat_map(|other| input.examine(other).1);
        let reasons = [Reason::ExtraPods { pods: names }].into_iter().chain(of_others).collect();
        checks.push(Check::from_reasons(Stage::Pod, CheckName::OnePod, reasons));
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
        CheckName::DaemonSetDeleted,
        vec![Reason::DaemonSetDeleting { since, finalizers }],
    ))
}

/// The pod is missing, and no other check explains why.
pub(super) fn not_created(daemon_set: &DaemonSet) -> Check {
    Check::from_reasons(Stage::Controller, CheckName::PodCreated, vec![Reason::not_created(daemon_set)])
}
