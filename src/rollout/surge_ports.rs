//! Ports of the host under surge: old and new pod cannot be on one node.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodeports/node_ports.go`;
//! `pkg/apis/core/v1/defaults.go` `defaultHostNetworkPorts`.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::Cause;
use super::revision::{revision_of, template_with};
use super::site::{Site, Yardstick};
use super::trouble::Trouble;
use crate::coverage::Coverage;
use crate::explain::pod::is_ready;
use crate::scheduling::first_clash;
use crate::snapshot::full_pod::FullPod;

/// Finds for each site whether its old pod, ready and therefore kept, has a port that the new one wants.
pub(super) struct SurgePorts<'a> {
    coverage: &'a Coverage<'a>,
    by: Yardstick<'a>,
    new: FullPod,
    /// By the old revision's hash.
    clashes: HashMap<&'a str, Option<(i32, String)>>,
}

impl<'a> SurgePorts<'a> {
    pub(super) fn of(coverage: &'a Coverage<'a>, by: Yardstick<'a>) -> Self {
        Self { coverage, by, new: as_made(&coverage.daemon_set.spec.template), clashes: HashMap::new() }
    }

    /// A trouble where the new pod cannot come to the site for as long as the old one is well.
    pub(super) fn trouble(&mut self, site: &Site<'a>) -> Option<Trouble> {
        let old = site.old.first().filter(|old| site.is_wanted && is_ready(old))?;
        let is_placed = site.new.iter().any(|new| !new.spec.node_name.is_empty());
        let hash = revision_of(&old.metadata.labels).filter(|_| !is_placed)?;
        let (coverage, by, new) = (self.coverage, self.by, &self.new);
        let clash = self.clashes.entry(hash).or_insert_with(|| {
            let revisions = by.snapshot.revisions.known()?;
            let old = template_with(hash, coverage.daemon_set, revisions)?;
            first_clash(new, &as_made(&old))
        });
        let (port, protocol) = clash.clone()?;
        Some(Trouble { cause: Cause::SurgeHostPort { port, protocol }, lasts: true })
    }
}

/// The pod of a template, with the ports that the host's network makes ports of the host.
fn as_made(template: &PodTemplateSpec) -> FullPod {
    let mut pod = FullPod::of_template("", template);
    if pod.spec.host_network {
        let containers = pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers);
        for port in containers.flat_map(|container| &mut container.ports).filter(|port| port.host_port == 0) {
            port.host_port = port.container_port;
        }
    }
    pod
}
