//! The checks of the API server on one daemon pod, in the order of the server.
//!
//! Each check evaluates the objects that its plugin reads. If the newest FailedCreate event names the plugin, the
//! event's rejection is added, with numbers that are updated from the objects.

use std::mem::discriminant;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, PodSpec};

use super::failed_create_message::{self, FailedCreateEvent};
use super::plugin::AdmissionPlugin;
use super::rejection::AdmissionRejection;
use super::{PredictedPod, limit_range, plugins, quota};
use crate::check_result::CheckResult;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::resource_list::ResourceList;

/// The result of one admission plugin for the predicted pod.
pub(crate) type AdmissionResult = CheckResult<AdmissionRejection>;

/// The result of one plugin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdmissionCheck {
    /// The name of the plugin in Kubernetes.
    pub(crate) plugin: AdmissionPlugin,
    pub(crate) result: AdmissionResult,
    /// The event that names this plugin, if any.
    pub(crate) event: Option<FailedCreateEvent>,
}

/// The result of every check for the predicted pod, in the order of the server.
pub(crate) fn checks(
    daemon_set: &DaemonSet,
    predicted: &PredictedPod,
    cluster_objects: &ClusterObjects,
    failed_create: Option<&FailedCreateEvent>,
) -> Vec<AdmissionCheck> {
    let pod = &predicted.pod;
    let template = daemon_set.spec.template.spec.as_ref();
    let reported = failed_create.map(|event| failed_create_message::read(&event.text, pod)).unwrap_or_default();
    let check = |plugin: AdmissionPlugin| {
        let of_event: Vec<&AdmissionRejection> =
            reported.iter().filter(|rejection| rejection.plugin() == plugin).collect();
        if of_event.is_empty() && plugin.is_optional() {
            return None;
        }
        let result = of_objects(plugin, pod, template, cluster_objects);
        let event = failed_create.filter(|_| !of_event.is_empty());
        let result = match event {
            Some(event) => with_event(result, &of_event, &event.text, pod, cluster_objects),
            None => result,
        };
        Some(AdmissionCheck { plugin, result, event: event.cloned() })
    };
    AdmissionPlugin::ALL.into_iter().filter_map(check).collect()
}

/// The result that follows from the objects that a plugin reads.
fn of_objects(
    plugin: AdmissionPlugin,
    pod: &Pod,
    template: Option<&PodSpec>,
    cluster_objects: &ClusterObjects,
) -> AdmissionResult {
    let namespace = &pod.metadata.namespace;
    match plugin {
        AdmissionPlugin::NamespaceLifecycle => {
            CheckResult::of_known(&cluster_objects.in_namespace(&cluster_objects.namespaces, namespace), |namespaces| {
                lifecycle(namespaces, pod)
            })
        }
        AdmissionPlugin::ServiceAccount => CheckResult::of_known(
            &cluster_objects.in_namespace(&cluster_objects.service_accounts, namespace),
            |accounts| {
                let name = &pod.spec.service_account_name;
                let is_it = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
                    meta.name.as_ref() == Some(name) && meta.namespace.as_ref() == Some(&pod.metadata.namespace)
                };
                let is_there = accounts.iter().any(|account| is_it(&account.metadata));
                missing_if(!is_there, || AdmissionRejection::ServiceAccountMissing { service_account: name.clone() })
            },
        ),
        AdmissionPlugin::Priority => priority(pod, template, cluster_objects),
        AdmissionPlugin::RuntimeClass if pod.spec.runtime_class_name.is_empty() => CheckResult::Pass,
        AdmissionPlugin::RuntimeClass => CheckResult::of_known(&cluster_objects.runtime_classes, |classes| {
            let name = &pod.spec.runtime_class_name;
            match plugins::runtime_class(classes, name) {
                Some(class) => contradictions(class, template),
                None => vec![AdmissionRejection::RuntimeClassMissing { runtime_class: name.clone() }],
            }
        }),
        AdmissionPlugin::Validation => CheckResult::from_reasons(limits_below_requests(pod, template, cluster_objects)),
        AdmissionPlugin::LimitRanger => {
            CheckResult::of_known(&cluster_objects.in_namespace(&cluster_objects.limit_ranges, namespace), |ranges| {
                limit_range::rejections(ranges, pod)
            })
        }
        AdmissionPlugin::ResourceQuota => {
            CheckResult::of_known(&cluster_objects.in_namespace(&cluster_objects.quotas, namespace), |quotas| {
                quota::rejections(quotas, pod)
            })
        }
        // These plugins read nothing that is available here: only an event shows their result.
        AdmissionPlugin::PodNodeSelector
        | AdmissionPlugin::PodTolerationRestriction
        | AdmissionPlugin::MutatingAdmissionPolicy
        | AdmissionPlugin::PodSecurity
        | AdmissionPlugin::PodSecurityPolicy
        | AdmissionPlugin::ImagePolicyWebhook
        | AdmissionPlugin::OwnerReferencesPermissionEnforcement
        | AdmissionPlugin::SecurityContextConstraint
        | AdmissionPlugin::ValidatingAdmissionPolicy
        | AdmissionPlugin::Webhook
        | AdmissionPlugin::Admission => CheckResult::Pass,
    }
}

