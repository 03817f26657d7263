//! What the API server makes of a daemon pod before it is stored, and why it refuses one.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `syncNodes` for what the controller sends,
//! `pkg/kubeapiserver/options/plugins.go` for the plugins that are on by default and their order. What webhooks do is
//! only seen in pods that exist: see [`predict_from`].

mod checks;
mod daemonset_template;
mod defaults;
mod failed_create_message;
mod limit_range;
mod plugin;
mod plugins;
mod pod_level_resources;
mod quota;
mod rejection;
mod resources;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::{Pod, PodStatus};

pub(crate) use checks::{AdmissionCheck, checks};
pub(crate) use failed_create_message::FailedCreateEvent;
pub(crate) use plugin::AdmissionPlugin;
pub(crate) use rejection::{AdmissionRejection, Bound, Measure, MissingQuotaRequest, PolicyKind, QuotaUsage, Service};

/// A pod that does not exist, as the API server would make it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PredictedPod {
    /// The pod.
    pub(crate) pod: Pod,
    /// Whether it is made after one that exists, which has passed every check.
    pub(crate) from_existing: bool,
    /// What may be different in truth, as it could not be read: one sentence each.
    pub(crate) assumptions: Vec<String>,
}

/// The pod that the DaemonSet's template would become for this node: first the controller's part, then the API
/// server's defaults, then its plugins, then what its registry merges.
pub(crate) fn predict(daemon_set: &DaemonSet, node: &str, facts: &ClusterObjects) -> PredictedPod {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    let mut pod = Pod::from_template(namespace, &daemon_set.spec.template);
    daemonset_template::add_generation(&mut pod, daemon_set);
    daemonset_template::add_tolerations(&mut pod.spec);
    daemonset_template::pin(&mut pod.spec, node);
    defaults::complete(&mut pod.spec, facts.kube_minor_or_default());
    let assumptions = plugins::apply(&mut pod, facts);
    pod_level_resources::complete_on_storing(&mut pod.spec, facts.kube_minor_or_default());
    pod_level_resources::complete_on_reading(&mut pod.spec, facts.kube_minor_or_default());
    defaults::merge_label_keys(&mut pod);
    PredictedPod { pod, from_existing: false, assumptions }
}

/// The pod for this node, made from one of the same revision on another node: whatever webhooks did to that one, they
/// would do to this one.
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

/// What the words of a refusal say: at least one refusal.
pub(crate) fn parse_rejections(daemon_set: &DaemonSet, event: &FailedCreateEvent) -> Vec<AdmissionRejection> {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    failed_create_message::read(&event.text, &Pod::from_template(namespace, &daemon_set.spec.template))
}

/// What has to be read for a DaemonSet, besides the limit ranges and the quotas of its namespace, which always are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The namespace, itself and as the place of the others.
    pub(crate) namespace: String,
    /// The service account.
    pub(crate) service_account: String,
    /// The priority class, if one is named that is not built in.
    pub(crate) priority_class: Option<String>,
    /// The runtime class, if one is named.
    pub(crate) runtime_class: Option<String>,
}

/// What admission reads for pods of this DaemonSet.
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
