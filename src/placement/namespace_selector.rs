//! OpenShift's addition to the rule: the node selector of the namespace must match too.
//!
//! Upstream: OpenShift's `pkg/controller/daemon/patch_nodeselector.go`. Plain Kubernetes has nothing of it.

use kube::core::Selector;

use super::failure::PlacementFailure;
use crate::snapshot::{Node, OpenShift, selector};

const KUBE_ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
const OPENSHIFT_ANNOTATION: &str = "openshift.io/node-selector";

/// What a namespace asks of the nodes for its daemon pods.
#[derive(Clone, Debug, Default)]
pub(crate) enum NamespaceSelector {
    /// Nothing: any cluster that is not OpenShift, an empty selector, or one that cannot be understood.
    #[default]
    Any,
    /// These labels.
    Labels(Selector),
    /// The namespace is gone, and with it every node.
    Missing,
}

impl NamespaceSelector {
    /// Reads what applies to a namespace: its own annotation, else the cluster's default.
    pub(crate) fn new(openshift: Option<&OpenShift>, name: &str) -> Self {
        let Some(openshift) = openshift else {
            return Self::Any;
        };
        let is_named =
            |namespace: &&k8s_openapi::api::core::v1::Namespace| namespace.metadata.name.as_deref() == Some(name);
        let Some(namespace) = openshift.namespaces.iter().find(is_named) else {
            return Self::Missing;
        };
        let annotation = |key| namespace.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
        let text = annotation(KUBE_ANNOTATION)
            .or_else(|| annotation(OPENSHIFT_ANNOTATION))
            .unwrap_or(&openshift.default_node_selector);
        match selector::parse(text) {
            Ok(selector) if !selector.selects_all() => Self::Labels(selector),
            _ => Self::Any,
        }
    }

    pub(super) fn failure(&self, node: &Node) -> Option<PlacementFailure> {
        match self {
            Self::Any => None,
            Self::Missing => Some(PlacementFailure::NamespaceMissing),
            Self::Labels(selector) => (!selector::matches(selector, &node.metadata.labels))
                .then(|| PlacementFailure::NamespaceSelector { selector: selector.to_string() }),
        }
    }
}
