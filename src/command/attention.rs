//! `kubectl ds` without a subcommand: what needs attention now.

use std::process::ExitCode;

use super::print;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::coverage::compute_coverage;
use crate::error::Error;
use crate::load::{Request, open};
use crate::render::coverage::attention;
use crate::render::{ListLength, ViewOptions, terminal};
use crate::rollout::{RolloutStatus, event_query_of_all, rollout_status};

/// Shows the DaemonSets of all namespaces, or of `--namespace`, that need attention.
pub(crate) async fn run(global: Global) -> Result<ExitCode, Error> {
    let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
    let request = Request { namespace: global.namespace_or(None), ..Request::default() };
    let snapshot = source.snapshot(&request, event_query_of_all).await?;
    snapshot.gaps().iter().for_each(|gap| terminal::note(gap));
    let coverages = compute_coverage(&snapshot);
    let statuses: Vec<RolloutStatus<'_>> =
        coverages.iter().map(|coverage| rollout_status(coverage, &snapshot)).collect();
    let screen = ViewOptions::new(terminal::style(global.color, ListLength::Handful), snapshot.as_of);
    let place = source.scope_in_words(request.namespace.as_deref());
    print(|out| attention(out, &coverages, &statuses, &place, screen))?;
    Ok(ExitCode::SUCCESS)
}
