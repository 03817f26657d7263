//! What `coverage` is to show, and what it is to answer.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{CoverageArgs, Global, OutputFormat};
use crate::coverage::{Coverage, NodeCoverage, Threshold};
use crate::error::Error;
use crate::explain::State;
use crate::load::{Request, Source, parse_selector};
use crate::render::ListLength;
use crate::render::ViewOptions;
use crate::render::coverage::{Report, groups, map, nodes, summary_table};
use crate::render::terminal::{self, ColorChoice};
use crate::render::{names, structured};
use crate::snapshot::Snapshot;

/// The arguments as values that know nothing of the command line.
pub(super) struct CoverageOptions {
    output: Option<OutputFormat>,
    by: Option<String>,
    map: bool,
    only: BTreeSet<State>,
    color: ColorChoice,
    wide: bool,
    headers: bool,
    unfolded: bool,
    /// Names were given: a row for every node.
    by_node: bool,
    with_namespace: bool,
    gate: Option<Gate>,
    /// One document a line: there will be more of them.
    pub(super) is_watch: bool,
}

/// `--min` and `--allow-empty`.
#[derive(Clone, Copy)]
struct Gate {
    threshold: Threshold,
    allow_empty: bool,
}

/// Turns the arguments into what to load and what to show.
///
/// # Errors
/// A selector that cannot be read.
pub(super) fn from_args(
    args: CoverageArgs,
    global: &Global,
    source: &Source,
) -> Result<(Request, CoverageOptions), Error> {
    let CoverageArgs { names, selector, nodes, by, map, only, all, min, allow_empty, watch, output, no_headers } = args;
    if matches!(source, Source::Saved(_)) {
        // A live API server reads its selectors itself, and knows more of them.
        for text in [&selector, &nodes].into_iter().flatten() {
            parse_selector(text)?;
        }
    }
    // A script's empty variable names no namespace.
    let given = global.namespace.clone().filter(|name| !name.is_empty());
    let namespace = match global.all_namespaces {
        true => None,
        false => given.or_else(|| source.default_namespace()),
    };
    let options = CoverageOptions {
        output,
        by,
        map,
        only: only.into_iter().collect(),
        color: global.color,
        wide: output == Some(OutputFormat::Wide),
        headers: !no_headers,
        unfolded: all,
        by_node: !names.is_empty(),
        with_namespace: namespace.is_none(),
        gate: min.map(|threshold| Gate { threshold, allow_empty }),
        is_watch: watch,
    };
    Ok((Request { namespace, names, selector, nodes }, options))
}

impl CoverageOptions {
    /// Writes what was asked for.
    pub(super) fn render(
        &self,
        out: &mut impl Write,
        coverages: &[Coverage<'_>],
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        let gaps = snapshot.gaps();
        let of_interest: Vec<&Coverage<'_>> = coverages.iter().filter(|one| self.is_of_interest(one)).collect();
        let report = || Report::new(&of_interest, |row| self.is_shown(row), &gaps, snapshot.as_of);
        match self.output {
            Some(OutputFormat::Json) if self.is_watch => structured::json_line(out, &report()),
            Some(OutputFormat::Json) => structured::json(out, &report()),
            Some(OutputFormat::Yaml) if self.is_watch => {
                writeln!(out, "---")?;
                structured::yaml(out, &report())
            }
            Some(OutputFormat::Yaml) => structured::yaml(out, &report()),
            Some(OutputFormat::Name) => self.names(out, &of_interest),
            Some(OutputFormat::Wide) | None => self.screen(out, coverages, &of_interest, snapshot),
        }
    }

    fn screen(
        &self,
        out: &mut impl Write,
        coverages: &[Coverage<'_>],
        of_interest: &[&Coverage<'_>],
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        let screen = ViewOptions {
            // A terminal may have another size by now.
            style: terminal::style(self.color, ListLength::wide(self.wide)),
            wide: self.wide,
            headers: self.headers,
            // What was asked for by name is not folded away.
            unfolded: self.unfolded || !self.only.is_empty(),
            now: snapshot.as_of,
        };
        if self.map {
            return map(out, coverages, self.by.as_deref(), |row| self.is_shown(row), screen);
        }
        if let Some(label) = &self.by {
            return groups(out, coverages, label, |row| self.is_shown(row), screen);
        }
        if !self.by_node {
            return summary_table(out, of_interest, self.with_namespace, screen);
        }
        for (index, coverage) in of_interest.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let shown: Vec<&NodeCoverage<'_>> = coverage.rows.iter().filter(|row| self.is_shown(row)).collect();
            nodes(out, coverage, &shown, screen)?;
        }
        Ok(())
    }

    /// What to say where nothing is to be seen.
    pub(super) fn empty_note(&self, coverages: &[Coverage<'_>]) -> Option<String> {
        let is_empty = !coverages.iter().flat_map(|coverage| &coverage.rows).any(|row| self.is_shown(row));
        let states: Vec<&str> = self.only.iter().map(|state| state.name()).collect();
        (is_empty && !states.is_empty()).then(|| format!("no node is {}", states.join(" or ")))
    }

    /// DaemonSets that were named are always shown, others when they have a node that is.
    fn is_of_interest(&self, coverage: &Coverage<'_>) -> bool {
        self.by_node || self.only.is_empty() || coverage.rows.iter().any(|row| self.is_shown(row))
    }

    fn is_shown(&self, row: &NodeCoverage<'_>) -> bool {
        self.only.is_empty() || self.only.contains(&row.state)
    }

    /// DaemonSets; or, with names given, the nodes that the table would list.
    fn names(&self, out: &mut impl Write, of_interest: &[&Coverage<'_>]) -> io::Result<()> {
        let is_listed = |row: &&NodeCoverage<'_>| {
            let is_folded = row.state == State::Excluded && self.only.is_empty() && !self.unfolded;
            self.is_shown(row) && !is_folded
        };
        if self.by_node {
            let rows = of_interest.iter().flat_map(|coverage| &coverage.rows).filter(is_listed);
            let nodes: BTreeSet<&str> = rows.map(|row| row.node).collect();
            return names(out, "node", nodes.into_iter());
        }
        names(out, "daemonset.apps", of_interest.iter().map(|coverage| coverage.name()))
    }

    /// 1 when a gate is asked for and anything is short of it.
    ///
    /// # Errors
    /// The gate cannot be judged: facts are missing.
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
                Err(Error::Unjudged { what: format!("{}/{}", coverage.namespace(), coverage.name()) })
            }
            (true, None) => Ok(ExitCode::SUCCESS),
        }
    }
}

fn below_threshold(threshold: Threshold, coverage: &Coverage<'_>) -> String {
    let counts = &coverage.counts;
    let name = format!("{}/{}", coverage.namespace(), coverage.name());
    match (counts.available.unwrap_or_default(), counts.desired.unwrap_or_default()) {
        (_, 0) => format!("{name} wants no node, which counts as short of {threshold} (--allow-empty lets it pass)"),
        (available, desired) => format!("{name} is short of {threshold}: {available} of {desired} available"),
    }
}
