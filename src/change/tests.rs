//! What the controllers make of a change.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::placement::Placement;
use crate::snapshot::Known;
use crate::testing::objects::{self, daemon_pod, merge};

/// What a case is made of.
struct Objects {
    daemon_set: DaemonSet,
    node: Node,
    own_pods: Vec<Pod>,
    bound: Known<Vec<Pod>>,
    pinned: Known<Vec<Pod>>,
    cluster_objects: ClusterObjects,
}

fn daemon_set(fields: Value) -> DaemonSet {
    let mut all = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "main", "resources": { "requests": { "cpu": "1" } } },
    ] } } } });
    merge(&mut all, fields);
    objects::daemon_set("ns", "agent", all)
}

fn unscheduled_pod(daemon_set: &DaemonSet) -> Pod {
    let spec = json!({ "containers": [
        { "name": "main", "resources": { "requests": { "cpu": "1" } } },
        { "name": "sidecar" },
    ], "affinity": objects::required_node_name("n1") });
    daemon_pod(daemon_set, "agent-x", json!({ "spec": spec }))
}

impl Objects {
    /// An unscheduled pod of a DaemonSet with these fields, beside a pod `web` that a ReplicaSet owns.
    fn new(fields: Value, web: Value) -> Self {
        let daemon_set = daemon_set(fields);
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "w", "controller": true }]);
        let mut all = json!({ "metadata": { "ownerReferences": owner }, "spec": { "nodeName": "n1" } });
        merge(&mut all, web);
        Self {
            own_pods: vec![unscheduled_pod(&daemon_set)],
            pinned: Known::Known(vec![unscheduled_pod(&daemon_set)]),
            daemon_set,
            node: objects::node("n1", json!({})),
            bound: Known::Known(vec![objects::pod("shop", "web", all)]),
            cluster_objects: ClusterObjects {
                nodes: Known::Known(vec![objects::node("n1", json!({})), objects::node("n2", json!({}))]),
                ..ClusterObjects::default()
            },
        }
    }

    fn after(&self, changes: &[Change]) -> Result<NodeCase<'_>, ChangeError> {
        let case = NodeCase {
            daemon_set: Cow::Borrowed(&self.daemon_set),
            node: Cow::Borrowed(&self.node),
            openshift: &Known::Known(None),
            own_pods: self.own_pods.iter().map(Cow::Borrowed).collect(),
            bound: Cow::Borrowed(&self.bound),
            pinned: &self.pinned,
            predicted: None,
            cluster_objects: Cow::Borrowed(&self.cluster_objects),
        };
        case.after(changes)
    }

    /// The names of the pods on the node, without those of the DaemonSet.
    fn others_after(&self, changes: &[Change]) -> Result<Vec<String>, ChangeError> {
        let case = self.after(changes)?;
        Ok(case.bound.known().unwrap().iter().map(|pod| pod.metadata.name.clone()).collect())
    }
}

fn patch(patch: Patch) -> Change {
    Change::DaemonSet { namespace: "ns".into(), name: "agent".into(), patch }
}

fn cpu(container: &str, amount: &str) -> Change {
    let containers = json!([{ "name": container, "resources": { "requests": { "cpu": amount } } }]);
    patch(Patch::Strategic(json!({ "spec": { "template": { "spec": { "containers": containers } } } })))
}

fn evict_web() -> Change {
    Change::Pod { namespace: "shop".into(), name: "web".into(), edit: PodEdit::Evict }
}

fn of_node(edit: NodeEdit) -> Change {
    Change::Node { name: "n1".into(), edit }
}

#[test]
fn changed_template_replaces_the_pod_and_keeps_what_admission_added() {
    let objects = Objects::new(json!({}), json!({}));
    let case = objects.after(&[cpu("main", "200m")]).unwrap();
    assert!(case.own_pods.is_empty());
    let pod = &case.predicted.as_ref().unwrap().pod;
    let request = |index: usize| pod.spec.containers[index].resources.clone().unwrap_or_default().requests;
    assert_eq!(request(0)["cpu"].text, "200m");
    assert_eq!(pod.spec.containers[1].name, "sidecar");
}

#[test]
fn container_that_the_template_does_not_have_is_rejected() {
    let objects = Objects::new(json!({}), json!({}));
    assert_eq!(objects.after(&[cpu("sidecar", "200m")]).unwrap_err(), ChangeError::Rejected);
}

#[test]
fn with_on_delete_the_old_pod_stays_until_it_is_deleted() {
    let on_delete = json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } });
    let objects = Objects::new(on_delete, json!({}));
    assert_eq!(objects.after(&[cpu("main", "200m")]).unwrap().own_pods.len(), 1);
    let delete = Change::Pod { namespace: "ns".into(), name: "agent-x".into(), edit: PodEdit::Delete };
    let case = objects.after(&[cpu("main", "200m"), delete]).unwrap();
    assert!(case.own_pods.is_empty());
    let request = case.predicted.as_ref().unwrap().pod.spec.containers[0].resources.clone().unwrap().requests;
    assert_eq!(request["cpu"].text, "200m");
}

