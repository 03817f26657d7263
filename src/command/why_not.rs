//! `kubectl ds why-not`.

pub(crate) mod args;

use std::path::Path;
use std::process::ExitCode;

use super::print;
use crate::cluster::file::{self, Detail};
use crate::command::args::names::{is_node_type, without_type};
use crate::command::args::{Global, OutputFormat, daemon_set_name, node_name};
use crate::command::why_not::args::WhyNotArgs;
use crate::error::Error;
use crate::explain;
use crate::explain::diagnosis::{DaemonSetSelection, Diagnosis, Verdict};
use crate::load::node::NodeTarget;
use crate::load::predict::load_required_objects;
use crate::load::{Request, open};
use crate::program;
use crate::render::ListLength;
use crate::render::ViewOptions;
use crate::render::terminal;
use crate::render::why_not::{Report, WrittenFixes, diagnosis, overview};
use crate::render::{self, structured};
use crate::snapshot::{DaemonSetName, Node};

/// Runs `why-not`.
pub(crate) async fn run(args: WhyNotArgs, global: Global) -> Result<ExitCode, Error> {
    let (which, names) = parse_target(&args)?;
    let mut source = open(&global.from, &global.access(), Detail::Scheduling).await?;
    let selection = if names.is_empty() { DaemonSetSelection::All } else { DaemonSetSelection::Named };
    let request = Request::new(global.namespace_or(None), names);
    let mut node_snapshot = source.node_snapshot(&request, &which).await?;
    let predicted = load_required_objects(&source, &mut node_snapshot, selection).await?;
    let gaps = node_snapshot.gaps();
    for gap in &gaps {
        terminal::note(gap);
    }
    if node_snapshot.daemon_sets.is_empty() {
        terminal::note(&source.none_found(&request).await);
    }
    let diagnoses = explain::diagnosis::all(&node_snapshot, &predicted);
    let screen = ViewOptions {
        style: terminal::style(global.color, ListLength::wide(args.output == Some(OutputFormat::Wide))),
        wide: args.output == Some(OutputFormat::Wide),
        headers: !args.no_headers,
        now: node_snapshot.as_of,
        unfolded: false,
    };
    let node = &node_snapshot.node.metadata.name;
    print(|out| match args.output {
        Some(OutputFormat::Json) => structured::json(out, &Report::new(node, &diagnoses, &gaps, node_snapshot.as_of)),
        Some(OutputFormat::Yaml) => structured::yaml(out, &Report::new(node, &diagnoses, &gaps, node_snapshot.as_of)),
        Some(OutputFormat::Name) => {
            let unhealthy = diagnoses
                .iter()
                .filter(|diagnosis| matches!(diagnosis.verdict, Verdict::Blocked | Verdict::NotHealthy));
            let names = unhealthy.map(|diagnosis| (diagnosis.namespace(), diagnosis.name()));
            render::daemon_set_names(out, request.namespace.is_none(), names)
        }
        Some(OutputFormat::Wide) | None => {
            if selection == DaemonSetSelection::All {
                overview(out, &diagnoses, &node_snapshot.node, request.namespace.is_none(), screen)?;
            }
            details(out, &diagnoses, node, selection, screen)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the checks of each DaemonSet that was named, or that is unhealthy.
fn details(
    out: &mut impl std::io::Write,
    diagnoses: &[Diagnosis<'_>],
    node: &str,
    selection: DaemonSetSelection,
    screen: ViewOptions,
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
        diagnosis(out, one, node, screen, &mut written)?;
    }
    Ok(())
}

/// Parses the positional arguments into the node and the names of the DaemonSets.
fn parse_target(args: &WhyNotArgs) -> Result<(NodeTarget, Vec<DaemonSetName>), Error> {
    let usage = |message: String| Error::Usage {
        message,
        hint: format!("usage: {} why-not NODE [NAME…], see --help", program::name()),
    };
    let names = |words: &[String]| -> Result<Vec<DaemonSetName>, Error> {
        let name = |word: &String| daemon_set_name(word).map_err(|fault| usage(format!("{word:?}: {fault}")));
        words.iter().map(name).collect::<Result<_, _>>().map(without_type)
    };
    if let Some(file) = &args.node_file {
        return Ok((NodeTarget::Planned(Box::new(planned(file)?)), names(&args.targets)?));
    }
    let words = match args.targets.split_first() {
        Some((first, rest)) if is_node_type(first) && !rest.is_empty() => rest,
        _ => &args.targets,
    };
    let (node, rest) = words.split_first().ok_or_else(|| usage("a node is required".into()))?;
    let node = node_name(node).map_err(|fault| usage(format!("{node:?}: {fault}")))?;
    Ok((NodeTarget::Named(node), names(rest)?))
}

/// Reads the Node of `--node-file`.
fn planned(path: &Path) -> Result<Node, Error> {
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
