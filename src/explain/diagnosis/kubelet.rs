//! The checks of the kubelet and of the taint eviction controller.

use super::check::{Check, CheckName, Stage};
use crate::explain::{FailedBy, Reason};
use crate::placement::{FeatureGates, tolerates};
use crate::snapshot::event::FAILED_DAEMON_POD;
use crate::snapshot::pod::{Pod, Toleration};
use crate::snapshot::{Node, Taint};

/// Pods with at least this priority are critical (`pkg/apis/scheduling` `SystemCriticalPriority`).
const CRITICAL: i32 = 2_000_000_000;
/// Conditions under which a kubelet rejects pods that are not critical. MemoryPressure rejects only BestEffort pods
/// that do not tolerate its taint, and every daemon pod tolerates it.
const PRESSURES: [&str; 2] = ["DiskPressure", "PIDPressure"];

/// The stage and the check that a reason of a bound pod belongs to.
pub(super) fn check_for_reason(reason: &Reason) -> (Stage, CheckName) {
    match reason {
        Reason::NodeNotReady { .. } => (Stage::Kubelet, CheckName::NodeReady),
        Reason::PodFailed { by: FailedBy::Kubelet, .. } | Reason::NotSeenByKubelet => {
            (Stage::Kubelet, CheckName::PodAdmission)
        }
        Reason::Warning { reason, .. } if reason == FAILED_DAEMON_POD => (Stage::Kubelet, CheckName::PodAdmission),
        Reason::StuckTerminating { .. } | Reason::Terminating { .. } => (Stage::Kubelet, CheckName::Termination),
        Reason::Initializing { .. } => (Stage::Pod, CheckName::InitContainers),
        Reason::ImageError { .. } => (Stage::Pod, CheckName::Image),
        Reason::ContainersNotReady { .. } | Reason::ReadinessGatesNotReady { .. } | Reason::MinReadySeconds { .. } => {
            (Stage::Pod, CheckName::Readiness)
        }
        Reason::PodFailed { by: FailedBy::Containers, .. } | Reason::PodSucceeded => (Stage::Pod, CheckName::Phase),
        Reason::ContainerError { .. }
        | Reason::CrashLoopBackOff { .. }
        | Reason::ContainerTerminated { .. }
        | Reason::ContainerCreating
        | Reason::Warning { .. } => (Stage::Pod, CheckName::Containers),
        // Not produced from the status of a pod that has its node.
        Reason::NotCreated
        | Reason::NotObserved { .. }
        | Reason::Unschedulable { .. }
        | Reason::NoLongerUnschedulable { .. }
        | Reason::SchedulingGated
        | Reason::SchedulerError { .. }
        | Reason::NotScheduled { .. }
        | Reason::NotKnown { .. }
        | Reason::NodePressure { .. }
        | Reason::TaintEviction { .. }
        | Reason::DaemonSetDeleting { .. }
        | Reason::VirtualNode { .. }
        | Reason::NodeDeleting { .. }
        | Reason::NodeMaintenance { .. }
        | Reason::SurgeHostPortConflict { .. }
        | Reason::SurgeAntiAffinityConflict
        | Reason::OldPodOnDeletedNode { .. }
        | Reason::ExtraPods { .. }
        | Reason::NotEligible(_)
        | Reason::Rejected { .. }
        | Reason::FilterRejection(_) => (Stage::Pod, CheckName::Containers),
    }
}

/// The checks for a pod that is not bound yet.
pub(crate) fn predicted(pod: &Pod, node: &Node) -> [Check; 3] {
    let down = Reason::node_not_ready(node).into_iter().collect();
    [Check::from_reasons(Stage::Kubelet, CheckName::NodeReady, down), pressure(pod, node), taint_eviction(pod, node)]
}

/// Rejections under node pressure.
///
/// Upstream: `pkg/kubelet/eviction/eviction_manager.go` `Admit`.
fn pressure(pod: &Pod, node: &Node) -> Check {
    let is_true = |type_: &&str| node.condition(type_).is_some_and(|condition| condition.status == "True");
    let pressures = PRESSURES.into_iter().filter(is_true).filter(|_| pod.priority() < CRITICAL);
    let reasons = pressures.map(|condition| Reason::NodePressure { condition: condition.to_owned() });
    Check::from_reasons(Stage::Kubelet, CheckName::Pressure, reasons.collect())
}

/// When a `NoExecute` taint that the pod tolerates for a limited time evicts it.
///
/// Upstream: `pkg/controller/tainteviction/taint_eviction.go` `processPodOnNode`, `getMinTolerationTime`.
pub(super) fn taint_eviction(pod: &Pod, node: &Node) -> Check {
    let gates = FeatureGates::implied_by(&pod.spec);
    let taints = node.spec.taints.iter().filter(|taint| taint.effect == "NoExecute");
    let limit = |taint: &Taint| {
        // The first toleration that matches the taint decides, even if a later one lasts longer.
        let first = pod.spec.tolerations.iter().find(|toleration: &&Toleration| tolerates(toleration, taint, gates))?;
        first.toleration_seconds.map(|seconds| (seconds.max(0), taint.clone()))
    };
    let soonest = taints.filter_map(limit).min_by_key(|(seconds, _)| *seconds);
    let reason = soonest.map(|(seconds, taint)| Reason::TaintEviction { taint: taint.to_string(), seconds });
    Check::from_reasons(Stage::Kubelet, CheckName::TaintEviction, reason.into_iter().collect())
}
