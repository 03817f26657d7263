//! How many nodes a rollout may work on at once.
//!
//! Upstream: `pkg/controller/daemon/update.go` `updatedDesiredNodeCounts`;
//! `pkg/controller/daemon/util/daemonset_util.go` `UnavailableCount`, `SurgeCount`, `AllowsSurge`;
//! `apimachinery/pkg/util/intstr` `GetScaledValueFromIntOrPercent`.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;

/// The update strategy, resolved on the number of nodes on which a pod is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum Strategy {
    /// Pods are replaced when somebody deletes them.
    OnDelete,
    /// Old pods are deleted for as long as no more than this many nodes are without an available pod.
    Rolling {
        /// How many nodes.
        max_unavailable: usize,
    },
    /// New pods are made beside the old ones, on no more than this many nodes.
    Surge {
        /// How many nodes.
        max_surge: usize,
    },
}

impl Strategy {
    /// Resolves what the DaemonSet states on the number of nodes on which a pod is wanted.
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
        // Where nothing is stated, and where both resolve to nothing, one node at a time is the default.
        match resolved(rolling.and_then(|rolling| rolling.max_unavailable.as_ref())) {
            0 if desired > 0 => Self::Rolling { max_unavailable: 1 },
            max_unavailable => Self::Rolling { max_unavailable },
        }
    }

    /// How many nodes may be spent at once; none where no budget rules.
    pub(crate) fn budget(self) -> Option<usize> {
        match self {
            Self::OnDelete => None,
            Self::Rolling { max_unavailable } => Some(max_unavailable),
            Self::Surge { max_surge } => Some(max_surge),
        }
    }
}

/// A number as it is, a percentage of the wanted nodes rounded up; what is neither counts as nothing.
pub(crate) fn resolve(value: &IntOrString, desired: usize) -> usize {
    match value {
        IntOrString::Int(number) => usize::try_from(*number).unwrap_or_default(),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|percent| percent.parse::<usize>().ok());
            percent.map_or(0, |percent| percent.saturating_mul(desired).div_ceil(100))
        }
    }
}
