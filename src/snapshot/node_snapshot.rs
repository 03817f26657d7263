//! One node with everything that affects its daemon pods: the input of `why-not`.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;

use super::cluster_objects::ClusterObjects;
use super::pod::Pod;
use super::{DaemonPods, Known, Missing, Node, OpenShift, PodSummary, UnsavedPods};

#[derive(Clone, Debug)]
pub(crate) struct NodeSnapshot {
    /// The requested DaemonSets.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// The node, with its resources.
    pub(crate) node: Node,
    /// False for a node from a file.
    pub(crate) node_exists: bool,
    /// All pods that are bound to the node.
    pub(crate) bound: Known<Vec<Pod>>,
    /// All unscheduled pods that are pinned to the node.
    pub(crate) pinned: Known<Vec<Pod>>,
    /// All unscheduled pods for which preemption made room on the node.
    pub(crate) nominated: Known<Vec<Pod>>,
    /// The DaemonSets whose pods are incomplete in a saved cluster.
    pub(crate) unsaved_pods: UnsavedPods,
    /// At least the revisions of the DaemonSets that have no pod on the node.
    pub(crate) revisions: Known<Vec<ControllerRevision>>,
    /// Warning events about the DaemonSets and their pods.
    pub(crate) events: Known<Vec<Event>>,
    /// The additional rules of OpenShift; none on any other cluster.
    pub(crate) openshift: Known<Option<OpenShift>>,
    /// The other objects.
    pub(crate) cluster_objects: ClusterObjects,
    /// The time of the snapshot: now for a live cluster, the time of the files for a saved one.
    pub(crate) as_of: Timestamp,
}

impl NodeSnapshot {
    /// The pods of each DaemonSet for the node, in the order of the DaemonSets. The first pod of each is the one that
    /// counts for the controller.
    pub(crate) fn daemon_pods(&self) -> Vec<Known<Vec<&Pod>>> {
        let (bound, pinned) = match (&self.bound, &self.pinned) {
            (Known::Known(bound), Known::Known(pinned)) => (bound, pinned),
            (Known::Unknown(why), _) | (_, Known::Unknown(why)) => {
                return self.daemon_sets.iter().map(|_| Known::Unknown(why.clone())).collect();
            }
        };
        let all: Vec<&Pod> = bound.iter().chain(pinned).collect();
        let summary: Vec<PodSummary> = all.iter().map(|pod| pod.summary()).collect();
        let pods_of = |daemon_set| {
            let of_daemon_set = DaemonPods::new(daemon_set, &summary);
            let here = of_daemon_set.on(&self.node.metadata.name).iter();
            // The trimmed pods are at the same indexes as the complete ones.
            let place = |pod: &&PodSummary| summary.iter().position(|other| std::ptr::eq(other, *pod));
            let here: Vec<&Pod> = here.filter_map(place).filter_map(|place| all.get(place).copied()).collect();
            match self.unsaved_pods.of(daemon_set) {
                Some(why) if here.is_empty() => Known::Unknown(why.clone()),
                _ => Known::Known(here),
            }
        };
        self.daemon_sets.iter().map(pods_of).collect()
    }

    /// What could not be read of the objects that every diagnosis needs: one sentence each.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let always = [self.bound.missing(), self.pinned.missing(), self.events.missing(), self.openshift.missing()];
        let mut gaps: Vec<String> = always.into_iter().flatten().map(Missing::to_string).collect();
        gaps.extend(self.cluster_objects.partial_pods.clone());
        gaps.extend(self.cluster_objects.failed().map(Missing::to_string));
        gaps.dedup();
        gaps.into_iter().map(|gap| format!("{gap}: that part is unknown")).collect()
    }
}
