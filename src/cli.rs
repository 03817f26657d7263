//! The clap arguments. Each command converts them to plain values at its start, so no other module depends on clap.

mod completion;
mod parse;
mod tree;

use clap::{Parser, Subcommand};

use crate::command::alerts::args::AlertsArgs;
use crate::command::args::Global;
use crate::command::completion::args::CompletionArgs;
use crate::command::coverage::args::CoverageArgs;
use crate::command::cycle::args::CycleArgs;
use crate::command::demo::args::DemoArgs;
use crate::command::doctor::args::DoctorArgs;
use crate::command::exec::args::ExecArgs;
use crate::command::logs::args::LogsArgs;
use crate::command::plan::args::PlanArgs;
use crate::command::rollout::args::RolloutArgs;
use crate::command::version::args::VersionArgs;
use crate::command::why_not::args::WhyNotArgs;

pub(crate) use completion::to_complete;
pub(crate) use parse::parse;
pub(crate) use tree::tree;

/// Inspect and roll out DaemonSets node by node.
///
/// Without a command, show which DaemonSets need attention.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ds", version, max_term_width = 100)]
#[command(args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which nodes run, miss, or unexpectedly run a DaemonSet's pods
    #[command(visible_alias = "cov")]
    Coverage(Box<CoverageArgs>),
    /// Explain why a DaemonSet pod is missing or unhealthy on a node, and how to fix it
    #[command(visible_alias = "why")]
    WhyNot(Box<WhyNotArgs>),
    /// Watch, pause, resume and undo rollouts, show what blocks them, and inspect revision history
    #[command(arg_required_else_help = true)]
    Rollout(RolloutArgs),
    /// Replace outdated pods one node at a time (for the OnDelete update strategy)
    Cycle(Box<CycleArgs>),
    /// Show what a change of manifests or nodes would do to DaemonSets, before it is made
    #[command(arg_required_else_help = true)]
    Plan(PlanArgs),
    /// Print the logs of a DaemonSet's pods on some or all nodes
    #[command(arg_required_else_help = true)]
    Logs(Box<LogsArgs>),
    /// Run a command in the DaemonSet's pod on a node
    #[command(arg_required_else_help = true)]
    Exec(ExecArgs),
    /// Explain which alerts about DaemonSets are active, whether they are real, and how to end them
    Alerts(AlertsArgs),
    /// Show commands to try on a sample cluster, without a cluster of your own
    Demo(DemoArgs),
    /// Check the access to the cluster: connection, version, clock, permissions
    Doctor(DoctorArgs),
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
