//! Infers which pods are up to date from the template generation and `.status` if ControllerRevisions cannot be read.
//!
//! The API server increments the template generation with each change of the template
//! (`pkg/registry/apps/daemonset/strategy.go` `PrepareForUpdate`). The controller labels each pod with this generation
//! and with the hash of the revision (`pkg/controller/daemon/daemon_controller.go` `syncNodes`). A pod is up to date if
//! either label matches (`pkg/controller/daemon/util/daemonset_util.go` `IsPodUpdated`).
//!
//! The generation alone is not enough: after a rollback, the template has a new generation and its old hash, so a pod
//! of an older generation may be up to date. The hash has to be inferred.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::{CurrentRevision, RevisionSource, has_current_generation, revision_of};
use crate::snapshot::{Generation, Known, PodSummary};

impl CurrentRevision {
    /// Infers the hash if revisions could not be read. `counted` are the pods that the controller counts in `.status`:
    /// the first pod of each eligible node.
    pub(crate) fn inferred(self, daemon_set: &DaemonSet, pods: &[&PodSummary], counted: &[&PodSummary]) -> Self {
        if self.source == Some(RevisionSource::ControllerRevision) {
            return self;
        }
        let is_of_generation = |pod: &&&PodSummary| has_current_generation(pod, &self);
        // A pod that is older than the DaemonSet was adopted: its generation is that of another DaemonSet.
        let created = daemon_set.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let is_own = |pod: &&&PodSummary| {
            let predicted = pod.metadata.creation_timestamp.map(|time| time.timestamp());
            created.is_none_or(|created| predicted.is_none_or(|predicted| predicted >= created))
        };
        let hashes: BTreeSet<&str> = pods
            .iter()
            .filter(is_of_generation)
            .filter(is_own)
            .filter_map(|pod| revision_of(&pod.metadata.labels))
            .collect();
        let by_generation = hashes.first().filter(|_| hashes.len() == 1).map(|hash| Some((*hash).to_owned()));
        let of_status = || hash_by_status(&self, daemon_set, pods, counted);
        let (hash, source) = match by_generation {
            Some(hash) => (Known::Known(hash), Some(RevisionSource::TemplateGeneration)),
            None => match of_status() {
                Some(hash) => (Known::Known(hash), Some(RevisionSource::Status)),
                None => {
                    let is_of_use = pods.iter().any(|pod| is_of_generation(&pod));
                    (self.hash.clone(), is_of_use.then_some(RevisionSource::TemplateGeneration))
                }
            },
        };
        Self { hash, source, ..self }
    }
}

