//! The screens of `why-not`.

mod overview;
mod report;
mod way;

pub(crate) use overview::overview;
pub(crate) use report::Report;
pub(crate) use way::way;

use super::preemption;
use super::remedy::{Remedy, Target};
use super::style::{Style, Tone};
use super::{misfit, reason, refusal};
use crate::explain::Reason;
use crate::explain::way::{Outcome, Verdict, Way};

/// How a screen is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Colour and room.
    pub(crate) style: Style,
    /// `-o wide`.
    pub(crate) wide: bool,
    /// Not `--no-headers`.
    pub(crate) titles: bool,
    /// The moment that ages are counted to.
    pub(crate) now: jiff::Timestamp,
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Running | Verdict::WouldRun => Tone::Good,
        Verdict::NotWanted => Tone::Quiet,
        Verdict::Unknown => Tone::Warning,
        Verdict::Blocked | Verdict::NotHealthy => Tone::Bad,
    }
}

fn verdict_sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Running | Verdict::WouldRun => '✓',
        Verdict::NotWanted => '·',
        Verdict::Unknown => '?',
        Verdict::Blocked | Verdict::NotHealthy => '✗',
    }
}

fn target<'a>(way: &'a Way<'_>, node: &'a str) -> Target<'a> {
    let strategy = way.daemon_set.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    Target {
        node,
        namespace: way.namespace(),
        daemon_set: way.name(),
        pod: way.pod.map(|pod| pod.metadata.name.as_str()),
        template: way.daemon_set.spec.template.spec.as_ref(),
        on_delete: strategy == Some("OnDelete"),
        is_planned: way.is_planned,
        untolerated: &way.untolerated,
    }
}

/// What to do about one reason.
fn remedies(reason: &Reason, target: &Target<'_>) -> Vec<Remedy> {
    match reason {
        Reason::Misfit(misfit) => misfit::remedies(misfit, target),
        Reason::Refused { refusal, .. } => refusal::remedies(refusal, target),
        other => reason::remedies(other, target),
    }
}

/// Everything to do about a DaemonSet on the node, each thing once, in the order of the way.
fn all_remedies(way: &Way<'_>, node: &str) -> Vec<Remedy> {
    let target = target(way, node);
    let of_reasons = way.failures().flat_map(|(_, finding)| remedies(&finding.reason, &target));
    let of_preemption = way.preemption.iter().flat_map(|verdict| preemption::remedies(verdict, &target));
    let mut all: Vec<Remedy> = Vec::new();
    for remedy in of_reasons.chain(of_preemption) {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}

/// Whether any check of the way ended so.
fn has(way: &Way<'_>, outcome: Outcome) -> bool {
    way.checks.iter().any(|check| check.outcome == outcome)
}
