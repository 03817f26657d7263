//! What to do about a refusal.

use super::{Remedy, Target, word};
use crate::admission::{Bound, QuotaShare, Refusal, Service, Unspecified};
use crate::snapshot::quantity::Quantity;

/// Violations of the level `restricted` alone: `baseline` lets them pass. Upstream:
/// `pod-security-admission/policy/check_*.go`.
const ONLY_RESTRICTED: [&str; 6] = [
    "allowPrivilegeEscalation != false",
    "unrestricted capabilities",
    "runAsNonRoot != true",
    "runAsUser=0",
    "seccompProfile",
    "restricted volume types",
];

/// What to do about it; nothing where only waiting helps.
pub(super) fn of(refusal: &Refusal, target: &Target<'_>) -> Vec<Remedy> {
    let namespace = word(target.namespace);
    let in_namespace = format!("kubectl -n {namespace}");
    let edit = format!("{in_namespace} edit ds {}", word(target.daemon_set));
    match refusal {
        Refusal::QuotaExceeded { quota, resources } => raise_quota(&in_namespace, quota, resources),
        Refusal::QuotaUnspecified { missing, .. } => state_amounts(&in_namespace, target, missing),
        Refusal::QuotaUncovered { uncovered } => cover(&in_namespace, uncovered),
        Refusal::QuotaUncounted { quota } => {
            let look = format!("{in_namespace} get resourcequota {} -o yaml", word(quota));
            vec![Remedy::paste(
                "look whether its status fills: the resource quota controller of kube-controller-manager does that",
                [look],
            )]
        }
        Refusal::LimitRange { .. } => obey_or_change(refusal, &in_namespace, &edit),
        Refusal::LimitBelowRequest { container, resource, request, limit_range, .. } => {
            let text = format!("state a limit of {resource} of at least {request} for {container} in the template");
            let mut remedies = vec![Remedy::paste(text, [edit])];
            remedies.extend(limit_range.as_ref().map(|range| {
                let line = format!("{in_namespace} edit limitrange {}", word(range));
                Remedy::paste(format!("or raise the default limit of LimitRange {range}"), [line])
            }));
            remedies
        }
        Refusal::PodSecurity { violations, .. } => pod_security(&namespace, &edit, violations),
        Refusal::PriorityClassMissing { priority_class } => {
            let line = format!("kubectl create priorityclass {} --value=VALUE", word(priority_class));
            vec![
                Remedy::paste("create the PriorityClass; its value is yours to choose", [line]),
                Remedy::paste("or name one that is there", ["kubectl get priorityclasses".to_owned(), edit]),
            ]
        }
        Refusal::PriorityMismatch { .. } => {
            vec![Remedy::paste("remove priority and preemptionPolicy from the template: the class gives them", [edit])]
        }
        Refusal::ServiceAccountMissing { service_account } => {
            let line = format!("{in_namespace} create serviceaccount {}", word(service_account));
            vec![Remedy::paste("create the ServiceAccount", [line])]
        }
        Refusal::RuntimeClassMissing { .. } => {
            let look = "kubectl get runtimeclasses".to_owned();
            vec![Remedy::paste("install the RuntimeClass, or name one that is there", [look, edit])]
        }
        Refusal::RuntimeClassConflict { key, .. } => {
            let text = format!("remove {key} from the template's nodeSelector: the RuntimeClass selects by it");
            vec![Remedy::paste(text, [edit])]
        }
        Refusal::OverheadMismatch => {
            vec![Remedy::paste("remove overhead from the template: the RuntimeClass gives it", [edit])]
        }
        Refusal::WebhookDenied { webhook, .. } => {
            vec![Remedy::paste(format!("mend what {webhook} names, or ask who runs it"), [webhooks_line()])]
        }
        Refusal::WebhookFailed { webhook, service, .. } => webhook_failed(webhook, service.as_ref()),
        Refusal::PolicyDenied { kind, policy, binding, .. } => {
            let kind = kind.to_lowercase();
            let mut lines = vec![format!("kubectl get {kind} {} -o yaml", word(policy))];
            lines
                .extend(binding.as_ref().map(|binding| format!("kubectl get {kind}binding {} -o yaml", word(binding))));
            vec![Remedy::paste("mend what the policy names, or change the policy", lines)]
        }
        Refusal::NamespaceSelectorConflict { .. } | Refusal::NamespaceTolerations { .. } => {
            let look = format!("kubectl get namespace {namespace} -o yaml");
            vec![Remedy::paste("compare the template with the annotations of its namespace", [look, edit])]
        }
        Refusal::SecurityContextConstraints { .. } => grant_constraints(&in_namespace, target),
        Refusal::NamespaceTerminating => {
            let look = format!("kubectl get namespace {namespace} -o yaml");
            vec![Remedy::paste("wait for its end; its conditions tell what holds it", [look])]
        }
        Refusal::PodInvalid { .. } => vec![Remedy::paste("mend the fields that are named", [edit])],
        Refusal::NoLongerRefused { .. } => vec![try_again(&in_namespace, target)],
        Refusal::Refused { .. } => {
            let of = format!("involvedObject.name={},reason=FailedCreate", target.daemon_set);
            let line = format!("{in_namespace} get events --field-selector {}", word(&of));
            vec![Remedy::paste("look at the newest words of the API server", [line])]
        }
    }
}

