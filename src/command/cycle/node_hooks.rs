//! Starts the hooks of nodes, records their results, and uncordons nodes at the end of the run.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::execution::Executor;
use super::hook::HookFacts;
use super::options::{CycleOptions, HookCommands};
use super::reporter::Reporter;
use super::running_hooks::{HookMessage, HookNews, HookOptions, RunningHooks};
use crate::cluster::access::Access;
use crate::cluster::cordon::CordonLabel;
use crate::cluster::lease::DryRun;
use crate::cycle::{CORDONED_FOR, HookStart, Run, cordon_mark};
use crate::error::Error;
use crate::render::cycle::ReportEvent;
use crate::render::terminal;

/// The time limit for the uncordons at the end of a run.
const UNCORDON_LIMIT: Duration = Duration::from_secs(30);
/// The time limit for them after a signal.
const HURRIED_UNCORDON_LIMIT: Duration = Duration::from_secs(3);

impl Executor {
    /// Starts hooks. The nodes are already in progress.
    pub(super) fn start_hooks(&mut self, run: &Run, starts: Vec<HookStart>) {
        for start in starts {
            self.hooks(run).start(start);
        }
    }

    fn hooks(&mut self, run: &Run) -> &mut RunningHooks {
        let Self { hooks, observer, options, .. } = self;
        hooks.get_or_insert_with(|| {
            let (namespace, name) = options.daemon_set();
            let facts = HookFacts {
                namespace: namespace.to_owned(),
                daemon_set: name.to_owned(),
                revision: run.target().to_owned(),
                context: observer.access.context().map(str::to_owned),
            };
            let HookCommands { before, after, timeout } = options.hook_commands.clone();
            let label = cordon_label(options);
            let hook_options = HookOptions { before, after, hook_timeout: timeout, facts, label };
            RunningHooks::new(observer.access.clone(), hook_options)
        })
    }

    /// Records news of a point.
    pub(super) fn record_hook(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        message: HookMessage,
    ) -> Result<(), Error> {
        let HookMessage { node, point, news } = message;
        let now = Timestamp::now();
        let failed;
        let event = match &news {
            HookNews::Cordoned => {
                self.cordoned.insert(node.clone());
                ReportEvent::Cordoned { node: &node }
            }
            HookNews::CordonedByOthers => ReportEvent::CordonedByOthers { node: &node },
            HookNews::Uncordoned => {
                self.cordoned.remove(&node);
                ReportEvent::Uncordoned { node: &node }
            }
            HookNews::Started => ReportEvent::HookStarted { node: &node, point },
            HookNews::Succeeded => ReportEvent::HookEnded { node: &node, point },
            HookNews::Line(line) => ReportEvent::HookLine { node: &node, point, line },
            HookNews::Ended(ended) => {
                failed = run.end_hook(&node, point, ended.clone(), now);
                match &failed {
                    Some(failed) => ReportEvent::NodeEvent(failed),
                    None => return Ok(()),
                }
            }
        };
        reporter.event(event, None, run, now)
    }

    /// Ends running hooks, and uncordons the nodes that this program has cordoned and on which nothing was replaced.
    pub(super) async fn end_hooks(&mut self, run: &Run, reporter: &mut Reporter) -> Result<(), Error> {
        // Running hooks end when the value is dropped.
        let Some(hooks) = self.hooks.take() else { return Ok(()) };
        let nodes: Vec<String> =
            run.left_cordoned().filter(|node| self.cordoned.contains(*node)).map(str::to_owned).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let limit = if self.stopped_by.is_some() { HURRIED_UNCORDON_LIMIT } else { UNCORDON_LIMIT };
        let failed = tokio::select! {
            failed = timeout(limit, hooks.uncordon(nodes.clone())) => failed.ok(),
            code = self.signals.next() => {
                self.stopped_by.get_or_insert(code);
                None
            }
        };
        for node in &nodes {
            let error = match &failed {
                Some(failed) => failed.iter().find(|(name, _)| name == node).map(|(_, error)| error.to_string()),
                None => Some("the API server did not respond in time".to_owned()),
            };
            match error {
                None => {
                    self.cordoned.remove(node);
                    reporter.event(ReportEvent::Uncordoned { node }, None, run, Timestamp::now())?;
                }
                Some(error) => terminal::note(&format!(
                    "cannot uncordon node {node}: {error}; run the same command again to uncordon it"
                )),
            }
        }
        Ok(())
    }
}

/// Checks by a dry run that nodes may be cordoned, if that is to be done.
///
/// # Errors
/// A missing permission, or any other error.
pub(super) async fn check_cordon(access: &Access, options: &CycleOptions, node: &str) -> Result<(), Error> {
    if options.policy.steps.cordon {
        access.cordon(node, &cordon_label(options), DryRun::Server).await?;
    }
    Ok(())
}

fn cordon_label(options: &CycleOptions) -> CordonLabel {
    let (namespace, name) = options.daemon_set();
    CordonLabel { key: CORDONED_FOR, value: cordon_mark(namespace, name) }
}
