//! Templates as lines of YAML, and the difference between two templates.

use std::io;

use serde_json::Value;
use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, group_diff_ops};

use super::side::Side;
use crate::render::text::is_hostile;

/// The number of unchanged lines around a change.
const CONTEXT: usize = 3;

/// The lines of a value. Long strings are not folded, because each change would then move the folds of the rest.
pub(super) fn lines(value: &Value) -> io::Result<Vec<String>> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let text = serde_saphyr::to_string_with_options(value, options).map_err(io::Error::other)?;
    Ok(text.split_terminator('\n').map(str::to_owned).collect())
}

/// Replaces hostile characters by their code points, as in `<U+202E>`. Keeps trailing blanks, which matter in a diff.
pub(super) fn safe_line(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for c in line.chars() {
        if is_hostile(c) {
            safe += &format!("<U+{:04X}>", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The lines of a unified diff, safe for a terminal. Empty if the templates are equal.
pub(super) fn diff(one: Side<'_, '_>, other: Side<'_, '_>) -> io::Result<Vec<String>> {
    let (old, new) = (lines(&one.template())?, lines(&other.template())?);
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    // The same steps as in `TextDiff`, which would link all algorithms of the library.
    let mut compared = Compact::new(Replace::new(Capture::new()), &old, &new);
    let Ok(()) = myers::diff(&mut compared, &old, 0..old.len(), &new, 0..new.len());
    let mut lines = Vec::new();
    for hunk in group_diff_ops(compared.into_inner().into_inner().into_ops(), CONTEXT) {
        if lines.is_empty() {
            lines.extend([format!("--- {}", one.words()), format!("+++ {}", other.words())]);
        }
        lines.push(UnifiedHunkHeader::new(&hunk).to_string());
        for change in hunk.iter().flat_map(|part| part.iter_changes(&old, &new)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign}{}", safe_line(change.value())));
        }
    }
    Ok(lines)
}
