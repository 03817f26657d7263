//! Rows folded by the value of a node label.

use std::collections::BTreeMap;

use super::{Coverage, Row};
use crate::explain::State;
use crate::placement::Placement;

/// The nodes with one value of a label.
#[derive(Debug)]
pub(crate) struct Group<'r, 'a> {
    /// The label's value; none for nodes without the label.
    pub(crate) value: Option<&'a str>,
    /// The nodes on which a pod is wanted.
    pub(crate) desired: usize,
    /// Of these, those with an available one.
    pub(crate) available: usize,
    /// All rows of the group.
    pub(crate) rows: Vec<&'r Row<'a>>,
}

impl Group<'_, '_> {
    /// How many rows are in a state.
    pub(crate) fn in_state(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }
}

/// Groups the rows of all given DaemonSets by a label of their nodes: in the order of the values, nodes without the
/// label last.
pub(crate) fn by_label<'r, 'a>(coverages: &'r [Coverage<'a>], label: &str) -> Vec<Group<'r, 'a>> {
    let mut groups: BTreeMap<(bool, Option<&'a str>), Vec<&'r Row<'a>>> = BTreeMap::new();
    for row in coverages.iter().flat_map(|coverage| &coverage.rows) {
        let value = row.labels.and_then(|labels| labels.get(label)).map(String::as_str);
        groups.entry((value.is_none(), value)).or_default().push(row);
    }
    let group = |((_, value), rows): (_, Vec<&'r Row<'a>>)| {
        let wanted = || rows.iter().filter(|row| row.placement == Some(Placement::Run));
        Group { value, desired: wanted().count(), available: wanted().filter(|row| row.is_available).count(), rows }
    };
    groups.into_iter().map(group).collect()
}
