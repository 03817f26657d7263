//! The pods of the other nodes, for the filters that look further than the node itself.

use super::attempt::Attempt;

use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// The label by which a node is a domain of its own, as its kubelet sets it.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What stands around an attempt.
pub(super) struct Topology<'a> {
    /// The node in question.
    pub(super) node: &'a Node,
    /// The pods on the node, as in [`Attempt::bound_pods`].
    pub(super) node_pods: Known<Vec<&'a Pod>>,
    /// The other nodes.
    pub(super) others: Known<Vec<&'a Node>>,
    /// The pods that are bound to the other nodes, without the pod itself.
    pub(super) other_pods: Known<Vec<(&'a Pod, &'a Node)>>,
}

/// The pods on the nodes that share a label's value with the node in question.
pub(super) struct Domain<'a> {
    /// The node's value.
    pub(super) value: &'a str,
    /// The pods that are known.
    pub(super) pods: Vec<(&'a Pod, &'a Node)>,
    /// What is missing, if these may not be all.
    pub(super) missing: Option<String>,
}

impl<'a> Topology<'a> {
    pub(super) fn new(attempt: &Attempt<'a>) -> Self {
        let node = attempt.node;
        let others: Known<Vec<&'a Node>> = match &attempt.facts.nodes {
            Known::Known(nodes) => {
                Known::Known(nodes.iter().filter(|other| other.metadata.name != node.metadata.name).collect())
            }
            Known::Unknown(why) => Known::Unknown(why.clone()),
        };
        let other_pods = match (&attempt.facts.pods, &others) {
            (Known::Known(pods), Known::Known(others)) => Known::Known(bound_to(others, pods, attempt.pod)),
            (Known::Unknown(why), _) | (_, Known::Unknown(why)) => Known::Unknown(why.clone()),
        };
        Self { node, node_pods: attempt.bound_pods.clone(), others, other_pods }
    }

    /// The domain that the node is in by the label `key`; none when it does not have the label.
    ///
    /// As long as the other nodes are not known, a hostname is taken for the node's own: kubelets see to that.
    pub(super) fn domain(&self, key: &str) -> Option<Domain<'a>> {
        let value = self.node.metadata.labels.get(key)?;
        let is_in = |node: &Node| node.metadata.labels.get(key) == Some(value);
        let (mut pods, mut missing) = match &self.node_pods {
            Known::Known(node_pods) => (node_pods.iter().map(|pod| (*pod, self.node)).collect(), None),
            Known::Unknown(why) => (Vec::new(), Some(why.clone())),
        };
        let is_alone = match &self.others {
            Known::Known(others) => !others.iter().any(|other| is_in(other)),
            Known::Unknown(_) => key == HOSTNAME,
        };
        match &self.other_pods {
            _ if is_alone => {}
            Known::Known(other_pods) => pods.extend(other_pods.iter().filter(|(_, node)| is_in(node)).copied()),
            Known::Unknown(why) => missing = missing.or_else(|| Some(why.clone())),
        }
        Some(Domain { value, pods, missing })
    }
}

fn bound_to<'a>(nodes: &[&'a Node], pods: &'a [Pod], itself: &Pod) -> Vec<(&'a Pod, &'a Node)> {
    let by_name: std::collections::BTreeMap<&str, &'a Node> =
        nodes.iter().map(|node| (node.metadata.name.as_str(), *node)).collect();
    pods.iter()
        .filter(|pod| !pod.is_terminal() && !is_same(pod, itself))
        .filter_map(|pod| Some((pod, *by_name.get(pod.spec.node_name.as_str())?)))
        .collect()
}

/// Whether both are one pod; one that was never stored is no other's.
pub(super) fn is_same(one: &Pod, other: &Pod) -> bool {
    !one.metadata.uid.is_empty() && one.metadata.uid == other.metadata.uid
}
