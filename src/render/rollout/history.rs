//! The screens of `rollout history`.

mod report;
mod side;
mod yaml;

use std::io::{self, Write};

pub(crate) use report::Report;
pub(crate) use side::Side;

use super::template_changes::changes_in_words;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::style::{Style, Tone};
use crate::render::table::{Column, Table};
use crate::render::text::{bounded, pluralize, sanitize};
use crate::rollout::{DeletedRevision, History, Revision};
use crate::snapshot::Known;

/// Writes one row for each of these revisions, and one per deleted revision that pods still run.
pub(crate) fn table(
    out: &mut impl Write,
    history: &History<'_>,
    revisions: &[&Revision<'_>],
    screen: ViewOptions,
) -> io::Result<()> {
    let mut columns = vec![Column::text("REVISION")];
    if screen.wide {
        columns.push(Column::text("HASH"));
    }
    columns.extend([Column::number("AGE"), Column::number("NODES")]);
    if screen.wide {
        columns.push(Column::text("NODE NAMES"));
    }
    let with_cause = history.revisions.iter().any(|revision| revision.change_cause().is_some());
    if with_cause || screen.wide {
        columns.push(Column::text("CHANGE-CAUSE"));
    }
    columns.push(Column::text("CHANGES"));
    let mut table = Table::new(columns);
    // The numbers are padded, so that the marks behind them are aligned.
    let digits = history.revisions.iter().map(|revision| revision.number.to_string().len()).max().unwrap_or_default();
    for revision in revisions {
        table.row(row(history, revision, digits, with_cause || screen.wide, screen));
    }
    for deleted_revisions in &history.deleted_revisions {
        table.row(deleted_row(deleted_revisions, with_cause || screen.wide, screen));
    }
    table.write(out, screen.style, screen.headers)
}

fn row(
    history: &History<'_>,
    revision: &Revision<'_>,
    digits: usize,
    with_cause: bool,
    screen: ViewOptions,
) -> Vec<(String, Tone)> {
    let number = revision.number;
    let mut cells = vec![match revision.is_current {
        true => (format!("{number:>digits$} (current)"), Tone::Good),
        false => (format!("{number:>digits$}"), Tone::Plain),
    }];
    if screen.wide {
        cells.push((sanitize(revision.hash()), Tone::Plain));
    }
    cells.push((revision.created().map_or_else(|| "?".into(), |created| age(created, screen.now)), Tone::Plain));
    cells.extend(node_cells(revision.nodes.known().map(Vec::as_slice), screen.wide));
    if with_cause {
        cells.push(match revision.change_cause() {
            Some(cause) => (sanitize(cause), Tone::Plain),
            None => ("<none>".into(), Tone::Quiet),
        });
    }
    cells.push(match history.changes(revision) {
        Some(changes) => (changes_in_words(&changes, screen.style.names), Tone::Plain),
        None => ("-".into(), Tone::Quiet),
    });
    cells
}

fn deleted_row(deleted_revisions: &DeletedRevision<'_>, with_cause: bool, screen: ViewOptions) -> Vec<(String, Tone)> {
    let quiet = || ("-".to_owned(), Tone::Quiet);
    let mut cells = vec![("<deleted>".to_owned(), Tone::Warning)];
    if screen.wide {
        cells.push(deleted_revisions.hash.map_or_else(quiet, |hash| (sanitize(hash), Tone::Plain)));
    }
    cells.push(quiet());
    cells.extend(node_cells(Some(&deleted_revisions.nodes), screen.wide));
    let what = match deleted_revisions.hash {
        Some(hash) => format!("pods of revision {} (ControllerRevision deleted)", sanitize(hash)),
        None => "pods without a revision label".into(),
    };
    if with_cause {
        cells.push(quiet());
    }
    cells.push((what, Tone::Warning));
    cells
}

/// The number of nodes and, in the wide table, their names.
fn node_cells(nodes: Option<&[&str]>, wide: bool) -> Vec<(String, Tone)> {
    let number = match nodes {
        None => ("?".to_owned(), Tone::Warning),
        Some([]) => ("0".to_owned(), Tone::Quiet),
        Some(nodes) => (nodes.len().to_string(), Tone::Plain),
    };
    let names = match nodes {
        None | Some([]) => ("-".to_owned(), Tone::Quiet),
        Some(nodes) => (nodes.iter().map(|node| sanitize(node)).collect::<Vec<_>>().join(","), Tone::Plain),
    };
    if wide { vec![number, names] } else { vec![number] }
}

/// Writes the template of a revision as YAML, below a comment with its number, age, nodes and cause.
pub(crate) fn template(
    out: &mut impl Write,
    history: &History<'_>,
    revision: &Revision<'_>,
    screen: ViewOptions,
) -> io::Result<()> {
    let mut title = format!("# {}/{} {}", history.namespace(), history.name(), side::words(revision));
    if let Some(created) = revision.created() {
        title += &format!(", created {} ago", age(created, screen.now));
    }
    if let Known::Known(nodes) = &revision.nodes {
        title += &format!(", on {}", pluralize(nodes.len(), "node"));
    }
    if let Some(cause) = revision.change_cause() {
        title += &format!(": {cause}");
    }
    writeln!(out, "{}", screen.style.paint(&bounded(&sanitize(&title), screen.style.names), Tone::Quiet))?;
    for line in yaml::lines(&revision.template())? {
        writeln!(out, "{}", yaml::safe_line(&line))?;
    }
    Ok(())
}

/// A template as YAML, safe for a terminal.
pub(crate) fn yaml_text(side: Side<'_, '_>) -> io::Result<String> {
    Ok(yaml::lines(&side.template())?.iter().map(|line| format!("{}\n", yaml::safe_line(line))).collect())
}

/// Writes the difference between two templates as a unified diff.
pub(crate) fn diff(out: &mut impl Write, one: Side<'_, '_>, other: Side<'_, '_>, style: Style) -> io::Result<()> {
    for line in yaml::diff(one, other)? {
        let tone = match line.as_bytes() {
            [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => Tone::Strong,
            [b'-', ..] => Tone::Bad,
            [b'+', ..] => Tone::Good,
            [b'@', ..] => Tone::Moving,
            _ => Tone::Plain,
        };
        writeln!(out, "{}", style.paint(&line, tone))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
