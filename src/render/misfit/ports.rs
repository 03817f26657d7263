//! The words of [`PortMisfit`].

use super::holders::{is_own, move_off, name, some_of, wait_for, without_surge};
use crate::render::names::ListLength;
use crate::render::remedy::{Remedy, Target};
use crate::scheduling::{Occupant, PortHolder, PortMisfit};

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &PortMisfit) -> String {
    let PortMisfit::HostPortInUse { port, protocol, host_ip, .. } = misfit;
    format!("host port {} is taken", port_in_words(*port, protocol, host_ip))
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &PortMisfit, names: ListLength) -> String {
    let PortMisfit::HostPortInUse { container, port, protocol, host_ip, holders } = misfit;
    let holder = |holder: &PortHolder| {
        let at = if holder.host_ip == *host_ip { String::new() } else { format!(" at {}", holder.host_ip) };
        let state = match (holder.occupant.nominated, holder.occupant.terminating) {
            (true, _) => " (nominated for this node)",
            (_, true) => " (being deleted)",
            _ => "",
        };
        format!("{}{at}{state}", name(&holder.occupant))
    };
    let port = port_in_words(*port, protocol, host_ip);
    format!("host port {port} of container {container} is taken by {}", some_of(holders, names, holder))
}

/// What to do about it.
pub(super) fn remedies(misfit: &PortMisfit, target: &Target<'_>) -> Vec<Remedy> {
    let PortMisfit::HostPortInUse { container, port, holders, .. } = misfit;
    let port = port.to_string();
    let mut remedies = Vec::new();
    let holders: Vec<&Occupant> = holders.iter().map(|holder| &holder.occupant).collect();
    let leaving: Vec<&Occupant> = holders.iter().copied().filter(|holder| holder.terminating).collect();
    if !leaving.is_empty() {
        remedies.push(wait_for(&leaving));
    }
    let movable: Vec<&Occupant> = holders.iter().copied().filter(|holder| holder.is_movable()).collect();
    if !movable.is_empty() {
        remedies.push(move_off(&format!("free host port {port}"), &movable, target));
    }
    let mut needs_another = movable.len() + leaving.len() < holders.len();
    for holder in holders.into_iter().filter(|holder| !holder.terminating && !holder.is_movable()) {
        if is_own(holder, target) {
            needs_another = false;
            remedies.push(without_surge(holder, target));
        } else if let Some(text) = immovable(holder, &port) {
            remedies.push(Remedy::say(text));
        }
    }
    if needs_another || !movable.is_empty() {
        let text = format!("give container {container} another hostPort than {port}, on every node");
        remedies.push(Remedy::run(text, [target.edit()]));
    }
    remedies
}

fn immovable(holder: &Occupant, port: &str) -> Option<String> {
    let owner = holder.owner.as_ref().filter(|_| !holder.nominated)?;
    Some(match owner.kind.as_str() {
        "Node" => {
            format!("change hostPort {port} in the manifest of the static pod {}, on the node itself", name(holder))
        }
        _ => format!("keep DaemonSet {}/{} off this node, or change its hostPort {port}", holder.namespace, owner.name),
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
