//! The output options of `coverage`, and its exit code.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::command::args::names::without_type;
use crate::command::args::{Global, NodeFilter, OutputFormat, SortPath};
use crate::command::coverage::args::CoverageArgs;
use crate::command::sort_order::{permute, sort_order};
use crate::coverage::{Coverage, NodeCoverage, Threshold};
use crate::error::Error;
use crate::explain::State;
use crate::load::{Request, Source, hint, parse_selector};
use crate::render::ListLength;
use crate::render::ViewOptions;
use crate::render::coverage::{Report, by_node, groups, map, node_causes, nodes, summary_table};
use crate::render::document::{DocumentOptions, Rows, Sequence};
use crate::render::terminal::{self, ColorChoice};
use crate::render::{daemon_set_names, names};
use crate::snapshot::Snapshot;

/// The output options.
pub(super) struct CoverageOptions {
    output: Option<OutputFormat>,
    sort_by: Option<SortPath>,
    by: Option<String>,
    map: bool,
    only: BTreeSet<State>,
    /// Whether `--only` selects nodes with a pod of an old revision, too.
    only_outdated: bool,
    color: ColorChoice,
    headers: bool,
    unfolded: bool,
    /// Whether names were given: list every node.
    lists_nodes: bool,
    /// `--by-node`.
    lists_causes: bool,
    /// `-L`.
    label_columns: Vec<String>,
    with_namespace: bool,
    gate: Option<Gate>,
    /// Whether more documents follow.
    is_watch: bool,
}

/// `--min`. Without names, DaemonSets with 0 desired pods pass it.
#[derive(Clone, Copy)]
struct Gate {
    threshold: Threshold,
    allow_empty: bool,
}

/// Converts the arguments to a request and output options.
///
/// # Errors
/// A selector cannot be parsed.
pub(super) fn from_args(
    args: CoverageArgs,
    global: &Global,
    source: &Source,
) -> Result<(Request, CoverageOptions), Error> {
    let CoverageArgs {
        names,
        selector,
        nodes,
        by,
        by_node: lists_causes,
        map,
        only,
        unhealthy,
        all,
        min,
        allow_empty,
        label_columns,
        watch,
        output,
        sort_by,
        no_headers,
    } = args;
    if matches!(source, Source::Saved(_)) {
        // A live API server parses selectors itself and supports more of them.
        for text in [&selector, &nodes].into_iter().flatten() {
            parse_selector(text)?;
        }
    }
    let namespace = global.namespace_or(source.default_namespace());
    let names = without_type(names);
    let states: Vec<&[State]> = only
        .iter()
        .filter_map(|filter| match filter {
            NodeFilter::States(states) => Some(*states),
            NodeFilter::Outdated => None,
        })
        .collect();
    let options = CoverageOptions {
        output,
        sort_by,
        by,
        map,
        only: states.into_iter().chain(unhealthy.then_some(&State::UNHEALTHY[..])).flatten().copied().collect(),
        only_outdated: only.contains(&NodeFilter::Outdated),
        color: global.color,
        headers: !no_headers,
        unfolded: all,
        lists_nodes: !names.is_empty(),
        lists_causes,
        label_columns,
        with_namespace: namespace.is_none(),
        gate: min.map(|threshold| Gate { threshold, allow_empty: allow_empty || names.is_empty() }),
        is_watch: watch,
    };
    Ok((Request { selector, nodes, ..Request::new(namespace, names) }, options))
}

