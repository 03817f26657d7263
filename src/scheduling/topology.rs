//! The other nodes and their pods, for filters that check whole topology domains.

use super::attempt::Attempt;

use crate::snapshot::pod::Pod;
use crate::snapshot::{HOSTNAME, Known, Missing, Node};

/// The pods and nodes around the node of an attempt.
pub(super) struct Topology<'a> {
    pub(super) node: &'a Node,
    /// The pods on the node, as in [`Attempt::bound_pods`].
    pub(super) node_pods: Known<Vec<&'a Pod>>,
    pub(super) others: Known<Vec<&'a Node>>,
    /// The pods that are bound to the other nodes, except the pod itself.
    pub(super) other_pods: Known<Vec<(&'a Pod, &'a Node)>>,
}

/// A topology domain: the nodes with the same value of a label as the node in question.
pub(super) struct Domain<'a> {
    /// The value of the label.
    pub(super) value: &'a str,
    /// The known pods in the domain.
    pub(super) pods: Vec<(&'a Pod, &'a Node)>,
    /// What could not be read, if `pods` may be incomplete.
    pub(super) missing: Option<Missing>,
}

impl<'a> Topology<'a> {
    pub(super) fn new(attempt: &Attempt<'a>) -> Self {
        let node = attempt.node;
        let is_other = |other: &&Node| other.metadata.name != node.metadata.name;
        let others = attempt.cluster_objects.nodes.as_ref();
        let others: Known<Vec<&'a Node>> = others.map(|nodes| nodes.iter().filter(is_other).collect());
        let other_pods = attempt.cluster_objects.pods.as_ref().zip(others.as_ref());
        let other_pods = other_pods.map(|(pods, others)| bound_to(others, pods, attempt.pod));
        Self { node, node_pods: attempt.bound_pods.clone(), others, other_pods }
    }

    /// The node's domain for the label `key`; none if the node does not have the label.
    ///
    /// If the other nodes are unknown, a hostname is assumed to be unique, because the kubelets set it.
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

/// Whether both are the same pod. A pod that was never stored equals no other pod.
pub(super) fn is_same(one: &Pod, other: &Pod) -> bool {
    !one.metadata.uid.is_empty() && one.metadata.uid == other.metadata.uid
}
