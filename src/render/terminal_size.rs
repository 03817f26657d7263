//! The size of the terminal.

/// Columns and lines of the terminal; 80 and 24 if it does not report them.
pub(super) fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size();
    size.map_or((80, 24), |(columns, lines)| (usize::from(columns.0), usize::from(lines.0)))
}

/// Columns of the terminal.
pub(super) fn columns() -> usize {
    size().0
}
