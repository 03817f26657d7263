//! Conflicts between the old and the new pod of a surge: with the same host port, or with an anti-affinity that excludes
//! pods of the DaemonSet, they do not fit on one node, and the controller deletes the old pod only when the new one is
//! available. A node with a ready old pod would wait forever.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodeports/node_ports.go`,
//! `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`; `pkg/apis/core/v1/defaults.go`
//! `defaultHostNetworkPorts`.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::blocker::{NodeProblem, Problem};
use super::node_pods::{Availability, NodePods};
use crate::coverage::Coverage;
use crate::explain::Reason;
use crate::explain::pod::is_ready;
use crate::revision::{revision_of, template_with};
use crate::scheduling::{exclude_each_other, host_port_conflict};
use crate::snapshot::HOSTNAME;
use crate::snapshot::pod::Pod;

/// Finds nodes whose old pod is ready, and therefore kept, and keeps the new pod out.
pub(super) struct SurgeConflicts<'a> {
    coverage: &'a Coverage<'a>,
    availability: Availability<'a>,
    new: Pod,
    /// The conflict by the hash of the old revision: many nodes run the same one.
    conflicts: HashMap<&'a str, Option<Reason>>,
}

impl<'a> SurgeConflicts<'a> {
    pub(super) fn new(coverage: &'a Coverage<'a>, availability: Availability<'a>) -> Self {
        Self {
            coverage,
            availability,
            new: as_created(coverage.namespace(), &coverage.daemon_set.spec.template),
            conflicts: HashMap::new(),
        }
    }

    /// The conflict on a node, if the new pod cannot be scheduled while the old one is ready.
    pub(super) fn problem(&mut self, site: &NodePods<'a>) -> Option<NodeProblem> {
        let old = site.old.first().filter(|old| site.is_eligible && is_ready(old))?;
        let is_placed = site.new.iter().any(|new| !new.spec.node_name.is_empty());
        let hash = revision_of(&old.metadata.labels).filter(|_| !is_placed)?;
        let (coverage, availability, new) = (self.coverage, self.availability, &self.new);
        let conflict = self.conflicts.entry(hash).or_insert_with(|| {
            let revisions = availability.snapshot.revisions.known()?;
            let old = template_with(hash, coverage.daemon_set, revisions)?;
            conflict(new, &as_created(coverage.namespace(), &old))
        });
        let reason = conflict.clone()?;
        // A node without the label is in no topology domain.
        let has_hostname = || site.node.is_some_and(|node| node.metadata.labels.contains_key(HOSTNAME));
        if matches!(reason, Reason::SurgeAntiAffinityConflict) && !has_hostname() {
            return None;
        }
        Some(NodeProblem { problem: Problem::new_pod(reason), needs_intervention: true })
    }
}

fn conflict(new: &Pod, old: &Pod) -> Option<Reason> {
    if let Some((port, protocol)) = host_port_conflict(new, old) {
        return Some(Reason::SurgeHostPortConflict { port, protocol });
    }
    exclude_each_other(new, old).then_some(Reason::SurgeAntiAffinityConflict)
}

/// The pod of a template. With `hostNetwork`, container ports become host ports.
fn as_created(namespace: &str, template: &PodTemplateSpec) -> Pod {
    let mut pod = Pod::from_template(namespace, template);
    if pod.spec.host_network {
        let containers = pod.spec.containers.iter_mut().chain(pod.spec.init_containers.iter_mut());
        for port in containers.flat_map(|container| &mut container.ports).filter(|port| port.host_port == 0) {
            port.host_port = port.container_port;
        }
    }
    pod
}
