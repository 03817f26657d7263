//! Patches, with the meaning that the API server gives them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ChangeError;

/// A patch of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// A merge patch that merges the items of some lists by a key
    /// (`apimachinery/pkg/util/strategicpatch/patch.go` `mergeMap`).
    Strategic(Value),
}

/// The lists of a pod template whose items a strategic merge patch merges, and the key of the items
/// (`patchMergeKey` in `k8s.io/api/core/v1/types.go`). No patch of this program has any of the other lists.
const MERGED_LISTS: [(&str, &str); 2] = [("containers", "name"), ("initContainers", "name")];

impl Patch {
    /// The object after the patch.
    pub(super) fn apply<T: Serialize + DeserializeOwned>(&self, object: &T) -> Result<T, ChangeError> {
        let mut value = serde_json::to_value(object).map_err(|_| ChangeError::NotComputable)?;
        match self {
            Self::Json(patch) => {
                let patch: json_patch::Patch =
                    serde_json::from_value(patch.clone()).map_err(|_| ChangeError::NotComputable)?;
                json_patch::patch(&mut value, &patch).map_err(|_| ChangeError::Rejected)?;
            }
            Self::Merge(patch) => json_patch::merge(&mut value, patch),
            Self::Strategic(patch) => merge_strategic(&mut value, patch)?,
        }
        serde_json::from_value(value).map_err(|_| ChangeError::NotComputable)
    }
}

fn merge_strategic(target: &mut Value, patch: &Value) -> Result<(), ChangeError> {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return Ok(());
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return Err(ChangeError::NotComputable) };
    for (field, change) in patch {
        let merge_key = MERGED_LISTS.iter().find(|(list, _)| list == field).map(|(_, key)| *key);
        match (change, merge_key) {
            (Value::Null, _) => {
                fields.remove(field);
            }
            (Value::Array(changes), Some(key)) => {
                let items = fields.get_mut(field).and_then(Value::as_array_mut).ok_or(ChangeError::Rejected)?;
                for change in changes {
                    let item = items.iter_mut().find(|item| item.get(key) == change.get(key));
                    let item = item.ok_or(ChangeError::Rejected)?;
                    merge_strategic(item, change)?;
                }
            }
            (Value::Object(_), _) => merge_strategic(fields.entry(field).or_insert(Value::Null), change)?,
            (change, _) => {
                fields.insert(field.clone(), change.clone());
            }
        }
    }
    Ok(())
}
