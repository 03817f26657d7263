//! `-o custom-columns` and `-o custom-columns-file`.
//!
//! Upstream: `kubectl/pkg/cmd/get/customcolumn.go`, `cli-runtime/pkg/printers/tabwriter.go`.

use std::io::{self, Write};

use serde_json::Value;

use crate::jsonpath::{Item, Template, column_text};
use crate::render::text::{sanitize, width};

/// The least width of a column, and the space between two columns.
const LEAST_WIDTH: usize = 6;
const GAP: usize = 3;

/// A table with columns that the user defines.
#[derive(Clone, Debug)]
pub(crate) struct CustomColumns(Vec<CustomColumn>);

#[derive(Clone, Debug)]
struct CustomColumn {
    header: String,
    path: Template,
}

impl CustomColumns {
    /// Parses `HEADER:PATH,…`.
    ///
    /// # Errors
    /// What is wrong with a column.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let column = |text: &str| match text.split_once(':') {
            Some((header, path)) => CustomColumn::new(header, path),
            None => Err(format!("column {text:?} has no path: write HEADER:PATH,…")),
        };
        text.split(',').map(column).collect::<Result<_, _>>().map(Self)
    }

    /// Parses a file: a line with the headers, and a line with their paths, separated by spaces.
    ///
    /// # Errors
    /// A line is missing, or what is wrong with a column.
    pub(crate) fn parse_file(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let (Some(headers), Some(paths)) = (lines.next(), lines.next()) else {
            return Err("the file needs a line with the headers and a line with their paths".into());
        };
        if headers.len() != paths.len() {
            return Err(format!("the file has {} headers and {} paths", headers.len(), paths.len()));
        }
        let columns = headers.iter().zip(paths).map(|(header, path)| CustomColumn::new(header, path));
        columns.collect::<Result<_, _>>().map(Self)
    }

    /// Writes a line for each row. As in kubectl, values are not cut.
    ///
    /// # Errors
    /// The output cannot be written, or a path cannot be applied.
    pub(super) fn write(&self, out: &mut dyn Write, rows: &[Value], with_headers: bool) -> io::Result<()> {
        let headers = self.0.iter().map(|column| column.header.clone()).collect();
        let mut lines: Vec<Vec<String>> = with_headers.then_some(headers).into_iter().collect();
        for row in rows {
            lines.push(self.0.iter().map(|column| column.cell(row)).collect::<io::Result<_>>()?);
        }
        let columns = self.0.len();
        let width_of = |index: usize| lines.iter().map(|line| width(&line[index]) + GAP).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(|index| width_of(index).max(LEAST_WIDTH)).collect();
        for line in &lines {
            for (index, cell) in line.iter().enumerate() {
                let padding = if index + 1 == columns { 0 } else { widths[index].saturating_sub(width(cell)) };
                write!(out, "{cell}{:padding$}", "")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl CustomColumn {
    fn new(header: &str, path: &str) -> Result<Self, String> {
        let path = Template::parse_path(path).map_err(|failure| format!("path {path:?}: {failure}"))?;
        Ok(Self { header: header.to_owned(), path })
    }

    /// The values in a row, separated by commas.
    fn cell(&self, row: &Value) -> io::Result<String> {
        let selected = self.path.select(row).map_err(io::Error::other)?;
        let text = |item: &Item<'_>| match item {
            Item::Document(value) => sanitize(&column_text(value)),
            Item::Literal(value) => column_text(value),
            Item::Text(text) => (*text).to_owned(),
            Item::Nothing => String::new(),
        };
        let texts: Vec<String> = selected.iter().flatten().map(text).collect();
        Ok(if texts.is_empty() { "<none>".into() } else { texts.join(",") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn written(columns: &CustomColumns, with_headers: bool) -> String {
        let rows = [
            json!({"node": "worker-1", "restarts": 3, "reasons": [{"code": "A"}, {"code": "B"}], "up": null}),
            json!({"node": "w\u{1b}[2J", "reasons": [], "up": true}),
        ];
        let mut out = Vec::new();
        columns.write(&mut out, &rows, with_headers).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_missing_values_are_none() {
        let columns = CustomColumns::parse("NODE:.node,N:restarts,CODES:{.reasons[*].code},UP:.up").unwrap();
        let rows = "worker-1       3        A,B      <nil>\nw\\u{1b}[2J     <none>   <none>   true\n";
        let rows = rows.replace("w\\u{1b}[2J     ", "w\\u{1b}[2J   ").replace("worker-1       ", "worker-1     ");
        assert_eq!(written(&columns, true), format!("NODE         N        CODES    UP\n{rows}"));
        assert_eq!(written(&columns, false), rows);
    }

    #[test]
    fn file_has_a_line_of_headers_and_a_line_of_paths() {
        let columns = CustomColumns::parse_file("NODE   UP\n.node  {.up}\n").unwrap();
        assert_eq!(written(&columns, true), "NODE         UP\nworker-1     <nil>\nw\\u{1b}[2J   true\n");
        for (text, expected) in [
            ("NODE\n", "the file needs a line with the headers and a line with their paths"),
            ("NODE UP\n.node\n", "the file has 2 headers and 1 paths"),
            ("NODE\n.node[\n", "path \".node[\": the bracket is not closed (character 6)"),
        ] {
            assert_eq!(CustomColumns::parse_file(text).unwrap_err(), expected);
        }
        let without_path = CustomColumns::parse("NODE:.node,UP").unwrap_err();
        assert_eq!(without_path, "column \"UP\" has no path: write HEADER:PATH,…");
    }
}
