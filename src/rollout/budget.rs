//! The update strategy: on how many nodes a rollout may replace pods at the same time.
//!
//! Upstream: `pkg/controller/daemon/update.go` `updatedDesiredNodeCounts`;
//! `pkg/controller/daemon/util/daemonset_util.go` `UnavailableCount`, `SurgeCount`, `AllowsSurge`;
//! `apimachinery/pkg/util/intstr` `GetScaledValueFromIntOrPercent`.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;

/// The update strategy. Percentages are resolved against the number of eligible nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum Strategy {
    /// The controller replaces a pod only after something else deletes it.
    OnDelete,
    /// Old pods are deleted while at most `maxUnavailable` nodes have no available pod.
    #[serde(rename = "RollingUpdate")]
    Rolling { max_unavailable: usize },
    /// New pods are created next to the old ones, on at most `maxSurge` nodes.
    #[serde(rename = "RollingUpdate")]
    Surge { max_surge: usize },
}

impl Strategy {
    /// Whether new pods are created next to the old ones.
    pub(crate) fn is_surge(self) -> bool {
        matches!(self, Self::Surge { .. })
    }

    /// Resolves the strategy of the DaemonSet. `desired` is the number of eligible nodes.
    pub(crate) fn new(daemon_set: &DaemonSet, desired: usize) -> Self {
        let strategy = daemon_set.spec.update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
            return Self::OnDelete;
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let resolved = |value: Option<&IntOrString>| value.map_or(0, |value| resolve(value, desired));
        let max_surge = resolved(rolling.and_then(|rolling| rolling.max_surge.as_ref()));
        if max_surge > 0 {
            return Self::Surge { max_surge };
        }
        // Upstream replaces one node at a time if both values are unset or resolve to 0.
        match resolved(rolling.and_then(|rolling| rolling.max_unavailable.as_ref())) {
            0 if desired > 0 => Self::Rolling { max_unavailable: 1 },
            max_unavailable => Self::Rolling { max_unavailable },
        }
    }

    /// How many nodes may use the budget at the same time; `None` without a budget.
    pub(crate) fn budget(self) -> Option<usize> {
        match self {
            Self::OnDelete => None,
            Self::Rolling { max_unavailable } => Some(max_unavailable),
            Self::Surge { max_surge } => Some(max_surge),
        }
    }
}

/// A number as it is, or a percentage of `desired`, rounded up: `10%` of 5 nodes is 1. Invalid values are 0.
pub(crate) fn resolve(value: &IntOrString, desired: usize) -> usize {
    match value {
        IntOrString::Int(number) => usize::try_from(*number).unwrap_or_default(),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|percent| percent.parse::<usize>().ok());
            percent.map_or(0, |percent| percent.saturating_mul(desired).div_ceil(100))
        }
    }
}
