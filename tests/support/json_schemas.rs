//! Validates documents that the program prints against `docs/schema`.
//!
//! The published schemas allow additional fields, because a later version may add some. In a test, a field that the
//! schema does not have is an error.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// The schema of each kind.
pub(crate) static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path());
    let schema = |path: &Path| -> Option<(String, Value)> {
        let kind = path.file_stem()?.to_str()?.to_owned();
        Some((kind, serde_json::from_slice(&std::fs::read(path).ok()?).ok()?))
    };
    files.filter_map(|path| schema(&path)).collect()
});

static VALIDATORS: LazyLock<BTreeMap<&str, Result<Validator, String>>> = LazyLock::new(|| {
    let validator = |schema: &Value| {
        let mut schema = schema.clone();
        forbid_additional_fields(&mut schema);
        jsonschema::validator_for(&schema).map_err(|error| error.to_string())
    };
    SCHEMAS.iter().map(|(kind, schema)| (kind.as_str(), validator(schema))).collect()
});

/// Whether the document is what the schema of its kind says; else what differs.
pub(crate) fn validate(document: &Value) -> Result<(), String> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let validator = VALIDATORS.get(kind).ok_or_else(|| format!("docs/schema has no kind {kind:?}: {document:.300}"))?;
    let validator = validator.as_ref().map_err(|error| format!("docs/schema/{kind}.json: {error}"))?;
    let differences: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()).chars().take(600).collect())
        .collect();
    if differences.is_empty() { Ok(()) } else { Err(format!("{kind}: {}", differences.join("; "))) }
}

/// Closes every schema that describes a whole value. A part of one (`allOf`, `oneOf`, `anyOf`) stays open, because the
/// other parts add fields to the same object.
fn forbid_additional_fields(schema: &mut Value) {
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(close_properties);
    }
    close(schema);
}

fn close(schema: &mut Value) {
    close_properties(schema);
    let has_fields = |schema: &Map<String, Value>| {
        ["$ref", "properties", "oneOf", "anyOf", "allOf"].iter().any(|key| schema.contains_key(*key))
    };
    if let Some(schema) = schema.as_object_mut().filter(|schema| has_fields(schema)) {
        schema.insert("unevaluatedProperties".into(), json!(false));
    }
}

/// Closes the schemas of the fields and elements.
fn close_properties(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(close),
            ("items", items) => close(items),
            ("oneOf" | "anyOf" | "allOf", Value::Array(parts)) => parts.iter_mut().for_each(close_properties),
            _ => {}
        }
    }
}
