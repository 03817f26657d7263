//! What the API server makes of a daemon pod before it is stored, and why it refuses one.

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::snapshot::facts::Facts;
use crate::snapshot::full_pod::FullPod;

/// A pod that does not exist, as the API server would make it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    /// The pod.
    pub(crate) pod: FullPod,
    /// What may be different in truth, as it could not be read: one sentence each.
    pub(crate) doubts: Vec<String>,
}

/// The pod that the DaemonSet's template would become for this node.
pub(crate) fn make(daemon_set: &DaemonSet, _node: &str, _facts: &Facts) -> Made {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    Made { pod: FullPod::of_template(namespace, &daemon_set.spec.template), doubts: Vec::new() }
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) enum Refusal {}
pub(crate) struct EventRefusal {
    pub(crate) text: String,
    pub(crate) count: i32,
    pub(crate) last_seen: Option<jiff::Timestamp>,
}
pub(crate) enum Outcome {
    Pass,
    Fail(Vec<Refusal>),
    Unknown { missing: String },
}
pub(crate) struct AdmissionCheck {
    pub(crate) check: &'static str,
    pub(crate) outcome: Outcome,
}
pub(crate) fn checks(_: &DaemonSet, _: &Made, _: &Facts, _: Option<&EventRefusal>) -> Vec<AdmissionCheck> {
    Vec::new()
}
pub(crate) fn make_like(p: &FullPod, _: &str) -> FullPod {
    p.clone()
}
pub(crate) struct Needs {
    pub(crate) priority_class: Option<String>,
    pub(crate) runtime_class: Option<String>,
}
pub(crate) fn needs(_: &DaemonSet) -> Needs {
    Needs { priority_class: None, runtime_class: None }
}
