//! The arguments of `rollout`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::command::args::{OUTPUT, StructuredFormat, daemon_set_name, duration};
use crate::rollout::RevisionRange;

/// Watch rollouts, show what blocks them, and inspect revision history.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    #[command(subcommand)]
    pub(crate) command: RolloutCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Watch a rollout until it completes, and show what is blocking it
    Watch(RolloutWatchArgs),
    /// Show rollout progress and what is blocking it
    Status(RolloutStatusArgs),
    /// Show revisions, the nodes that run each, and the changes between two revisions
    History(HistoryArgs),
}

/// Watch a rollout until it completes, and show what is blocking it.
///
/// On a terminal, the screen is refreshed on every change; in a pipe, each change is one line. The exit code is 0 when
/// every desired pod runs the current revision and is available, and 1 after --stall-timeout without progress, after
/// --timeout, or when the DaemonSet is deleted. A rollout that provably cannot complete without intervention is
/// reported as Stuck; the watch continues until --stall-timeout, because somebody may fix the cause.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Watch a rollout until it completes
  kubectl ds rollout watch -n kube-system kube-proxy

  # Fail after five minutes without progress, or after one hour in total, for CI
  kubectl ds rollout watch -n kube-system kube-proxy --stall-timeout 5m --timeout 1h

  # Output one JSON object per change
  kubectl ds rollout watch -n kube-system kube-proxy -o json

  # Wait until revision 3 is current and fully rolled out
  kubectl ds rollout watch -n kube-system kube-proxy --revision 3")]
pub(crate) struct RolloutWatchArgs {
    /// DaemonSet: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: String,
    /// Print the current status once and exit
    #[arg(long)]
    pub(crate) once: bool,
    /// Wait until this revision is current and fully rolled out
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// Exit with code 1 after this long without progress: 30s, 5m (0: never)
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub(crate) stall_timeout: Duration,
    /// Exit with code 1 if not complete after this long: 30s, 1h (default: no limit)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<RolloutFormat>,
}

/// Show rollout progress and what is blocking it.
///
/// With names, show the counts, the budget, the blockers, and the nodes in progress. Without a name, list every
/// DaemonSet of the namespace, or of all namespaces with -A. The exit code is 0 if all rollouts are complete, and 1
/// otherwise.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Show the progress of one rollout and what is blocking it
  kubectl ds rollout status -n kube-system kube-proxy

  # List the rollouts of all DaemonSets in the cluster
  kubectl ds rollout status -A

  # Output JSON for scripts
  kubectl ds rollout status -A -o json

  # Read a saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds rollout status --from cluster.json")]
pub(crate) struct RolloutStatusArgs {
    /// DaemonSets: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<RolloutFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// Show the revisions of a DaemonSet: change cause, age, and the nodes that run each.
///
/// With --revision, print the pod template of one revision. With --diff, show the changes between two revisions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # List the revisions and the number of nodes that run each
  kubectl ds rollout history -n kube-system kube-proxy

  # Include the names of the nodes
  kubectl ds rollout history -n kube-system kube-proxy -o wide

  # Print the pod template of revision 3
  kubectl ds rollout history -n kube-system kube-proxy --revision 3

  # Show the changes from revision 2 to 3, or from revision 2 to the current template
  kubectl ds rollout history -n kube-system kube-proxy --diff 2..3
  kubectl ds rollout history -n kube-system kube-proxy --diff 2..")]
pub(crate) struct HistoryArgs {
    /// DaemonSet: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: String,
    /// Print the pod template of this revision as YAML
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// Show the changes from revision A to B; A.. compares with the current template
    #[arg(long, value_name = "A..B", conflicts_with = "revision")]
    pub(crate) diff: Option<RevisionRange>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<RolloutFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// `-o` of `rollout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RolloutFormat {
    /// Include all names, nothing truncated.
    Wide,
    /// JSON output for scripts.
    Json,
    /// YAML output for scripts.
    Yaml,
}

impl RolloutFormat {
    /// The format of documents; `None` for text.
    pub(crate) fn structured(self) -> Option<StructuredFormat> {
        match self {
            Self::Wide => None,
            Self::Json => Some(StructuredFormat::Json),
            Self::Yaml => Some(StructuredFormat::Yaml),
        }
    }
}
