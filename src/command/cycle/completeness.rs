//! Checks that a snapshot contains everything on which a deletion depends.

use crate::error::Error;
use crate::snapshot::{Missing, Snapshot};

/// Checks that nodes, pods and revisions could be read completely.
///
/// # Errors
/// [`Error::IncompleteView`].
pub(super) fn check(snapshot: &Snapshot) -> Result<(), Error> {
    let gaps =
        [snapshot.nodes.missing(), snapshot.pods.missing(), snapshot.revisions.missing(), snapshot.openshift.missing()];
    match gaps.into_iter().flatten().next() {
        Some(gap) => Err(Error::IncompleteView { gap: gap.to_string(), is_saved: matches!(gap, Missing::NotSaved(_)) }),
        None => Ok(()),
    }
}
