//! Follows the containers of one pod.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{mpsc, watch};

use super::super::output::Output;
use crate::cluster::access::Access;
use crate::cluster::log_stream::{LogQuery, LogStream, Since};
use crate::error::Error;
use crate::load::logs::containers_of_pod;
use crate::logs::{
    ContainerChoice, ContainerView, Follower, LineSplitter, NoLog, Part, Position, Step, StreamEnd,
    selected_containers, split_time,
};
use crate::render::logs::{Label, Labels, line, unreadable, why_no_log};
use crate::snapshot::{PodContainers, PodSummary};

/// How long a stream may continue after its pod is gone: its last lines are on their way, or its node is down.
const LAST_LINES: Duration = Duration::from_secs(10);
/// The delay before the containers of a pod are listed again.
const RETRY: Duration = Duration::from_secs(2);

/// What all tasks share.
pub(super) struct TaskContext {
    pub(super) access: Access,
    pub(super) namespace: String,
    pub(super) containers: ContainerChoice,
    pub(super) labels: Labels,
    /// For the pods that exist at the start: from when, and how many lines.
    pub(super) since: Option<Since>,
    pub(super) tail_lines: Option<u64>,
    pub(super) timestamps: bool,
    pub(super) output: Output,
    /// Takes an error that ends the command.
    pub(super) failed: mpsc::UnboundedSender<Error>,
}

/// A pod to follow.
pub(super) struct PodTask {
    pub(super) context: Arc<TaskContext>,
    pub(super) node: String,
    /// The number of the node, from which its color follows.
    pub(super) number: usize,
    pub(super) pod: String,
    /// `None` if they are not known yet.
    pub(super) containers: Option<PodContainers>,
    /// The pod after each change; `None` when it is gone.
    pub(super) changes: watch::Receiver<Option<PodSummary>>,
    /// What to report first about a pod that was not there at the start. Its log is read from the beginning.
    pub(super) news: Option<String>,
}

impl PodTask {
    /// Follows the pod until it is gone.
    pub(super) async fn run(self) {
        if let Some(news) = &self.news
            && self.context.output.note(news.clone()).await.is_break()
        {
            return;
        }
        let Some(containers) = self.containers().await else { return };
        match selected_containers(&containers, &self.context.containers) {
            Ok(names) => {
                join_all(names.into_iter().map(|name| ContainerLog::new(&self, name).follow())).await;
            }
            Err(unknown) => {
                let why = why_no_log(&NoLog::UnknownContainer(unknown), jiff::Timestamp::UNIX_EPOCH);
                let _ = self.context.output.note(format!("no log of {}: {why}", self.node)).await;
            }
        }
    }

    async fn containers(&self) -> Option<PodContainers> {
        if let Some(containers) = &self.containers {
            return Some(containers.clone());
        }
        loop {
            match containers_of_pod(&self.context.access, &self.context.namespace, &self.pod).await {
                Ok(containers) => return containers,
                Err(error) if error.may_pass() => tokio::time::sleep(RETRY).await,
                Err(error) => {
                    let _ = self.context.failed.send(error);
                    return None;
                }
            }
        }
    }
}

/// The log of one container.
struct ContainerLog<'t> {
    task: &'t PodTask,
    container: String,
    label: Label,
    changes: watch::Receiver<Option<PodSummary>>,
    position: Position,
    /// Whether the failure of the kubelet was reported.
    reported: bool,
}

/// How one stream ended, with the line that it left incomplete.
struct Streamed {
    end: StreamEnd,
    rest: LineSplitter,
}

impl<'t> ContainerLog<'t> {
    fn new(task: &'t PodTask, container: String) -> Self {
        let label = task.context.labels.label(&task.node, task.number, &container);
        let changes = task.changes.clone();
        Self { task, container, label, changes, position: Position::default(), reported: false }
    }

    async fn follow(mut self) {
        let mut follower = Follower::default();
        let mut step = follower.begin(self.view());
        loop {
            let before = self.view();
            match step {
                Step::End => return,
                Step::Wait => {
                    self.changed(before).await;
                    step = follower.begin(self.view());
                    continue;
                }
                Step::OpenAfter(pause) => {
                    // Either way the stream is opened.
                    let _ = tokio::time::timeout(pause, self.changed(before)).await;
                    if !self.view().exists {
                        return;
                    }
                }
                Step::Open => {}
            }
            follower.opened(self.view());
            let Some(Streamed { end, mut rest }) = self.stream().await else { return };
            step = follower.ended(end, self.view());
            // A line without its end is read again if the log continues in the same run of the container.
            if !matches!(step, Step::OpenAfter(_)) {
                let mut lines = Vec::new();
                rest.finish(|text, part| self.line(&mut lines, text, part, &mut false));
                if self.task.context.output.lines(lines).await.is_break() {
                    return;
                }
            }
        }
    }

