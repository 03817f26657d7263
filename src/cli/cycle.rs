//! The flags of `cycle`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{OUTPUT, StructuredFormat, daemon_set_name, duration, node_name};
use crate::cycle::{MaxUnavailable, Order};

/// The group of the flags that say which nodes, and in which order.
const WHICH: &str = "Which nodes";
/// The group of the flags that say how carefully.
const PACE: &str = "Pace and patience";

/// Replaces the pods of a DaemonSet that run an old revision, node by node, and waits for each new one.
///
/// It shows the plan and asks before anything is removed. A pod is removed only while no more nodes than
/// --max-unavailable are without an available pod, those counted that are down already; the next node comes when the
/// new pod is available. When a node fails, it halts and leaves the rest alone. The state is the revision that each node
/// runs: run it again, and it goes on where it was. Ctrl-C lets the node in work finish, a second one leaves at once.
///
/// A Lease in the DaemonSet's namespace lets only one cycle of a DaemonSet remove pods at a time. A second one ends with
/// exit code 1 and names the first, or waits with --wait-for-lock.
///
/// It is made for DaemonSets with the update strategy OnDelete. With --all it restarts any DaemonSet, paced.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # See the plan, and change nothing
  kubectl ds cycle -n gpu-operator driver --dry-run=client

  # Replace the old pods, one node after the other
  kubectl ds cycle -n gpu-operator driver

  # Two nodes first; watch them for ten minutes, then the others zone by zone, three nodes at once
  kubectl ds cycle -n gpu-operator driver --canary 2 --soak 10m --order zone --max-unavailable 3

  # In CI: no questions, and an exit code of 1 when it halts
  kubectl ds cycle -n gpu-operator driver --yes --node-timeout 5m -o json

  # Only the nodes of a pool
  kubectl ds cycle -n gpu-operator driver --nodes pool=a100

  # A paced restart, also where the DaemonSet is up to date
  kubectl ds cycle -n kube-system kube-proxy --all --max-unavailable 10%")]
pub(crate) struct CycleArgs {
    /// The DaemonSet: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: String,
    /// Replace every pod, not only those of an old revision
    #[arg(long, help_heading = WHICH)]
    pub(crate) all: bool,
    /// Only nodes with these labels
    #[arg(long, value_name = "SELECTOR", help_heading = WHICH)]
    pub(crate) nodes: Option<String>,
    /// Only these nodes, as NAME or node/NAME (repeatable)
    #[arg(long, value_name = "NAME", value_parser = node_name, num_args = 1.., conflicts_with = "nodes", help_heading = WHICH)]
    pub(crate) node: Vec<String>,
    /// Which node comes first: name, oldest (pod), or zone: one node of each zone in turn, by the label
    /// topology.kubernetes.io/zone or, with zone=LABEL, by another one
    #[arg(long, value_name = "ORDER", default_value = "name", help_heading = WHICH)]
    pub(crate) order: Order,
    /// Also nodes that are not ready
    #[arg(long, help_heading = WHICH)]
    pub(crate) include_not_ready: bool,
    /// How many of the nodes that want a pod may be without an available one: 3, or 20% rounded up
    #[arg(long, value_name = "N|N%", default_value = "1", help_heading = PACE)]
    pub(crate) max_unavailable: MaxUnavailable,
    /// So many nodes first, and then a stop: on a terminal it asks whether to go on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = PACE)]
    pub(crate) canary: Option<u32>,
    /// After the canary, watch it for so long and go on without asking: 10m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "canary", help_heading = PACE)]
    pub(crate) soak: Option<Duration>,
    /// A new pod has to stay available for so long, beyond minReadySeconds, before the next node: 30s
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s", hide_default_value = true, help_heading = PACE)]
    pub(crate) min_ready: Duration,
    /// A node that is not done after so long has failed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m", help_heading = PACE)]
    pub(crate) node_timeout: Duration,
    /// Halt when more nodes than this have failed; a failed node keeps counting as unavailable
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = PACE)]
    pub(crate) max_failures: u32,
    /// Evict the pods instead of deleting them, so that PodDisruptionBudgets are honoured
    #[arg(long)]
    pub(crate) evict: bool,
    /// Wait while another cycle of this DaemonSet holds the lock, for this long at most: 30m; without a value for as long
    /// as that takes
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1, require_equals = true, default_missing_value = "0s", conflicts_with = "no_lock")]
    pub(crate) wait_for_lock: Option<Duration>,
    /// Take no lock: another cycle of this DaemonSet at the same time can exceed the budget
    #[arg(long)]
    pub(crate) no_lock: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Remove nothing: client ends after the plan, server sends each removal as a dry run
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub(crate) dry_run: Option<DryRun>,
    /// The format: one event a line, and a report at the end
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<StructuredFormat>,
}

/// `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Not a dry run, as kubectl has it.
    None,
    /// The plan alone.
    Client,
    /// The API server does everything but the deed.
    Server,
}
