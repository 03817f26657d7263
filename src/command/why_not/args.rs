//! The arguments of `why-not`.

use std::path::PathBuf;

use clap::Args;

use crate::command::args::{OUTPUT, OutputFormat, output};

/// Explain why a DaemonSet pod is missing or unhealthy on a node, and how to fix it.
///
/// Check the pod stage by stage: DaemonSet controller, API server admission, scheduler, kubelet, and containers. List
/// every check that fails, with its evidence and a suggested fix. Without names, check every DaemonSet of all
/// namespaces, or of the namespace given with --namespace. With a DaemonSet instead of a node, explain each cause on one of
/// its nodes.
#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl ds why-not NODE [NAME]... [OPTIONS]\n       kubectl ds why-not ds/NAME [OPTIONS]\n       kubectl ds why-not --node-file FILE [NAME]... [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  # Check every DaemonSet on a node, unhealthy ones first
  kubectl ds why-not worker-7

  # Explain one DaemonSet, with every check and the suggested fixes
  kubectl ds why-not worker-7 -n kube-system kube-proxy

  # Explain every node on which a DaemonSet is not healthy, grouped by cause
  kubectl ds why-not -n kube-system ds/kube-proxy

  # Output JSON for scripts: one document for each node
  kubectl ds why-not worker-7 -o json
  kubectl ds why-not -n kube-system ds/kube-proxy -o json

  # Predict which DaemonSets would run on a node that does not exist yet
  kubectl get node worker-7 -o yaml > node.yaml   # then edit labels, taints, allocatable
  kubectl ds why-not --node-file node.yaml

  # Read a saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds why-not worker-7 --from cluster.json")]
pub(crate) struct WhyNotArgs {
    /// Node (NAME or node/NAME), then DaemonSets (NAME or NAMESPACE/NAME); or ds/NAME. With --node-file, only DaemonSets
    #[arg(value_name = "NODE [NAME]", required_unless_present = "node_file")]
    pub(crate) targets: Vec<String>,
    /// Label selector to filter DaemonSets
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Evaluate a Node manifest that is not in the cluster yet
    #[arg(long, value_name = "FILE")]
    pub(crate) node_file: Option<PathBuf>,
    /// Don't show the end of the logs of crashed containers
    #[arg(long)]
    pub(crate) no_logs: bool,
    /// Output format
    #[arg(short, long, value_parser = output::TABLE, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}
