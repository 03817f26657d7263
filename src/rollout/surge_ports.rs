//! Ports of the host under surge: old and new pod cannot be on one node.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodeports/node_ports.go`;
//! `pkg/apis/core/v1/defaults.go` `defaultHostNetworkPorts`.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::blocker::{NodeProblem, Problem};
use super::node_pods::{Availability, NodePods};
use crate::coverage::Coverage;
use crate::explain::Reason;
use crate::explain::pod::is_ready;
use crate::revision::{revision_of, template_with};
use crate::scheduling::host_port_conflict;
use crate::snapshot::pod::Pod;

/// Finds for each site whether its old pod, ready and therefore kept, has a port that the new one wants.
pub(super) struct SurgePorts<'a> {
    coverage: &'a Coverage<'a>,
    availability: Availability<'a>,
    new: Pod,
    /// By the old revision's hash.
    port_conflicts: HashMap<&'a str, Option<(i32, String)>>,
}

impl<'a> SurgePorts<'a> {
    pub(super) fn new(coverage: &'a Coverage<'a>, availability: Availability<'a>) -> Self {
        Self {
            coverage,
            availability,
            new: as_created(&coverage.daemon_set.spec.template),
            port_conflicts: HashMap::new(),
        }
    }

    /// A trouble where the new pod cannot come to the site for as long as the old one is well.
    pub(super) fn problem(&mut self, site: &NodePods<'a>) -> Option<NodeProblem> {
        let old = site.old.first().filter(|old| site.is_eligible && is_ready(old))?;
        let is_placed = site.new.iter().any(|new| !new.spec.node_name.is_empty());
        let hash = revision_of(&old.metadata.labels).filter(|_| !is_placed)?;
        let (coverage, availability, new) = (self.coverage, self.availability, &self.new);
        let clash = self.port_conflicts.entry(hash).or_insert_with(|| {
            let revisions = availability.snapshot.revisions.known()?;
            let old = template_with(hash, coverage.daemon_set, revisions)?;
            host_port_conflict(new, &as_created(&old))
        });
        let (port, protocol) = clash.clone()?;
        let reason = Reason::SurgeHostPortConflict { port, protocol };
        Some(NodeProblem { problem: Problem::new_pod(reason), needs_intervention: true })
    }
}

/// The pod of a template, with the ports that the host's network makes ports of the host.
fn as_created(template: &PodTemplateSpec) -> Pod {
    let mut pod = Pod::from_template("", template);
    if pod.spec.host_network {
        let containers = pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers);
        for port in containers.flat_map(|container| &mut container.ports).filter(|port| port.host_port == 0) {
            port.host_port = port.container_port;
        }
    }
    pod
}
