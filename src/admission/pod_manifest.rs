//! The pod that the DaemonSet controller sends for a node, as a manifest for a dry run.
//!
//! Unlike [`super::predict`], which computes the pod with the fields that this program reads, it keeps every field of the
//! template, and leaves defaults, admission plugins and webhooks to the API server.
//!
//! Upstream: `pkg/controller/controller_utils.go` `GetPodFromTemplate`, `pkg/controller/daemon/daemon_controller.go`
//! `syncNodes`; and see `daemonset_template`.

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Map, Value, json};

use super::daemonset_template::{GENERATION_LABEL, template_generation};
use crate::placement::added_tolerations;

/// The pod of the DaemonSet for this node. Its label with the revision is missing: the revision does not exist yet.
pub(crate) fn daemon_pod_manifest(daemon_set: &DaemonSet, node: &str) -> Value {
    let mut template = serde_json::to_value(&daemon_set.spec.template).unwrap_or_default();
    let mut spec = template["spec"].take();
    if !spec.is_object() {
        spec = Value::Object(Map::new());
    }
    let is_host_network = spec["hostNetwork"] == true;
    pin(&mut spec, node);
    for (key, effect) in added_tolerations(is_host_network) {
        add_toleration(&mut spec, key, effect);
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata(daemon_set, &mut template["metadata"]), "spec": spec })
}

fn metadata(daemon_set: &DaemonSet, template: &mut Value) -> Value {
    let name = daemon_set.metadata.name.as_deref().unwrap_or_default();
    let mut metadata = json!({ "generateName": format!("{name}-"), "namespace": daemon_set.metadata.namespace });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.get_mut(field) {
            metadata[field] = value.take();
        }
    }
    if let Some(generation) = template_generation(daemon_set) {
        if !metadata["labels"].is_object() {
            metadata["labels"] = json!({});
        }
        metadata["labels"][GENERATION_LABEL] = generation.to_string().into();
    }
    if let Some(uid) = daemon_set.metadata.uid.as_deref().filter(|uid| !uid.is_empty()) {
        // Without `blockOwnerDeletion`, for which the plugin OwnerReferencesPermissionEnforcement requires a permission
        // that the controller has and the user may lack.
        let owner =
            json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "uid": uid, "controller": true });
        metadata["ownerReferences"] = json!([owner]);
    }
    metadata
}

/// Replaces the required node affinity.
fn pin(spec: &mut Value, node: &str) {
    let is_the_node = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    let required = json!({ "nodeSelectorTerms": [{ "matchFields": [is_the_node] }] });
    for path in ["/affinity", "/affinity/nodeAffinity"] {
        let (parent, field) = path.rsplit_once('/').unwrap_or_default();
        if let Some(Value::Object(parent)) = spec.pointer_mut(parent) {
            let value = parent.entry(field).or_insert(Value::Null);
            if !value.is_object() {
                *value = json!({});
            }
        }
    }
    spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = required;
}

/// Adds a toleration, or replaces those with the same key, effect, operator and value, which lose `tolerationSeconds`.
fn add_toleration(spec: &mut Value, key: &str, effect: &str) {
    if !spec["tolerations"].is_array() {
        spec["tolerations"] = json!([]);
    }
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    let text = |toleration: &Value, field: &str| toleration[field].as_str().unwrap_or_default().to_owned();
    let is_same = |toleration: &&mut Value| {
        text(toleration, "key") == key
            && text(toleration, "effect") == effect
            && text(toleration, "operator") == "Exists"
            && text(toleration, "value").is_empty()
    };
    let mut is_there = false;
    for toleration in tolerations.iter_mut().filter(is_same) {
        is_there = true;
        if let Value::Object(fields) = toleration {
            fields.remove("tolerationSeconds");
        }
    }
    if !is_there {
        tolerations.push(json!({ "key": key, "operator": "Exists", "effect": effect }));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn daemon_set(spec: &Value, uid: Option<&str>) -> DaemonSet {
        serde_json::from_value(json!({
            "metadata": { "name": "agent", "namespace": "ns", "uid": uid,
                          "annotations": { "deprecated.daemonset.template.generation": "3" } },
            "spec": { "selector": {}, "template": {
                "metadata": { "labels": { "app": "agent" }, "annotations": { "a": "b" }, "finalizers": ["f/f"] },
                "spec": spec,
            } },
        }))
        .unwrap()
    }

    #[test]
    fn pod_has_the_template_and_the_controllers_additions() {
        let spec = json!({ "containers": [{ "name": "c", "image": "i", "env": [{ "name": "A", "value": "b" }] }] });
        let pod = daemon_pod_manifest(&daemon_set(&spec, Some("u-1")), "node-1");
        assert_eq!(
            pod["metadata"],
            json!({
                "generateName": "agent-", "namespace": "ns", "annotations": { "a": "b" }, "finalizers": ["f/f"],
                "labels": { "app": "agent", "pod-template-generation": "3" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u-1",
                                      "controller": true }],
            })
        );
        assert_eq!(pod["spec"]["containers"], spec["containers"]);
        let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
        let expected = added_tolerations(false).count();
        assert_eq!(tolerations.len(), expected);
        assert!(
            tolerations.contains(
                &json!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute" })
            )
        );
        // A DaemonSet that does not exist yet owns nothing.
        let pod = daemon_pod_manifest(&daemon_set(&spec, None), "node-1");
        assert_eq!(pod["metadata"].get("ownerReferences"), None);
    }

    #[test]
    fn required_node_affinity_is_replaced_and_the_rest_is_kept() {
        let pinned = json!({ "nodeSelectorTerms": [{ "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": ["node-1"] },
        ] }] });
        let preferred = json!([{ "weight": 1, "preference": {} }]);
        let affinity = json!({
            "podAffinity": {},
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{}] },
                "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            },
        });
        let pod = daemon_pod_manifest(&daemon_set(&json!({ "containers": [], "affinity": affinity }), None), "node-1");
        let node_affinity = &pod["spec"]["affinity"]["nodeAffinity"];
        assert_eq!(node_affinity["requiredDuringSchedulingIgnoredDuringExecution"], pinned);
        assert_eq!(node_affinity["preferredDuringSchedulingIgnoredDuringExecution"], preferred);
        assert_eq!(pod["spec"]["affinity"]["podAffinity"], json!({}));
        let pod = daemon_pod_manifest(&daemon_set(&json!({ "containers": [] }), None), "node-1");
        assert_eq!(
            pod["spec"]["affinity"],
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": pinned } })
        );
    }

    #[test]
    fn toleration_of_the_template_is_replaced() {
        let own = json!([
            { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 },
            { "key": "own", "operator": "Exists" },
        ]);
        let spec = json!({ "containers": [], "hostNetwork": true, "tolerations": own });
        let pod = daemon_pod_manifest(&daemon_set(&spec, None), "node-1");
        let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
        assert_eq!(tolerations.len(), added_tolerations(true).count() + 1);
        assert_eq!(
            tolerations[..2],
            [
                json!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute" }),
                json!({ "key": "own", "operator": "Exists" }),
            ]
        );
    }
}
