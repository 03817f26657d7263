//! PodDisruptionBudgets that never allow an eviction of the pods of a DaemonSet.
//!
//! Upstream: `pkg/controller/disruption/disruption.go` `getExpectedPodCount`, `getExpectedScale`, `failSafe`: unless
//! `minAvailable` is an integer, the controller needs the scale of the pod's owner. A DaemonSet has no scale
//! subresource, so the controller allows no disruption. `pkg/registry/core/pod/storage/eviction.go` `Create`: a pod
//! that matches two budgets is never evicted.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Observation;
use crate::snapshot::selector;

/// Why evictions are always rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PdbConflict {
    /// The budget has a form that cannot be computed for a DaemonSet.
    UnsupportedForDaemonSet {
        budget: String,
        /// For example `maxUnavailable: 1` or `minAvailable: 50%`.
        stated: String,
    },
    /// The budget requires at least as many pods as exist.
    MinAvailableTooHigh {
        budget: String,
        min_available: usize,
        /// The number of pods that match the budget, at most.
        pods: usize,
    },
    /// The pods match more than one budget.
    MultipleBudgets { budgets: Vec<String> },
}

/// What blocks all evictions of this DaemonSet's pods forever, if anything.
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
            // The budget may also match pods of other owners. The disruption controller has counted them all.
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
