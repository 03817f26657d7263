//! The sentences and remedies of [`DeviceRejection`].

use crate::render::command_line::CommandLine;
use crate::render::name_list::ListLength;
use crate::render::reason::placement::{NODE_AFFINITY, terms_in_full};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::DeviceRejection;

pub(super) fn summary(rejection: &DeviceRejection) -> String {
    match rejection {
        DeviceRejection::ResourceClaimNotCreated { .. } => "a ResourceClaim is not created yet".into(),
        DeviceRejection::ResourceClaimNotFound { claim } => format!("ResourceClaim {claim} does not exist"),
        DeviceRejection::ResourceClaimDeleting { .. } => "a ResourceClaim is Terminating".into(),
        DeviceRejection::ResourceClaimNotOwned { .. } => "a ResourceClaim is not owned by the pod".into(),
        DeviceRejection::DeviceClassNotFound { class, .. } => format!("DeviceClass {class} does not exist"),
        DeviceRejection::ResourceClaimOnOtherNode { .. } => "a ResourceClaim has devices on another node".into(),
        DeviceRejection::ResourceClaimBindingFailed { .. } => "a device could not be prepared".into(),
        DeviceRejection::DevicesUnavailable { .. } => "not enough free devices".into(),
    }
}

pub(super) fn detail(rejection: &DeviceRejection, names: ListLength) -> String {
    match rejection {
        DeviceRejection::ResourceClaimNotCreated { pod_claim, template, template_found } => {
            let why = match template_found {
                Some(false) => format!("ResourceClaimTemplate {template} does not exist"),
                _ => format!("it is created from ResourceClaimTemplate {template}"),
            };
            format!("the ResourceClaim for {pod_claim} is not created yet: {why}")
        }
        DeviceRejection::ResourceClaimNotFound { .. } => summary(rejection),
        DeviceRejection::ResourceClaimDeleting { claim } => format!("ResourceClaim {claim} is Terminating"),
        DeviceRejection::ResourceClaimNotOwned { claim } => format!("ResourceClaim {claim} is not owned by the pod"),
        DeviceRejection::DeviceClassNotFound { claim, request, class } => {
            format!("DeviceClass {class} of request {request} of {claim} does not exist")
        }
        DeviceRejection::ResourceClaimOnOtherNode { claim, terms, reserved_for } => {
            let why = terms_in_full(NODE_AFFINITY, terms, names);
            let users = match reserved_for.is_empty() {
                true => String::new(),
                false => format!("; in use by {}", names.list(reserved_for)),
            };
            format!("the devices of ResourceClaim {claim} are not accessible from this node: {why}{users}")
        }
        DeviceRejection::ResourceClaimBindingFailed { claim, condition, reason, detail } => {
            format!("a device of ResourceClaim {claim} could not be prepared: {condition}, {reason}: {detail}")
        }
        DeviceRejection::DevicesUnavailable { requested, devices: 0, .. } => {
            format!(
                "{} requested, but no ResourceSlice has a device for this node",
                pluralize(*requested.max(&1), "device")
            )
        }
        DeviceRejection::DevicesUnavailable { requested, devices, free, used_by, .. } => {
            let used_by = match used_by.is_empty() {
                true => String::new(),
                false => format!("; in use by {}", names.list(used_by)),
            };
            format!("{} requested, {free} of {devices} free on this node{used_by}", pluralize(*requested, "device"))
        }
    }
}

