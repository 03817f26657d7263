//! Which logs of one node to read.
//!
//! Upstream: `pkg/kubelet/kubelet_pods.go` `validateContainerLogStatus` decides which run of a container has a log;
//! `pkg/registry/core/pod/strategy.go` `LogLocation` returns an empty log for a pod without a node.

use super::containers::{ContainerChoice, UnknownContainer, selected_containers};
use crate::coverage::NodeCoverage;
use crate::explain::{ReadyStatus, Reason, State};
use crate::snapshot::pod_summary::{ContainerState, ContainerStatus};
use crate::snapshot::{PodContainers, PodSummary};

/// One log: a run of a container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSource {
    pub(crate) node: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) run: Run,
}

/// A run of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// The latest one.
    Current,
    /// The one before, which the kubelet keeps.
    Previous,
}

/// What `--previous` and `--trouble` select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunChoice {
    Current,
    Previous,
    /// The run that crashed of each container that crashed, and the current one of the others.
    Crashed,
}

/// Why there is no log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NoLog {
    /// The node has no pod, or its container has not started.
    Reasons {
        /// `None` if there is no pod.
        container: Option<String>,
        reasons: Vec<Reason>,
        /// Whether no pod should run on the node.
        excluded: bool,
    },
    /// The container has not run before.
    NoPreviousRun {
        container: String,
    },
    UnknownContainer(UnknownContainer),
}

/// The logs of one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeLogs {
    pub(crate) sources: Vec<LogSource>,
    pub(crate) missing: Vec<NoLog>,
}

/// The logs of all pods of the DaemonSet on a node, those of the oldest pod first: during a replacement, the old pod may
/// still write why it does not end.
pub(crate) fn node_logs<'c>(
    row: &NodeCoverage<'_>,
    containers_of: impl Fn(&PodSummary) -> Option<&'c PodContainers>,
    choice: &ContainerChoice,
    run: RunChoice,
) -> NodeLogs {
    let mut logs = NodeLogs::default();
    if row.pods.is_empty() {
        let excluded = row.state == State::Excluded;
        logs.missing.push(NoLog::Reasons { container: None, reasons: row.reasons.clone(), excluded });
    }
    for pod in &row.pods {
        let selected = match (choice, run) {
            (ContainerChoice::Default, RunChoice::Crashed) => crashed(pod),
            _ => Vec::new(),
        };
        let selected = match containers_of(pod) {
            _ if !selected.is_empty() => Ok(selected),
            Some(containers) => selected_containers(containers, choice),
            // It was created after its containers were listed.
            None => Ok(Vec::new()),
        };
        match selected {
            Err(unknown) => logs.missing.push(NoLog::UnknownContainer(unknown)),
            Ok(names) => {
                for container in names {
                    match run_of(pod, &container, run) {
                        Ok(run) => logs.sources.push(LogSource {
                            node: row.node.to_owned(),
                            pod: pod.metadata.name.clone(),
                            container,
                            run,
                        }),
                        Err(MissingRun::NotStarted) => logs.missing.push(NoLog::Reasons {
                            container: Some(container),
                            reasons: row.reasons.clone(),
                            excluded: false,
                        }),
                        Err(MissingRun::NotBefore) => logs.missing.push(NoLog::NoPreviousRun { container }),
                    }
                }
            }
        }
    }
    logs
}

/// The pod that `exec` uses: the newest one that is not being deleted, else the newest one. `pods` are in the order of the
/// controller, the oldest first.
pub(crate) fn newest_pod<'p>(pods: &[&'p PodSummary]) -> Option<&'p PodSummary> {
    let is_staying = |pod: &&&PodSummary| !pod.is_terminating() && !pod.is_terminal();
    pods.iter().rev().find(is_staying).or(pods.last()).copied()
}

/// Whether the kubelet of the node does not report, so that reading its logs may only time out.
pub(crate) fn is_silent(row: &NodeCoverage<'_>) -> bool {
    row.reasons.iter().any(|reason| matches!(reason, Reason::NodeNotReady { status: ReadyStatus::Unknown, .. }))
}

enum MissingRun {
    NotStarted,
    NotBefore,
}

fn run_of(pod: &PodSummary, container: &str, run: RunChoice) -> Result<Run, MissingRun> {
    let status = status_of(pod, container).ok_or(MissingRun::NotStarted)?;
    let has_previous = status.last_state.as_deref().is_some_and(has_ended);
    let current = if has_log(status) { Ok(Run::Current) } else { Err(MissingRun::NotStarted) };
    match run {
        RunChoice::Current => current,
        RunChoice::Previous if has_previous => Ok(Run::Previous),
        RunChoice::Previous => Err(MissingRun::NotBefore),
        // While it waits for its restart or runs again, the run that crashed is the previous one.
        RunChoice::Crashed if has_crashed(status) && !is_ended(status) && has_previous => Ok(Run::Previous),
        RunChoice::Crashed => current,
    }
}

/// The containers of the pod that crashed, in the order of their statuses, init containers first.
fn crashed(pod: &PodSummary) -> Vec<String> {
    let statuses = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
    statuses.filter(|status| has_crashed(status)).map(|status| status.name.to_string()).collect()
}

/// Whether the last run of the container failed, and it has not become ready since.
fn has_crashed(status: &ContainerStatus) -> bool {
    let failed = |state: Option<&ContainerState>| {
        let end = state.and_then(|state| state.terminated.as_deref());
        end.is_some_and(|end| end.exit_code != 0 || end.signal != 0)
    };
    let waits = status.state.as_deref().and_then(|state| state.waiting.as_deref());
    let in_backoff = waits.is_some_and(|waiting| waiting.reason == "CrashLoopBackOff");
    in_backoff || failed(status.state.as_deref()) || !status.ready && failed(status.last_state.as_deref())
}

pub(super) fn status_of<'p>(pod: &'p PodSummary, container: &str) -> Option<&'p ContainerStatus> {
    pod.status.all_container_statuses().find(|status| status.name == container)
}

/// Whether the kubelet has a log of any container of the pod.
pub(crate) fn has_any_log(pod: &PodSummary) -> bool {
    pod.status.all_container_statuses().any(has_log)
}

/// Whether the kubelet has a log of the container: it runs, or it has run.
pub(super) fn has_log(status: &ContainerStatus) -> bool {
    status.is_running() || is_ended(status) || status.last_state.as_deref().is_some_and(has_ended)
}

fn is_ended(status: &ContainerStatus) -> bool {
    status.state.as_deref().is_some_and(has_ended)
}

fn has_ended(state: &ContainerState) -> bool {
    state.terminated.is_some()
}
