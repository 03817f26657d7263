//! Reads all arguments of `--from`.

use std::path::PathBuf;

use super::report::Report;
use super::saved_cluster::{Detail, SavedCluster};
use super::walk::Walk;
use crate::error::Error;

/// Reads the given files, and every file with a supported extension in the given directories and archives.
///
/// # Errors
/// The first given file that cannot be read or parsed. A file in a directory or an archive that cannot be read only
/// causes a note.
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
