//! `-o name`.

use std::io::{self, Write};

use super::text::safe;

/// Writes `daemonset.apps/NAME` for every DaemonSet, or `node/NAME` for the given rows.
pub(crate) fn names<'n>(out: &mut impl Write, resource: &str, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
    for name in names {
        writeln!(out, "{resource}/{}", safe(name))?;
    }
    Ok(())
}
