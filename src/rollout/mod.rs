//! Which revisions there are, which one is the current one, and which one a pod runs.

mod history;
mod revision;

pub(crate) use history::{Between, Gone, History, Revision};
pub(crate) use revision::{CurrentRevision, is_current, revision_of};
