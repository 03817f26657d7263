//! The DaemonSets whose pods are incomplete in the files of a saved cluster, according to their `.status`.
//!
//! `.status` counts the nodes with a pod of the DaemonSet. A file with pods on fewer nodes is a part of the cluster
//! (`kubectl get -n` of another namespace, a label selector, a page of a list), so that nothing is concluded from the
//! absence of a pod: not that the controller failed to create one, nor that there is room on the node. A `.status` that
//! is a moment older than the pods looks the same.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `updateDaemonSetStatus`.

use std::collections::{BTreeMap, HashMap, HashSet};

use k8s_openapi::api::apps::v1::DaemonSet;

use super::saved::SavedNamespaces;
use super::{DaemonPods, Missing, PodSummary};

/// Why pods are missing, by namespace and name of the DaemonSet.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnsavedPods(BTreeMap<(String, String), Missing>);

impl UnsavedPods {
    /// Compares the DaemonSets of the files with their pods.
    pub(crate) fn new(daemon_sets: &[DaemonSet], pods: &[PodSummary], saved: &SavedNamespaces) -> Self {
        // Visits the pods once, so that not every DaemonSet has to.
        let mut nodes_of_owner: HashMap<&str, HashSet<&str>> = HashMap::new();
        for pod in pods {
            if let (Some(owner), Some(node)) = (pod.metadata.controller(), pod.target_node()) {
                nodes_of_owner.entry(&owner.uid).or_default().insert(node);
            }
        }
        let why = |daemon_set: &DaemonSet| {
            let counted = counted_nodes(daemon_set);
            if saved.lacks_pods(daemon_set) {
                return saved.partial_pods(std::slice::from_ref(daemon_set));
            }
            let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
            let owned = nodes_of_owner.get(uid).map_or(0, HashSet::len);
            // Pods without an owner are adopted.
            let found = if owned >= counted { owned } else { DaemonPods::new(daemon_set, pods).nodes().count() };
            let (namespace, name) = key(daemon_set);
            (found < counted).then(|| {
                format!("the files contain {found} of the {counted} pods that .status of {namespace}/{name} counts")
            })
        };
        let unsaved = daemon_sets.iter().filter_map(|one| Some((key(one), Missing::NotSaved(why(one)?))));
        Self(unsaved.collect())
    }

    /// Why pods of the DaemonSet are missing; none if all are there.
    pub(crate) fn of(&self, daemon_set: &DaemonSet) -> Option<&Missing> {
        if self.0.is_empty() { None } else { self.0.get(&key(daemon_set)) }
    }
}

/// The nodes with a pod, as the controller counted them.
fn counted_nodes(daemon_set: &DaemonSet) -> usize {
    let status = daemon_set.status.as_ref();
    let counts = status.map_or([0, 0], |status| [status.current_number_scheduled, status.number_misscheduled]);
    counts.into_iter().filter_map(|count| usize::try_from(count).ok()).fold(0, usize::saturating_add)
}

fn key(daemon_set: &DaemonSet) -> (String, String) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    (text(&daemon_set.metadata.namespace), text(&daemon_set.metadata.name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn daemon_set(namespace: &str, current: i32, misscheduled: i32) -> DaemonSet {
        serde_json::from_value(json!({
            "metadata": { "namespace": namespace, "name": "agent", "uid": "u" },
            "spec": { "selector": { "matchLabels": { "app": "agent" } }, "template": {} },
            "status": {
                "currentNumberScheduled": current, "desiredNumberScheduled": 3, "numberMisscheduled": misscheduled,
                "numberReady": 0,
            },
        }))
        .unwrap()
    }

    fn pod(node: &str, owner: Option<&str>) -> PodSummary {
        let owners = owner.map(|uid| json!({ "kind": "DaemonSet", "name": "agent", "uid": uid, "controller": true }));
        let metadata = json!({
            "namespace": "shop", "name": format!("agent-{node}"), "labels": { "app": "agent" },
            "ownerReferences": owners.into_iter().collect::<Vec<_>>(),
        });
        serde_json::from_value(json!({ "metadata": metadata, "spec": { "nodeName": node } })).unwrap()
    }

    fn missing(daemon_set: &DaemonSet, pods: &[PodSummary]) -> Option<String> {
        let mut saved = SavedNamespaces::default();
        pods.iter().for_each(|pod| saved.saw("Pod", &pod.metadata.namespace));
        UnsavedPods::new(std::slice::from_ref(daemon_set), pods, &saved).of(daemon_set).map(Missing::to_string)
    }

    #[test]
    fn fewer_pods_than_status_counts_are_a_part() {
        let two = [pod("n1", Some("u")), pod("n2", Some("u"))];
        let text = "the files contain 2 of the 3 pods that .status of shop/agent counts";
        assert_eq!(missing(&daemon_set("shop", 2, 1), &two).unwrap(), text);
        assert_eq!(missing(&daemon_set("shop", 2, 0), &two), None);
        // Two pods on one node count once.
        let twice = [pod("n1", Some("u")), pod("n1", Some("u"))];
        assert!(missing(&daemon_set("shop", 2, 0), &twice).is_some());
    }

    #[test]
    fn pods_without_an_owner_count() {
        assert_eq!(missing(&daemon_set("shop", 2, 0), &[pod("n1", None), pod("n2", Some("u"))]), None);
    }

    #[test]
    fn namespace_without_pods_was_not_saved() {
        let text = "the files contain pods of shop only";
        assert_eq!(missing(&daemon_set("logs", 1, 0), &[pod("n1", Some("other"))]).unwrap(), text);
        assert_eq!(missing(&daemon_set("logs", 0, 0), &[pod("n1", Some("other"))]), None);
    }
}
