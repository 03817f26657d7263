//! The command line, as clap reads it. Nothing of it travels further than the door of a command: there it becomes
//! plain values.

pub(crate) mod complete;
mod completion;
pub(crate) mod cycle;
pub(crate) mod rollout;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::cluster::connect::AccessOptions;
use crate::coverage::Threshold;
use crate::error::Error;
use crate::explain::State;
use crate::render::terminal::{self, ColorChoice};

pub(crate) use completion::{CompletionArgs, Shell, to_complete};
pub(crate) use rollout::{HistoryArgs, HistoryFormat};
pub(crate) use tree::tree;

/// kubectl's way to say how its own flags are grouped in the help.
const CLUSTER: &str = "Cluster";
const OUTPUT: &str = "Output";

/// DaemonSets, node by node: which nodes run the daemon pod, which should and don't, and why.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ds", version, max_term_width = 100)]
#[command(arg_required_else_help = true, args_override_self = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Reads the arguments of the process.
///
/// # Errors
/// The exit code, when help was asked for, or what was written makes no sense; either has been said by then.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let read = tree().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    read.map_err(|rejection| {
        if !rejection.use_stderr() || rejection.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            // A closed pipe has no reader to tell.
            let _ = rejection.print();
            return ExitCode::from(if rejection.use_stderr() { 2 } else { 0 });
        }
        let error = usage_error(&rejection);
        terminal::error(&error);
        error.exit_code()
    })
}

/// clap's own message takes a paragraph; this project's errors take two lines.
fn usage_error(rejection: &clap::Error) -> Error {
    let text = rejection.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    // clap's advice on how to pass a flag as a value helps nobody here: values do not begin with a dash.
    let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tips.into_iter().find(|tip| !tip.starts_with("to pass"));
    Error::Usage {
        message: message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        hint: tip.unwrap_or("--help shows what goes together").to_owned(),
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which nodes run the daemon pod, which should and don't, which shouldn't and do
    Coverage(Box<CoverageArgs>),
    /// Explain why a node has no healthy daemon pod: every obstacle, its evidence, and what to do
    WhyNot(Box<WhyNotArgs>),
    /// Follow rollouts, show what holds them, and which templates there were
    #[command(arg_required_else_help = true)]
    Rollout(rollout::RolloutArgs),
    /// Replace old pods node by node, safely: what OnDelete leaves to hand
    Cycle(Box<cycle::CycleArgs>),
    /// Print the script that makes a shell complete the command line
    Completion(CompletionArgs),
    /// Show the version of the client and of the server
    Version(VersionArgs),
}

/// The flags that kubectl users expect on every command.
#[derive(Debug, Args)]
#[command(next_help_heading = CLUSTER)]
pub(crate) struct Global {
    /// The namespace; by default that of the context, with --from all
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// All namespaces, whatever --namespace says
    #[arg(short = 'A', long, global = true, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) all_namespaces: bool,
    /// A saved cluster instead of a live one: a file, a folder, or - for standard input (repeatable)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) from: Vec<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The file with kubectl's preferences, which state the credential plugins that may run
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) kuberc: Option<PathBuf>,
    /// The cluster entry of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) cluster: Option<String>,
    /// The user entry of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// The address of the API server
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub(crate) server: Option<String>,
    /// The bearer token
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub(crate) token: Option<String>,
    /// The file that holds the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// The name that the API server's certificate must bear
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) tls_server_name: Option<String>,
    /// Do not check the API server's certificate: the connection is not safe
    #[arg(long, global = true, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Act as this user
    #[arg(long = "as", global = true, value_name = "USER", hide_short_help = true)]
    pub(crate) as_user: Option<String>,
    /// Act as a member of this group (repeatable)
    #[arg(long, global = true, value_name = "GROUP", hide_short_help = true)]
    pub(crate) as_group: Vec<String>,
    /// Act as this uid
    #[arg(long, global = true, value_name = "UID", hide_short_help = true)]
    pub(crate) as_uid: Option<String>,
    /// How long to wait for an answer of the API server: 30s, 2m, or seconds; 0 waits for ever
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true, value_parser = duration)]
    pub(crate) request_timeout: Option<Duration>,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, hide_possible_values = false,
          help_heading = OUTPUT)]
    pub(crate) color: ColorChoice,
    /// How much to log to standard error: 6 shows the requests, 9 more
    #[arg(short, long = "v", global = true, value_name = "LEVEL", default_value_t = 0, help_heading = OUTPUT,
          hide_default_value = true, hide_short_help = true)]
    pub(crate) verbosity: u8,
}

impl Global {
    /// The way to a live cluster.
    pub(crate) fn access(&self) -> AccessOptions {
        AccessOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            server: self.server.clone(),
            token: self.token.clone(),
            certificate_authority: self.certificate_authority.clone(),
            tls_server_name: self.tls_server_name.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            as_user: self.as_user.clone(),
            as_group: self.as_group.clone(),
            as_uid: self.as_uid.clone(),
            namespace: self.namespace.clone(),
            request_timeout: self.request_timeout,
            kuberc: self.kuberc.clone(),
        }
    }
}

/// Which nodes run the daemon pod, which should and don't, which shouldn't and do.
///
/// Without a name: a row for every DaemonSet of the namespace, the worst first. With names: a row for every node,
/// trouble first. The numbers are computed from nodes and pods by the DaemonSet controller's own rules, so they are
/// right where `.status` is stale.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # All DaemonSets of the cluster, the worst first
  kubectl ds coverage -A

  # One DaemonSet, node by node
  kubectl ds coverage -n kube-system kube-proxy

  # By zone; as a map of a large fleet
  kubectl ds coverage -n kube-system kube-proxy --by topology.kubernetes.io/zone
  kubectl ds coverage -n kube-system kube-proxy --map

  # The nodes that lack the pod, for a script
  kubectl ds coverage -n kube-system kube-proxy --only Missing -o name

  # A gate for CI: exit code 1 when less than 99% is available
  kubectl ds coverage -n kube-system kube-proxy --min 99%

  # A saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds coverage --from cluster.json")]
