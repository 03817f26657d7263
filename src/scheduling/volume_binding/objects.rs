//! The objects that several steps of the filter read.

use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::api::storage::v1::{CSINode, StorageClass};

use crate::placement::{Affinity, PlacementFailure, TermMismatch};
use crate::scheduling::attempt::Attempt;
use crate::scheduling::csi_migration::required_nodes;
use crate::scheduling::pvc::name_of;
use crate::scheduling::volume_report::VolumeFilterReport;
use crate::snapshot::Node;
use crate::snapshot::pod_summary::NodeSelector;

pub(super) const BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";

/// The class with this name. The outer option is none if the classes could not be read.
pub(super) fn class_named<'a>(
    attempt: &Attempt<'a>,
    name: &str,
    report: &mut VolumeFilterReport,
) -> Option<Option<&'a StorageClass>> {
    if name.is_empty() {
        return Some(None);
    }
    let classes = report.read(&attempt.cluster_objects.storage_classes)?;
    Some(classes.iter().find(|class| name_of(&class.metadata) == name))
}

/// The mismatches between the node and the volume's node affinity; none if the node can access the volume
/// (`component-helpers/storage/volume/helpers.go` `CheckNodeAffinity`).
pub(super) fn mismatched_terms(
    volume: &PersistentVolume,
    csi_node: Option<&CSINode>,
    node: &Node,
) -> Option<Vec<TermMismatch>> {
    let required = required_nodes(volume, csi_node)?;
    // The JSON of both types is compatible.
    let mut required: NodeSelector =
        serde_json::to_value(required).and_then(serde_json::from_value).unwrap_or_default();
    for term in &mut required.node_selector_terms {
        // Upstream matches with a node that has only labels: valid match fields always match.
        let is_sound = |field: &crate::snapshot::pod_summary::NodeSelectorRequirement| {
            matches!(field.operator.as_str(), "In" | "NotIn") && field.values.len() == 1
        };
        if !term.match_fields.is_empty() && term.match_fields.iter().all(is_sound) {
            if term.match_expressions.is_empty() {
                return None;
            }
            term.match_fields.clear();
        }
    }
    match Affinity::new(&required).failure(node)? {
        PlacementFailure::NodeAffinity { terms } => Some(terms.take()),
        _ => None,
    }
}
