//! The filters in the scheduler's order, and what they find together.

use serde::Serialize;

use super::attempt::{Attempt, FilterFailure, FilterResult};
use crate::check_result::CheckResult;
use crate::snapshot::{Known, Missing};

/// Declares the filters: the plugin's name, and the module that holds its `filter`.
macro_rules! filters {
    ($($plugin:ident => $module:ident),+ $(,)?) => {
        /// A filter by the name of its plugin, in the order of the default plugins.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub(crate) enum Filter {
            $($plugin,)+
        }

        impl Filter {
            /// Every filter, in the order of the scheduler.
            const ALL: &[Self] = &[$(Self::$plugin,)+];

            /// The plugin's name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$plugin => stringify!($plugin),)+
                }
            }

            fn run(self, attempt: &Attempt<'_>) -> FilterResult {
                match self {
                    $(Self::$plugin => super::$module::filter(attempt),)+
                }
            }
        }
    };
}

filters! {
    SchedulingGates => scheduling_gates,
    NodeUnschedulable => node_unschedulable,
    NodeName => node_name,
    TaintToleration => taint_toleration,
    NodeAffinity => node_affinity,
    NodePorts => node_ports,
    NodeResourcesFit => node_resources_fit,
    VolumeRestrictions => volume_restrictions,
    NodeVolumeLimits => node_volume_limits,
    VolumeBinding => volume_binding,
    VolumeZone => volume_zone,
    PodTopologySpread => pod_topology_spread,
    InterPodAffinity => inter_pod_affinity,
    DynamicResources => dynamic_resources,
    NodeDeclaredFeatures => node_declared_features,
}

/// The result of every filter, in the scheduler's order. The scheduler stops at the first failure; here all filters run.
pub(crate) fn run_filters(attempt: &Attempt<'_>) -> Vec<(Filter, FilterResult)> {
    Filter::ALL.iter().map(|filter| (*filter, filter.run(attempt))).collect()
}

/// The results if only a part of the pods is known, from `results`, those with this part: a pod that is missing can add
/// an obstacle, and never removes one that [outlasts more pods](super::rejection::FilterRejection::outlasts_more_pods).
/// So these are certain, and every other result is what it is without any pods.
pub(crate) fn with_missing_pods(
    attempt: &Attempt<'_>,
    results: Vec<(Filter, FilterResult)>,
    why_missing: &Missing,
) -> Vec<(Filter, FilterResult)> {
    let missing = || Known::Unknown(why_missing.clone());
    let cluster_objects = &attempt.cluster_objects.with_pods(Known::Unknown(why_missing.clone()));
    let without = Attempt { bound_pods: missing(), nominated: missing(), cluster_objects, ..attempt.clone() };
    let combined = |(filter, result): (Filter, FilterResult)| {
        let certain = match result {
            CheckResult::Fail(mut failures) => {
                failures.retain(|failure| failure.rejection.outlasts_more_pods());
                failures
            }
            CheckResult::Pass | CheckResult::Unknown { .. } => Vec::new(),
        };
        let result = if certain.is_empty() { filter.run(&without) } else { CheckResult::Fail(certain) };
        (filter, result)
    };
    results.into_iter().map(combined).collect()
}

/// The failure at which the scheduler stops: the earliest extension point, and there the first plugin.
pub(crate) fn first_failure(results: &[(Filter, FilterResult)]) -> Option<(Filter, &[FilterFailure])> {
    let failures = results.iter().filter_map(|(filter, result)| match result {
        CheckResult::Fail(failures) => {
            let earliest = failures.iter().map(|failure| failure.extension_point).min()?;
            Some((earliest, *filter, failures.as_slice()))
        }
        CheckResult::Pass | CheckResult::Unknown { .. } => None,
    });
    // `min_by_key` returns the first of equal elements.
    failures.min_by_key(|(earliest, ..)| *earliest).map(|(_, filter, failures)| (filter, failures))
}
