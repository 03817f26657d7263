//! The DynamicResources filter: devices that the pod requests through ResourceClaims.
//!
//! `claims` finds the claims of the pod, `devices` counts devices, and `extended` finds extended resources that a
//! DeviceClass provides.
//!
//! Which device matches which request is not evaluated: upstream's allocator runs CEL expressions for that. A failure
//! is reported only if the node cannot have enough devices, whatever the expressions select. If it may have enough, the
//! result is [`CheckResult::Unknown`].
//!
//! Upstream: `pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go` `PreEnqueue`, `PreFilter`,
//! `Filter`; `dynamic-resource-allocation/resourceclaim/resourceclaim.go` `Name`, `IsForPod`.

mod claims;
mod devices;
mod extended;

#[cfg(test)]
mod tests;

use super::attempt::{Attempt, ExtensionPoint, FilterFailure, FilterResult};
use super::rejection::DeviceRejection;
use crate::check_result::CheckResult;
use k8s_openapi::api::resource::v1::{DeviceRequest, ResourceClaim};

use crate::placement::{Affinity, PlacementFailure};
use crate::snapshot::pod_summary::NodeSelector;
use crate::snapshot::{Known, Missing};
use claims::{RequestedDevices, failure};

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    if attempt.pod.spec.resource_claims.is_empty() {
        return match extended::asked_of_devices(attempt) {
            Known::Known(0) => CheckResult::Pass,
            Known::Known(requested) => check_devices(&[], requested, attempt),
            Known::Unknown(missing) => CheckResult::Unknown { missing },
        };
    }
    let found = claims::of(attempt);
    if !found.rejections.is_empty() {
        let failures = found.rejections.into_iter().map(|failure| failure.at(ExtensionPoint::PreEnqueue));
        return CheckResult::Fail(failures.collect());
    }
    let mut missing = found.missing;
    let absent = check_classes(&found.demands, attempt, &mut missing);
    if !absent.is_empty() {
        return CheckResult::Fail(absent.into_iter().map(|failure| failure.at(ExtensionPoint::PreFilter)).collect());
    }
    let mut rejections: Vec<FilterFailure> = found
        .demands
        .iter()
        .filter_map(|demand| check_allocated(demand, attempt, &mut missing))
        .map(|rejection| failure(rejection, "resourceclaim not available on the node"))
        .collect();
    let more = extended::asked_of_devices(attempt);
    let more = more.known().copied().unwrap_or_default();
    match check_devices(&found.demands, more, attempt) {
        CheckResult::Pass => {}
        CheckResult::Fail(of_devices) => rejections.extend(of_devices),
        CheckResult::Unknown { missing: why } => missing = missing.or(Some(why)),
    }
    CheckResult::from_partial(rejections, missing)
}

