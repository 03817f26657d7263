//! Whether a volume can be provisioned for a claim.
//!
//! Upstream: `volumebinding/binder.go` `checkVolumeProvisions`, `hasEnoughCapacity`, `nodeHasAccess`;
//! `pkg/apis/core/v1/helper/helpers.go` `MatchTopologySelectorTerms`.

use crate::scheduling::attempt::{Attempt, StatusCode};
use crate::scheduling::rejection::{MismatchedVolume, VolumeRejection};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, TopologySelectorTerm};
use k8s_openapi::api::storage::v1::{CSIStorageCapacity, StorageClass};

use super::super::pvc::{class_of, name_of, request_of};
use super::super::volume_report::VolumeFilterReport;
use super::objects::{BIND_CONFLICT, class_named};
use crate::placement::{Requirement, TermMismatch};
use crate::snapshot::Node;
use crate::snapshot::quantity::Quantity;
use crate::snapshot::selector;

const NO_SPACE: &str = "node(s) did not have enough free storage";
/// The provisioner of classes whose volumes are created manually.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// Checks a claim that no existing volume matches. `mismatches` has why each volume does not match.
pub(super) fn check(
    attempt: &Attempt<'_>,
    claim: &PersistentVolumeClaim,
    mismatches: Vec<MismatchedVolume>,
    report: &mut VolumeFilterReport,
) {
    let Some(Some(class)) = class_named(attempt, class_of(claim), report) else { return };
    let claim_name = name_of(&claim.metadata).to_owned();
    let storage_class = class_of(claim).to_owned();
    if matches!(class.provisioner.as_str(), "" | NO_PROVISIONER) {
        let requested = request_of(claim).unwrap_or_default();
        let rejection = VolumeRejection::NoVolumeToBind { claim: claim_name, storage_class, requested, mismatches };
        return report.reject(rejection, BIND_CONFLICT, StatusCode::UnschedulableAndUnresolvable);
    }
    if let Some(terms) = missed_topologies(class, attempt.node) {
        let rejection = VolumeRejection::StorageTopology { claim: claim_name, storage_class, terms };
        return report.reject(rejection, BIND_CONFLICT, StatusCode::UnschedulableAndUnresolvable);
    }
    check_capacity(attempt, claim, class, report);
}

/// The mismatches between the node and the allowed topologies of the class; none if volumes can be provisioned there.
fn missed_topologies(class: &StorageClass, node: &Node) -> Option<Vec<TermMismatch>> {
    let terms = class.allowed_topologies.as_deref().filter(|terms| !terms.is_empty())?;
    let mismatches = |term: &TopologySelectorTerm| {
        let requirements = term.match_label_expressions.iter().flatten();
        let mismatches = requirements.filter_map(|requirement| {
            let found = node.metadata.labels.get(&requirement.key).cloned();
            let is_met = found.as_ref().is_some_and(|found| requirement.values.contains(found));
            (!is_met).then(|| Requirement {
                key: requirement.key.clone(),
                operator: "In".to_owned(),
                values: requirement.values.clone(),
                found,
            })
        });
        TermMismatch { invalid: None, mismatches: mismatches.collect() }
    };
    // An empty term matches nothing.
    let terms = terms.iter().filter(|term| term.match_label_expressions.as_ref().is_some_and(|all| !all.is_empty()));
    let misses: Vec<TermMismatch> = terms.map(mismatches).collect();
    misses.iter().all(|note_missing| !note_missing.mismatches.is_empty()).then_some(misses)
}

/// Checks the capacity that the driver reports, if it reports any.
fn check_capacity(
    attempt: &Attempt<'_>,
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    report: &mut VolumeFilterReport,
) {
    let Some(requested) = request_of(claim) else { return };
    let Some(drivers) = report.read(&attempt.cluster_objects.csi_drivers) else { return };
    let driver = drivers.iter().find(|driver| name_of(&driver.metadata) == class.provisioner);
    if driver.and_then(|driver| driver.spec.storage_capacity) != Some(true) {
        return;
    }
    let Some(capacities) = report.read(&attempt.cluster_objects.storage_capacities) else { return };
    let of_class = capacities.iter().filter(|capacity| capacity.storage_class_name == name_of(&class.metadata));
    let within_reach = of_class.filter(|capacity| is_within_reach(capacity, attempt.node));
    let largest = within_reach.filter_map(largest_volume).max();
    if largest.is_some_and(|largest| largest.rounded_up() >= requested.rounded_up()) {
        return;
    }
    let rejection = VolumeRejection::StorageCapacity {
        claim: name_of(&claim.metadata).to_owned(),
        storage_class: name_of(&class.metadata).to_owned(),
        driver: class.provisioner.clone(),
        requested,
        largest,
    };
    report.reject(rejection, NO_SPACE, StatusCode::UnschedulableAndUnresolvable);
}

fn is_within_reach(capacity: &CSIStorageCapacity, node: &Node) -> bool {
    let selector = capacity.node_topology.as_ref().and_then(selector::from_label_selector);
    selector.is_some_and(|selector| selector::matches(&selector, &node.metadata.labels))
}

/// The largest volume that can be provisioned. The driver's maximum size takes precedence over the free capacity
/// (`volumeLimit`).
fn largest_volume(capacity: &CSIStorageCapacity) -> Option<Quantity> {
    let limit = capacity.maximum_volume_size.as_ref().or(capacity.capacity.as_ref())?;
    limit.0.parse().ok()
}
