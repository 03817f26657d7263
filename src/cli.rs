//! The clap arguments. Each command converts them to plain values at its start, so no other module depends on clap.

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

/// The headings of flag groups in the help.
const CLUSTER: &str = "Cluster";
const OUTPUT: &str = "Output";

/// Inspect and roll out DaemonSets node by node.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ds", version, max_term_width = 100)]
#[command(arg_required_else_help = true, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Parses the arguments of the process.
///
/// # Errors
/// The exit code, after the help or the usage error has been printed.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let read = tree().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    read.map_err(|rejection| {
        if !rejection.use_stderr() || rejection.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            // It fails only when the pipe is closed: nobody reads the output.
            let _ = rejection.print();
            return ExitCode::from(if rejection.use_stderr() { 2 } else { 0 });
        }
        let error = usage_error(&rejection);
        terminal::error(&error);
        error.exit_code()
    })
}

/// Reduces clap's message of several paragraphs to one line and a hint.
fn usage_error(rejection: &clap::Error) -> Error {
    let text = rejection.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    // clap's tip on passing a flag as a value never applies: no value begins with a dash.
    let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tips.into_iter().find(|tip| !tip.starts_with("to pass"));
    Error::Usage {
        message: message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        hint: tip.unwrap_or("see --help for usage").to_owned(),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which nodes run, miss, or unexpectedly run a DaemonSet's pods
    Coverage(Box<CoverageArgs>),
    /// Explain why a DaemonSet pod is missing or unhealthy on a node, and how to fix it
    WhyNot(Box<WhyNotArgs>),
    /// Watch rollouts, show what blocks them, and inspect revision history
    #[command(arg_required_else_help = true)]
    Rollout(rollout::RolloutArgs),
    /// Replace outdated pods one node at a time (for the OnDelete update strategy)
    Cycle(Box<cycle::CycleArgs>),
    /// Output shell completion code for the specified shell
    Completion(CompletionArgs),
    /// Print the client and server version information
    Version(VersionArgs),
}

/// The flags of every command, named as in kubectl.
#[derive(Debug, Args)]
#[command(next_help_heading = CLUSTER)]
pub(crate) struct Global {
    /// Namespace to use. Defaults to the current context's namespace (all namespaces with --from)
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// If present, use all namespaces; --namespace is ignored
    #[arg(short = 'A', long, global = true, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) all_namespaces: bool,
    /// Read cluster objects from a file, directory, or stdin (-) instead of the API server. Can be repeated
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) from: Vec<PathBuf>,
    /// Name of the kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Path to the kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Path to the kuberc file, which sets the credential plugins that are allowed to run
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) kuberc: Option<PathBuf>,
    /// Name of the kubeconfig cluster to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) cluster: Option<String>,
    /// Name of the kubeconfig user to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub(crate) server: Option<String>,
    /// Bearer token for authentication to the API server
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub(crate) token: Option<String>,
    /// Path to a certificate file for the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Server name to use for server certificate validation
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) tls_server_name: Option<String>,
    /// If true, the server's certificate is not verified. This makes your HTTPS connections insecure
    #[arg(long, global = true, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Username to impersonate
    #[arg(long = "as", global = true, value_name = "USER", hide_short_help = true)]
    pub(crate) as_user: Option<String>,
    /// Group to impersonate. Can be repeated
    #[arg(long, global = true, value_name = "GROUP", hide_short_help = true)]
    pub(crate) as_group: Vec<String>,
    /// UID to impersonate
    #[arg(long, global = true, value_name = "UID", hide_short_help = true)]
    pub(crate) as_uid: Option<String>,
    /// Time to wait before giving up on a single server request: 30s, 2m, or seconds (0: no timeout)
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true, value_parser = duration)]
    pub(crate) request_timeout: Option<Duration>,
    /// When to color the output
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, hide_possible_values = false,
          help_heading = OUTPUT)]
    pub(crate) color: ColorChoice,
    /// Log level verbosity (6: requests, 9: requests and responses)
    #[arg(short, long = "v", global = true, value_name = "LEVEL", default_value_t = 0, help_heading = OUTPUT,
          hide_default_value = true, hide_short_help = true)]
    pub(crate) verbosity: u8,
}

impl Global {
    /// The options for the connection to a live cluster.
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

  # List the names of the nodes that miss the pod, for a script
  kubectl ds coverage -n kube-system kube-proxy --only Missing -o name

  # Exit with code 1 if fewer than 99% of the desired pods are available, for CI
  kubectl ds coverage -n kube-system kube-proxy --min 99%