    fn view(&self) -> ContainerView {
        let pod = self.changes.borrow();
        pod.as_ref().map_or_else(ContainerView::default, |pod| ContainerView::new(pod, &self.container))
    }

    /// Waits until the container differs.
    async fn changed(&mut self, before: ContainerView) {
        while self.view() == before && before.exists {
            if self.changes.changed().await.is_err() {
                // The watch has ended, and the program with it.
                return std::future::pending().await;
            }
        }
    }

    /// Prints one stream to its end. `None`: nothing more is to be printed.
    async fn stream(&mut self) -> Option<Streamed> {
        let of_end = |end| Some(Streamed { end, rest: LineSplitter::default() });
        let query = self.query();
        let context = Arc::clone(&self.task.context);
        match context.access.open_log(&context.namespace, &self.task.pod, &query).await {
            Ok(log) => self.print(log).await,
            Err(Error::Api { code: 404, .. }) => of_end(StreamEnd::Gone),
            Err(Error::Api { code: 400, .. }) => of_end(StreamEnd::NotReady),
            Err(error) if error.may_pass() => {
                // The watch reports a server that cannot be reached, once for all logs.
                let is_of_kubelet = matches!(error, Error::Api { .. }) && !self.view().terminating;
                if is_of_kubelet && !std::mem::replace(&mut self.reported, true) {
                    let note = format!("{}; retrying", unreadable(&self.task.node, &self.container, &error));
                    let _ = context.output.note(note).await;
                }
                of_end(StreamEnd::Broken { had_lines: false })
            }
            Err(error) => {
                let _ = context.failed.send(error);
                None
            }
        }
    }

    /// The first stream of a pod that was there at the start begins where the user asks for; any other one at the
    /// beginning, or where the last one ended.
    fn query(&mut self) -> LogQuery {
        let context = &self.task.context;
        let resumed = self.position.resume();
        let is_first = resumed.is_none() && self.task.news.is_none();
        LogQuery {
            container: self.container.clone(),
            follow: true,
            previous: false,
            since: resumed.map(Since::Time).or(context.since.filter(|_| is_first)),
            tail_lines: context.tail_lines.filter(|_| is_first),
            limit_bytes: None,
            // They show where to continue.
            timestamps: true,
        }
    }

    async fn print(&mut self, mut log: LogStream) -> Option<Streamed> {
        let mut splitter = LineSplitter::default();
        let mut had_lines = false;
        // Whether the last line was shown: then the rest of a broken line is, too.
        let mut is_shown = false;
        let mut changes = self.changes.clone();
        let gone = async move {
            // An error means that the program ends.
            let _ = changes.wait_for(Option::is_none).await;
            tokio::time::sleep(LAST_LINES).await;
        };
        let mut gone = std::pin::pin!(gone);
        loop {
            let mut lines = Vec::new();
            let next = tokio::select! {
                next = log.next(|bytes| splitter.push(bytes, |text, part| self.line(&mut lines, text, part, &mut is_shown))) => next,
                () = &mut gone => Ok(false),
            };
            had_lines |= !lines.is_empty();
            if had_lines {
                self.reported = false;
            }
            if let ControlFlow::Break(()) = self.task.context.output.lines(lines).await {
                return None;
            }
            let end = match next {
                Ok(true) => continue,
                Ok(false) => StreamEnd::Complete { had_lines },
                Err(_) => StreamEnd::Broken { had_lines },
            };
            return Some(Streamed { end, rest: splitter });
        }
    }

    /// Writes a line with its time in front, if it was not shown yet.
    fn line(&mut self, lines: &mut Vec<u8>, text: &[u8], part: Part, is_shown: &mut bool) {
        let (time, rest) = match part {
            Part::Rest => (None, text),
            Part::Start => {
                let (time, rest) = split_time(text);
                *is_shown = self.position.is_new(time, text);
                (time.map(|_| &text[..text.len().saturating_sub(rest.len() + 1)]), rest)
            }
        };
        if *is_shown {
            line(lines, &self.label, time.filter(|_| self.task.context.timestamps), rest);
        }
    }
}
