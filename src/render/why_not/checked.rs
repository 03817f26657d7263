//! Remedies that are checked before they are shown: the diagnosis is made again on the objects as they would be after the
//! commands ([`crate::explain::outcome`]). A remedy that would not remove its obstacle is left out.

use crate::change::{Change, ChangeError};
use crate::explain::diagnosis::{CheckName, CheckReason, Diagnosis};
use crate::explain::outcome::{Outcome, is_computable, outcome};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::preemption;
use crate::render::reason::{remedies, summary};
use crate::render::remedy::{Effect, Remedy, RemedyContext, RemedyOutcome};
use crate::scheduling::preemption::Preemption;
use crate::scheduling::{FilterRejection, NodePod};
use crate::snapshot::pod::Pod;

/// The remedies of a reason that work, those that affect the least first.
pub(super) fn of_reason(
    check: CheckName,
    reason: &CheckReason,
    diagnosis: &Diagnosis<'_>,
    target: &RemedyContext<'_>,
) -> Vec<Remedy> {
    let reason = &reason.reason;
    let judge = |changes: &[Change]| match outcome(&diagnosis.input, changes) {
        Err(error) => error.into(),
        Ok(outcome) if is_left_alone(reason, diagnosis, &outcome) => Judgment::Works,
        Ok(_) if !is_computable(reason) => Judgment::NotVerified,
        Ok(outcome) if outcome.failures.iter().any(|failure| is_same(failure, reason)) => Judgment::Useless,
        Ok(outcome) if outcome.failures.iter().any(|failure| is_new_obstacle(failure, diagnosis)) => Judgment::Useless,
        Ok(outcome) if outcome.unknown.contains(&check) => Judgment::NotVerified,
        Ok(_) => Judgment::Works,
    };
    checked(remedies(reason, target), diagnosis, judge)
}

/// The remedies of preemption that work: afterwards, the scheduler evicts pods that can run elsewhere.
pub(super) fn of_preemption(
    verdict: &Preemption,
    diagnosis: &Diagnosis<'_>,
    target: &RemedyContext<'_>,
) -> Vec<Remedy> {
    let judge = |changes: &[Change]| match outcome(&diagnosis.input, changes) {
        Err(error) => error.into(),
        Ok(Outcome { preemption: Some(Preemption::Possible { victims, .. }), .. }) => {
            if victims.iter().any(NodePod::is_of_node) {
                // The pods of a DaemonSet can run nowhere else: it would have none on this node then.
                Judgment::Useless
            } else if victims.iter().any(|victim| has_finalizers(victim, diagnosis)) {
                Judgment::NotVerified
            } else {
                Judgment::Works
            }
        }
        Ok(Outcome { preemption: Some(Preemption::Unknown { .. }), .. }) => Judgment::NotVerified,
        Ok(_) => Judgment::Useless,
    };
    checked(preemption::remedies(verdict, target), diagnosis, judge)
}

/// Whether the pod remains until its finalizers are removed.
fn has_finalizers(node_pod: &NodePod, diagnosis: &Diagnosis<'_>) -> bool {
    let is_it = |pod: &&Pod| pod.metadata.namespace == node_pod.namespace && pod.metadata.name == node_pod.pod;
    let bound = diagnosis.input.bound.known().map(Vec::as_slice).unwrap_or_default();
    bound.iter().find(is_it).is_none_or(|pod| !pod.metadata.finalizers.is_empty())
}

/// What the commands of a remedy do about its obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgment {
    Works,
    Useless,
    NotVerified,
}

impl From<ChangeError> for Judgment {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotComputable => Self::NotVerified,
            ChangeError::Rejected => Self::Useless,
        }
    }
}

fn checked(remedies: Vec<Remedy>, diagnosis: &Diagnosis<'_>, judge: impl Fn(&[Change]) -> Judgment) -> Vec<Remedy> {
    let check = |mut remedy: Remedy| {
        let judgment = match remedy.effect() {
            Effect::Nothing => return Some(remedy),
            Effect::NotModeled => Judgment::NotVerified,
            Effect::Changes(changes) => judge(changes),
        };
        remedy.outcome = Some(match judgment {
            Judgment::Useless => return None,
            Judgment::Works => RemedyOutcome::Verified,
            Judgment::NotVerified => RemedyOutcome::NotVerified,
        });
        Some(remedy)
    };
    by_footprint(remedies.into_iter().filter_map(check).collect(), diagnosis)
}

/// Those that affect the least first. Advice without a change that is modeled keeps its place.
fn by_footprint(remedies: Vec<Remedy>, diagnosis: &Diagnosis<'_>) -> Vec<Remedy> {
    let own_pods = diagnosis.input.pods.known().map(Vec::as_slice).unwrap_or_default();
    let is_own = |namespace: &str, name: &str| {
        own_pods.iter().any(|pod| pod.metadata.namespace == namespace && pod.metadata.name == name)
    };
    let footprint = |remedy: &Remedy| match remedy.effect() {
        Effect::Changes(changes) => changes.iter().map(|change| change.footprint(is_own)).max(),
        Effect::Nothing | Effect::NotModeled => None,
    };
    let mut ordered: Vec<Remedy> = remedies.iter().filter(|remedy| footprint(remedy).is_some()).cloned().collect();
    ordered.sort_by_key(footprint);
    let mut ordered = ordered.into_iter();
    let place = |remedy: Remedy| match footprint(&remedy) {
        Some(_) => ordered.next().unwrap_or(remedy),
        None => remedy,
    };
    remedies.into_iter().map(place).collect()
}

/// Whether a pod that should not be on the node, or cannot run on it, is gone, and none is created.
fn is_left_alone(reason: &Reason, diagnosis: &Diagnosis<'_>, outcome: &Outcome) -> bool {
    // A selector that admission adds to the pod belongs into the template: then no pod is created here.
    let is_wrong_node = matches!(
        reason,
        Reason::VirtualNode { .. } | Reason::ImageError { .. } | Reason::FilterRejection(FilterRejection::Placed(_))
    );
    (is_wrong_node || diagnosis.state == State::Misscheduled)
        && !outcome.keeps_pod
        && outcome.placement != Placement::Run
}

/// Whether both are the same obstacle, perhaps with other numbers.
fn is_same(after: &Reason, before: &Reason) -> bool {
    let resource = |reason: &Reason| match reason {
        Reason::FilterRejection(FilterRejection::Resources(rejection)) => Some(rejection.resource().to_owned()),
        _ => None,
    };
    summary(after) == summary(before) || resource(before).is_some_and(|before| resource(after) == Some(before))
}

/// Whether the controller's rule or a filter finds an obstacle that was not there before.
fn is_new_obstacle(failure: &Reason, diagnosis: &Diagnosis<'_>) -> bool {
    matches!(failure, Reason::NotEligible(_) | Reason::FilterRejection(_))
        && !diagnosis.failures().any(|(_, before)| is_same(failure, &before.reason))
}

#[cfg(test)]
mod tests;
