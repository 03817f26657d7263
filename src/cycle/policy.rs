//! How carefully, and which.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Order;
use crate::rollout::resolve;

/// What the user wants.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Also pods of the current revision.
    pub(crate) all: bool,
    /// Only these nodes; none for every node.
    pub(crate) only: Option<BTreeSet<String>>,
    /// Which node comes first.
    pub(crate) order: Order,
    /// So many nodes first, and then a stop.
    pub(crate) canary: Option<usize>,
    /// After the canary, watch it for so long and go on, instead of asking.
    pub(crate) soak: Option<SignedDuration>,
    /// The budget.
    pub(crate) max_unavailable: MaxUnavailable,
    /// A new pod has to stay available for so long, beyond `minReadySeconds`.
    pub(crate) min_ready: SignedDuration,
    /// A node that is not done after so long has failed.
    pub(crate) node_timeout: SignedDuration,
    /// With more failed nodes than this it halts.
    pub(crate) max_failures: usize,
    /// Also nodes that are not ready.
    pub(crate) include_not_ready: bool,
    /// How a pod is removed.
    pub(crate) removal: RemovalMethod,
}

/// How a pod is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovalMethod {
    /// It is deleted.
    Delete,
    /// It is evicted: PodDisruptionBudgets are asked.
    Evict,
}

/// `--max-unavailable`: a number of nodes, or a percentage of the nodes on which a pod is wanted, rounded up as the
/// DaemonSet's own field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MaxUnavailable(IntOrString);

impl MaxUnavailable {
    /// The number of nodes.
    pub(crate) fn resolve(&self, desired: usize) -> usize {
        resolve(&self.0, desired)
    }
}

impl FromStr for MaxUnavailable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "a number of nodes from 1 on, or a percentage from 1% to 100%, is wanted";
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
    fn a_budget_is_a_number_or_a_percentage_that_is_rounded_up() {
        for (text, desired, budget) in [("1", 30, 1), ("3", 2, 3), ("20%", 30, 6), ("20%", 31, 7), ("1%", 5, 1)] {
            assert_eq!(text.parse::<MaxUnavailable>().unwrap().resolve(desired), budget, "{text} of {desired}");
        }
    }

    #[test]
    fn a_budget_of_nothing_and_what_is_none_are_refused() {
        for text in ["0", "0%", "101%", "", "%", "-1", "+1", "1.5", "ten", "10 %", "99999999999"] {
            assert!(text.parse::<MaxUnavailable>().is_err(), "{text}");
        }
    }
}
