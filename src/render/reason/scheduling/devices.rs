//! The words of [`DeviceRejection`].

use crate::placement::PlacementFailure;
use crate::render::command_line::CommandLine;
use crate::render::name_list::ListLength;
use crate::render::reason::placement_detail;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::DeviceRejection;

/// The cause without what differs between nodes.
pub(super) fn summary(rejection: &DeviceRejection) -> String {
    match rejection {
        DeviceRejection::ResourceClaimNotCreated { .. } => "a ResourceClaim is not made yet".into(),
        DeviceRejection::ResourceClaimNotFound { claim } => format!("there is no ResourceClaim {claim}"),
        DeviceRejection::ResourceClaimDeleting { .. } => "a ResourceClaim is being deleted".into(),
        DeviceRejection::ResourceClaimNotOwned { .. } => "a ResourceClaim was made for another pod".into(),
        DeviceRejection::DeviceClassNotFound { class, .. } => format!("there is no DeviceClass {class}"),
        DeviceRejection::ResourceClaimOnOtherNode { .. } => "a ResourceClaim has its devices on another node".into(),
        DeviceRejection::ResourceClaimBindingFailed { .. } => "a device could not be made ready".into(),
        DeviceRejection::DevicesUnavailable { .. } => "not enough free devices".into(),
    }
}

/// The cause with its evidence.
pub(super) fn detail(rejection: &DeviceRejection, names: ListLength) -> String {
    match rejection {
        DeviceRejection::ResourceClaimNotCreated { pod_claim, template, template_found } => {
            let why = match template_found {
                Some(false) => format!("there is no ResourceClaimTemplate {template}"),
                _ => format!("it is to come from the ResourceClaimTemplate {template}"),
            };
            format!("the ResourceClaim for {pod_claim} is not made yet: {why}")
        }
        DeviceRejection::ResourceClaimNotFound { .. } => summary(rejection),
        DeviceRejection::ResourceClaimDeleting { claim } => format!("the ResourceClaim {claim} is being deleted"),
        DeviceRejection::ResourceClaimNotOwned { claim } => {
            format!("the ResourceClaim {claim} was made for another pod")
        }
        DeviceRejection::DeviceClassNotFound { claim, request, class } => {
            format!("there is no DeviceClass {class}, which request {request} of {claim} names")
        }
        DeviceRejection::ResourceClaimOnOtherNode { claim, terms, reserved_for } => {
            let why = placement_detail(&PlacementFailure::NodeAffinity { terms: terms.clone().into() }, names);
            let users = match reserved_for.is_empty() {
                true => String::new(),
                false => format!("; used by {}", names.list(reserved_for)),
            };
            format!("the devices of the ResourceClaim {claim} cannot be used here: {why}{users}")
        }
        DeviceRejection::ResourceClaimBindingFailed { claim, condition, reason, detail } => {
            format!("a device of the ResourceClaim {claim} could not be made ready: {condition}, {reason}: {detail}")
        }
        DeviceRejection::DevicesUnavailable { wanted, devices: 0, .. } => {
            format!("no device for this node, {} wanted: no ResourceSlice has one", wanted.max(&1))
        }
        DeviceRejection::DevicesUnavailable { wanted, devices, free, used_by, .. } => {
            let used_by = match used_by.is_empty() {
                true => String::new(),
                false => format!("; held by {}", names.list(used_by)),
            };
            format!("{} wanted, {free} of {devices} free on this node{used_by}", pluralize(*wanted, "device"))
        }
    }
}

