//! What a diagnosis would be after a change.
//!
//! Input: the [`DiagnosisInput`] and the changes. Output: the same checks on the objects that the changes and then the
//! controllers leave ([`crate::change`]), or a [`ChangeError`]. Events describe the time before the change, so they are
//! left out; what only an event shows cannot be computed.

use std::borrow::Cow;

use super::Reason;
use super::diagnosis::{CheckName, DiagnosisInput};
use crate::admission::AdmissionRejection;
use crate::change::{Change, ChangeError, NodeCase};
use crate::placement::Placement;
use crate::scheduling::preemption::Preemption;
use crate::snapshot::Known;
use crate::snapshot::pod::Pod;

/// What the checks find after a change.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The reasons of the checks that fail.
    pub(crate) failures: Vec<Reason>,
    /// The checks whose result is unknown.
    pub(crate) unknown: Vec<CheckName>,
    pub(crate) preemption: Option<Preemption>,
    pub(crate) placement: Placement,
    /// Whether a pod of before the change is still there.
    pub(crate) keeps_pod: bool,
}

/// What the checks find after the changes.
///
/// # Errors
/// The effect of a change cannot be computed from what is known.
pub(crate) fn outcome(input: &DiagnosisInput<'_>, changes: &[Change]) -> Result<Outcome, ChangeError> {
    let own_pods = input.pods.known().ok_or(ChangeError::NotComputable)?;
    let case = NodeCase {
        daemon_set: Cow::Borrowed(input.daemon_set),
        node: Cow::Borrowed(input.node),
        openshift: input.openshift,
        own_pods: own_pods.iter().copied().map(Cow::Borrowed).collect(),
        bound: Cow::Borrowed(input.bound),
        pinned: input.pinned,
        predicted: input.predicted.map(Cow::Borrowed),
        cluster_objects: Cow::Borrowed(input.cluster_objects),
    };
    let case = case.after(changes)?;
    let no_events = Known::Known(Vec::new());
    let own_pods: Vec<&Pod> = case.own_pods.iter().map(Cow::as_ref).collect();
    let placement = case.placement();
    let after = DiagnosisInput {
        daemon_set: &case.daemon_set,
        node: &case.node,
        pods: Known::Known(own_pods),
        bound: &case.bound,
        pinned: input.pinned,
        predicted: case.predicted.as_deref(),
        cluster_objects: &case.cluster_objects,
        events: &no_events,
        node_exists: input.node_exists,
        nominated: input.nominated,
        higher_priority_planned: input.higher_priority_planned.clone(),
        openshift: input.openshift,
        now: input.now,
    };
    let diagnosis = after.explain();
    let unknown = diagnosis.checks.iter().filter(|check| check.result.is_unknown());
    Ok(Outcome {
        failures: diagnosis.failures().map(|(_, failure)| failure.reason.clone()).collect(),
        unknown: unknown.map(|check| check.name).collect(),
        preemption: diagnosis.preemption.clone(),
        placement,
        keeps_pod: !case.own_pods.is_empty(),
    })
}

/// Whether the checks show that the cause is gone: they evaluate it from objects, and not from an event or from what a
/// kubelet or a container reports.
pub(crate) fn is_computable(reason: &Reason) -> bool {
    match reason {
        Reason::NotEligible(_)
        | Reason::FilterRejection(_)
        | Reason::NoLongerUnschedulable { .. }
        | Reason::TaintEviction { .. }
        | Reason::SchedulingGated => true,
        Reason::Rejected { rejection, .. } => match rejection {
            AdmissionRejection::NoLongerRejected { .. } => true,
            rejection => rejection.plugin().is_evaluated(),
        },
        Reason::NotCreated
        | Reason::NotObserved { .. }
        | Reason::Unschedulable { .. }
        | Reason::SchedulerError { .. }
        | Reason::NotScheduled { .. }
        | Reason::NotKnown { .. }
        | Reason::NodePressure { .. }
        | Reason::PodFailed { .. }
        | Reason::PodSucceeded
        | Reason::ImageError { .. }
        | Reason::ContainerError { .. }
        | Reason::CrashLoopBackOff { .. }
        | Reason::ContainerTerminated { .. }
        | Reason::Initializing { .. }
        | Reason::ContainerCreating
        | Reason::NotSeenByKubelet
        | Reason::ContainersNotReady { .. }
        | Reason::ReadinessGatesNotReady { .. }
        | Reason::NodeNotReady { .. }
        | Reason::VirtualNode { .. }
        | Reason::NodeDeleting { .. }
        | Reason::NodeMaintenance { .. }
        | Reason::MinReadySeconds { .. }
        | Reason::Terminating { .. }
        | Reason::DaemonSetDeleting { .. }
        | Reason::StuckTerminating { .. }
        | Reason::Warning { .. }
        | Reason::SurgeHostPortConflict { .. }
        | Reason::SurgeAntiAffinityConflict
        | Reason::OldPodOnDeletedNode { .. }
        | Reason::ExtraPods { .. } => false,
    }
}
