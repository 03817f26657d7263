//! The field that is wrong. A decoder that keeps its path as it goes would tell at once, and for the large types of
//! Kubernetes make the whole program larger by a twentieth; so the path is looked for where something is wrong.

use serde_json::{Map, Value};

/// The path of the field for which a tree is refused: `.spec.taints[0].key`. `refused` tells whether a tree is refused for
/// the same reason. Step by step it is the first child with which that is so, and without which it is not; decoders read
/// the children in their order.
pub(super) fn culprit(tree: &Value, rejected: &dyn Fn(&Value) -> bool) -> String {
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
            format!(".{name}{}", culprit(value, &with))
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
            format!("[{last}]{}", culprit(&items[last], &with))
        }
        _ => String::new(),
    }
}

/// The last of the fewest children with which it is refused; `None` where it is refused without any.
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
        culprit(tree, &|tree| Node::deserialize(tree).is_err_and(|error| error.to_string() == rejection))
    }

    #[test]
    fn the_first_field_that_is_wrong_is_found() {
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
