//! Why a node is not eligible.

use serde::Serialize;

use crate::snapshot::Taint;
use crate::snapshot::shared::Shared;

/// Why a node is not required: one value for every obstacle, with what was found there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum PlacementFailure {
    /// `template.spec.nodeName` names another node.
    NodeName {
        /// The node that the template names.
        required: String,
    },
    /// A pair of `template.spec.nodeSelector` that the node's labels do not hold.
    NodeSelector {
        /// The label's key.
        key: String,
        /// The value that the selector wants.
        required: String,
        /// The node's value; none when it has no such label.
        found: Option<String>,
    },
    /// No term of the required node affinity matches.
    NodeAffinity {
        /// Each usable term with what it missed; none when there is no usable term at all.
        terms: Shared<Vec<TermMismatch>>,
    },
    /// The labels that the namespace asks for, on OpenShift.
    NamespaceSelector {
        /// The selector.
        selector: String,
    },
    /// The namespace is not there, on OpenShift.
    NamespaceMissing,
    /// A `NoSchedule` or `NoExecute` taint that no toleration covers.
    Taint {
        /// The taint.
        #[serde(serialize_with = "taint_as_text")]
        taint: Taint,
    },
}

fn taint_as_text<S: serde::Serializer>(taint: &Taint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(taint)
}

/// A term of the affinity and what it missed on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TermMismatch {
    /// Why the term can never match; then nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invalid: Option<String>,
    /// The requirements that the node does not meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mismatches: Vec<Requirement>,
}

/// A requirement and what the node has instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requirement {
    /// The label's key, or `metadata.name`.
    pub(crate) key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    pub(crate) operator: String,
    /// The values that the operator takes.
    pub(crate) values: Vec<String>,
    /// The node's value; none when it has no such label.
    pub(crate) found: Option<String>,
}
