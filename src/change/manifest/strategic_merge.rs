//! The three-way strategic merge of `kubectl apply`: the difference of the last applied manifest, the new manifest and the
//! live object as a patch, and that patch as the API server applies it.
//!
//! Both steps follow upstream closely, with the same directives in the patch, because the order of merged lists and the
//! result for lists with duplicate keys (a port for UDP and TCP) depend on it.
//!
//! Upstream: `apimachinery/pkg/util/strategicpatch/patch.go` `CreateThreeWayMergePatch`, `StrategicMergeMapPatch`. The
//! merge keys are the tags `patchStrategy` and `patchMergeKey` in `k8s.io/api/core/v1/types.go`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::change::error::ChangeError;

type Object = Map<String, Value>;

/// The lists whose items are merged, by field name, and how. The names are unique in the type of a DaemonSet.
const MERGED_LISTS: [(&str, Strategy); 15] = [
    ("containers", Strategy::by("name")),
    ("ephemeralContainers", Strategy::by("name")),
    ("initContainers", Strategy::by("name")),
    ("env", Strategy::by("name")),
    ("ports", Strategy::by("containerPort")),
    ("volumeMounts", Strategy::by("mountPath")),
    ("volumeDevices", Strategy::by("devicePath")),
    ("volumes", Strategy::retaining("name")),
    ("resourceClaims", Strategy::retaining("name")),
    ("imagePullSecrets", Strategy::by("name")),
    ("hostAliases", Strategy::by("ip")),
    ("topologySpreadConstraints", Strategy::by("topologyKey")),
    ("schedulingGates", Strategy::by("name")),
    ("ownerReferences", Strategy::by("uid")),
    ("finalizers", Strategy { key: None, retains_keys: false }),
];

const ORDER: &str = "$setElementOrder/";
const DELETED: &str = "$deleteFromPrimitiveList/";
const RETAINED: &str = "$retainKeys";
const DIRECTIVE: &str = "$patch";

/// How the items of a list are merged.
#[derive(Clone, Copy)]
struct Strategy {
    /// The field that identifies an item; `None` for a set of scalars.
    key: Option<&'static str>,
    /// Whether the fields of an item that are not in the manifest are removed.
    retains_keys: bool,
}

impl Strategy {
    const fn by(key: &'static str) -> Self {
        Self { key: Some(key), retains_keys: false }
    }

    const fn retaining(key: &'static str) -> Self {
        Self { key: Some(key), retains_keys: true }
    }

    fn of_list(field: &str) -> Option<Self> {
        MERGED_LISTS.iter().find(|(list, _)| *list == field).map(|(_, strategy)| *strategy)
    }

    /// What identifies an item of the list.
    fn identity(self, item: &Value) -> Result<String, ChangeError> {
        match self.key {
            Some(key) => item.get(key).map(ToString::to_string).ok_or(ChangeError::Rejected),
            None if item.is_object() || item.is_array() => Err(ChangeError::Rejected),
            None => Ok(item.to_string()),
        }
    }

    /// The index of the first item with each identity.
    fn positions(self, items: &[Value]) -> Result<HashMap<String, usize>, ChangeError> {
        let mut positions = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            positions.entry(self.identity(item)?).or_insert(index);
        }
        Ok(positions)
    }

    /// The items sorted by identity as text. Upstream's comparison (`SortableSliceOfMaps`) is not strict: its sort reverses
    /// items with the same identity.
    fn sorted(self, items: &[Value]) -> Result<Vec<(String, &Value)>, ChangeError> {
        let keyed = items.iter().rev().map(|item| Ok((self.identity(item)?, item)));
        let mut sorted: Vec<(String, &Value)> = keyed.collect::<Result<_, ChangeError>>()?;
        sorted.sort_by(|(a, _), (b, _)| unquoted(a).cmp(unquoted(b)));
        Ok(sorted)
    }
}

/// Text is compared without its quotes: `a` is before `a-b`.
fn unquoted(text: &str) -> &str {
    text.trim_matches('"')
}

