//! `kubectl ds logs`.

pub(crate) mod args;
mod follow;
pub(super) mod options;
mod output;
mod read;
mod selected;

use std::process::ExitCode;

use self::options::LogsOptions;
use self::output::Output;
use self::selected::Selected;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::command::logs::args::LogsArgs;
use crate::coverage::{compute_coverage, event_query};
use crate::error::Error;
use crate::load::{Source, full_node_names, live, logs, open};
use crate::render::terminal;

/// Runs `logs`.
pub(crate) async fn run(args: LogsArgs, global: Global) -> Result<ExitCode, Error> {
    let mut options = LogsOptions::from_args(args, &global)?;
    let source = open(&[], &global.access(), Detail::Placement).await?;
    let request = options.request(&global, source.default_namespace());
    // Without files, the source is live.
    let Source::Live(access) = source else { return Ok(ExitCode::FAILURE) };
    let loaded = live::load_with_events(&access, &request, event_query).await?;
    let snapshot = &loaded.snapshot;
    snapshot.gaps().iter().for_each(|gap| terminal::note(gap));
    if let Some(missing) = snapshot.pods.missing() {
        return Err(Error::NotFound {
            message: format!("no logs can be read: {missing}"),
            hint: "you need RBAC permission to list pods; see docs/rbac for the ClusterRole of this command".into(),
        });
    }
    let coverages = compute_coverage(snapshot);
    let Some(coverage) = coverages.first() else { return Ok(ExitCode::FAILURE) };
    let there = coverage.rows.iter().map(|row| row.node.to_owned()).collect();
    options.names = full_node_names(&options.names, &there);
    let containers = logs::containers(&access, coverage.daemon_set).await?;
    let selected = Selected::new(coverage, containers, &options, snapshot.as_of)?;
    if let Some(note) = selected.note() {
        terminal::note(&note);
    }
    let (output, written) = Output::start()?;
    let code = if options.follow {
        selected.check_limit(&options)?;
        drop(coverages);
        follow::follow(&access, &request, loaded, &selected, &options, &output).await
    } else {
        read::read(&access, &selected, &options, &output).await
    };
    // What was read before an error is printed.
    drop(output);
    written.end().await?;
    code
}