/// The controller's pause between tries grows to 1000 s; any change of the DaemonSet ends it.
fn try_again(in_namespace: &str, target: &Target<'_>) -> Remedy {
    let daemon_set = word(target.daemon_set);
    let text = "wait: the controller tries again after at most 17 minutes; or have it try at once, by any change of the \
                DaemonSet outside of its template";
    let line = format!("{in_namespace} annotate ds {daemon_set} --overwrite kubectl-ds/tried-again=\"$(date +%s)\"");
    Remedy::paste(text, [line])
}

fn raise_quota(in_namespace: &str, quota: &str, resources: &[QuotaShare]) -> Vec<Remedy> {
    let hard: serde_json::Map<String, serde_json::Value> = resources
        .iter()
        .filter_map(|share| {
            let needed = share.used.parse::<Quantity>().ok()? + share.requested.parse::<Quantity>().ok()?;
            let is_bytes = ["memory", "storage", "hugepages-"].iter().any(|part| share.resource.contains(part));
            let needed = if is_bytes { needed.in_bytes() } else { needed.to_string() };
            Some((share.resource.clone(), needed.into()))
        })
        .collect();
    let patch = serde_json::json!({"spec": {"hard": hard}}).to_string();
    let line = format!("{in_namespace} patch resourcequota {} --type=merge -p {}", word(quota), word(&patch));
    let look = format!("{in_namespace} describe resourcequota {}", word(quota));
    let raise = Remedy::paste("raise the quota: these are the numbers for one more pod, of one node", [line]);
    vec![raise, Remedy::paste("or free what others of the namespace use of it", [look])]
}

fn state_amounts(in_namespace: &str, target: &Target<'_>, missing: &[Unspecified]) -> Vec<Remedy> {
    let mut containers: Vec<&String> = missing.iter().flat_map(|one| &one.containers).collect();
    containers.sort_unstable();
    containers.dedup();
    let flag = |container: Option<&str>, is_limit: bool| {
        let wanted = missing.iter().filter(|one| one.resource.starts_with("limits.") == is_limit);
        let wanted =
            wanted.filter(|one| container.is_none_or(|container| one.containers.iter().any(|name| name == container)));
        let mut amounts: Vec<String> = wanted
            .map(|one| one.resource.trim_start_matches("limits.").trim_start_matches("requests."))
            .map(|resource| format!("{resource}=AMOUNT"))
            .collect();
        amounts.sort_unstable();
        amounts.dedup();
        let name = if is_limit { "limits" } else { "requests" };
        if amounts.is_empty() { String::new() } else { format!(" --{name}={}", amounts.join(",")) }
    };
    let line = |container: Option<&str>| {
        let of = container.map(|container| format!(" -c {}", word(container))).unwrap_or_default();
        let flags = format!("{}{}", flag(container, false), flag(container, true));
        format!("{in_namespace} set resources ds {}{of}{flags}", word(target.daemon_set))
    };
    let lines: Vec<String> = match containers.as_slice() {
        [] => vec![line(None)],
        containers => containers.iter().map(|container| line(Some(container))).collect(),
    };
    vec![
        Remedy::paste("state the amounts in the template; they are yours to choose", lines),
        Remedy::say("or let a LimitRange of the namespace give defaults"),
    ]
}

