//! PodDisruptionBudgets that an eviction of daemon pods comes up against.
//!
//! Upstream: `pkg/controller/disruption/disruption.go` `getExpectedPodCount`, `getExpectedScale`, `failSafe`: for
//! everything but a whole `minAvailable` the controller asks the pod's owner for its scale, which a DaemonSet does not
//! have, and then allows no disruption at all. `pkg/registry/core/pod/storage/eviction.go` `Create`: a pod that two
//! budgets cover is never evicted.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Observation;
use crate::snapshot::selector;

/// Why evictions are refused whatever is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PdbConflict {
    /// The budget is stated in a way that cannot be computed for a DaemonSet.
    UnsupportedForDaemonSet {
        /// The PodDisruptionBudget.
        budget: String,
        /// `maxUnavailable: 1`, `minAvailable: 50%`.
        stated: String,
    },
    /// The budget wants at least as many pods as there are.
    MinAvailableTooHigh {
        /// The PodDisruptionBudget.
        budget: String,
        /// Its `minAvailable`.
        min_available: usize,
        /// How many pods it covers at most.
        pods: usize,
    },
    /// More than one budget covers the pods.
    MultipleBudgets {
        /// The PodDisruptionBudgets.
        budgets: Vec<String>,
    },
}

/// What evictions of this DaemonSet's pods come up against for ever, if anything.
pub(crate) fn pdb_conflict(observation: &Observation<'_>, budgets: &[PodDisruptionBudget]) -> Option<PdbConflict> {
    let labels =
        observation.coverage.daemon_set.spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    let labels = labels.unwrap_or_default();
    let covers = |budget: &&PodDisruptionBudget| {
        let stated = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        stated.and_then(selector::from_label_selector).is_some_and(|selector| selector::matches(&selector, &labels))
    };
    let covering: Vec<&PodDisruptionBudget> = budgets.iter().filter(covers).collect();
    let name = |budget: &PodDisruptionBudget| budget.metadata.name.clone().unwrap_or_default();
    match covering.as_slice() {
        [] => None,
        [budget] => {
            conflict_with(budget, name(budget), observation.coverage.rows.iter().map(|row| row.pods.len()).sum())
        }
        several => Some(PdbConflict::MultipleBudgets { budgets: several.iter().copied().map(name).collect() }),
    }
}

fn conflict_with(budget: &PodDisruptionBudget, name: String, own_pods: usize) -> Option<PdbConflict> {
    let spec = budget.spec.as_ref()?;
    let stated = match (&spec.max_unavailable, &spec.min_available) {
        (Some(max), _) => format!("maxUnavailable: {}", text(max)),
        (None, Some(min @ IntOrString::String(_))) => format!("minAvailable: {}", text(min)),
        (None, Some(IntOrString::Int(min))) => {
            let min_available = usize::try_from(*min).unwrap_or_default();
            // The budget may cover pods of others too, so only what the disruption controller counted is certain.
            let counted = budget.status.as_ref().and_then(|status| usize::try_from(status.expected_pods?).ok());
            let pods = counted.unwrap_or_default().max(own_pods);
            return (min_available >= pods).then_some(PdbConflict::MinAvailableTooHigh {
                budget: name,
                min_available,
                pods,
            });
        }
        (None, None) => return None,
    };
    Some(PdbConflict::UnsupportedForDaemonSet { budget: name, stated })
}

fn text(value: &IntOrString) -> String {
    match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    }
}
