//! Why a DaemonSet has no eligible node: the nodes that come closest, or the most frequent reason.

use super::folded;
use crate::coverage::NodeCoverage;
use crate::explain::Reason;
use crate::placement::PlacementFailure;
use crate::render::reason::summary;
use crate::render::text::pluralize;

/// The number of failures of a row by the template's node selector and affinity, and by taints.
fn failures(row: &NodeCoverage<'_>) -> (usize, usize) {
    let of_row = row.reasons.iter().filter_map(|reason| match reason {
        Reason::NotEligible(failure) => Some(failure),
        _ => None,
    });
    let (taints, others): (Vec<_>, Vec<_>) =
        of_row.partition(|failure| matches!(failure, PlacementFailure::Taint { .. }));
    (others.len(), taints.len())
}

/// Why no node is eligible. Safe text.
pub(crate) fn why_none_is_eligible(rows: &[NodeCoverage<'_>]) -> String {
    let matches_template = |row: &&NodeCoverage<'_>| failures(row).0 == 0;
    let near: Vec<&NodeCoverage<'_>> = rows.iter().filter(matches_template).collect();
    if near.is_empty() || near.len() == rows.len() {
        return match folded(rows.iter()).first() {
            Some(largest) => format!("no eligible nodes: {} ({})", largest.causes, largest.nodes),
            None => "no nodes".into(),
        };
    }
    // Of the nodes that the template selects, those with the fewest taints.
    let fewest = near.iter().map(|row| failures(row).1).min().unwrap_or_default();
    let near = near.into_iter().filter(|row| failures(row).1 == fewest);
    match folded(near).first() {
        Some(nearest) => {
            let others = rows.iter().filter(|row| !matches_template(row));
            let of_others = others.clone().next().and_then(|row| row.reasons.first()).map(summary).unwrap_or_default();
            format!(
                "no eligible nodes: {} would match, but: {}; {} ({of_others})",
                nearest.nodes,
                nearest.causes,
                pluralize(others.count(), "other node")
            )
        }
        None => "no nodes".into(),
    }
}
