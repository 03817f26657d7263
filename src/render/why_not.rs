//! The screens and reports of `why-not`.

pub(crate) mod causes;
mod checked;
mod diagnosis;
mod overview;
mod report;

pub(crate) use diagnosis::{NodeView, WrittenFixes, diagnosis};
pub(crate) use overview::overview;
pub(crate) use report::Report;
pub(super) use report::ResultName;

use super::reason::summary;
use super::remedy::{OwnerPodView, Remedy, RemedyContext};
use super::style::Tone;
use crate::explain::Reason;
use crate::explain::diagnosis::{Diagnosis, OwnerPod, Verdict};

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

fn target<'a>(diagnosis: &'a Diagnosis<'_>, node: &'a str, owner_pods: &'a [OwnerPodView<'a>]) -> RemedyContext<'a> {
    let strategy = diagnosis.daemon_set.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    RemedyContext {
        node,
        namespace: diagnosis.namespace(),
        daemon_set: diagnosis.name(),
        pod: diagnosis.pod.map(|pod| pod.metadata.name.as_str()),
        is_failed: diagnosis.pod.is_some_and(|pod| pod.status.phase == "Failed"),
        template: diagnosis.daemon_set.spec.template.spec.as_ref(),
        on_delete: strategy == Some("OnDelete"),
        is_planned: diagnosis.is_planned,
        is_cordoned: diagnosis.node.spec.unschedulable,
        lacks_network: Reason::node_not_ready(diagnosis.node).is_some_and(|reason| reason.is_without_network()),
        untolerated: &diagnosis.untolerated,
        node_labels: Some(&diagnosis.node.metadata.labels),
        owner_pods,
    }
}

fn owner_pods<'a>(diagnosis: &'a Diagnosis<'_>) -> Vec<OwnerPodView<'a>> {
    let view = |owner_pod: &'a OwnerPod<'_>| {
        let why = owner_pod.reasons.first().map(|reason| format!(" ({})", summary(reason))).unwrap_or_default();
        OwnerPodView {
            owner: owner_pod.owner,
            namespace: &owner_pod.pod.metadata.namespace,
            pod: &owner_pod.pod.metadata.name,
            daemon_set: owner_pod.daemon_set(),
            is_ready: owner_pod.is_ready(),
            state: format!("{}{why}", owner_pod.state.name()),
        }
    };
    diagnosis.owner_pods.iter().map(view).collect()
}

/// All remedies for a DaemonSet on the node, in the order of the checks. Of several with the same commands, the first.
fn all_remedies(diagnosis: &Diagnosis<'_>, node: &str) -> Vec<Remedy> {
    let owner_pods = owner_pods(diagnosis);
    let target = target(diagnosis, node, &owner_pods);
    if let Some((check, failure)) = diagnosis.final_failure() {
        return checked::of_reason(check, failure, diagnosis, &target);
    }
    let of_reasons =
        diagnosis.failures().flat_map(|(check, reason)| checked::of_reason(check, reason, diagnosis, &target));
    let of_preemption =
        diagnosis.preemption.iter().flat_map(|verdict| checked::of_preemption(verdict, diagnosis, &target));
    let mut all: Vec<Remedy> = Vec::new();
    for remedy in of_reasons.chain(of_preemption) {
        let is_known = |known: &Remedy| match remedy.lines() {
            [] => *known == remedy,
            lines => known.lines() == lines,
        };
        if !all.iter().any(is_known) {
            all.push(remedy);
        }
    }
    all
}
