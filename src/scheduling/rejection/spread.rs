//! A spread that would become uneven.

use serde::Serialize;

/// What the spread would be. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum SpreadRejection {
    /// The node lacks the label by which pods are to be spread.
    TopologySpreadLabel {
        /// The key of the label.
        topology_key: String,
    },
    /// With the pod, the node's domain would have too many of such pods more than the one that has fewest.
    TopologySpread {
        /// The label that makes the domains.
        topology_key: String,
        /// The node's value of it.
        topology_value: String,
        /// Such pods, as kubectl writes selectors; in the pod's own namespace.
        selector: String,
        /// How many of them are in the domain already.
        matching: usize,
        /// Whether the pod is one of them.
        self_match: bool,
        /// How many the domain with the fewest has; none while there are fewer domains than `minDomains`.
        min_matching: usize,
        /// How many domains count.
        domains: usize,
        /// How many there must be for `fewest` to be more than none.
        min_domains: usize,
        /// How many more than `fewest` are allowed.
        max_skew: usize,
    },
}
