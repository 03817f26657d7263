//! What the API server makes of a daemon pod before it is stored, and why it refuses one.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `syncNodes` for what the controller sends,
//! `pkg/kubeapiserver/options/plugins.go` for the plugins that are on by default and their order. What webhooks do is
//! only seen in pods that exist: see [`make_like`].

mod amounts;
mod checks;
mod controller;
mod defaults;
mod event_text;
mod limit_range;
mod plugins;
mod pod_level;
mod quota;
mod refusal;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::snapshot::facts::Facts;
use crate::snapshot::full_pod::{FullPod, FullStatus};

pub(crate) use checks::{AdmissionCheck, EventRefusal, Outcome, checks};
pub(crate) use refusal::{Bound, QuotaShare, Refusal, Service, Unspecified};

/// A pod that does not exist, as the API server would make it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    /// The pod.
    pub(crate) pod: FullPod,
    /// Whether it is made after one that exists, which has passed every check.
    pub(crate) is_like_another: bool,
    /// What may be different in truth, as it could not be read: one sentence each.
    pub(crate) doubts: Vec<String>,
}

/// The pod that the DaemonSet's template would become for this node: first the controller's part, then the API
/// server's defaults, then its plugins, then what its registry merges.
pub(crate) fn make(daemon_set: &DaemonSet, node: &str, facts: &Facts) -> Made {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    let mut pod = FullPod::of_template(namespace, &daemon_set.spec.template);
    controller::add_generation(&mut pod, daemon_set);
    controller::add_tolerations(&mut pod.spec);
    controller::pin(&mut pod.spec, node);
    defaults::complete(&mut pod.spec, facts.rules());
    let doubts = plugins::apply(&mut pod, facts);
    pod_level::complete_on_storing(&mut pod.spec, facts.rules());
    pod_level::complete_on_reading(&mut pod.spec, facts.rules());
    defaults::merge_label_keys(&mut pod);
    Made { pod, is_like_another: false, doubts }
}

/// The pod for this node, made from one of the same revision on another node: whatever webhooks did to that one, they
/// would do to this one.
pub(crate) fn make_like(sibling: &FullPod, node: &str) -> FullPod {
    let mut pod = sibling.clone();
    pod.metadata.name.clear();
    pod.metadata.uid.clear();
    pod.metadata.creation_timestamp = None;
    pod.metadata.deletion_timestamp = None;
    pod.spec.node_name.clear();
    controller::pin(&mut pod.spec, node);
    pod.status = FullStatus::default();
    pod
}

/// What the words of a refusal say: at least one refusal.
pub(crate) fn told(daemon_set: &DaemonSet, event: &EventRefusal) -> Vec<Refusal> {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    event_text::read(&event.text, &FullPod::of_template(namespace, &daemon_set.spec.template))
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
