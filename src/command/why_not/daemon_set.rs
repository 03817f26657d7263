//! `why-not ds/NAME`: every node on which the DaemonSet is not healthy, grouped by cause. Text explains each cause on one of
//! its nodes; documents explain it on all of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use super::options::{WhyNotOptions, explain_node};
use crate::admission::PredictedPod;
use crate::command::args::OutputFormat;
use crate::command::print;
use crate::coverage::{Coverage, compute_coverage};
use crate::error::Error;
use crate::explain::diagnosis::{DaemonSetSelection, Diagnosis};
use crate::load::node::NodeTarget;
use crate::load::{Request, Source};
use crate::render::document::{DocumentFormat, Sequence};
use crate::render::why_not::causes::{Cause, causes, summary, title};
use crate::render::why_not::{NodeView, Report, WrittenFixes, diagnosis};
use crate::render::{ViewOptions, names, terminal};
use crate::rollout::event_query_of_all;
use crate::snapshot::DaemonSetName;
use crate::snapshot::node_snapshot::NodeSnapshot;

/// The number of causes that are explained; of the others, the command is shown.
const EXPLAINED: usize = 5;

/// Explains one DaemonSet.
pub(super) async fn run(
    source: &mut Source,
    name: DaemonSetName,
    namespace: Option<String>,
    options: &WhyNotOptions,
) -> Result<ExitCode, Error> {
    let request = Request::new(namespace, vec![name]);
    let snapshot = source.duplicate().snapshot(&request, event_query_of_all).await?;
    let gaps = snapshot.gaps();
    gaps.iter().for_each(|gap| terminal::note(gap));
    let screen = options.screen(snapshot.as_of);
    let mut sequence = Sequence::First;
    for (index, coverage) in compute_coverage(&snapshot).iter().enumerate() {
        let causes = causes(coverage);
        if let Some(OutputFormat::Document(format)) = &options.output {
            documents(source, coverage, &causes, options, (format, &mut sequence)).await?;
            continue;
        }
        if index > 0 {
            print(|out| writeln!(out))?;
        }
        if options.is_names() {
            print(|out| names(out, "node", causes.iter().flat_map(|cause| &cause.nodes).map(String::as_str)))?;
            continue;
        }
        print(|out| title(out, coverage, &causes, screen))?;
        explain(source, coverage, &causes, options, &gaps, screen).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a document for every node, those with the same cause one after another.
async fn documents(
    source: &Source,
    coverage: &Coverage<'_>,
    causes: &[Cause],
    options: &WhyNotOptions,
    (format, sequence): (&DocumentFormat, &mut Sequence),
) -> Result<(), Error> {
    if causes.is_empty() {
        terminal::note(&summary(coverage, causes));
    }
    for (cause, node) in causes.iter().flat_map(|cause| cause.nodes.iter().map(move |node| (cause, node))) {
        let explained = Explained::load(source, coverage, node).await?;
        let diagnoses = explained.diagnoses();
        let logs = options.logs(source, &diagnoses).await;
        let gaps = explained.node_snapshot.gaps();
        let report = Report::new(node, &diagnoses, &logs, &gaps, explained.node_snapshot.as_of).with_cause(cause);
        print(|out| format.write(out, &report, options.document(*sequence)))?;
        *sequence = Sequence::Next;
    }
    Ok(())
}

/// The DaemonSet on one node.
struct Explained {
    node_snapshot: NodeSnapshot,
    predicted: Vec<Option<PredictedPod>>,
}

impl Explained {
    async fn load(source: &Source, coverage: &Coverage<'_>, node: &str) -> Result<Self, Error> {
        let (namespace, name) = (Some(coverage.namespace().to_owned()), coverage.name().to_owned());
        let request = Request::new(None, vec![DaemonSetName { namespace, name }]);
        let target = NodeTarget::Named(node.to_owned());
        let (node_snapshot, predicted) =
            explain_node(&mut source.duplicate(), &request, &target, DaemonSetSelection::Named).await?;
        Ok(Self { node_snapshot, predicted })
    }

    fn diagnoses(&self) -> Vec<Diagnosis<'_>> {
        crate::explain::diagnosis::all(&self.node_snapshot, &self.predicted)
    }
}

async fn explain(
    source: &Source,
    coverage: &Coverage<'_>,
    causes: &[Cause],
    options: &WhyNotOptions,
    known_gaps: &[String],
    screen: ViewOptions,
) -> Result<(), Error> {
    let mut written = WrittenFixes::new();
    let mut gaps: BTreeSet<String> = known_gaps.iter().cloned().collect();
    for (number, cause) in causes.iter().enumerate() {
        let Some(first) = cause.nodes.first() else { continue };
        let with_command = number >= EXPLAINED;
        print(|out| cause.heading(out, number + 1, with_command.then_some(coverage), screen))?;
        if with_command {
            continue;
        }
        let explained = Explained::load(source, coverage, first).await?;
        let new = explained.node_snapshot.gaps().into_iter().filter(|gap| gaps.insert(gap.clone()));
        new.for_each(|gap| terminal::note(&gap));
        let diagnoses = explained.diagnoses();
        let logs = options.logs(source, &diagnoses).await;
        let view = NodeView { node: first, logs: &logs, screen };
        print(|out| diagnoses.iter().try_for_each(|one| diagnosis(out, one, view, &mut written)))?;
        print(|out| cause.footer(out, screen))?;
    }
    Ok(())
}
