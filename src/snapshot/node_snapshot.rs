//! One node with all that bears on its daemon pods.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;

use super::cluster_objects::ClusterObjects;
use super::pod::Pod;
use super::{DaemonPods, Known, Node, OpenShift, PodSummary};

/// The facts about one node.
#[derive(Clone, Debug)]
pub(crate) struct NodeSnapshot {
    /// The DaemonSets that were asked for.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// The node, with its resources.
    pub(crate) node: Node,
    /// Whether the node exists; one from a file does not.
    pub(crate) node_exists: bool,
    /// Every pod that is bound to the node.
    pub(crate) bound: Known<Vec<Pod>>,
    /// Every pod without a node that is pinned to this one.
    pub(crate) pinned: Known<Vec<Pod>>,
    /// Every pod without a node for which preemption made room here.
    pub(crate) nominated: Known<Vec<Pod>>,
    /// At least the revisions of the DaemonSets of which no pod is here.
    pub(crate) revisions: Known<Vec<ControllerRevision>>,
    /// Warning events about the DaemonSets and their pods.
    pub(crate) events: Known<Vec<Event>>,
    /// What OpenShift adds; none on any other cluster.
    pub(crate) openshift: Known<Option<OpenShift>>,
    /// What else is known.
    pub(crate) facts: ClusterObjects,
    /// The moment: now for a live cluster, the newest instant on record for a saved one.
    pub(crate) as_of: Timestamp,
}

impl NodeSnapshot {
    /// The pods of each DaemonSet that are meant for the node, in the order of the DaemonSets; of each, the pod that
    /// counts first.
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
            if let Some(why) = self.facts.unsaved_pods(daemon_set) {
                return Known::Unknown(why);
            }
            let of_daemon_set = DaemonPods::new(daemon_set, &summary);
            let here = of_daemon_set.on(&self.node.metadata.name).iter();
            // The trimmed pods stand where the full ones do.
            let place = |pod: &&PodSummary| summary.iter().position(|other| std::ptr::eq(other, *pod));
            Known::Known(here.filter_map(place).filter_map(|place| all.get(place).copied()).collect())
        };
        self.daemon_sets.iter().map(pods_of).collect()
    }

    /// What could not be read of what every question needs, in words.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps: Vec<&str> =
            [self.bound.missing(), self.pinned.missing(), self.events.missing(), self.openshift.missing()]
                .into_iter()
                .flatten()
                .collect();
        gaps.extend(self.facts.partial_pods.as_deref());
        gaps.extend(self.facts.refused());
        gaps.dedup();
        gaps.into_iter().map(|gap| format!("{gap}: that part is unknown")).collect()
    }
}
