//! Remedies for pods that the API server rejects.

use std::collections::BTreeSet;

use super::{control_plane, webhook};

use crate::admission::{AdmissionRejection, Bound, Measure, MissingQuotaRequest, PolicyKind, QuotaUsage};
use crate::render::command_line::{CommandLine, valid};
use crate::render::commands::{create_service_account, retry, set_quota};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::snapshot::quantity::Quantity;

/// Prefixes of violations that only the level `restricted` reports; `baseline` allows them. Upstream:
/// `pod-security-admission/policy/check_*.go`.
const ONLY_RESTRICTED: [&str; 6] = [
    "allowPrivilegeEscalation != false",
    "unrestricted capabilities",
    "runAsNonRoot != true",
    "runAsUser=0",
    "seccompProfile",
    "restricted volume types",
];

pub(super) fn of(rejection: &AdmissionRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let in_namespace = |words| CommandLine::in_namespace(target.namespace, words);
    let edit = in_namespace("edit ds").name(target.daemon_set);
    match rejection {
        AdmissionRejection::QuotaExceeded { quota, resources } => raise_quota(target, quota, resources),
        AdmissionRejection::QuotaRequestMissing { missing, .. } => state_amounts(target, missing),
        AdmissionRejection::QuotaUncovered { uncovered } => create_quota(target, uncovered),
        AdmissionRejection::QuotaStatusMissing { quota } => {
            let look = in_namespace("get resourcequota").name(quota).words("-o yaml");
            vec![Remedy::run("check that its status is calculated: this is done by kube-controller-manager", [look])]
        }
        AdmissionRejection::LimitRange { .. } => comply_or_change(rejection, target, edit),
        AdmissionRejection::LimitBelowRequest { container, resource, request, limit_range, .. } => {
            let text = format!("set a {resource} limit of at least {request} for {container} in the template");
            let mut remedies = vec![Remedy::run(text, [edit])];
            remedies.extend(limit_range.as_ref().map(|range| {
                let line = in_namespace("edit limitrange").name(range);
                Remedy::run(format!("or raise the default limit of LimitRange {range}"), [line])
            }));
            remedies
        }
        AdmissionRejection::PodSecurity { violations, .. } => pod_security(target, edit, violations),
        AdmissionRejection::PriorityClassMissing { priority_class } => {
            let line = CommandLine::new("kubectl create priorityclass").name(priority_class).words("--value=VALUE");
            vec![
                Remedy::run("create the PriorityClass, with a value of your choice", [line]),
                Remedy::run("or use an existing one", [CommandLine::new("kubectl get priorityclasses"), edit]),
            ]
        }
        AdmissionRejection::PriorityMismatch { .. } => {
            vec![Remedy::run(
                "remove priority and preemptionPolicy from the template: the PriorityClass sets them",
                [edit],
            )]
        }
        AdmissionRejection::ServiceAccountMissing { service_account } => {
            let line = create_service_account(target.namespace, service_account);
            vec![Remedy::run(
                "create the ServiceAccount; the second command makes the controller retry at once",
                [line, retry(target.namespace, target.daemon_set)],
            )]
        }
        AdmissionRejection::RuntimeClassMissing { .. } => {
            let look = CommandLine::new("kubectl get runtimeclasses");
            vec![Remedy::run("install the RuntimeClass, or use an existing one", [look, edit])]
        }
        AdmissionRejection::RuntimeClassConflict { key, .. } => {
            let text = format!("remove {key} from the template's nodeSelector: the RuntimeClass sets it");
            vec![Remedy::run(text, [edit])]
        }
        AdmissionRejection::OverheadMismatch => {
            vec![Remedy::run("remove overhead from the template: the RuntimeClass sets it", [edit])]
        }
        AdmissionRejection::WebhookDenied { webhook, .. } => {
            vec![Remedy::run(format!("fix what {webhook} reports, or ask its operator"), [webhook::list()])]
        }
        AdmissionRejection::WebhookFailed { webhook, service, failure, .. } => {
            webhook::failed(webhook, service.as_ref(), *failure, target)
        }
        AdmissionRejection::WebhooksTooSlow { .. } => vec![Remedy::run(
            "find the webhook that is slow (metric apiserver_admission_webhook_admission_duration_seconds of the API \
             server); the controller retries by itself",
            [webhook::list()],
        )],
        AdmissionRejection::PatchNotApplicable { .. } => vec![Remedy::run(
            "find the mutating webhook whose patch expects a field that the pod does not have, and update it, or leave \
             this namespace out of it",
            [webhook::list()],
        )],
        AdmissionRejection::ImagePolicy { .. } => {
            let text = "use an image that the policy allows, or ask who operates it (the API server's configuration of \
                        ImagePolicyWebhook names it)";
            vec![Remedy::run(text, [edit])]
        }
        AdmissionRejection::PodSecurityPolicy { .. } => vec![Remedy::run(
            "allow the DaemonSet's ServiceAccount to use a PodSecurityPolicy that permits the pod; PodSecurityPolicies \
             no longer exist since Kubernetes 1.25",
            [CommandLine::new("kubectl get podsecuritypolicies")],
        )],
        AdmissionRejection::PriorityNotPermitted { .. } => vec![Remedy::run(
            "run the DaemonSet in the namespace kube-system, or use another PriorityClass",
            [CommandLine::new("kubectl get priorityclasses"), edit],
        )],
        AdmissionRejection::NamespaceMissing { .. } => vec![Remedy::run(
            "check that the namespace exists; the controller retries by itself",
            [get_namespace(target)],
        )],
        AdmissionRejection::NameTaken { .. } => {
            vec![Remedy::text_only("nothing to fix: the controller retries with another name")]
        }
        AdmissionRejection::ControlPlane { problem, .. } => control_plane::remedies(*problem),
        AdmissionRejection::ControllerForbidden { .. } | AdmissionRejection::OwnerReferenceForbidden { .. } => {
            control_plane::controller_forbidden()
        }
        AdmissionRejection::PolicyDenied { kind, policy, binding, .. } => {
            let (get_policy, get_binding) = match kind {
                PolicyKind::MutatingAdmissionPolicy => {
                    ("kubectl get mutatingadmissionpolicy", "kubectl get mutatingadmissionpolicybinding")
                }
                PolicyKind::ValidatingAdmissionPolicy => {
                    ("kubectl get validatingadmissionpolicy", "kubectl get validatingadmissionpolicybinding")
                }
            };
            let get = |words, name: &String| CommandLine::new(words).name(name).words("-o yaml");
            let mut lines = vec![get(get_policy, policy)];
            lines.extend(binding.as_ref().map(|binding| get(get_binding, binding)));
            vec![Remedy::run("fix what the policy reports, or change the policy", lines)]
        }
        AdmissionRejection::NamespaceSelectorConflict { .. } | AdmissionRejection::NamespaceTolerations { .. } => {
            let look = get_namespace(target);
            vec![Remedy::run("compare the template with the annotations of its namespace", [look, edit])]
        }
        AdmissionRejection::SecurityContextConstraints { .. } => grant_constraints(target),
        AdmissionRejection::NamespaceTerminating => {
            let look = get_namespace(target);
            vec![Remedy::run("wait for the namespace to be deleted; its conditions show what is blocking it", [look])]
        }
        AdmissionRejection::PodInvalid { .. } => vec![Remedy::run("fix the reported fields", [edit])],
        AdmissionRejection::NoLongerRejected { .. } => vec![try_again(target)],
        AdmissionRejection::Rejected { .. } => {
            let line = in_namespace("get events --field-selector").name_within(
                "involvedObject.name=",
                target.daemon_set,
                ",reason=FailedCreate",
            );
            vec![Remedy::run("check the latest messages of the API server", [line])]
        }
    }
}