pub(crate) struct CoverageArgs {
    /// The DaemonSets: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<String>,
    /// Only DaemonSets with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Only nodes with these labels
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) nodes: Option<String>,
    /// A row for each value of this node label, such as topology.kubernetes.io/zone
    #[arg(long, value_name = "LABEL")]
    pub(crate) by: Option<String>,
    /// One cell for each node, grouped by --by
    #[arg(long)]
    pub(crate) map: bool,
    /// Only nodes in these states: Missing, Failed, NotReady, Pending, Succeeded, Terminating, Starting, Misscheduled,
    /// Unknown, Ready, Available, Excluded
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = state)]
    pub(crate) only: Vec<State>,
    /// List the nodes on which no pod is wanted one by one
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with 1 when less than this share of the wanted pods is available
    #[arg(long, value_name = "PERCENT")]
    pub(crate) min: Option<Threshold>,
    /// With --min: a DaemonSet that wants no node is not short
    #[arg(long, requires = "min")]
    pub(crate) allow_empty: bool,
    /// Go on and redraw on every change
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) watch: bool,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// No column titles
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// Why a node has no healthy daemon pod.
///
/// Follows the pod's way through the DaemonSet controller, the API server's admission, the scheduler, the kubelet and
/// the pod itself, and shows every check that fails, with its evidence and with what to do. Without names: every
/// DaemonSet of all namespaces, or of that of --namespace.
#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl ds why-not NODE [NAME]... [OPTIONS]\n       kubectl ds why-not --node-file FILE [NAME]... [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  # Every DaemonSet on a node, those in trouble first
  kubectl ds why-not worker-7

  # One DaemonSet, with every check and what to do
  kubectl ds why-not worker-7 -n kube-system kube-proxy

  # For a program
  kubectl ds why-not worker-7 -o json

  # A node that does not exist yet: what would run on it?
  kubectl get node worker-7 -o yaml > node.yaml   # then change labels, taints, allocatable
  kubectl ds why-not --node-file node.yaml

  # A saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds why-not worker-7 --from cluster.json")]
pub(crate) struct WhyNotArgs {
    /// The node, as NAME or node/NAME, and then the DaemonSets, as NAME or ds/NAME; with --node-file only DaemonSets
    #[arg(value_name = "NODE [NAME]", required_unless_present = "node_file")]
    pub(crate) targets: Vec<String>,
    /// A file with one Node: explain a node that does not exist yet
    #[arg(long, value_name = "FILE")]
    pub(crate) node_file: Option<PathBuf>,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// No column titles
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// The version of kubectl ds, and that of the API server.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Only that of the client: nothing is asked of a server
    #[arg(long)]
    pub(crate) client: bool,
    /// The format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<StructuredFormat>,
}

/// `-o`, where there is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StructuredFormat {
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// The table with more columns, and nothing shortened.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// Names only, as kubectl takes them.
    Name,
}

/// A DaemonSet as kubectl lets one name it.
pub(crate) fn daemon_set_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some((
            "ds" | "daemonset" | "daemonsets" | "daemonset.apps" | "daemonsets.apps" | "daemonset.v1.apps"
            | "daemonsets.v1.apps",
            name,
        )) => name,
        Some((kind, _)) => return Err(format!("{kind} is not a DaemonSet; write NAME or ds/NAME")),
    };
    match name {
        "" => Err("the name is empty".into()),
        name if name.contains('/') => Err("a name holds no slash".into()),
        name => Ok(name.to_owned()),
    }
}

/// A node as kubectl lets one name it.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some(("no" | "node" | "nodes", name)) => name,
        Some((kind, _)) => return Err(format!("{kind} is not a node; write NAME or node/NAME")),
    };
    match name {
        "" => Err("the name is empty".into()),
        name if name.contains('/') => Err("a name holds no slash".into()),
        name => Ok(name.to_owned()),
    }
}

fn state(text: &str) -> Result<State, String> {
    let found = State::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let names: Vec<&str> = State::ALL.into_iter().map(State::name).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// kubectl takes a Go duration, or a bare number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration: Result<kube::core::Duration, _> = text.parse();
    match duration {
        Ok(duration) if !text.is_empty() && !duration.is_negative() => Ok(duration.into()),
        _ => Err("a duration such as 30s or 2m, or a number of seconds is wanted".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_daemon_set_is_named_in_every_way_that_kubectl_knows() {
        for text in ["x", "ds/x", "daemonset/x", "daemonsets/x", "daemonset.apps/x", "daemonsets.apps/x"] {
            assert_eq!(daemon_set_name(text).unwrap(), "x", "{text}");
        }
        for text in ["", "ds/", "pod/x", "deploy/x", "ds/x/y"] {
            assert!(daemon_set_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_timeout_is_a_go_duration_or_a_number_of_seconds() {
        for (text, seconds) in [("0", 0), ("5", 5), ("30s", 30), ("1h30m", 5400), ("2m", 120)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "-1", "-5s", "soon", "5 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn verbosity_is_written_in_every_way_that_kubectl_knows() {
        for flags in [&["-v=6"][..], &["-v6"], &["--v=6"], &["-v", "6"], &["--v", "6"]] {
            let words = ["kubectl-ds", "coverage"].iter().chain(flags);
            assert_eq!(Cli::try_parse_from(words).unwrap().global.verbosity, 6, "{flags:?}");
        }
    }
}