#[test]
fn change_of_a_field_that_is_not_modeled_is_not_computed() {
    let objects = Objects::new(json!({}), json!({}));
    let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    let change = patch(Patch::Merge(json!({ "spec": { "template": { "spec": { "volumes": volumes } } } })));
    assert_eq!(objects.after(&[change]).unwrap_err(), ChangeError::NotComputable);
}

#[test]
fn pod_that_can_go_elsewhere_leaves_a_cordoned_node() {
    let objects = Objects::new(json!({}), json!({}));
    let moved = [of_node(NodeEdit::Cordon), evict_web(), of_node(NodeEdit::Uncordon)];
    assert_eq!(objects.others_after(&moved).unwrap(), [""; 0]);
    assert!(!objects.after(&moved).unwrap().node.spec.unschedulable);
    assert_eq!(objects.others_after(&[evict_web()]).unwrap(), ["web"], "without a cordon it may come back");
}

#[test]
fn pod_that_tolerates_cordons_or_is_pinned_comes_back() {
    let moved = [of_node(NodeEdit::Cordon), evict_web(), of_node(NodeEdit::Uncordon)];
    for spec in [
        json!({ "tolerations": [{ "operator": "Exists" }] }),
        json!({ "nodeSelector": { "kubernetes.io/hostname": "n1" } }),
        json!({ "nodeSelector": { "pool": "only-n1" } }),
    ] {
        let objects = Objects::new(json!({}), json!({ "spec": spec }));
        assert_eq!(objects.others_after(&moved).unwrap(), ["web"], "{spec}");
    }
}

#[test]
fn without_the_other_nodes_a_move_is_not_computed() {
    let mut objects = Objects::new(json!({}), json!({}));
    objects.cluster_objects.nodes = Known::failed("cannot list nodes");
    let moved = [of_node(NodeEdit::Cordon), evict_web(), of_node(NodeEdit::Uncordon)];
    assert_eq!(objects.others_after(&moved).unwrap_err(), ChangeError::NotComputable);
}

/// Another pod that waits for the node may take the place, and a pod with a finalizer may keep it.
#[test]
fn freed_place_is_not_certain() {
    let moved = [of_node(NodeEdit::Cordon), evict_web(), of_node(NodeEdit::Uncordon)];
    let kept = Objects::new(json!({}), json!({ "metadata": { "finalizers": ["example.com/kept"] } }));
    assert_eq!(kept.others_after(&moved).unwrap_err(), ChangeError::NotComputable);
    let mut waited_for = Objects::new(json!({}), json!({}));
    let other = objects::pod("ns", "other", json!({ "spec": { "priority": -1 } }));
    waited_for.pinned = Known::Known(vec![unscheduled_pod(&waited_for.daemon_set), other]);
    assert_eq!(waited_for.others_after(&moved).unwrap_err(), ChangeError::NotComputable);
}

#[test]
fn taint_and_label_decide_on_the_placement() {
    let mut objects =
        Objects::new(json!({ "spec": { "template": { "spec": { "nodeSelector": { "pool": "a" } } } } }), json!({}));
    objects.node.spec.taints = vec![objects::from_json(json!({ "key": "k", "effect": "NoExecute" }))];
    let label = of_node(NodeEdit::Labels(vec![("pool".into(), Some("a".into()))]));
    let untaint = of_node(NodeEdit::RemoveTaint { key: "k".into(), effect: "NoExecute".into() });
    let case = objects.after(std::slice::from_ref(&label)).unwrap();
    assert_eq!((case.placement(), case.own_pods.len()), (Placement::Exclude, 0));
    let case = objects.after(&[label, untaint]).unwrap();
    assert_eq!((case.placement(), case.own_pods.len()), (Placement::Run, 1));
}

#[test]
fn without_a_surge_the_old_pod_makes_room() {
    let surge = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } } });
    let mut objects = Objects::new(surge, json!({}));
    let mut old: Pod = daemon_pod(&objects.daemon_set, "agent-old", json!({ "spec": { "nodeName": "n1" } }));
    old.metadata.uid = "old".into();
    objects.own_pods.push(old.clone());
    objects.bound = Known::Known(vec![old]);
    let without = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } });
    let case = objects.after(&[patch(Patch::Strategic(without))]).unwrap();
    let names: Vec<&str> = case.own_pods.iter().map(|pod| pod.metadata.name.as_str()).collect();
    assert_eq!(names, ["agent-x"]);
    assert!(case.bound.known().unwrap().is_empty());
}

#[test]
fn change_of_another_object_is_not_computed() {
    let objects = Objects::new(json!({}), json!({}));
    let other_node = Change::Node { name: "n2".into(), edit: NodeEdit::Cordon };
    let other_pod = Change::Pod { namespace: "shop".into(), name: "other".into(), edit: PodEdit::Delete };
    for change in [other_node, other_pod] {
        assert_eq!(objects.after(&[change]).unwrap_err(), ChangeError::NotComputable);
    }
}
