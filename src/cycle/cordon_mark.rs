//! The label on a node that shows for which DaemonSet a run has cordoned it. Only such a node is uncordoned, also by a
//! later run after this one was killed.
//!
//! It is a label, because lists contain the labels of all nodes, and the annotations of a node can be large.

use super::lock::fnv_1a;
use crate::snapshot::Snapshot;

/// The label.
pub(crate) const CORDONED_FOR: &str = "kubectl-ds/cordoned-for";

/// The maximum length of a label value.
const LONGEST_VALUE: usize = 63;

/// The value of the label. It is valid for every DaemonSet, and unique: a namespace contains no dot. A value that would
/// be too long is a hash, which contains no dot.
pub(crate) fn cordon_mark(namespace: &str, daemon_set: &str) -> String {
    let value = format!("{namespace}.{daemon_set}");
    if value.len() <= LONGEST_VALUE {
        return value;
    }
    format!("{:032x}", fnv_1a(value.as_bytes()))
}

/// The nodes that a run has cordoned for the DaemonSet, and that are still cordoned. None if nodes could not be read.
pub(crate) fn cordoned_nodes<'s>(snapshot: &'s Snapshot, namespace: &str, daemon_set: &str) -> Vec<&'s str> {
    let mark = cordon_mark(namespace, daemon_set);
    let nodes = snapshot.nodes.known().into_iter().flatten();
    let nodes = nodes.filter(|node| node.spec.unschedulable && node.metadata.labels.get(CORDONED_FOR) == Some(&mark));
    nodes.map(|node| node.metadata.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot::Known;
    use crate::testing::objects;
    use crate::testing::simulated_cluster::Cluster;

    #[test]
    fn nodes_of_another_daemon_set_and_uncordoned_nodes_are_left_out() {
        let node = |name: &str, mark: &str, unschedulable: bool| {
            let fields =
                json!({"metadata": {"labels": {CORDONED_FOR: mark}}, "spec": {"unschedulable": unschedulable}});
            objects::node(name, fields)
        };
        let nodes = [node("a", "ns.d", true), node("b", "ns.d", false), node("c", "ns.e", true)];
        let snapshot = Snapshot { nodes: Known::Known(nodes.into()), ..Cluster::new(1).snapshot() };
        assert_eq!(cordoned_nodes(&snapshot, "ns", "d"), ["a"]);
    }

    #[test]
    fn mark_is_a_valid_and_unique_label_value() {
        assert_eq!(cordon_mark("gpu-operator", "driver"), "gpu-operator.driver");
        let long = cordon_mark(&"n".repeat(63), &"d".repeat(253));
        assert_eq!((long.len(), long.contains('.')), (32, false));
        assert_ne!(long, cordon_mark(&"n".repeat(63), &"d".repeat(252)));
    }
}
