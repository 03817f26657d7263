//! Parses the scheduler's message about one node, in a pod's condition PodScheduled. Upstream: `FitError.Error` in
//! `pkg/scheduler/framework/types.go`.

use std::collections::BTreeSet;

/// The prefix of the reason for all nodes that PreFilter excluded because the pod is pinned to another node. The
/// brackets contain the plugins that excluded them: NodeAffinity, and those that reject the nominated node.
const OTHER_NODES: &str = "node(s) didn't satisfy plugin(s) [";

/// The prefix since 1.37 when preemption finds victims; before, there was no text.
const FOUND_PLACEMENT: &str = "found a potential placement for pod on node ";

/// The preemption reason of nodes on which preemption was not tried.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

/// The part of a message that is about the node to which the pod is pinned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FitError {
    /// Why the node was rejected.
    pub(crate) reasons: BTreeSet<String>,
    /// Whether PreFilter rejected the pod before any node was filtered.
    pub(crate) on_all_nodes: bool,
    /// Why preemption failed; empty when it succeeded.
    pub(crate) preemption: BTreeSet<String>,
    /// Further PostFilter messages.
    pub(crate) notes: Vec<String>,
}

impl FitError {
    /// Parses a message about a pod that is pinned to one node.
    pub(crate) fn parse(message: &str) -> Result<Self, String> {
        parse(message)
    }

    /// The outcome of preemption.
    pub(crate) fn preemption_outcome(&self) -> &'static str {
        match self.preemption.first().map(String::as_str) {
            None if self.on_all_nodes => "not tried",
            None => "found a placement",
            Some("not eligible due to preemptionPolicy=Never.") => "never",
            Some("not eligible due to a terminating pod on the nominated node.") => "waiting",
            Some(NOT_HELPFUL) => "not helpful",
            Some("No preemption victims found for incoming pod") => "no victims",
            Some(_) => "not enough",
        }
    }
}

fn parse(message: &str) -> Result<FitError, String> {
    let (nodes, rejection) = head(message).ok_or_else(|| format!("no \"0/N nodes are available\": {message:?}"))?;
    // The rejection is one sentence, followed by the PostFilter messages.
    let (rejection, after) = match rejection.split_once(". ") {
        Some((rejection, after)) => (rejection, after),
        None => (rejection.strip_suffix('.').unwrap_or(rejection), ""),
    };
    let (reasons, on_all_nodes) = match counted(rejection) {
        Some(parts) => (reasons_of_node(&parts, nodes, OTHER_NODES, message)?, false),
        None => (BTreeSet::from([rejection.to_owned()]), true),
    };
    let (before, preemption) = match after.split_once("preemption: ") {
        Some((before, preemption)) => (before, preemption),
        None => (after, ""),
    };
    let preemption = match head(preemption) {
        Some((nodes, text)) => {
            let parts = counted(text.strip_suffix('.').unwrap_or(text));
            let parts = parts.ok_or_else(|| format!("preemption without counts: {message:?}"))?;
            reasons_of_node(&parts, nodes, NOT_HELPFUL, message)?
        }
        None if preemption.is_empty() || preemption.starts_with(FOUND_PLACEMENT) => BTreeSet::new(),
        None => BTreeSet::from([preemption.to_owned()]),
    };
    let notes = before.split(", ").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Ok(FitError { reasons, on_all_nodes, preemption, notes })
}

/// `0/5 nodes are available: rest`.
fn head(text: &str) -> Option<(usize, &str)> {
    let (nodes, rest) = text.strip_prefix("0/")?.split_once(" nodes are available: ")?;
    Some((nodes.parse().ok()?, rest))
}

/// `1 this, 4 that`. A reason may contain commas: a number starts the next one.
fn counted(text: &str) -> Option<Vec<(usize, String)>> {
    let mut parts: Vec<(usize, String)> = Vec::new();
    for piece in text.split(", ") {
        let number = piece.split_once(' ').and_then(|(number, reason)| Some((number.parse().ok()?, reason)));
        match (number, parts.last_mut()) {
            (Some((count, reason)), _) => parts.push((count, reason.to_owned())),
            (None, Some((_, last))) => {
                last.push_str(", ");
                last.push_str(piece);
            }
            (None, None) => return None,
        }
    }
    Some(parts)
}

/// The reasons of the pod's node, given the prefix of the reason of all other nodes.
fn reasons_of_node(
    parts: &[(usize, String)],
    nodes: usize,
    others: &str,
    message: &str,
) -> Result<BTreeSet<String>, String> {
    let mut reasons = BTreeSet::new();
    let mut other_count = 0;
    for (count, reason) in parts {
        let mut own = *count;
        if reason.starts_with(others) {
            other_count = nodes.saturating_sub(1).min(*count);
            own -= other_count;
        }
        match own {
            0 => {}
            1 => {
                reasons.insert(reason.clone());
            }
            _ => return Err(format!("{own} nodes have {reason:?}: {message:?}")),
        }
    }
    if other_count + 1 != nodes {
        return Err(format!("{other_count} of {nodes} nodes have the reason of other nodes: {message:?}"));
    }
    Ok(reasons)
}

/// The plugin with this message. Only the counts use it, not the comparison.
pub(crate) fn plugin_of(reason: &str) -> &'static str {
    match reason {
        "Too many pods" => "NodeResourcesFit",
        "node(s) were unschedulable" => "NodeUnschedulable",
        "node(s) didn't match Pod's node affinity/selector" => "NodeAffinity",
        "node(s) didn't have free ports for the requested pod ports" => "NodePorts",
        "node(s) didn't match pod affinity rules"
        | "node(s) didn't match pod anti-affinity rules"
        | "node(s) didn't satisfy existing pods anti-affinity rules" => "InterPodAffinity",
        "node(s) exceed max volume count" => "NodeVolumeLimits",
        "node(s) had no available volume zone" => "VolumeZone",
        "cannot allocate all claims" | "resourceclaim not available on the node" => "DynamicResources",
        // Up to 1.33 the taint follows.
        _ if reason.starts_with("node(s) had untolerated taint") => "TaintToleration",
        _ if reason.starts_with("Insufficient ") => "NodeResourcesFit",
        _ if reason.starts_with(OTHER_NODES) => "NodeAffinity",
        _ if reason.contains("topology spread") => "PodTopologySpread",
        _ if reason.contains("ReadWriteOncePod") || reason.contains("no available disk") => "VolumeRestrictions",
        _ if reason.contains("PersistentVolume") || reason.contains("persistentvolume") => "VolumeBinding",
        _ => "another",
    }
}
