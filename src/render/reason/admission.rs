//! The sentences and remedies of pods that the API server rejects. The caller makes the text safe for a terminal.

use crate::admission::{AdmissionRejection, Bound, Measure, MissingQuotaRequest, QuotaUsage, WebhookFailure};
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};

mod control_plane;
mod remedies;
mod webhook;

/// The cause without numbers, so that equal causes have equal text.
pub(in crate::render) fn summary(rejection: &AdmissionRejection) -> String {
    match rejection {
        AdmissionRejection::QuotaExceeded { quota, .. } => format!("quota {quota} exceeded"),
        AdmissionRejection::QuotaRequestMissing { quota, .. } => format!("quota {quota} requires requests or limits"),
        AdmissionRejection::QuotaUncovered { .. } => "no quota covers the pod".into(),
        AdmissionRejection::QuotaStatusMissing { quota } => format!("quota {quota} has no status yet"),
        AdmissionRejection::LimitRange { resource, bound, .. } => match bound {
            Bound::Minimum => format!("{resource} below the minimum of the LimitRange"),
            Bound::Maximum => format!("{resource} above the maximum of the LimitRange"),
            Bound::Ratio => format!("{resource} limit/request ratio above that of the LimitRange"),
        },
        AdmissionRejection::LimitBelowRequest { resource, .. } => format!("{resource} request above its limit"),
        AdmissionRejection::PodSecurity { level, .. } => format!("violates PodSecurity {level}"),
        AdmissionRejection::PriorityClassMissing { priority_class } => {
            format!("PriorityClass {priority_class} not found")
        }
        AdmissionRejection::PriorityMismatch { .. } => "priority differs from the PriorityClass".into(),
        AdmissionRejection::ServiceAccountMissing { service_account } => {
            format!("ServiceAccount {service_account} not found")
        }
        AdmissionRejection::RuntimeClassMissing { runtime_class } => format!("RuntimeClass {runtime_class} not found"),
        AdmissionRejection::RuntimeClassConflict { .. } => "node selector conflicts with the RuntimeClass".into(),
        AdmissionRejection::OverheadMismatch => "overhead differs from the RuntimeClass".into(),
        AdmissionRejection::WebhookDenied { webhook, .. } => format!("denied by webhook {webhook}"),
        AdmissionRejection::WebhookFailed { webhook, failure: WebhookFailure::Certificate, .. } => {
            format!("the certificate of webhook {webhook} is not accepted")
        }
        AdmissionRejection::WebhookFailed { webhook, failure: WebhookFailure::Timeout, .. } => {
            format!("webhook {webhook} does not answer in time")
        }
        AdmissionRejection::WebhookFailed { webhook, .. } => format!("webhook {webhook} cannot be called"),
        AdmissionRejection::WebhooksTooSlow { .. } => "webhooks are too slow".into(),
        AdmissionRejection::PatchNotApplicable { .. } => "the patch of a mutating webhook does not apply".into(),
        AdmissionRejection::ImagePolicy { .. } => "denied by the image policy".into(),
        AdmissionRejection::PodSecurityPolicy { .. } => "not allowed by any PodSecurityPolicy".into(),
        AdmissionRejection::PriorityNotPermitted { priority_class, namespace } => {
            format!("priority class {priority_class} is not permitted in namespace {namespace}")
        }
        AdmissionRejection::NamespaceMissing { namespace } => format!("namespace {namespace} not found"),
        AdmissionRejection::NameTaken { .. } => "a pod of the generated name exists".into(),
        AdmissionRejection::ControlPlane { problem, .. } => control_plane::summary(*problem).into(),
        AdmissionRejection::ControllerForbidden { .. } => "the DaemonSet controller may not create pods".into(),
        AdmissionRejection::OwnerReferenceForbidden { .. } => {
            "the DaemonSet controller may not set the owner of pods".into()
        }
        AdmissionRejection::PolicyDenied { policy, .. } => format!("denied by policy {policy}"),
        AdmissionRejection::NamespaceSelectorConflict { .. } => {
            "node selector conflicts with that of the namespace".into()
        }
        AdmissionRejection::NamespaceTolerations { .. } => "tolerations not allowed by the namespace".into(),
        AdmissionRejection::SecurityContextConstraints { .. } => "not allowed by any SecurityContextConstraints".into(),
        AdmissionRejection::NamespaceTerminating => "the namespace is being deleted".into(),
        AdmissionRejection::PodInvalid { .. } => "the pod is invalid".into(),
        AdmissionRejection::NoLongerRejected { .. } => "rejected before, not retried yet".into(),
        AdmissionRejection::Rejected { rejection } => rejection.clone(),
    }
}

