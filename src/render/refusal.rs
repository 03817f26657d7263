//! The words of what the API server refuses, and what to do about it. Not made safe yet: that is for the caller, once
//! for all.

use super::names::{HANDFUL, ListLength};
use super::remedy::{Remedy, Target};
use crate::admission::{Bound, QuotaShare, Refusal, Unspecified};

mod remedies;

/// The cause without its numbers.
pub(super) fn short(refusal: &Refusal) -> String {
    match refusal {
        Refusal::QuotaExceeded { quota, .. } => format!("quota {quota} exceeded"),
        Refusal::QuotaUnspecified { quota, .. } => format!("quota {quota} wants requests or limits"),
        Refusal::QuotaUncovered { .. } => "no quota covers the pod".into(),
        Refusal::QuotaUncounted { quota } => format!("quota {quota} is not counted yet"),
        Refusal::LimitRange { resource, bound, .. } => match bound {
            Bound::Minimum => format!("less {resource} than the LimitRange allows"),
            Bound::Maximum => format!("more {resource} than the LimitRange allows"),
            Bound::Ratio => format!("limit and request of {resource} too far apart for the LimitRange"),
        },
        Refusal::LimitBelowRequest { resource, .. } => format!("{resource} request above its limit"),
        Refusal::PodSecurity { level, .. } => format!("violates PodSecurity {level}"),
        Refusal::PriorityClassMissing { priority_class } => format!("no PriorityClass {priority_class}"),
        Refusal::PriorityMismatch { .. } => "priority is not that of its class".into(),
        Refusal::ServiceAccountMissing { service_account } => format!("no ServiceAccount {service_account}"),
        Refusal::RuntimeClassMissing { runtime_class } => format!("no RuntimeClass {runtime_class}"),
        Refusal::RuntimeClassConflict { .. } => "node selector contradicts the RuntimeClass".into(),
        Refusal::OverheadMismatch => "overhead is not that of the RuntimeClass".into(),
        Refusal::WebhookDenied { webhook, .. } => format!("denied by webhook {webhook}"),
        Refusal::WebhookFailed { webhook, .. } => format!("webhook {webhook} cannot be called"),
        Refusal::PolicyDenied { policy, .. } => format!("denied by policy {policy}"),
        Refusal::NamespaceSelectorConflict { .. } => "node selector contradicts that of the namespace".into(),
        Refusal::NamespaceTolerations { .. } => "tolerations that the namespace does not allow".into(),
        Refusal::SecurityContextConstraints { .. } => "no SecurityContextConstraints allow it".into(),
        Refusal::NamespaceTerminating => "the namespace is being deleted".into(),
        Refusal::PodInvalid { .. } => "the pod is invalid".into(),
        Refusal::NoLongerRefused { .. } => "refused before, not tried again".into(),
        Refusal::Refused { refusal } => refusal.clone(),
    }
}

/// The cause with its evidence.
pub(super) fn sentence(refusal: &Refusal, names: ListLength) -> String {
    match refusal {
        Refusal::QuotaExceeded { quota, resources } => {
            let shares: Vec<String> = resources.iter().map(share).collect();
            format!("quota {quota} exceeded: {}", names.join(&shares, HANDFUL, "; ", String::clone))
        }
        Refusal::QuotaUnspecified { quota, missing } => {
            let missing: Vec<String> = missing.iter().map(|one| unspecified(one, names)).collect();
            format!(
                "quota {quota} wants every container to state {}",
                names.join(&missing, HANDFUL, "; ", String::clone)
            )
        }
        Refusal::QuotaUncovered { uncovered } => {
            format!("such pods need a quota that covers them, and the namespace has none: {uncovered}")
        }
        Refusal::QuotaUncounted { quota } => {
            format!("nobody has counted yet what quota {quota} covers: until then it lets nothing through")
        }
        Refusal::LimitRange { .. } => limit_range(refusal),
        Refusal::LimitBelowRequest { container, resource, request, limit, limit_range } => {
            let origin = match limit_range {
                Some(range) => format!(", which LimitRange {range} sets where the template sets none"),
                None => String::new(),
            };
            format!("{container} requests {request} of {resource}, more than its limit of {limit}{origin}")
        }
        Refusal::PodSecurity { level, version, violations } => {
            format!("violates PodSecurity {level}:{version}: {}", names.join(violations, HANDFUL, "; ", String::clone))
        }
        Refusal::PriorityClassMissing { priority_class } => {
            format!("the template names PriorityClass {priority_class}, and there is none of that name")
        }
        Refusal::PriorityMismatch { stated, computed } => {
            format!("the template states {stated} where its PriorityClass gives {computed}")
        }
        Refusal::ServiceAccountMissing { service_account } => {
            format!("there is no ServiceAccount {service_account} in the namespace")
        }
        Refusal::RuntimeClassMissing { runtime_class } => {
            format!("the template names RuntimeClass {runtime_class}, and there is none of that name")
        }
        Refusal::RuntimeClassConflict { key, class_value, pod_value } => {
            format!(
                "the RuntimeClass selects nodes with {key}={class_value}, the template those with {key}={pod_value}"
            )
        }
        Refusal::OverheadMismatch => "the template states an overhead that its RuntimeClass does not".into(),
        Refusal::WebhookDenied { webhook, detail } => format!("webhook {webhook} denied it: {detail}"),
        Refusal::WebhookFailed { webhook, detail, .. } => format!("webhook {webhook} cannot be called: {detail}"),
        Refusal::PolicyDenied { kind, policy, binding, detail } => {
            let binding = binding.as_ref().map(|binding| format!(" (binding {binding})")).unwrap_or_default();
            format!("{kind} {policy}{binding} denied it: {detail}")
        }
        Refusal::NamespaceSelectorConflict { detail }
        | Refusal::NamespaceTolerations { detail }
        | Refusal::SecurityContextConstraints { detail } => detail.clone(),
        Refusal::NamespaceTerminating => "the namespace is being deleted: nothing new is made in it".into(),
        Refusal::PodInvalid { detail } => format!("the pod is invalid: {detail}"),
        Refusal::NoLongerRefused { refusal } => {
            format!("refused when it was tried last, for a cause that is gone by now: {refusal}")
        }
        Refusal::Refused { refusal } => format!("the API server refused it: {refusal}"),
    }
}

/// What to do about it; nothing where nothing is known to help.
pub(super) fn remedies(refusal: &Refusal, target: &Target<'_>) -> Vec<Remedy> {
    remedies::of(refusal, target)
}

fn share(share: &QuotaShare) -> String {
    let QuotaShare { resource, requested, used, limited } = share;
    format!("{resource}: one more pod needs {requested}, {used} of {limited} used")
}

fn unspecified(missing: &Unspecified, names: ListLength) -> String {
    match missing.containers.as_slice() {
        [] => missing.resource.clone(),
        containers => format!("{} (not stated by {})", missing.resource, names.list(containers)),
    }
}

fn limit_range(refusal: &Refusal) -> String {
    let Refusal::LimitRange { limit_range, per, container, resource, bound, allowed, of, found } = refusal else {
        return short(refusal);
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
        Some(found) if *of == "ratio" => format!("{rule}; for {subject} it is {found} times"),
        Some(found) => format!("{rule}; the {of} of {subject} is {found}"),
        None => format!("{rule}; {subject} has no {of} for it"),
    }
}

#[cfg(test)]
mod tests;
