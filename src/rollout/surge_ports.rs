//! Host ports under surge: an old and a new pod with the same host port do not fit on one node, and the controller
//! deletes the old pod only when the new one is available. A node with a ready old pod would wait forever.
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

/// Finds nodes whose old pod is ready, and therefore kept, and has a host port that the new pod requests.
pub(super) struct SurgePorts<'a> {
    coverage: &'a Coverage<'a>,
    availability: Availability<'a>,
    new: Pod,
    /// The port and protocol of the conflict by the hash of the old revision: many nodes run the same one.
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

    /// The port conflict of a node, if the new pod cannot be scheduled while the old one is ready.
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

/// The pod of a template. With `hostNetwork`, container ports become host ports.
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
