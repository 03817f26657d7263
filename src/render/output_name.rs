//! `-o name`: resource names for programs, one per line.

use std::io::{self, Write};

use super::text::sanitize;

/// Writes `NAMESPACE/NAME` for every DaemonSet if several namespaces are listed, and otherwise `daemonset.apps/NAME`. The
/// former is accepted by every command of this program; the latter also by kubectl.
pub(crate) fn daemon_set_names<'n>(
    out: &mut impl Write,
    with_namespace: bool,
    daemon_sets: impl Iterator<Item = (&'n str, &'n str)>,
) -> io::Result<()> {
    for (namespace, name) in daemon_sets {
        let before = if with_namespace { namespace } else { "daemonset.apps" };
        writeln!(out, "{}/{}", sanitize(before), sanitize(name))?;
    }
    Ok(())
}

/// Writes `RESOURCE/NAME` for every name.
pub(crate) fn names<'n>(out: &mut impl Write, resource: &str, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
    for name in names {
        writeln!(out, "{resource}/{}", sanitize(name))?;
    }
    Ok(())
}
