//! The options of `logs`, converted from the command line.

use super::args::LogsArgs;
use crate::cluster::log_stream::Since;
use crate::command::args::Global;
use crate::command::args::names::daemon_set_and_nodes;
use crate::error::Error;
use crate::load::Request;
use crate::logs::{ContainerChoice, RunChoice};
use crate::render::terminal::ColorChoice;
use crate::snapshot::DaemonSetName;

/// The number of lines of each log, if several nodes are selected: as kubectl's with a selector
/// (`pkg/cmd/logs/logs.go` `selectorTail`).
pub(super) const SELECTOR_TAIL: u64 = 10;

/// All options of `logs`.
pub(super) struct LogsOptions {
    name: DaemonSetName,
    /// The names of the nodes; empty for all.
    pub(super) names: Vec<String>,
    labels: Option<String>,
    pub(super) trouble: bool,
    pub(super) containers: ContainerChoice,
    pub(super) run: RunChoice,
    pub(super) follow: bool,
    tail: Tail,
    pub(super) since: Option<Since>,
    pub(super) timestamps: bool,
    pub(super) limit_bytes: Option<u64>,
    pub(super) max_log_requests: usize,
    pub(super) color: ColorChoice,
}

/// `--tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Default,
    All,
    Lines(u64),
}

impl LogsOptions {
    /// Converts the arguments.
    ///
    /// # Errors
    /// Flags cannot be combined; a name is invalid.
    pub(super) fn from_args(args: LogsArgs, global: &Global) -> Result<Self, Error> {
        global.check_live_daemon_set("logs")?;
        let (name, names) = daemon_set_and_nodes(args.name, args.node)?;
        let since =
            args.since.map(|since| Since::Seconds(since.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)));
        Ok(Self {
            name,
            names,
            labels: args.nodes,
            trouble: args.trouble,
            containers: match (args.container, args.all_containers) {
                (Some(name), _) => ContainerChoice::Named(name),
                (None, true) => ContainerChoice::All,
                (None, false) => ContainerChoice::Default,
            },
            run: match (args.trouble, args.previous) {
                (true, _) => RunChoice::Crashed,
                (false, true) => RunChoice::Previous,
                (false, false) => RunChoice::Current,
            },
            follow: args.follow,
            tail: match args.tail.map(u64::try_from) {
                None => Tail::Default,
                Some(Ok(lines)) => Tail::Lines(lines),
                Some(Err(_)) => Tail::All,
            },
            since: since.or(args.since_time.map(Since::Time)),
            timestamps: args.timestamps,
            limit_bytes: args.limit_bytes,
            max_log_requests: usize::from(args.max_log_requests),
            color: global.color,
        })
    }

    pub(super) fn request(&self, global: &Global, default_namespace: Option<String>) -> Request {
        let request = Request::new(global.namespace_or(default_namespace), vec![self.name.clone()]);
        Request { nodes: self.labels.clone(), ..request }
    }

    /// The number of lines of each log.
    pub(super) fn tail_lines(&self, has_several_nodes: bool) -> Option<u64> {
        match self.tail {
            Tail::Lines(lines) => Some(lines),
            Tail::Default if has_several_nodes && self.since.is_none() => Some(SELECTOR_TAIL),
            Tail::Default | Tail::All => None,
        }
    }
}
