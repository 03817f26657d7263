//! `kubectl ds alerts`.

pub(crate) mod args;

use std::process::ExitCode;

use super::print;
use crate::alerts::{DaemonSetAlerts, daemon_set_alerts};
use crate::cluster::file::Detail;
use crate::command::alerts::args::AlertsArgs;
use crate::command::args::names::without_type;
use crate::command::args::{Global, OutputFormat};
use crate::coverage::compute_coverage;
use crate::error::Error;
use crate::load::{Request, Source, open, parse_selector};
use crate::render::alerts::{Report, alerts};
use crate::render::document::{DocumentOptions, Rows, Sequence};
use crate::render::{ListLength, ViewOptions, daemon_set_names, terminal};
use crate::rollout::{RolloutStatus, event_query_of_all, rollout_status};

/// Runs `alerts`. The exit code is 1 if an alert is firing or pending.
pub(crate) async fn run(args: AlertsArgs, global: Global) -> Result<ExitCode, Error> {
    let AlertsArgs { names, selector, output, no_headers } = args;
    let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
    if let (Source::Saved(_), Some(selector)) = (&source, &selector) {
        // A live API server parses selectors itself and supports more of them.
        parse_selector(selector)?;
    }
    let namespace = global.namespace_or(source.default_namespace());
    let request = Request { selector, ..Request::new(namespace, without_type(names)) };
    let snapshot = source.snapshot(&request, event_query_of_all).await?;
    let gaps = snapshot.gaps();
    gaps.iter().for_each(|gap| terminal::note(gap));
    if snapshot.daemon_sets.is_empty() {
        terminal::note(&source.none_found(&request).await);
    }
    let coverages = compute_coverage(&snapshot);
    let statuses: Vec<RolloutStatus<'_>> =
        coverages.iter().map(|coverage| rollout_status(coverage, &snapshot)).collect();
    let all: Vec<DaemonSetAlerts<'_>> = coverages
        .iter()
        .zip(&statuses)
        .map(|(coverage, status)| daemon_set_alerts(coverage, status, &snapshot))
        .collect();
    if let Some(note) = duration_note(&all, &source) {
        terminal::note(&note);
    }
    let is_active = |of: &&DaemonSetAlerts<'_>| !of.active.is_empty();
    let wide = output.as_ref().is_some_and(OutputFormat::is_wide);
    let style = terminal::style(global.color, ListLength::wide(wide));
    let screen = ViewOptions { headers: !no_headers, wide, ..ViewOptions::new(style, snapshot.as_of) };
    print(|out| match &output {
        Some(OutputFormat::Document(format)) => {
            let report = Report::new(&all, &gaps, snapshot.as_of);
            let rows = Rows::ALERTS;
            format.write(out, &report, DocumentOptions { sequence: Sequence::First, rows, headers: !no_headers })
        }
        Some(OutputFormat::Name) => {
            let active = all.iter().filter(is_active).map(|of| (of.coverage.namespace(), of.coverage.name()));
            daemon_set_names(out, request.namespace.is_none(), active)
        }
        Some(OutputFormat::Wide) | None => alerts(out, &all, screen),
    })?;
    Ok(ExitCode::from(u8::from(all.iter().any(|of| is_active(&of)))))
}

/// Why no duration is known: `kubectl get` omits the time of the last change of `.status`.
fn duration_note(all: &[DaemonSetAlerts<'_>], source: &Source) -> Option<String> {
    let is_without = |of: &DaemonSetAlerts<'_>| !of.active.is_empty() && of.status_changed.is_none();
    let is_saved = matches!(source, Source::Saved(_));
    (is_saved && all.iter().any(is_without)).then(|| {
        "not known since when alerts are true: the files have no managedFields; save them with kubectl get \
         --show-managed-fields"
            .to_owned()
    })
}
