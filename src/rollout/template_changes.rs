//! What differs between two pod templates, field by field.

use serde::Serialize;
use serde_json::Value;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TemplateChange {
    /// Where: `spec.containers[main].image`. Items of a list are named if they have a name, and otherwise numbered.
    pub(crate) path: String,
    /// The value before; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// The value after; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// The differences, in the order of the paths.
pub(crate) fn template_changes(before: &Value, after: &Value) -> Vec<TemplateChange> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<TemplateChange>) {
    if before == after {
        return;
    }
    let fields: Option<(Fields<'_>, Fields<'_>)> = before.and_then(fields_of).zip(after.and_then(fields_of));
    match fields {
        Some((old, new)) if old.is_list == new.is_list => {
            let missing = new.entries.iter().filter(|(key, _)| old.get(key).is_none());
            for (key, _) in old.entries.iter().chain(missing) {
                let path = match (path.is_empty(), old.is_list) {
                    (_, true) => format!("{path}[{key}]"),
                    (true, false) => key.clone(),
                    (false, false) => format!("{path}.{key}"),
                };
                compare(&path, old.get(key), new.get(key), changes);
            }
        }
        _ => changes.push(TemplateChange { path: path.to_owned(), before: before.cloned(), after: after.cloned() }),
    }
}

/// The fields of an object or the items of a list.
struct Fields<'v> {
    is_list: bool,
    entries: Vec<(String, &'v Value)>,
}

impl<'v> Fields<'v> {
    fn get(&self, key: &str) -> Option<&'v Value> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }
}

/// `None` for a scalar.
fn fields_of(value: &Value) -> Option<Fields<'_>> {
    match value {
        Value::Object(fields) => {
            Some(Fields { is_list: false, entries: fields.iter().map(|(key, value)| (key.clone(), value)).collect() })
        }
        Value::Array(items) => {
            // Containers, volumes and environment variables keep their names when their order changes.
            let names: Option<Vec<String>> = items.iter().map(|item| Some(item["name"].as_str()?.to_owned())).collect();
            let keys = names.unwrap_or_else(|| (0..items.len()).map(|index| index.to_string()).collect());
            Some(Fields { is_list: true, entries: keys.into_iter().zip(items).collect() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(before: Value, after: Value) -> Vec<String> {
        template_changes(&before, &after).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn equal_templates_have_no_changes() {
        assert!(paths(json!({"a": [1, {"name": "x"}]}), json!({"a": [1, {"name": "x"}]})).is_empty());
    }

    #[test]
    fn items_with_names_are_compared_by_name() {
        let container = |name: &str, image: &str| json!({"name": name, "image": image});
        let before = json!({"spec": {"containers": [container("a", "a:1"), container("b", "b:1")]}});
        let after = json!({"spec": {"containers": [container("b", "b:2"), container("a", "a:1")]}});
        let changes = template_changes(&before, &after);
        assert_eq!(
            changes,
            [TemplateChange {
                path: "spec.containers[b].image".into(),
                before: Some("b:1".into()),
                after: Some("b:2".into())
            }]
        );
    }

    #[test]
    fn added_and_removed_fields_are_changes() {
        assert_eq!(paths(json!({"a": 1}), json!({"b": {"c": 1}})), ["a", "b"]);
        assert_eq!(paths(json!({"args": ["x", "y"]}), json!({"args": ["x"]})), ["args[1]"]);
        assert_eq!(paths(json!({"a": {"b": 1}}), json!({"a": 1})), ["a"]);
    }
}
