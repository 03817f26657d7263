//! `why-not ds/NAME`: every node on which the DaemonSet is not healthy, grouped by cause, each cause explained on one node.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use super::options::{WhyNotOptions, explain_node};
use crate::command::print;
use crate::coverage::{Coverage, compute_coverage};
use crate::error::Error;
use crate::explain::diagnosis::DaemonSetSelection;
use crate::load::node::NodeTarget;
use crate::load::{Request, Source};
use crate::render::why_not::causes::{Cause, causes, title};
use crate::render::why_not::{NodeView, WrittenFixes, diagnosis};
use crate::render::{ViewOptions, names, terminal};
use crate::rollout::event_query_of_all;
use crate::snapshot::DaemonSetName;

/// The number of causes that are explained; of the others, the command is shown.
const EXPLAINED: usize = 5;

/// Explains one DaemonSet.
pub(super) async fn run(
    source: &mut Source,
    name: DaemonSetName,
    namespace: Option<String>,
    options: &WhyNotOptions,
) -> Result<ExitCode, Error> {
    if options.structured().is_some() {
        return Err(Error::usage_of("why-not", "-o json and -o yaml explain a node: pass NODE and the DaemonSet"));
    }
    let request = Request::new(namespace, vec![name]);
    let snapshot = source.duplicate().snapshot(&request, event_query_of_all).await?;
    let gaps = snapshot.gaps();
    gaps.iter().for_each(|gap| terminal::note(gap));
    let screen = options.screen(snapshot.as_of);
    for (index, coverage) in compute_coverage(&snapshot).iter().enumerate() {
        if index > 0 {
            print(|out| writeln!(out))?;
        }
        let causes = causes(coverage);
        if options.is_names() {
            print(|out| names(out, "node", causes.iter().flat_map(|cause| &cause.nodes).map(String::as_str)))?;
            continue;
        }
        print(|out| title(out, coverage, &causes, screen))?;
        explain(source, coverage, &causes, options, &gaps, screen).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn explain(
    source: &Source,
    coverage: &Coverage<'_>,
    causes: &[Cause],
    options: &WhyNotOptions,
    known_gaps: &[String],
    screen: ViewOptions,
) -> Result<(), Error> {
    let name = DaemonSetName { namespace: Some(coverage.namespace().to_owned()), name: coverage.name().to_owned() };
    let mut written = WrittenFixes::new();
    let mut gaps: BTreeSet<String> = known_gaps.iter().cloned().collect();
    for (number, cause) in causes.iter().enumerate() {
        let Some(first) = cause.nodes.first() else { continue };
        let with_command = number >= EXPLAINED;
        print(|out| cause.heading(out, number + 1, with_command.then_some(coverage), screen))?;
        if with_command {
            continue;
        }
        let request = Request::new(None, vec![name.clone()]);
        let target = NodeTarget::Named(first.clone());
        let (node_snapshot, predicted) =
            explain_node(&mut source.duplicate(), &request, &target, DaemonSetSelection::Named).await?;
        let new = node_snapshot.gaps().into_iter().filter(|gap| gaps.insert(gap.clone()));
        new.for_each(|gap| terminal::note(&gap));
        let diagnoses = crate::explain::diagnosis::all(&node_snapshot, &predicted);
        let logs = options.logs(source, &diagnoses).await;
        let view = NodeView { node: first, logs: &logs, screen };
        print(|out| diagnoses.iter().try_for_each(|one| diagnosis(out, one, view, &mut written)))?;
        print(|out| cause.footer(out, screen))?;
    }
    Ok(())
}
