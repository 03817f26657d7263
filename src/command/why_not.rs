//! `kubectl ds why-not`.

pub(crate) mod args;
mod daemon_set;
mod options;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use self::options::{WhyNotOptions, explain_node};
use super::print;
use crate::cluster::file::{self, Detail};
use crate::command::args::names::{is_daemon_set_type, is_node_type, only_name, without_type};
use crate::command::args::{Global, OutputFormat, daemon_set_name, node_name};
use crate::command::why_not::args::WhyNotArgs;
use crate::error::Error;
use crate::explain;
use crate::explain::diagnosis::{DaemonSetSelection, Diagnosis, Verdict};
use crate::load::node::NodeTarget;
use crate::load::{Request, Source, open, parse_selector};
use crate::program;
use crate::render;
use crate::render::document::Sequence;
use crate::render::terminal;
use crate::render::why_not::{NodeView, Report, WrittenFixes, diagnosis, overview};
use crate::snapshot::{DaemonSetName, Node};

/// Runs `why-not`.
pub(crate) async fn run(args: WhyNotArgs, global: Global) -> Result<ExitCode, Error> {
    let target = parse_target(&args)?;
    let mut source = open(&global.from, &global.access(), Detail::Scheduling).await?;
    let options =
        WhyNotOptions { output: args.output, headers: !args.no_headers, color: global.color, with_logs: !args.no_logs };
    match target {
        Target::DaemonSet(name) => {
            let namespace = global.namespace_or(source.default_namespace());
            daemon_set::run(&mut source, name, namespace, &options).await
        }
        Target::Nodes(nodes, names) => {
            let request = Request { selector: args.selector, ..Request::new(global.namespace_or(None), names) };
            if let Source::Saved(_) = source
                && let Some(selector) = &request.selector
            {
                parse_selector(selector)?;
            }
            if let [node] = nodes.as_slice()
                && source.has_saved_node(node)
            {
                node_report(&mut source, &request, node, &options, false).await?;
                return Ok(ExitCode::SUCCESS);
            }
            let is_one = nodes.len() == 1;
            for (index, node) in nodes.iter().enumerate() {
                let mut one = source.duplicate();
                match node_report(&mut one, &request, node, &options, index > 0).await {
                    // A single word may also be the name of a DaemonSet.
                    Err(error @ Error::NotFound { .. }) if is_one && request.names.is_empty() => {
                        let NodeTarget::Named(name) = node else { return Err(error) };
                        let name = DaemonSetName { namespace: None, name: name.clone() };
                        let namespace = global.namespace_or(None);
                        return match daemon_set::run(&mut source, name, namespace, &options).await {
                            Err(of_daemon_set @ Error::NotFound { .. }) => Err(Error::NotFound {
                                message: error.to_string(),
                                hint: format!(
                                    "for a DaemonSet: {}; for a node: {}",
                                    of_daemon_set.hint(),
                                    error.hint()
                                ),
                            }),
                            result => result,
                        };
                    }
                    result => result?,
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Explains the DaemonSets on one node.
async fn node_report(
    source: &mut Source,
    request: &Request,
    node: &NodeTarget,
    options: &WhyNotOptions,
    is_next: bool,
) -> Result<(), Error> {
    let selection = match request.names.is_empty() {
        true => DaemonSetSelection::All,
        false => DaemonSetSelection::Named,
    };
    let (node_snapshot, predicted) = explain_node(source, request, node, selection).await?;
    let gaps = node_snapshot.gaps();
    gaps.iter().for_each(|gap| terminal::note(gap));
    if node_snapshot.daemon_sets.is_empty() {
        terminal::note(&source.none_found(request).await);
    }
    let diagnoses = explain::diagnosis::all(&node_snapshot, &predicted);
    let logs = options.logs(source, &diagnoses).await;
    let screen = options.screen(node_snapshot.as_of);
    let node = &node_snapshot.node.metadata.name;
    print(|out| match &options.output {
        Some(OutputFormat::Document(format)) => {
            let report = Report::new(node, &diagnoses, &logs, &gaps, node_snapshot.as_of);
            let sequence = if is_next { Sequence::Next } else { Sequence::First };
            format.write(out, &report, options.document(sequence))
        }
        Some(OutputFormat::Name) => {
            let unhealthy = diagnoses
                .iter()
                .filter(|diagnosis| matches!(diagnosis.verdict, Verdict::Blocked | Verdict::NotHealthy));
            let names = unhealthy.map(|diagnosis| (diagnosis.namespace(), diagnosis.name()));
            render::daemon_set_names(out, request.namespace.is_none(), names)
        }
        Some(OutputFormat::Wide) | None => {
            if is_next {
                writeln!(out)?;
            }
            if selection == DaemonSetSelection::All {
                overview(out, &diagnoses, &node_snapshot.node, request.namespace.is_none(), screen)?;
            }
            details(out, &diagnoses, NodeView { node, logs: &logs, screen }, selection)
        }
    })?;
    Ok(())
}

/// Writes the checks of each DaemonSet that was named, or that is unhealthy.
fn details(
    out: &mut impl Write,
    diagnoses: &[Diagnosis<'_>],
    view: NodeView<'_>,
    selection: DaemonSetSelection,
) -> std::io::Result<()> {
    let is_unhealthy = |diagnosis: &&Diagnosis<'_>| matches!(diagnosis.verdict, Verdict::Blocked | Verdict::NotHealthy);
    let mut shown: Vec<&Diagnosis<'_>> = diagnoses
        .iter()
        .filter(|diagnosis| selection == DaemonSetSelection::Named || is_unhealthy(diagnosis))
        .collect();
    shown.sort_by_key(|diagnosis| (diagnosis.verdict, diagnosis.namespace(), diagnosis.name()));
    let mut written = WrittenFixes::new();
    for (index, one) in shown.into_iter().enumerate() {
        if index > 0 || selection == DaemonSetSelection::All {
            writeln!(out)?;
        }
        diagnosis(out, one, view, &mut written)?;
    }
    Ok(())
}

/// What the positional arguments name.
enum Target {
    /// Nodes, and the DaemonSets to explain there; all if none is named.
    Nodes(Vec<NodeTarget>, Vec<DaemonSetName>),
    DaemonSet(DaemonSetName),
}

/// Parses the positional arguments: `NODE[,NODE…] [NAME…]`, `node/NODE… [NAME…]`, or one DaemonSet as `TYPE/NAME`,
/// `TYPE NAME` or `NAMESPACE/NAME`.
fn parse_target(args: &WhyNotArgs) -> Result<Target, Error> {
    let usage = |message: String| Error::Usage {
        message,
        hint: format!("usage: {0} why-not NODE [NAME…], or {0} why-not ds/NAME", program::name()),
    };
    let names = |words: &[String]| -> Result<Vec<DaemonSetName>, Error> {
        let name = |word: &String| daemon_set_name(word).map_err(|fault| usage(format!("{word:?}: {fault}")));
        words.iter().map(name).collect::<Result<_, _>>().map(without_type)
    };
    if let Some(file) = &args.node_file {
        return Ok(Target::Nodes(vec![NodeTarget::Planned(Box::new(planned(file)?))], names(&args.targets)?));
    }
    match args.targets.as_slice() {
        [kind, name] if is_daemon_set_type(kind) => return names(std::slice::from_ref(name)).and_then(one_of),
        [name] if name.contains('/') && node_name(name).is_err() && daemon_set_name(name).is_ok() => {
            return names(std::slice::from_ref(name)).and_then(one_of);
        }
        _ => {}
    }
    let words = match args.targets.split_first() {
        Some((first, rest)) if is_node_type(first) && !rest.is_empty() => rest,
        _ => &args.targets,
    };
    let (first, rest) = words.split_first().ok_or_else(|| usage("a node is required".into()))?;
    // Further nodes are marked: node/NAME.
    let more = rest.iter().take_while(|word| word.contains('/') && node_name(word).is_ok()).count();
    let (more, rest) = rest.split_at(more);
    let node = |word: &str| {
        let name = node_name(word).map_err(|fault| usage(format!("{word:?}: {fault}")))?;
        Ok::<NodeTarget, Error>(NodeTarget::Named(name))
    };
    let nodes = first.split(',').chain(more.iter().map(String::as_str)).map(node).collect::<Result<_, _>>()?;
    Ok(Target::Nodes(nodes, names(rest)?))
}

fn one_of(names: Vec<DaemonSetName>) -> Result<Target, Error> {
    only_name(names, "why-not").map(Target::DaemonSet)
}

/// Reads the Node of `--node-file`.
pub(super) fn planned(path: &Path) -> Result<Node, Error> {
    let name = path.display().to_string();
    let mut nodes = file::read(&[path.to_owned()], Detail::Placement)?.into_objects().nodes;
    let found = nodes.known().map_or(0, Vec::len);
    match (&mut nodes, found) {
        (crate::snapshot::Known::Known(nodes), 1) => {
            let mut node = nodes.swap_remove(0);
            if node.metadata.name.is_empty() {
                node.metadata.name = "new-node".into();
            }
            Ok(node)
        }
        _ => Err(Error::File {
            file: name,
            message: format!("must contain exactly one Node (found {found})"),
            hint: "start from a similar node: kubectl get node NAME -o yaml > FILE".into(),
        }),
    }
}
