//! The words of what the API server refuses, and what to do about it. Not made safe yet: that is for the caller, once
//! for all.

use crate::admission::{AdmissionRejection, Bound, Measure, MissingQuotaRequest, QuotaUsage};
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};

mod remedies;

/// The cause without its numbers.
pub(in crate::render) fn summary(rejection: &AdmissionRejection) -> String {
    match rejection {
        AdmissionRejection::QuotaExceeded { quota, .. } => format!("quota {quota} exceeded"),
        AdmissionRejection::QuotaRequestMissing { quota, .. } => format!("quota {quota} wants requests or limits"),
        AdmissionRejection::QuotaUncovered { .. } => "no quota covers the pod".into(),
        AdmissionRejection::QuotaStatusMissing { quota } => format!("quota {quota} is not counted yet"),
        AdmissionRejection::LimitRange { resource, bound, .. } => match bound {
            Bound::Minimum => format!("less {resource} than the LimitRange allows"),
            Bound::Maximum => format!("more {resource} than the LimitRange allows"),
            Bound::Ratio => format!("limit and request of {resource} too far apart for the LimitRange"),
        },
        AdmissionRejection::LimitBelowRequest { resource, .. } => format!("{resource} request above its limit"),
        AdmissionRejection::PodSecurity { level, .. } => format!("violates PodSecurity {level}"),
        AdmissionRejection::PriorityClassMissing { priority_class } => format!("no PriorityClass {priority_class}"),
        AdmissionRejection::PriorityMismatch { .. } => "priority is not that of its class".into(),
        AdmissionRejection::ServiceAccountMissing { service_account } => format!("no ServiceAccount {service_account}"),
        AdmissionRejection::RuntimeClassMissing { runtime_class } => format!("no RuntimeClass {runtime_class}"),
        AdmissionRejection::RuntimeClassConflict { .. } => "node selector contradicts the RuntimeClass".into(),
        AdmissionRejection::OverheadMismatch => "overhead is not that of the RuntimeClass".into(),
        AdmissionRejection::WebhookDenied { webhook, .. } => format!("denied by webhook {webhook}"),
        AdmissionRejection::WebhookFailed { webhook, .. } => format!("webhook {webhook} cannot be called"),
        AdmissionRejection::PolicyDenied { policy, .. } => format!("denied by policy {policy}"),
        AdmissionRejection::NamespaceSelectorConflict { .. } => {
            "node selector contradicts that of the namespace".into()
        }
        AdmissionRejection::NamespaceTolerations { .. } => "tolerations that the namespace does not allow".into(),
        AdmissionRejection::SecurityContextConstraints { .. } => "no SecurityContextConstraints allow it".into(),
        AdmissionRejection::NamespaceTerminating => "the namespace is being deleted".into(),
        AdmissionRejection::PodInvalid { .. } => "the pod is invalid".into(),
        AdmissionRejection::NoLongerRejected { .. } => "refused before, not tried again".into(),
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
                "quota {quota} wants every container to state {}",
                names.join(&missing, HANDFUL, "; ", String::clone)
            )
        }
        AdmissionRejection::QuotaUncovered { uncovered } => {
            format!("such pods need a quota that covers them, and the namespace has none: {uncovered}")
        }
        AdmissionRejection::QuotaStatusMissing { quota } => {
            format!("nobody has counted yet what quota {quota} covers: until then it lets nothing through")
        }
        AdmissionRejection::LimitRange { .. } => limit_range(rejection),
        AdmissionRejection::LimitBelowRequest { container, resource, request, limit, limit_range } => {
            let origin = match limit_range {
                Some(range) => format!(", which LimitRange {range} sets where the template sets none"),
                None => String::new(),
            };
            format!("{container} requests {request} of {resource}, more than its limit of {limit}{origin}")
        }
        AdmissionRejection::PodSecurity { level, version, violations } => {
            format!("violates PodSecurity {level}:{version}: {}", names.join(violations, HANDFUL, "; ", String::clone))
        }
        AdmissionRejection::PriorityClassMissing { priority_class } => {
            format!("the template names PriorityClass {priority_class}, and there is none of that name")
        }
        AdmissionRejection::PriorityMismatch { stated, computed } => {
            format!("the template states {stated} where its PriorityClass gives {computed}")
        }
        AdmissionRejection::ServiceAccountMissing { service_account } => {
            format!("there is no ServiceAccount {service_account} in the namespace")
        }
        AdmissionRejection::RuntimeClassMissing { runtime_class } => {
            format!("the template names RuntimeClass {runtime_class}, and there is none of that name")
        }
        AdmissionRejection::RuntimeClassConflict { key, class_value, pod_value } => {
            format!(
                "the RuntimeClass selects nodes with {key}={class_value}, the template those with {key}={pod_value}"
            )
        }
        AdmissionRejection::OverheadMismatch => "the template states an overhead that its RuntimeClass does not".into(),
        AdmissionRejection::WebhookDenied { webhook, detail } => format!("webhook {webhook} denied it: {detail}"),
        AdmissionRejection::WebhookFailed { webhook, detail, .. } => {
            format!("webhook {webhook} cannot be called: {detail}")
        }
        AdmissionRejection::PolicyDenied { kind, policy, binding, detail } => {
            let binding = binding.as_ref().map(|binding| format!(" (binding {binding})")).unwrap_or_default();
            format!("{} {policy}{binding} denied it: {detail}", kind.name())
        }
        AdmissionRejection::NamespaceSelectorConflict { detail }
        | AdmissionRejection::NamespaceTolerations { detail }
        | AdmissionRejection::SecurityContextConstraints { detail } => detail.clone(),
        AdmissionRejection::NamespaceTerminating => "the namespace is being deleted: nothing new is made in it".into(),
        AdmissionRejection::PodInvalid { detail } => format!("the pod is invalid: {detail}"),
        AdmissionRejection::NoLongerRejected { rejection } => {
            format!("refused when it was tried last, for a cause that is gone by now: {rejection}")
        }
        AdmissionRejection::Rejected { rejection } => format!("the API server refused it: {rejection}"),
    }
}

/// What to do about it; nothing where nothing is known to help.
pub(in crate::render) fn remedies(rejection: &AdmissionRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    remedies::of(rejection, target)
}

fn share(share: &QuotaUsage) -> String {
    let QuotaUsage { resource, requested, used, limited } = share;
    format!("{resource}: one more pod needs {requested}, {used} of {limited} used")
}

fn unspecified(missing: &MissingQuotaRequest, names: ListLength) -> String {
    match missing.containers.as_slice() {
        [] => missing.resource.clone(),
        containers => format!("{} (not stated by {})", missing.resource, names.list(containers)),
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
        Bound::Minimum => format!("{range} asks for at least {allowed} of {resource} per {per}"),
        Bound::Maximum => format!("{range} allows at most {allowed} of {resource} per {per}"),
        Bound::Ratio => {
            format!("{range} allows a limit of {resource} of at most {allowed} times the request per {per}")
        }
    };
    match found {
        Some(found) if *measure == Measure::Ratio => format!("{rule}; for {subject} it is {found} times"),
        Some(found) => format!("{rule}; the {} of {subject} is {found}", measure.name()),
        None => format!("{rule}; {subject} has no {} for it", measure.name()),
    }
}

#[cfg(test)]
mod tests;
