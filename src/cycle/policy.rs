//! The options of a run: which nodes, in which order, and how carefully.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Order;
use crate::rollout::resolve;

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Replace up-to-date pods too.
    pub(crate) all: bool,
    /// Only these nodes; `None` for all nodes.
    pub(crate) only: Option<BTreeSet<String>>,
    pub(crate) order: Order,
    /// Replace pods on this many nodes first, then pause.
    pub(crate) canary: Option<usize>,
    /// Observe the canary for this long and then continue without asking.
    pub(crate) soak: Option<SignedDuration>,
    pub(crate) max_unavailable: MaxUnavailable,
    /// How long a new pod must remain available, in addition to `minReadySeconds`.
    pub(crate) min_ready: SignedDuration,
    /// A node that is not done within this time fails.
    pub(crate) node_timeout: SignedDuration,
    /// The run halts if more nodes fail.
    pub(crate) max_failures: usize,
    /// Do not skip nodes that are down.
    pub(crate) include_not_ready: bool,
    /// Do not skip nodes that are being maintained or drained.
    pub(crate) include_maintenance: bool,
    pub(crate) removal: RemovalMethod,
    pub(crate) steps: Steps,
    /// Whether the pods of other DaemonSets have to be available on a node.
    pub(crate) requires: bool,
}

/// The steps on each node before and after the replacement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    /// A command runs before the removal.
    pub(crate) before: bool,
    /// A command runs after the replacement.
    pub(crate) after: bool,
    /// The node is cordoned before and uncordoned afterwards.
    pub(crate) cordon: bool,
}

impl Steps {
    /// Whether something precedes the removal.
    pub(crate) fn prepares(self) -> bool {
        self.before || self.cordon
    }

    /// Whether something is done that a run should not leave half-done.
    pub(crate) fn any(self) -> bool {
        self.before || self.after || self.cordon
    }
}

impl Policy {
    /// Keeps only these nodes of those that the user selected.
    pub(crate) fn restrict_to(&mut self, mut nodes: BTreeSet<String>) {
        if let Some(only) = &self.only {
            nodes.retain(|node| only.contains(node));
        }
        self.only = Some(nodes);
    }
}

/// How a pod is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovalMethod {
    Delete,
    /// With the eviction API, which respects PodDisruptionBudgets.
    Evict,
}

/// `--max-unavailable`: a number of nodes, or a percentage of the eligible nodes, rounded up as in the field
/// `maxUnavailable` of a DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MaxUnavailable(IntOrString);

impl MaxUnavailable {
    /// The number of nodes, from the number of eligible nodes.
    pub(crate) fn resolve(&self, desired: usize) -> usize {
        resolve(&self.0, desired)
    }
}

impl FromStr for MaxUnavailable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "must be a positive integer or a percentage between 1% and 100%";
        let digits = text.strip_suffix('%').unwrap_or(text);
        let number: i32 = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse().map_err(|_| WANTED)?,
            false => return Err(WANTED.into()),
        };
        match (number, digits == text) {
            (1.., true) => Ok(Self(IntOrString::Int(number))),
            (1..=100, false) => Ok(Self(IntOrString::String(text.to_owned()))),
            _ => Err(WANTED.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn budget_is_a_number_or_a_percentage_rounded_up() {
        for (text, desired, budget) in [("1", 30, 1), ("3", 2, 3), ("20%", 30, 6), ("20%", 31, 7), ("1%", 5, 1)] {
            assert_eq!(text.parse::<MaxUnavailable>().unwrap().resolve(desired), budget, "{text} of {desired}");
        }
    }

    #[test]
    fn zero_and_invalid_budgets_are_rejected() {
        for text in ["0", "0%", "101%", "", "%", "-1", "+1", "1.5", "ten", "10 %", "99999999999"] {
            assert!(text.parse::<MaxUnavailable>().is_err(), "{text}");
        }
    }
}
