//! The screens and reports of `why-not`.

mod diagnosis;
mod overview;
mod report;

pub(crate) use diagnosis::diagnosis;
pub(crate) use overview::overview;
pub(crate) use report::Report;

use super::preemption;
use super::reason::remedies;
use super::remedy::{Remedy, RemedyContext};
use super::style::Tone;
use crate::explain::diagnosis::{Diagnosis, Verdict};

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Running | Verdict::WouldRun => Tone::Good,
        Verdict::Excluded => Tone::Quiet,
        Verdict::Unknown => Tone::Warning,
        Verdict::Blocked | Verdict::NotHealthy => Tone::Bad,
    }
}

fn verdict_symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Running | Verdict::WouldRun => '✓',
        Verdict::Excluded => '·',
        Verdict::Unknown => '?',
        Verdict::Blocked | Verdict::NotHealthy => '✗',
    }
}

fn target<'a>(diagnosis: &'a Diagnosis<'_>, node: &'a str) -> RemedyContext<'a> {
    let strategy = diagnosis.daemon_set.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    RemedyContext {
        node,
        namespace: diagnosis.namespace(),
        daemon_set: diagnosis.name(),
        pod: diagnosis.pod.map(|pod| pod.metadata.name.as_str()),
        template: diagnosis.daemon_set.spec.template.spec.as_ref(),
        on_delete: strategy == Some("OnDelete"),
        is_planned: diagnosis.is_planned,
        untolerated: &diagnosis.untolerated,
    }
}

/// All remedies for a DaemonSet on the node, without duplicates, in the order of the checks.
fn all_remedies(diagnosis: &Diagnosis<'_>, node: &str) -> Vec<Remedy> {
    let target = target(diagnosis, node);
    let of_reasons = diagnosis.failures().flat_map(|reason| remedies(&reason.reason, &target));
    let of_preemption = diagnosis.preemption.iter().flat_map(|verdict| preemption::remedies(verdict, &target));
    let mut all: Vec<Remedy> = Vec::new();
    for remedy in of_reasons.chain(of_preemption) {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}
