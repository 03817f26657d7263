//! Whether the DaemonSet controller has observed the newest spec of a DaemonSet.

use k8s_openapi::api::apps::v1::DaemonSet;

/// The generation of the spec and the one that the controller observed. Upstream:
/// `pkg/controller/daemon/daemon_controller.go` `storeDaemonSetStatus`.
pub(crate) struct Generation {
    /// `metadata.generation`, the generation of the newest spec.
    pub(crate) current: i64,
    /// `status.observedGeneration`, the newest generation that the controller has acted on; 0 if none.
    pub(crate) observed: i64,
}

impl Generation {
    pub(crate) fn new(daemon_set: &DaemonSet) -> Self {
        let status = daemon_set.status.as_ref();
        Self {
            current: daemon_set.metadata.generation.unwrap_or_default(),
            observed: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        }
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.observed >= self.current
    }
}
