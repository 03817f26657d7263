//! Predicts the pod that the API server would create, and why the server would reject it.
//!
//! Input: a DaemonSet, a node and the objects that admission reads. [`predict`] applies what the controller adds
//! (`daemonset_template`), the defaults (`defaults`), the plugins that change the pod (`plugins`) and the pod-level resources
//! (`pod_level_resources`). [`checks()`] then runs the checks of the plugins that reject pods (`limit_range` and `quota` have files
//! of their own) and combines them with the newest FailedCreate event, which `failed_create_message` parses. The result is a list
//! of [`AdmissionRejection`] values; the renderer writes the sentences.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `syncNodes` for the pod that the controller sends,
//! `pkg/kubeapiserver/options/plugins.go` for the default plugins and their order. The effect of webhooks is visible
//! only in pods that exist: see [`predict_from`].

mod checks;
mod daemonset_template;
mod defaults;
mod failed_create_message;
mod limit_range;
mod plugin;
mod plugins;
mod pod_level_resources;
pub(crate) mod pod_manifest;
mod quota;
mod rejection;
mod resources;
mod template_change;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::{Pod, PodStatus};

pub(crate) use checks::{AdmissionCheck, checks};
pub(crate) use failed_create_message::FailedCreateEvent;
pub(crate) use plugin::AdmissionPlugin;
pub(crate) use quota::{quota_in_force, quota_room, quotas_with};
pub(crate) use rejection::{
    AdmissionRejection, Bound, ControlPlaneProblem, Measure, MissingQuotaRequest, PolicyKind, QuotaUsage, Service,
    WebhookFailure,
};
pub(crate) use template_change::with_template_change;

/// A pod that does not exist, as the API server would create it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PredictedPod {
    pub(crate) pod: Pod,
    /// Whether it is derived from an existing pod, which has passed every check.
    pub(crate) from_existing: bool,
    /// What could not be read and may therefore differ from the real pod: one sentence each.
    pub(crate) assumptions: Vec<String>,
}

/// The pod that the DaemonSet's template would become on this node: the controller's additions first, then the API
/// server's defaults, its plugins, and the label keys that its registry merges.
pub(crate) fn predict(daemon_set: &DaemonSet, node: &str, cluster_objects: &ClusterObjects) -> PredictedPod {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    let mut pod = Pod::from_template(namespace, &daemon_set.spec.template);
    daemonset_template::add_generation(&mut pod, daemon_set);
    daemonset_template::add_tolerations(&mut pod.spec);
    daemonset_template::pin(&mut pod.spec, node);
    defaults::complete(&mut pod.spec, cluster_objects.kube_minor_or_default());
    let assumptions = plugins::apply(&mut pod, cluster_objects);
    pod_level_resources::complete_on_storing(&mut pod.spec, cluster_objects.kube_minor_or_default());
    pod_level_resources::complete_on_reading(&mut pod.spec, cluster_objects.kube_minor_or_default());
    defaults::merge_label_keys(&mut pod);
    PredictedPod { pod, from_existing: false, assumptions }
}

/// The pod for this node, derived from a pod of the same revision on another node: it already has the changes that
/// webhooks make.
pub(crate) fn predict_from(sibling: &Pod, node: &str) -> Pod {
    let mut pod = sibling.clone();
    pod.metadata.name.clear();
    pod.metadata.uid.clear();
    pod.metadata.creation_timestamp = None;
    pod.metadata.deletion_timestamp = None;
    pod.spec.node_name.clear();
    daemonset_template::pin(&mut pod.spec, node);
    pod.status = PodStatus::default();
    pod
}

/// Parses the message of an event into its rejections: at least one.
pub(crate) fn parse_rejections(daemon_set: &DaemonSet, event: &FailedCreateEvent) -> Vec<AdmissionRejection> {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    failed_create_message::read(&event.text, &Pod::from_template(namespace, &daemon_set.spec.template))
}

/// Parses the server's message about a pod that it rejects: at least one rejection.
pub(crate) fn read_rejection(message: &str, pod: &Pod) -> Vec<AdmissionRejection> {
    failed_create_message::read(message, pod)
}

/// Which objects must be read for a DaemonSet. The LimitRanges and quotas of its namespace are always read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The namespace itself is read, and so are the namespaced objects in it.
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    /// The priority class, if the template names one that is not built in.
    pub(crate) priority_class: Option<String>,
    pub(crate) runtime_class: Option<String>,
}

pub(crate) fn needs(daemon_set: &DaemonSet) -> Needs {
    let spec = daemon_set.spec.template.spec.as_ref();
    let named = |name: Option<&String>| name.filter(|name| !name.is_empty()).cloned();
    let account = named(spec.and_then(|spec| spec.service_account_name.as_ref()));
    let class = named(spec.and_then(|spec| spec.priority_class_name.as_ref()));
    Needs {
        namespace: daemon_set.metadata.namespace.clone().unwrap_or_default(),
        service_account: account.unwrap_or_else(|| plugins::DEFAULT_SERVICE_ACCOUNT.to_owned()),
        priority_class: class.filter(|class| plugins::built_in_priority(class).is_none()),
        runtime_class: named(spec.and_then(|spec| spec.runtime_class_name.as_ref())),
    }
}
