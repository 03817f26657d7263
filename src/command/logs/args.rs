//! The arguments of `logs`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use crate::command::args::{daemon_set_name, duration, node_name};
use crate::snapshot::DaemonSetName;

/// The heading of the flags that select pods and containers.
const WHICH: &str = "Pod selection";

/// Print the logs of a DaemonSet's pods on some or all nodes.
///
/// With several nodes, each line is led by its node, and the logs are printed one node after another; with --follow, lines
/// are printed as they are written. A followed log continues in the new pod when the pod of its node is replaced, and
/// after a lost connection without repeating lines. A node without a log is reported with the reason that why-not gives.
///
/// Logs are untrusted: colors are removed, and other control characters are shown as escapes. A line longer than 64 KiB
/// is broken.
///
/// The exit code is 1 if a selected node had no log or a log is incomplete.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Print the log of the pod on a node
  kubectl ds logs -n kube-system kube-proxy worker-7

  # Follow the logs on two nodes, also while their pods are replaced
  kubectl ds logs -n kube-system kube-proxy worker-7 worker-8 -f

  # Print what the crashed containers of unhealthy pods wrote before they ended
  kubectl ds logs -n kube-system kube-proxy --trouble

  # Print the last hour of a container on all nodes of a pool
  kubectl ds logs -n logging fluent-bit --nodes pool=gpu -c exporter --since 1h

  # Print the last 50 lines of each node, with their times
  kubectl ds logs -n logging fluent-bit --tail 50 --timestamps")]
pub(crate) struct LogsArgs {
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: DaemonSetName,
    /// Nodes: NAME or node/NAME (default: all nodes that run the pod or should run it)
    #[arg(value_name = "NODE", value_parser = node_name)]
    pub(crate) node: Vec<String>,
    /// Label selector to filter nodes
    #[arg(long, value_name = "SELECTOR", conflicts_with = "node", help_heading = WHICH)]
    pub(crate) nodes: Option<String>,
    /// Only pods that are not healthy. Of a container that crashed, print the run that crashed; without --container, only
    /// the containers that crashed, if any did
    #[arg(long, conflicts_with_all = ["follow", "previous"], help_heading = WHICH)]
    pub(crate) trouble: bool,
    /// Container of any kind (default: the one of the annotation kubectl.kubernetes.io/default-container, or the first one)
    #[arg(short, long, value_name = "NAME", help_heading = WHICH)]
    pub(crate) container: Option<String>,
    /// All containers of each pod
    #[arg(long, conflicts_with = "container", help_heading = WHICH)]
    pub(crate) all_containers: bool,
    /// The run of the container before the current one
    #[arg(short, long, conflicts_with = "follow", help_heading = WHICH)]
    pub(crate) previous: bool,
    /// Print new lines as they are written, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Number of recent lines of each log; -1 for all (default: all, or 10 with several nodes and without --since)
    #[arg(long, value_name = "LINES", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub(crate) tail: Option<i64>,
    /// Only lines newer than this: 5s, 2m, 3h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) since: Option<Duration>,
    /// Only lines after this time (RFC 3339): 2026-11-28T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "since")]
    pub(crate) since_time: Option<Timestamp>,
    /// Lead each line by its time
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Maximum number of bytes of each log
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "follow")]
    pub(crate) limit_bytes: Option<u64>,
    /// Maximum number of logs that are read at the same time. With --follow, more logs are an error
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_log_requests: u16,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "must be a time such as 2026-11-28T09:00:00Z".into())
}
