//! Which node comes first.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::look::Spot;

/// The label of a node that names its zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The order of the nodes; where it leaves a choice, the name decides, so that two runs choose the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By the name of the node.
    Name,
    /// The oldest pod first.
    Oldest,
    /// One node of each value of this label in turn; nodes without it are a group of their own.
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
            _ => Err("name, oldest, zone or zone=LABEL is wanted".into()),
        }
    }
}

impl Order {
    /// Puts the nodes in order.
    pub(super) fn sort<'s, 'a>(&self, mut spots: Vec<&'s Spot<'a>>) -> Vec<&'s Spot<'a>> {
        spots.sort_by_key(|spot| spot.row.node);
        match self {
            Self::Name => {}
            Self::Oldest => spots.sort_by_key(|spot| spot.created()),
            Self::Zone(label) => return in_turn(spots, label),
        }
        spots
    }
}

fn in_turn<'s, 'a>(spots: Vec<&'s Spot<'a>>, label: &str) -> Vec<&'s Spot<'a>> {
    let mut groups: BTreeMap<Option<&str>, Vec<&Spot<'_>>> = BTreeMap::new();
    for spot in spots {
        let zone = spot.row.labels.and_then(|labels| labels.get(label)).map(String::as_str);
        groups.entry(zone).or_default().push(spot);
    }
    let longest = groups.values().map(Vec::len).max().unwrap_or_default();
    let round = |index: usize| groups.values().filter_map(move |group| group.get(index).copied());
    (0..longest).flat_map(round).collect()
}
