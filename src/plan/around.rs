//! What the filters read of other nodes.

use std::collections::HashSet;

use super::draft::Draft;
use super::new_pod::for_node;
use super::result::NodeAction;
use super::world::World;
use crate::admission::PredictedPod;
use crate::scheduling::required_objects::needs;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::{ClusterObjects, ObjectKind};
use crate::snapshot::pod::Pod;

/// The objects that the filters read of other nodes.
pub(super) struct Around {
    /// With the pods that are there before the new ones.
    pub(super) as_they_are: ClusterObjects,
    /// With the new pods on all nodes; only if a new pod looks beyond its node.
    pub(super) with_new_pods: Option<ClusterObjects>,
}

pub(super) fn around(
    world: &World,
    drafts: &[Draft<'_>],
    new_pods: &[PredictedPod],
    removed: &HashSet<&str>,
) -> Around {
    let nodes = world.snapshot.nodes.known().map_or(&[][..], Vec::as_slice);
    let mut objects = world.cluster_objects.clone();
    if objects.nodes.known().is_none() {
        objects.nodes = world.snapshot.nodes.clone();
    }
    let first = nodes.first();
    let looks_around = |draft: usize| {
        let Some(node) = first else { return false };
        drafts[draft].with_new_pod().next().is_some() && needs(&new_pods[draft].pod, node).contains(&ObjectKind::Pods)
    };
    let looking: Vec<usize> = (0..drafts.len()).filter(|draft| looks_around(*draft)).collect();
    if looking.is_empty() {
        return Around { as_they_are: objects, with_new_pods: None };
    }
    let stays = |pod: &Pod| !removed.contains(pod.metadata.uid.as_str());
    let replaced: HashSet<&str> = drafts
        .iter()
        .flat_map(|draft| &draft.nodes)
        .filter(|node| node.action == NodeAction::Replace)
        .flat_map(|node| node.live_pods().map(|pod| pod.metadata.uid.as_str()))
        .collect();
    // One node after the other: elsewhere the old pods are still there.
    let is_there = |pod: &Pod| stays(pod) || replaced.contains(pod.metadata.uid.as_str());
    let of = |keep: &dyn Fn(&Pod) -> bool| -> Known<Vec<Pod>> {
        objects.pods.as_ref().map(|pods| pods.iter().filter(|pod| keep(pod)).cloned().collect())
    };
    let mut later = of(&stays);
    if let Known::Known(pods) = &mut later {
        for (draft, new) in drafts.iter().zip(new_pods) {
            pods.extend(draft.with_new_pod().map(|node| {
                let mut pod = for_node(new, draft.coverage.daemon_set, node.name);
                pod.spec.node_name = node.name.to_owned();
                pod.metadata.uid = pod.metadata.name.clone();
                pod
            }));
        }
    }
    let before = of(&is_there);
    Around { with_new_pods: Some(objects.with_pods(later)), as_they_are: objects.with_pods(before) }
}