/// The controller's backoff grows to 1000 s. Any change of the DaemonSet triggers an immediate retry.
fn try_again(target: &RemedyContext<'_>) -> Remedy {
    let text = "wait: the controller retries within 17 minutes; or trigger an immediate retry by changing the \
                DaemonSet outside of its template";
    Remedy::run(text, [retry(target.namespace, target.daemon_set)])
}

fn raise_quota(target: &RemedyContext<'_>, quota: &str, resources: &[QuotaUsage]) -> Vec<Remedy> {
    let hard: Vec<(String, String)> = resources
        .iter()
        .filter_map(|share| {
            let needed = share.used.parse::<Quantity>().ok()? + share.requested.parse::<Quantity>().ok()?;
            let is_bytes = ["memory", "storage", "hugepages-"].iter().any(|part| share.resource.contains(part));
            let needed = if is_bytes { needed.in_bytes() } else { needed.to_string() };
            Some((share.resource.clone(), needed))
        })
        .collect();
    // A truncated event, or one from another component, may name resources without numbers.
    let is_whole = hard.len() == resources.len() && hard.iter().all(|(resource, _)| valid::is_qualified_name(resource));
    let line = set_quota(target.namespace, quota, hard).only_if(is_whole && !resources.is_empty());
    let look = CommandLine::in_namespace(target.namespace, "describe resourcequota").name(quota);
    let raise = Remedy::run(
        "raise the quota (values shown allow one more pod); the second command makes the controller retry at once",
        [line, retry(target.namespace, target.daemon_set)],
    );
    vec![raise, Remedy::run("or reduce other usage in the namespace", [look])]
}