  # Read a saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds coverage --from cluster.json")]
pub(crate) struct CoverageArgs {
    /// DaemonSets: NAME, ds/NAME, daemonset/NAME or daemonset.apps/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name)]
    pub(crate) names: Vec<String>,
    /// Label selector to filter DaemonSets
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Label selector to filter nodes
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) nodes: Option<String>,
    /// Group by the value of this node label, such as topology.kubernetes.io/zone
    #[arg(long, value_name = "LABEL")]
    pub(crate) by: Option<String>,
    /// Show one cell per node, grouped by --by
    #[arg(long)]
    pub(crate) map: bool,
    /// Show only nodes in these states: Missing, Failed, NotReady, Pending, Succeeded, Terminating, Starting,
    /// Misscheduled, Unknown, Ready, Available, Excluded
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = state)]
    pub(crate) only: Vec<State>,
    /// Also list excluded nodes individually
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with code 1 if fewer than this percentage of desired pods are available
    #[arg(long, value_name = "PERCENT")]
    pub(crate) min: Option<Threshold>,
    /// With --min: don't fail on DaemonSets with 0 desired pods
    #[arg(long, requires = "min")]
    pub(crate) allow_empty: bool,
    /// Watch for changes and refresh
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) watch: bool,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// Explain why a DaemonSet pod is missing or unhealthy on a node, and how to fix it.
///
/// Check the pod stage by stage: DaemonSet controller, API server admission, scheduler, kubelet, and containers. List
/// every check that fails, with its evidence and a suggested fix. Without names, check every DaemonSet of all
/// namespaces, or of the namespace given with --namespace.
#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl ds why-not NODE [NAME]... [OPTIONS]\n       kubectl ds why-not --node-file FILE [NAME]... [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  # Check every DaemonSet on a node, unhealthy ones first
  kubectl ds why-not worker-7

  # Explain one DaemonSet, with every check and the suggested fixes
  kubectl ds why-not worker-7 -n kube-system kube-proxy

  # Output JSON for scripts
  kubectl ds why-not worker-7 -o json

  # Predict which DaemonSets would run on a node that does not exist yet
  kubectl get node worker-7 -o yaml > node.yaml   # then edit labels, taints, allocatable
  kubectl ds why-not --node-file node.yaml

  # Read a saved cluster
  kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > cluster.json
  kubectl ds why-not worker-7 --from cluster.json")]
pub(crate) struct WhyNotArgs {
    /// Node (NAME or node/NAME), then DaemonSets (NAME or ds/NAME). With --node-file, only DaemonSets
    #[arg(value_name = "NODE [NAME]", required_unless_present = "node_file")]
    pub(crate) targets: Vec<String>,
    /// Evaluate a Node manifest that is not in the cluster yet
    #[arg(long, value_name = "FILE")]
    pub(crate) node_file: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
    /// Don't print headers
    #[arg(long, help_heading = OUTPUT, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide_default_value = true)]
    pub(crate) no_headers: bool,
}

/// Print the client and server version information.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// If true, show the client version only (no server required)
    #[arg(long)]
    pub(crate) client: bool,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<StructuredFormat>,
}

/// `-o` of commands that print no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StructuredFormat {
    /// JSON output for scripts.
    Json,
    /// YAML output for scripts.
    Yaml,
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Table with additional columns, nothing truncated.
    Wide,
    /// JSON output for scripts.
    Json,
    /// YAML output for scripts.
    Yaml,
    /// Resource names only (TYPE/NAME), one per line.
    Name,
}

/// Parses the name of a DaemonSet in every form that kubectl accepts.
pub(crate) fn daemon_set_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some((
            "ds" | "daemonset" | "daemonsets" | "daemonset.apps" | "daemonsets.apps" | "daemonset.v1.apps"
            | "daemonsets.v1.apps",
            name,
        )) => name,
        Some((kind, _)) => return Err(format!("expected a DaemonSet, got {kind}; use NAME or ds/NAME")),
    };
    match name {
        "" => Err("the name must not be empty".into()),
        name if name.contains('/') => Err("the name must not contain a slash".into()),
        name => Ok(name.to_owned()),
    }
}

/// Parses the name of a node in every form that kubectl accepts.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some(("no" | "node" | "nodes", name)) => name,
        Some((kind, _)) => return Err(format!("expected a node, got {kind}; use NAME or node/NAME")),
    };
    match name {
        "" => Err("the name must not be empty".into()),
        name if name.contains('/') => Err("the name must not contain a slash".into()),
        name => Ok(name.to_owned()),
    }
}

fn state(text: &str) -> Result<State, String> {
    let found = State::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let names: Vec<&str> = State::ALL.into_iter().map(State::name).collect();
        format!("must be one of: {}", names.join(", "))
    })
}

/// Parses a Go duration or a number of seconds, as kubectl does.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration: Result<kube::core::Duration, _> = text.parse();
    match duration {
        Ok(duration) if !text.is_empty() && !duration.is_negative() => Ok(duration.into()),
        _ => Err("must be a duration such as 30s or 2m, or a number of seconds".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_tree_passes_clap_assertions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn daemon_set_name_accepts_every_kubectl_form() {
        for text in ["x", "ds/x", "daemonset/x", "daemonsets/x", "daemonset.apps/x", "daemonsets.apps/x"] {
            assert_eq!(daemon_set_name(text).unwrap(), "x", "{text}");
        }
        for text in ["", "ds/", "pod/x", "deploy/x", "ds/x/y"] {
            assert!(daemon_set_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn duration_accepts_go_duration_or_seconds() {
        for (text, seconds) in [("0", 0), ("5", 5), ("30s", 30), ("1h30m", 5400), ("2m", 120)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "-1", "-5s", "soon", "5 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn verbosity_accepts_every_kubectl_form() {
        for flags in [&["-v=6"][..], &["-v6"], &["--v=6"], &["-v", "6"], &["--v", "6"]] {
            let words = ["kubectl-ds", "coverage"].iter().chain(flags);
            assert_eq!(Cli::try_parse_from(words).unwrap().global.verbosity, 6, "{flags:?}");
        }
    }
}
