//! The order of rows by the value of a path.

use std::cmp::Ordering;

use serde_json::Value;

use super::compare::kind;
use super::failure::Failure;
use super::{Item, Template};
use crate::snapshot::quantity::Quantity;

/// Why rows cannot be sorted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsortable {
    #[error("no row has a value at this path")]
    NotFound,
    #[error("{0}")]
    Type(String),
    #[error("{0}")]
    Path(#[from] Failure),
}

/// The indices of the rows in the order of the values that the path selects in them, rows without a value first. Rows with
/// equal values keep their order.
///
/// Numbers are compared as numbers, quantities such as `100m` as amounts, other texts by their characters, and `false` is
/// before `true`. Upstream: `kubectl/pkg/cmd/get/sorter.go` `SortObjects`, `isLess`, which rejects booleans, and compares
/// texts as amounts two by two, where here all of them have to be amounts: the order of three texts would contradict itself.
///
/// # Errors
/// No row has the path, or the values have different types, or one is an array or object.
pub(crate) fn order(path: &Template, rows: &[Value]) -> Result<Vec<usize>, Unsortable> {
    let keys = rows.iter().map(|row| key(path, row)).collect::<Result<Vec<_>, _>>()?;
    if !rows.is_empty() && keys.iter().all(Option::is_none) {
        return Err(Unsortable::NotFound);
    }
    let keys: Vec<Option<Value>> = keys.into_iter().map(|key| key.filter(|key| !key.is_null())).collect();
    check_types(keys.iter().flatten())?;
    let amounts: Option<Vec<Quantity>> =
        keys.iter().flatten().map(|key| key.as_str().and_then(|text| text.parse().ok())).collect();
    let are_amounts = amounts.is_some();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| match (&keys[*a], &keys[*b]) {
        (Some(a), Some(b)) => compare(a, b, are_amounts),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    Ok(order)
}

/// The first value that the path selects; `None` if it selects none.
fn key(path: &Template, row: &Value) -> Result<Option<Value>, Failure> {
    let first = path.select(row)?.into_iter().next().and_then(|values| values.into_iter().next());
    Ok(first.and_then(Item::into_value))
}

fn check_types<'v>(mut keys: impl Iterator<Item = &'v Value>) -> Result<(), Unsortable> {
    let Some(first) = keys.next() else { return Ok(()) };
    if matches!(first, Value::Array(_) | Value::Object(_)) {
        return Err(Unsortable::Type(format!("cannot sort by {}", kind(first))));
    }
    match keys.find(|other| kind(other) != kind(first)) {
        Some(other) => Err(Unsortable::Type(format!("cannot compare {} with {}", kind(first), kind(other)))),
        None => Ok(()),
    }
}

fn compare(a: &Value, b: &Value, are_amounts: bool) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (Value::String(a), Value::String(b)) if are_amounts => {
            a.parse::<Quantity>().unwrap_or_default().cmp(&b.parse().unwrap_or_default())
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        // `check_types` has rejected different types.
        _ => Ordering::Equal,
    }
}
