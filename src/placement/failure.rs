//! Why a node is not eligible.

use serde::Serialize;

use crate::snapshot::Taint;
use crate::snapshot::shared::Shared;

/// Why a node is not eligible: one value for each obstacle, with the node's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum PlacementFailure {
    /// `template.spec.nodeName` names another node.
    NodeName {
        /// The node that the template names.
        required: String,
    },
    /// A pair of `template.spec.nodeSelector` that does not match the node's labels.
    NodeSelector {
        /// The key of the label.
        key: String,
        /// The value in the selector.
        required: String,
        /// The value on the node; none if the node does not have the label.
        found: Option<String>,
    },
    /// No term of the required node affinity matches.
    NodeAffinity {
        /// Each term that is not empty, with its mismatches. Empty if there is no such term.
        terms: Shared<Vec<TermMismatch>>,
    },
    /// The labels that the namespace asks for, on OpenShift.
    NamespaceSelector {
        /// The selector.
        selector: String,
    },
    /// The namespace does not exist (OpenShift).
    NamespaceMissing,
    /// A `NoSchedule` or `NoExecute` taint that no toleration matches.
    Taint {
        /// As `kubectl` writes it: `key=value:effect`.
        #[serde(serialize_with = "taint_as_text")]
        #[cfg_attr(test, schemars(with = "String"))]
        taint: Taint,
    },
}

fn taint_as_text<S: serde::Serializer>(taint: &Taint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(taint)
}

/// A term of the affinity and its mismatches on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TermMismatch {
    /// Why the term is invalid; then it was not compared with the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invalid: Option<String>,
    /// The requirements that the node does not satisfy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mismatches: Vec<Requirement>,
}

/// A requirement and what the node has instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requirement {
    /// The key of the label, or `metadata.name`.
    pub(crate) key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    pub(crate) operator: String,
    pub(crate) values: Vec<String>,
    /// The value on the node; none if the node does not have the label.
    pub(crate) found: Option<String>,
}
