//! The sentences of [`Finding`].

use jiff::Timestamp;

use super::age::age;
use super::command_line::CommandLine;
use super::commands;
use super::name_list::ListLength;
use super::text::{pluralize, sanitize};
use crate::coverage::{Finding, FindingKind};

/// What was found, and what it means or what to do. Safe text.
pub(crate) fn finding(finding: &Finding<'_>, now: Timestamp) -> String {
    let Finding { namespace, daemon_set, kind } = finding;
    let names = ListLength::Handful;
    let text = match kind {
        FindingKind::OverlappingSelector { other } => format!(
            "{namespace}/{daemon_set} and {namespace}/{other} select the same pods: each node that both select runs a \
             pod of both. If one replaces the other, find out which one is still in use"
        ),
        FindingKind::PodsOfDeleted { pods } => format!(
            "{} of a deleted DaemonSet of the same name as {namespace}/{daemon_set} still {}: {}",
            pluralize(pods.len(), "pod"),
            if pods.len() == 1 { "exists" } else { "exist" },
            names.list(pods)
        ),
        FindingKind::EndedPods { pods, finalizers, since } => {
            let kept = match finalizers.as_slice() {
                [] => String::new(),
                finalizers => format!(" (finalizers: {})", names.list(finalizers)),
            };
            format!(
                "{} of {namespace}/{daemon_set} ended and {} been Terminating for {}{kept}; the controller does not \
                 count them: {}",
                pluralize(pods.len(), "pod"),
                if pods.len() == 1 { "has" } else { "have" },
                age(*since, now),
                names.list(pods)
            )
        }
        FindingKind::CountedByGeneration { pods } => {
            let line =
                CommandLine::in_namespace(namespace, "rollout restart").name_within("daemonset/", daemon_set, "");
            format!(
                "{} of {namespace}/{daemon_set} {} as up to date by the label pod-template-generation only, and {} \
                 another revision: the DaemonSet was recreated with another template{}",
                pluralize(*pods, "pod"),
                if *pods == 1 { "counts" } else { "count" },
                if *pods == 1 { "runs" } else { "run" },
                offered("; to replace the pods", line)
            )
        }
        FindingKind::StaleStatus { desired, misscheduled } => format!(
            ".status of {namespace}/{daemon_set} is out of date ({} desired, {} misscheduled; counted now: {} and {}): \
             alerts, and the rollout status of kubectl, go by it{}",
            desired[0],
            misscheduled[0],
            desired[1],
            misscheduled[1],
            offered("; to make the controller count again", commands::retry(namespace, daemon_set))
        ),
    };
    sanitize(&text)
}

/// The command with an introduction; nothing if a name is invalid.
fn offered(what_for: &str, line: CommandLine) -> String {
    line.offered().map(|line| format!("{what_for}: {line}")).unwrap_or_default()
}
