//! Kubernetes objects for unit tests. Each function sets the fields that most tests need, merges the fields that a test
//! adds or changes, and deserializes the result, as if an API server had sent it.
//!
//! The UID of an object is `uid-NAME`, so that tests can refer to it.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::snapshot::{Known, Node, Snapshot, UnsavedPods};

/// The time at which the tests look at the objects.
pub(crate) const NOW: &str = "2026-01-02T12:00:00Z";
/// One hour before [`NOW`].
pub(crate) const HOUR_AGO: &str = "2026-01-02T11:00:00Z";
/// When objects are created, unless a test says otherwise.
pub(crate) const CREATED: &str = "2026-01-01T00:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(crate) fn from_json<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Merges `change` into `target`: objects field by field, anything else as a whole. A null stays, unlike in RFC 7386.
pub(crate) fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, change) => *target = change,
    }
}

fn merged<T: DeserializeOwned>(mut object: Value, fields: Value) -> T {
    merge(&mut object, fields);
    from_json(object)
}

/// A node without labels, taints and status.
pub(crate) fn node(name: &str, fields: Value) -> Node {
    merged(json!({ "metadata": { "name": name } }), fields)
}

/// A pod without spec and status: a complete `Pod` or a `PodSummary`.
pub(crate) fn pod<T: DeserializeOwned>(namespace: &str, name: &str, fields: Value) -> T {
    let metadata = json!({ "namespace": namespace, "name": name, "uid": format!("uid-{name}") });
    merged(json!({ "metadata": metadata }), fields)
}

/// A pod with the labels and the owner that the DaemonSet controller gives it, except for the hash of its revision.
pub(crate) fn daemon_pod<T: DeserializeOwned>(owner: &DaemonSet, name: &str, fields: Value) -> T {
    let template = owner.spec.template.metadata.clone().unwrap_or_default();
    let mut all = json!({ "metadata": {
        "creationTimestamp": CREATED, "labels": template.labels, "ownerReferences": [owner_reference(owner)],
    } });
    merge(&mut all, fields);
    pod(owner.metadata.namespace.as_deref().unwrap(), name, all)
}

/// `status` of a pod with one container `c` that has been ready since [`HOUR_AGO`].
pub(crate) fn ready_status() -> Value {
    json!({
        "phase": "Running",
        "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": HOUR_AGO }],
        "containerStatuses": [{ "name": "c", "ready": true, "state": { "running": {} } }],
    })
}

/// Required node affinity for one node, as the DaemonSet controller pins its pods.
pub(crate) fn required_node_name(node: &str) -> Value {
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    let terms = json!([{ "matchFields": [field] }]);
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } })
}

/// A DaemonSet with the label `app=NAME` on its pods and without containers.
pub(crate) fn daemon_set(namespace: &str, name: &str, fields: Value) -> DaemonSet {
    let labels = json!({ "app": name });
    let object = json!({
        "metadata": { "namespace": namespace, "name": name, "uid": format!("uid-{name}") },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [] } },
        },
    });
    merged(object, fields)
}

/// The owner reference by which a DaemonSet controls its pods and revisions.
pub(crate) fn owner_reference(owner: &DaemonSet) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "name": owner.metadata.name, "uid": owner.metadata.uid,
        "controller": true,
    })
}

/// The revision of a template of the DaemonSet, named by its number.
pub(crate) fn controller_revision(
    owner: &DaemonSet,
    number: i64,
    mut template: Value,
    fields: Value,
) -> ControllerRevision {
    let metadata = &owner.metadata;
    // The controller stores the template as a patch.
    template["$patch"] = "replace".into();
    let object = json!({
        "metadata": {
            "namespace": metadata.namespace, "name": format!("{}-{number}", metadata.name.as_deref().unwrap()),
            "ownerReferences": [owner_reference(owner)],
        },
        "revision": number,
        "data": { "spec": { "template": template } },
    });
    merged(object, fields)
}

/// A warning about the object with this kind and UID.
pub(crate) fn event(kind: &str, uid: &str, reason: &str, fields: Value) -> Event {
    let object = json!({
        "metadata": { "namespace": "ns", "name": format!("{uid}.{reason}") },
        "type": "Warning", "reason": reason,
        "involvedObject": { "kind": kind, "namespace": "ns", "name": uid, "uid": uid },
    });
    merged(object, fields)
}

/// A snapshot at [`NOW`] of a cluster that has no objects and allows every read.
pub(crate) fn empty_snapshot() -> Snapshot {
    Snapshot {
        daemon_sets: Vec::new(),
        nodes: Known::Known(Vec::new()),
        has_all_nodes: true,
        pods: Known::Known(Vec::new()),
        unsaved_pods: UnsavedPods::default(),
        revisions: Known::Known(Vec::new()),
        events: Known::Known(Vec::new()),
        openshift: Known::Known(None),
        as_of: now(),
    }
}