fn missing_if(is_missing: bool, rejection: impl FnOnce() -> AdmissionRejection) -> Vec<AdmissionRejection> {
    if is_missing { vec![rejection()] } else { Vec::new() }
}

fn namespace_of<'n>(namespaces: &'n [Namespace], pod: &Pod) -> Option<&'n Namespace> {
    namespaces.iter().find(|namespace| namespace.metadata.name.as_ref() == Some(&pod.metadata.namespace))
}

fn lifecycle(namespaces: &[Namespace], pod: &Pod) -> Vec<AdmissionRejection> {
    let phase = namespace_of(namespaces, pod).and_then(|namespace| namespace.status.as_ref()?.phase.as_deref());
    missing_if(phase == Some("Terminating"), || AdmissionRejection::NamespaceTerminating)
}

fn priority(pod: &Pod, template: Option<&PodSpec>, cluster_objects: &ClusterObjects) -> AdmissionResult {
    let named = template.and_then(|spec| spec.priority_class_name.as_deref()).filter(|name| !name.is_empty());
    // A webhook may have set the class of an existing pod. The class existed when that pod was created.
    let name = named.unwrap_or(&pod.spec.priority_class_name);
    let stated = template.and_then(|spec| spec.priority);
    let mismatch = |computed: i32| {
        let stated = stated.filter(|stated| *stated != computed);
        let rejection = |stated: i32| AdmissionRejection::PriorityMismatch {
            stated: stated.to_string(),
            computed: computed.to_string(),
        };
        CheckResult::from_reasons(stated.map(rejection).into_iter().collect())
    };
    if let Some(value) = plugins::built_in_priority(name) {
        return mismatch(value);
    }
    match (&cluster_objects.priority_classes, name) {
        (Known::Unknown(_), "") => CheckResult::Pass,
        (Known::Unknown(why), _) => CheckResult::Unknown { missing: why.clone() },
        (Known::Known(_), "") => mismatch(0),
        (Known::Known(classes), name) => match plugins::priority_of(classes, name) {
            Some((value, _)) => mismatch(value),
            None => {
                CheckResult::Fail(vec![AdmissionRejection::PriorityClassMissing { priority_class: name.to_owned() }])
            }
        },
    }
}

/// Where the template contradicts its RuntimeClass.
fn contradictions(
    class: &k8s_openapi::api::node::v1::RuntimeClass,
    template: Option<&PodSpec>,
) -> Vec<AdmissionRejection> {
    let selector = template.and_then(|spec| spec.node_selector.clone()).unwrap_or_default();
    let wanted = class.scheduling.iter().flat_map(|scheduling| scheduling.node_selector.iter().flatten());
    let mut rejections: Vec<AdmissionRejection> = wanted
        .filter_map(|(key, class_value)| {
            let pod_value = selector.get(key).filter(|value| *value != class_value)?;
            Some(AdmissionRejection::RuntimeClassConflict {
                key: key.clone(),
                class_value: class_value.clone(),
                pod_value: pod_value.clone(),
            })
        })
        .collect();
    let quantities = |list: ResourceList| -> super::resources::ResourceSums {
        list.into_iter().map(|(resource, amount)| (resource, amount.quantity())).collect()
    };
    let stated = quantities(plugins::amounts(template.and_then(|spec| spec.overhead.as_ref())));
    let fixed = class.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.as_ref());
    if !stated.is_empty() && stated != quantities(plugins::amounts(fixed)) {
        rejections.push(AdmissionRejection::OverheadMismatch);
    }
    rejections
}

