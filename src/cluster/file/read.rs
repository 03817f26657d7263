//! Reads all that `--from` names.

use std::path::PathBuf;

use super::report::Report;
use super::walk::Walk;
use super::{Detail, SavedCluster};
use crate::error::Error;

/// What a good file is.
pub(crate) const HINT: &str = "a saved cluster is what this prints: \
    kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > FILE";

/// Reads all files that are named, and all files with a known ending in the folders and archives that are named.
///
/// # Errors
/// The first file that was named and cannot be read or understood: file, document, field. Of what a folder or an archive
/// holds, a file that cannot be read is noted.
pub(crate) fn read(sources: &[PathBuf], detail: Detail) -> Result<SavedCluster, Error> {
    let mut cluster = SavedCluster { detail, ..SavedCluster::default() };
    let mut walk = Walk { cluster: &mut cluster, report: Report::default(), root: String::new() };
    for source in sources {
        walk.read(source)?;
    }
    let report = walk.report;
    cluster.notes = report.notes();
    Ok(cluster)
}

/// The refusal of a file.
pub(super) fn broken(file: &str, message: impl Into<String>) -> Error {
    Error::File { file: file.to_owned(), message: message.into(), hint: HINT.into() }
}
