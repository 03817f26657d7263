//! The objects that the tests create, as JSON: what each test does not say itself.

use serde_json::{Value, json};

/// The label that every DaemonSet of [`daemon_set`] selects its pods by.
pub(crate) const APP: &str = "app";

/// The name, namespace, kind and API version of an object: enough to delete it or to merge fields into it.
pub(crate) fn reference(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

pub(crate) fn pod_reference(namespace: &str, name: &str) -> Value {
    reference("v1", "Pod", Some(namespace), name)
}

pub(crate) fn daemon_set_reference(namespace: &str, name: &str) -> Value {
    reference("apps/v1", "DaemonSet", Some(namespace), name)
}

pub(crate) fn node_reference(name: &str) -> Value {
    reference("v1", "Node", None, name)
}

pub(crate) fn namespace(name: &str) -> Value {
    reference("v1", "Namespace", None, name)
}

/// A Node with its hostname label.
pub(crate) fn node(name: &str) -> Value {
    node_with(name, &json!({}))
}

/// The same with further fields, such as `{"metadata": {"labels": ...}, "spec": ...}`.
pub(crate) fn node_with(name: &str, fields: &Value) -> Value {
    let mut node = node_reference(name);
    node["metadata"]["labels"] = json!({"kubernetes.io/hostname": name});
    merge_patch(&mut node, fields);
    node
}

/// `status` of a Node that has these resources.
pub(crate) fn node_resources(resources: &Value) -> Value {
    json!({"capacity": resources, "allocatable": resources})
}

/// A container `main` of an image.
pub(crate) fn container(image: &str) -> Value {
    json!({"name": "main", "image": image})
}

/// A DaemonSet with the label `app=NAME` on its pods, and one container. The fields of `pod_spec` replace those of the
/// template's pod spec.
pub(crate) fn daemon_set(namespace: &str, name: &str, pod_spec: &Value) -> Value {
    let labels = json!({APP: name});
    let mut spec = json!({"containers": [container("agent")]});
    replace_fields(&mut spec, pod_spec);
    let mut set = daemon_set_reference(namespace, name);
    set["spec"] = json!({
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec},
    });
    set
}

/// The same with one container of an image, and pods that terminate within a second.
pub(crate) fn daemon_set_with_image(namespace: &str, name: &str, image: &str) -> Value {
    daemon_set(namespace, name, &json!({"containers": [container(image)], "terminationGracePeriodSeconds": 1}))
}

/// Adds annotations to the template of a DaemonSet: `ds.test/...`, the behavior of its pods (see `stages.yaml`).
pub(crate) fn with_behavior(mut daemon_set: Value, behavior: &Value) -> Value {
    daemon_set["spec"]["template"]["metadata"]["annotations"] = behavior.clone();
    daemon_set
}

/// A Pod with the label `app=NAME` that is bound to a node without a scheduler. The fields of `pod_spec` replace those
/// of its spec.
pub(crate) fn bound_pod(namespace: &str, name: &str, node: &str, pod_spec: &Value) -> Value {
    let mut spec = json!({"nodeName": node, "containers": [container("agent")]});
    replace_fields(&mut spec, pod_spec);
    let mut pod = pod_reference(namespace, name);
    pod["metadata"]["labels"] = json!({APP: name});
    pod["spec"] = spec;
    pod
}

/// A ResourceQuota with these hard limits.
pub(crate) fn resource_quota(namespace: &str, name: &str, hard: &Value) -> Value {
    let mut quota = reference("v1", "ResourceQuota", Some(namespace), name);
    quota["spec"] = json!({"hard": hard});
    quota
}

/// A StorageClass that binds a volume when a pod uses it.
pub(crate) fn storage_class(name: &str, provisioner: &str) -> Value {
    let mut class = reference("storage.k8s.io/v1", "StorageClass", None, name);
    class["provisioner"] = json!(provisioner);
    class["volumeBindingMode"] = json!("WaitForFirstConsumer");
    class
}

/// A CSINode with one driver: its name, and further fields of it.
pub(crate) fn csi_node(node: &str, driver: &str, fields: &Value) -> Value {
    let mut entry = json!({"name": driver, "nodeID": node});
    replace_fields(&mut entry, fields);
    let mut csi_node = reference("storage.k8s.io/v1", "CSINode", None, node);
    csi_node["spec"] = json!({"drivers": [entry]});
    csi_node
}

pub(crate) fn persistent_volume(name: &str, spec: &Value) -> Value {
    let mut volume = reference("v1", "PersistentVolume", None, name);
    volume["spec"] = spec.clone();
    volume
}

pub(crate) fn persistent_volume_claim(namespace: &str, name: &str, spec: &Value) -> Value {
    let mut claim = reference("v1", "PersistentVolumeClaim", Some(namespace), name);
    claim["spec"] = spec.clone();
    claim
}

/// A ClusterRole with these rules.
pub(crate) fn cluster_role(name: &str, rules: &Value) -> Value {
    let mut role = reference("rbac.authorization.k8s.io/v1", "ClusterRole", None, name);
    role["rules"] = rules.clone();
    role
}

/// Grants a user the permissions of a ClusterRole. It has the name of the role.
pub(crate) fn cluster_role_binding(role: &str, user: &str) -> Value {
    let mut binding = reference("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, role);
    binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    binding["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
    binding
}

/// A rule of a ClusterRole for the resources of one API group.
pub(crate) fn rule(api_group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [api_group], "resources": resources, "verbs": verbs})
}

/// Required node affinity for the values of one label.
pub(crate) fn required_node_label(key: &str, values: &Value) -> Value {
    let expression = json!({"key": key, "operator": "In", "values": values});
    required_node_term(&json!({"matchExpressions": [expression]}))
}

/// Required node affinity for one node, as the DaemonSet controller pins its pods.
pub(crate) fn required_node_name(name: &str) -> Value {
    let field = json!({"key": "metadata.name", "operator": "In", "values": [name]});
    required_node_term(&json!({"matchFields": [field]}))
}

fn required_node_term(term: &Value) -> Value {
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}})
}

/// Merges `patch` into `value`: objects field by field, anything else as a whole. Unlike in RFC 7386 a null stays, so
/// that the result can be a merge patch itself.
pub(crate) fn merge_patch(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    for (key, field) in fields {
        merge_patch(&mut value[key], field);
    }
}

/// Replaces the fields of `object` that `fields` has, without merging below them.
pub(crate) fn replace_fields(object: &mut Value, fields: &Value) {
    for (key, value) in fields.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
}
