//! What was asked for, as values that know nothing of the command line.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::cli::cycle::{CycleArgs, DryRun};
use crate::cli::{Global, StructuredFormat};
use crate::cluster::list::Scope;
use crate::cycle::{LockPatience, Observation, Policy, RemovalMethod};
use crate::error::Error;
use crate::load::{Request, Source, parse_selector, resolve_nodes};
use crate::render::command_line::CommandLine;
use crate::render::terminal::ColorChoice;
use crate::rollout::Strategy;
use crate::snapshot::{Node, selector};

/// What the user wants, all of it.
pub(super) struct CycleOptions {
    pub(super) request: Request,
    pub(super) policy: Policy,
    pub(super) mode: Mode,
    /// What to do while another run holds the lock; none where no lock is wanted.
    pub(super) lock: Option<LockPatience>,
    pub(super) output: Option<StructuredFormat>,
    pub(super) color: ColorChoice,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The plan alone.
    Plan,
    /// Each removal as a dry run.
    ServerDryRun,
    /// All of it, and a question first unless that was answered.
    Execute {
        /// `--yes`.
        confirmed: bool,
    },
}

/// Turns the arguments into what to load and what to do.
///
/// # Errors
/// A selector or the name of a node that matches nothing; flags that do not go together.
pub(super) async fn from_args(args: CycleArgs, global: &Global, source: &Source) -> Result<CycleOptions, Error> {
    if global.all_namespaces {
        return Err(Error::Usage {
            message: "cycle replaces the pods of one DaemonSet, so it does not take --all-namespaces".into(),
            hint: "name its namespace with -n".into(),
        });
    }
    let CycleArgs { name, all, nodes, node, order, include_not_ready, max_unavailable, canary, soak, .. } = &args;
    let only = match (nodes, node.as_slice()) {
        (None, []) => None,
        (labels, names) => Some(asked_for(source, labels.as_deref(), names).await?),
    };
    let given = global.namespace.clone().filter(|name| !name.is_empty());
    let namespace = given.or_else(|| source.default_namespace());
    Ok(CycleOptions {
        request: Request { namespace, names: vec![name.clone()], ..Request::default() },
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
            removal: if args.evict { RemovalMethod::Evict } else { RemovalMethod::Delete },
        },
        mode: match args.dry_run {
            Some(DryRun::Client) => Mode::Plan,
            Some(DryRun::Server) => Mode::ServerDryRun,
            Some(DryRun::None) | None => Mode::Execute { confirmed: args.yes },
        },
        lock: match args.wait_for_lock {
            _ if args.no_lock => None,
            None => Some(LockPatience::GiveUp),
            Some(Duration::ZERO) => Some(LockPatience::Wait),
            Some(limit) => Some(LockPatience::WaitFor(limit)),
        },
        output: args.output,
        color: global.color,
    })
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The names of the nodes that were asked for, by labels or by name.
async fn asked_for(source: &Source, labels: Option<&str>, names: &[String]) -> Result<BTreeSet<String>, Error> {
    let of = |nodes: &[Node]| nodes.iter().map(|node| node.metadata.name.clone()).collect::<BTreeSet<String>>();
    let there = match source {
        Source::Live(access) => {
            of(&access.bulk::<Node>(&Scope::Cluster, labels, |node| Some(node.compact())).await?.items)
        }
        Source::Saved(facts) => {
            let labels = labels.map(parse_selector).transpose()?;
            let mut nodes = facts.nodes.known().cloned().unwrap_or_default();
            nodes.retain(|node| labels.as_ref().is_none_or(|labels| selector::matches(labels, &node.metadata.labels)));
            of(&nodes)
        }
    };
    resolve_nodes(labels, names, there)
}

/// Under another strategy than `OnDelete` the controller replaces old pods itself.
///
/// # Errors
/// It is another one, and a paced restart was not asked for.
pub(super) fn check_strategy(observation: &Observation<'_>, policy: &Policy) -> Result<(), Error> {
    if policy.all || observation.status.strategy == Strategy::OnDelete {
        return Ok(());
    }
    let metadata = &observation.coverage.daemon_set.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
    Err(Error::Usage {
        message: format!(
            "the update strategy of {namespace}/{name} is RollingUpdate: the controller replaces its old pods by itself"
        ),
        hint: match CommandLine::own_program("rollout watch").name(name).namespace(namespace).offered() {
            Some(line) => format!("follow it: {line}; for a paced restart of all its pods add --all"),
            None => "for a paced restart of all its pods add --all".into(),
        },
    })
}
