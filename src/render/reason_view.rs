//! A reason with its sentence, in JSON and YAML. In the schema, it has the description of [`Reason`].

use jiff::Timestamp;
use serde::Serialize;

use super::name_list::ListLength;
use super::reason::detail;
use crate::explain::Reason;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ReasonView<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    message: String,
}

impl<'a> ReasonView<'a> {
    pub(super) fn new(reason: &'a Reason, now: Timestamp) -> Self {
        Self { reason, message: detail(reason, now, ListLength::Handful) }
    }
}
