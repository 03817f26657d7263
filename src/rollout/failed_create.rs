//! New pods that the API server rejects, from the DaemonSet's FailedCreate event. An error in `manage` ends the sync of
//! the controller before `rollingUpdate`: a single rejected pod stops the whole rollout.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `updateDaemonSet`, `syncNodes`.

use jiff::SignedDuration;

use super::blocker::{NodeProblem, Problem, ProblemType};
use super::node_pods::{Availability, NodePods};
use crate::admission::{self, AdmissionRejection};
use crate::coverage::Coverage;
use crate::explain::{Reason, events};

/// The controller retries at least every 1000 seconds (16m40s). An event older than this is no longer true.
const RETRIES: SignedDuration = SignedDuration::from_mins(20);

/// The reasons of the rejection, unless a pod was created after the event.
pub(super) fn rejected(
    coverage: &Coverage<'_>,
    node_pods: &[NodePods<'_>],
    availability: Availability<'_>,
) -> Vec<NodeProblem> {
    let uid = coverage.daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let Some(event) = availability.snapshot.events.known().and_then(|events| events::failed_create(events, uid)) else {
        return Vec::new();
    };
    let pods = node_pods.iter().flat_map(|site| site.new.iter().chain(&site.old).chain(&site.terminating));
    let newest = pods.filter_map(|pod| pod.metadata.creation_timestamp).max().map(|time| time.timestamp());
    if newest.is_some_and(|newest| event.last_seen.is_none_or(|seen| newest > seen)) {
        // A later pod was created, so the rejection has ended.
        return Vec::new();
    }
    let is_fresh = event.last_seen.is_some_and(|seen| availability.snapshot.as_of.duration_since(seen) <= RETRIES);
    let gives_way = node_pods.iter().any(|site| !site.terminating.is_empty() && site.down().is_none());
    let problem = |rejection: AdmissionRejection| NodeProblem {
        needs_intervention: is_fresh && needs_intervention(&rejection, gives_way),
        problem: Problem { problem_type: ProblemType::PodCreation, reason: Reason::rejected(rejection, Some(&event)) },
    };
    admission::parse_rejections(coverage.daemon_set, &event).into_iter().map(problem).collect()
}

/// Whether the rejection lasts until something outside of the rollout changes. `gives_way`: a pod of the DaemonSet is
/// terminating on a node that is not down, and will release its share of the quota.
fn needs_intervention(rejection: &AdmissionRejection, gives_way: bool) -> bool {
    match rejection {
        AdmissionRejection::QuotaExceeded { .. } => !gives_way,
        AdmissionRejection::QuotaStatusMissing { .. }
        | AdmissionRejection::WebhookFailed { .. }
        | AdmissionRejection::WebhooksTooSlow { .. }
        | AdmissionRejection::NameTaken { .. }
        | AdmissionRejection::ControlPlane { .. }
        | AdmissionRejection::NoLongerRejected { .. } => false,
        AdmissionRejection::QuotaRequestMissing { .. }
        | AdmissionRejection::QuotaUncovered { .. }
        | AdmissionRejection::LimitRange { .. }
        | AdmissionRejection::LimitBelowRequest { .. }
        | AdmissionRejection::PodSecurity { .. }
        | AdmissionRejection::PriorityClassMissing { .. }
        | AdmissionRejection::PriorityMismatch { .. }
        | AdmissionRejection::ServiceAccountMissing { .. }
        | AdmissionRejection::RuntimeClassMissing { .. }
        | AdmissionRejection::RuntimeClassConflict { .. }
        | AdmissionRejection::OverheadMismatch
        | AdmissionRejection::WebhookDenied { .. }
        | AdmissionRejection::PolicyDenied { .. }
        | AdmissionRejection::NamespaceSelectorConflict { .. }
        | AdmissionRejection::NamespaceTolerations { .. }
        | AdmissionRejection::SecurityContextConstraints { .. }
        | AdmissionRejection::NamespaceTerminating
        | AdmissionRejection::PodInvalid { .. }
        | AdmissionRejection::PatchNotApplicable { .. }
        | AdmissionRejection::ImagePolicy { .. }
        | AdmissionRejection::PodSecurityPolicy { .. }
        | AdmissionRejection::PriorityNotPermitted { .. }
        | AdmissionRejection::NamespaceMissing { .. }
        | AdmissionRejection::ControllerForbidden { .. }
        | AdmissionRejection::OwnerReferenceForbidden { .. }
        | AdmissionRejection::Rejected { .. } => true,
    }
}
