//! Which revision is the current one, and which one a pod runs.

mod revision;

pub(crate) use revision::{CurrentRevision, is_current, revision_of};
