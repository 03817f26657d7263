//! Values as text.

use serde_json::Value;

use super::number::float_in_text;

/// A scalar as `-o jsonpath` prints it; `None` for an array or object, which is printed as JSON.
///
/// Upstream: `client-go/util/jsonpath/jsonpath.go` `evalToText`.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".into()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(match number.as_i128() {
            Some(integer) => integer.to_string(),
            None => number.as_f64().map(float_in_text).unwrap_or_default(),
        }),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as `-o custom-columns` prints it: arrays as `[a b]` and objects as `map[key:value]`.
///
/// Upstream: `kubectl/pkg/cmd/get/customcolumn.go` `printOneObject`, with Go's `fmt.Sprint`.
pub(crate) fn column_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Array(values) => format!("[{}]", values.iter().map(column_text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key}:{}", column_text(value)));
            format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar_text(value).unwrap_or_default(),
    }
}
