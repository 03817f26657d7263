//! The arguments of `exec`.

use std::ffi::OsString;

use clap::Args;

use crate::command::args::{daemon_set_name, node_name};
use crate::snapshot::DaemonSetName;

/// Run a command in the DaemonSet's pod on a node.
///
/// The command finds the pod and runs kubectl exec: the kubectl of KUBECTL_PATH, which kubectl sets for its plugins, or the
/// first one on the PATH, with the same access flags. If a pod is being replaced, the new pod is used. The exit code is the
/// one of the command, or 1 if no pod runs on the node; the reason is the one that why-not gives.
#[derive(Debug, Args)]
#[command(override_usage = "kubectl ds exec NAME NODE [-c CONTAINER] [-i] [-t] -- COMMAND [ARGS]...")]
#[command(after_help = "\
Examples:
  # Open a shell in the pod on a node
  kubectl ds exec -n kube-system kube-proxy worker-7 -it -- sh

  # Run a command in a container of the pod
  kubectl ds exec -n logging fluent-bit worker-7 -c exporter -- cat /etc/exporter.yaml

  # Send a file to the command
  kubectl ds exec -n logging fluent-bit worker-7 -i -- sh -c 'wc -l' < file")]
pub(crate) struct ExecArgs {
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) name: DaemonSetName,
    /// Node: NAME or node/NAME
    #[arg(value_name = "NODE", value_parser = node_name, required = true)]
    pub(crate) node: Vec<String>,
    /// Command to run in the container, with its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
    /// Container (default: the one of the annotation kubectl.kubernetes.io/default-container, or the first one)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// Pass standard input to the command
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Standard input is a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
}
