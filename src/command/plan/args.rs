//! The arguments of `plan`.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};

use crate::command::args::{OUTPUT, OutputFormat, daemon_set_name, node_name, output};
use crate::snapshot::DaemonSetName;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    pub(crate) command: PlanCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Show what these manifests would do if they were applied
    Apply(PlanApplyArgs),
    /// Show what a change of nodes would do, or what new nodes would get
    Node(Box<PlanNodeArgs>),
    /// Show what a rollback to an earlier revision would do
    #[command(alias = "undo")]
    Rollback(PlanRollbackArgs),
}

/// Show what these manifests would do if they were applied. Nothing is changed.
///
/// For each DaemonSet in the manifests, show which nodes gain or lose the pod, how the rollout replaces pods and whether it
/// is blocked, whether the new pods fit on their nodes, and whether the API server rejects them. The manifests go through
/// the API server as a dry run, so that its defaults and webhooks count. Objects of other kinds that decide about pods,
/// such as ResourceQuotas and PriorityClasses, count as applied; the rest is ignored. The exit code is 1 if there is a
/// problem, or with --no-loss if a node loses its pod.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Show what a manifest would do
  kubectl ds plan apply -f agent.yaml

  # Check a chart in a pipeline, and fail if a node would lose its pod
  helm template agent ./chart | kubectl ds plan apply -f - --no-loss

  # Check a folder of manifests, and output JSON
  kubectl ds plan apply -f manifests/ -R -o json

  # Use a saved cluster
  kubectl get nodes,daemonsets,pods,controllerrevisions -A -o json > cluster.json
  kubectl ds plan apply -f agent.yaml --from cluster.json")]
pub(crate) struct PlanApplyArgs {
    /// File or folder with manifests, or - for stdin. Can be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub(crate) filename: Vec<PathBuf>,
    /// Read folders recursively
    #[arg(short = 'R', long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) recursive: bool,
    /// Merge as kubectl apply --server-side does
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) server_side: bool,
    /// Name of the field manager of --server-side
    #[arg(long, value_name = "NAME", requires = "server_side")]
    pub(crate) field_manager: Option<String>,
    /// With --server-side: take fields over from other field managers
    #[arg(long, requires = "server_side", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) force_conflicts: bool,
    #[command(flatten)]
    pub(crate) view: PlanViewArgs,
}

/// Show what a change of nodes would do to every DaemonSet, or what new nodes would get. Nothing is changed.
///
/// For each DaemonSet, show the pods that are created, deleted at once, evicted, or left behind as misscheduled, and which
/// alerts of kubernetes-mixin will fire. With --node-file, show which pods nodes like the one in the file would get, and
/// which do not fit on them.
#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl ds plan node (NODE... | -l SELECTOR) [--taint K=V:E | --taint K:E-]... [--label K=V | --label K-]... [--cordon] [--uncordon] [--delete]\n       kubectl ds plan node --node-file FILE [--count N]"
)]
#[command(after_help = "\
Examples:
  # Show which pods a taint would evict or leave behind
  kubectl ds plan node worker-7 --taint dedicated=gpu:NoExecute

  # Show what a new pool label would do to all its nodes
  kubectl ds plan node -l pool=infra --label role=infra --label legacy-

  # Show what the deletion of a node would do
  kubectl ds plan node worker-7 --delete

  # Show which pods three more nodes of the same kind would get
  kubectl get node worker-7 -o yaml > node.yaml   # then edit labels, taints, allocatable
  kubectl ds plan node --node-file node.yaml --count 3")]
pub(crate) struct PlanNodeArgs {
    /// Nodes: NAME or node/NAME
    #[arg(value_name = "NODE", value_parser = node_name, conflicts_with = "node_file")]
    pub(crate) nodes: Vec<String>,
    /// Label selector to select nodes
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with_all = ["nodes", "node_file"])]
    pub(crate) selector: Option<String>,
    /// Add a taint (KEY=VALUE:EFFECT), or remove it (KEY:EFFECT- or KEY-). Can be repeated
    #[arg(long, value_name = "TAINT", action = ArgAction::Append)]
    pub(crate) taint: Vec<String>,
    /// Set a label (KEY=VALUE), or remove it (KEY-). Can be repeated
    #[arg(long, value_name = "LABEL", action = ArgAction::Append)]
    pub(crate) label: Vec<String>,
    /// Mark the nodes as unschedulable
    #[arg(long, conflicts_with_all = ["uncordon", "delete"])]
    pub(crate) cordon: bool,
    /// Mark the nodes as schedulable
    #[arg(long, conflicts_with = "delete")]
    pub(crate) uncordon: bool,
    /// Delete the nodes
    #[arg(long, conflicts_with_all = ["taint", "label"])]
    pub(crate) delete: bool,
    /// A Node manifest: plan for new nodes like it
    #[arg(long, value_name = "FILE")]
    pub(crate) node_file: Option<PathBuf>,
    /// With --node-file: the number of new nodes
    #[arg(long, value_name = "N", default_value_t = 1, requires = "node_file", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) count: u16,
    #[command(flatten)]
    pub(crate) view: PlanViewArgs,
}

/// Show what a rollback of a DaemonSet to an earlier revision would do. Nothing is changed.
///
/// Only the pods of nodes that do not run that revision are replaced: the controller reuses the old revision.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Show what a rollback to the previous revision would do
  kubectl ds plan rollback -n kube-system kube-proxy

  # Show what a rollback to revision 3 would do
  kubectl ds plan rollback -n kube-system kube-proxy --to-revision 3")]
pub(crate) struct PlanRollbackArgs {
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name, required = true)]
    pub(crate) name: Vec<DaemonSetName>,
    /// The revision to roll back to (0: the last one)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to_revision: Option<i64>,
    #[command(flatten)]
    pub(crate) view: PlanViewArgs,
}

/// What is shown, and the exit code.
#[derive(Debug, Args)]
pub(crate) struct PlanViewArgs {
    /// Exit with code 1 if a node loses its pod
    #[arg(long)]
    pub(crate) no_loss: bool,
    /// List also the nodes on which nothing changes
    #[arg(long)]
    pub(crate) all: bool,
    /// Output format
    #[arg(short, long, value_parser = output::TABLE_WITHOUT_NAMES, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}
