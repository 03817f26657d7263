//! Bounds for the number of devices: the maximum that a node can use, and the minimum that claims request.
//!
//! Upstream: `dynamic-resource-allocation/structured/internal/incubating/pools_incubating.go` `GatherPools`,
//! `NodeMatches`; `allocator_incubating.go` `validateDeviceRequest`; the plugin's `allocateddevices.go`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1;
use k8s_openapi::api::resource::v1::{Device, DeviceRequest, ResourceClaim, ResourceSlice};

use crate::placement::Affinity;
use crate::snapshot::Node;
use crate::snapshot::pod_summary::NodeSelector;

/// Driver, pool and device.
type Id<'a> = (&'a str, &'a str, &'a str);

/// The devices that can be used on a node.
#[derive(Debug, Default, PartialEq)]
pub(super) struct NodeDevices {
    pub(super) devices: usize,
    /// The number of devices that no claim uses.
    pub(super) free: usize,
    /// Whether a device may be allocated to several claims. Then the numbers prove nothing.
    pub(super) is_shared: bool,
    /// The claims that use the other devices, as namespace/name.
    pub(super) used_by: Vec<String>,
}

/// Counts the devices of the slices that apply to the node, and those of them that claims use. Only slices of the
/// newest generation of a pool count.
pub(super) fn stock(slices: &[ResourceSlice], claims: &[ResourceClaim], node: &Node) -> NodeDevices {
    let mut newest: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for slice in slices {
        let pool = &slice.spec.pool;
        let generation = newest.entry((&slice.spec.driver, &pool.name)).or_insert(pool.generation);
        *generation = (*generation).max(pool.generation);
    }
    let is_current = |slice: &&ResourceSlice| {
        let pool = &slice.spec.pool;
        newest.get(&(slice.spec.driver.as_str(), pool.name.as_str())) == Some(&pool.generation)
    };
    let mut devices: BTreeSet<Id<'_>> = BTreeSet::new();
    let mut is_shared = false;
    for slice in slices.iter().filter(is_current) {
        let all = slice.spec.devices.iter().flatten();
        for device in all.filter(|device| is_for(slice, device, node)) {
            devices.insert((&slice.spec.driver, &slice.spec.pool.name, &device.name));
            is_shared |= device.allow_multiple_allocations == Some(true);
        }
    }
    let held = held(claims);
    let taken: Vec<&Id<'_>> = devices.iter().filter(|id| held.contains_key(*id)).collect();
    let used_by: BTreeSet<&String> = taken.iter().filter_map(|id| held.get(*id)).collect();
    NodeDevices {
        devices: devices.len(),
        free: devices.len() - taken.len(),
        is_shared,
        used_by: used_by.into_iter().cloned().collect(),
    }
}

/// The devices that claims use. Admin access does not use a device.
fn held(claims: &[ResourceClaim]) -> BTreeMap<Id<'_>, String> {
    let mut held = BTreeMap::new();
    for claim in claims {
        let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref()?.devices.as_ref());
        let results = allocation.and_then(|devices| devices.results.as_ref()).into_iter().flatten();
        for result in results.filter(|result| result.admin_access != Some(true)) {
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let id: Id<'_> = (&result.driver, &result.pool, &result.device);
            held.insert(id, format!("{namespace}/{name}"));
        }
    }
    held
}

fn is_for(slice: &ResourceSlice, device: &Device, node: &Node) -> bool {
    let spec = &slice.spec;
    let is_selected =
        |name: Option<&String>, all: Option<bool>, selector: Option<&v1::NodeSelector>| match (name, selector) {
            (Some(name), _) if !name.is_empty() => *name == node.metadata.name,
            _ if all == Some(true) => true,
            (_, Some(selector)) => {
                let own: NodeSelector =
                    serde_json::to_value(selector).and_then(serde_json::from_value).unwrap_or_default();
                Affinity::new(&own).failure(node).is_none()
            }
            _ => false,
        };
    match spec.per_device_node_selection {
        Some(true) => is_selected(device.node_name.as_ref(), device.all_nodes, device.node_selector.as_ref()),
        _ => is_selected(spec.node_name.as_ref(), spec.all_nodes, spec.node_selector.as_ref()),
    }
}

/// The minimum number of devices that a request allocates; 0 for admin access.
pub(super) fn least(request: &DeviceRequest) -> usize {
    // A request for all devices needs at least one.
    let number = |mode: Option<&String>, count: Option<i64>| match mode.map(String::as_str) {
        Some("All") => 1,
        _ => usize::try_from(count.unwrap_or(1)).unwrap_or_default(),
    };
    match &request.exactly {
        Some(exactly) if exactly.admin_access == Some(true) => 0,
        Some(exactly) => number(exactly.allocation_mode.as_ref(), exactly.count),
        None => {
            let alternatives = request.first_available.iter().flatten();
            alternatives.map(|one| number(one.allocation_mode.as_ref(), one.count)).min().unwrap_or_default()
        }
    }
}
