//! Pods that want each other near, or far.

use super::{Attempt, Outcome};
use serde::Serialize;

/// Which pods are in the way, or missing. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum AffinityMisfit {}
/// Judges the attempt.
pub(super) fn filter(_attempt: &Attempt<'_>) -> Outcome {
    Outcome::Pass
}
