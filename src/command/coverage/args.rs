//! The arguments of `coverage`.

use clap::Args;

use crate::command::args::{
    NodeFilter, OUTPUT, OutputFormat, SortPath, daemon_set_name, node_filter, output, sort_path,
};
use crate::coverage::Threshold;
use crate::snapshot::DaemonSetName;

/// Show which nodes run, miss, or unexpectedly run a DaemonSet's pods.
///
/// Without a name, list every DaemonSet of the namespace, the least healthy first. With names, list every node,
/// unhealthy nodes first. The counts are computed from nodes and pods by the DaemonSet controller's rules, so they are
/// correct even if `.status` is stale.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # List all DaemonSets in the cluster, the least healthy first
  kubectl ds coverage -A

  # Show one DaemonSet node by node
  kubectl ds coverage -n kube-system kube-proxy

  # Show one DaemonSet by zone, or as a map of a large cluster
  kubectl ds coverage -n kube-system kube-proxy --by topology.kubernetes.io/zone
  kubectl ds coverage -n kube-system kube-proxy --map

  # List the nodes that cost the most DaemonSets first
  kubectl ds coverage -A --by-node

  # List the names of the nodes that miss the pod, for a script
  kubectl ds coverage -n kube-system kube-proxy --only Missing -o name

  # List the DaemonSets with the most unavailable pods last, with columns of your own
  kubectl ds coverage -A --sort-by .unavailable -o custom-columns=NAME:.name,N:.unavailable

  # Exit with code 1 if fewer than 99% of the desired pods are available, for CI
  kubectl ds coverage -n kube-system kube-proxy --min 99%

  # Read a saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds coverage --from cluster.json")]
pub(crate) struct CoverageArgs {
    /// DaemonSets: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<DaemonSetName>,
    /// Label selector to filter DaemonSets
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Label selector to filter nodes
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) nodes: Option<String>,
    /// Group by the value of this node label, such as topology.kubernetes.io/zone
    #[arg(long, value_name = "LABEL")]
    pub(crate) by: Option<String>,
    /// List the nodes that miss pods, those that cost the most DaemonSets first
    #[arg(long, conflicts_with_all = ["by", "map"])]
    pub(crate) by_node: bool,
    /// Show one cell per node, grouped by --by
    #[arg(long)]
    pub(crate) map: bool,
    /// Show only nodes in these states: Missing, Failed, NotReady, Pending, Succeeded, Terminating, Starting,
    /// Misscheduled, Unknown, Ready, Available, Excluded, unhealthy, or outdated
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = node_filter)]
    pub(crate) only: Vec<NodeFilter>,
    /// Show only unhealthy nodes: in any state except Available, Ready and Excluded
    #[arg(long)]
    pub(crate) unhealthy: bool,
    /// List every node individually: nothing is folded
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with code 1 if fewer than this percentage of desired pods are available
    #[arg(long, value_name = "PERCENT")]
    pub(crate) min: Option<Threshold>,
    /// With --min: don't fail on named DaemonSets with 0 desired pods
    #[arg(long, requires = "min")]
    pub(crate) allow_empty: bool,
    /// Node labels that the table of nodes shows as columns. Can be repeated
    #[arg(short = 'L', long, value_name = "LABEL,…", value_delimiter = ',')]
    pub(crate) label_columns: Vec<String>,
    /// Watch for changes and refresh
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) watch: bool,
    /// Output format
    #[arg(short, long, value_parser = output::TABLE, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Sort the rows of the table and of JSON by the value at this path in each row of the JSON output, such as
    /// .unavailable; no rows are folded. Rows without a value come first
    #[arg(long, value_name = "PATH", value_parser = sort_path, help_heading = OUTPUT, conflicts_with_all = ["by", "map", "by_node"])]
    pub(crate) sort_by: Option<SortPath>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}
