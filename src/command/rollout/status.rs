//! `kubectl ds rollout status`.

use std::io::Write;
use std::process::ExitCode;

use crate::command::args::names::without_type;
use crate::command::args::{Global, OutputFormat};
use crate::command::print;
use crate::command::rollout::args::RolloutStatusArgs;
use crate::command::rollout::once::{ExitCodeOf, OutputOptions, once};
use crate::command::rollout::watch::{self, Until};
use crate::error::Error;
use crate::render::text::sanitize;

/// Runs `rollout status`: waits for the rollout of one DaemonSet, as kubectl does, and otherwise shows rollouts once.
pub(super) async fn run(args: RolloutStatusArgs, global: Global) -> Result<ExitCode, Error> {
    let RolloutStatusArgs { names, selector, watch, timeout, revision, output, sort_by, no_headers } = args;
    let names = without_type(names);
    let is_one = names.len() == 1 && selector.is_none() && !global.all_namespaces && global.from.is_empty();
    let is_text = output.as_ref().and_then(OutputFormat::document).is_none();
    if is_one && watch && is_text {
        let until = Until {
            revision: revision.filter(|revision| *revision > 0),
            any_revision: true,
            fail_fast: false,
            stall_timeout: None,
            timeout,
        };
        let name = names.first().map(|name| sanitize(&name.name)).unwrap_or_default();
        let code = watch::watch(names, until, output, global).await?;
        if code == ExitCode::SUCCESS {
            // The last line of `kubectl rollout status`, which scripts look for.
            print(|out| writeln!(out, "daemon set {name:?} successfully rolled out"))?;
        }
        return Ok(code);
    }
    let exit_code_of = if is_one && is_text { ExitCodeOf::Display } else { ExitCodeOf::Rollouts };
    once(names, selector, OutputOptions { output, sort_by, no_headers }, exit_code_of, global).await
}