impl CoverageOptions {
    /// Writes the output.
    pub(super) fn render(
        &self,
        out: &mut impl Write,
        coverages: &[Coverage<'_>],
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        let gaps = snapshot.gaps();
        let of_interest: Vec<&Coverage<'_>> = coverages.iter().filter(|one| self.is_of_interest(one)).collect();
        match &self.output {
            Some(OutputFormat::Document(format)) => {
                let report = Report::new(&of_interest, |row| self.is_shown(row), &gaps, snapshot.as_of);
                let sequence = if self.is_watch { Sequence::Stream } else { Sequence::First };
                format.write(out, &report, DocumentOptions { sequence, rows: self.rows(), headers: self.headers })
            }
            Some(OutputFormat::Name) => self.names(out, &of_interest),
            Some(OutputFormat::Wide) | None => self.screen(out, coverages, &of_interest, snapshot),
        }
    }

    /// The rows of the table in the report.
    fn rows(&self) -> Rows {
        if self.lists_nodes { Rows::NODES } else { Rows::DAEMON_SETS }
    }

    /// Sorts the DaemonSets, or if names were given the nodes of each, by `--sort-by`.
    ///
    /// # Errors
    /// [`Error::Usage`]: no row has a value at the path, or the values cannot be compared.
    pub(super) fn sort(&self, coverages: &mut Vec<Coverage<'_>>, snapshot: &Snapshot) -> Result<(), Error> {
        let Some(path) = &self.sort_by else { return Ok(()) };
        let all: Vec<&Coverage<'_>> = coverages.iter().collect();
        let order = sort_order(path, &Report::new(&all, |_| true, &[], snapshot.as_of), self.rows())?;
        if !self.lists_nodes {
            permute(coverages, &order);
            return Ok(());
        }
        let mut start = 0;
        for coverage in coverages {
            let end = start + coverage.rows.len();
            let own = order.iter().filter(|row| (start..end).contains(*row)).map(|row| row - start);
            permute(&mut coverage.rows, &own.collect::<Vec<_>>());
            start = end;
        }
        Ok(())
    }

    fn screen(
        &self,
        out: &mut impl Write,
        coverages: &[Coverage<'_>],
        of_interest: &[&Coverage<'_>],
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        let wide = self.output.as_ref().is_some_and(OutputFormat::is_wide);
        let screen = ViewOptions {
            // Read on every redraw: the terminal may have been resized.
            style: terminal::style(self.color, ListLength::wide(wide)),
            wide,
            headers: self.headers,
            // Excluded nodes that were asked for are listed individually.
            unfolded: self.unfolded || self.only.contains(&State::Excluded) || self.sort_by.is_some(),
            is_sorted: self.sort_by.is_some(),
            now: snapshot.as_of,
        };
        if self.map {
            return map(out, coverages, self.by.as_deref(), |row| self.is_shown(row), screen);
        }
        if let Some(label) = &self.by {
            return groups(out, coverages, label, |row| self.is_shown(row), screen);
        }
        if self.lists_causes {
            return by_node(out, &node_causes(of_interest), screen);
        }
        if !self.lists_nodes {
            return summary_table(out, of_interest, self.with_namespace, screen);
        }
        for (index, coverage) in of_interest.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let shown: Vec<&NodeCoverage<'_>> = coverage.rows.iter().filter(|row| self.is_shown(row)).collect();
            nodes(out, coverage, &shown, &self.label_columns, screen)?;
        }
        Ok(())
    }

    /// Whether some node has the label of `--by`: a typo would otherwise look like a single group.
    ///
    /// # Errors
    /// No node has it.
    pub(super) fn check_label(&self, coverages: &[Coverage<'_>]) -> Result<(), Error> {
        let labels = || coverages.iter().flat_map(|coverage| &coverage.rows).filter_map(|row| row.labels);
        match &self.by {
            Some(label) if labels().next().is_some() && !labels().any(|labels| labels.get(label).is_some()) => {
                let keys: BTreeSet<&str> = labels().flat_map(|labels| labels.keys()).map(String::as_str).collect();
                Err(Error::NotFound {
                    message: format!("no node has the label {label:?} of --by"),
                    hint: hint(label, keys.into_iter(), "list the labels: kubectl get nodes --show-labels"),
                })
            }
            _ => Ok(()),
        }
    }

    /// A note if the filters leave no node.
    pub(super) fn empty_note(&self, coverages: &[Coverage<'_>]) -> Option<String> {
        let is_empty = !coverages.iter().flat_map(|coverage| &coverage.rows).any(|row| self.is_shown(row));
        let outdated = self.only_outdated.then_some("outdated");
        let states: Vec<&str> = self.only.iter().map(|state| state.name()).chain(outdated).collect();
        (is_empty && !states.is_empty()).then(|| format!("no nodes in state {}", states.join(" or ")))
    }

    /// DaemonSets that were named are always shown, others if at least one of their nodes is.
    fn is_of_interest(&self, coverage: &Coverage<'_>) -> bool {
        self.lists_nodes || !self.is_filtered() || coverage.rows.iter().any(|row| self.is_shown(row))
    }

    fn is_shown(&self, row: &NodeCoverage<'_>) -> bool {
        let is_outdated = || self.only_outdated && row.up_to_date == Some(false);
        !self.is_filtered() || self.only.contains(&row.state) || is_outdated()
    }

    fn is_filtered(&self) -> bool {
        !self.only.is_empty() || self.only_outdated
    }

    /// Writes the names of the DaemonSets; if names were given, of the nodes that the table would list.
    fn names(&self, out: &mut impl Write, of_interest: &[&Coverage<'_>]) -> io::Result<()> {
        let is_listed = |row: &&NodeCoverage<'_>| {
            let is_unfolded = self.unfolded || self.sort_by.is_some();
            let is_folded = row.state == State::Excluded && !self.is_filtered() && !is_unfolded;
            self.is_shown(row) && !is_folded
        };
        if self.lists_causes {
            let nodes: BTreeSet<&str> = node_causes(of_interest).iter().map(|cause| cause.node).collect();
            return names(out, "node", nodes.into_iter());
        }
        if self.lists_nodes {
            let rows = of_interest.iter().flat_map(|coverage| &coverage.rows).filter(is_listed);
            let mut written = BTreeSet::new();
            let mut nodes: Vec<&str> = rows.map(|row| row.node).filter(|node| written.insert(*node)).collect();
            if self.sort_by.is_none() {
                nodes.sort_unstable();
            }
            return names(out, "node", nodes.into_iter());
        }
        daemon_set_names(out, self.with_namespace, of_interest.iter().map(|one| (one.namespace(), one.name())))
    }

    /// 1 if a DaemonSet is below `--min`.
    ///
    /// # Errors
    /// [`Error::UndeterminedCoverage`], if objects that `--min` needs could not be read.
    pub(super) fn exit_code(&self, coverages: &[Coverage<'_>]) -> Result<ExitCode, Error> {
        let Some(Gate { threshold, allow_empty }) = self.gate else {
            return Ok(ExitCode::SUCCESS);
        };
        let mut is_met = !coverages.is_empty();
        let mut unjudged = None;
        for coverage in coverages {
            match threshold.is_met(&coverage.counts, allow_empty) {
                Some(true) => {}
                Some(false) => {
                    is_met = false;
                    terminal::note(&below_threshold(threshold, coverage));
                }
                None => unjudged = unjudged.or(Some(coverage)),
            }
        }
        match (is_met, unjudged) {
            (false, _) => Ok(ExitCode::from(1)),
            (true, Some(coverage)) => {
                Err(Error::UndeterminedCoverage { what: format!("{}/{}", coverage.namespace(), coverage.name()) })
            }
            (true, None) => Ok(ExitCode::SUCCESS),
        }
    }
}

fn below_threshold(threshold: Threshold, coverage: &Coverage<'_>) -> String {
    let counts = &coverage.counts;
    let name = format!("{}/{}", coverage.namespace(), coverage.name());
    match (counts.available.unwrap_or_default(), counts.desired.unwrap_or_default()) {
        (_, 0) => format!("{name} below {threshold}: 0 desired pods (pass --allow-empty to ignore)"),
        (available, desired) => format!("{name} below {threshold}: {available} of {desired} available"),
    }
}
