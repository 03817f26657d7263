//! Which pods belong to a DaemonSet, and the node that each of them is for.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `getDaemonPods`, `getNodesToDaemonPods`,
//! `podByCreationTimestampAndPhase`; `pkg/controller/daemon/util/daemonset_util.go` `GetTargetNodeName`;
//! `pkg/controller/controller_ref_manager.go` `ClaimPods`.

use std::cmp::Ordering;
use std::collections::HashMap;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::pod::Pod;
use super::pod_summary::NodeSelector;
use super::{PodSummary, selector};

/// The pods of one DaemonSet by target node.
#[derive(Debug, Default)]
pub(crate) struct DaemonPods<'a> {
    by_node: HashMap<&'a str, Vec<&'a PodSummary>>,
    unmapped: Vec<&'a PodSummary>,
}

impl<'a> DaemonPods<'a> {
    /// Selects the DaemonSet's pods from `pods` and maps them to nodes.
    pub(crate) fn new(daemon_set: &DaemonSet, pods: impl IntoIterator<Item = &'a PodSummary>) -> Self {
        let mut mapped = Self::default();
        let Some(claim) = OwnershipRule::new(daemon_set) else {
            return mapped;
        };
        for pod in pods.into_iter().filter(|pod| claim.covers(pod)) {
            match pod.target_node() {
                // Being deleted and terminal: the controller ignores the pod.
                _ if pod.is_terminating() && pod.is_terminal() => {}
                Some(node) => mapped.by_node.entry(node).or_default().push(pod),
                None => mapped.unmapped.push(pod),
            }
        }
        for pods in mapped.by_node.values_mut() {
            pods.sort_by(|a, b| controller_order(a, b));
        }
        mapped
    }

    /// The pods for a node. The first one is the one that the controller keeps.
    pub(crate) fn on(&self, node: &str) -> &[&'a PodSummary] {
        self.by_node.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of all nodes that are the target of a pod. The nodes may not exist.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &'a str> {
        self.by_node.keys().copied()
    }

    /// Pods without a target node: the controller neither counts nor deletes them.
    pub(crate) fn unmapped(&self) -> &[&'a PodSummary] {
        &self.unmapped
    }
}

/// The conditions under which the controller owns or adopts a pod.
struct OwnershipRule<'d> {
    namespace: &'d str,
    uid: &'d str,
    selector: kube::core::Selector,
    /// False for a DaemonSet that is being deleted: the controller adopts no pods for it.
    adopts: bool,
}

impl<'d> OwnershipRule<'d> {
    fn new(daemon_set: &'d DaemonSet) -> Option<Self> {
        Some(Self {
            namespace: daemon_set.metadata.namespace.as_deref().unwrap_or_default(),
            uid: daemon_set.metadata.uid.as_deref().unwrap_or_default(),
            selector: selector::from_label_selector(&daemon_set.spec.selector)?,
            adopts: daemon_set.metadata.deletion_timestamp.is_none(),
        })
    }

    fn covers(&self, pod: &PodSummary) -> bool {
        let is_ours = match pod.metadata.controller() {
            Some(owner) => owner.uid == self.uid,
            // The controller adopts a matching orphan at its next sync.
            None => self.adopts && !pod.is_terminating(),
        };
        is_ours && pod.metadata.namespace == self.namespace && selector::matches(&self.selector, &pod.metadata.labels)
    }
}

/// The controller's order: bound pods before unbound ones, then the older pod, then by name.
fn controller_order(a: &PodSummary, b: &PodSummary) -> Ordering {
    a.spec
        .node_name
        .is_empty()
        .cmp(&b.spec.node_name.is_empty())
        .then_with(|| a.metadata.creation_timestamp.cmp(&b.metadata.creation_timestamp))
        .then_with(|| a.metadata.name.cmp(&b.metadata.name))
}

impl PodSummary {
    /// The node that the pod runs on or is pinned to: `spec.nodeName`, or the first `metadata.name In [node]` in the
    /// match fields of the required node affinity.
    pub(crate) fn target_node(&self) -> Option<&str> {
        if !self.spec.node_name.is_empty() {
            return Some(&self.spec.node_name);
        }
        self.spec.affinity.as_ref()?.node_affinity.as_ref()?.required.as_ref()?.only_node()
    }
}

impl Pod {
    /// As [`PodSummary::target_node`].
    pub(crate) fn target_node(&self) -> Option<&str> {
        if !self.spec.node_name.is_empty() {
            return Some(&self.spec.node_name);
        }
        self.spec.required_node_affinity()?.only_node()
    }
}

impl NodeSelector {
    /// The node of the first `metadata.name In [node]` in the match fields.
    fn only_node(&self) -> Option<&str> {
        self.node_selector_terms.iter().flat_map(|term| &term.match_fields).find_map(|field| {
            match (field.key.as_str(), field.operator.as_str(), field.values.as_slice()) {
                ("metadata.name", "In", [node]) => Some(node.as_str()),
                _ => None,
            }
        })
    }
}
