//! The clap arguments that commands share, and the parsers of their values. Each command converts its arguments to plain
//! values at its start, so that no other module depends on clap.

pub(crate) mod names;
pub(crate) mod output;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::cluster::access::AccessOptions;
use crate::error::Error;
use crate::explain::State;
use crate::render::terminal::ColorChoice;

pub(crate) use names::{daemon_set_name, node_name};
pub(crate) use output::{OutputFormat, SortPath, sort_path};

/// The headings of flag groups in the help.
pub(crate) const CLUSTER: &str = "Cluster";

pub(crate) const OUTPUT: &str = "Output";

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
    /// The namespace of `--namespace`. An empty one, from an unset variable in a script, counts as not given.
    pub(crate) fn given_namespace(&self) -> Option<String> {
        self.namespace.clone().filter(|name| !name.is_empty())
    }

    /// The namespace that a command reads, `None` for all: `--all-namespaces` precedes `--namespace`, which precedes the
    /// default.
    pub(crate) fn namespace_or(&self, default: Option<String>) -> Option<String> {
        if self.all_namespaces { None } else { self.given_namespace().or(default) }
    }

    /// Rejects `--all-namespaces` for a command about one DaemonSet.
    ///
    /// # Errors
    /// It was given.
    pub(crate) fn check_one_daemon_set(&self, command: &str) -> Result<(), Error> {
        if !self.all_namespaces {
            return Ok(());
        }
        Err(Error::Usage {
            message: format!("{command} takes one DaemonSet and cannot be combined with --all-namespaces"),
            hint: "select its namespace with -n".into(),
        })
    }

    /// Rejects flags that do not apply to a command about the containers of one DaemonSet.
    ///
    /// # Errors
    /// `--from` or `--all-namespaces` was given.
    pub(crate) fn check_live_daemon_set(&self, command: &str) -> Result<(), Error> {
        if self.from.is_empty() {
            return self.check_one_daemon_set(command);
        }
        Err(Error::Usage {
            message: format!("{command} cannot be combined with --from: a saved cluster has no running containers"),
            hint: "remove --from to use the current context".into(),
        })
    }

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

/// The nodes that a word of `--only` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeFilter {
    /// Nodes in these states.
    States(&'static [State]),
    /// Nodes with a pod of an old revision, in any state.
    Outdated,
}

/// Parses the name of a state, `unhealthy` or `outdated`.
pub(crate) fn node_filter(text: &str) -> Result<NodeFilter, String> {
    if text.eq_ignore_ascii_case(UNHEALTHY) {
        return Ok(NodeFilter::States(&State::UNHEALTHY));
    }
    if text.eq_ignore_ascii_case(OUTDATED) {
        return Ok(NodeFilter::Outdated);
    }
    const ALL: &[State] = &State::ALL;
    let found = ALL.iter().position(|state| state.name().eq_ignore_ascii_case(text));
    found.map(|index| NodeFilter::States(&ALL[index..=index])).ok_or_else(|| {
        let names: Vec<&str> = State::ALL.into_iter().map(State::name).chain([UNHEALTHY, OUTDATED]).collect();
        format!("must be one of: {}", names.join(", "))
    })
}

/// The word of `--only` for all states of unhealthy nodes.
pub(crate) const UNHEALTHY: &str = "unhealthy";
/// The word of `--only` for nodes with a pod of an old revision.
pub(crate) const OUTDATED: &str = "outdated";

/// Parses a Go duration or a number of seconds, as kubectl does.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration: Result<kube::core::Duration, _> = text.parse();
    match duration {
        Ok(duration) if !text.is_empty() && !duration.is_negative() => Ok(duration.into()),
        _ if is_negative(text) => Err("must not be negative".into()),
        _ => Err("must be a duration such as 30s or 2m, or a number of seconds".into()),
    }
}

/// Whether the text starts like a negative number or duration: `-1`, `-1s`.
pub(crate) fn is_negative(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

/// In this module, so that `render` does not depend on clap.
impl ValueEnum for ColorChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto")
                .help("When writing to a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`"),
            Self::Always => PossibleValue::new("always").help("Always"),
            Self::Never => PossibleValue::new("never").help("Never"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn duration_accepts_go_duration_or_seconds() {
        for (text, seconds) in [("0", 0), ("5", 5), ("30s", 30), ("1h30m", 5400), ("2m", 120)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "-1", "-5s", "soon", "5 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("-5s").unwrap_err(), "must not be negative");
    }
}