/// Containers that request more than their limit. The API server rejects a template that states both, so the limit
/// comes from a LimitRange or a webhook.
fn limits_below_requests(
    pod: &Pod,
    template: Option<&PodSpec>,
    cluster_objects: &ClusterObjects,
) -> Vec<AdmissionRejection> {
    let ranges = cluster_objects.limit_ranges.known().map_or(&[][..], Vec::as_slice);
    let ranges = plugins::ranges_of(ranges, &pod.metadata.namespace);
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let mut rejections = Vec::new();
    for container in containers {
        let Some(resources) = &container.resources else {
            continue;
        };
        for (resource, limit) in &resources.limits {
            let Some(request) = resources.requests.get(resource) else {
                continue;
            };
            if request.quantity() > limit.quantity() {
                let is_stated = template.is_some_and(|spec| states_limit(spec, &container.name, resource));
                let range = ranges.iter().find(|range| gives_limit(range, resource)).filter(|_| !is_stated);
                rejections.push(AdmissionRejection::LimitBelowRequest {
                    container: container.name.clone(),
                    resource: resource.clone(),
                    request: request.text.clone(),
                    limit: limit.text.clone(),
                    limit_range: range.and_then(|range| range.metadata.name.clone()),
                });
            }
        }
    }
    rejections
}

fn states_limit(spec: &PodSpec, container: &str, resource: &str) -> bool {
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    containers.any(|one| {
        let limits = one.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        one.name == container && limits.is_some_and(|limits| limits.contains_key(resource))
    })
}

fn gives_limit(range: &LimitRange, resource: &str) -> bool {
    let items = range.spec.iter().flat_map(|spec| &spec.limits).filter(|item| item.type_ == "Container");
    items.into_iter().any(|item| item.default.as_ref().is_some_and(|default| default.contains_key(resource)))
}

/// Adds the rejections of the event. Where the objects show the same kind of rejection, theirs is kept: its numbers are
/// newer.
fn with_event(
    of_objects: AdmissionResult,
    reported: &[&AdmissionRejection],
    text: &str,
    pod: &Pod,
    cluster_objects: &ClusterObjects,
) -> AdmissionResult {
    let mut rejections = match of_objects {
        CheckResult::Fail(rejections) => rejections,
        CheckResult::Pass | CheckResult::Unknown { .. } => Vec::new(),
    };
    let is_empty = rejections.is_empty();
    for rejection in reported {
        let is_known = rejections.iter().any(|one| discriminant(one) == discriminant(*rejection));
        match refresh(rejection, pod, cluster_objects) {
            Some(rejection) if !is_known => rejections.push(rejection),
            None if is_empty && rejections.is_empty() => {
                rejections.push(AdmissionRejection::NoLongerRejected { rejection: text.to_owned() });
            }
            _ => {}
        }
    }
    CheckResult::Fail(rejections)
}

