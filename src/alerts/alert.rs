//! The alerts of kubernetes-mixin about DaemonSets, and when their expressions are true.
//!
//! Upstream: `github.com/kubernetes-monitoring/kubernetes-mixin` `alerts/apps_alerts.libsonnet`. The expressions compare
//! `kube_daemonset_status_desired_number_scheduled`, `…_current_number_scheduled`, `…_updated_number_scheduled`,
//! `…_number_available` and `…_number_misscheduled`, which are fields of `.status`
//! (`github.com/kubernetes/kube-state-metrics` `internal/store/daemonset.go`); an absent field is exported as 0.

use serde::Serialize;

use crate::coverage::Counts;

/// An alert of kubernetes-mixin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(clippy::enum_variant_names, reason = "the names of the alerts")]
pub(crate) enum Alert {
    /// After 15 minutes: pods run on nodes that are not eligible.
    KubeDaemonSetMisScheduled,
    /// After 10 minutes: eligible nodes have no pod object.
    KubeDaemonSetNotScheduled,
    /// After 15 minutes: pods are not available, not up to date or misscheduled, and nothing changes.
    KubeDaemonSetRolloutStuck,
}

impl Alert {
    /// All of them, the most general one first.
    pub(crate) const ALL: [Self; 3] =
        [Self::KubeDaemonSetRolloutStuck, Self::KubeDaemonSetNotScheduled, Self::KubeDaemonSetMisScheduled];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KubeDaemonSetMisScheduled => "KubeDaemonSetMisScheduled",
            Self::KubeDaemonSetNotScheduled => "KubeDaemonSetNotScheduled",
            Self::KubeDaemonSetRolloutStuck => "KubeDaemonSetRolloutStuck",
        }
    }

    /// After how many minutes it fires: the field `for` of the rule.
    pub(crate) fn minutes(self) -> u32 {
        match self {
            Self::KubeDaemonSetMisScheduled | Self::KubeDaemonSetRolloutStuck => 15,
            Self::KubeDaemonSetNotScheduled => 10,
        }
    }

    /// Whether it is about the rollout as a whole.
    pub(crate) fn is_about_rollout(self) -> bool {
        self == Self::KubeDaemonSetRolloutStuck
    }

    /// Whether these numbers make the expression true. The numbers are those of `.status`, or what the controller would
    /// write there. An unknown number makes no comparison true.
    ///
    /// For `KubeDaemonSetRolloutStuck`, this is the part of the expression that compares numbers. The other part requires
    /// that the number of updated pods did not change in the last 5 minutes.
    pub(crate) fn matches(self, counts: &Counts) -> bool {
        let differs = |part: Option<usize>| part.zip(counts.desired).is_some_and(|(part, desired)| part != desired);
        let is_misscheduled = counts.misscheduled.is_some_and(|nodes| nodes > 0);
        match self {
            Self::KubeDaemonSetMisScheduled => is_misscheduled,
            Self::KubeDaemonSetNotScheduled => {
                counts.current.zip(counts.desired).is_some_and(|(current, desired)| desired > current)
            }
            Self::KubeDaemonSetRolloutStuck => {
                is_misscheduled || differs(counts.current) || differs(counts.up_to_date) || differs(counts.available)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(desired: usize, current: usize, updated: usize, available: usize, misscheduled: usize) -> Vec<Alert> {
        let counts = Counts {
            desired: Some(desired),
            current: Some(current),
            up_to_date: Some(updated),
            available: Some(available),
            misscheduled: Some(misscheduled),
            ..Counts::default()
        };
        Alert::ALL.into_iter().filter(|alert| alert.matches(&counts)).collect()
    }

    #[test]
    fn expressions_compare_the_numbers_of_the_status() {
        use Alert::{KubeDaemonSetMisScheduled, KubeDaemonSetNotScheduled, KubeDaemonSetRolloutStuck};
        assert_eq!(matching(3, 3, 3, 3, 0), []);
        assert_eq!(matching(0, 0, 0, 0, 0), []);
        assert_eq!(matching(3, 2, 2, 2, 0), [KubeDaemonSetRolloutStuck, KubeDaemonSetNotScheduled]);
        assert_eq!(matching(3, 3, 3, 3, 1), [KubeDaemonSetRolloutStuck, KubeDaemonSetMisScheduled]);
        assert_eq!(matching(3, 3, 2, 3, 0), [KubeDaemonSetRolloutStuck]);
        assert_eq!(matching(3, 3, 3, 2, 0), [KubeDaemonSetRolloutStuck]);
    }

    #[test]
    fn unknown_numbers_make_no_expression_true() {
        let counts = Counts { desired: Some(3), ..Counts::default() };
        assert!(Alert::ALL.into_iter().all(|alert| !alert.matches(&counts)));
    }
}
