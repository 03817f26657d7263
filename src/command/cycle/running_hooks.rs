//! Runs what precedes a removal and what follows a replacement: cordon, hooks, uncordon. Each node has its own task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::hook::{HookFacts, run_hook};
use crate::cluster::access::Access;
use crate::cluster::cordon::{CordonLabel, Cordoned};
use crate::cluster::lease::DryRun;
use crate::cycle::{HookPoint, HookStart};
use crate::error::Error;

/// How many messages may wait. A hook with more output waits.
const MESSAGES: usize = 64;
/// The delay before a cordon or uncordon is retried.
const RETRY: Duration = Duration::from_secs(1);

/// What is done on every node.
#[derive(Clone, Debug)]
pub(super) struct HookOptions {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) hook_timeout: Duration,
    pub(super) facts: HookFacts,
    pub(super) label: CordonLabel,
}

/// News of a hook.
#[derive(Debug)]
pub(super) struct HookMessage {
    pub(super) node: String,
    pub(super) point: HookPoint,
    pub(super) news: HookNews,
}

#[derive(Debug)]
pub(super) enum HookNews {
    /// This program has cordoned the node.
    Cordoned,
    /// The node was already cordoned, by something else.
    CordonedByOthers,
    /// This program has uncordoned the node.
    Uncordoned,
    /// The command of the user starts.
    Started,
    /// A line of its output.
    Line(String),
    /// It has succeeded.
    Succeeded,
    Ended(Result<(), String>),
}

/// The running hooks. If it is dropped, running hooks are ended.
pub(super) struct RunningHooks {
    access: Access,
    options: Arc<HookOptions>,
    sender: mpsc::Sender<HookMessage>,
    messages: mpsc::Receiver<HookMessage>,
    tasks: JoinSet<()>,
}

impl RunningHooks {
    pub(super) fn new(access: Access, options: HookOptions) -> Self {
        let (sender, messages) = mpsc::channel(MESSAGES);
        Self { access, options: Arc::new(options), sender, messages, tasks: JoinSet::new() }
    }

    pub(super) fn start(&mut self, start: HookStart) {
        let reporter = HookReporter { start, sender: self.sender.clone() };
        let (access, options) = (self.access.clone(), Arc::clone(&self.options));
        self.tasks.spawn(async move {
            let ended = match reporter.start.point {
                HookPoint::Before => before(&access, &options, &reporter).await,
                HookPoint::After => after(&access, &options, &reporter).await,
            };
            reporter.send(HookNews::Ended(ended)).await;
        });
    }

    /// Waits for news; forever if none is running.
    pub(super) async fn next(&mut self) -> HookMessage {
        match self.messages.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    /// Uncordons nodes that this program has cordoned. Returns the nodes for which that failed, with the reason.
    pub(super) async fn uncordon(&self, nodes: Vec<String>) -> Vec<(String, Error)> {
        let mut failed = Vec::new();
        for node in nodes {
            if let Err(error) = self.access.uncordon(&node, &self.options.label).await {
                failed.push((node, error));
            }
        }
        failed
    }
}

/// Sends the news of one hook.
struct HookReporter {
    start: HookStart,
    sender: mpsc::Sender<HookMessage>,
}

impl HookReporter {
    async fn send(&self, news: HookNews) {
        let HookStart { node, point, .. } = &self.start;
        // It fails only if the run has ended.
        let _ = self.sender.send(HookMessage { node: node.clone(), point: *point, news }).await;
    }

    /// Runs a hook and sends its output.
    async fn run(&self, command: &str, options: &HookOptions) -> Result<(), String> {
        self.send(HookNews::Started).await;
        let (lines, mut output) = mpsc::channel(MESSAGES);
        let forward = async {
            while let Some(line) = output.recv().await {
                self.send(HookNews::Line(line)).await;
            }
        };
        let hook = async {
            let ended = run_hook(command, &options.facts, &self.start, options.hook_timeout, &lines).await;
            drop(lines);
            ended
        };
        tokio::join!(hook, forward).0?;
        self.send(HookNews::Succeeded).await;
        Ok(())
    }
}

async fn before(access: &Access, options: &HookOptions, reporter: &HookReporter) -> Result<(), String> {
    if reporter.start.cordons {
        match cordon(access, options, &reporter.start.node).await {
            Ok(Cordoned::OtherCycle) => {
                return Err(
                    "cannot cordon the node: a cycle of another DaemonSet keeps it cordoned (--hook-timeout)".into()
                );
            }
            Ok(Cordoned::Own) => reporter.send(HookNews::Cordoned).await,
            Ok(Cordoned::Foreign) => reporter.send(HookNews::CordonedByOthers).await,
            Ok(Cordoned::Gone) => return Ok(()),
            Err(error) => return Err(format!("cannot cordon the node: {error}")),
        }
    }
    match &options.before {
        Some(command) => reporter.run(command, options).await.map_err(|error| format!("--before: {error}")),
        None => Ok(()),
    }
}

async fn after(access: &Access, options: &HookOptions, reporter: &HookReporter) -> Result<(), String> {
    if let Some(command) = &options.after {
        reporter.run(command, options).await.map_err(|error| format!("--after: {error}"))?;
    }
    if !reporter.start.cordons {
        return Ok(());
    }
    match retry(options.hook_timeout, || access.uncordon(&reporter.start.node, &options.label)).await {
        Ok(true) => reporter.send(HookNews::Uncordoned).await,
        Ok(false) => {}
        Err(error) => return Err(format!("cannot uncordon the node: {error}")),
    }
    Ok(())
}

/// Cordons the node. While a cycle of another DaemonSet has cordoned it, this waits: that cycle would uncordon it.
async fn cordon(access: &Access, options: &HookOptions, node: &str) -> Result<Cordoned, Error> {
    let deadline = Instant::now() + options.hook_timeout;
    loop {
        let cordoned = retry(options.hook_timeout, || access.cordon(node, &options.label, DryRun::None)).await?;
        if cordoned != Cordoned::OtherCycle || Instant::now() >= deadline {
            return Ok(cordoned);
        }
        sleep(RETRY).await;
    }
}

/// Retries as long as the error may pass, at most for `limit`.
async fn retry<T, F: Future<Output = Result<T, Error>>>(limit: Duration, attempt: impl Fn() -> F) -> Result<T, Error> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt().await {
            Err(error) if error.may_pass() && Instant::now() < deadline => sleep(RETRY).await,
            ended => return ended,
        }
    }
}