pub(super) fn remedies(rejection: &DeviceRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let describe_own = |claim: &str| describe_claim(target.namespace, claim);
    match rejection {
        DeviceRejection::ResourceClaimNotCreated { template, template_found: Some(false), .. } => {
            vec![Remedy::text_only(format!(
                "create the ResourceClaimTemplate {template} in namespace {}",
                target.namespace
            ))]
        }
        DeviceRejection::ResourceClaimNotCreated { .. } => {
            let look = target.about_pod("describe pod");
            vec![Remedy::run("check the pod for an event FailedResourceClaimCreation", [look])]
        }
        DeviceRejection::ResourceClaimNotFound { claim } => {
            vec![Remedy::text_only(format!("create the ResourceClaim {claim} in namespace {}", target.namespace))]
        }
        DeviceRejection::ResourceClaimDeleting { claim } => {
            vec![Remedy::run("find the pods that still use it, and its finalizers", [describe_own(claim)])]
        }
        DeviceRejection::ResourceClaimNotOwned { .. } => {
            let delete = target.about_pod("delete pod");
            vec![Remedy::run("delete the pod: the controller recreates it with a claim of its own", [delete])]
        }
        DeviceRejection::DeviceClassNotFound { class, .. } => vec![Remedy::run(
            format!("install DeviceClass {class}, which is part of the device driver; see the existing classes"),
            [CommandLine::new("kubectl get deviceclasses")],
        )],
        DeviceRejection::ResourceClaimOnOtherNode { .. } => vec![Remedy::run(
            "use resourceClaimTemplateName instead of resourceClaimName in the template, so that each pod has a claim \
             of its own",
            [target.edit()],
        )],
        DeviceRejection::ResourceClaimBindingFailed { claim, .. } => {
            vec![Remedy::run("check the device driver, and the status of the claim", [describe_own(claim)])]
        }
        DeviceRejection::DevicesUnavailable { devices: 0, .. } => vec![Remedy::run(
            "run the device driver on this node: it publishes the ResourceSlices; see the existing ones",
            [CommandLine::new("kubectl get resourceslices")],
        )],
        DeviceRejection::DevicesUnavailable { used_by, .. } => {
            let lines = used_by
                .iter()
                .filter_map(|holder| holder.split_once('/'))
                .map(|(namespace, claim)| describe_claim(namespace, claim));
            vec![
                Remedy::run(
                    "free a device of this node: delete the pods for which one of these claims is reserved",
                    lines,
                ),
                Remedy::text_only("request fewer devices in the claim or its template"),
            ]
        }
    }
}

fn describe_claim(namespace: &str, claim: &str) -> CommandLine {
    CommandLine::in_namespace(namespace, "describe resourceclaim").name(claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "a", "agent", Some("agent-x"));

    fn unavailable(devices: usize, free: usize, used_by: &[&str]) -> DeviceRejection {
        let used_by = used_by.iter().map(|name| (*name).to_owned()).collect();
        DeviceRejection::DevicesUnavailable { claims: vec!["gpu".into()], requested: 2, devices, free, used_by }
    }

    #[test]
    fn unavailable_devices_are_counted_with_their_users() {
        let held = unavailable(4, 1, &["b/one", "b/two"]);
        assert_eq!(
            detail(&held, ListLength::Handful),
            "2 devices requested, 1 of 4 free on this node; in use by b/one, b/two"
        );
        assert_eq!(
            remedies(&held, &TARGET)[0].lines(),
            ["kubectl -n b describe resourceclaim one", "kubectl -n b describe resourceclaim two"]
        );
        assert_eq!(
            detail(&unavailable(0, 0, &[]), ListLength::Handful),
            "2 devices requested, but no ResourceSlice has a device for this node"
        );
        assert_eq!(remedies(&unavailable(0, 0, &[]), &TARGET)[0].lines(), ["kubectl get resourceslices"]);
    }

    #[test]
    fn missing_claim_is_explained_by_a_missing_template_only() {
        let not_created = |template_found| DeviceRejection::ResourceClaimNotCreated {
            pod_claim: "gpu".into(),
            template: "gpus".into(),
            template_found,
        };
        assert_eq!(
            detail(&not_created(Some(false)), ListLength::Handful),
            "the ResourceClaim for gpu is not created yet: ResourceClaimTemplate gpus does not exist"
        );
        assert_eq!(
            remedies(&not_created(Some(false)), &TARGET),
            [Remedy::text_only("create the ResourceClaimTemplate gpus in namespace a")]
        );
        assert_eq!(
            detail(&not_created(None), ListLength::Handful),
            "the ResourceClaim for gpu is not created yet: it is created from ResourceClaimTemplate gpus"
        );
        assert_eq!(remedies(&not_created(Some(true)), &TARGET)[0].lines(), ["kubectl -n a describe pod agent-x"]);
    }

    #[test]
    fn claim_on_another_node_is_explained_with_its_users() {
        let elsewhere = DeviceRejection::ResourceClaimOnOtherNode {
            claim: "gpu".into(),
            terms: vec![],
            reserved_for: vec!["p1".into()],
        };
        assert!(
            detail(&elsewhere, ListLength::Handful)
                .starts_with("the devices of ResourceClaim gpu are not accessible from this node: ")
        );
        assert!(detail(&elsewhere, ListLength::Handful).ends_with("; in use by p1"));
        assert!(remedies(&elsewhere, &TARGET)[0].text.contains("resourceClaimTemplateName"));
    }
}