/// What to do about it.
pub(super) fn remedies(rejection: &DeviceRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let describe_own = |claim: &str| describe_claim(target.namespace, claim);
    match rejection {
        DeviceRejection::ResourceClaimNotCreated { template, template_found: Some(false), .. } => {
            vec![Remedy::say(format!("create the ResourceClaimTemplate {template} in namespace {}", target.namespace))]
        }
        DeviceRejection::ResourceClaimNotCreated { .. } => {
            let look = target.about_pod("describe pod");
            vec![Remedy::run("look for the event FailedResourceClaimCreation of the pod", [look])]
        }
        DeviceRejection::ResourceClaimNotFound { claim } => {
            vec![Remedy::say(format!("create the ResourceClaim {claim} in namespace {}", target.namespace))]
        }
        DeviceRejection::ResourceClaimDeleting { claim } => {
            vec![Remedy::run("see who still uses it, and what finalizer holds it", [describe_own(claim)])]
        }
        DeviceRejection::ResourceClaimNotOwned { .. } => {
            let delete = target.about_pod("delete pod");
            vec![Remedy::run("delete the pod: its successor gets a claim of its own", [delete])]
        }
        DeviceRejection::DeviceClassNotFound { class, .. } => vec![Remedy::run(
            format!("install the DeviceClass {class}, which comes with the devices' driver; those that there are"),
            [CommandLine::new("kubectl get deviceclasses")],
        )],
        DeviceRejection::ResourceClaimOnOtherNode { .. } => vec![Remedy::run(
            "use a resourceClaimTemplateName instead of the one resourceClaimName in the template: then each pod has a claim of its own",
            [target.edit()],
        )],
        DeviceRejection::ResourceClaimBindingFailed { claim, .. } => {
            vec![Remedy::run("look at the driver of the device, and at the state of the claim", [describe_own(claim)])]
        }
        DeviceRejection::DevicesUnavailable { devices: 0, .. } => vec![Remedy::run(
            "bring the devices' driver to run on this node: it publishes the ResourceSlices; those that there are",
            [CommandLine::new("kubectl get resourceslices")],
        )],
        DeviceRejection::DevicesUnavailable { used_by, .. } => {
            let lines = used_by
                .iter()
                .filter_map(|holder| holder.split_once('/'))
                .map(|(namespace, claim)| describe_claim(namespace, claim));
            vec![
                Remedy::run("free a device of this node: end the pods that a claim in the way is reserved for", lines),
                Remedy::say("ask for fewer devices in the claim or its template"),
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
        DeviceRejection::DevicesUnavailable { claims: vec!["gpu".into()], wanted: 2, devices, free, used_by }
    }

    #[test]
    fn devices_are_told_in_numbers_with_who_holds_them() {
        let held = unavailable(4, 1, &["b/one", "b/two"]);
        assert_eq!(
            detail(&held, ListLength::Handful),
            "2 devices wanted, 1 of 4 free on this node; held by b/one, b/two"
        );
        assert_eq!(
            remedies(&held, &TARGET)[0].lines(),
            ["kubectl -n b describe resourceclaim one", "kubectl -n b describe resourceclaim two"]
        );
        assert_eq!(
            detail(&unavailable(0, 0, &[]), ListLength::Handful),
            "no device for this node, 2 wanted: no ResourceSlice has one"
        );
        assert_eq!(remedies(&unavailable(0, 0, &[]), &TARGET)[0].lines(), ["kubectl get resourceslices"]);
    }

    #[test]
    fn a_claim_that_is_not_made_is_the_templates_fault_only_when_it_is_not_there() {
        let not_made = |template_found| DeviceRejection::ResourceClaimNotCreated {
            pod_claim: "gpu".into(),
            template: "gpus".into(),
            template_found,
        };
        assert_eq!(
            detail(&not_made(Some(false)), ListLength::Handful),
            "the ResourceClaim for gpu is not made yet: there is no ResourceClaimTemplate gpus"
        );
        assert_eq!(
            remedies(&not_made(Some(false)), &TARGET),
            [Remedy::say("create the ResourceClaimTemplate gpus in namespace a")]
        );
        assert_eq!(
            detail(&not_made(None), ListLength::Handful),
            "the ResourceClaim for gpu is not made yet: it is to come from the ResourceClaimTemplate gpus"
        );
        assert_eq!(remedies(&not_made(Some(true)), &TARGET)[0].lines(), ["kubectl -n a describe pod agent-x"]);
    }

    #[test]
    fn a_claim_that_is_used_elsewhere_is_told_with_its_users() {
        let elsewhere = DeviceRejection::ResourceClaimOnOtherNode {
            claim: "gpu".into(),
            terms: vec![],
            reserved_for: vec!["p1".into()],
        };
        assert!(
            detail(&elsewhere, ListLength::Handful)
                .starts_with("the devices of the ResourceClaim gpu cannot be used here: ")
        );
        assert!(detail(&elsewhere, ListLength::Handful).ends_with("; used by p1"));
        assert!(remedies(&elsewhere, &TARGET)[0].text.contains("resourceClaimTemplateName"));
    }
}
