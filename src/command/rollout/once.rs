//! Shows rollouts once.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cluster::file::Detail;
use crate::command::args::{Global, OutputFormat, SortPath};
use crate::command::print;
use crate::command::rollout::locks::Locks;
use crate::command::sort_order::{permute, sort_order};
use crate::coverage::{Coverage, compute_coverage, findings};
use crate::cycle::cordoned_nodes;
use crate::error::Error;
use crate::load::{Request, Source, open};
use crate::render::ViewOptions;
use crate::render::document::{DocumentOptions, Rows, Sequence};
use crate::render::rollout::{Report, cordons_in_words, lock_in_words, screen, summary_table};
use crate::render::text::sanitize;
use crate::render::{ListLength, finding, terminal};
use crate::rollout::{Phase, RolloutStatus, event_query_of_all, rollout_status};
use crate::snapshot::{DaemonSetName, Snapshot};

/// What the exit code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitCodeOf {
    /// Whether the status could be shown, as in kubectl.
    Display,
    /// Whether all rollouts are complete.
    Rollouts,
}

/// `-o`, `--sort-by` and `--no-headers`.
pub(super) struct OutputOptions {
    pub(super) output: Option<OutputFormat>,
    pub(super) sort_by: Option<SortPath>,
    pub(super) no_headers: bool,
}

/// Shows the rollouts once.
pub(super) async fn once(
    names: Vec<DaemonSetName>,
    selector: Option<String>,
    OutputOptions { output, sort_by, no_headers }: OutputOptions,
    exit_code_of: ExitCodeOf,
    global: Global,
) -> Result<ExitCode, Error> {
    let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
    let request = Request { selector, ..request(names, &global, &source) };
    let snapshot = source.snapshot(&request, event_query_of_all).await?;
    let locks = match &source {
        Source::Live(access) => Locks::read(access, &request).await,
        Source::Saved(_) => Locks::of_saved_cluster(),
    };
    let mut gaps = snapshot.gaps();
    if snapshot.daemon_sets.is_empty() {
        terminal::note(&source.none_found(&request).await);
    }
    let coverages = compute_coverage(&snapshot);
    findings(&snapshot, &coverages).iter().for_each(|found| terminal::note(&finding(found, snapshot.as_of)));
    let mut coverages: Vec<&Coverage<'_>> = coverages.iter().collect();
    let mut statuses: Vec<RolloutStatus<'_>> =
        coverages.iter().map(|coverage| rollout_status(coverage, &snapshot)).collect();
    gaps.extend(locks.gap(&statuses));
    gaps.iter().for_each(|gap| terminal::note(gap));
    if let Some(path) = &sort_by {
        let report = Report::new(&statuses, |status| locks.of(status), &[], snapshot.as_of);
        let order = sort_order(path, &report, Rows::DAEMON_SETS)?;
        permute(&mut coverages, &order);
        permute(&mut statuses, &order);
    }
    let names = ListLength::wide(output.as_ref().is_some_and(OutputFormat::is_wide));
    let style = terminal::style(global.color, names);
    let shown =
        ViewOptions { headers: !no_headers, is_sorted: sort_by.is_some(), ..ViewOptions::new(style, snapshot.as_of) };
    let notices: Vec<Vec<String>> = statuses.iter().map(|status| notices(status, &snapshot, &locks, shown)).collect();
    print(|out| match output.as_ref().and_then(OutputFormat::document) {
        Some(format) => {
            let report = Report::new(&statuses, |status| locks.of(status), &gaps, snapshot.as_of);
            let rows = Rows::DAEMON_SETS;
            format.write(out, &report, DocumentOptions { sequence: Sequence::First, rows, headers: !no_headers })
        }
        None if request.names.is_empty() => {
            summary_table(out, &statuses, request.namespace.is_none(), shown)?;
            if shown.headers { notice_lines(out, &statuses, &notices) } else { Ok(()) }
        }
        None => screens(out, &coverages, &statuses, &notices, shown),
    })?;
    match exit_code_of {
        ExitCodeOf::Rollouts => exit_code(&statuses),
        ExitCodeOf::Display => Ok(ExitCode::SUCCESS),
    }
}

/// The request for the named DaemonSets.
pub(super) fn request(names: Vec<DaemonSetName>, global: &Global, source: &Source) -> Request {
    Request::new(global.namespace_or(source.default_namespace()), names)
}

fn screens(
    out: &mut impl Write,
    coverages: &[&Coverage<'_>],
    statuses: &[RolloutStatus<'_>],
    notices: &[Vec<String>],
    shown: ViewOptions,
) -> io::Result<()> {
    for (index, ((coverage, rollout_status), notices)) in coverages.iter().zip(statuses).zip(notices).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        screen(out, coverage, rollout_status, notices, None, shown)?;
    }
    Ok(())
}

/// Who holds the lock of the DaemonSet, and which nodes a cycle left cordoned.
fn notices(status: &RolloutStatus<'_>, snapshot: &Snapshot, locks: &Locks, shown: ViewOptions) -> Vec<String> {
    let lock = locks.of(status);
    let [namespace, name] = names(status);
    let nodes = cordoned_nodes(snapshot, namespace, name);
    let holder = lock.known().copied().flatten().map(|lock| lock_in_words(lock, shown.now));
    let cordons = cordons_in_words(status.daemon_set, &nodes, &lock, shown.now, shown.style.names);
    holder.into_iter().chain(cordons).collect()
}

/// One line for each notice.
fn notice_lines(out: &mut impl Write, statuses: &[RolloutStatus<'_>], notices: &[Vec<String>]) -> io::Result<()> {
    for (status, notices) in statuses.iter().zip(notices) {
        let name = sanitize(&names(status).join("/"));
        notices.iter().try_for_each(|notice| writeln!(out, "{name}: {notice}"))?;
    }
    Ok(())
}

/// The namespace and the name.
fn names<'a>(status: &RolloutStatus<'a>) -> [&'a str; 2] {
    let metadata = &status.daemon_set.metadata;
    [metadata.namespace.as_deref(), metadata.name.as_deref()].map(Option::unwrap_or_default)
}

/// 0 if every rollout is complete, and 1 if one is not, even if others are unknown.
fn exit_code(statuses: &[RolloutStatus<'_>]) -> Result<ExitCode, Error> {
    let is_open =
        |rollout_status: &&RolloutStatus<'_>| !matches!(rollout_status.phase, Phase::Complete | Phase::Unknown);
    if statuses.iter().any(|rollout_status| is_open(&rollout_status)) {
        return Ok(ExitCode::from(1));
    }
    match statuses.iter().find(|rollout_status| rollout_status.phase == Phase::Unknown) {
        Some(rollout_status) => Err(unknown_result(rollout_status)),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn unknown_result(rollout_status: &RolloutStatus<'_>) -> Error {
    let metadata = &rollout_status.daemon_set.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    Error::UndeterminedRollout { what: format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default()) }
}
