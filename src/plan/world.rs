//! What is known about the cluster, and the same after a change.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::apps::v1::DaemonSet;

use super::objects::ObjectChange;
use crate::change::{NodeEdit, edit_node};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{HOSTNAME, Known, Node, Snapshot};

/// What is known about the cluster.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The DaemonSets, all nodes with their resources, and the pods and revisions of the DaemonSets.
    pub(crate) snapshot: Snapshot,
    /// Complete pods: all that are not scheduled, and those that are bound to the nodes of `complete_nodes`.
    pub(crate) pods: Known<Vec<Pod>>,
    /// The nodes of which `pods` has all pods; `None` for all nodes.
    pub(crate) complete_nodes: Option<HashSet<String>>,
    pub(crate) cluster_objects: ClusterObjects,
    /// New pods as the API server would create them, by namespace and name of the DaemonSet: the answers of dry runs, with
    /// the changes of webhooks. Each is for one node.
    pub(crate) created: HashMap<(String, String), DryRun>,
}

/// What the API server answered to the creation of one pod as a dry run.
#[derive(Clone, Debug)]
pub(crate) enum DryRun {
    Created(Box<Pod>),
    /// The message of the rejection.
    Rejected(String),
    /// Why the server was not asked.
    NotAsked(String),
}

/// A change of the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterChange {
    /// DaemonSets as they would be, new ones and changed ones.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// Objects of other kinds as they would be.
    pub(crate) objects: Vec<ObjectChange>,
    pub(crate) nodes: Vec<NodeChange>,
}

/// A change of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeChange {
    Edit {
        name: String,
        edit: NodeEdit,
    },
    Delete {
        name: String,
    },
    /// The node joins, and becomes ready.
    Join {
        node: Box<Node>,
    },
}

impl NodeChange {
    fn node(&self) -> String {
        match self {
            Self::Edit { name, .. } | Self::Delete { name } => name.clone(),
            Self::Join { node } => node.metadata.name.clone(),
        }
    }
}

/// What a change changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// The DaemonSets, as they were, by namespace and name.
    pub(super) daemon_sets: HashMap<(String, String), ChangedFrom>,
    /// The nodes that are changed or new.
    pub(super) nodes: HashSet<String>,
}

/// A DaemonSet before it is changed.
#[derive(Debug)]
pub(super) enum ChangedFrom {
    /// It did not exist.
    Nothing,
    DaemonSet(Box<DaemonSet>),
}

impl World {
    /// What could not be read: one sentence each.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let of_pods = self.pods.missing().filter(|missing| self.snapshot.pods.missing() != Some(missing));
        let kinds = self.cluster_objects.failed();
        let more = of_pods.into_iter().chain(kinds).map(|gap| format!("{gap}: that part is unknown"));
        self.snapshot.gaps().into_iter().chain(more).collect()
    }

    /// Makes the change.
    pub(super) fn apply(&mut self, change: &ClusterChange) -> Changed {
        if let Known::Known(nodes) = &mut self.snapshot.nodes {
            change.nodes.iter().for_each(|change| change_node(nodes, change));
            // The filters that look at other nodes read them there.
            if let Known::Known(others) = &mut self.cluster_objects.nodes {
                change.nodes.iter().for_each(|change| change_node(others, change));
            }
        }
        for object in &change.objects {
            object.apply(&mut self.cluster_objects, self.pods.known().map_or(&[][..], Vec::as_slice));
        }
        // A new node has no pods.
        let joining =
            change.nodes.iter().filter(|change| matches!(change, NodeChange::Join { .. })).map(NodeChange::node);
        self.complete_nodes.iter_mut().for_each(|complete| complete.extend(joining.clone()));
        let mut changed = Changed { nodes: change.nodes.iter().map(NodeChange::node).collect(), ..Changed::default() };
        for after in &change.daemon_sets {
            let is_it = |other: &DaemonSet| {
                other.metadata.namespace == after.metadata.namespace && other.metadata.name == after.metadata.name
            };
            let sets = &mut self.snapshot.daemon_sets;
            let from = match sets.iter_mut().find(|other| is_it(other)) {
                Some(known) => ChangedFrom::DaemonSet(Box::new(std::mem::replace(known, after.clone()))),
                None => {
                    sets.push(after.clone());
                    ChangedFrom::Nothing
                }
            };
            changed.daemon_sets.insert(key(after), from);
        }
        changed
    }
}

/// The namespace and the name.
pub(super) fn key(daemon_set: &DaemonSet) -> (String, String) {
    let metadata = &daemon_set.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

fn change_node(nodes: &mut Vec<Node>, change: &NodeChange) {
    match change {
        NodeChange::Edit { name, edit } => {
            nodes.iter_mut().filter(|node| node.metadata.name == *name).for_each(|node| edit_node(node, edit));
        }
        NodeChange::Delete { name } => nodes.retain(|node| node.metadata.name != *name),
        NodeChange::Join { node } => {
            let mut node = (**node).clone();
            // The kubelet sets it (`pkg/kubelet/kubelet_node_status.go` `initialNode`).
            let name = node.metadata.name.clone();
            node.metadata.labels.entry(HOSTNAME.to_owned()).or_insert(name);
            // The node lifecycle controller removes them when the node is ready.
            node.spec.taints.retain(|taint| !taint.is_node_lifecycle_taint());
            node.status.conditions.retain(|condition| condition.type_ != "Ready");
            nodes.push(node);
        }
    }
}
