//! `logs --follow`: one task for each pod, which follows its containers until the pod is gone. The watch of the cluster
//! starts a task for each new pod of the selected nodes, and reports every change of a pod to its task.

mod pod_task;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use self::pod_task::{PodTask, TaskContext};
use super::options::LogsOptions;
use super::output::Output;
use super::selected::{Selected, is_selected};
use crate::cluster::access::Access;
use crate::command::watch_loop::{WatchHandler, connection_lost, watch_from};
use crate::coverage::{NodeCoverage, compute_coverage, event_query};
use crate::error::Error;
use crate::explain::State;
use crate::load::Request;
use crate::load::live::Loaded;
use crate::logs::{NoLog, has_any_log};
use crate::render::logs::{causes, new_pod, no_log};
use crate::revision::revision_of;
use crate::snapshot::{EventQuery, PodSummary, Snapshot};

/// Follows the logs until the user interrupts the program, the reader closes the pipe, or the DaemonSet is deleted.
///
/// # Errors
/// Any error that a retry cannot fix, such as revoked permissions.
pub(super) async fn follow(
    access: &Access,
    request: &Request,
    loaded: Loaded,
    selected: &Selected,
    options: &LogsOptions,
    output: &Output,
) -> Result<ExitCode, Error> {
    let (failed, mut failures) = mpsc::unbounded_channel();
    let context = TaskContext {
        access: access.clone(),
        namespace: selected.namespace.clone(),
        containers: options.containers.clone(),
        labels: selected.labels,
        since: options.since,
        tail_lines: options.tail_lines(selected.nodes.len() > 1),
        timestamps: options.timestamps,
        output: output.clone(),
        failed,
    };
    let mut handler = FollowHandler {
        selected,
        options,
        context: Arc::new(context),
        pods: HashMap::new(),
        nodes: HashMap::new(),
        is_first: true,
        reported: HashSet::new(),
        trouble: None,
    };
    for missing in &selected.missing {
        if output.note(missing.clone()).await.is_break() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    // The tasks share this thread, and end with the set.
    let tasks = LocalSet::new();
    let followed = tasks.run_until(async {
        tokio::select! {
            code = watch_from(access, request, loaded, &mut handler) => code,
            Some(error) = failures.recv() => Err(error),
            () = output.closed() => Ok(ExitCode::SUCCESS),
        }
    });
    followed.await
}

struct FollowHandler<'s> {
    selected: &'s Selected,
    options: &'s LogsOptions,
    context: Arc<TaskContext>,
    /// The pods that are followed, by their uid.
    pods: HashMap<String, watch::Sender<Option<PodSummary>>>,
    /// The nodes in the order in which they were first seen, and the revision of their last pod.
    nodes: HashMap<String, SeenNode>,
    is_first: bool,
    /// The notes about pods that do not start.
    reported: HashSet<(String, String)>,
    /// The last connection problem.
    trouble: Option<String>,
}

struct SeenNode {
    number: usize,
    revision: Option<String>,
}

impl WatchHandler for FollowHandler<'_> {
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery {
        event_query(snapshot)
    }

    fn is_live(&self) -> bool {
        false
    }

    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error> {
        if let Some(trouble) = trouble.filter(|trouble| self.trouble.as_deref() != Some(*trouble)) {
            self.context.output.note_now(connection_lost(trouble));
        }
        self.trouble = trouble.map(str::to_owned);
        let coverages = compute_coverage(snapshot);
        let Some(coverage) = coverages.first() else {
            self.context.output.note_now(format!("{} was deleted", self.selected.daemon_set));
            return Ok(ControlFlow::Break(ExitCode::FAILURE));
        };
        let mut seen = HashSet::new();
        for row in coverage.rows.iter().filter(|row| is_selected(row, self.options)) {
            for pod in &row.pods {
                seen.insert(pod.metadata.uid.clone());
                self.update(row, pod);
            }
            self.report(row, snapshot);
        }
        self.pods.retain(|uid, view| {
            let exists = seen.contains(uid);
            if !exists {
                view.send_replace(None);
            }
            exists
        });
        self.is_first = false;
        Ok(ControlFlow::Continue(()))
    }
}

impl FollowHandler<'_> {
    /// Reports the pod to its task, or starts one.
    fn update(&mut self, row: &NodeCoverage<'_>, pod: &PodSummary) {
        if let Some(view) = self.pods.get(&pod.metadata.uid) {
            view.send_if_modified(|known| {
                let is_new = known.as_ref() != Some(pod);
                if is_new {
                    *known = Some(pod.clone());
                }
                is_new
            });
            return;
        }
        let number = self.nodes.len();
        let revision = revision_of(&pod.metadata.labels).map(str::to_owned);
        let node = self.nodes.entry(row.node.to_owned()).or_insert(SeenNode { number, revision: None });
        let before = std::mem::replace(&mut node.revision, revision);
        let revisions = [before.as_deref(), node.revision.as_deref()];
        let news = (!self.is_first).then(|| new_pod(row.node, &pod.metadata.name, revisions));
        let (view, changes) = watch::channel(Some(pod.clone()));
        let task = PodTask {
            context: Arc::clone(&self.context),
            node: row.node.to_owned(),
            number: node.number,
            pod: pod.metadata.name.clone(),
            containers: self.selected.containers.get(&pod.metadata.uid).cloned(),
            changes,
            news,
        };
        self.pods.insert(pod.metadata.uid.clone(), view);
        spawn_local(task.run());
    }

    /// Reports once why the pod of a node does not start.
    fn report(&mut self, row: &NodeCoverage<'_>, snapshot: &Snapshot) {
        let is_failing = matches!(row.state, State::NotReady | State::Failed | State::Pending);
        let Some(pod) = row.pods.first().filter(|pod| is_failing && !has_any_log(pod)) else { return };
        let why = NoLog::Reasons { container: None, reasons: row.reasons.clone(), excluded: false };
        // Ages in the sentence change all the time.
        let is_new = self.reported.insert((pod.metadata.uid.clone(), causes(&row.reasons)));
        // At the start, all missing logs are reported.
        if is_new && !self.is_first {
            self.context.output.note_now(no_log(&[row.node.to_owned()], &why, snapshot.as_of));
        }
    }
}
