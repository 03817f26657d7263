//! The pods that are created after the change, and the kinds of objects that must be read to judge them.

use std::collections::{BTreeSet, HashSet};

use k8s_openapi::api::apps::v1::DaemonSet;

use super::draft::Draft;
use super::world::{ChangedFrom, ClusterChange, DryRun, NodeChange, World, key};
use crate::admission::{self, PredictedPod};
use crate::scheduling::required_objects;
use crate::snapshot::cluster_objects::ObjectKind;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// The kinds of objects that decide about the new pods, as far as what the world has shows them.
pub(crate) fn needs(world: &World, change: &ClusterChange) -> BTreeSet<ObjectKind> {
    let daemon_sets = may_create(world, change);
    let mut needs = BTreeSet::from([
        ObjectKind::LimitRanges,
        ObjectKind::Quotas,
        ObjectKind::ServiceAccounts,
        ObjectKind::Namespaces,
    ]);
    if daemon_sets.is_empty() {
        return BTreeSet::new();
    }
    let nodes = concerned_nodes(world, change);
    let mut pods: Vec<Pod> = Vec::new();
    for daemon_set in daemon_sets {
        let of_one = admission::needs(daemon_set);
        needs.extend(of_one.priority_class.map(|_| ObjectKind::PriorityClasses));
        needs.extend(of_one.runtime_class.map(|_| ObjectKind::RuntimeClasses));
        let created = match world.created.get(&key(daemon_set)) {
            Some(DryRun::Created(pod)) => (**pod).clone(),
            _ => admission::predict(daemon_set, "", &world.cluster_objects).pod,
        };
        pods.push(created);
    }
    let all = world.pods.known().map_or(&[][..], Vec::as_slice);
    pods.extend(all.iter().filter(|pod| pod.spec.node_name.is_empty() && !pod.is_terminal()).cloned());
    for pod in &pods {
        // Most nodes have the same resources.
        let mut seen: HashSet<Vec<&str>> = HashSet::new();
        for node in nodes.iter().filter(|node| seen.insert(resource_names(node))) {
            needs.extend(required_objects::needs(pod, node));
        }
        needs.extend(required_objects::required_by_pvcs(pod, &world.cluster_objects.claims));
    }
    needs.extend(required_objects::required_by_node_pods(all, std::iter::empty()));
    needs
}

fn resource_names(node: &Node) -> Vec<&str> {
    let present = node.status.allocatable.iter().filter(|(_, amount)| !amount.quantity().is_zero());
    present.map(|(name, _)| name.as_str()).collect()
}

/// The DaemonSets that may create pods because of the change.
pub(crate) fn may_create<'w>(world: &'w World, change: &'w ClusterChange) -> Vec<&'w DaemonSet> {
    let is_changed = |other: &&DaemonSet| change.daemon_sets.iter().any(|changed| key(changed) == key(other));
    let others = world.snapshot.daemon_sets.iter().filter(|other| !change.nodes.is_empty() && !is_changed(other));
    change.daemon_sets.iter().chain(others).collect()
}

/// The nodes on which a pod may be created: all, or those that change.
fn concerned_nodes<'w>(world: &'w World, change: &'w ClusterChange) -> Vec<&'w Node> {
    let nodes = world.snapshot.nodes.known().into_iter().flatten();
    let joins = change.nodes.iter().filter_map(|change| match change {
        NodeChange::Join { node } => Some(&**node),
        NodeChange::Edit { .. } | NodeChange::Delete { .. } => None,
    });
    nodes.chain(joins).collect()
}

impl Draft<'_> {
    /// The new pod, for any node.
    pub(super) fn new_pod(&self, world: &World) -> PredictedPod {
        let daemon_set = self.coverage.daemon_set;
        if let Some(DryRun::Created(pod)) = world.created.get(&key(daemon_set)) {
            return PredictedPod { pod: (**pod).clone(), from_existing: true, assumptions: Vec::new() };
        }
        let pods = world.pods.known().map_or(&[][..], Vec::as_slice);
        let find =
            |summary: &crate::snapshot::PodSummary| pods.iter().find(|pod| pod.metadata.uid == summary.metadata.uid);
        let all = || self.nodes.iter().filter_map(|node| node.pods.as_ref());
        // It has the changes of webhooks.
        let current = all().flat_map(|pods| &pods.new).find_map(|pod| find(pod));
        if let Some(current) = current {
            return PredictedPod { pod: current.clone(), from_existing: true, assumptions: Vec::new() };
        }
        let old = all().flat_map(|pods| &pods.old).find_map(|pod| find(pod));
        let changed = match (self.from, old) {
            (Some(ChangedFrom::DaemonSet(before)), Some(old)) => {
                admission::with_template_change(old, before, daemon_set, &world.cluster_objects)
            }
            _ => None,
        };
        match changed {
            Some(pod) => PredictedPod { pod, from_existing: false, assumptions: Vec::new() },
            None => admission::predict(daemon_set, "", &world.cluster_objects),
        }
    }
}

/// The new pod for this node.
pub(super) fn for_node(new: &PredictedPod, daemon_set: &DaemonSet, node: &str) -> Pod {
    let mut pod = admission::predict_from(&new.pod, node);
    // A name for the filters that compare pods, which no other pod has.
    let name = daemon_set.metadata.name.as_deref().unwrap_or_default();
    pod.metadata.name = format!("{name}-new-pod-{node}");
    if let Some(fixed) = daemon_set.spec.template.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) {
        pod.spec.node_name.clone_from(fixed);
    }
    pod
}

/// The pods by node: bound ones that have not ended, and waiting ones that can only run there.
pub(super) struct PodsByNode<'a> {
    pub(super) bound: std::collections::HashMap<&'a str, Vec<&'a Pod>>,
    pub(super) waiting: std::collections::HashMap<&'a str, Vec<&'a Pod>>,
    pub(super) nominated: std::collections::HashMap<&'a str, Vec<&'a Pod>>,
}

impl<'a> PodsByNode<'a> {
    pub(super) fn new(pods: &'a Known<Vec<Pod>>) -> Self {
        let mut all = Self { bound: Default::default(), waiting: Default::default(), nominated: Default::default() };
        for pod in pods.known().into_iter().flatten().filter(|pod| !pod.is_terminal()) {
            if !pod.spec.node_name.is_empty() {
                all.bound.entry(&pod.spec.node_name).or_default().push(pod);
            } else if pod.is_terminating() {
                // The scheduler skips it (`pkg/scheduler/schedule_one.go` `skipPodSchedule`).
            } else if let Some(node) = pod.target_node() {
                all.waiting.entry(node).or_default().push(pod);
            } else if !pod.status.nominated_node_name.is_empty() {
                all.nominated.entry(&pod.status.nominated_node_name).or_default().push(pod);
            }
        }
        all
    }
}
