//! Splits messages at fixed words.

/// The text after the mark.
pub(super) fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// The text between the two marks, and the text after them.
pub(super) fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(start)?.split_once(end)
}
