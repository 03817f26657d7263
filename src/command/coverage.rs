//! `kubectl ds coverage`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::load::{About, Request, Source, open, written};
use super::print;
use crate::cli::{CoverageArgs, Global, OutputFormat};
use crate::coverage::{Coverage, Row, Threshold, cover};
use crate::error::Error;
use crate::explain::State;
use crate::render::coverage::{Report, Screen, fleet, groups, map, names, nodes};
use crate::render::{structured, terminal};
use crate::snapshot::Snapshot;

/// What is to be shown, and how.
struct Policy {
    output: Option<OutputFormat>,
    by: Option<String>,
    map: bool,
    only: Vec<State>,
    screen: Screen,
    /// Names were given: a row for every node.
    by_node: bool,
    with_namespace: bool,
    gate: Option<(Threshold, bool)>,
}

/// Loads, decides, renders.
///
/// # Errors
/// What keeps the command from an answer.
pub(crate) async fn run(args: CoverageArgs, global: Global) -> Result<ExitCode, Error> {
    let mut source = open(&global.from, &global.access()).await?;
    let (request, policy) = understand(args, &global, &source)?;
    let mut snapshot = source.snapshot(&request).await?;
    if cover(&snapshot).iter().any(Coverage::wants_events) {
        let about = if policy.by_node {
            About::Pods
        } else {
            About::DaemonSets
        };
        source.add_events(&mut snapshot, &request, about).await?;
    }
    let gaps = snapshot.gaps();
    for gap in &gaps {
        terminal::note(gap);
    }
    if snapshot.daemon_sets.is_empty() {
        terminal::note(&format!(
            "no DaemonSets found in {}",
            source.place(&request)
        ));
    }
    let coverages = cover(&snapshot);
    print(|out| policy.render(out, &coverages, &gaps, &snapshot))?;
    policy.exit_code(&coverages)
}

/// Turns the arguments into values that know nothing of the command line.
fn understand(
    args: CoverageArgs,
    global: &Global,
    source: &Source,
) -> Result<(Request, Policy), Error> {
    let CoverageArgs {
        names,
        selector,
        nodes,
        by,
        map,
        only,
        all,
        min,
        allow_empty,
        watch: _,
        output,
        no_headers,
    } = args;
    for text in [&selector, &nodes].into_iter().flatten() {
        written(text)?;
    }
    let namespace = match global.all_namespaces {
        true => None,
        false => global
            .namespace
            .clone()
            .or_else(|| source.default_namespace()),
    };
    let wide = output == Some(OutputFormat::Wide);
    let policy = Policy {
        output,
        by,
        map,
        only,
        by_node: !names.is_empty(),
        with_namespace: namespace.is_none(),
        gate: min.map(|min| (min, allow_empty)),
        screen: Screen {
            style: terminal::style(global.color),
            wide,
            titles: !no_headers,
            unfolded: all,
            now: jiff::Timestamp::UNIX_EPOCH,
        },
    };
    Ok((
        Request {
            namespace,
            names,
            selector,
            nodes,
        },
        policy,
    ))
}

impl Policy {
    fn render(
        &self,
        out: &mut impl Write,
        coverages: &[Coverage<'_>],
        gaps: &[String],
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        let now = snapshot.as_of;
        let is_shown = |row: &Row<'_>| self.only.is_empty() || self.only.contains(&row.state);
        match self.output {
            Some(OutputFormat::Json) => {
                return structured::json(out, &Report::of(coverages, is_shown, gaps, now));
            }
            Some(OutputFormat::Yaml) => {
                return structured::yaml(out, &Report::of(coverages, is_shown, gaps, now));
            }
            Some(OutputFormat::Name) => return self.names(out, coverages),
            Some(OutputFormat::Wide) | None => {}
        }
        let screen = Screen { now, ..self.screen };
        if self.map {
            return map(out, coverages, self.by.as_deref(), screen);
        }
        if let Some(label) = &self.by {
            return groups(out, coverages, label, screen);
        }
        if !self.by_node {
            return fleet(out, coverages, self.with_namespace, screen);
        }
        for (index, coverage) in coverages.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let shown: Vec<&Row<'_>> = coverage.rows.iter().filter(|row| is_shown(row)).collect();
            nodes(out, coverage, &shown, screen)?;
        }
        Ok(())
    }

    /// DaemonSets; or, with names given, the nodes that the table would list.
    fn names(&self, out: &mut impl Write, coverages: &[Coverage<'_>]) -> io::Result<()> {
        if !self.by_node {
            return names(out, "daemonset.apps", coverages.iter().map(Coverage::name));
        }
        let is_listed = |row: &&Row<'_>| match self.only.is_empty() {
            true => row.state != State::Excluded || self.screen.unfolded,
            false => self.only.contains(&row.state),
        };
        let rows = coverages
            .iter()
            .flat_map(|coverage| &coverage.rows)
            .filter(is_listed);
        let nodes: std::collections::BTreeSet<&str> = rows.map(|row| row.node).collect();
        names(out, "node", nodes.into_iter())
    }

    /// 1 when a gate is asked for and anything is short of it.
    fn exit_code(&self, coverages: &[Coverage<'_>]) -> Result<ExitCode, Error> {
        let Some((threshold, allow_empty)) = self.gate else {
            return Ok(ExitCode::SUCCESS);
        };
        let mut is_met = allow_empty || !coverages.is_empty();
        for coverage in coverages {
            match threshold.is_met(&coverage.counts, allow_empty) {
                Some(true) => {}
                Some(false) => {
                    is_met = false;
                    terminal::note(&short_of(threshold, coverage));
                }
                None => return Err(cannot_judge(coverage)),
            }
        }
        Ok(if is_met {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

fn short_of(threshold: Threshold, coverage: &Coverage<'_>) -> String {
    let counts = &coverage.counts;
    let name = format!("{}/{}", coverage.namespace(), coverage.name());
    match (
        counts.available.unwrap_or_default(),
        counts.desired.unwrap_or_default(),
    ) {
        (_, 0) => format!(
            "{name} wants no node, which counts as short of {threshold} (--allow-empty lets it pass)"
        ),
        (available, desired) => {
            format!("{name} is short of {threshold}: {available} of {desired} available")
        }
    }
}

fn cannot_judge(coverage: &Coverage<'_>) -> Error {
    Error::Usage {
        message: format!(
            "--min cannot judge {}/{}: not all of its facts could be read",
            coverage.namespace(),
            coverage.name()
        ),
        hint: "the notes above say what is missing".into(),
    }
}
