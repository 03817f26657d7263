//! Pods that are in the way, or missing.

use serde::Serialize;

use crate::scheduling::node_pod::OtherPod;

/// Which pods are in the way, or missing. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum AffinityRejection {
    /// The node lacks the label by which the required pod affinity says what is near.
    PodAffinityTopologyKey {
        /// The key of the label.
        topology_key: String,
    },
    /// No pod that the required pod affinity asks for is near.
    PodAffinity {
        /// The terms: one pod has to meet all of them.
        required: Vec<Selected>,
        /// The label that says what is near.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
    },
    /// A pod that the pod's own required anti-affinity keeps away from is near.
    PodAntiAffinity {
        /// The term.
        term: Selected,
        /// The label that says what is near.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
        /// The pods in the way.
        pods: Vec<OtherPod>,
    },
    /// The required anti-affinity of pods near by keeps the pod away.
    ExistingPodsAntiAffinity {
        /// Their term, which the pod meets.
        term: Selected,
        /// The label that says what is near.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
        /// The pods that have the term.
        pods: Vec<OtherPod>,
    },
}

/// Which pods a term speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Selected {
    /// The label selector, as kubectl writes it: empty for every pod, none for no pod at all.
    pub(crate) selector: Option<String>,
    /// The namespaces by their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) namespaces: Vec<String>,
    /// The namespaces by their labels besides: empty for every namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace_selector: Option<String>,
}
