//! The words of [`DeviceMisfit`].

use crate::placement::Obstacle;
use crate::render::command_line::CommandLine;
use crate::render::names::ListLength;
use crate::render::reason::obstacle_in_full;
use crate::render::remedy::{Remedy, Target};
use crate::render::text::count;
use crate::scheduling::DeviceMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &DeviceMisfit) -> String {
    match misfit {
        DeviceMisfit::ResourceClaimNotCreated { .. } => "a ResourceClaim is not made yet".into(),
        DeviceMisfit::ResourceClaimNotFound { claim } => format!("there is no ResourceClaim {claim}"),
        DeviceMisfit::ResourceClaimDeleting { .. } => "a ResourceClaim is being deleted".into(),
        DeviceMisfit::ResourceClaimForeign { .. } => "a ResourceClaim was made for another pod".into(),
        DeviceMisfit::DeviceClassNotFound { class, .. } => format!("there is no DeviceClass {class}"),
        DeviceMisfit::ResourceClaimElsewhere { .. } => "a ResourceClaim has its devices on another node".into(),
        DeviceMisfit::ResourceClaimBindingFailed { .. } => "a device could not be made ready".into(),
        DeviceMisfit::DevicesUnavailable { .. } => "not enough free devices".into(),
    }
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &DeviceMisfit, names: ListLength) -> String {
    match misfit {
        DeviceMisfit::ResourceClaimNotCreated { pod_claim, template, template_found } => {
            let why = match template_found {
                Some(false) => format!("there is no ResourceClaimTemplate {template}"),
                _ => format!("it is to come from the ResourceClaimTemplate {template}"),
            };
            format!("the ResourceClaim for {pod_claim} is not made yet: {why}")
        }
        DeviceMisfit::ResourceClaimNotFound { .. } => short(misfit),
        DeviceMisfit::ResourceClaimDeleting { claim } => format!("the ResourceClaim {claim} is being deleted"),
        DeviceMisfit::ResourceClaimForeign { claim } => format!("the ResourceClaim {claim} was made for another pod"),
        DeviceMisfit::DeviceClassNotFound { claim, request, class } => {
            format!("there is no DeviceClass {class}, which request {request} of {claim} names")
        }
        DeviceMisfit::ResourceClaimElsewhere { claim, terms, reserved_for } => {
            let why = obstacle_in_full(&Obstacle::NodeAffinity { terms: terms.clone().into() }, names);
            let users = match reserved_for.is_empty() {
                true => String::new(),
                false => format!("; used by {}", names.list(reserved_for)),
            };
            format!("the devices of the ResourceClaim {claim} cannot be used here: {why}{users}")
        }
        DeviceMisfit::ResourceClaimBindingFailed { claim, condition, reason, detail } => {
            format!("a device of the ResourceClaim {claim} could not be made ready: {condition}, {reason}: {detail}")
        }
        DeviceMisfit::DevicesUnavailable { wanted, devices: 0, .. } => {
            format!("no device for this node, {} wanted: no ResourceSlice has one", wanted.max(&1))
        }
        DeviceMisfit::DevicesUnavailable { wanted, devices, free, held_by, .. } => {
            let holders = match held_by.is_empty() {
                true => String::new(),
                false => format!("; held by {}", names.list(held_by)),
            };
            format!("{} wanted, {free} of {devices} free on this node{holders}", count(*wanted, "device"))
        }
    }
}

