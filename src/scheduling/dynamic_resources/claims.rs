//! Finds the ResourceClaims of a pod.

use crate::scheduling::attempt::{Attempt, FilterFailure, StatusCode};
use crate::scheduling::rejection::{DeviceRejection, FilterRejection};
use k8s_openapi::api::resource::v1::{
    AllocationResult, DeviceRequest, ResourceClaim, ResourceClaimSpec, ResourceClaimTemplate,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::snapshot::pod::{Pod, PodResourceClaim};
use crate::snapshot::{Known, Missing};

#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) demands: Vec<RequestedDevices<'a>>,
    /// Rejections that keep the pod out of the scheduling queue.
    pub(super) rejections: Vec<FilterFailure>,
    /// The first kind that could not be read.
    pub(super) missing: Option<Missing>,
}

/// The requests of one claim, or of the template for a claim that does not exist yet.
pub(super) struct RequestedDevices<'a> {
    /// The name of the claim or of its template.
    pub(super) name: &'a str,
    /// None if only the template exists.
    pub(super) claim: Option<&'a ResourceClaim>,
    pub(super) requests: &'a [DeviceRequest],
    pub(super) allocation: Option<&'a AllocationResult>,
}

/// Finds the claims: `foreachPodResourceClaim`. A pod that is not stored yet has no generated claims; its templates
/// show what they will request.
pub(super) fn of<'a>(attempt: &Attempt<'a>) -> Found<'a> {
    let mut found = Found::default();
    for pod_claim in &attempt.pod.spec.resource_claims {
        if !pod_claim.resource_claim_name.is_empty() {
            find(&pod_claim.resource_claim_name, ClaimOwner::Any, attempt, &mut found);
        } else if attempt.pod.metadata.uid.is_empty() {
            predict_claim(pod_claim, attempt, &mut found);
        } else {
            find_created(pod_claim, attempt, &mut found);
        }
    }
    found
}

/// Who may own a claim that the pod uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimOwner {
    /// The pod names the claim itself.
    Any,
    /// The claim is created from a template for this pod.
    ThisPod,
}

fn find<'a>(name: &'a str, owner: ClaimOwner, attempt: &Attempt<'a>, found: &mut Found<'a>) {
    let Pod { metadata: pod, .. } = attempt.pod;
    let claims = match &attempt.cluster_objects.resource_claims {
        Known::Known(claims) => claims,
        Known::Unknown(why) => {
            found.missing.get_or_insert_with(|| why.clone());
            return;
        }
    };
    let Some(claim) = claims.iter().find(|claim| is_named(&claim.metadata, &pod.namespace, name)) else {
        let scheduler = format!("could not find ResourceClaim \"{}/{name}\"", pod.namespace);
        found.rejections.push(failure(DeviceRejection::ResourceClaimNotFound { claim: name.to_owned() }, scheduler));
        return;
    };
    if claim.metadata.deletion_timestamp.is_some() {
        let scheduler = format!("resourceclaim \"{name}\" is being deleted");
        found.rejections.push(failure(DeviceRejection::ResourceClaimDeleting { claim: name.to_owned() }, scheduler));
        return;
    }
    let mut owners = claim.metadata.owner_references.iter().flatten();
    if owner == ClaimOwner::ThisPod && !owners.any(|owner| owner.controller == Some(true) && owner.uid == pod.uid) {
        let (namespace, pod) = (&pod.namespace, &pod.name);
        let scheduler =
            format!("ResourceClaim {namespace}/{name} was not created for Pod {namespace}/{pod} (Pod is not owner)");
        found.rejections.push(failure(DeviceRejection::ResourceClaimNotOwned { claim: name.to_owned() }, scheduler));
        return;
    }
    let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref());
    found.demands.push(RequestedDevices {
        name,
        claim: Some(claim),
        requests: requests_of(claim.spec.as_ref()),
        allocation,
    });
}

/// The claim that the resourceclaim controller created for the pod, from the pod's status.
fn find_created<'a>(pod_claim: &'a PodResourceClaim, attempt: &Attempt<'a>, found: &mut Found<'a>) {
    let Pod { metadata: pod, status, .. } = attempt.pod;
    match status.resource_claim_statuses.iter().find(|status| status.name == pod_claim.name) {
        Some(status) => {
            // A status without a name is valid: no claim was needed.
            if let Some(name) = &status.resource_claim_name {
                find(name, ClaimOwner::ThisPod, attempt, found);
            }
        }
        None => {
            let template_found = match template_of(pod_claim, attempt) {
                Known::Known(template) => Some(template.is_some()),
                Known::Unknown(_) => None,
            };
            let scheduler = format!("pod \"{}/{}\": ResourceClaim not created yet", pod.namespace, pod.name);
            found.rejections.push(failure(not_created(pod_claim, template_found), scheduler));
        }
    }
}

/// The requests of a claim that will be created for a pod that does not exist yet.
fn predict_claim<'a>(pod_claim: &'a PodResourceClaim, attempt: &Attempt<'a>, found: &mut Found<'a>) {
    match template_of(pod_claim, attempt) {
        Known::Known(Some(template)) => found.demands.push(RequestedDevices {
            name: &pod_claim.resource_claim_template_name,
            claim: None,
            requests: requests_of(template.spec.as_ref().and_then(|spec| spec.spec.as_ref())),
            allocation: None,
        }),
        Known::Known(None) => {
            found.rejections.push(failure(not_created(pod_claim, Some(false)), "ResourceClaim not created yet"));
        }
        Known::Unknown(why) => {
            found.missing.get_or_insert(why);
        }
    }
}

fn not_created(pod_claim: &PodResourceClaim, template_found: Option<bool>) -> DeviceRejection {
    DeviceRejection::ResourceClaimNotCreated {
        pod_claim: pod_claim.name.clone(),
        template: pod_claim.resource_claim_template_name.clone(),
        template_found,
    }
}

fn template_of<'a>(pod_claim: &PodResourceClaim, attempt: &Attempt<'a>) -> Known<Option<&'a ResourceClaimTemplate>> {
    let (namespace, name) = (&attempt.pod.metadata.namespace, &pod_claim.resource_claim_template_name);
    let templates = attempt.cluster_objects.resource_claim_templates.as_ref();
    templates.map(|templates| templates.iter().find(|template| is_named(&template.metadata, namespace, name)))
}

fn is_named(metadata: &ObjectMeta, namespace: &str, name: &str) -> bool {
    metadata.namespace.as_deref() == Some(namespace) && metadata.name.as_deref() == Some(name)
}

fn requests_of(spec: Option<&ResourceClaimSpec>) -> &[DeviceRequest] {
    spec.and_then(|spec| spec.devices.as_ref()?.requests.as_deref()).unwrap_or_default()
}

pub(super) fn failure(rejection: DeviceRejection, scheduler: impl Into<String>) -> FilterFailure {
    FilterFailure::new(FilterRejection::Devices(rejection), scheduler, StatusCode::UnschedulableAndUnresolvable)
}
