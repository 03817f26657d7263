//! The flags of `rollout`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{OUTPUT, daemon_set_name, duration};
use crate::rollout::RevisionRange;

/// What to do with a rollout.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: RolloutCommand,
}

/// The commands of `rollout`.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Follow a rollout to its end, and show what holds it
    Watch(RolloutWatchArgs),
    /// Show how far rollouts are, and what holds them
    Status(RolloutStatusArgs),
    /// Show the revisions, the nodes that run each, and what changed between two of them
    History(HistoryArgs),
}

/// Follows a rollout to its end, and shows what holds it.
///
/// On a terminal the screen is redrawn on every change. In a pipe there is one line for each change. Ends with 0 when
/// every wanted pod runs the current revision and is available; with 1 when there is no progress for
/// --stall-timeout, when --timeout is over, or when the DaemonSet is deleted. A rollout that cannot finish by itself
/// is called stuck as soon as that is certain; the watch still goes on until --stall-timeout, as somebody may help.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Follow a rollout to its end
  kubectl ds rollout watch -n kube-system kube-proxy

  # In CI: fail after five minutes without progress, or after an hour
  kubectl ds rollout watch -n kube-system kube-proxy --stall-timeout 5m --timeout 1h

  # One JSON object for each change
  kubectl ds rollout watch -n kube-system kube-proxy -o json

  # Wait until the third revision is the current one, and complete
  kubectl ds rollout watch -n kube-system kube-proxy --revision 3")]
pub(crate) struct RolloutWatchArgs {
    /// The DaemonSet: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: String,
    /// Show it once and end, as rollout status does
    #[arg(long)]
    pub(crate) once: bool,
    /// Wait for this revision to be the current one, and complete
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// Exit with 1 after so long without progress: 30s, 5m; 0 waits for ever
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub(crate) stall_timeout: Duration,
    /// Exit with 1 after so long in all: 30s, 1h; by default there is no such limit
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<HistoryFormat>,
}

/// Shows how far rollouts are, and what holds them.
///
/// With names: counts, budget, what holds the rollout, and the nodes in work. Without: a row for every DaemonSet of the
/// namespace, or of all with -A. Ends with 0 when all of them are complete, and with 1 when one is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # How far is it, and what holds it?
  kubectl ds rollout status -n kube-system kube-proxy

  # All DaemonSets of the cluster
  kubectl ds rollout status -A

  # For a program
  kubectl ds rollout status -A -o json

  # A saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds rollout status --from cluster.json")]
pub(crate) struct RolloutStatusArgs {
    /// The DaemonSets: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<String>,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<HistoryFormat>,
    /// No column titles
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
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
    pub(crate) diff: Option<RevisionRange>,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<HistoryFormat>,
    /// No column titles
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// `-o` of `rollout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryFormat {
    /// With all names, and nothing shortened.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}
