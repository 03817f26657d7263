//! A DaemonSet of `--require`: on each node that is started or finished, its pod has to be current and available.

use std::collections::HashSet;

use crate::explain::pod::is_available;
use crate::revision::{CurrentRevision, is_current};
use crate::snapshot::{DaemonSetName, Generation, Snapshot};

/// The nodes on which a requirement is met.
pub(super) struct Requirement<'a> {
    name: &'a DaemonSetName,
    met: HashSet<&'a str>,
}

impl<'a> Requirement<'a> {
    /// The requirement at the time of the snapshot, which contains the pods of this DaemonSet. It is met on no node while
    /// the DaemonSet does not exist or its controller has not observed its current template.
    pub(super) fn new(name: &'a DaemonSetName, snapshot: &'a Snapshot) -> Self {
        Self { name, met: met(name, snapshot).unwrap_or_default() }
    }

    /// The name of the DaemonSet, if the requirement is not met on the node.
    pub(super) fn unmet_on(&self, node: &str) -> Option<&'a DaemonSetName> {
        (!self.met.contains(node)).then_some(self.name)
    }
}

fn met<'a>(name: &DaemonSetName, snapshot: &'a Snapshot) -> Option<HashSet<&'a str>> {
    let daemon_set = snapshot.daemon_sets.iter().find(|daemon_set| name.matches(daemon_set))?;
    if !Generation::new(daemon_set).is_observed() {
        return None;
    }
    let revision = CurrentRevision::new(daemon_set, &snapshot.revisions);
    let uid = daemon_set.metadata.uid.as_deref()?;
    let min_ready_seconds = daemon_set.spec.min_ready_seconds.unwrap_or_default();
    let pods = snapshot.pods.known()?.iter().filter(|pod| {
        pod.metadata.controller().is_some_and(|owner| owner.uid == uid)
            && !pod.is_terminating()
            && is_current(pod, &revision) == Some(true)
            && is_available(pod, min_ready_seconds, snapshot.as_of)
    });
    Some(pods.map(|pod| pod.spec.node_name.as_str()).collect())
}
