//! Messages about the control plane itself: the request did not fail because of the pod.
//!
//! Upstream: `etcd/api/v3rpc/rpctypes/error.go`; `apimachinery/pkg/api/errors/errors.go` `NewTimeoutError`,
//! `NewGenericServerResponse`, `NewTooManyRequests`; `plugin/pkg/auth/authorizer/rbac`;
//! `plugin/pkg/admission/gc/gc_admission.go`; Go's `net`.

use crate::admission::rejection::{AdmissionRejection, ControlPlaneProblem};

pub(super) fn read(core: &str) -> Option<AdmissionRejection> {
    if core.starts_with("pods is forbidden: User ") || core.starts_with("User ") && core.contains(" cannot create ") {
        return Some(AdmissionRejection::ControllerForbidden { detail: core.to_owned() });
    }
    if core.starts_with("cannot set blockOwnerDeletion if an ownerReference refers to") {
        return Some(AdmissionRejection::OwnerReferenceForbidden { detail: core.to_owned() });
    }
    let problem = problem(core)?;
    Some(AdmissionRejection::ControlPlane { problem, detail: core.to_owned() })
}

fn problem(core: &str) -> Option<ControlPlaneProblem> {
    if core.contains("etcdserver: ") {
        return Some(match core.contains("database space exceeded") || core.contains("no space") {
            true => ControlPlaneProblem::EtcdSpace,
            false => ControlPlaneProblem::Etcd,
        });
    }
    if core == "Unauthorized" || core.starts_with("the server has asked for the client to provide credentials") {
        return Some(ControlPlaneProblem::Unauthorized);
    }
    if core.starts_with("the server has received too many requests") {
        return Some(ControlPlaneProblem::Overload);
    }
    // A request of the controller itself, not one of the API server to a webhook.
    let is_own_request = core.starts_with("Post ") && core.contains("/api/v1/namespaces/");
    let is_timeout =
        ["Timeout: ", "the server was unable to return a response in the time allotted", "context deadline"]
            .iter()
            .any(|words| core.starts_with(words));
    match (is_own_request, is_timeout) {
        (true, _) => Some(ControlPlaneProblem::Unreachable),
        (false, true) => Some(ControlPlaneProblem::Timeout),
        (false, false) => None,
    }
}
