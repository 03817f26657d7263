//! The arguments of `rollout`.

use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};

use crate::command::args::{OUTPUT, OutputFormat, SortPath, daemon_set_name, duration, output, sort_path};
use crate::command::rollout::change::args::{PauseArgs, ResumeArgs, UndoArgs};
use crate::rollout::RevisionRange;
use crate::snapshot::DaemonSetName;

/// Watch, pause, resume and undo rollouts, show what blocks them, and inspect revision history.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    #[command(subcommand)]
    pub(crate) command: RolloutCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Watch a rollout until it completes, and show what is blocking it
    Watch(RolloutWatchArgs),
    /// Wait for a rollout as kubectl does, or list the rollouts and what blocks them
    Status(RolloutStatusArgs),
    /// Stop a rolling update until it is resumed
    Pause(PauseArgs),
    /// Continue a paused rolling update, with a plan first
    Resume(ResumeArgs),
    /// Roll back to a previous revision, only on the nodes that run the current one
    Undo(Box<UndoArgs>),
    /// Show revisions, the nodes that run each, and the changes between two revisions
    History(HistoryArgs),
}

/// Watch a rollout until it completes, and show what is blocking it.
///
/// On a terminal, the screen is refreshed on every change; in a pipe, each change is one line. The exit code is 0 when
/// every desired pod runs the current revision and is available, and 1 after --stall-timeout without progress, after
/// --timeout, or when the DaemonSet is deleted. A rollout that provably cannot complete without intervention is
/// reported as Stuck; the watch continues until --stall-timeout, because somebody may fix the cause. A rollout of another
/// pod template than the one at the start also exits with 1, unless --any-revision is given.
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
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name, required = true)]
    pub(crate) name: Vec<DaemonSetName>,
    /// Print the current status once and exit
    #[arg(long)]
    pub(crate) once: bool,
    /// Wait until this revision is current and fully rolled out
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// Accept the rollout of any pod template: exit with 0 even if the template changed during the watch
    #[arg(long)]
    pub(crate) any_revision: bool,
    /// Exit with code 1 as soon as the rollout provably cannot complete without intervention, or is paused
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Exit with code 1 after this long without progress: 30s, 5m (0: never)
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration, env = "KUBECTL_DS_STALL_TIMEOUT", hide_env_values = true)]
    pub(crate) stall_timeout: Duration,
    /// Exit with code 1 if not complete after this long: 30s, 1h (default: no limit)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Output format
    #[arg(short, long, value_parser = output::EVENTS, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
}

/// Wait for a rollout as kubectl does, or list the rollouts and what blocks them.
///
/// With one name, wait until the rollout is complete, and show what is blocking it; the exit code is 1 after --timeout. With
/// --watch=false, show it once and exit with 0, as kubectl does. With several names, without a name, with -l, -A, -o or
/// --from, show the rollouts once; the exit code is 0 if all are complete, and 1 otherwise.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Wait for a rollout
  kubectl ds rollout status -n kube-system kube-proxy --timeout 10m

  # Show its progress once, and what is blocking it
  kubectl ds rollout status -n kube-system kube-proxy --watch=false

  # List the rollouts of all DaemonSets in the cluster
  kubectl ds rollout status -A

  # Output JSON for scripts
  kubectl ds rollout status -A -o json

  # Read a saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds rollout status --from cluster.json")]
pub(crate) struct RolloutStatusArgs {
    /// DaemonSets: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<DaemonSetName>,
    /// Label selector to filter DaemonSets
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// With one name: wait until the rollout is complete [default: true]
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) watch: bool,
    /// With one name: exit with code 1 if not complete after this long: 30s, 1h (0: no limit)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// With one name: wait until this revision is current and fully rolled out (0: the latest one)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) revision: Option<i64>,
    /// Output format
    #[arg(short, long, value_parser = output::TABLE_WITHOUT_NAMES, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Sort the rows of the table and of JSON by the value at this path in each row of the JSON output, such as
    /// .available; no rows are folded. Rows without a value come first
    #[arg(long, value_name = "PATH", value_parser = sort_path, help_heading = OUTPUT)]
    pub(crate) sort_by: Option<SortPath>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// Show the revisions of a DaemonSet: change cause, age, and the nodes that run each.
///
/// With --revision, print the pod template of one revision. With --diff, show the last change, or the changes between two
/// revisions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # List the revisions and the number of nodes that run each
  kubectl ds rollout history -n kube-system kube-proxy

  # Include the names of the nodes
  kubectl ds rollout history -n kube-system kube-proxy -o wide

  # Print the pod template of revision 3
  kubectl ds rollout history -n kube-system kube-proxy --revision 3

  # Show the last change, or the changes from revision 2 to 3, or from revision 2 to the current template
  kubectl ds rollout history -n kube-system kube-proxy --diff
  kubectl ds rollout history -n kube-system kube-proxy --diff=2..3
  kubectl ds rollout history -n kube-system kube-proxy --diff=2..")]
pub(crate) struct HistoryArgs {
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME. A range A..B after --diff is accepted too
    #[arg(value_name = "NAME", value_parser = daemon_set_name, required = true)]
    pub(crate) name: Vec<DaemonSetName>,
    /// Print the pod template of this revision as YAML
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// Show the last change, or the changes from revision A to B; A.. compares with the current template
    #[arg(long, value_name = "A..B", num_args = 0..=1, require_equals = true, conflicts_with = "revision")]
    pub(crate) diff: Option<Option<RevisionRange>>,
    /// Output format
    #[arg(short, long, value_parser = output::TABLE_WITHOUT_NAMES, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Sort the rows of the table and of JSON by the value at this path in each row of the JSON output, such as
    /// .created; no rows are folded. Rows without a value come first
    #[arg(long, value_name = "PATH", value_parser = sort_path, help_heading = OUTPUT, conflicts_with_all = ["revision", "diff"])]
    pub(crate) sort_by: Option<SortPath>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}
