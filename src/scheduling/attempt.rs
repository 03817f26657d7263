//! What a filter gets and what it returns.

use super::rejection::FilterRejection;
use crate::check_result::CheckResult;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// One attempt to schedule one pod on one node.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    /// The pod, stored or predicted.
    pub(crate) pod: &'a Pod,
    /// The node, with its resources.
    pub(crate) node: &'a Node,
    /// The pods that are bound to the node and have not ended, except the pod itself. Pods that are being deleted are
    /// included.
    pub(crate) bound_pods: Known<Vec<&'a Pod>>,
    /// The unscheduled pods for which preemption made room on this node (`status.nominatedNodeName`).
    pub(crate) nominated: Known<Vec<&'a Pod>>,
    pub(crate) cluster_objects: &'a ClusterObjects,
}

impl Attempt<'_> {
    /// The version whose rules apply.
    pub(crate) fn minor(&self) -> KubeMinor {
        self.cluster_objects.kube_minor_or_default()
    }
}

/// The result of one filter.
pub(crate) type FilterResult = CheckResult<FilterFailure>;

/// The extension points of the scheduler, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExtensionPoint {
    /// The pod is kept out of the scheduling queue.
    PreEnqueue,
    /// The pod is rejected on every node.
    PreFilter,
    /// The node is rejected.
    Filter,
}

/// One reason of one filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FilterFailure {
    pub(crate) rejection: FilterRejection,
    /// The scheduler's message.
    pub(crate) scheduler: String,
    /// Where in the scheduling cycle the scheduler stops.
    pub(crate) extension_point: ExtensionPoint,
    pub(crate) code: StatusCode,
}

/// The code of a failure (`staging/src/k8s.io/kube-scheduler/framework/interface.go` `Code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusCode {
    /// Evicting other pods from the node could help.
    Unschedulable,
    /// Evicting other pods cannot help.
    UnschedulableAndUnresolvable,
}

impl FilterFailure {
    /// A failure at the extension point `Filter`.
    pub(super) fn new(rejection: FilterRejection, scheduler: impl Into<String>, code: StatusCode) -> Self {
        let scheduler = scheduler.into();
        Self { rejection, scheduler, extension_point: ExtensionPoint::Filter, code }
    }

    /// Whether preemption on the node could help.
    pub(crate) fn may_preempt(&self) -> bool {
        self.code == StatusCode::Unschedulable
    }

    /// The same at an earlier extension point.
    pub(super) fn at(mut self, extension_point: ExtensionPoint) -> Self {
        self.extension_point = extension_point;
        self
    }
}

/// The nominated pods with at least the priority of the pod, without the pod itself. Ports and resources can only fit
/// worse with them, so the scheduler's second pass without them adds nothing.
///
/// Upstream: `pkg/scheduler/framework/runtime/framework.go` `addGENominatedPods`.
pub(super) fn nominated_ahead<'a>(attempt: &Attempt<'a>, nominated: &[&'a Pod]) -> Vec<&'a Pod> {
    let (uid, priority) = (&attempt.pod.metadata.uid, attempt.pod.priority());
    let is_other = |pod: &Pod| uid.is_empty() || pod.metadata.uid != *uid;
    nominated.iter().copied().filter(|pod| pod.priority() >= priority && is_other(pod)).collect()
}

/// Whether both are the same pod. A pod that does not exist yet equals no other pod.
pub(super) fn is_same(one: &Pod, other: &Pod) -> bool {
    match (one.metadata.uid.as_str(), other.metadata.uid.as_str()) {
        ("", _) | (_, "") => {
            let name = |pod: &Pod| (pod.metadata.namespace.clone(), pod.metadata.name.clone());
            !one.metadata.name.is_empty() && name(one) == name(other)
        }
        (one, other) => one == other,
    }
}
