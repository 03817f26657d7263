//! Plain tables that fit the terminal. The last column wraps, or moves below its row if there is too little room beside
//! it. Other columns are dropped by weight if the terminal is too narrow.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, presets};

use super::name_list::ListLength;
use super::style::{Style, Tone};
use super::text::{bounded, truncate, width, wrap};

/// The number of blanks between two columns.
const GAP: usize = 2;
/// A last column that has to wrap stays beside its row only with at least this much room.
const ROOM_BESIDE: usize = 60;
/// Columns are never cut to less than this.
const LEAST_WIDTH: usize = 8;
/// The prefix of a last column that moved below its row.
const BELOW: &str = "  ↳ ";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// In capitals, as in kubectl.
    pub(crate) title: &'static str,
    /// Whether cells are aligned to the right.
    pub(crate) right: bool,
    /// Columns with the lowest weight are dropped first. `None`: never dropped.
    pub(crate) weight: Option<u8>,
}

impl Column {
    pub(crate) const fn text(title: &'static str) -> Self {
        Self { title, right: false, weight: None }
    }

    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, right: true, weight: None }
    }

    pub(crate) const fn weight(mut self, weight: u8) -> Self {
        self.weight = Some(weight);
        self
    }
}

/// The columns of a table in their order, each with the text and tone of its cell in a row. The text must be safe for a
/// terminal.
pub(crate) struct Columns<'f, R>(Vec<(Column, Box<CellOf<'f, R>>)>);

type CellOf<'f, R> = dyn Fn(&R) -> (String, Tone) + 'f;

impl<'f, R> Columns<'f, R> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(self, column: Column, cell: impl Fn(&R) -> (String, Tone) + 'f) -> Self {
        self.add_if(true, column, cell)
    }

    pub(crate) fn add_if(mut self, is_shown: bool, column: Column, cell: impl Fn(&R) -> (String, Tone) + 'f) -> Self {
        if is_shown {
            self.0.push((column, Box::new(cell)));
        }
        self
    }

    /// A table with one row for each of `rows`.
    pub(crate) fn table<'r>(&self, rows: impl IntoIterator<Item = &'r R>) -> Table
    where
        R: 'r,
    {
        let cells = |row: &R| self.0.iter().map(|(_, cell)| cell(row)).collect();
        Table {
            columns: self.0.iter().map(|(column, _)| *column).collect(),
            rows: rows.into_iter().map(cells).collect(),
        }
    }
}