/// The check `validateDeviceClass` for every request of every claim that is not allocated yet.
fn check_classes(
    demands: &[RequestedDevices<'_>],
    attempt: &Attempt<'_>,
    missing: &mut Option<Missing>,
) -> Vec<FilterFailure> {
    let named = demands.iter().filter(|demand| demand.allocation.is_none()).flat_map(|demand| {
        let named = demand.requests.iter().flat_map(classes_of);
        named.map(|(request, class)| (demand.name.to_owned(), request, class))
    });
    let classes = match &attempt.cluster_objects.device_classes {
        Known::Known(classes) => classes,
        Known::Unknown(why) => {
            if named.count() > 0 {
                missing.get_or_insert_with(|| why.clone());
            }
            return Vec::new();
        }
    };
    let is_absent = |name: &str| !classes.iter().any(|class| class.metadata.name.as_deref() == Some(name));
    named
        .filter(|(_, _, class)| is_absent(class))
        .map(|(claim, request, class)| {
            let scheduler = format!("request {request}: device class {class} does not exist");
            failure(DeviceRejection::DeviceClassNotFound { claim, request, class }, scheduler)
        })
        .collect()
}

/// The requests and their alternatives, each with its class.
fn classes_of(request: &DeviceRequest) -> Vec<(String, String)> {
    let exactly = request.exactly.iter().map(|exactly| (request.name.clone(), exactly.device_class_name.clone()));
    let alternatives = request.first_available.iter().flatten();
    let alternatives =
        alternatives.map(|one| (format!("{}/{}", request.name, one.name), one.device_class_name.clone()));
    exactly.chain(alternatives).collect()
}

/// Whether an allocated claim can be used on the node.
fn check_allocated(
    demand: &RequestedDevices<'_>,
    attempt: &Attempt<'_>,
    missing: &mut Option<Missing>,
) -> Option<DeviceRejection> {
    let allocation = demand.allocation?;
    let claim = demand.claim?;
    let selector = allocation.node_selector.as_ref().map(|selector| {
        // The JSON of both types is compatible.
        let own: NodeSelector = serde_json::to_value(selector).and_then(serde_json::from_value).unwrap_or_default();
        own
    });
    let failure = selector.as_ref().and_then(|selector| Affinity::new(selector).failure(attempt.node));
    if let Some(PlacementFailure::NodeAffinity { terms }) = failure {
        let reserved_for = claim.status.iter().flat_map(|status| status.reserved_for.iter().flatten());
        let reserved_for = reserved_for.map(|consumer| consumer.name.clone()).collect();
        return Some(DeviceRejection::ResourceClaimOnOtherNode {
            claim: demand.name.to_owned(),
            terms: terms.take(),
            reserved_for,
        });
    }
    check_binding(demand.name, claim, missing)
}

/// `isClaimReadyForBinding`: a device may need preparation, and that may have failed. While it is in progress the
/// result is unknown, because it depends on a timeout.
fn check_binding(name: &str, claim: &ResourceClaim, missing: &mut Option<Missing>) -> Option<DeviceRejection> {
    let status = claim.status.as_ref()?;
    let results = status.allocation.as_ref()?.devices.as_ref()?.results.as_ref()?;
    for result in results {
        let Some(awaited) = result.binding_conditions.as_ref().filter(|conditions| !conditions.is_empty()) else {
            continue;
        };
        let device = status.devices.iter().flatten().find(|device| {
            (&device.driver, &device.pool, &device.device) == (&result.driver, &result.pool, &result.device)
        });
        let conditions = device.and_then(|device| device.conditions.as_ref());
        let is_true = |name: &String| {
            conditions.into_iter().flatten().find(|condition| condition.type_ == *name && condition.status == "True")
        };
        if let Some(failed) = result.binding_failure_conditions.iter().flatten().find_map(is_true) {
            return Some(DeviceRejection::ResourceClaimBindingFailed {
                claim: name.to_owned(),
                condition: failed.type_.clone(),
                reason: failed.reason.clone(),
                detail: failed.message.clone(),
            });
        }
        if awaited.iter().any(|name| is_true(name).is_none()) {
            let text = format!("device {} of ResourceClaim {name} is not ready yet", result.device);
            missing.get_or_insert(Missing::Undetermined(text));
            return None;
        }
    }
    None
}

/// Whether the node can have enough devices for the claims that are not allocated and for `more` additional requests.
fn check_devices(demands: &[RequestedDevices<'_>], more: usize, attempt: &Attempt<'_>) -> FilterResult {
    let open: Vec<&RequestedDevices<'_>> =
        demands.iter().filter(|demand| demand.allocation.is_none() && !demand.requests.is_empty()).collect();
    if open.is_empty() && more == 0 {
        return CheckResult::Pass;
    }
    let slices = match &attempt.cluster_objects.resource_slices {
        Known::Known(slices) => slices,
        Known::Unknown(why) => return CheckResult::Unknown { missing: why.clone() },
    };
    let held = attempt.cluster_objects.resource_claims.known().map(Vec::as_slice).unwrap_or_default();
    let stock = devices::stock(slices, held, attempt.node);
    let requested = more + open.iter().flat_map(|demand| demand.requests).map(devices::least).sum::<usize>();
    let is_short = !stock.is_shared && (requested > stock.free || stock.devices == 0);
    if is_short {
        return CheckResult::from_reasons(vec![failure(
            DeviceRejection::DevicesUnavailable {
                claims: open.iter().map(|demand| demand.name.to_owned()).collect(),
                requested,
                devices: stock.devices,
                free: stock.free,
                used_by: stock.used_by,
            },
            "cannot allocate all claims",
        )]);
    }
    let missing = "whether the free devices match the claims: the CEL expressions of the claims are not evaluated";
    CheckResult::Unknown { missing: Missing::Undetermined(missing.to_owned()) }
}
