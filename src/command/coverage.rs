//! `kubectl ds coverage`.

pub(crate) mod args;
mod options;
mod watch;

use std::process::ExitCode;

use super::print;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::command::coverage::args::CoverageArgs;
use crate::coverage::{compute_coverage, event_query, findings};
use crate::error::Error;
use crate::load::{Request, Source, open};
use crate::render::{finding, terminal};
use crate::snapshot::Snapshot;

/// Runs `coverage`.
pub(crate) async fn run(args: CoverageArgs, global: Global) -> Result<ExitCode, Error> {
    let is_watch = args.watch;
    if is_watch && (args.min.is_some() || !global.from.is_empty()) {
        return Err(Error::Usage {
            message: "--watch cannot be combined with --min or --from".into(),
            hint: "remove --watch, or remove --min and --from".into(),
        });
    }
    let mut source = open(&global.from, &global.access(), Detail::Placement).await?;
    let (request, options) = options::from_args(args, &global, &source)?;
    if let (Source::Live(access), true) = (&source, is_watch) {
        return watch::watch(access, &request, &options).await;
    }
    let snapshot = source.snapshot(&request, event_query).await?;
    notes(&source, &request, &snapshot).await;
    let mut coverages = compute_coverage(&snapshot);
    options.sort(&mut coverages, &snapshot)?;
    options.check_label(&coverages)?;
    findings(&snapshot, &coverages).iter().for_each(|found| terminal::note(&finding(found, snapshot.as_of)));
    print(|out| options.render(out, &coverages, &snapshot))?;
    if let Some(empty_note) = options.empty_note(&coverages) {
        terminal::note(&empty_note);
    }
    options.exit_code(&coverages)
}

async fn notes(source: &Source, request: &Request, snapshot: &Snapshot) {
    for gap in snapshot.gaps() {
        terminal::note(&gap);
    }
    if snapshot.daemon_sets.is_empty() {
        terminal::note(&source.none_found(request).await);
    }
}
