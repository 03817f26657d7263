//! Which taints the pods of a DaemonSet tolerate.
//!
//! Upstream: `api/core/v1/toleration.go` `ToleratesTaint`; `pkg/controller/daemon/util/daemonset_util.go`
//! `AddOrUpdateDaemonPodTolerations`.

use crate::snapshot::Taint;
use crate::snapshot::pod::{PodSpec, Toleration};

/// The taints that every daemon pod tolerates, with any value.
const ADDED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// The additional one for pods with `hostNetwork`.
const ADDED_ON_HOST_NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// The tolerations that the controller adds to every daemon pod, as key and effect. The operator is `Exists`.
pub(crate) fn added(host_network: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    ADDED.into_iter().chain(host_network.then_some(ADDED_ON_HOST_NETWORK))
}

/// The feature gates that the rule depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeatureGates {
    /// `TaintTolerationComparisonOperators`: the operators `Gt` and `Lt` in tolerations.
    pub(crate) comparison_tolerations: bool,
}

impl FeatureGates {
    /// The gates that follow from a template. While the gate is off, the API server rejects `Gt` and `Lt`, so a
    /// template that has one comes from a cluster with the gate on.
    pub(crate) fn implied_by(spec: &PodSpec) -> Self {
        let is_comparison = |toleration: &Toleration| matches!(toleration.operator.as_str(), "Gt" | "Lt");
        Self { comparison_tolerations: spec.tolerations.iter().any(is_comparison) }
    }
}

/// The tolerations of a template and those that the controller adds. `tolerationSeconds` do not matter for the
/// placement.
#[derive(Debug)]
pub(super) struct Tolerations<'a> {
    from_template: &'a [Toleration],
    host_network: bool,
    gates: FeatureGates,
}

impl<'a> Tolerations<'a> {
    pub(super) fn for_daemon_pod(spec: &'a PodSpec, gates: FeatureGates) -> Self {
        Self { from_template: &spec.tolerations, host_network: spec.host_network, gates }
    }

    /// The taints that exclude the node. `PreferNoSchedule` never does.
    pub(super) fn untolerated<'t>(&self, taints: &'t [Taint]) -> Vec<&'t Taint> {
        taints
            .iter()
            .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
            .filter(|taint| !self.tolerate(taint))
            .collect()
    }

    fn tolerate(&self, taint: &Taint) -> bool {
        let is_added = |(key, effect): (&str, &str)| taint.key == key && taint.effect == effect;
        added(self.host_network).any(is_added)
            || self.from_template.iter().any(|toleration| tolerates(toleration, taint, self.gates))
    }
}

/// Whether a toleration matches a taint.
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint, gates: FeatureGates) -> bool {
    let Toleration { key, operator, value, effect, .. } = toleration;
    if !effect.is_empty() && *effect != taint.effect {
        return false;
    }
    if !key.is_empty() && *key != taint.key {
        return false;
    }
    match operator.as_str() {
        "" | "Equal" => *value == taint.value,
        "Exists" => true,
        "Gt" => gates.comparison_tolerations && compare(&taint.value, value).is_some_and(|(taint, own)| taint > own),
        "Lt" => gates.comparison_tolerations && compare(&taint.value, value).is_some_and(|(taint, own)| taint < own),
        _ => false,
    }
}

/// Both as integers, if both have the canonical form.
fn compare(taint: &str, toleration: &str) -> Option<(i64, i64)> {
    Some((canonical_integer(taint)?, canonical_integer(toleration)?))
}

/// Parses the canonical form only: no plus sign, no leading zero, no `-0`.
///
/// Upstream: `api/core/v1/toleration.go` `compareNumericValues` (`validate.IsDecimalInteger`).
fn canonical_integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
