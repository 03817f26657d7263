//! Which pods the controller replaces after a change of the strategy or of the template, predicted from a snapshot.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`. An old pod that is not available is deleted, or gets a
//! new one beside it, at once and whatever the budget is.

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::Strategy;
use super::node_pods::{Availability, node_pods};
use super::node_progress::BudgetUseReason;
use crate::coverage::Coverage;
use crate::revision::GENERATION_ANNOTATION;
use crate::snapshot::Snapshot;

/// The pods that the controller replaces. Nodes are in the order of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replacement {
    pub(crate) strategy: Strategy,
    /// The number of eligible nodes.
    pub(crate) desired: usize,
    /// The eligible nodes with an outdated pod.
    pub(crate) nodes: Vec<String>,
    /// Of these, the nodes whose only pod is not available: they are replaced at once, beyond the budget.
    pub(crate) at_once: Vec<String>,
    /// Nodes that are not eligible: their outdated pod is deleted, and no new one is created.
    pub(crate) deleted: Vec<String>,
    /// Other nodes that use the budget already.
    pub(crate) budget_used_by: Vec<String>,
}

/// Predicts the replacement for the strategy and the template in the snapshot.
pub(crate) fn replacement(coverage: &Coverage<'_>, snapshot: &Snapshot) -> Replacement {
    let availability = Availability::new(coverage.daemon_set, snapshot);
    let all = node_pods(coverage, snapshot);
    let desired = all.iter().filter(|site| site.is_eligible).count();
    let strategy = Strategy::new(coverage.daemon_set, desired);
    let mut replacement = Replacement {
        strategy,
        desired,
        nodes: Vec::new(),
        at_once: Vec::new(),
        deleted: Vec::new(),
        budget_used_by: Vec::new(),
    };
    for site in &all {
        let name = || site.name.to_owned();
        match (site.old.is_empty(), site.is_eligible) {
            (false, true) => {
                replacement.nodes.push(name());
                let is_unavailable = site.only_outdated().is_some_and(|pod| !availability.is_available(pod));
                replacement.at_once.extend(is_unavailable.then(name));
            }
            (false, false) => replacement.deleted.push(name()),
            (true, _) => {}
        }
        let uses_budget = site.budget_use(strategy, availability);
        let is_other = uses_budget.is_some_and(|reason| reason != BudgetUseReason::OldUnavailable);
        replacement.budget_used_by.extend(is_other.then(name));
    }
    replacement
}

/// The nodes with an old and a new pod, as during a rollout with a surge. Without a surge, the controller keeps the older
/// one (`pkg/controller/daemon/daemon_controller.go` `podsShouldBeOnNode`).
pub(crate) fn nodes_with_both_pods(coverage: &Coverage<'_>, snapshot: &Snapshot) -> Vec<String> {
    let all = node_pods(coverage, snapshot);
    let both = all.iter().filter(|site| !site.new.is_empty() && !site.old.is_empty());
    both.map(|site| site.name.to_owned()).collect()
}

/// Sets the update strategy of the first DaemonSet of the snapshot; `None` if it is not a strategy.
pub(crate) fn after_resume(snapshot: &mut Snapshot, strategy: &Value) -> Option<()> {
    let strategy = DaemonSetUpdateStrategy::deserialize(strategy).ok()?;
    spec(snapshot)?.update_strategy = Some(strategy);
    Some(())
}

/// Sets the template of the first DaemonSet of the snapshot from the data of a revision; `None` if it has no template.
pub(crate) fn after_rollback(snapshot: &mut Snapshot, data: &Value) -> Option<()> {
    roll_back(snapshot.daemon_sets.first_mut()?, data)
}

/// Sets the template of the DaemonSet from the data of a revision; `None` if it has no template.
///
/// The API server increments the template generation with each change
/// (`pkg/registry/apps/daemonset/strategy.go` `PrepareForUpdate`), so no existing pod has the new one.
pub(crate) fn roll_back(daemon_set: &mut DaemonSet, data: &Value) -> Option<()> {
    daemon_set.spec.template = PodTemplateSpec::deserialize(data.pointer("/spec/template")?).ok()?;
    let annotations = daemon_set.metadata.annotations.as_mut();
    if let Some(generation) = annotations.and_then(|annotations| annotations.get_mut(GENERATION_ANNOTATION)) {
        let next = generation.parse::<i64>().ok()?.checked_add(1)?;
        *generation = next.to_string();
    }
    Some(())
}

fn spec(snapshot: &mut Snapshot) -> Option<&mut DaemonSetSpec> {
    snapshot.daemon_sets.first_mut().map(|daemon_set| &mut daemon_set.spec)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::coverage::compute_coverage;
    use crate::testing::rollout_fixture::RolloutFixture;

    fn not_ready() -> Value {
        json!({ "status": { "conditions": [] } })
    }

    fn of(rollout: &RolloutFixture) -> Replacement {
        replacement(&compute_coverage(&rollout.0)[0], &rollout.0)
    }

    #[test]
    fn unavailable_old_pods_are_replaced_at_once() {
        let rollout = RolloutFixture::rolling(5, json!(1))
            .pods(1..=2, "new", &json!({}))
            .pods(3..=4, "old", &json!({}))
            .pod(5, "old", not_ready());
        let found = of(&rollout);
        assert_eq!(found.strategy, Strategy::Rolling { max_unavailable: 1 });
        assert_eq!((found.desired, found.nodes.len()), (5, 3));
        assert_eq!(found.at_once, ["n5"]);
        assert!(found.deleted.is_empty() && found.budget_used_by.is_empty(), "{found:?}");
    }

    #[test]
    fn nodes_that_use_the_budget_are_listed() {
        let rollout = RolloutFixture::rolling(4, json!(1)).pod(1, "new", not_ready()).pods(3..=4, "old", &json!({}));
        let found = of(&rollout);
        assert_eq!(found.nodes, ["n3", "n4"]);
        assert_eq!(found.budget_used_by, ["n1", "n2"]);
    }

    #[test]
    fn strategy_of_a_resume_replaces_the_present_one() {
        let mut rollout = RolloutFixture::rolling(2, json!(1)).pods(1..=2, "old", &json!({}));
        rollout.0.daemon_sets[0].spec.update_strategy.as_mut().unwrap().type_ = Some("OnDelete".into());
        assert_eq!(of(&rollout).strategy, Strategy::OnDelete);
        let surge = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}});
        after_resume(&mut rollout.0, &surge).unwrap();
        assert_eq!(of(&rollout).strategy, Strategy::Surge { max_surge: 2 });
        assert!(after_resume(&mut rollout.0, &json!({"type": 1})).is_none());
    }

    #[test]
    fn template_generation_of_a_rollback_is_new() {
        let mut snapshot = RolloutFixture::rolling(1, json!(1)).0;
        let annotations = [(GENERATION_ANNOTATION.to_owned(), "7".to_owned())];
        snapshot.daemon_sets[0].metadata.annotations = Some(annotations.into());
        let data = json!({"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}});
        after_rollback(&mut snapshot, &data).unwrap();
        assert_eq!(snapshot.daemon_sets[0].metadata.annotations.as_ref().unwrap()[GENERATION_ANNOTATION], "8");
        assert!(snapshot.daemon_sets[0].spec.template.spec.as_ref().unwrap().containers.is_empty());
        assert!(after_rollback(&mut snapshot, &json!({"spec": {}})).is_none());
    }
}
