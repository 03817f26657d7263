//! The nodes and logs that the command line selects.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::options::LogsOptions;
use crate::coverage::{Coverage, NodeCoverage};
use crate::error::Error;
use crate::explain::State;
use crate::load::{hint, resolve_nodes};
use crate::logs::{ContainerChoice, LogSource, NoLog, NodeLogs, is_silent, node_logs};
use crate::render::ListLength;
use crate::render::logs::{Labels, no_log};
use crate::render::terminal;
use crate::snapshot::PodContainers;

/// What is read.
pub(super) struct Selected {
    pub(super) namespace: String,
    /// The DaemonSet as `NAMESPACE/NAME`.
    pub(super) daemon_set: String,
    /// The selected nodes, sorted.
    pub(super) nodes: Vec<String>,
    /// The logs, node by node.
    pub(super) sources: Vec<LogSource>,
    /// What has no log, and why: one sentence each. Safe text.
    pub(super) missing: Vec<String>,
    pub(super) containers: HashMap<String, PodContainers>,
    pub(super) labels: Labels,
    /// Which container is read although there are several.
    defaulted: Option<String>,
}

impl Selected {
    /// Selects nodes and logs.
    ///
    /// # Errors
    /// A node does not exist; no pod has the container.
    pub(super) fn new(
        coverage: &Coverage<'_>,
        containers: HashMap<String, PodContainers>,
        options: &LogsOptions,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut rows = selected_rows(coverage, options)?;
        // A kubelet that does not report may keep the API server waiting for half a minute: its log comes last.
        rows.sort_by_key(|row| (is_silent(row), row.node));
        let containers_of = |uid: &str| containers.get(uid);
        let of = |row: &NodeCoverage<'_>| {
            node_logs(row, |pod| containers_of(&pod.metadata.uid), &options.containers, options.run)
        };
        let logs: Vec<(String, NodeLogs)> = rows.iter().map(|row| (row.node.to_owned(), of(row))).collect();
        check_container(coverage, &logs)?;
        let sources: Vec<LogSource> = logs.iter().flat_map(|(_, logs)| logs.sources.clone()).collect();
        let names: BTreeSet<&str> = sources.iter().map(|source| source.container.as_str()).collect();
        let mut nodes: Vec<String> = rows.iter().map(|row| row.node.to_owned()).collect();
        nodes.sort_unstable();
        let labels = Labels {
            style: terminal::style(options.color, ListLength::Handful),
            // While all nodes are followed, others may join.
            with_node: nodes.len() > 1 || options.follow && options.names.is_empty(),
            with_container: options.containers == ContainerChoice::All || names.len() > 1,
            node_width: nodes.iter().map(String::len).max().unwrap_or_default(),
        };
        let daemon_set = format!("{}/{}", coverage.namespace(), coverage.name());
        let namespace = coverage.namespace().to_owned();
        let defaulted = defaulted(&containers, options);
        let missing = missing_logs(logs, now);
        Ok(Self { namespace, daemon_set, nodes, sources, missing, containers, labels, defaulted })
    }

    /// Which container is read if several could be, or that nothing is selected.
    pub(super) fn note(&self) -> Option<String> {
        if self.nodes.is_empty() {
            return Some(format!("no node is selected that runs {}, or should run it", self.daemon_set));
        }
        self.defaulted.clone()
    }

    /// The number of a node, from which its color follows.
    pub(super) fn number(&self, node: &str) -> usize {
        self.nodes.iter().position(|one| one == node).unwrap_or_default()
    }

    /// `--max-log-requests` with `--follow`, as kubectl checks it (`pkg/cmd/logs/logs.go` `RunLogs`).
    ///
    /// # Errors
    /// There are more logs.
    pub(super) fn check_limit(&self, options: &LogsOptions) -> Result<(), Error> {
        let (logs, limit) = (self.sources.len(), options.max_log_requests);
        if logs <= limit {
            return Ok(());
        }
        Err(Error::Usage {
            message: format!("cannot follow {logs} logs: --max-log-requests is {limit}"),
            hint: format!("pass --max-log-requests {logs}, or select nodes by name or with --nodes"),
        })
    }
}

/// The rows of the selected nodes: those that are named, or all that have the pod or should have it.
fn selected_rows<'r, 'a>(
    coverage: &'r Coverage<'a>,
    options: &LogsOptions,
) -> Result<Vec<&'r NodeCoverage<'a>>, Error> {
    if !options.names.is_empty() {
        let there = coverage.rows.iter().map(|row| row.node.to_owned()).collect();
        resolve_nodes(None, &options.names, there)?;
    }
    let is_in_trouble = |row: &&NodeCoverage<'_>| !options.trouble || State::UNHEALTHY.contains(&row.state);
    Ok(coverage.rows.iter().filter(|row| is_selected(row, options)).filter(is_in_trouble).collect())
}

/// Whether the node is named, or, without names, has the pod or should have it.
pub(super) fn is_selected(row: &NodeCoverage<'_>, options: &LogsOptions) -> bool {
    match options.names.is_empty() {
        true => !row.pods.is_empty() || row.state != State::Excluded,
        false => options.names.iter().any(|name| name == row.node),
    }
}

/// As kubectl reports it (`pkg/cmd/util/podcmd/podcmd.go` `FindOrDefaultContainerByName`), for one of the pods.
fn defaulted(containers: &HashMap<String, PodContainers>, options: &LogsOptions) -> Option<String> {
    if options.trouble || options.containers != ContainerChoice::Default {
        return None;
    }
    let several = |pod: &&PodContainers| pod.names().nth(1).is_some();
    let pod = containers.values().filter(several).min_by_key(|pod| &pod.metadata.name)?;
    let names: Vec<&str> = pod.names().collect();
    Some(format!("defaulted container {:?} out of: {}", pod.default_name()?, ListLength::Handful.list(&names)))
}

/// Rejects a container that no pod has: a typo would otherwise be reported once for each node.
fn check_container(coverage: &Coverage<'_>, logs: &[(String, NodeLogs)]) -> Result<(), Error> {
    let all: Vec<&NoLog> = logs.iter().flat_map(|(_, logs)| &logs.missing).collect();
    let unknown = all.iter().find_map(|why| match why {
        NoLog::UnknownContainer(unknown) => Some(unknown),
        NoLog::Reasons { .. } | NoLog::NoPreviousRun { .. } => None,
    });
    let is_known = logs.iter().any(|(_, logs)| !logs.sources.is_empty())
        || all.iter().any(|why| matches!(why, NoLog::Reasons { container: Some(_), .. } | NoLog::NoPreviousRun { .. }));
    match unknown {
        Some(unknown) if !is_known => Err(Error::NotFound {
            message: format!(
                "container {:?} not found in the pods of {}/{}",
                unknown.container,
                coverage.namespace(),
                coverage.name()
            ),
            hint: hint(
                &unknown.container,
                unknown.names.iter().map(String::as_str),
                &format!("the containers are: {}", ListLength::All.list(&unknown.names)),
            ),
        }),
        _ => Ok(()),
    }
}

/// One sentence for each cause, with the nodes that have it.
fn missing_logs(logs: Vec<(String, NodeLogs)>, now: Timestamp) -> Vec<String> {
    let mut causes: Vec<(NoLog, Vec<String>)> = Vec::new();
    for (node, logs) in logs {
        for why in logs.missing {
            match causes.iter_mut().find(|(known, _)| *known == why) {
                Some((_, nodes)) => nodes.push(node.clone()),
                None => causes.push((why, vec![node.clone()])),
            }
        }
    }
    causes.iter().map(|(why, nodes)| no_log(nodes, why, now)).collect()
}