/// A table whose last column may be long.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row of cells. The text must be safe for a terminal; [`Self::write`] limits its length.
    pub(crate) fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells);
    }

    pub(crate) fn write(mut self, out: &mut impl Write, style: Style, with_titles: bool) -> io::Result<()> {
        // The wide table is not shortened, as in kubectl.
        let width = style.width.filter(|_| style.names == ListLength::Handful);
        let style = Style { width, ..style };
        for (text, _) in self.rows.iter_mut().flatten() {
            if let Cow::Owned(cut) = bounded(text, style.names) {
                *text = cut;
            }
        }
        let last = self.columns.len().saturating_sub(1);
        let mut widths: Vec<usize> = (0..=last).map(|index| self.width_of(index, with_titles)).collect();
        let mut shown = self.shown_columns(&widths[..last], style);
        if let Some(columns) = style.width {
            self.drop_silent_columns(&mut shown, &widths, columns);
        }
        self.narrow(&shown, &mut widths, style);
        let taken: usize = shown.iter().map(|&index| widths[index] + GAP).sum();
        let room = style.width.map(|columns| columns.saturating_sub(taken));
        if room.is_some_and(|room| widths[last] > room && room < ROOM_BESIDE) {
            return self.write_below(out, &shown, style, with_titles);
        }
        let all: Vec<usize> = shown.into_iter().chain([last]).collect();
        for line in self.layout(&all, style, with_titles) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// Writes each row on one line, and its last column on the lines below.
    fn write_below(&self, out: &mut impl Write, shown: &[usize], style: Style, with_titles: bool) -> io::Result<()> {
        let unlimited = Style { width: None, ..style };
        let mut lines = self.layout(shown, unlimited, with_titles).into_iter();
        if with_titles && let Some(headers) = lines.next() {
            writeln!(out, "{headers}")?;
        }
        let room = style.width.unwrap_or(usize::MAX).saturating_sub(width(BELOW));
        for (line, cells) in lines.zip(&self.rows) {
            writeln!(out, "{line}")?;
            let Some((text, tone)) = cells.last().filter(|(text, _)| !text.is_empty()) else { continue };
            for (number, part) in wrap(text, room, style.names).into_iter().enumerate() {
                let lead = if number == 0 { BELOW.to_owned() } else { " ".repeat(width(BELOW)) };
                writeln!(out, "{lead}{}", style.paint(&part, *tone))?;
            }
        }
        Ok(())
    }

    /// Drops the columns that say nothing, those with the lowest weight first, until the last column fits beside the others.
    fn drop_silent_columns(&self, shown: &mut Vec<usize>, widths: &[usize], columns: usize) {
        let Some(last) = widths.last() else { return };
        let needed = |shown: &[usize]| shown.iter().map(|&index| widths[index] + GAP).sum::<usize>() + last;
        while needed(shown) > columns {
            let silent = shown.iter().copied().filter(|&index| self.is_silent(index));
            let lightest = silent.filter_map(|index| Some((self.columns[index].weight?, index))).min();
            let Some((_, lightest)) = lightest else { return };
            shown.retain(|&index| index != lightest);
        }
    }

    /// Whether all rows have the same value, or no value at all.
    fn is_silent(&self, index: usize) -> bool {
        /// One or two equal rows are no pattern.
        const ROWS: usize = 3;
        let values: BTreeSet<&str> =
            self.rows.iter().filter_map(|cells| cells.get(index)).map(|(text, _)| text.as_str()).collect();
        values.iter().all(|value| matches!(*value, "" | "0" | "-")) || (values.len() == 1 && self.rows.len() >= ROWS)
    }

    fn layout(&self, shown: &[usize], style: Style, with_titles: bool) -> Vec<String> {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        if let Some(columns) = style.width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
        }
        if with_titles {
            let title = |&index: &usize| style.paint(self.columns[index].title, Tone::Strong);
            table.add_row(shown.iter().map(title).collect::<Vec<_>>());
        }
        for cells in &self.rows {
            let cell = |&index: &usize| cells.get(index).map(|(text, tone)| style.paint(text, *tone));
            table.add_row(shown.iter().filter_map(cell).collect::<Vec<_>>());
        }
        let last = shown.len().saturating_sub(1);
        for (place, &index) in shown.iter().enumerate() {
            let Some(column) = table.column_mut(place) else { continue };
            column.set_padding((0, if place == last { 0 } else { u16::try_from(GAP).unwrap_or_default() }));
            if self.columns[index].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if place != last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Cuts the cells of the widest columns until the remaining columns fit.
    fn narrow(&mut self, shown: &[usize], widths: &mut [usize], style: Style) {
        let Some(limit) = style.width else { return };
        loop {
            let needed = shown.iter().map(|&index| widths[index] + GAP).sum::<usize>().saturating_sub(GAP);
            let widest =
                shown.iter().copied().filter(|&index| !self.columns[index].right).max_by_key(|&index| widths[index]);
            let Some(widest) = widest.filter(|&index| needed > limit && widths[index] > LEAST_WIDTH) else { return };
            widths[widest] = widths[widest].saturating_sub(needed - limit).max(LEAST_WIDTH);
            for (text, _) in self.rows.iter_mut().filter_map(|cells| cells.get_mut(widest)) {
                *text = truncate(text, widths[widest]);
            }
        }
    }

    fn width_of(&self, index: usize, with_titles: bool) -> usize {
        let cells = self.rows.iter().filter_map(|cells| cells.get(index)).map(|(text, _)| width(text));
        let title = self.columns.get(index).filter(|_| with_titles).map_or(0, |column| width(column.title));
        cells.max().unwrap_or_default().max(title)
    }

    /// The columns, without the last one, that fit.
    fn shown_columns(&self, widths: &[usize], style: Style) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..widths.len()).collect();
        let Some(limit) = style.width else {
            return shown;
        };
        let needed =
            |shown: &[usize]| shown.iter().map(|&index| widths[index] + GAP).sum::<usize>().saturating_sub(GAP);
        while needed(&shown) > limit {
            let lightest = shown.iter().copied().filter_map(|index| Some((self.columns[index].weight?, index))).min();
            let Some((_, lightest)) = lightest else { break };
            shown.retain(|&index| index != lightest);
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::style::Palette;

    fn text(columns: Option<usize>, note: &str) -> String {
        let mut table = Table::new(vec![Column::text("NODE"), Column::number("AGE").weight(1), Column::text("REASON")]);
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        table.row(vec![plain("node-1"), plain("5m"), plain(note)]);
        table.row(vec![plain("node-22"), plain("10m"), plain("")]);
        let mut out = Vec::new();
        table
            .write(
                &mut out,
                Style { palette: Palette::None, width: columns, height: None, names: ListLength::Handful },
                true,
            )
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn piped_table_is_neither_cut_nor_wrapped() {
        let long = "word ".repeat(60);
        assert!(text(None, long.trim()).contains(long.trim()));
    }

    #[test]
    fn last_column_that_fits_stays_beside_its_row() {
        assert_eq!(text(Some(30), "well"), "NODE     AGE  REASON\nnode-1    5m  well\nnode-22  10m\n");
    }

    #[test]
    fn last_column_without_room_moves_below_its_row() {
        assert_eq!(
            text(Some(24), "a reason of many words"),
            "NODE     AGE\nnode-1    5m\n  ↳ a reason of many\n    words\nnode-22  10m\n"
        );
    }

    #[test]
    fn columns_with_low_weight_are_dropped_on_narrow_terminals() {
        assert_eq!(text(Some(8), ""), "NODE\nnode-1\nnode-22\n");
    }

    #[test]
    fn columns_that_say_nothing_are_dropped_before_the_last_one_wraps() {
        let table = |columns, restarts: [&str; 3]| {
            let titles = vec![Column::text("NODE"), Column::number("RESTARTS").weight(1), Column::text("REASON")];
            let mut table = Table::new(titles);
            for restarts in restarts {
                table.row(["n1", restarts, "a reason"].map(|text| (text.to_owned(), Tone::Plain)).to_vec());
            }
            let mut out = Vec::new();
            let names = ListLength::Handful;
            let style = Style { palette: Palette::None, width: Some(columns), height: None, names };
            table.write(&mut out, style, true).unwrap();
            String::from_utf8(out).unwrap().lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(table(40, ["0", "0", "0"]), "NODE  RESTARTS  REASON");
        assert_eq!(table(20, ["0", "0", "0"]), "NODE  REASON");
        assert_eq!(table(20, ["4", "4", "4"]), "NODE  REASON");
        assert_eq!(table(20, ["0", "0", "4"]), "NODE  RESTARTS");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in [20, 24, 40, 79, 80, 120, 200] {
            let text = text(Some(columns), &"several words and averyveryverylongword/that:cannot=be-broken ".repeat(4));
            for line in text.lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}