fn state_amounts(target: &RemedyContext<'_>, missing: &[MissingQuotaRequest]) -> Vec<Remedy> {
    let mut containers: Vec<&String> = missing.iter().flat_map(|one| &one.containers).collect();
    containers.sort_unstable();
    containers.dedup();
    let amounts = |container: Option<&str>, is_limit: bool| {
        let wanted = missing.iter().filter(|one| one.resource.starts_with("limits.") == is_limit);
        let wanted =
            wanted.filter(|one| container.is_none_or(|container| one.containers.iter().any(|name| name == container)));
        let resources = wanted.map(|one| one.resource.trim_start_matches("limits.").trim_start_matches("requests."));
        resources.map(|resource| (resource, valid::AMOUNT)).collect::<BTreeSet<_>>()
    };
    let line = |container: Option<&str>| {
        let line = CommandLine::in_namespace(target.namespace, "set resources ds").name(target.daemon_set);
        let line = container.into_iter().fold(line, CommandLine::container);
        [("--requests", false), ("--limits", true)].into_iter().fold(line, |line, (option, is_limit)| {
            match amounts(container, is_limit) {
                amounts if amounts.is_empty() => line,
                amounts => line.amounts(option, amounts),
            }
        })
    };
    let lines: Vec<CommandLine> = match containers.as_slice() {
        [] => vec![line(None)],
        containers => containers.iter().map(|container| line(Some(container))).collect(),
    };
    vec![
        Remedy::run("set the amounts in the template, to values of your choice", lines),
        Remedy::text_only("or create a LimitRange in the namespace that sets defaults"),
    ]
}

fn create_quota(target: &RemedyContext<'_>, uncovered: &str) -> Vec<Remedy> {
    if !uncovered.contains("PriorityClass") {
        return vec![Remedy::text_only(format!("create a ResourceQuota in the namespace that covers {uncovered}"))];
    }
    let line =
        CommandLine::in_namespace(target.namespace, "create quota daemons --hard=pods=NUMBER --scopes=PriorityClass");
    vec![Remedy::run("create a quota for pods with a priority class, with a number of your choice", [line])]
}

fn comply_or_change(rejection: &AdmissionRejection, target: &RemedyContext<'_>, edit: CommandLine) -> Vec<Remedy> {
    let AdmissionRejection::LimitRange { limit_range, container, resource, bound, allowed, measure, .. } = rejection
    else {
        return Vec::new();
    };
    let whose = container.as_ref().map(|container| format!(" of container {container}")).unwrap_or_default();
    let text = match bound {
        Bound::Minimum => format!("raise the {resource} {}{whose} to {allowed} or more", measure.name()),
        // The limit may be missing, so it cannot always be reduced.
        Bound::Maximum if *measure == Measure::Limit => format!("set the {resource} limit{whose} to {allowed} or less"),
        Bound::Maximum => format!("reduce the {resource} {}{whose} to {allowed} or less", measure.name()),
        Bound::Ratio => format!("set the {resource} limit{whose} to at most {allowed} times the request"),
    };
    let range = match limit_range {
        Some(range) => CommandLine::in_namespace(target.namespace, "edit limitrange").name(range),
        None => CommandLine::in_namespace(target.namespace, "get limitranges -o yaml"),
    };
    vec![Remedy::run(text, [edit]), Remedy::run("or change the LimitRange", [range])]
}

fn pod_security(target: &RemedyContext<'_>, edit: CommandLine, violations: &[String]) -> Vec<Remedy> {
    let is_mild = |violation: &String| {
        // The level baseline only forbids certain profiles; it does not require one.
        let is_of_baseline = violation.starts_with("seccompProfile") && !violation.contains(" must set ");
        !is_of_baseline && ONLY_RESTRICTED.iter().any(|start| violation.starts_with(start))
    };
    let level = if violations.iter().all(is_mild) { "baseline" } else { "privileged" };
    let line = CommandLine::new("kubectl label namespace")
        .name(target.namespace)
        .words("--overwrite")
        .label("pod-security.kubernetes.io/enforce", level);
    vec![
        Remedy::run("fix the violations in the template", [edit]),
        Remedy::run(format!("or set the level of the namespace to {level}"), [line]),
    ]
}

fn get_namespace(target: &RemedyContext<'_>) -> CommandLine {
    CommandLine::new("kubectl get namespace").name(target.namespace).words("-o yaml")
}

fn grant_constraints(target: &RemedyContext<'_>) -> Vec<Remedy> {
    let account = CommandLine::in_namespace(target.namespace, "get ds")
        .name(target.daemon_set)
        .words("-o jsonpath='{.spec.template.spec.serviceAccountName}'");
    let grant = CommandLine::new("oc").namespace(target.namespace);
    let grant = grant.words("adm policy add-scc-to-user SCC -z SERVICEACCOUNT");
    vec![Remedy::run(
        "grant the DaemonSet's ServiceAccount SecurityContextConstraints that allow the pod",
        [account, grant],
    )]
}
