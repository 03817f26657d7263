//! The NodePorts filter: host ports.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodeports/node_ports.go` `Filter`, `pkg/scheduler/util/utils.go`
//! `GetHostPorts`, `kube-scheduler/framework/types.go` `HostPortInfo.CheckConflict`.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode, nominated_ahead};
use super::node_pod::NodePod;
use super::rejection::{FilterRejection, PortRejection, PortUser};
use crate::check_result::CheckResult;

use crate::snapshot::Known;
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::{ContainerPort, Pod};

/// Since this version, the ports of sidecars count. Later patch releases of this version have the fix; earlier ones are
/// not modeled.
const PORTS_OF_SIDECARS: KubeMinor = KubeMinor(33);
/// The address that means all addresses.
const ANY: &str = "0.0.0.0";

/// A pod without host ports passes even if the other pods are unknown.
pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let requested = host_ports(attempt.pod, attempt.minor());
    if requested.is_empty() {
        return CheckResult::Pass;
    }
    let bound = match &attempt.bound_pods {
        Known::Known(pods) => pods.as_slice(),
        Known::Unknown(missing) => return CheckResult::Unknown { missing: missing.clone() },
    };
    let nominated = attempt.nominated.known().map(|pods| nominated_ahead(attempt, pods)).unwrap_or_default();
    let bound = bound.iter().map(|pod| (*pod, NodePod::bound(pod)));
    let tenants = bound.chain(nominated.into_iter().map(|pod| (pod, NodePod::nominated(pod))));
    let used: Vec<(NodePod, HostPort<'_>)> = tenants
        .flat_map(|(pod, node_pod)| {
            host_ports(pod, attempt.minor()).into_iter().map(move |port| (node_pod.clone(), port))
        })
        .collect();
    let rejections = requested.iter().filter_map(|port| rejection(port, &used)).collect();
    match (CheckResult::from_reasons(rejections), &attempt.nominated) {
        // More pods can only use more ports, so a failure is final.
        (CheckResult::Pass, Known::Unknown(missing)) => CheckResult::Unknown { missing: missing.clone() },
        (outcome, _) => outcome,
    }
}

fn rejection(requested: &HostPort<'_>, used: &[(NodePod, HostPort<'_>)]) -> Option<FilterFailure> {
    let mut used_by = Vec::new();
    for (node_pod, port) in used.iter().filter(|(_, port)| requested.conflicts(port)) {
        let holder = PortUser { node_pod: node_pod.clone(), host_ip: port.host_ip.to_owned() };
        if !used_by.contains(&holder) {
            used_by.push(holder);
        }
    }
    let HostPort { container, port, protocol, host_ip } = *requested;
    (!used_by.is_empty()).then(|| {
        FilterFailure::new(
            FilterRejection::Ports(PortRejection::HostPortInUse {
                container: container.to_owned(),
                port,
                protocol: protocol.to_owned(),
                host_ip: host_ip.to_owned(),
                used_by,
            }),
            "node(s) didn't have free ports for the requested pod ports",
            StatusCode::Unschedulable,
        )
    })
}

/// A host port with its defaults, as the scheduler sees it.
#[derive(Clone, Copy)]
struct HostPort<'a> {
    container: &'a str,
    port: i32,
    protocol: &'a str,
    host_ip: &'a str,
}

impl<'a> HostPort<'a> {
    fn new(container: &'a str, port: &'a ContainerPort) -> Self {
        let or = |text: &'a str, default| if text.is_empty() { default } else { text };
        Self { container, port: port.host_port, protocol: or(&port.protocol, "TCP"), host_ip: or(&port.host_ip, ANY) }
    }

    /// Addresses are compared as text; `::` has no special meaning.
    fn conflicts(&self, other: &Self) -> bool {
        let meets = self.host_ip == ANY || other.host_ip == ANY || self.host_ip == other.host_ip;
        self.port == other.port && self.protocol == other.protocol && meets
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.port, self.protocol, self.host_ip) == (other.port, other.protocol, other.host_ip)
    }
}

/// The distinct host ports of the pod. Ordinary init containers do not count.
fn host_ports(pod: &Pod, minor: KubeMinor) -> Vec<HostPort<'_>> {
    let sidecars = pod.spec.init_containers.iter().filter(|container| container.is_sidecar());
    let sidecars = sidecars.filter(|_| minor >= PORTS_OF_SIDECARS);
    let mut ports: Vec<HostPort<'_>> = Vec::new();
    for container in sidecars.chain(&pod.spec.containers) {
        for port in container.ports.iter().filter(|port| port.host_port > 0) {
            let port = HostPort::new(&container.name, port);
            if !ports.iter().any(|other| other.is_same(&port)) {
                ports.push(port);
            }
        }
    }
    ports
}

/// The first host port, with its protocol, that prevents the two pods from running on one node.
pub(crate) fn host_port_conflict(a: &Pod, b: &Pod) -> Option<(i32, String)> {
    let taken = host_ports(b, KubeMinor::ASSUMED);
    let ports = host_ports(a, KubeMinor::ASSUMED);
    let port = ports.iter().find(|port| taken.iter().any(|other| port.conflicts(other)))?;
    Some((port.port, port.protocol.to_owned()))
}

#[cfg(test)]
mod tests;