/// The hash with which as many pods are up to date as `.status` counts. The result is `None` if several hashes fit, or
/// if `.status` is not about these pods, and `Some(None)` if no pod has the hash.
fn hash_by_status(
    revision: &CurrentRevision,
    daemon_set: &DaemonSet,
    pods: &[&PodSummary],
    counted: &[&PodSummary],
) -> Option<Option<String>> {
    let status = daemon_set.status.as_ref().filter(|_| Generation::new(daemon_set).is_observed())?;
    let is_number = |number: i32, of: usize| usize::try_from(number).is_ok_and(|number| number == of);
    if !is_number(status.current_number_scheduled, counted.len()) {
        return None;
    }
    let hash_of = |pod: &&PodSummary| revision_of(&pod.metadata.labels).map(str::to_owned);
    let candidates: BTreeSet<Option<String>> = pods.iter().map(hash_of).chain([None]).collect();
    let updated = status.updated_number_scheduled.unwrap_or_default();
    let fits = |hash: &Option<String>| {
        let is_updated =
            |pod: &&&PodSummary| has_current_generation(pod, revision) || (hash.is_some() && hash_of(pod) == *hash);
        is_number(updated, counted.iter().filter(is_updated).count())
    };
    let mut fitting = candidates.into_iter().filter(fits);
    fitting.next().filter(|_| fitting.next().is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::RevisionSource::{Status, TemplateGeneration};
    use super::*;
    use crate::revision::is_current;

    const CREATED: &str = "2026-01-01T00:00:00Z";
    const BEFORE: &str = "2025-12-31T00:00:00Z";

    /// The generation, hash and creation time of a pod.
    type PodFacts = (&'static str, &'static str, &'static str);

    /// The inferred hash, its source, and which pods are up to date. `updated` is `updatedNumberScheduled` in
    /// `.status`; `None` makes the status one of an older spec.
    fn infer(
        generation: &str,
        pods: &[PodFacts],
        updated: Option<usize>,
    ) -> (Known<Option<String>>, Option<RevisionSource>, Vec<Option<bool>>) {
        let daemon_set: DaemonSet = serde_json::from_value(json!({
            "metadata": {
                "name": "d", "generation": 5, "creationTimestamp": CREATED,
                "annotations": { "deprecated.daemonset.template.generation": generation },
            },
            "spec": { "selector": {}, "template": {} },
            "status": {
                "observedGeneration": if updated.is_some() { 5 } else { 4 }, "currentNumberScheduled": pods.len(),
                "updatedNumberScheduled": updated, "desiredNumberScheduled": 0, "numberMisscheduled": 0,
                "numberReady": 0,
            },
        }))
        .unwrap();
        let pod = |(generation, hash, created): &PodFacts| -> PodSummary {
            let labels = json!({ "pod-template-generation": generation, "controller-revision-hash": hash });
            serde_json::from_value(json!({ "metadata": { "labels": labels, "creationTimestamp": created } })).unwrap()
        };
        let pods: Vec<PodSummary> = pods.iter().map(pod).collect();
        let pods: Vec<&PodSummary> = pods.iter().collect();
        let unread = Known::failed("unread");
        let revision = CurrentRevision::new(&daemon_set, &unread).inferred(&daemon_set, &pods, &pods);
        let current = pods.iter().map(|pod| is_current(pod, &revision)).collect();
        (revision.hash, revision.source, current)
    }

    fn hash(text: &str) -> Known<Option<String>> {
        Known::Known(Some(text.to_owned()))
    }

    #[test]
    fn hash_is_inferred_from_pods_of_the_current_generation() {
        let pods = [("2", "b", CREATED), ("1", "a", CREATED)];
        assert_eq!(infer("2", &pods, None), (hash("b"), Some(TemplateGeneration), vec![Some(true), Some(false)]));
        // After a rollback, pods that were not replaced yet are up to date.
        let pods = [("3", "a", CREATED), ("2", "b", CREATED), ("1", "a", CREATED)];
        let expected = vec![Some(true), Some(false), Some(true)];
        assert_eq!(infer("3", &pods, Some(2)), (hash("a"), Some(TemplateGeneration), expected));
    }

    #[test]
    fn hash_is_inferred_from_the_status_without_a_generation() {
        let pods = [("1", "a", CREATED), ("2", "b", CREATED), ("1", "a", CREATED)];
        assert_eq!(infer("3", &pods, Some(2)).0, hash("a"));
        assert_eq!(infer("3", &pods, Some(1)).2, [Some(false), Some(true), Some(false)]);
        let none = (Known::Known(None), Some(Status), vec![Some(false); 3]);
        assert_eq!(infer("3", &pods, Some(0)), none);
        let all = [("1", "a", CREATED), ("1", "a", CREATED)];
        assert_eq!(infer("3", &all, Some(2)), (hash("a"), Some(Status), vec![Some(true); 2]));
    }

    #[test]
    fn hash_stays_unknown_if_several_or_no_hashes_fit() {
        let unknown = (Known::failed("unread"), None, vec![None; 2]);
        let pods = [("1", "a", CREATED), ("2", "b", CREATED)];
        assert_eq!(infer("3", &pods, Some(1)), unknown, "both hashes fit");
        assert_eq!(infer("3", &pods, Some(2)), unknown, "the status is about other pods");
        assert_eq!(infer("3", &pods, None), unknown, "the status is about another spec");
        let unlabeled = [("", "a", CREATED), ("x", "b", CREATED)];
        assert_eq!(infer("", &unlabeled, Some(1)), unknown, "no generation is a number");
    }

    #[test]
    fn hash_is_not_inferred_from_adopted_pods() {
        let adopted = [("1", "a", BEFORE), ("1", "a", BEFORE)];
        let counted = (Known::failed("unread"), Some(TemplateGeneration), vec![Some(true); 2]);
        assert_eq!(infer("1", &adopted, Some(2)), counted, "the controller counts adopted pods by generation");
        let mixed = [("1", "a", BEFORE), ("1", "b", CREATED), ("0", "a", BEFORE)];
        assert_eq!(infer("1", &mixed, Some(2)).2, [Some(true), Some(true), Some(false)]);
    }
}