/// Which differences a patch has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// Changes and additions.
    Changes,
    Deletions,
}

/// What a patch is merged into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Another patch: directives are kept.
    Patch,
    /// An object: directives are executed.
    Object,
}

/// The patch that merges the manifest into the live object.
pub(super) fn three_way_patch(last_applied: &Object, manifest: &Object, live: &Object) -> Result<Object, ChangeError> {
    let changes = difference(live, manifest, false, Difference::Changes)?;
    let deletions = difference(last_applied, manifest, false, Difference::Deletions)?;
    merge(deletions, changes, Target::Patch)
}

/// The live object after the patch.
pub(super) fn patched(live: Object, patch: Object) -> Result<Object, ChangeError> {
    merge(live, patch, Target::Object)
}

/// Upstream `diffMaps`.
fn difference(old: &Object, new: &Object, retains_keys: bool, kind: Difference) -> Result<Object, ChangeError> {
    let mut patch = Object::new();
    for (field, value) in new {
        match (old.get(field), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = difference(old, new, false, kind)?;
                if !inner.is_empty() {
                    patch.insert(field.clone(), Value::Object(inner));
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) if Strategy::of_list(field).is_some() => {
                list_difference(field, old, new, kind, &mut patch)?;
            }
            (Some(old), new) if old == new => {}
            (_, new) if kind == Difference::Changes => {
                patch.insert(field.clone(), new.clone());
            }
            _ => {}
        }
    }
    if kind == Difference::Deletions {
        let deleted = old.keys().filter(|field| !new.contains_key(*field));
        patch.extend(deleted.map(|field| (field.clone(), Value::Null)));
    }
    let has_others = old.iter().any(|(field, value)| !value.is_null() && !new.contains_key(field));
    if retains_keys && (!patch.is_empty() || has_others) {
        let fields = new.iter().filter(|(_, value)| !value.is_null()).map(|(field, _)| field.as_str());
        patch.insert(RETAINED.to_owned(), fields.collect::<Vec<_>>().into());
    }
    Ok(patch)
}

/// Upstream `diffLists`: adds the difference of a merged list to the patch.
fn list_difference(
    field: &str,
    old: &[Value],
    new: &[Value],
    kind: Difference,
    patch: &mut Object,
) -> Result<(), ChangeError> {
    let Some(strategy) = Strategy::of_list(field) else { return Ok(()) };
    if old.is_empty() {
        if !new.is_empty() && kind == Difference::Changes {
            patch.insert(field.to_owned(), new.into());
        }
        return Ok(());
    }
    let ItemDifference { mut changed, deleted } = item_difference(strategy, old, new, kind)?;
    sort_by_position(strategy, &mut changed, new)?;
    let is_same_order = old.len() == new.len()
        && old.iter().zip(new).all(|(old, new)| strategy.identity(old).ok() == strategy.identity(new).ok());
    let is_ordered = match kind {
        Difference::Changes => !changed.is_empty() || !is_same_order,
        Difference::Deletions => !deleted.is_empty() || !changed.is_empty(),
    };
    match strategy.key {
        Some(key) => {
            changed.extend(deleted.into_iter().map(|value| json!({ DIRECTIVE: "delete", key: value })));
            if is_ordered {
                let order = new.iter().map(|item| json!({ key: item.get(key) })).collect();
                patch.insert(format!("{ORDER}{field}"), order);
            }
        }
        None => {
            if !deleted.is_empty() {
                patch.insert(format!("{DELETED}{field}"), deleted.into());
            }
            if is_ordered {
                patch.insert(format!("{ORDER}{field}"), new.into());
            }
        }
    }
    if !changed.is_empty() {
        patch.insert(field.to_owned(), changed.into());
    }
    Ok(())
}

/// The difference of two lists.
struct ItemDifference {
    changed: Vec<Value>,
    /// The values of the key of deleted items, or deleted scalars.
    deleted: Vec<Value>,
}

