//! The clap arguments. Each command converts them to plain values at its start, so no other module depends on clap.

mod completion;
mod tree;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{FromArgMatches, Parser, Subcommand};

use crate::command::args::Global;
use crate::command::completion::args::CompletionArgs;
use crate::command::coverage::args::CoverageArgs;
use crate::command::cycle::args::CycleArgs;
use crate::command::rollout::args::RolloutArgs;
use crate::command::version::args::VersionArgs;
use crate::command::why_not::args::WhyNotArgs;
use crate::error::Error;
use crate::render::terminal;

pub(crate) use completion::to_complete;
pub(crate) use tree::tree;

/// Inspect and roll out DaemonSets node by node.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ds", version, max_term_width = 100)]
#[command(arg_required_else_help = true, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Parses the arguments of the process.
///
/// # Errors
/// The exit code, after the help or the usage error has been printed.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let read = tree().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    read.map_err(|rejection| {
        if !rejection.use_stderr() || rejection.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            // It fails only when the pipe is closed: nobody reads the output.
            let _ = rejection.print();
            return ExitCode::from(if rejection.use_stderr() { 2 } else { 0 });
        }
        let error = usage_error(&rejection);
        terminal::error(&error);
        error.exit_code()
    })
}

/// Reduces clap's message of several paragraphs to one line and a hint.
fn usage_error(rejection: &clap::Error) -> Error {
    let text = rejection.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    // clap's tip on passing a flag as a value never applies: no value begins with a dash.
    let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tips.into_iter().find(|tip| !tip.starts_with("to pass"));
    Error::Usage {
        message: message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        hint: tip.unwrap_or("see --help for usage").to_owned(),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which nodes run, miss, or unexpectedly run a DaemonSet's pods
    Coverage(Box<CoverageArgs>),
    /// Explain why a DaemonSet pod is missing or unhealthy on a node, and how to fix it
    WhyNot(Box<WhyNotArgs>),
    /// Watch rollouts, show what blocks them, and inspect revision history
    #[command(arg_required_else_help = true)]
    Rollout(RolloutArgs),
    /// Replace outdated pods one node at a time (for the OnDelete update strategy)
    Cycle(Box<CycleArgs>),
    /// Output shell completion code for the specified shell
    Completion(CompletionArgs),
    /// Print the client and server version information
    Version(VersionArgs),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_tree_passes_clap_assertions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn verbosity_accepts_every_kubectl_form() {
        for flags in [&["-v=6"][..], &["-v6"], &["--v=6"], &["-v", "6"], &["--v", "6"]] {
            let words = ["kubectl-ds", "coverage"].iter().chain(flags);
            assert_eq!(Cli::try_parse_from(words).unwrap().global.verbosity, 6, "{flags:?}");
        }
    }
}
