//! A spread that would become uneven.

use serde::Serialize;

/// Why a constraint rejects the node. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum SpreadRejection {
    /// The node lacks the label by which pods are to be spread.
    TopologySpreadLabel {
        /// The key of the label.
        topology_key: String,
    },
    /// With the pod, the skew of the node's domain would exceed `maxSkew`.
    TopologySpread {
        /// The key of the label that defines the domains.
        topology_key: String,
        /// The value of the label on the node.
        topology_value: String,
        /// The label selector of the constraint, as kubectl writes it. It applies to the pod's namespace.
        selector: String,
        /// The number of matching pods in the domain.
        matching: usize,
        /// Whether the pod matches the selector.
        self_match: bool,
        /// The lowest number of matching pods in a domain; 0 if there are fewer than `minDomains` domains.
        min_matching: usize,
        /// The number of domains.
        domains: usize,
        /// The number of domains below which the lowest number is taken as 0.
        min_domains: usize,
        /// The allowed difference to the lowest number.
        max_skew: usize,
    },
}
