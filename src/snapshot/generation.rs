//! Whether the DaemonSet controller has seen a DaemonSet's newest spec.

use k8s_openapi::api::apps::v1::DaemonSet;

/// Two counts of a spec's changes. Upstream: `pkg/controller/daemon/daemon_controller.go` `storeDaemonSetStatus`.
pub(crate) struct Generation {
    /// `metadata.generation`, of the newest spec.
    pub(crate) current: i64,
    /// `status.observedGeneration`, of the newest spec that the controller has acted on; 0 for none.
    pub(crate) observed: i64,
}

impl Generation {
    /// That of a DaemonSet.
    pub(crate) fn new(daemon_set: &DaemonSet) -> Self {
        let status = daemon_set.status.as_ref();
        Self {
            current: daemon_set.metadata.generation.unwrap_or_default(),
            observed: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        }
    }

    /// Whether the newest one is observed.
    pub(crate) fn is_observed(&self) -> bool {
        self.observed >= self.current
    }
}
