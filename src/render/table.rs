//! Plain tables that fit: the last column wraps, and columns of less weight go when there is no room for them.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, presets};

use super::style::{Style, Tone};
use super::text::width;

/// Blank columns between two columns of a table.
const GAP: usize = 2;
/// The least room that the last column needs to be worth reading.
const LAST_COLUMN: usize = 24;

/// A column: its title, and what becomes of it when the terminal is narrow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The title, in capitals as kubectl writes it.
    pub(crate) title: &'static str,
    /// Numbers stand to the right.
    pub(crate) right: bool,
    /// Columns with a higher weight stay longer; none stays always.
    pub(crate) weight: Option<u8>,
}

impl Column {
    /// A column that always stays.
    pub(crate) const fn text(title: &'static str) -> Self {
        Self { title, right: false, weight: None }
    }

    /// A column of numbers that always stays.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, right: true, weight: None }
    }

    /// The same column, to be left out when there is no room, those of the lowest weight first.
    pub(crate) const fn weight(mut self, weight: u8) -> Self {
        self.weight = Some(weight);
        self
    }
}

/// A table that is filled row by row.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row: a safe text and a tone for each column.
    pub(crate) fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells);
    }

    /// Writes the table.
    pub(crate) fn write(self, out: &mut impl Write, style: Style, with_titles: bool) -> io::Result<()> {
        let shown = self.shown_columns(style, with_titles);
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        match style.color {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        if let Some(columns) = style.width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
        }
        if with_titles {
            let title = |&index: &usize| style.cell(self.columns[index].title.to_owned(), Tone::Strong);
            table.add_row(shown.iter().map(title).collect::<Vec<_>>());
        }
        for cells in self.rows {
            let cell = |&index: &usize| cells.get(index).map(|(text, tone)| style.cell(text.clone(), *tone));
            table.add_row(shown.iter().filter_map(cell).collect::<Vec<_>>());
        }
        let last = shown.len().saturating_sub(1);
        for (place, &index) in shown.iter().enumerate() {
            let Some(column) = table.column_mut(place) else {
                continue;
            };
            column.set_padding((0, if place == last { 0 } else { u16::try_from(GAP).unwrap_or_default() }));
            if self.columns[index].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if place != last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for line in table.lines() {
            writeln!(out, "{}", trimmed(&line))?;
        }
        Ok(())
    }

    /// The columns that there is room for.
    fn shown_columns(&self, style: Style, with_titles: bool) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let Some(limit) = style.width else {
            return shown;
        };
        let width_of = |index: usize| {
            let cells = self.rows.iter().filter_map(|cells| cells.get(index)).map(|(text, _)| width(text));
            let title = if with_titles { width(self.columns[index].title) } else { 0 };
            cells.max().unwrap_or_default().max(title)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width_of).collect();
        let needed = |shown: &[usize]| match shown.split_last() {
            Some((&last, rest)) => rest.iter().map(|&i| widths[i] + GAP).sum::<usize>() + widths[last].min(LAST_COLUMN),
            None => 0,
        };
        while needed(&shown) > limit {
            let lightest = shown.iter().copied().filter_map(|i| Some((self.columns[i].weight?, i))).min();
            let Some((_, lightest)) = lightest else { break };
            shown.retain(|&index| index != lightest);
        }
        shown
    }
}

/// Without the blanks that only fill up the last column.
fn trimmed(line: &str) -> String {
    const RESET: &str = "\u{1b}[0m";
    match line.strip_suffix(RESET) {
        Some(painted) => format!("{}{RESET}", painted.trim_end()),
        None => line.trim_end().to_owned(),
    }
}