fn cover(in_namespace: &str, uncovered: &str) -> Vec<Remedy> {
    if !uncovered.contains("PriorityClass") {
        return vec![Remedy::say(format!("create a ResourceQuota in the namespace that counts {uncovered}"))];
    }
    let line = format!("{in_namespace} create quota daemons --hard=pods=NUMBER --scopes=PriorityClass");
    vec![Remedy::paste("create a quota for pods with a priority class; how many is yours to choose", [line])]
}

fn obey_or_change(refusal: &Refusal, in_namespace: &str, edit: &str) -> Vec<Remedy> {
    let Refusal::LimitRange { limit_range, container, resource, bound, allowed, of, .. } = refusal else {
        return Vec::new();
    };
    let whose = container.as_ref().map(|container| format!(" of {container}")).unwrap_or_default();
    let text = match bound {
        Bound::Minimum => format!("raise the {of} for {resource}{whose} to {allowed} at least"),
        Bound::Maximum => format!("lower the {of} for {resource}{whose} to {allowed} at most"),
        Bound::Ratio => format!("bring limit and request for {resource}{whose} within {allowed} to one"),
    };
    let text = if *of == "limit" && *bound == Bound::Maximum { text.replacen("lower", "set", 1) } else { text };
    let range = match limit_range {
        Some(range) => format!("{in_namespace} edit limitrange {}", word(range)),
        None => format!("{in_namespace} get limitranges -o yaml"),
    };
    vec![Remedy::paste(text, [edit.to_owned()]), Remedy::paste("or change the LimitRange", [range])]
}

fn pod_security(namespace: &str, edit: &str, violations: &[String]) -> Vec<Remedy> {
    let is_mild = |violation: &String| {
        // The level baseline only forbids certain profiles, it asks for none.
        let is_of_baseline = violation.starts_with("seccompProfile") && !violation.contains(" must set ");
        !is_of_baseline && ONLY_RESTRICTED.iter().any(|start| violation.starts_with(start))
    };
    let level = if violations.iter().all(is_mild) { "baseline" } else { "privileged" };
    let line = format!("kubectl label namespace {namespace} --overwrite pod-security.kubernetes.io/enforce={level}");
    vec![
        Remedy::paste("set the fields that the violations name, in the template", [edit.to_owned()]),
        Remedy::paste(format!("or let the namespace run pods of the level {level}"), [line]),
    ]
}

fn webhooks_line() -> String {
    "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations \
     -o custom-columns='KIND:.kind,NAME:.metadata.name,WEBHOOKS:.webhooks[*].name'"
        .to_owned()
}

fn webhook_failed(webhook: &str, service: Option<&Service>) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    if let Some(Service { namespace, name }) = service {
        let namespace = word(namespace);
        remedies.push(Remedy::paste(
            format!("bring the webhook's service {name} back: it needs a ready endpoint"),
            [
                format!("kubectl -n {namespace} get service {}", word(name)),
                format!(
                    "kubectl -n {namespace} get endpointslices -l {}",
                    word(&format!("kubernetes.io/service-name={name}"))
                ),
            ],
        ));
    }
    remedies.push(Remedy::paste(
        format!("find the configuration of {webhook}: delete it if its server is gone for good"),
        [webhooks_line()],
    ));
    remedies
}

fn grant_constraints(in_namespace: &str, target: &Target<'_>) -> Vec<Remedy> {
    let daemon_set = word(target.daemon_set);
    let account =
        format!("{in_namespace} get ds {daemon_set} -o jsonpath='{{.spec.template.spec.serviceAccountName}}'");
    let grant = format!("oc -n {} adm policy add-scc-to-user SCC -z SERVICEACCOUNT", word(target.namespace));
    vec![Remedy::paste(
        "grant the DaemonSet's ServiceAccount constraints that allow what it asks for",
        [account, grant],
    )]
}
