//! The arguments of `cycle`.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::command::args::{OUTPUT, OutputFormat, daemon_set_name, duration, node_name, output};
use crate::cycle::{MaxUnavailable, Order};
use crate::snapshot::DaemonSetName;

/// The heading of the flags that select and order nodes.
const WHICH: &str = "Node selection";
/// The heading of the flags that limit speed and failures.
const PACE: &str = "Rollout control";
/// The heading of the flags for the other steps on each node.
const STEPS: &str = "Node steps";

/// Replace the outdated pods of a DaemonSet one node at a time, and wait for each new pod to become available.
///
/// The command shows the plan and asks for confirmation before it deletes a pod. It never makes more than
/// --max-unavailable nodes unavailable (nodes that are already unavailable count), and continues with the next node
/// when the new pod is available. If a node fails, it stops and leaves the remaining nodes unchanged. The only state is
/// the revision that each node runs: run the command again to continue where it stopped. Press Ctrl-C to stop after the
/// nodes in progress; press it again to exit immediately.
///
/// A Lease in the DaemonSet's namespace ensures that only one cycle of a DaemonSet deletes pods at a time. A second one
/// exits with code 1 and names the first, or waits with --wait-for-lock.
///
/// The commands of --before and --after get their facts in the environment: KUBECTL_DS_NODE, KUBECTL_DS_POD,
/// KUBECTL_DS_NAMESPACE, KUBECTL_DS_DAEMONSET, KUBECTL_DS_REVISION, KUBECTL_DS_HOOK (before or after) and
/// KUBECTL_DS_CONTEXT.
///
/// Use it for DaemonSets with the OnDelete update strategy. With --all, it gradually restarts any DaemonSet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Print the plan only
  kubectl ds cycle -n gpu-operator driver --dry-run=client

  # Print the plan only, with the diff of the pod template
  kubectl ds cycle -n gpu-operator driver --dry-run=client --diff

  # Replace outdated pods one node at a time
  kubectl ds cycle -n gpu-operator driver

  # Replace two nodes, observe them for ten minutes, then three nodes at a time
  kubectl ds cycle -n gpu-operator driver --canary 2 --soak 10m --order zone --max-unavailable 3

  # Skip the confirmation prompt and exit with code 1 on a failed node, for CI
  kubectl ds cycle -n gpu-operator driver --yes --node-timeout 5m -o json

  # Replace outdated pods only on the nodes of a pool
  kubectl ds cycle -n gpu-operator driver --nodes pool=a100

  # Move GPU workloads away before each driver pod is replaced
  kubectl ds cycle -n gpu-operator driver --cordon --before './drain-gpu.sh \"$KUBECTL_DS_NODE\"'

  # Replace CSI pods only where the network plugin is available
  kubectl ds cycle -n storage csi-node --require kube-system/cilium

  # Restart all pods gradually, even if they are up to date
  kubectl ds cycle -n kube-system kube-proxy --all --max-unavailable 10%")]
