//! `kubectl ds exec`.

pub(crate) mod args;

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::cluster::file::Detail;
use crate::cluster::kubectl::{self, ExecCommand};
use crate::command::args::Global;
use crate::command::args::names::daemon_set_and_nodes;
use crate::command::exec::args::ExecArgs;
use crate::coverage::{Coverage, NodeCoverage, compute_coverage, event_query};
use crate::error::{Error, system_words};
use crate::explain::State;
use crate::load::{Request, full_node_names, open, resolve_nodes};
use crate::logs::{NoLog, newest_pod};
use crate::render::logs::no_pod;
use crate::render::{progress, terminal};
use crate::snapshot::pod_summary::ContainerStatus;
use crate::snapshot::{PodSummary, Snapshot};

/// Runs `exec`. On Unix, kubectl replaces this process.
pub(crate) async fn run(args: ExecArgs, global: Global) -> Result<ExitCode, Error> {
    global.check_live_daemon_set("exec")?;
    let (name, nodes) = daemon_set_and_nodes(args.name, args.node)?;
    let [node] = nodes.as_slice() else {
        return Err(Error::usage_of("exec", "exec takes one DaemonSet and one node"));
    };
    let program = kubectl::find().ok_or_else(|| Error::NotFound {
        message: "kubectl not found".into(),
        hint: "install kubectl on the PATH, or set KUBECTL_PATH".into(),
    })?;
    let mut source = open(&[], &global.access(), Detail::Placement).await?;
    let request = Request::new(global.namespace_or(source.default_namespace()), vec![name]);
    let snapshot = source.snapshot(&request, event_query).await?;
    let coverages = compute_coverage(&snapshot);
    let Some(coverage) = coverages.first() else { return Ok(ExitCode::FAILURE) };
    let row = row_of(coverage, node)?;
    let Some(pod) = running_pod(row) else {
        terminal::note(&why_no_pod(row, &snapshot));
        return Ok(ExitCode::FAILURE);
    };
    let command = ExecCommand {
        access: global.access(),
        namespace: coverage.namespace().to_owned(),
        pod: pod.metadata.name.clone(),
        container: args.container,
        stdin: args.stdin,
        tty: args.tty,
        command: args.command,
    };
    progress::clear();
    match command.replace_process(&program) {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) => Err(Error::NotFound {
            message: format!("cannot run {}: {}", program.display(), system_words(&error)),
            hint: "check that it is kubectl for this machine".into(),
        }),
    }
}

/// The row of the node.
///
/// # Errors
/// The node does not exist.
fn row_of<'r, 'a>(coverage: &'r Coverage<'a>, node: &str) -> Result<&'r NodeCoverage<'a>, Error> {
    let there: BTreeSet<String> = coverage.rows.iter().map(|row| row.node.to_owned()).collect();
    let names = resolve_nodes(None, &full_node_names(&[node.to_owned()], &there), there)?;
    coverage.rows.iter().find(|row| names.contains(row.node)).ok_or_else(|| Error::NotFound {
        message: format!("node {node:?} not found"),
        hint: "list the nodes: kubectl get nodes".into(),
    })
}

/// The pod on the node that has a running container.
fn running_pod<'a>(row: &NodeCoverage<'a>) -> Option<&'a PodSummary> {
    let runs = |pod: &&PodSummary| pod.status.all_container_statuses().any(ContainerStatus::is_running);
    let running: Vec<&PodSummary> = row.pods.iter().copied().filter(runs).collect();
    newest_pod(&running)
}

fn why_no_pod(row: &NodeCoverage<'_>, snapshot: &Snapshot) -> String {
    if let (Some(missing), true) = (snapshot.pods.missing(), row.pods.is_empty()) {
        return format!("no pod is known on {}: {missing}", row.node);
    }
    let container = row.pods.first().map(|pod| pod.metadata.name.clone());
    let excluded = row.state == State::Excluded;
    let why = NoLog::Reasons { container, reasons: row.reasons.clone(), excluded };
    no_pod(row.node, &why, snapshot.as_of)
}
