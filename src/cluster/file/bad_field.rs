//! Finds the path of the field for which decoding fails. A decoder that tracks its path would enlarge the binary by 5 %
//! for the large types of Kubernetes, so the path is searched only after a failure.

use serde_json::{Map, Value};

/// The path of the invalid field, such as `.spec.taints[0].key`. `refused` returns whether decoding a tree fails with
/// the same error. At each level, the search finds the first child with which decoding fails and without which it
/// succeeds. This works because decoders read the children in order.
pub(super) fn invalid_field(tree: &Value, rejected: &dyn Fn(&Value) -> bool) -> String {
    match tree {
        Value::Object(fields) => {
            let first = |count: usize| fields.iter().take(count).map(|(name, value)| (name.clone(), value.clone()));
            let Some(last) = fewest(fields.len(), &|count| rejected(&Value::Object(first(count).collect()))) else {
                return String::new();
            };
            let Some((name, value)) = fields.iter().nth(last) else { return String::new() };
            let with = |inner: &Value| {
                let mut fields: Map<String, Value> = first(last).collect();
                fields.insert(name.clone(), inner.clone());
                rejected(&Value::Object(fields))
            };
            format!(".{name}{}", invalid_field(value, &with))
        }
        Value::Array(items) => {
            let Some(last) = fewest(items.len(), &|count| rejected(&Value::Array(items[..count].to_vec()))) else {
                return String::new();
            };
            let with = |inner: &Value| {
                let mut items = items[..last].to_vec();
                items.push(inner.clone());
                rejected(&Value::Array(items))
            };
            format!("[{last}]{}", invalid_field(&items[last], &with))
        }
        _ => String::new(),
    }
}

/// The index of the first child with which decoding fails, by binary search; `None` if it fails without any.
fn fewest(children: usize, rejected: &dyn Fn(usize) -> bool) -> Option<usize> {
    if rejected(0) {
        return None;
    }
    let (mut without, mut with) = (0, children);
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if rejected(middle) { with = middle } else { without = middle }
    }
    with.checked_sub(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::snapshot::Node;
    use serde::Deserialize;
    use serde_json::json;

    fn bad_field_path(tree: &Value) -> String {
        let rejection = Node::deserialize(tree).unwrap_err().to_string();
        invalid_field(tree, &|tree| Node::deserialize(tree).is_err_and(|error| error.to_string() == rejection))
    }

    #[test]
    fn path_of_the_first_invalid_field_is_found() {
        let taints = json!([{ "key": "a" }, { "key": ["b"], "value": 5 }, { "key": ["c"] }]);
        for (tree, path) in [
            (json!({ "metadata": { "name": "n" }, "spec": { "taints": taints } }), ".spec.taints[1].key"),
            (json!({ "metadata": { "name": 5 } }), ".metadata.name"),
            (json!({ "metadata": { "labels": ["a"] } }), ".metadata.labels"),
            (json!({ "metadata": { "labels": { "a": "b", "c/d~e": 1, "f": 2 } } }), ".metadata.labels.c/d~e"),
            (json!({ "status": {}, "spec": 7 }), ".spec"),
            (json!(7), ""),
            (json!("text"), ""),
        ] {
            assert_eq!(bad_field_path(&tree), path, "{tree}");
        }
    }
}
