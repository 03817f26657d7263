//! Why a filter rejects a pod's volumes, and how the filters that check volumes collect the results.
//!
//! Four filters check the same claims, and upstream each of them rejects a claim or volume that does not exist; the
//! first one ends the attempt. So each is reported once, by that filter, and the other filters check what is left:
//!
//! - a missing claim by VolumeRestrictions, that of an ephemeral volume by VolumeBinding;
//! - a missing volume by VolumeZone, that of an ephemeral volume by VolumeBinding.

use super::attempt::{Attempt, ExtensionPoint, FilterFailure, FilterResult, StatusCode, is_same};
use super::rejection::{FilterRejection, VolumeRejection};
use crate::check_result::CheckResult;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Missing};

/// The results of a filter that checks volumes.
#[derive(Debug, Default)]
pub(super) struct VolumeFilterReport {
    /// Rejections of the pod on every node.
    of_pod: Vec<FilterFailure>,
    /// Rejections of the node.
    of_node: Vec<FilterFailure>,
    missing: Option<Missing>,
}

impl VolumeFilterReport {
    /// Rejects the pod on every node; evictions do not help.
    pub(super) fn reject_pod(&mut self, rejection: VolumeRejection, scheduler: impl Into<String>) {
        let failure = FilterFailure::new(
            FilterRejection::Volumes(rejection),
            scheduler,
            StatusCode::UnschedulableAndUnresolvable,
        );
        self.of_pod.push(failure.at(ExtensionPoint::PreFilter));
    }

    /// Rejects the node.
    pub(super) fn reject(&mut self, rejection: VolumeRejection, scheduler: impl Into<String>, code: StatusCode) {
        self.of_node.push(FilterFailure::new(FilterRejection::Volumes(rejection), scheduler, code));
    }

    /// The value if it is known. Otherwise none, and what is missing is recorded.
    pub(super) fn read<'f, T>(&mut self, fact: &'f Known<T>) -> Option<&'f T> {
        if let Some(why) = fact.missing() {
            self.missing.get_or_insert_with(|| why.to_owned());
        }
        fact.known()
    }

    /// The pods that the scheduler counts on the node: the bound pods, and the nominated pods with at least the
    /// priority of the pod (`pkg/scheduler/framework/runtime/framework.go` `addNominatedPods`).
    pub(super) fn pods_of_node<'a>(&mut self, attempt: &Attempt<'a>) -> Option<Vec<&'a Pod>> {
        let mut pods = self.read(&attempt.bound_pods)?.clone();
        let is_first = |pod: &&Pod| pod.priority() >= attempt.pod.priority() && !is_same(pod, attempt.pod);
        pods.extend(self.read(&attempt.nominated)?.iter().copied().filter(is_first));
        Some(pods)
    }

    /// One rejection is enough to fail, whatever is missing. To pass, nothing may be missing. Rejections of the pod
    /// come first.
    pub(super) fn outcome(self) -> FilterResult {
        CheckResult::from_partial(self.of_pod.into_iter().chain(self.of_node).collect(), self.missing)
    }
}
