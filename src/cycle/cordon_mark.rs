//! The label on a node that shows for which DaemonSet a run has cordoned it. Only such a node is uncordoned, also by a
//! later run after this one was killed.
//!
//! It is a label, because lists contain the labels of all nodes, and the annotations of a node can be large.

use super::lock::fnv_1a;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_a_valid_and_unique_label_value() {
        assert_eq!(cordon_mark("gpu-operator", "driver"), "gpu-operator.driver");
        let long = cordon_mark(&"n".repeat(63), &"d".repeat(253));
        assert_eq!((long.len(), long.contains('.')), (32, false));
        assert_ne!(long, cordon_mark(&"n".repeat(63), &"d".repeat(252)));
    }
}