/// What to do about it.
pub(super) fn remedies(misfit: &DeviceMisfit, target: &Target<'_>) -> Vec<Remedy> {
    let describe_own = |claim: &str| describe_claim(target.namespace, claim);
    match misfit {
        DeviceMisfit::ResourceClaimNotCreated { template, template_found: Some(false), .. } => {
            vec![Remedy::say(format!("create the ResourceClaimTemplate {template} in namespace {}", target.namespace))]
        }
        DeviceMisfit::ResourceClaimNotCreated { .. } => {
            let look = target.about_pod("describe pod");
            vec![Remedy::run("look for the event FailedResourceClaimCreation of the pod", [look])]
        }
        DeviceMisfit::ResourceClaimNotFound { claim } => {
            vec![Remedy::say(format!("create the ResourceClaim {claim} in namespace {}", target.namespace))]
        }
        DeviceMisfit::ResourceClaimDeleting { claim } => {
            vec![Remedy::run("see who still uses it, and what finalizer holds it", [describe_own(claim)])]
        }
        DeviceMisfit::ResourceClaimForeign { .. } => {
            let delete = target.about_pod("delete pod");
            vec![Remedy::run("delete the pod: its successor gets a claim of its own", [delete])]
        }
        DeviceMisfit::DeviceClassNotFound { class, .. } => vec![Remedy::run(
            format!("install the DeviceClass {class}, which comes with the devices' driver; those that there are"),
            [CommandLine::new("kubectl get deviceclasses")],
        )],
        DeviceMisfit::ResourceClaimElsewhere { .. } => vec![Remedy::run(
            "use a resourceClaimTemplateName instead of the one resourceClaimName in the template: then each pod has a claim of its own",
            [target.edit()],
        )],
        DeviceMisfit::ResourceClaimBindingFailed { claim, .. } => {
            vec![Remedy::run("look at the driver of the device, and at the state of the claim", [describe_own(claim)])]
        }
        DeviceMisfit::DevicesUnavailable { devices: 0, .. } => vec![Remedy::run(
            "bring the devices' driver to run on this node: it publishes the ResourceSlices; those that there are",
            [CommandLine::new("kubectl get resourceslices")],
        )],
        DeviceMisfit::DevicesUnavailable { held_by, .. } => {
            let lines = held_by
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

    const TARGET: Target<'_> = Target::named("n1", "a", "agent", Some("agent-x"));

    fn unavailable(devices: usize, free: usize, held_by: &[&str]) -> DeviceMisfit {
        let held_by = held_by.iter().map(|name| (*name).to_owned()).collect();
        DeviceMisfit::DevicesUnavailable { claims: vec!["gpu".into()], wanted: 2, devices, free, held_by }
    }

    #[test]
    fn devices_are_told_in_numbers_with_who_holds_them() {
        let held = unavailable(4, 1, &["b/one", "b/two"]);
        assert_eq!(
            sentence(&held, ListLength::Handful),
            "2 devices wanted, 1 of 4 free on this node; held by b/one, b/two"
        );
        assert_eq!(
            remedies(&held, &TARGET)[0].lines(),
            ["kubectl -n b describe resourceclaim one", "kubectl -n b describe resourceclaim two"]
        );
        assert_eq!(
            sentence(&unavailable(0, 0, &[]), ListLength::Handful),
            "no device for this node, 2 wanted: no ResourceSlice has one"
        );
        assert_eq!(remedies(&unavailable(0, 0, &[]), &TARGET)[0].lines(), ["kubectl get resourceslices"]);
    }

    #[test]
    fn a_claim_that_is_not_made_is_the_templates_fault_only_when_it_is_not_there() {
        let not_made = |template_found| DeviceMisfit::ResourceClaimNotCreated {
            pod_claim: "gpu".into(),
            template: "gpus".into(),
            template_found,
        };
        assert_eq!(
            sentence(&not_made(Some(false)), ListLength::Handful),
            "the ResourceClaim for gpu is not made yet: there is no ResourceClaimTemplate gpus"
        );
        assert_eq!(
            remedies(&not_made(Some(false)), &TARGET),
            [Remedy::say("create the ResourceClaimTemplate gpus in namespace a")]
        );
        assert_eq!(
            sentence(&not_made(None), ListLength::Handful),
            "the ResourceClaim for gpu is not made yet: it is to come from the ResourceClaimTemplate gpus"
        );
        assert_eq!(remedies(&not_made(Some(true)), &TARGET)[0].lines(), ["kubectl -n a describe pod agent-x"]);
    }

    #[test]
    fn a_claim_that_is_used_elsewhere_is_told_with_its_users() {
        let elsewhere = DeviceMisfit::ResourceClaimElsewhere {
            claim: "gpu".into(),
            terms: vec![],
            reserved_for: vec!["p1".into()],
        };
        assert!(
            sentence(&elsewhere, ListLength::Handful)
                .starts_with("the devices of the ResourceClaim gpu cannot be used here: ")
        );
        assert!(sentence(&elsewhere, ListLength::Handful).ends_with("; used by p1"));
        assert!(remedies(&elsewhere, &TARGET)[0].text.contains("resourceClaimTemplateName"));
    }
}
