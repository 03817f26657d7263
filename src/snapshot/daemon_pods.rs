//! Which pods belong to a DaemonSet, and to which node each of them is meant to go.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `getDaemonPods`, `getNodesToDaemonPods`,
//! `podByCreationTimestampAndPhase`; `pkg/controller/daemon/util/daemonset_util.go` `GetTargetNodeName`;
//! `pkg/controller/controller_ref_manager.go` `ClaimPods`.

use std::cmp::Ordering;
use std::collections::HashMap;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::{PodSummary, selector};

/// The pods of one DaemonSet by the node they are meant for.
#[derive(Debug, Default)]
pub(crate) struct DaemonPods<'a> {
    by_node: HashMap<&'a str, Vec<&'a PodSummary>>,
    unmapped: Vec<&'a PodSummary>,
}

impl<'a> DaemonPods<'a> {
    /// Picks the DaemonSet's pods out of `pods` and maps them to nodes.
    pub(crate) fn new(daemon_set: &DaemonSet, pods: impl IntoIterator<Item = &'a PodSummary>) -> Self {
        let mut mapped = Self::default();
        let Some(claim) = OwnershipRule::new(daemon_set) else {
            return mapped;
        };
        for pod in pods.into_iter().filter(|pod| claim.covers(pod)) {
            match pod.target_node() {
                // Deleted and ended: the controller no longer sees it.
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

    /// The pods meant for a node, the one that the controller counts first.
    pub(crate) fn on(&self, node: &str) -> &[&'a PodSummary] {
        self.by_node.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of all nodes that have pods, whether these nodes exist or not.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &'a str> {
        self.by_node.keys().copied()
    }

    /// Pods that name no node at all: the controller neither counts nor deletes them.
    pub(crate) fn unmapped(&self) -> &[&'a PodSummary] {
        &self.unmapped
    }
}

/// What makes a pod the DaemonSet's own.
struct OwnershipRule<'d> {
    namespace: &'d str,
    uid: &'d str,
    selector: kube::core::Selector,
    /// A DaemonSet that is being deleted adopts nothing.
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
            // An orphan that fits is adopted at the controller's next look.
            None => self.adopts && !pod.is_terminating(),
        };
        is_ours && pod.metadata.namespace == self.namespace && selector::matches(&self.selector, &pod.metadata.labels)
    }
}

/// Bound before unbound, then older, then by name.
fn controller_order(a: &PodSummary, b: &PodSummary) -> Ordering {
    a.spec
        .node_name
        .is_empty()
        .cmp(&b.spec.node_name.is_empty())
        .then_with(|| a.metadata.creation_timestamp.cmp(&b.metadata.creation_timestamp))
        .then_with(|| a.metadata.name.cmp(&b.metadata.name))
}

impl PodSummary {
    /// The node that the pod runs on or is pinned to: `spec.nodeName`, else the first `metadata.name In [node]` among
    /// the fields of the required node affinity.
    pub(crate) fn target_node(&self) -> Option<&str> {
        if !self.spec.node_name.is_empty() {
            return Some(&self.spec.node_name);
        }
        let affinity = self.spec.affinity.as_ref()?.node_affinity.as_ref()?;
        affinity.required.as_ref()?.node_selector_terms.iter().flat_map(|term| &term.match_fields).find_map(|field| {
            match (field.key.as_str(), field.operator.as_str(), field.values.as_slice()) {
                ("metadata.name", "In", [node]) => Some(node.as_str()),
                _ => None,
            }
        })
    }
}