/// The cause with its evidence.
pub(in crate::render) fn detail(rejection: &AdmissionRejection, names: ListLength) -> String {
    match rejection {
        AdmissionRejection::QuotaExceeded { quota, resources } => {
            let shares: Vec<String> = resources.iter().map(share).collect();
            format!("quota {quota} exceeded: {}", names.join(&shares, HANDFUL, "; ", String::clone))
        }
        AdmissionRejection::QuotaRequestMissing { quota, missing } => {
            let missing: Vec<String> = missing.iter().map(|one| unspecified(one, names)).collect();
            format!(
                "quota {quota} requires each container to specify {}",
                names.join(&missing, HANDFUL, "; ", String::clone)
            )
        }
        AdmissionRejection::QuotaUncovered { uncovered } => {
            format!("the namespace has no quota for such pods, which require one: {uncovered}")
        }
        AdmissionRejection::QuotaStatusMissing { quota } => {
            format!("quota {quota} has no status yet; pods are rejected until it is calculated")
        }
        AdmissionRejection::LimitRange { .. } => limit_range(rejection),
        AdmissionRejection::LimitBelowRequest { container, resource, request, limit, limit_range } => {
            let origin = match limit_range {
                Some(range) => format!(" (the default of LimitRange {range})"),
                None => String::new(),
            };
            format!("{container} requests {request} of {resource}, which exceeds its limit of {limit}{origin}")
        }
        AdmissionRejection::PodSecurity { level, version, violations } => {
            format!("violates PodSecurity {level}:{version}: {}", names.join(violations, HANDFUL, "; ", String::clone))
        }
        AdmissionRejection::PriorityClassMissing { priority_class } => {
            format!("PriorityClass {priority_class} of the template does not exist")
        }
        AdmissionRejection::PriorityMismatch { stated, computed } => {
            format!("the template sets {stated}, but its PriorityClass requires {computed}")
        }
        AdmissionRejection::ServiceAccountMissing { service_account } => {
            format!("ServiceAccount {service_account} does not exist in the namespace")
        }
        AdmissionRejection::RuntimeClassMissing { runtime_class } => {
            format!("RuntimeClass {runtime_class} of the template does not exist")
        }
        AdmissionRejection::RuntimeClassConflict { key, class_value, pod_value } => {
            format!(
                "the RuntimeClass selects nodes with {key}={class_value}, but the template selects {key}={pod_value}"
            )
        }
        AdmissionRejection::OverheadMismatch => {
            "the template sets an overhead that differs from its RuntimeClass".into()
        }
        AdmissionRejection::WebhookDenied { webhook, detail } => format!("webhook {webhook} denied the pod: {detail}"),
        AdmissionRejection::WebhookFailed { webhook, detail, .. } => {
            format!("webhook {webhook} cannot be called: {detail}")
        }
        AdmissionRejection::WebhooksTooSlow { detail, .. }
        | AdmissionRejection::PatchNotApplicable { detail }
        | AdmissionRejection::ImagePolicy { detail }
        | AdmissionRejection::PodSecurityPolicy { detail }
        | AdmissionRejection::NameTaken { detail }
        | AdmissionRejection::ControlPlane { detail, .. }
        | AdmissionRejection::ControllerForbidden { detail }
        | AdmissionRejection::OwnerReferenceForbidden { detail } => format!("{}: {detail}", summary(rejection)),
        AdmissionRejection::PriorityNotPermitted { .. } | AdmissionRejection::NamespaceMissing { .. } => {
            summary(rejection)
        }
        AdmissionRejection::PolicyDenied { kind, policy, binding, detail } => {
            let binding = binding.as_ref().map(|binding| format!(" (binding {binding})")).unwrap_or_default();
            format!("{} {policy}{binding} denied the pod: {detail}", kind.name())
        }
        AdmissionRejection::NamespaceSelectorConflict { detail }
        | AdmissionRejection::NamespaceTolerations { detail }
        | AdmissionRejection::SecurityContextConstraints { detail } => detail.clone(),
        AdmissionRejection::NamespaceTerminating => {
            "the namespace is being deleted: no objects can be created in it".into()
        }
        AdmissionRejection::PodInvalid { detail } => format!("the pod is invalid: {detail}"),
        AdmissionRejection::NoLongerRejected { rejection } => {
            format!("the last attempt was rejected for a reason that no longer applies: {rejection}")
        }
        AdmissionRejection::Rejected { rejection } => format!("the API server rejected the pod: {rejection}"),
    }
}

pub(in crate::render) fn remedies(rejection: &AdmissionRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    remedies::of(rejection, target)
}

fn share(share: &QuotaUsage) -> String {
    let QuotaUsage { resource, requested, used, limited } = share;
    format!("{resource}: one more pod needs {requested}; {used} of {limited} used")
}

fn unspecified(missing: &MissingQuotaRequest, names: ListLength) -> String {
    match missing.containers.as_slice() {
        [] => missing.resource.clone(),
        containers => format!("{} (missing in {})", missing.resource, names.list(containers)),
    }
}

fn limit_range(rejection: &AdmissionRejection) -> String {
    let AdmissionRejection::LimitRange { limit_range, per, container, resource, bound, allowed, measure, found } =
        rejection
    else {
        return summary(rejection);
    };
    let subject = match container {
        Some(container) => format!("container {container}"),
        None if per == "Pod" => "the pod".into(),
        None => "a container".into(),
    };
    let range = limit_range.as_ref().map_or("a LimitRange".into(), |range| format!("LimitRange {range}"));
    let rule = match bound {
        Bound::Minimum => format!("{range} requires at least {allowed} of {resource} per {per}"),
        Bound::Maximum => format!("{range} allows at most {allowed} of {resource} per {per}"),
        Bound::Ratio => {
            format!("{range} allows a {resource} limit of at most {allowed} times the request per {per}")
        }
    };
    match found {
        Some(found) if *measure == Measure::Ratio => format!("{rule}; {subject} has {found} times"),
        Some(found) => format!("{rule}; the {} of {subject} is {found}", measure.name()),
        None => format!("{rule}; {subject} has no {}", measure.name()),
    }
}

#[cfg(test)]
mod tests;