/// Upstream `diffListsOfMaps`, `diffListsOfScalars`: compares the sorted lists pair by pair.
fn item_difference(
    strategy: Strategy,
    old: &[Value],
    new: &[Value],
    kind: Difference,
) -> Result<ItemDifference, ChangeError> {
    let (old, new) = (strategy.sorted(old)?, strategy.sorted(new)?);
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut difference = ItemDifference { changed: Vec::new(), deleted: Vec::new() };
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok(difference),
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
            (Some((old, _)), Some((new, _))) => unquoted(old).cmp(unquoted(new)),
        };
        let old_item = if order.is_le() { old.next().map(|(_, item)| item) } else { None };
        let new_item = if order.is_ge() { new.next().map(|(_, item)| item) } else { None };
        match (old_item, new_item, strategy.key) {
            (Some(Value::Object(old)), Some(Value::Object(new)), Some(key)) => {
                let mut inner = self::difference(old, new, strategy.retains_keys, kind)?;
                if !inner.is_empty() {
                    inner.insert(key.to_owned(), new.get(key).cloned().unwrap_or_default());
                    difference.changed.push(Value::Object(inner));
                }
            }
            (None, Some(added), _) if kind == Difference::Changes => difference.changed.push(added.clone()),
            (Some(gone), None, key) if kind == Difference::Deletions => {
                let gone = key.map_or_else(|| Some(gone), |key| gone.get(key));
                difference.deleted.push(gone.cloned().unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Upstream `mergeMap`: merges a patch into an object, or into another patch.
fn merge(mut target: Object, mut patch: Object, kind: Target) -> Result<Object, ChangeError> {
    if let Some(retained) = patch.remove(RETAINED) {
        match kind {
            Target::Patch => {
                target.entry(RETAINED).or_insert(retained);
            }
            Target::Object => {
                let retained = retained.as_array().cloned().unwrap_or_default();
                target.retain(|field, _| retained.iter().any(|name| name == field));
            }
        }
    }
    merge_ordered_lists(&mut target, &mut patch, kind)?;
    for (field, value) in patch {
        if let Some(list) = field.strip_prefix(DELETED) {
            merge_deleted(&mut target, list, value, kind);
            continue;
        }
        if value.is_null() {
            target.remove(&field);
            if kind == Target::Patch {
                target.insert(field, value);
            }
            continue;
        }
        let merged = match (target.remove(&field), value) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(merge(old, new, kind)?),
            (Some(Value::Array(old)), Value::Array(new)) => match Strategy::of_list(&field) {
                Some(strategy) => Value::Array(merge_list(strategy, old, new, kind)?),
                None => Value::Array(new),
            },
            (_, mut new) => {
                if kind == Target::Object {
                    remove_nulls(&mut new);
                }
                new
            }
        };
        target.insert(field, merged);
    }
    Ok(target)
}

/// Removes scalars from a list of an object, or keeps the directive for it in a patch.
fn merge_deleted(target: &mut Object, list: &str, deleted: Value, kind: Target) {
    match kind {
        Target::Patch => {
            target.insert(format!("{DELETED}{list}"), deleted);
        }
        Target::Object => {
            let deleted = deleted.as_array().cloned().unwrap_or_default();
            if let Some(Value::Array(items)) = target.get_mut(list) {
                items.retain(|item| !deleted.contains(item));
            }
        }
    }
}

/// Upstream `mergePatchIntoOriginal`: merges the lists for which the patch has an order.
fn merge_ordered_lists(target: &mut Object, patch: &mut Object, kind: Target) -> Result<(), ChangeError> {
    let directives: Vec<String> = patch.keys().filter(|field| field.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let Some(Value::Array(order)) = patch.remove(&directive) else { return Err(ChangeError::Rejected) };
        if kind == Target::Patch {
            target.entry(directive.clone()).or_insert_with(|| order.clone().into());
        }
        let field = directive.trim_start_matches(ORDER);
        let strategy = Strategy::of_list(field).ok_or(ChangeError::Rejected)?;
        let old = match target.get(field) {
            None => None,
            Some(Value::Array(items)) => Some(items.clone()),
            Some(_) => return Err(ChangeError::Rejected),
        };
        let new = match patch.remove(field) {
            None => None,
            Some(Value::Array(items)) => Some(items),
            Some(_) => return Err(ChangeError::Rejected),
        };
        let merged = match (&old, new) {
            (None, None) => continue,
            (Some(old), None) => old.clone(),
            (None, Some(new)) => new.into_iter().filter(|item| item.get(DIRECTIVE).is_none()).collect(),
            (Some(old), Some(new)) => merge_list(strategy, old.clone(), new, kind)?,
        };
        let ordered = in_order(strategy, merged, &order, &old.unwrap_or_default())?;
        target.insert(field.to_owned(), ordered.into());
    }
    Ok(())
}

/// Upstream `mergeSlice`: merges a list of a patch into a list.
fn merge_list(
    strategy: Strategy,
    mut old: Vec<Value>,
    patch: Vec<Value>,
    kind: Target,
) -> Result<Vec<Value>, ChangeError> {
    let (deletions, patch): (Vec<Value>, Vec<Value>) =
        patch.into_iter().partition(|item| item.get(DIRECTIVE).is_some_and(|directive| directive == "delete"));
    let deleted = strategy.positions(&deletions)?;
    if !deleted.is_empty() {
        old.retain(|item| strategy.identity(item).is_ok_and(|identity| !deleted.contains_key(&identity)));
    }
    let mut merged = old.clone();
    let mut positions = strategy.positions(&merged)?;
    for item in &patch {
        let identity = strategy.identity(item)?;
        match (positions.get(&identity).and_then(|at| merged.get_mut(*at)), item) {
            (Some(Value::Object(old)), Value::Object(new)) => *old = merge(std::mem::take(old), new.clone(), kind)?,
            (Some(_), _) => {}
            (None, item) => {
                positions.insert(identity, merged.len());
                merged.push(item.clone());
            }
        }
    }
    in_order(strategy, merged, &patch, &old)
}

/// Upstream `normalizeElementOrder`: the items of the patch in its order, between the others in the order of the list.
fn in_order(
    strategy: Strategy,
    items: Vec<Value>,
    order: &[Value],
    old_order: &[Value],
) -> Result<Vec<Value>, ChangeError> {
    let in_patch = strategy.positions(order)?;
    let in_old = strategy.positions(old_order)?;
    let (mut patched, mut others) = (Vec::new(), Vec::new());
    for item in items {
        match in_patch.contains_key(&strategy.identity(&item)?) {
            true => patched.push(item),
            false => others.push(item),
        }
    }
    sort_by_position(strategy, &mut patched, order)?;
    sort_by_position(strategy, &mut others, old_order)?;
    let mut sorted = Vec::new();
    let (mut patched, mut others) = (patched.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let is_other_next = match (others.peek(), patched.peek()) {
            (None, None) => return Ok(sorted),
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (Some(other), Some(patched)) => {
                let position = |item| Ok(in_old.get(&strategy.identity(item)?).copied());
                matches!((position(other)?, position(patched)?), (Some(other), Some(patched)) if other < patched)
            }
        };
        sorted.extend(if is_other_next { others.next() } else { patched.next() });
    }
}

/// Sorts items by their position in another list. Items with the directive to delete are last.
fn sort_by_position(strategy: Strategy, items: &mut Vec<Value>, order: &[Value]) -> Result<(), ChangeError> {
    let positions = strategy.positions(order)?;
    let mut keyed = Vec::new();
    for item in std::mem::take(items) {
        let position = positions.get(&strategy.identity(&item)?).copied().unwrap_or(usize::MAX);
        keyed.push(((item.get(DIRECTIVE).is_some(), position), item));
    }
    keyed.sort_by_key(|(key, _)| *key);
    items.extend(keyed.into_iter().map(|(_, item)| item));
    Ok(())
}

/// Upstream `discardNullValuesFromPatch`.
pub(super) fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
