//! `rollout` and what stands behind it.

use clap::{Args, Subcommand, ValueEnum};

use super::{OUTPUT, daemon_set_name};
use crate::rollout::Between;

/// The commands about revisions.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show the revisions, the nodes that run each, and what changed between two of them
    History(HistoryArgs),
}

/// The revisions of a DaemonSet: change cause, age, and the nodes that run each.
///
/// With --revision the template of one, with --diff what changed between two.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # The revisions, and how many nodes run each
  kubectl ds rollout history -n kube-system kube-proxy

  # With the names of the nodes
  kubectl ds rollout history -n kube-system kube-proxy -o wide

  # The template of revision 3
  kubectl ds rollout history -n kube-system kube-proxy --revision 3

  # What changed from revision 2 to 3; from revision 2 to today's template
  kubectl ds rollout history -n kube-system kube-proxy --diff 2..3
  kubectl ds rollout history -n kube-system kube-proxy --diff 2..")]
pub(crate) struct HistoryArgs {
    /// The DaemonSet: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: String,
    /// The template of this revision, as YAML
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// What changed from revision A to B; A.. compares with today's template
    #[arg(long, value_name = "A..B", conflicts_with = "revision")]
    pub(crate) diff: Option<Between>,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<HistoryFormat>,
    /// No column titles
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// `-o` of `rollout history`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryFormat {
    /// The table with the hashes and the names of the nodes, and nothing shortened.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}
