//! The arguments of `alerts`.

use clap::Args;

use crate::command::args::{OUTPUT, OutputFormat, daemon_set_name, output};
use crate::snapshot::DaemonSetName;

/// Explain the alerts KubeDaemonSetRolloutStuck, KubeDaemonSetNotScheduled and KubeDaemonSetMisScheduled.
///
/// For each alert of kubernetes-mixin that is firing or pending: since when at least, the nodes that cause it, whether it
/// is real or a false alarm, and the command that ends it. Then what no alert reports. Alerts are evaluated on `.status`,
/// as Prometheus does; a monitoring system is not needed.
///
/// An alert is Firing if it is proven that its expression has been true for long enough, and otherwise Pending.
///
/// Exit codes: 0 no alert is firing or pending, 1 at least one is, 2 error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Explain the alerts of all DaemonSets in the cluster
  kubectl ds alerts -A

  # Explain the alerts of one DaemonSet, with all nodes and the numbers of .status
  kubectl ds alerts -n kube-system kube-proxy -o wide

  # List the alerts with their verdicts, for a script
  kubectl ds alerts -A -o custom-columns=NAME:.name,ALERT:.alert,STATE:.state,VERDICT:.verdict

  # Read a saved cluster; --show-managed-fields saves since when .status is as it is
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json --show-managed-fields > cluster.json
  kubectl ds alerts --from cluster.json")]
pub(crate) struct AlertsArgs {
    /// DaemonSets: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<DaemonSetName>,
    /// Label selector to filter DaemonSets
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Output format
    #[arg(short, long, value_parser = output::TABLE, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}
