//! Pods that are in the way, or missing.

use serde::Serialize;

use crate::scheduling::node_pod::OtherPod;

/// Which pods conflict or are missing. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum AffinityRejection {
    /// The node lacks the label by which the required pod affinity says what is near.
    PodAffinityTopologyKey {
        /// The key of the label.
        topology_key: String,
    },
    /// No pod in the node's topology domain matches the required pod affinity.
    PodAffinity {
        /// The terms. One pod must match all of them.
        required: Vec<Selected>,
        /// The key of the label that defines the domain.
        topology_key: String,
        /// The value of the label on the node.
        topology_value: String,
    },
    /// A pod in the node's topology domain matches the pod's own required anti-affinity.
    PodAntiAffinity {
        /// The term.
        term: Selected,
        /// The key of the label that defines the domain.
        topology_key: String,
        /// The value of the label on the node.
        topology_value: String,
        /// The pods that match.
        pods: Vec<OtherPod>,
    },
    /// The required anti-affinity of pods in the node's topology domain matches the pod.
    ExistingPodsAntiAffinity {
        /// The term of these pods.
        term: Selected,
        /// The key of the label that defines the domain.
        topology_key: String,
        /// The value of the label on the node.
        topology_value: String,
        /// The pods that have the term.
        pods: Vec<OtherPod>,
    },
}

/// The pods that a term applies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Selected {
    /// The label selector as kubectl writes it: empty for every pod, none for no pod.
    pub(crate) selector: Option<String>,
    /// The namespaces by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) namespaces: Vec<String>,
    /// Additional namespaces by label: empty for every namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace_selector: Option<String>,
}
