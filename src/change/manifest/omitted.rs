//! The values that the API does not store: null, and empty values of fields that are not pointers upstream.
//!
//! Upstream: the tag `omitempty` of the fields in `k8s.io/api/core/v1/types.go` and `apps/v1/types.go`. A pointer keeps
//! its empty value (`optional: false`), another field does not (`hostNetwork: false`).

use serde_json::Value;

/// Scalar fields without an own empty value, wherever they are.
const SCALARS: [&str; 76] = [
    "action",
    "audience",
    "certificateChainPath",
    "chapAuthDiscovery",
    "chapAuthSession",
    "containerName",
    "credentialBundlePath",
    "datasetName",
    "datasetUUID",
    "directory",
    "divisor",
    "dnsPolicy",
    "effect",
    "failureThreshold",
    "generateName",
    "group",
    "host",
    "hostIP",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "hostname",
    "imagePullPolicy",
    "initialDelaySeconds",
    "iscsiInterface",
    "keyPath",
    "keyType",
    "keyring",
    "level",
    "medium",
    "minReadySeconds",
    "nodeName",
    "partition",
    "periodSeconds",
    "pool",
    "prefix",
    "priorityClassName",
    "protectionDomain",
    "protocol",
    "pullPolicy",
    "reference",
    "request",
    "revision",
    "role",
    "schedulerName",
    "scheme",
    "secretFile",
    "serviceAccount",
    "serviceAccountName",
    "sslEnabled",
    "stdin",
    "stdinOnce",
    "storageMode",
    "storagePolicyID",
    "storagePolicyName",
    "storagePool",
    "subPath",
    "subPathExpr",
    "subdomain",
    "subresource",
    "successThreshold",
    "targetContainerName",
    "tenant",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "timeoutSeconds",
    "tty",
    "user",
    "volumeNamespace",
    "workingDir",
    "creationTimestamp",
    "selfLink",
    "userName",
    "fileName",
    "generation",
];

/// Scalar fields that have an own empty value only in some types, with the fields that contain those types.
const SCALARS_EXCEPT: [(&str, &[&str]); 7] = [
    ("fsType", &["azureDisk", "csi"]),
    ("readOnly", &["azureDisk", "csi"]),
    ("value", &["httpHeaders", "options", "sysctls"]),
    ("secretName", &["azureFile"]),
    ("volumeName", &["fileKeyRef"]),
    ("namespace", &["dataSourceRef"]),
    ("image", &["rbd"]),
];

/// Scalar fields without an own empty value only in some types, with the fields that contain those types.
const SCALARS_IN: [(&str, &[&str]); 6] = [
    ("apiVersion", &["fieldRef"]),
    ("key", &["tolerations"]),
    ("name", &["metadata", "ports"]),
    ("operator", &["tolerations"]),
    ("path", &["cephfs", "httpGet"]),
    ("type", &["seLinuxOptions", "updateStrategy"]),
];

/// Maps with keys of the user. An empty one is not stored, but an empty value in one is.
pub(super) const MAPS: [&str; 9] = [
    "annotations",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "overhead",
    "requests",
    "userAnnotations",
    "volumeAttributes",
];

/// Lists that are stored even if they are empty.
const LISTS: [&str; 4] = ["containers", "monitors", "nodeSelectorTerms", "sources"];

/// Removes the values that the API does not store from the value of a field. `outer` is the field around it.
pub(super) fn remove(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => {
            let is_map = MAPS.contains(&field);
            fields.retain(|name, value| !value.is_null() && (is_map || !is_omitted(field, name, value)));
            if !is_map {
                for (name, value) in fields.iter_mut() {
                    remove(value, name);
                }
                // A map may be empty now.
                fields.retain(|name, value| !is_omitted(field, name, value));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, field)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether the field with this value is not stored. `outer` is the field that contains it.
fn is_omitted(outer: &str, field: &str, value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty() && !LISTS.contains(&field),
        Value::Object(fields) => fields.is_empty() && MAPS.contains(&field),
        Value::Null => true,
        Value::Bool(true) => false,
        Value::String(text) if !text.is_empty() => false,
        Value::Number(number) if number.as_f64() != Some(0.0) => false,
        Value::Bool(false) | Value::String(_) | Value::Number(_) => is_plain(outer, field),
    }
}

/// Whether the field is a scalar without an own empty value.
fn is_plain(outer: &str, field: &str) -> bool {
    let listed = |table: &[(&str, &[&str])]| {
        let row = table.iter().find(|(name, _)| *name == field);
        row.map(|(_, parents)| parents.contains(&outer))
    };
    SCALARS.contains(&field)
        || listed(&SCALARS_EXCEPT) == Some(false)
        || listed(&SCALARS_IN) == Some(true)
        // A container's own policy is a pointer.
        || (field == "restartPolicy" && outer == "spec")
}