/// The rejection with current numbers, or none if its cause is certainly gone. That the predicted pod passes proves
/// nothing: a webhook may have changed the pod that was rejected.
fn refresh(rejection: &AdmissionRejection, pod: &Pod, cluster_objects: &ClusterObjects) -> Option<AdmissionRejection> {
    let same = || Some(rejection.clone());
    let unless = |is_gone: Option<bool>| if is_gone == Some(true) { None } else { same() };
    let namespace = &pod.metadata.namespace;
    let quotas = cluster_objects.in_namespace(&cluster_objects.quotas, namespace);
    let limit_ranges = cluster_objects.in_namespace(&cluster_objects.limit_ranges, namespace);
    let own_quotas = || quotas.known().map(|quotas| quota::of_namespace(quotas, namespace));
    let has_name = |name: &str, one: &Option<String>| one.as_deref() == Some(name);
    match rejection {
        AdmissionRejection::QuotaExceeded { quota, resources } => {
            let Some(quotas) = own_quotas() else {
                return same();
            };
            let now = quotas.into_iter().find(|one| has_name(quota, &one.metadata.name))?;
            let resources = quota::still_short(now, resources);
            (!resources.is_empty()).then(|| AdmissionRejection::QuotaExceeded { quota: quota.clone(), resources })
        }
        AdmissionRejection::QuotaRequestMissing { quota, missing } => {
            let own = |name: &String| {
                pod.spec.containers.iter().chain(&pod.spec.init_containers).any(|container| container.name == *name)
            };
            // For these containers, the objects already gave the complete answer.
            let are_own = missing.iter().all(|one| !one.containers.is_empty() && one.containers.iter().all(own));
            let is_there = own_quotas().map(|all| all.iter().any(|one| has_name(quota, &one.metadata.name)));
            unless(is_there.map(|is_there| !is_there || are_own))
        }
        AdmissionRejection::QuotaStatusMissing { .. } => unless(quotas.known().map(|_| true)),
        AdmissionRejection::LimitRange { .. } => {
            unless(limit_ranges.known().map(|ranges| plugins::ranges_of(ranges, namespace).is_empty()))
        }
        AdmissionRejection::PodSecurity { .. } => {
            let enforced = |namespace: &Namespace| {
                namespace.metadata.labels.as_ref()?.get("pod-security.kubernetes.io/enforce").cloned()
            };
            let own = cluster_objects.namespaces.known().and_then(|all| namespace_of(all, pod)).and_then(enforced);
            unless(own.map(|level| level == "privileged"))
        }
        AdmissionRejection::PriorityClassMissing { priority_class: name } => {
            let classes = cluster_objects.priority_classes.known();
            unless(classes.map(|all| all.iter().any(|one| has_name(name, &one.metadata.name))))
        }
        AdmissionRejection::RuntimeClassMissing { runtime_class: name } => {
            let classes = cluster_objects.runtime_classes.known();
            unless(classes.map(|all| plugins::runtime_class(all, name).is_some()))
        }
        AdmissionRejection::ServiceAccountMissing { service_account: name } => {
            let is_own = |one: &k8s_openapi::api::core::v1::ServiceAccount| {
                has_name(name, &one.metadata.name) && has_name(namespace, &one.metadata.namespace)
            };
            unless(cluster_objects.service_accounts.known().map(|all| all.iter().any(is_own)))
        }
        // Nothing that was read shows whether the cause is gone.
        AdmissionRejection::QuotaUncovered { .. }
        | AdmissionRejection::LimitBelowRequest { .. }
        | AdmissionRejection::PriorityMismatch { .. }
        | AdmissionRejection::RuntimeClassConflict { .. }
        | AdmissionRejection::OverheadMismatch
        | AdmissionRejection::WebhookDenied { .. }
        | AdmissionRejection::WebhookFailed { .. }
        | AdmissionRejection::WebhooksTooSlow { .. }
        | AdmissionRejection::PatchNotApplicable { .. }
        | AdmissionRejection::ImagePolicy { .. }
        | AdmissionRejection::PodSecurityPolicy { .. }
        | AdmissionRejection::PriorityNotPermitted { .. }
        | AdmissionRejection::NamespaceMissing { .. }
        | AdmissionRejection::NameTaken { .. }
        | AdmissionRejection::ControlPlane { .. }
        | AdmissionRejection::ControllerForbidden { .. }
        | AdmissionRejection::OwnerReferenceForbidden { .. }
        | AdmissionRejection::PolicyDenied { .. }
        | AdmissionRejection::NamespaceSelectorConflict { .. }
        | AdmissionRejection::NamespaceTolerations { .. }
        | AdmissionRejection::SecurityContextConstraints { .. }
        | AdmissionRejection::NamespaceTerminating
        | AdmissionRejection::PodInvalid { .. }
        | AdmissionRejection::NoLongerRejected { .. }
        | AdmissionRejection::Rejected { .. } => same(),
    }
}

#[cfg(test)]
mod tests;
