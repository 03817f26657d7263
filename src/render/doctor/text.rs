//! The text of a check, and what to do about a problem.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::doctor::checks::{Check, Evidence, OLDEST, Support, TESTED};
use crate::doctor::permissions::{CommandPermissions, Namespaces};
use crate::doctor::{CheckStatus, Configuration, Facts, Failure, Necessity};
use crate::program;
use crate::render::command_line::CommandLine;
use crate::render::text::pluralize;
use crate::snapshot::Permission;

/// More than this, in seconds, is more than an inaccurate clock.
const CLOCK_IS_WRONG: u64 = 60;

/// What to do about a problem.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Fix {
    pub(super) text: String,
    /// The commands to paste.
    pub(super) lines: Vec<String>,
}

impl Fix {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), lines: Vec::new() }
    }
}

pub(super) fn name(evidence: &Evidence<'_>) -> &'static str {
    match evidence {
        Evidence::Kubeconfig(_) => "kubeconfig",
        Evidence::ApiServer(_) => "API server",
        Evidence::Version { .. } => "version",
        Evidence::Clock(_) => "clock",
        Evidence::Credentials(_) => "credentials",
        Evidence::Permissions(command) => command.command,
        Evidence::Metrics(_) => "metrics API",
        Evidence::Plugin(_) => "plugin",
        Evidence::Completion(_) => "completion",
    }
}

pub(super) fn message(facts: &Facts, evidence: &Evidence<'_>) -> String {
    let failed = |failure: &Failure| failure.message.clone();
    match evidence {
        Evidence::Kubeconfig(Ok(configuration)) => configured(configuration),
        Evidence::ApiServer(Ok(())) => "responds".into(),
        Evidence::Kubeconfig(Err(failure)) | Evidence::ApiServer(Err(failure)) => failed(failure),
        Evidence::Version { version, support } => version_text(version, *support),
        Evidence::Clock(None) => "the response of the API server has no valid Date header".into(),
        Evidence::Clock(Some(offset)) => clock_text(*offset),
        Evidence::Credentials(Ok(Some(user))) => format!("user {user:?}"),
        Evidence::Credentials(Ok(None)) => "the API server does not report the user (before Kubernetes 1.28)".into(),
        Evidence::Credentials(Err(failure)) | Evidence::Metrics(Err(failure)) => failed(failure),
        Evidence::Permissions(command) => permissions_text(command, facts),
        Evidence::Metrics(Ok(true)) => "metrics.k8s.io is served".into(),
        Evidence::Metrics(Ok(false)) => {
            "metrics.k8s.io is not served: the actual usage of CPU and memory cannot be read".into()
        }
        Evidence::Plugin(programs) => match (programs.kubectl, programs.plugin) {
            (true, true) => "kubectl and this program are on the PATH".into(),
            (false, true) => "kubectl is not on the PATH".into(),
            (_, false) => format!("{} is not on the PATH: kubectl cannot find it", program::file()),
        },
        Evidence::Completion(true) => "the completion helper of kubectl is on the PATH".into(),
        Evidence::Completion(false) => "the completion helper of kubectl is not on the PATH".into(),
    }
}

pub(super) fn fix(check: &Check<'_>) -> Option<Fix> {
    if check.status == CheckStatus::Pass {
        return None;
    }
    match &check.evidence {
        Evidence::Kubeconfig(Err(failure))
        | Evidence::ApiServer(Err(failure))
        | Evidence::Credentials(Err(failure))
        | Evidence::Metrics(Err(failure)) => Some(Fix::new(&failure.hint)).filter(|fix| !fix.text.is_empty()),
        Evidence::Version { support: Support::TooOld, .. } => Some(Fix::new("upgrade the cluster")),
        Evidence::Version { support: Support::NotTested, .. } => {
            Some(Fix::new("verify important results with kubectl, and report differences"))
        }
        Evidence::Clock(Some(_)) => Some(Fix::new("synchronize the clocks, for example with NTP")),
        Evidence::Permissions(command) if check.status == CheckStatus::Unknown => {
            Some(Fix::new(format!("compare your permissions with the ClusterRole of {}", command.role)))
        }
        Evidence::Permissions(command) => {
            Some(Fix::new(format!("ask an administrator for the ClusterRole of {}", command.role)))
        }
        Evidence::Plugin(_) => Some(Fix::new("add the directory of the program to the PATH")),
        Evidence::Completion(_) => Some(completion()),
        Evidence::Kubeconfig(Ok(_))
        | Evidence::ApiServer(Ok(()))
        | Evidence::Version { .. }
        | Evidence::Clock(None)
        | Evidence::Credentials(Ok(_))
        | Evidence::Metrics(Ok(_)) => None,
    }
}

/// How to install the completion: `docs/completion.md`.
fn completion() -> Fix {
    let lines = match program::file() == program::USUAL_FILE {
        true => vec![
            CommandLine::new("mkdir -p ~/.local/bin"),
            CommandLine::own_program("completion kubectl > ~/.local/bin/kubectl_complete-ds"),
            CommandLine::new("chmod +x ~/.local/bin/kubectl_complete-ds"),
        ],
        false => vec![CommandLine::own_program("completion --help")],
    };
    Fix {
        text: "to complete names of DaemonSets and nodes, install it in a directory of the PATH".into(),
        lines: lines.into_iter().filter_map(CommandLine::offered).collect(),
    }
}

fn configured(configuration: &Configuration) -> String {
    let context = match &configuration.context {
        Some(context) => format!("context {context:?}"),
        None => "no context".into(),
    };
    let namespace = match &configuration.namespace {
        Some(namespace) => format!("namespace {namespace:?}"),
        None => "all namespaces".into(),
    };
    format!("{context}, {namespace}, server {}", configuration.server)
}

fn version_text(version: &str, support: Support) -> String {
    let (first, last) = TESTED;
    match support {
        Support::Tested => version.into(),
        Support::NotTested => format!("{version} is not tested: tested are 1.{first} to 1.{last}"),
        Support::TooOld => format!("{version} is not supported: policy/v1 requires 1.{OLDEST} or later"),
        Support::UnknownVersion => "the API server reports no valid version".into(),
    }
}

fn clock_text(offset: i64) -> String {
    let seconds = offset.unsigned_abs();
    if offset == 0 {
        return "no difference between this machine and the API server".into();
    }
    let side = if offset < 0 { "ahead of" } else { "behind" };
    let difference = format!("this machine is {} {side} the API server", pluralize(seconds as usize, "second"));
    match seconds > CLOCK_IS_WRONG {
        false => format!("{difference}: ages are wrong by as much"),
        true => format!("{difference}: ages, and whether a pod is available or late, are wrong by as much"),
    }
}

fn permissions_text(command: &CommandPermissions, facts: &Facts) -> String {
    let namespace = facts.configuration.as_ref().ok().and_then(|configuration| configuration.namespace.as_deref());
    let place = match (command.namespaces, namespace) {
        (Namespaces::Selected, Some(namespace)) => format!("in namespace {namespace:?}"),
        (Namespaces::Selected | Namespaces::All, _) => "in all namespaces".into(),
    };
    let mut parts: Vec<String> =
        command.missing.iter().map(|(necessity, permissions)| missing_text(*necessity, permissions)).collect();
    if !command.undetermined.is_empty() {
        parts.push(format!("the API server does not say whether you can {}", listed(&command.undetermined)));
    }
    match parts.is_empty() {
        true => format!("all permissions {place}"),
        false => format!("{place}: {}", parts.join("; ")),
    }
}

fn missing_text(necessity: Necessity, permissions: &[Permission]) -> String {
    let permissions = listed(permissions);
    match necessity {
        Necessity::Required => format!("you cannot {permissions}"),
        Necessity::Partial => format!("partial results, because you cannot {permissions}"),
        Necessity::With(option) => format!("{option} does not work, because you cannot {permissions}"),
        Necessity::Without(option) => format!("only {option} may work, because you cannot {permissions}"),
    }
}

/// `list nodes, pods and watch nodes`: the resources of each verb.
fn listed(permissions: &[Permission]) -> String {
    let mut verbs = BTreeMap::<&str, Vec<String>>::new();
    for permission in permissions {
        verbs.entry(permission.verb).or_default().push(resource(permission));
    }
    let verbs: Vec<String> = verbs.into_iter().map(|(verb, list)| format!("{verb} {}", list.join(", "))).collect();
    verbs.join(" and ")
}

/// `daemonsets.apps`, as kubectl writes it.
pub(super) fn resource(permission: &Permission) -> String {
    match permission.group {
        "" => permission.resource.to_owned(),
        group => format!("{}.{group}", permission.resource),
    }
}
