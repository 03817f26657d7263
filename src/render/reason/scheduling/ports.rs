//! The sentences and remedies of [`PortRejection`].

use super::resource_users::{is_own, move_off, name, some_of, tie_in_words, wait_for, without_surge};
use crate::render::name_list::ListLength;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::{NodePod, PortRejection, PortUser};

pub(super) fn summary(rejection: &PortRejection) -> String {
    let PortRejection::HostPortInUse { port, protocol, host_ip, .. } = rejection;
    format!("host port {} is in use", port_in_words(*port, protocol, host_ip))
}

pub(super) fn detail(rejection: &PortRejection, names: ListLength) -> String {
    let PortRejection::HostPortInUse { container, port, protocol, host_ip, used_by } = rejection;
    let holder = |holder: &PortUser| {
        let at = if holder.host_ip == *host_ip { String::new() } else { format!(" at {}", holder.host_ip) };
        let state = match (holder.node_pod.nominated, holder.node_pod.terminating) {
            (true, _) => " (nominated for this node)",
            (_, true) => " (Terminating)",
            _ => "",
        };
        format!("{}{at}{state}", name(&holder.node_pod))
    };
    let port = port_in_words(*port, protocol, host_ip);
    format!("host port {port} of container {container} is in use by {}", some_of(used_by, names, holder))
}

pub(super) fn remedies(rejection: &PortRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let PortRejection::HostPortInUse { container, port, used_by, .. } = rejection;
    let port = port.to_string();
    let mut remedies = Vec::new();
    let used_by: Vec<&NodePod> = used_by.iter().map(|holder| &holder.node_pod).collect();
    let leaving: Vec<&NodePod> = used_by.iter().copied().filter(|holder| holder.terminating).collect();
    if !leaving.is_empty() {
        remedies.push(wait_for(&leaving));
    }
    let movable: Vec<&NodePod> = used_by.iter().copied().filter(|holder| holder.is_movable()).collect();
    if !movable.is_empty() {
        remedies.push(move_off(&format!("free host port {port}"), &movable, target));
    }
    let mut needs_another = movable.len() + leaving.len() < used_by.len();
    for holder in used_by.into_iter().filter(|holder| !holder.terminating && !holder.is_movable()) {
        if is_own(holder, target) {
            needs_another = false;
            remedies.push(without_surge(holder, target));
        } else if let Some(text) = immovable(holder, &port) {
            remedies.push(Remedy::text_only(text));
        }
    }
    if needs_another || !movable.is_empty() {
        let text = format!("change hostPort {port} of container {container} (on all nodes)");
        remedies.push(Remedy::run(text, [target.edit()]));
    }
    remedies
}

fn immovable(holder: &NodePod, port: &str) -> Option<String> {
    let owner = holder.owner.as_ref().filter(|_| !holder.nominated)?;
    if let Some(tied) = holder.tied_to_node.filter(|_| !holder.is_of_node()) {
        return Some(format!("pod {} cannot be moved: {}", name(holder), tie_in_words(tied)));
    }
    Some(match owner.kind.as_str() {
        "Node" => {
            format!("change hostPort {port} in the manifest of static pod {}, on the node itself", name(holder))
        }
        _ => format!(
            "exclude this node from DaemonSet {}/{}, or change its hostPort {port}",
            holder.namespace, owner.name
        ),
    })
}

fn port_in_words(port: i32, protocol: &str, host_ip: &str) -> String {
    match host_ip {
        "0.0.0.0" => format!("{port}/{protocol}"),
        address if address.contains(':') => format!("[{address}]:{port}/{protocol}"),
        address => format!("{address}:{port}/{protocol}"),
    }
}

#[cfg(test)]
mod tests;
