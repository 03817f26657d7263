//! What `kubectl apply` makes of the manifest of a DaemonSet, and what the API server stores.
//!
//! Input: the DaemonSet of the cluster, if it exists, and the manifest, both as JSON. [`applied`] is the client's part: the
//! three-way merge with the annotation of the last apply (`strategic_merge`). [`with_defaults`] is the server's part: the
//! values that the API omits (`omitted`), the defaults, and the canonical form of quantities (`quantity`). [`stored`] is
//! both, with the fields that only the server writes. The result equals the object of a real API server as soon as it is
//! converted to its type: the recorded answers in `tests/fixtures/manifests` prove it.
//!
//! Not included: what webhooks and admission plugins change, validation, and fields behind feature gates that are off.
//!
//! Upstream: `kubectl/pkg/cmd/apply/apply.go` `applyOneObject`, `kubectl/pkg/util/apply.go` `GetModifiedConfiguration`,
//! `pkg/registry/apps/daemonset/strategy.go`, `apiserver/pkg/registry/rest/{create,update}.go`.

mod defaults;
mod image_tag;
mod omitted;
mod quantity;
mod strategic_merge;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::error::ChangeError;
use defaults::child;
pub(crate) use defaults::with_defaults;

/// The annotation with the manifest of the last client-side apply (`v1.LastAppliedConfigAnnotation`).
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The annotation with the number of template changes (`appsv1.DeprecatedTemplateGeneration`).
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The fields of the metadata that a client cannot change.
const SERVER_METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The object that `kubectl apply` sends: the manifest, merged into the live object. Fields of the last applied manifest
/// that are no longer in the manifest are removed, other fields of the live object are kept.
///
/// # Errors
/// kubectl rejects the manifest: an item of a list lacks the key by which items are merged, the annotation of the last
/// apply is not JSON, or the manifest is not an object.
pub(crate) fn applied(live: Option<&Value>, manifest: &Value) -> Result<Value, ChangeError> {
    let modified = annotated(manifest)?;
    let Some(Value::Object(live)) = live else {
        return Ok(Value::Object(with_server_fields(modified, None)));
    };
    let patch = strategic_merge::three_way_patch(&last_applied(live)?, &modified, live)?;
    let merged = strategic_merge::patched(live.clone(), patch)?;
    Ok(Value::Object(with_server_fields(merged, Some(live))))
}

/// The request of `kubectl apply`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientPatch {
    /// The object does not exist: it is created.
    Create(Value),
    /// A strategic merge patch of the live object.
    Patch(Value),
}

/// What `kubectl apply` sends to an API server that merges.
///
/// # Errors
/// As [`applied`].
pub(crate) fn client_patch(live: Option<&Value>, manifest: &Value) -> Result<ClientPatch, ChangeError> {
    let modified = annotated(manifest)?;
    match live {
        Some(Value::Object(live)) => {
            let patch = strategic_merge::three_way_patch(&last_applied(live)?, &modified, live)?;
            Ok(ClientPatch::Patch(Value::Object(patch)))
        }
        _ => {
            let mut object = Value::Object(modified);
            strategic_merge::remove_nulls(&mut object);
            Ok(ClientPatch::Create(object))
        }
    }
}

/// The manifest of the last apply; empty if there was none.
fn last_applied(live: &Map<String, Value>) -> Result<Map<String, Value>, ChangeError> {
    live.get("metadata")
        .and_then(|metadata| metadata.get("annotations")?.get(LAST_APPLIED)?.as_str())
        .filter(|text| !text.is_empty())
        .map_or(Ok(Map::new()), |text| serde_json::from_str(text).map_err(|_| ChangeError::Rejected))
}

/// The object that the API server stores after `kubectl apply`.
///
/// # Errors
/// As [`applied`].
pub(crate) fn stored(live: Option<&Value>, manifest: &Value) -> Result<Value, ChangeError> {
    let mut stored = applied(live, manifest)?;
    with_defaults(&mut stored);
    set_template_generation(live, &mut stored);
    Ok(stored)
}

/// The manifest with itself as the annotation of the last apply.
fn annotated(manifest: &Value) -> Result<Map<String, Value>, ChangeError> {
    let Value::Object(mut manifest) = manifest.clone() else { return Err(ChangeError::Rejected) };
    let metadata = manifest.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let annotations = child(metadata, "annotations").ok_or(ChangeError::Rejected)?;
    annotations.remove(LAST_APPLIED);
    let text = Value::Object(manifest.clone()).to_string() + "\n";
    if let Some(annotations) = manifest.get_mut("metadata").and_then(|metadata| child(metadata, "annotations")) {
        annotations.insert(LAST_APPLIED.to_owned(), text.into());
    }
    Ok(manifest)
}

/// Replaces the fields that only the server writes by those of the live object.
fn with_server_fields(mut object: Map<String, Value>, live: Option<&Map<String, Value>>) -> Map<String, Value> {
    replace(&mut object, "status", live.and_then(|live| live.get("status")));
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let live = live.and_then(|live| live.get("metadata"));
        for field in SERVER_METADATA {
            replace(metadata, field, live.and_then(|live| live.get(field)));
        }
    }
    object
}

fn replace(object: &mut Map<String, Value>, field: &str, value: Option<&Value>) {
    match value {
        Some(value) => {
            object.insert(field.to_owned(), value.clone());
        }
        None => {
            object.remove(field);
        }
    }
}

/// Counts the changes of the template in the annotation. A client can set it only when it creates the object
/// (`PrepareForCreate`, `PrepareForUpdate`).
fn set_template_generation(live: Option<&Value>, stored: &mut Value) {
    let count = |object: &Value| -> i64 {
        let annotation = object["metadata"]["annotations"][TEMPLATE_GENERATION].as_str();
        annotation.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let generation = match live {
        None => count(stored).max(1),
        Some(live) => {
            let mut before = live.clone();
            with_defaults(&mut before);
            let is_same = before["spec"]["template"] == stored["spec"]["template"];
            count(live).saturating_add(if is_same { 0 } else { 1 })
        }
    };
    let annotations = stored.get_mut("metadata").and_then(|metadata| child(metadata, "annotations"));
    if let Some(annotations) = annotations {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string().into());
    }
}
