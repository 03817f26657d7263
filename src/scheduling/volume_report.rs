//! What can be wrong with a pod's volumes, and how the filters that look at volumes gather it.
//!
//! Four filters look at the same claims, and upstream each of them refuses a claim or a volume that is not there; the
//! first that does ends the attempt. So it is told once, by that one, and the others judge what is left. A missing claim
//! is told by VolumeRestrictions, that of an ephemeral volume by VolumeBinding; a missing volume by VolumeZone, that of
//! an ephemeral one by VolumeBinding.

use super::attempt::{Attempt, ExtensionPoint, FilterFailure, FilterResult, is_same};
use super::rejection::{FilterRejection, VolumeRejection};
use crate::check_result::CheckResult;
use crate::snapshot::Known;
use crate::snapshot::pod::Pod;

/// What a filter has found so far.
#[derive(Debug, Default)]
pub(super) struct FilterReport {
    /// Refusals of the pod as such.
    of_pod: Vec<FilterFailure>,
    /// Refusals of the node.
    of_node: Vec<FilterFailure>,
    missing: Option<String>,
}

impl FilterReport {
    /// Refuses the pod on every node: no eviction helps.
    pub(super) fn reject_pod(&mut self, rejection: VolumeRejection, scheduler: impl Into<String>) {
        let failure = FilterFailure::new(FilterRejection::Volumes(rejection), scheduler, false);
        self.of_pod.push(failure.at(ExtensionPoint::PreFilter));
    }

    /// Refuses the node.
    pub(super) fn reject(&mut self, rejection: VolumeRejection, scheduler: impl Into<String>, may_preempt: bool) {
        self.of_node.push(FilterFailure::new(FilterRejection::Volumes(rejection), scheduler, may_preempt));
    }

    /// What was read; when it was not, that is noted.
    pub(super) fn read<'f, T>(&mut self, fact: &'f Known<T>) -> Option<&'f T> {
        if let Some(why) = fact.missing() {
            self.missing.get_or_insert_with(|| why.to_owned());
        }
        fact.known()
    }

    /// The pods that the scheduler counts on the node: its neighbours, and those without a node for which room was
    /// made here and whose priority is not less (`pkg/scheduler/framework/runtime/framework.go` `addNominatedPods`).
    pub(super) fn pods_of_node<'a>(&mut self, attempt: &Attempt<'a>) -> Option<Vec<&'a Pod>> {
        let mut pods = self.read(&attempt.bound_pods)?.clone();
        let is_first = |pod: &&Pod| pod.priority() >= attempt.pod.priority() && !is_same(pod, attempt.pod);
        pods.extend(self.read(&attempt.nominated)?.iter().copied().filter(is_first));
        Some(pods)
    }

    /// One cause is enough to refuse, whatever is missing; nothing may be missing to pass. What refuses the pod as
    /// such is told first.
    pub(super) fn outcome(self) -> FilterResult {
        CheckResult::from_partial(self.of_pod.into_iter().chain(self.of_node).collect(), self.missing)
    }
}
