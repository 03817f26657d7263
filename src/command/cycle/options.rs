//! The options of `cycle`, converted from the command line.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::cluster::query::Scope;
use crate::command::args::names::only_name;
use crate::command::args::{Global, OutputFormat};
use crate::command::cycle::args::{CycleArgs, DryRun};
use crate::cycle::{LockWait, Observation, Policy, RemovalMethod, Steps};
use crate::error::Error;
use crate::load::{Request, Source, parse_selector, resolve_nodes};
use crate::render::command_line::CommandLine;
use crate::render::terminal::ColorChoice;
use crate::rollout::Strategy;
use crate::snapshot::{DaemonSetName, Node, selector};

/// All options of `cycle`.
pub(super) struct CycleOptions {
    pub(super) request: Request,
    pub(super) policy: Policy,
    /// The DaemonSets of `--require`, with their namespaces.
    pub(super) required: Vec<DaemonSetName>,
    pub(super) hook_commands: HookCommands,
    /// The limit of the whole run.
    pub(super) timeout: Option<Duration>,
    pub(super) mode: Mode,
    /// What to do while another run holds the lock; `None` with `--no-lock`.
    pub(super) lock: Option<LockWait>,
    pub(super) output: Option<OutputFormat>,
    /// `--diff`.
    pub(super) with_diff: bool,
    pub(super) color: ColorChoice,
}

impl CycleOptions {
    /// The namespace and the name of the DaemonSet.
    pub(super) fn daemon_set(&self) -> (&str, &str) {
        let name = self.request.names.first().map_or("", |name| name.name.as_str());
        (self.request.namespace.as_deref().unwrap_or_default(), name)
    }
}

/// The commands that run for each node.
#[derive(Clone, Debug)]
pub(super) struct HookCommands {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) timeout: Duration,
}

/// What to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Print the plan only.
    Plan,
    /// Submit server-side dry-run requests.
    ServerDryRun,
    /// Replace the pods, after a confirmation.
    Execute {
        /// `--yes`.
        confirmed: bool,
    },
}

/// Converts the arguments.
///
/// # Errors
/// A selector or node name matches no node; flags cannot be combined.
pub(super) async fn from_args(args: CycleArgs, global: &Global, source: &Source) -> Result<CycleOptions, Error> {
    global.check_one_daemon_set("cycle")?;
    let name = only_name(args.name.clone(), "cycle")?;
    let required = required_daemon_sets(&args, &name, global.namespace_or(source.default_namespace()))?;
    let CycleArgs { all, nodes, node, order, include_not_ready, max_unavailable, canary, soak, .. } = &args;
    let only = match (nodes, node.as_slice()) {
        (None, []) => None,
        (labels, names) => Some(asked_for(source, labels.as_deref(), names).await?),
    };
    Ok(CycleOptions {
        request: Request::new(global.namespace_or(source.default_namespace()), vec![name]),
        policy: Policy {
            all: *all,
            only,
            order: order.clone(),
            canary: canary.and_then(|size| usize::try_from(size).ok()),
            soak: soak.map(signed),
            max_unavailable: max_unavailable.clone(),
            min_ready: signed(args.min_ready),
            node_timeout: signed(args.node_timeout),
            max_failures: usize::try_from(args.max_failures).unwrap_or(usize::MAX),
            include_not_ready: *include_not_ready,
            include_maintenance: args.include_maintenance,
            removal: if args.evict { RemovalMethod::Evict } else { RemovalMethod::Delete },
            steps: Steps { before: args.before.is_some(), after: args.after.is_some(), cordon: args.cordon },
            requires: !required.is_empty(),
        },
        required,
        hook_commands: HookCommands { before: args.before, after: args.after, timeout: args.hook_timeout },
        timeout: args.timeout.filter(|limit| !limit.is_zero()),
        mode: match args.dry_run {
            Some(DryRun::Client) => Mode::Plan,
            Some(DryRun::Server) => Mode::ServerDryRun,
            Some(DryRun::None) | None => Mode::Execute { confirmed: args.yes },
        },
        lock: match args.wait_for_lock {
            _ if args.no_lock => None,
            None => Some(LockWait::GiveUp),
            Some(Duration::ZERO) => Some(LockWait::Wait),
            Some(limit) => Some(LockWait::WaitFor(limit)),
        },
        with_diff: args.diff,
        output: args.output,
        color: global.color,
    })
}

/// The DaemonSets of `--require`; those without a namespace are in the one of the DaemonSet.
///
/// # Errors
/// The DaemonSet requires itself.
fn required_daemon_sets(
    args: &CycleArgs,
    name: &DaemonSetName,
    namespace: Option<String>,
) -> Result<Vec<DaemonSetName>, Error> {
    let in_namespace = |one: &DaemonSetName| DaemonSetName {
        namespace: one.namespace.clone().or_else(|| name.namespace.clone()).or_else(|| namespace.clone()),
        name: one.name.clone(),
    };
    let own = in_namespace(name);
    let required: Vec<DaemonSetName> = args.require.iter().map(in_namespace).collect();
    if required.contains(&own) {
        return Err(Error::Usage {
            message: format!("--require {own}: a DaemonSet cannot require itself"),
            hint: "name another DaemonSet whose pod has to be available on each node".into(),
        });
    }
    Ok(required)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The names of the nodes selected by labels or by name.
async fn asked_for(source: &Source, labels: Option<&str>, names: &[String]) -> Result<BTreeSet<String>, Error> {
    let of = |nodes: &[Node]| nodes.iter().map(|node| node.metadata.name.clone()).collect::<BTreeSet<String>>();
    let there = match source {
        Source::Live(access) => {
            of(&access.bulk::<Node>(&Scope::Cluster, labels, |node| Some(node.compact())).await?.items)
        }
        Source::Saved(cluster_objects) => {
            let labels = labels.map(parse_selector).transpose()?;
            let mut nodes = cluster_objects.nodes.known().cloned().unwrap_or_default();
            nodes.retain(|node| labels.as_ref().is_none_or(|labels| selector::matches(labels, &node.metadata.labels)));
            of(&nodes)
        }
    };
    resolve_nodes(labels, names, there)
}

/// Rejects `RollingUpdate` without `--all`: the controller itself replaces outdated pods.
///
/// # Errors
/// The update strategy is not `OnDelete`, and `--all` was not given.
pub(super) fn check_strategy(observation: &Observation<'_>, policy: &Policy) -> Result<(), Error> {
    if policy.all || observation.status.strategy == Strategy::OnDelete {
        return Ok(());
    }
    let metadata = &observation.coverage.daemon_set.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
    Err(Error::Usage {
        message: format!(
            "{namespace}/{name} uses the RollingUpdate strategy: the controller replaces its outdated pods"
        ),
        hint: match CommandLine::own_program("rollout watch").name(name).namespace(namespace).offered() {
            Some(line) => format!("watch the rollout: {line}; to restart all pods gradually, pass --all"),
            None => "to restart all pods gradually, pass --all".into(),
        },
    })
}
