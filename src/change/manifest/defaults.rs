//! The defaults of the API server for a DaemonSet and its pod template.
//!
//! Upstream: `pkg/apis/apps/v1/zz_generated.defaults.go` `SetObjectDefaults_DaemonSet`, `pkg/apis/apps/v1/defaults.go`,
//! `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/v1/conversion.go` for the service account. Pods have further defaults,
//! which templates do not have: see `crate::admission::predict`.

use serde_json::{Map, Value, json};

use super::quantity::{Precision, canonicalize};
use super::{image_tag, omitted};

type Object = Map<String, Value>;

/// The mode of the files in volumes, 0644.
const FILE_MODE: i64 = 0o644;
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
/// Maps from resources to quantities, which are rounded up to thousandths.
const RESOURCE_LISTS: [&str; 3] = ["limits", "overhead", "requests"];

/// The defaults of volume sources that are plain values, as the field and the source: `(source, field, default)`.
fn volume_defaults() -> [(&'static str, &'static str, Value); 16] {
    [
        ("hostPath", "type", json!("")),
        ("secret", "defaultMode", json!(FILE_MODE)),
        ("configMap", "defaultMode", json!(FILE_MODE)),
        ("downwardAPI", "defaultMode", json!(FILE_MODE)),
        ("projected", "defaultMode", json!(FILE_MODE)),
        ("iscsi", "iscsiInterface", json!("default")),
        ("rbd", "pool", json!("rbd")),
        ("rbd", "user", json!("admin")),
        ("rbd", "keyring", json!("/etc/ceph/keyring")),
        ("azureDisk", "cachingMode", json!("ReadWrite")),
        ("azureDisk", "fsType", json!("ext4")),
        ("azureDisk", "readOnly", json!(false)),
        ("azureDisk", "kind", json!("Shared")),
        ("scaleIO", "storageMode", json!("ThinProvisioned")),
        ("scaleIO", "fsType", json!("xfs")),
        ("image", "pullPolicy", Value::Null),
    ]
}

/// Sets the defaults of the API server, and removes what it does not store. Fields of another type than the API's are
/// left as they are: the conversion to the type of the object rejects them.
pub(crate) fn with_defaults(daemon_set: &mut Value) {
    for field in ["metadata", "spec"] {
        if let Some(value) = daemon_set.get_mut(field) {
            omitted::remove(value, field);
        }
    }
    let Some(Value::Object(spec)) = daemon_set.get_mut("spec") else { return };
    default(spec, "revisionHistoryLimit", || json!(10));
    update_strategy(spec);
    let Some(template) = spec.get_mut("template") else { return };
    // It is not a pointer upstream, so it is stored even if it is empty.
    child(template, "metadata");
    if let Some(pod) = child(template, "spec") {
        pod_spec(pod);
        pod.iter_mut().for_each(|(field, value)| nested(field, value));
    }
}

/// The object in a field of an object, which is created if it is missing or null. `None` if either is something else.
pub(super) fn child<'v>(object: &'v mut Value, field: &str) -> Option<&'v mut Map<String, Value>> {
    let value = object.as_object_mut()?.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

fn default(object: &mut Object, field: &str, value: impl FnOnce() -> Value) {
    object.entry(field).or_insert_with(value);
}

/// The items of a list that are objects.
fn objects<'o>(object: &'o mut Object, list: &str) -> impl Iterator<Item = &'o mut Object> {
    let items = object.get_mut(list).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// `SetDefaults_DaemonSet`.
fn update_strategy(spec: &mut Object) {
    let Some(Value::Object(strategy)) = Some(spec.entry("updateStrategy").or_insert_with(|| json!({}))) else { return };
    default(strategy, "type", || json!("RollingUpdate"));
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
        default(strategy, "rollingUpdate", || json!({}));
        if let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate") {
            default(rolling, "maxUnavailable", || json!(1));
            default(rolling, "maxSurge", || json!(0));
        }
    }
}

