//! Decodes the text or the tree of an object to its type.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::bad_field::invalid_field;
use super::scalar;

/// The maximum estimated size of an object's tree, in bytes; far more than any object of a cluster needs.
const MOST: usize = 64 << 20;
/// The tree of a text below this size cannot exceed the maximum.
const SMALL: usize = 64 << 10;

/// An undecoded object.
pub(super) trait Decode: Sized {
    /// Decodes through a tree, in which a null counts as a missing field. The error names the invalid field.
    /// `bad_times` counts invalid timestamps.
    fn decode<T: DeserializeOwned>(self, bad_times: &mut usize) -> Result<T, String>;

    /// Decodes kinds with up to hundreds of thousands of objects: pods and nodes.
    fn decode_bulk<T: DeserializeOwned>(self, bad_times: &mut usize) -> Result<T, String> {
        self.decode(bad_times)
    }
}

impl Decode for (&RawValue, &str) {
    fn decode<T: DeserializeOwned>(self, bad_times: &mut usize) -> Result<T, String> {
        let (raw, at) = self;
        check_size(raw.get(), at)?;
        let tree: Value = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        (tree, at).decode(bad_times)
    }

    fn decode_bulk<T: DeserializeOwned>(self, bad_times: &mut usize) -> Result<T, String> {
        check_size(self.0.get(), self.1)?;
        // Directly from the text; through a tree only if that fails.
        serde_json::from_slice(self.0.get().as_bytes()).or_else(|_| self.decode(bad_times))
    }
}

impl Decode for (Value, &str) {
    fn decode<T: DeserializeOwned>(self, bad_times: &mut usize) -> Result<T, String> {
        let mut tree = without_nulls(self.0);
        if let Ok(object) = T::deserialize(&tree) {
            return Ok(object);
        }
        repair(&mut tree, bad_times);
        T::deserialize(&tree).map_err(|error| {
            let rejection = error.to_string();
            let rejected = |tree: &Value| T::deserialize(tree).is_err_and(|error| error.to_string() == rejection);
            let path = format!("{}{}", self.1, invalid_field(&tree, &rejected));
            if path.is_empty() { rejection } else { format!("{path}: {rejection}") }
        })
    }
}

/// Rejects a text whose tree would be too large: three bytes of text, an empty map, become hundreds of bytes.
fn check_size(text: &str, at: &str) -> Result<(), String> {
    if text.len() <= SMALL {
        return Ok(());
    }
    let of_byte = |byte: u8| match byte {
        b'{' => 600,
        b'[' | b',' => 40,
        _ => 1,
    };
    let size: usize = text.bytes().map(of_byte).sum();
    match size > MOST {
        true => {
            Err(format!("{at}: the object is larger than any object in a cluster").trim_start_matches(": ").to_owned())
        }
        false => Ok(()),
    }
}

/// Removes fields that are null, which the API server treats as missing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Repairs the output of tools that do not know the types: an invalid timestamp is removed (some tools write `"null"`
/// for an unset one), a float with an integral value becomes an integer, and a number in labels becomes text.
fn repair(value: &mut Value, bad_times: &mut usize) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, value| {
                let is_bad = is_time_field(key) && !is_time(value);
                // A list or a map with such a name is not a timestamp.
                let is_lost = is_bad && !value.is_object() && !value.is_array();
                *bad_times += usize::from(is_lost && !matches!(value.as_str(), Some("" | "null")));
                !is_lost
            });
            for (key, value) in fields {
                match (matches!(key.as_str(), "labels" | "annotations" | "matchLabels" | "nodeSelector"), value) {
                    (true, Value::Object(texts)) => texts.values_mut().for_each(to_text),
                    (_, value) => repair(value, bad_times),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| repair(item, bad_times)),
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number.as_f64().and_then(scalar::whole) {
                *number = whole;
            }
        }
        _ => {}
    }
}

fn to_text(value: &mut Value) {
    if let Value::Number(_) | Value::Bool(_) = value {
        *value = Value::String(value.to_string());
    }
}

/// Whether Kubernetes uses this name for timestamps.
fn is_time_field(key: &str) -> bool {
    key.ends_with("Time")
        || key.ends_with("Timestamp")
        || matches!(key, "startedAt" | "finishedAt" | "timeAdded" | "time")
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
}
