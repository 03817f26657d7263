//! The order in which nodes are processed.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::observation::NodeView;

/// The node label of the zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The order of the nodes. Ties are resolved by name, so that two runs choose the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By node name.
    Name,
    /// By the age of the pod, the oldest first.
    Oldest,
    /// Alternating between the values of this node label. Nodes without the label are one group.
    Zone(String),
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text == "name" => Ok(Self::Name),
            None if text == "oldest" => Ok(Self::Oldest),
            None if text == "zone" => Ok(Self::Zone(ZONE.to_owned())),
            Some(("zone", label)) if !label.is_empty() => Ok(Self::Zone(label.to_owned())),
            _ => Err("must be name, oldest, zone or zone=LABEL".into()),
        }
    }
}

impl Order {
    pub(super) fn sort<'s, 'a>(&self, mut nodes: Vec<&'s NodeView<'a>>) -> Vec<&'s NodeView<'a>> {
        nodes.sort_by_key(|node_view| node_view.row.node);
        match self {
            Self::Name => {}
            Self::Oldest => nodes.sort_by_key(|node_view| node_view.created()),
            Self::Zone(label) => return round_robin(nodes, label),
        }
        nodes
    }
}

fn round_robin<'s, 'a>(nodes: Vec<&'s NodeView<'a>>, label: &str) -> Vec<&'s NodeView<'a>> {
    let mut groups: BTreeMap<Option<&str>, Vec<&NodeView<'_>>> = BTreeMap::new();
    for node_view in nodes {
        let zone = node_view.row.labels.and_then(|labels| labels.get(label)).map(String::as_str);
        groups.entry(zone).or_default().push(node_view);
    }
    let longest = groups.values().map(Vec::len).max().unwrap_or_default();
    let round = |index: usize| groups.values().filter_map(move |group| group.get(index).copied());
    (0..longest).flat_map(round).collect()
}
