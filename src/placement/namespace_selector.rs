//! The addition of OpenShift to the rule: the node selector of the namespace must match, too.
//!
//! Upstream: OpenShift's `pkg/controller/daemon/patch_nodeselector.go`. Kubernetes itself has no such rule.

use kube::core::Selector;

use super::failure::PlacementFailure;
use crate::snapshot::{Node, OpenShift, selector};

const KUBE_ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
const OPENSHIFT_ANNOTATION: &str = "openshift.io/node-selector";

/// The node selector of a namespace.
#[derive(Clone, Debug, Default)]
pub(crate) enum NamespaceSelector {
    /// All nodes: the cluster is not OpenShift, or the selector is empty or invalid.
    #[default]
    Any,
    Labels(Selector),
    /// The namespace does not exist: no node matches.
    Missing,
}

impl NamespaceSelector {
    /// The selector of a namespace: its own annotation, or the default of the cluster.
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
