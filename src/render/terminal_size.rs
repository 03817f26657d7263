//! The size of the terminal.

/// Columns and lines of the terminal; one that does not tell is taken as the least usual one.
pub(super) fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size();
    size.map_or((80, 24), |(columns, lines)| (usize::from(columns.0), usize::from(lines.0)))
}

/// Columns of the terminal.
pub(super) fn columns() -> usize {
    size().0
}
