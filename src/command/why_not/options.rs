//! The output options of `why-not`, and what each of its forms loads.

use jiff::Timestamp;

use crate::admission::PredictedPod;
use crate::command::args::OutputFormat;
use crate::error::Error;
use crate::explain::diagnosis::{DaemonSetSelection, Diagnosis};
use crate::explain::log_excerpt::{LogExcerpt, crashed_containers};
use crate::load::node::NodeTarget;
use crate::load::predict::load_required_objects;
use crate::load::{Request, Source};
use crate::render::document::{DocumentOptions, Rows, Sequence};
use crate::render::terminal::{self, ColorChoice};
use crate::render::{ListLength, ViewOptions};
use crate::snapshot::node_snapshot::NodeSnapshot;

/// The output options.
pub(super) struct WhyNotOptions {
    pub(super) output: Option<OutputFormat>,
    pub(super) headers: bool,
    pub(super) color: ColorChoice,
    /// False with `--no-logs`.
    pub(super) with_logs: bool,
}

impl WhyNotOptions {
    pub(super) fn screen(&self, now: Timestamp) -> ViewOptions {
        let wide = self.output.as_ref().is_some_and(OutputFormat::is_wide);
        ViewOptions {
            style: terminal::style(self.color, ListLength::wide(wide)),
            wide,
            headers: self.headers,
            now,
            unfolded: false,
            is_sorted: false,
        }
    }

    /// For a document of one node.
    pub(super) fn document(&self, sequence: Sequence) -> DocumentOptions {
        DocumentOptions { sequence, rows: Rows::DAEMON_SETS, headers: self.headers }
    }

    /// The ends of the logs of crashed containers.
    pub(super) async fn logs(&self, source: &Source, diagnoses: &[Diagnosis<'_>]) -> Vec<LogExcerpt> {
        match self.with_logs && !self.is_names() {
            true => source.previous_logs(crashed_containers(diagnoses)).await,
            false => Vec::new(),
        }
    }

    pub(super) fn is_names(&self) -> bool {
        self.output.as_ref().is_some_and(OutputFormat::is_name)
    }
}

/// Loads what explains the DaemonSets on a node.
pub(super) async fn explain_node(
    source: &mut Source,
    request: &Request,
    node: &NodeTarget,
    selection: DaemonSetSelection,
) -> Result<(NodeSnapshot, Vec<Option<PredictedPod>>), Error> {
    let mut node_snapshot = source.node_snapshot(request, node).await?;
    let predicted = load_required_objects(source, &mut node_snapshot, selection).await?;
    Ok((node_snapshot, predicted))
}
