//! What the scheduler wrote about one node: the message of a pod's condition PodScheduled, taken apart. Upstream:
//! `FitError.Error` in `pkg/scheduler/framework/types.go`.

use std::collections::BTreeSet;

/// The scheduler's words for the nodes that a pod pinned to another one was never tried on begin so. In brackets stand
/// the plugins that narrowed the choice: NodeAffinity, and what refuses the node that the pod is nominated for.
const OTHERS: &str = "node(s) didn't satisfy plugin(s) [";

/// What is said since 1.37 where preemption makes room; before, nothing was.
const MADE_ROOM: &str = "found a potential placement for pod on node ";

/// The same for preemption: it was not tried there.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

/// A message, as far as it is about the one node that its pod is meant for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The reasons.
    pub(crate) reasons: BTreeSet<String>,
    /// Whether the pod was refused as such, before any node was looked at.
    pub(crate) everywhere: bool,
    /// What became of preemption, by the same rule; empty when it made room.
    pub(crate) preemption: BTreeSet<String>,
    /// What else is said of the time after the refusal.
    pub(crate) rest: Vec<String>,
}

impl Told {
    /// What became of preemption, in a word.
    pub(crate) fn preemption_in_a_word(&self) -> &'static str {
        match self.preemption.first().map(String::as_str) {
            None if self.everywhere => "not tried",
            None => "made room",
            Some("not eligible due to preemptionPolicy=Never.") => "never",
            Some("not eligible due to a terminating pod on the nominated node.") => "waits",
            Some(NOT_HELPFUL) => "not helpful",
            Some("No preemption victims found for incoming pod") => "no victims",
            Some(_) => "not enough",
        }
    }
}

/// Takes a message about a pod that is meant for one node apart, or tells why that cannot be done.
pub(crate) fn parse(message: &str) -> Result<Told, String> {
    let (nodes, refusal) = head(message).ok_or_else(|| format!("no \"0/N nodes are available\": {message:?}"))?;
    // The refusal is one sentence, what became of preemption follows it.
    let (refusal, after) = match refusal.split_once(". ") {
        Some((refusal, after)) => (refusal, after),
        None => (refusal.strip_suffix('.').unwrap_or(refusal), ""),
    };
    let (reasons, everywhere) = match counted(refusal) {
        Some(parts) => (of_one_node(&parts, nodes, OTHERS, message)?, false),
        None => (BTreeSet::from([refusal.to_owned()]), true),
    };
    let (before, preemption) = match after.split_once("preemption: ") {
        Some((before, preemption)) => (before, preemption),
        None => (after, ""),
    };
    let preemption = match head(preemption) {
        Some((nodes, text)) => {
            let parts = counted(text.strip_suffix('.').unwrap_or(text));
            let parts = parts.ok_or_else(|| format!("preemption without counts: {message:?}"))?;
            of_one_node(&parts, nodes, NOT_HELPFUL, message)?
        }
        None if preemption.is_empty() || preemption.starts_with(MADE_ROOM) => BTreeSet::new(),
        None => BTreeSet::from([preemption.to_owned()]),
    };
    let rest = before.split(", ").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Ok(Told { reasons, everywhere, preemption, rest })
}

/// `0/5 nodes are available: rest`.
fn head(text: &str) -> Option<(usize, &str)> {
    let (nodes, rest) = text.strip_prefix("0/")?.split_once(" nodes are available: ")?;
    Some((nodes.parse().ok()?, rest))
}

/// `1 this, 4 that`. A reason may hold commas itself: a new one begins where a number stands.
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

/// What is said of the one node, when all others are told `others`.
fn of_one_node(
    parts: &[(usize, String)],
    nodes: usize,
    others: &str,
    message: &str,
) -> Result<BTreeSet<String>, String> {
    let mut reasons = BTreeSet::new();
    let mut of_others = 0;
    for (count, reason) in parts {
        let mut own = *count;
        if reason.starts_with(others) {
            of_others = nodes.saturating_sub(1).min(*count);
            own -= of_others;
        }
        match own {
            0 => {}
            1 => {
                reasons.insert(reason.clone());
            }
            _ => return Err(format!("{own} nodes have {reason:?}: {message:?}")),
        }
    }
    if of_others + 1 != nodes {
        return Err(format!("{of_others} of {nodes} nodes are said to be others: {message:?}"));
    }
    Ok(reasons)
}

/// The plugin that says this, for what is counted; the comparison does not need it.
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
        // Up to 1.33 followed by the taint.
        _ if reason.starts_with("node(s) had untolerated taint") => "TaintToleration",
        _ if reason.starts_with("Insufficient ") => "NodeResourcesFit",
        _ if reason.starts_with(OTHERS) => "NodeAffinity",
        _ if reason.contains("topology spread") => "PodTopologySpread",
        _ if reason.contains("ReadWriteOncePod") || reason.contains("no available disk") => "VolumeRestrictions",
        _ if reason.contains("PersistentVolume") || reason.contains("persistentvolume") => "VolumeBinding",
        _ => "another",
    }
}
