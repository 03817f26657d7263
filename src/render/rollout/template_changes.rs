//! What changed between two templates, in one line.

use serde_json::Value;

use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::text::sanitize;
use crate::rollout::TemplateChange;

/// The changes, images first. Safe text.
pub(crate) fn changes_in_words(changes: &[TemplateChange], names: ListLength) -> String {
    let mut changes: Vec<&TemplateChange> = changes.iter().collect();
    // The image says most.
    changes.sort_by_key(|change| !change.path.ends_with(".image"));
    names.join(&changes, HANDFUL, ", ", |change| change_in_words(change))
}

/// `containers[main].image: nginx:1 → nginx:2` for a change of two short values, and otherwise what happened to the field.
fn change_in_words(change: &TemplateChange) -> String {
    /// The most characters of both values together.
    const SHORT: usize = 80;
    let path = change.path.strip_prefix("spec.").unwrap_or(&change.path);
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let both = change.before.as_ref().and_then(scalar).zip(change.after.as_ref().and_then(scalar));
    let what = match (&both, &change.before, &change.after) {
        (Some((before, after)), _, _) if before.len() + after.len() <= SHORT => format!("{before} → {after}"),
        (_, None, _) => "added".into(),
        (_, _, None) => "removed".into(),
        _ => "changed".into(),
    };
    sanitize(&format!("{path}: {what}"))
}
