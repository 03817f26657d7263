//! `-o json` and `-o yaml` of `coverage`.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use serde::Serialize;

use crate::coverage::{Counts, Coverage, NodeCoverage};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::reason_view::ReasonView;
use crate::render::structured::Head;
use crate::render::text::sanitize;
use crate::revision::{RevisionSource, revision_of};

/// `kind: CoverageReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    daemon_sets: Vec<DaemonSetView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DaemonSetView<'a> {
    namespace: &'a str,
    name: &'a str,
    update_strategy: &'a str,
    revision_source: Option<RevisionSource>,
    #[serde(flatten)]
    counts: Counts,
    /// `.status` of the DaemonSet, as the API server returned it.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    status: &'a DaemonSetStatus,
    nodes: Vec<CoverageNode<'a>>,
    /// Pods that are assigned to a node that does not exist, or to no node.
    pods_without_node: Vec<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct CoverageNode<'a> {
    node: &'a str,
    placement: Option<Placement>,
    state: State,
    pod: Option<&'a str>,
    revision: Option<&'a str>,
    up_to_date: Option<bool>,
    restarts: Option<i64>,
    created: Option<Timestamp>,
    /// Since when the node has no available pod, as far as the objects show.
    uncovered_since: Option<Timestamp>,
    reasons: Vec<ReasonView<'a>>,
}

impl<'a> Report<'a> {
    /// The report of these DaemonSets, limited to the rows that `is_shown` selects.
    pub(crate) fn new(
        coverages: &[&'a Coverage<'a>],
        is_shown: impl Fn(&NodeCoverage<'_>) -> bool,
        unknown: &'a [String],
        now: Timestamp,
    ) -> Self {
        let view = |coverage: &'a Coverage<'a>| DaemonSetView {
            namespace: coverage.namespace(),
            name: coverage.name(),
            update_strategy: strategy_type(coverage.daemon_set),
            revision_source: coverage.revision.source,
            counts: coverage.counts,
            status: coverage.daemon_set.status.as_ref().unwrap_or(&NO_STATUS),
            nodes: coverage.rows.iter().filter(|row| is_shown(row)).map(|row| node_view(row, now)).collect(),
            pods_without_node: coverage.unmapped_pods.iter().map(|pod| pod.metadata.name.as_str()).collect(),
        };
        Self {
            head: Head::new("CoverageReport", now, unknown),
            daemon_sets: coverages.iter().copied().map(view).collect(),
        }
    }
}

static NO_STATUS: DaemonSetStatus = DaemonSetStatus {
    collision_count: None,
    conditions: None,
    current_number_scheduled: 0,
    desired_number_scheduled: 0,
    number_available: None,
    number_misscheduled: 0,
    number_ready: 0,
    number_unavailable: None,
    observed_generation: None,
    updated_number_scheduled: None,
};

fn node_view<'a>(row: &'a NodeCoverage<'a>, now: Timestamp) -> CoverageNode<'a> {
    let pod = row.pods.first();
    let reason = |reason: &'a Reason| ReasonView::new(reason, now);
    CoverageNode {
        node: row.node,
        placement: row.placement,
        state: row.state,
        pod: pod.map(|pod| pod.metadata.name.as_str()),
        revision: pod.and_then(|pod| revision_of(&pod.metadata.labels)),
        up_to_date: row.up_to_date,
        restarts: row.restarts(),
        created: row.created(),
        uncovered_since: row.uncovered_since,
        reasons: row.reasons.iter().map(reason).collect(),
    }
}

/// `RollingUpdate` or `OnDelete`.
fn strategy_type(daemon_set: &DaemonSet) -> &str {
    let strategy = daemon_set.spec.update_strategy.as_ref();
    strategy.and_then(|strategy| strategy.type_.as_deref()).unwrap_or("RollingUpdate")
}

/// The strategy with its limits: `RollingUpdate maxUnavailable 10%`.
pub(in crate::render) fn strategy(coverage: &Coverage<'_>) -> String {
    strategy_of(coverage.daemon_set)
}

pub(in crate::render) fn strategy_of(daemon_set: &DaemonSet) -> String {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    let strategy = daemon_set.spec.update_strategy.as_ref();
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let text = |value: &IntOrString| match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    };
    let limit = |name: &str, value: Option<&IntOrString>| {
        let value = value.map(text).filter(|value| value != "0" && value != "0%")?;
        Some(format!(" {name} {value}"))
    };
    let limits = [
        limit("maxUnavailable", rolling.and_then(|rolling| rolling.max_unavailable.as_ref())),
        limit("maxSurge", rolling.and_then(|rolling| rolling.max_surge.as_ref())),
    ];
    let limits: String = limits.into_iter().flatten().collect();
    sanitize(&format!("{}{limits}", strategy_type(daemon_set)))
}
