//! `-o name`: resource names for programs, one per line.

use std::io::{self, Write};

use super::text::sanitize;

/// Writes `daemonset.apps/NAME` for every DaemonSet, or `node/NAME` for the given rows.
pub(crate) fn names<'n>(out: &mut impl Write, resource: &str, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
    for name in names {
        writeln!(out, "{resource}/{}", sanitize(name))?;
    }
    Ok(())
}