/// `SetDefaults_PodSpec`, and the two names of the service account.
fn pod_spec(spec: &mut Object) {
    default(spec, "dnsPolicy", || json!("ClusterFirst"));
    default(spec, "restartPolicy", || json!("Always"));
    default(spec, "securityContext", || json!({}));
    default(spec, "terminationGracePeriodSeconds", || json!(30));
    default(spec, "schedulerName", || json!("default-scheduler"));
    let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned();
    if let Some(account) = account {
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
    }
    for list in CONTAINERS {
        objects(spec, list).for_each(container);
    }
    objects(spec, "volumes").for_each(volume);
}

/// `SetDefaults_Container`.
fn container(container: &mut Object) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = pull_policy(image);
    default(container, "imagePullPolicy", || json!(policy));
    default(container, "terminationMessagePath", || json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", || json!("File"));
    // It is not a pointer upstream, so it is stored even if it is empty.
    default(container, "resources", || json!({}));
    objects(container, "ports").for_each(|port| default(port, "protocol", || json!("TCP")));
    for probe in PROBES {
        if let Some(Value::Object(probe)) = container.get_mut(probe) {
            default(probe, "timeoutSeconds", || json!(1));
            default(probe, "periodSeconds", || json!(10));
            default(probe, "successThreshold", || json!(1));
            default(probe, "failureThreshold", || json!(3));
            if let Some(Value::Object(grpc)) = probe.get_mut("grpc") {
                default(grpc, "service", || json!(""));
            }
        }
    }
}

fn pull_policy(image: &str) -> &'static str {
    if image_tag::is_latest(image) { "Always" } else { "IfNotPresent" }
}

/// `SetDefaults_Volume` and the defaults of its sources.
fn volume(volume: &mut Object) {
    if volume.keys().all(|field| field == "name") {
        default(volume, "emptyDir", || json!({}));
    }
    for (source, field, value) in volume_defaults() {
        if let Some(Value::Object(source)) = volume.get_mut(source) {
            let image = source.get("reference").and_then(Value::as_str).unwrap_or_default();
            let value = if value.is_null() { json!(pull_policy(image)) } else { value };
            default(source, field, || value);
        }
    }
    if let Some(Value::Object(projected)) = volume.get_mut("projected") {
        for source in objects(projected, "sources") {
            if let Some(Value::Object(token)) = source.get_mut("serviceAccountToken") {
                default(token, "expirationSeconds", || json!(3600));
            }
        }
    }
    if let Some(template) = volume.get_mut("ephemeral").and_then(|source| source.get_mut("volumeClaimTemplate")) {
        child(template, "metadata");
        if let Some(Value::Object(claim)) = template.get_mut("spec") {
            default(claim, "volumeMode", || json!("Filesystem"));
            default(claim, "resources", || json!({}));
        }
    }
}

/// The defaults of types that occur in several places of a pod, each always in a field of the same name.
fn nested(field: &str, value: &mut Value) {
    match value {
        Value::Object(fields) if RESOURCE_LISTS.contains(&field) => {
            fields.values_mut().for_each(|quantity| canonicalize(quantity, Precision::Milli));
        }
        Value::Object(_) if omitted::MAPS.contains(&field) => {}
        Value::Object(fields) => {
            match field {
                "fieldRef" => default(fields, "apiVersion", || json!("v1")),
                "fileKeyRef" => default(fields, "optional", || json!(false)),
                "httpGet" => {
                    default(fields, "path", || json!("/"));
                    default(fields, "scheme", || json!("HTTP"));
                }
                // It is not a pointer upstream.
                "resourceFieldRef" => default(fields, "divisor", || json!("0")),
                _ => {}
            }
            fields.iter_mut().for_each(|(field, value)| nested(field, value));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| nested(field, item)),
        quantity if matches!(field, "divisor" | "sizeLimit") => canonicalize(quantity, Precision::Exact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