pub(crate) struct CycleArgs {
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name, required = true)]
    pub(crate) name: Vec<DaemonSetName>,
    /// Restart all pods gradually, even if they are up to date
    #[arg(long, help_heading = WHICH)]
    pub(crate) all: bool,
    /// Label selector to filter nodes
    #[arg(long, value_name = "SELECTOR", help_heading = WHICH)]
    pub(crate) nodes: Option<String>,
    /// Replace pods only on these nodes: NAME or node/NAME. Can be repeated
    #[arg(long, value_name = "NAME", value_parser = node_name, num_args = 1.., conflicts_with = "nodes", help_heading = WHICH)]
    pub(crate) node: Vec<String>,
    /// Order of the nodes: name, oldest (pod age), or zone (round robin over the values of the label
    /// topology.kubernetes.io/zone; use zone=LABEL for another label)
    #[arg(long, value_name = "ORDER", default_value = "name", help_heading = WHICH)]
    pub(crate) order: Order,
    /// Include NotReady nodes
    #[arg(long, help_heading = WHICH)]
    pub(crate) include_not_ready: bool,
    /// Include nodes that are being maintained, drained or shut down, by a lifecycle condition of the node
    #[arg(long, help_heading = WHICH)]
    pub(crate) include_maintenance: bool,
    /// Maximum number (or percentage, rounded up) of desired pods that may be unavailable at the same time
    #[arg(long, value_name = "N|N%", default_value = "1", help_heading = PACE)]
    pub(crate) max_unavailable: MaxUnavailable,
    /// Replace pods on this many nodes first, then pause and ask before continuing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = PACE)]
    pub(crate) canary: Option<u32>,
    /// Observe the canary for this long, then continue automatically: 10m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "canary", help_heading = PACE)]
    pub(crate) soak: Option<Duration>,
    /// Time a new pod must stay available (in addition to minReadySeconds) before the next node: 30s
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s", hide_default_value = true, help_heading = PACE)]
    pub(crate) min_ready: Duration,
    /// Time after which a node counts as failed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m", help_heading = PACE)]
    pub(crate) node_timeout: Duration,
    /// Stop when more than this many nodes have failed; failed nodes count as unavailable
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = PACE)]
    pub(crate) max_failures: u32,
    /// Exit with code 1 if not complete after this long: 30m, 2h. Nodes in progress are finished (default: no limit)
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = PACE)]
    pub(crate) timeout: Option<Duration>,
    /// Another DaemonSet whose pod on a node must be up to date and available before the node is started, and before it
    /// counts as replaced: NAME or NAMESPACE/NAME. Can be repeated
    #[arg(long, value_name = "NAME", value_parser = daemon_set_name, help_heading = STEPS)]
    pub(crate) require: Vec<DaemonSetName>,
    /// Cordon each node before its pod is replaced, and uncordon it afterwards. Nodes that are already cordoned stay
    /// cordoned
    #[arg(long, help_heading = STEPS)]
    pub(crate) cordon: bool,
    /// Shell command to run for each node before its pod is replaced. If it fails, the node fails
    #[arg(long, value_name = "COMMAND", value_parser = NonEmptyStringValueParser::new(), help_heading = STEPS)]
    pub(crate) before: Option<String>,
    /// Shell command to run for each node when its new pod is available. If it fails, the node fails
    #[arg(long, value_name = "COMMAND", value_parser = NonEmptyStringValueParser::new(), help_heading = STEPS)]
    pub(crate) after: Option<String>,
    /// Time after which a --before or --after command is ended and counts as failed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m", help_heading = STEPS)]
    pub(crate) hook_timeout: Duration,
    /// Evict pods instead of deleting them, to honor PodDisruptionBudgets
    #[arg(long)]
    pub(crate) evict: bool,
    /// Wait while another command holds the lock of this DaemonSet, for at most this long: 30m. Without a value, wait
    /// indefinitely
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1, require_equals = true, default_missing_value = "0s", conflicts_with = "no_lock")]
    pub(crate) wait_for_lock: Option<Duration>,
    /// Do not acquire the lock. A concurrent cycle of this DaemonSet can then exceed --max-unavailable
    #[arg(long)]
    pub(crate) no_lock: bool,
    /// Show the changes of the pod template as a diff in the plan, for each revision that is replaced
    #[arg(long, conflicts_with = "output")]
    pub(crate) diff: bool,
    /// Skip the confirmation prompt
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Must be "none", "client" (print the plan only), or "server" (submit server-side dry-run requests)
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub(crate) dry_run: Option<DryRun>,
    /// Output format: one event per line, and a report at the end
    #[arg(short, long, value_parser = output::DOCUMENT, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
}

/// `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// No dry run.
    None,
    /// Print the plan only.
    Client,
    /// Submit server-side dry-run requests without deleting anything.
    Server,
}
