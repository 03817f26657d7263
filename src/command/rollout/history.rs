//! `kubectl ds rollout history`.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cluster::file::{self, Detail};
use crate::command::args::names::only_name;
use crate::command::args::{Global, OutputFormat};
use crate::command::print;
use crate::command::rollout::args::HistoryArgs;
use crate::command::rollout::external_diff::ExternalDiff;
use crate::command::sort_order::{permute, sort_order};
use crate::error::Error;
use crate::load::{Request, open};
use crate::render::ViewOptions;
use crate::render::document::{DocumentOptions, Rows, Sequence};
use crate::render::rollout::history::{Report, Side, diff, table, template, yaml_text};
use crate::render::{ListLength, terminal};
use crate::rollout::{History, Revision, RevisionRange};
use crate::snapshot::{DaemonSetName, Snapshot};

/// The part of the history to show.
enum Shown<'h, 'a> {
    /// All revisions, in the order of the table.
    All(Vec<&'h Revision<'a>>),
    One(&'h Revision<'a>),
    Two(Side<'h, 'a>, Side<'h, 'a>),
}

/// Runs `rollout history`.
pub(super) async fn run(args: HistoryArgs, global: Global) -> Result<ExitCode, Error> {
    let HistoryArgs { name, revision, diff, output, sort_by, no_headers } = args;
    let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
    let namespace = global.namespace_or(source.default_namespace());
    let (name, diff) = with_range(name, diff)?;
    let name = only_name(name, "rollout history")?;
    let snapshot = source.history(&Request::new(namespace, vec![name])).await?;
    let history = history_of(&snapshot)?;
    let mut shown = pick(&history, revision, diff)?;
    if let (Some(path), Shown::All(revisions)) = (&sort_by, &mut shown) {
        let report = Report::new(&history, revisions, &[], snapshot.as_of);
        let order = sort_order(path, &report, Rows::REVISIONS)?;
        permute(revisions, &order);
    }
    let gaps = snapshot.gaps();
    for gap in &gaps {
        terminal::note(gap);
    }
    let is_text = output.as_ref().and_then(OutputFormat::document).is_none();
    let wide = output.as_ref().is_some_and(OutputFormat::is_wide);
    let screen = ViewOptions {
        wide,
        headers: !no_headers,
        ..ViewOptions::new(terminal::style(global.color, ListLength::wide(wide)), snapshot.as_of)
    };
    note(&history, &shown);
    if let (Shown::Two(one, other), true, Some(program)) = (&shown, is_text, ExternalDiff::from_environment())
        && one.template() != other.template()
    {
        program.run((&one.file_name(), &yaml_text(*one)?), (&other.file_name(), &yaml_text(*other)?)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    print(|out| match output.as_ref().and_then(OutputFormat::document) {
        Some(format) => {
            let report = report(&history, &shown, &gaps, &snapshot)?;
            let rows = Rows::REVISIONS;
            format.write(out, &report, DocumentOptions { sequence: Sequence::First, rows, headers: !no_headers })
        }
        None => show(out, &history, &shown, screen),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the range of `--diff A..B` from the names: after `=` it is the value of the flag, after a blank it is a word of its
/// own. No DaemonSet has such a name.
fn with_range(
    mut names: Vec<DaemonSetName>,
    diff: Option<Option<RevisionRange>>,
) -> Result<(Vec<DaemonSetName>, Option<Option<RevisionRange>>), Error> {
    let Some(None) = diff else { return Ok((names, diff)) };
    let Some(index) = names.iter().position(|name| name.name.contains("..")) else {
        return match names.iter().find(|name| name.name.parse::<i64>().is_ok()) {
            Some(number) => {
                let message = format!("--diff compares two revisions, and got {:?}: write A..B", number.name);
                Err(Error::usage_of("rollout history", &message))
            }
            None => Ok((names, diff)),
        };
    };
    let range = names.remove(index).name;
    let fault = |fault| Error::usage_of("rollout history", &format!("invalid value {range:?} for --diff: {fault}"));
    let range = range.parse().map_err(fault)?;
    Ok((names, Some(Some(range))))
}

/// The history of the one DaemonSet of the snapshot.
fn history_of(snapshot: &Snapshot) -> Result<History<'_>, Error> {
    let unknown = |why: String| Error::NotFound {
        message: format!("cannot determine the revisions: {why}"),
        hint: file::HINT.into(),
    };
    // The loader returns exactly one DaemonSet.
    let daemon_set = snapshot.daemon_sets.first().ok_or_else(|| unknown("no DaemonSet found".into()))?;
    let history = History::new(daemon_set, snapshot).map_err(unknown)?;
    if history.revisions.is_empty() {
        return Err(Error::NotFound {
            message: format!("{} has no rollout history", subject(&history)),
            hint: "the DaemonSet controller creates the first revision with the first pods: check that \
                kube-controller-manager is running"
                .into(),
        });
    }
    Ok(history)
}

fn subject(history: &History<'_>) -> String {
    format!("DaemonSet {:?} in namespace {:?}", history.name(), history.namespace())
}

fn pick<'h, 'a>(
    history: &'h History<'a>,
    revision: Option<i64>,
    between: Option<Option<RevisionRange>>,
) -> Result<Shown<'h, 'a>, Error> {
    let find = |number: i64| history.revision(number).ok_or_else(|| no_such_revision(history, number));
    Ok(match (revision, between) {
        (Some(number), _) => Shown::One(find(number)?),
        (None, Some(None)) => {
            let current = history.current();
            let current_number = current.map_or(i64::MAX, |current| current.number);
            let previous = history.revisions.iter().rfind(|revision| revision.number < current_number);
            let previous = previous.ok_or_else(|| no_earlier_revision(history))?;
            Shown::Two(Side::Revision(previous), current.map_or(Side::Today(history), Side::Revision))
        }
        (None, Some(Some(RevisionRange { from, to }))) => {
            let other = match to {
                Some(number) => Side::Revision(find(number)?),
                None => history.current().map_or(Side::Today(history), Side::Revision),
            };
            Shown::Two(Side::Revision(find(from)?), other)
        }
        (None, None) => Shown::All(history.revisions.iter().collect()),
    })
}

fn no_earlier_revision(history: &History<'_>) -> Error {
    Error::NotFound {
        message: format!("{} has no earlier revision to compare with", subject(history)),
        hint: "the controller keeps as many old revisions as revisionHistoryLimit says (default 10)".into(),
    }
}

fn no_such_revision(history: &History<'_>, number: i64) -> Error {
    let numbers: Vec<String> = history.revisions.iter().map(|revision| revision.number.to_string()).collect();
    let there_are = match &numbers[..] {
        [one] => format!("available revision: {one}"),
        several => format!("available revisions: {}", ListLength::Handful.list(several)),
    };
    Error::NotFound {
        message: format!("{} has no revision {number}", subject(history)),
        hint: format!("{there_are} (rolling back to a revision gives it a new number)"),
    }
}

/// Prints notes about the output.
fn note(history: &History<'_>, shown: &Shown<'_, '_>) {
    match shown {
        Shown::All(_) if history.current().is_none() => {
            terminal::note("the current template has no revision yet: the DaemonSet controller has not created it");
        }
        Shown::Two(one, other) if one.template() == other.template() => {
            terminal::note(&format!("{} and {} have the same template", one.words(), other.words()));
        }
        _ => {}
    }
}

fn report<'r>(
    history: &'r History<'_>,
    shown: &Shown<'r, 'r>,
    gaps: &'r [String],
    snapshot: &Snapshot,
) -> io::Result<Report<'r>> {
    let report = |revisions: &[&'r Revision<'_>]| Report::new(history, revisions, gaps, snapshot.as_of);
    match shown {
        Shown::All(revisions) => Ok(report(revisions)),
        Shown::One(revision) => Ok(report(&[]).only(history, &[*revision])),
        Shown::Two(one, other) => report(&[]).compared(history, *one, *other),
    }
}

fn show(out: &mut impl Write, history: &History<'_>, shown: &Shown<'_, '_>, screen: ViewOptions) -> io::Result<()> {
    match shown {
        Shown::All(revisions) => table(out, history, revisions, screen),
        Shown::One(revision) => template(out, history, revision, screen),
        Shown::Two(one, other) => diff(out, *one, *other, screen.style),
    }
}
