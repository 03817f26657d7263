//! Compares two values in a filter.
//!
//! Upstream: `client-go/third_party/forked/golang/template/funcs.go` `Equal`, `Less`.

use std::cmp::Ordering;

use serde_json::Value;

use super::syntax::Operator;

/// Whether the comparison holds.
///
/// # Errors
/// Why the values cannot be compared. As upstream, an integer cannot be compared with another number.
pub(super) fn holds(left: &Value, operator: Operator, right: &Value) -> Result<bool, String> {
    let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let ordering = match (left, right) {
        (Value::Bool(left), Value::Bool(right)) if is_equality => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i128(), right.as_i128()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            (None, None) => left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right)),
            _ => return Err("an integer cannot be compared with a decimal number".into()),
        },
        (left, right) => return Err(format!("cannot compare {} with {}", kind(left), kind(right))),
    };
    Ok(match operator {
        Operator::Equal => ordering == Some(Ordering::Equal),
        Operator::NotEqual => ordering != Some(Ordering::Equal),
        Operator::Less => ordering == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => ordering == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// The type of a value, with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
