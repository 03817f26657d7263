//! The LimitRanger check: which LimitRanges of the namespace the pod violates.
//!
//! Upstream: `plugin/pkg/admission/limitranger/admission.go` `PodValidateLimitFunc`, `minConstraint`,
//! `maxConstraint`, `limitRequestRatioConstraint`.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};

use super::plugins::{amounts as own, ranges_of};
use super::rejection::{AdmissionRejection, Bound, Measure};
use super::resources::{self, ResourceSums, ResourceTotals};
use crate::snapshot::pod::{Container, Pod, PodSpec};
use crate::snapshot::quantity::Quantity;
use crate::snapshot::resource_list::{Amount, ResourceList};

/// Every violation of a LimitRange of the pod's namespace.
pub(super) fn rejections(ranges: &[LimitRange], pod: &Pod) -> Vec<AdmissionRejection> {
    let mut rejections = Vec::new();
    for range in ranges_of(ranges, &pod.metadata.namespace) {
        for item in range.spec.iter().flat_map(|spec| &spec.limits) {
            for subject in subjects(item, &pod.spec) {
                rejections.extend(subject.rejections(range, item));
            }
        }
    }
    rejections
}

/// What a bound applies to: one container, or the pod as a whole.
struct Subject {
    container: Option<String>,
    totals: ResourceTotals,
}

fn subjects(item: &LimitRangeItem, spec: &PodSpec) -> Vec<Subject> {
    match item.type_.as_str() {
        "Container" => spec.containers.iter().chain(&spec.init_containers).map(Subject::from_container).collect(),
        // For the pod as a whole, neither pod-level huge pages nor the overhead count.
        "Pod" => {
            let totals = resources::of_pod(spec, |resource| matches!(resource, "cpu" | "memory"));
            vec![Subject { container: None, totals }]
        }
        _ => Vec::new(),
    }
}

impl Subject {
    fn from_container(container: &Container) -> Self {
        let sums = |list: &ResourceList| -> ResourceSums {
            list.iter().map(|(resource, amount)| (resource.clone(), amount.quantity())).collect()
        };
        let resources = container.resources.clone().unwrap_or_default();
        let totals = ResourceTotals { requests: sums(&resources.requests), limits: sums(&resources.limits) };
        Self { container: Some(container.name.clone()), totals }
    }

    fn rejections(&self, range: &LimitRange, item: &LimitRangeItem) -> Vec<AdmissionRejection> {
        let mut rejections = Vec::new();
        let bounds =
            [(Bound::Minimum, &item.min), (Bound::Maximum, &item.max), (Bound::Ratio, &item.max_limit_request_ratio)];
        for (bound, list) in bounds {
            for (resource, allowed) in own(list.as_ref()) {
                let Some((measure, found)) = self.out_of_bounds(bound, &resource, &allowed) else {
                    continue;
                };
                rejections.push(AdmissionRejection::LimitRange {
                    limit_range: range.metadata.name.clone(),
                    per: item.type_.clone(),
                    container: self.container.clone(),
                    resource,
                    bound,
                    allowed: allowed.text,
                    measure,
                    found,
                });
            }
        }
        rejections
    }

    /// What violates the bound (`request`, `limit` or `ratio`) and its value, if it has one: the first that upstream
    /// names.
    fn out_of_bounds(&self, bound: Bound, resource: &str, allowed: &Amount) -> Option<(Measure, Option<String>)> {
        let request = self.totals.requests.get(resource).copied();
        let limit = self.totals.limits.get(resource).copied();
        let written = |measure, quantity: Quantity| Some((measure, Some(written(resource, quantity))));
        let allowed = allowed.quantity().rounded_up_to_milli();
        let below = |quantity: Quantity| quantity.rounded_up_to_milli() < allowed;
        let above = |quantity: Quantity| quantity.rounded_up_to_milli() > allowed;
        match (bound, request, limit) {
            (Bound::Minimum, None, _) => Some((Measure::Request, None)),
            (Bound::Minimum, Some(request), _) if below(request) => written(Measure::Request, request),
            (Bound::Minimum, _, Some(limit)) if below(limit) => written(Measure::Limit, limit),
            (Bound::Maximum, _, None) => Some((Measure::Limit, None)),
            (Bound::Maximum, _, Some(limit)) if above(limit) => written(Measure::Limit, limit),
            (Bound::Maximum, Some(request), _) if above(request) => written(Measure::Request, request),
            (Bound::Ratio, ..) => self.ratio_out_of_bounds(resource, allowed),
            _ => None,
        }
    }

    fn ratio_out_of_bounds(&self, resource: &str, allowed: Quantity) -> Option<(Measure, Option<String>)> {
        let not_zero = |sums: &ResourceSums| sums.get(resource).copied().filter(|quantity| !quantity.is_zero());
        let Some(request) = not_zero(&self.totals.requests) else {
            return Some((Measure::Request, None));
        };
        let Some(limit) = not_zero(&self.totals.limits) else {
            return Some((Measure::Limit, None));
        };
        let ratio = limit.in_thousandths() / request.in_thousandths();
        (ratio * 1000.0 > allowed.in_thousandths()).then(|| (Measure::Ratio, Some(format!("{ratio:.6}"))))
    }
}

fn written(resource: &str, quantity: Quantity) -> String {
    match resource {
        "memory" | "ephemeral-storage" => quantity.in_bytes(),
        _ => quantity.to_string(),
    }
}
