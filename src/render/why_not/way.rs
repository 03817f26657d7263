//! The whole way of one DaemonSet's pod, with what to do.

use std::io::{self, Write};

use super::overview::name_of;
use super::{Screen, all_remedies, has, verdict_sign, verdict_tone};
use crate::explain::State;
use crate::explain::way::{Check, Outcome, Stage, Verdict, Way};
use crate::placement::Placement;
use crate::render::preemption;
use crate::render::reason::sentence;
use crate::render::style::Tone;
use crate::render::text::{count, safe, width, wrap};
use crate::scheduling::preemption::Preemption;

/// The columns that the stations' names take.
const STATION: usize = 13;

/// Writes the way.
pub(crate) fn way(out: &mut impl Write, way: &Way<'_>, node: &str, screen: Screen) -> io::Result<()> {
    let sign = verdict_sign(way.verdict);
    let name = safe(&format!("{}/{}", way.namespace(), way.name()));
    let head = format!("{sign} {name} on {}: {}, {}", safe(node), name_of(way.verdict), standing(way));
    screen.style.line(out, &head, verdict_tone(way.verdict))?;
    if !screen.wide && way.verdict == Verdict::Running && !has(way, Outcome::Fail) {
        return Ok(());
    }
    let mut stages: Vec<Stage> = way.checks.iter().map(|check| check.stage).collect();
    stages.dedup();
    for stage in stages {
        let checks: Vec<&Check> = way.checks.iter().filter(|check| check.stage == stage).collect();
        station(out, name_of_stage(stage), &checks, screen)?;
    }
    // That it cannot help goes without saying where the refusal has nothing to do with other pods.
    if let Some(verdict) = way.preemption.as_ref().filter(|verdict| screen.wide || **verdict != Preemption::NotHelpful)
    {
        entry(out, "preemption", &safe(&preemption::sentence(verdict, screen.style.names)), Tone::Plain, screen)?;
    }
    for doubt in way.doubts {
        entry(out, "not certain", &safe(doubt), Tone::Warning, screen)?;
    }
    let remedies = all_remedies(way, node);
    if remedies.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {}", screen.style.paint("What to do", Tone::Strong))?;
    for (number, remedy) in remedies.iter().enumerate() {
        let lead = format!("  {}. ", number + 1);
        hanging(out, &lead, &remedy.text, Tone::Plain, screen)?;
        for line in remedy.lines() {
            // Never broken: it is there to be pasted.
            writeln!(out, "{}{}", " ".repeat(width(&lead) + 2), screen.style.paint(line, Tone::Moving))?;
        }
    }
    Ok(())
}

/// How things stand, in a half sentence.
fn standing(way: &Way<'_>) -> String {
    let pod = way.pod.map(|pod| safe(&pod.metadata.name)).unwrap_or_default();
    match (way.state, way.placement) {
        (State::Missing, _) if way.verdict == Verdict::WouldRun => "a pod would be made and would fit".into(),
        (State::Missing, _) => "a pod is wanted and there is none".into(),
        (State::Excluded, _) => "no pod is wanted and there is none".into(),
        (State::Misscheduled, Placement::ContinueOnly) => format!("pod {pod} may stay and would not be made again"),
        (State::Misscheduled, _) => format!("no pod is wanted, and {pod} is there"),
        (State::Pending, _) => format!("pod {pod} has no node yet"),
        (State::Unknown, _) => "whether there is a pod could not be read".into(),
        (state, _) => format!("pod {pod} is {}", state.name()),
    }
}

fn name_of_stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Controller => "controller",
        Stage::Admission => "admission",
        Stage::Scheduler => "scheduler",
        Stage::Kubelet => "kubelet",
        Stage::Pod => "pod",
    }
}

/// What fails and what is unknown, each reason on lines of its own; what passes in one line.
fn station(out: &mut impl Write, name: &str, checks: &[&Check], screen: Screen) -> io::Result<()> {
    let mut lead = name;
    let fails = checks.iter().any(|check| check.outcome == Outcome::Fail);
    // Beside a cause that is certain, what could not be read is of little weight.
    let is_told = |check: &&&Check| match check.outcome {
        Outcome::Fail => true,
        Outcome::Unknown => !fails || screen.wide,
        Outcome::Pass => false,
    };
    for check in checks.iter().filter(is_told) {
        let (sign, tone) = match check.outcome {
            Outcome::Fail => ('✗', Tone::Bad),
            _ => ('?', Tone::Warning),
        };
        for finding in &check.findings {
            let text = format!("{sign} {}: {}", check.name, sentence(&finding.reason, screen.now, screen.style.names));
            entry(out, lead, &text, tone, screen)?;
            lead = "";
        }
    }
    let passed: Vec<&str> =
        checks.iter().filter(|check| check.outcome == Outcome::Pass).map(|check| check.name).collect();
    let unknown = checks.iter().filter(|check| check.outcome == Outcome::Unknown && !is_told(check)).count();
    let other = if lead.is_empty() { "other check" } else { "check" };
    let unknown = (unknown > 0).then(|| format!("? {} unknown", count(unknown, other)));
    let passed = match passed.as_slice() {
        [] => None,
        [one] => Some(format!("✓ {one}")),
        all if screen.wide => Some(format!("✓ {}", all.join(", "))),
        all => Some(format!("✓ {} pass", count(all.len(), other))),
    };
    match [unknown, passed].into_iter().flatten().collect::<Vec<_>>() {
        nothing if nothing.is_empty() => Ok(()),
        folded => entry(out, lead, &folded.join("   "), Tone::Quiet, screen),
    }
}

fn entry(out: &mut impl Write, name: &str, text: &str, tone: Tone, screen: Screen) -> io::Result<()> {
    hanging(out, &format!("  {name:STATION$}"), text, tone, screen)
}

/// A text that goes on below itself where the terminal ends.
fn hanging(out: &mut impl Write, lead: &str, text: &str, tone: Tone, screen: Screen) -> io::Result<()> {
    /// On a terminal that is narrower than this, there is no beauty to save.
    const LEAST: usize = 20;
    let indent = width(lead);
    let room = screen.style.width.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(LEAST));
    for (number, part) in wrap(text, room, screen.style.names).into_iter().enumerate() {
        let before = if number == 0 { lead.to_owned() } else { " ".repeat(indent) };
        writeln!(out, "{before}{}", screen.style.paint(&part, tone))?;
    }
    Ok(())
}
