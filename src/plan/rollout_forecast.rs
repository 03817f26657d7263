//! What a rollout after the change would do.

use serde::Serialize;

/// What a rollout would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutForecast {
    /// How many pods are replaced by new ones.
    pub(crate) replaced: usize,
    /// Of these, pods that are replaced at once, whatever the budget is, because they are not available.
    pub(crate) at_once: usize,
    /// How many nodes may use the budget at the same time; absent without a rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<usize>,
    /// The least number of waves in which the other pods are replaced.
    pub(crate) waves: usize,
    /// The least time that the rollout takes because of `minReadySeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) least_seconds: Option<u64>,
    /// Whether it stops before all old pods are replaced.
    pub(crate) blocked: bool,
    /// The nodes that use the budget for good.
    pub(crate) blocked_by: Vec<String>,
    /// The nodes that keep their old pod because the rollout is blocked before it starts.
    pub(crate) waiting: Vec<String>,
    /// Old pods that stay until something deletes them, with the strategy `OnDelete`.
    pub(crate) outdated: usize,
}
