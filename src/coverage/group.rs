//! Rows grouped by the value of a node label (`--by`).

use std::collections::BTreeMap;

use super::{Coverage, NodeCoverage};
use crate::explain::State;
use crate::explain::pod::is_ready;
use crate::placement::Placement;

/// The nodes with one value of a label.
#[derive(Debug)]
pub(crate) struct Group<'r, 'a> {
    /// `None` for nodes without the label.
    pub(crate) value: Option<&'a str>,
    /// Eligible nodes; `None` if nodes could not be read.
    pub(crate) desired: Option<usize>,
    /// Of these, nodes with a pod; `None` if nodes or pods could not be read.
    pub(crate) current: Option<usize>,
    /// Of these, nodes with an available pod.
    pub(crate) available: Option<usize>,
    /// Of these, nodes with a ready pod.
    pub(crate) ready: Option<usize>,
    pub(crate) rows: Vec<&'r NodeCoverage<'a>>,
}

impl Group<'_, '_> {
    pub(crate) fn in_state(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }
}

/// Groups the rows of all DaemonSets by a node label, sorted by value, nodes without the label last. Only rows for
/// which `is_shown` is true count.
pub(crate) fn by_label<'r, 'a>(
    coverages: &'r [Coverage<'a>],
    label: &str,
    is_shown: impl Fn(&NodeCoverage<'a>) -> bool,
) -> Vec<Group<'r, 'a>> {
    let mut groups: BTreeMap<(bool, Option<&'a str>), Vec<&'r NodeCoverage<'a>>> = BTreeMap::new();
    for row in coverages.iter().flat_map(|coverage| &coverage.rows).filter(|row| is_shown(row)) {
        let value = row.labels.and_then(|labels| labels.get(label)).map(String::as_str);
        groups.entry((value.is_none(), value)).or_default().push(row);
    }
    groups.into_iter().map(|((_, value), rows)| Group::new(value, rows)).collect()
}

impl<'r, 'a> Group<'r, 'a> {
    fn new(value: Option<&'a str>, rows: Vec<&'r NodeCoverage<'a>>) -> Self {
        let knows_nodes = rows.iter().all(|row| row.placement.is_some());
        let knows_pods = knows_nodes && rows.iter().all(|row| row.state != State::Unknown);
        let wanted = || rows.iter().filter(|row| row.placement == Some(Placement::Run));
        let first_pods = || wanted().filter_map(|row| row.pods.first());
        Self {
            value,
            desired: knows_nodes.then(|| wanted().count()),
            current: knows_pods.then(|| first_pods().count()),
            available: knows_pods.then(|| wanted().filter(|row| row.is_available).count()),
            ready: knows_pods.then(|| first_pods().filter(|pod| is_ready(pod)).count()),
            rows,
        }
    }
}
