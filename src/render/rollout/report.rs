//! `-o json` and `-o yaml` of `rollout status`.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use super::{ReasonView, hold, reason_views};
use crate::explain::State;
use crate::render::names::ListLength;
use crate::render::remedy::Remedy;
use crate::render::structured::Head;
use crate::rollout::{Hold, Phase, Progress, RevisionSource, Spending, Standing, Step, Strategy, revision_of};

/// `kind: RolloutReport`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    daemon_sets: Vec<DaemonSetView<'a>>,
}

/// How far a rollout is; the numbers are none when what they are counted from could not be read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers<'a> {
    revision: Option<&'a str>,
    revision_source: Option<RevisionSource>,
    phase: Phase,
    desired: Option<usize>,
    updated: Option<usize>,
    updated_available: Option<usize>,
    available: Option<usize>,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(standing: &'a Standing<'_>) -> Self {
        let known = |number| (standing.phase != Phase::Unknown).then_some(number);
        Self {
            revision: standing.revision.hash.known().and_then(Option::as_deref),
            revision_source: standing.revision.source,
            phase: standing.phase,
            desired: known(standing.desired),
            updated: known(standing.updated),
            updated_available: known(standing.updated_available),
            available: known(standing.available),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DaemonSetView<'a> {
    namespace: &'a str,
    name: &'a str,
    #[serde(flatten)]
    numbers: Numbers<'a>,
    strategy: Strategy,
    spent: Vec<SpenderView<'a>>,
    holds: Vec<HoldView<'a>>,
    nodes: Vec<NodeView<'a>>,
    leftovers: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpenderView<'a> {
    node: &'a str,
    cause: Spending,
    is_node_down: bool,
    lasts: bool,
    reasons: Vec<ReasonView<'a>>,
}

#[derive(Serialize)]
struct HoldView<'a> {
    #[serde(flatten)]
    hold: &'a Hold<'a>,
    message: String,
    fix: Vec<Remedy>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeView<'a> {
    node: &'a str,
    step: Step,
    state: State,
    pod: Option<&'a str>,
    revision: Option<&'a str>,
    up_to_date: Option<bool>,
    reasons: Vec<ReasonView<'a>>,
}

impl<'a> Report<'a> {
    /// The report on these rollouts.
    pub(crate) fn of(standings: &'a [Standing<'a>], unknown: &'a [String], now: Timestamp) -> Self {
        Self {
            head: Head::of("RolloutReport", now, unknown),
            daemon_sets: standings.iter().map(|standing| view(standing, now)).collect(),
        }
    }
}

fn view<'a>(standing: &'a Standing<'a>, now: Timestamp) -> DaemonSetView<'a> {
    let DaemonSet { metadata, .. } = standing.daemon_set;
    DaemonSetView {
        namespace: metadata.namespace.as_deref().unwrap_or_default(),
        name: metadata.name.as_deref().unwrap_or_default(),
        numbers: Numbers::of(standing),
        strategy: standing.strategy,
        spent: standing
            .spent
            .iter()
            .map(|spender| SpenderView {
                node: spender.node,
                cause: spender.cause,
                is_node_down: spender.is_node_down,
                lasts: spender.lasts,
                reasons: reason_views(&spender.reasons, now),
            })
            .collect(),
        holds: standing
            .holds
            .iter()
            .map(|found| HoldView {
                hold: found,
                message: hold::sentence(&found.cause, now, ListLength::Handful),
                fix: hold::remedies(found, standing),
            })
            .collect(),
        nodes: standing.nodes.iter().map(|progress| node_view(progress, now)).collect(),
        leftovers: &standing.leftovers,
    }
}

fn node_view<'a>(progress: &'a Progress<'a>, now: Timestamp) -> NodeView<'a> {
    let pod = progress.row.pods.first();
    NodeView {
        node: progress.node,
        step: progress.step,
        state: progress.row.state,
        pod: pod.map(|pod| pod.metadata.name.as_str()),
        revision: pod.and_then(|pod| revision_of(&pod.metadata.labels)),
        up_to_date: progress.row.up_to_date,
        reasons: reason_views(&progress.reasons, now),
    }
}
