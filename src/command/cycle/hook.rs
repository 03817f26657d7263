//! Runs a command of `--before` or `--after` for one node.
//!
//! The command is text of the user, and runs in the shell. The facts of the node are in its environment, never in its
//! text: no name from a cluster passes through a shell.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cycle::{HookPoint, HookStart};
use crate::error::system_words;
use crate::process::{Group, Process};

/// What all hooks of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct HookFacts {
    pub(super) namespace: String,
    pub(super) daemon_set: String,
    pub(super) revision: String,
    /// The kubeconfig context, if there is one.
    pub(super) context: Option<String>,
}

/// Runs the command and sends its output line by line. It does not read from the terminal, and Ctrl-C does not reach it.
/// If the future is dropped, the command is ended with the processes that it started.
///
/// # Errors
/// It cannot be started, fails, or does not end in time.
pub(super) async fn run_hook(
    command: &str,
    facts: &HookFacts,
    start: &HookStart,
    limit: Duration,
    lines: &mpsc::Sender<String>,
) -> Result<(), String> {
    let mut shell = shell(command);
    shell.stdin(Stdio::null()).stderr(Stdio::piped());
    let HookFacts { namespace, daemon_set, revision, context } = facts;
    shell.envs([
        ("KUBECTL_DS_NODE", start.node.as_str()),
        ("KUBECTL_DS_NAMESPACE", namespace),
        ("KUBECTL_DS_DAEMONSET", daemon_set),
        ("KUBECTL_DS_POD", &start.pod.name),
        ("KUBECTL_DS_REVISION", revision),
        ("KUBECTL_DS_HOOK", name(start.point)),
        ("KUBECTL_DS_CONTEXT", context.as_deref().unwrap_or_default()),
    ]);
    let mut process =
        Process::start(shell, Group::Own).map_err(|error| format!("cannot start: {}", system_words(&error)))?;
    match timeout(limit, process.lines(lines)).await {
        Err(_) => Err(format!("timed out after {}s (--hook-timeout)", limit.as_secs())),
        Ok(Err(error)) => Err(system_words(&error)),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
    }
}

/// The name of a point, as in the flag.
fn name(point: HookPoint) -> &'static str {
    match point {
        HookPoint::Before => "before",
        HookPoint::After => "after",
    }
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").raw_arg(command);
    shell
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cycle::PodRef;

    async fn run(command: &str, node: &str, limit: Duration) -> (Result<(), String>, Vec<String>) {
        let facts = HookFacts {
            namespace: "ns".into(),
            daemon_set: "agent".into(),
            revision: "abc".into(),
            context: Some("prod".into()),
        };
        let pod = PodRef { name: "agent-1".into(), uid: "u".into() };
        let start = HookStart { node: node.into(), point: HookPoint::Before, pod, cordons: false };
        let (sender, mut receiver) = mpsc::channel(100);
        let ended = run_hook(command, &facts, &start, limit, &sender).await;
        drop(sender);
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line);
        }
        (ended, lines)
    }

    #[tokio::test]
    async fn facts_are_in_the_environment_and_never_run() {
        let command = "echo $KUBECTL_DS_HOOK $KUBECTL_DS_NAMESPACE/$KUBECTL_DS_DAEMONSET $KUBECTL_DS_POD $KUBECTL_DS_REVISION \
                       $KUBECTL_DS_CONTEXT \"$KUBECTL_DS_NODE\"";
        let (ended, lines) = run(command, "$(touch /tmp/no); `id`", Duration::from_secs(60)).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(lines, ["before ns/agent agent-1 abc prod $(touch /tmp/no); `id`"]);
    }

    #[tokio::test]
    async fn failure_and_timeout_are_errors() {
        let (ended, lines) = run("echo not drained; exit 3", "n1", Duration::from_secs(60)).await;
        assert_eq!((ended, lines), (Err("exit status: 3".into()), vec!["not drained".to_owned()]));
        let (ended, _) = run("sleep 600", "n1", Duration::from_millis(50)).await;
        assert_eq!(ended, Err("timed out after 0s (--hook-timeout)".into()));
    }
}
