//! What should raise an alert and does not.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::alert::Alert;
use super::cause::{CauseType, causes};
use crate::coverage::{Counts, Coverage};
use crate::explain::Reason;
use crate::placement::PlacementFailure;
use crate::rollout::{RolloutStatus, Strategy};
use crate::snapshot::{Generation, Snapshot};

/// How long outdated pods may wait for their deletion before that is reported.
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// Something that no alert reports, because the expressions read the wrong number or an outdated one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum MissedAlert {
    /// No node is eligible, so that every number is 0.
    NoEligibleNode {
        /// The keys of the node selector whose label a node has with another value: the selector or the label may be
        /// wrong.
        labels_elsewhere: Vec<String>,
    },
    /// The update strategy is `OnDelete`, outdated pods have waited for a day or longer, and `.status` counts them as up
    /// to date.
    OutdatedForDays {
        nodes: Vec<String>,
        /// Since when the pods are outdated at least.
        since: Timestamp,
    },
    /// Nodes and pods make the expression true, and `.status` does not.
    StatusOutdated { alert: Alert },
    /// The controller has not observed the newest spec: the numbers are those of an older one.
    NotObserved {
        /// `metadata.generation`.
        generation: i64,
        /// `status.observedGeneration`.
        observed: i64,
    },
}

/// What no alert reports. `status` are the numbers of `.status`.
pub(super) fn missed<'a>(
    coverage: &'a Coverage<'a>,
    rollout: &RolloutStatus<'a>,
    status: &Counts,
    snapshot: &'a Snapshot,
) -> Vec<MissedAlert> {
    if coverage.daemon_set.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let generation = Generation::new(coverage.daemon_set);
    let is_observed = generation.is_observed();
    let (generation, observed) = (generation.current, generation.observed);
    let unobserved = (!is_observed).then_some(MissedAlert::NotObserved { generation, observed });
    let no_node = (coverage.counts.desired == Some(0) && snapshot.has_all_nodes && has_no_pods(coverage))
        .then(|| MissedAlert::NoEligibleNode { labels_elsewhere: labels_elsewhere(coverage) });
    let is_hidden = |alert: &Alert| alert.matches(&coverage.counts) && !alert.matches(status);
    let hidden = Alert::ALL.into_iter().filter(is_hidden).map(|alert| MissedAlert::StatusOutdated { alert });
    unobserved.into_iter().chain(no_node).chain(hidden).chain(outdated(coverage, rollout, status, snapshot)).collect()
}

fn has_no_pods(coverage: &Coverage<'_>) -> bool {
    coverage.rows.iter().all(|row| row.pods.is_empty())
}

/// The keys of the node selector that a node has with another value.
fn labels_elsewhere(coverage: &Coverage<'_>) -> Vec<String> {
    let failures = coverage.rows.iter().flat_map(|row| &row.reasons);
    let keys: BTreeSet<&String> = failures
        .filter_map(|reason| match reason {
            Reason::NotEligible(PlacementFailure::NodeSelector { key, found: Some(_), .. }) => Some(key),
            _ => None,
        })
        .collect();
    keys.into_iter().cloned().collect()
}

/// Outdated pods of `OnDelete` that no alert reports.
fn outdated<'a>(
    coverage: &'a Coverage<'a>,
    rollout: &RolloutStatus<'a>,
    status: &Counts,
    snapshot: &'a Snapshot,
) -> Option<MissedAlert> {
    if rollout.strategy != Strategy::OnDelete || Alert::KubeDaemonSetRolloutStuck.matches(status) {
        return None;
    }
    let all = causes(Alert::KubeDaemonSetRolloutStuck, coverage, rollout, snapshot);
    let is_old = |since: &Timestamp| snapshot.as_of.duration_since(*since) >= LONG;
    let outdated = all.iter().filter(|cause| cause.cause_type == CauseType::Outdated);
    let waiting: Vec<(&str, Timestamp)> =
        outdated.filter_map(|cause| Some((cause.node, cause.since.filter(is_old)?))).collect();
    let since = waiting.iter().map(|(_, since)| *since).min()?;
    Some(MissedAlert::OutdatedForDays { nodes: waiting.into_iter().map(|(node, _)| node.to_owned()).collect(), since })
}
