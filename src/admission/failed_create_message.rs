//! Parses the message of a FailedCreate event into rejections with evidence.
//!
//! Upstream, for the messages: `plugin/pkg/admission/{limitranger,priority,serviceaccount,runtimeclass}/admission.go`,
//! `plugin/pkg/admission/{podnodeselector,podtolerationrestriction}/admission.go`,
//! `pod-security-admission/admission/admission.go` `EvaluatePod`,
//! `apiserver/pkg/admission/plugin/{resourcequota,policy/validating,namespace/lifecycle}`,
//! `plugin/pkg/admission/imagepolicy/admission.go`; PodSecurityPolicy until 1.24. Webhooks: see `webhook`; the control
//! plane: `control_plane`;
//! `pkg/apis/core/validation/validation.go` `ValidateContainerResourceRequirements`. A message that is not recognized
//! is kept as a whole.

mod control_plane;
mod text;
mod webhook;

use jiff::Timestamp;

use self::text::{after, between};
use super::rejection::{AdmissionRejection, Bound, Measure, MissingQuotaRequest, PolicyKind, QuotaUsage};
use crate::snapshot::pod::Pod;

/// The newest FailedCreate event of a DaemonSet. It names no node, and it stays for an hour after its cause is gone, so
/// it is evidence only for a pod that is missing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedCreateEvent {
    /// The message without the prefixes that the controller and the client library add.
    pub(crate) text: String,
    /// How often the event occurred.
    pub(crate) count: i32,
    pub(crate) last_seen: Option<Timestamp>,
}

/// Parses a message. `pod` is the pod that was to be created: a message about an invalid field gives the index of a
/// container, and the pod gives its name.
pub(super) fn read(text: &str, pod: &Pod) -> Vec<AdmissionRejection> {
    let text = text.strip_prefix("(combined from similar events): ").unwrap_or(text);
    let text = text.strip_prefix("Error creating: ").unwrap_or(text);
    if let Some(detail) = text.strip_prefix("Pod \"").and_then(|rest| after(rest, "\" is invalid: ")) {
        return invalid(detail, pod);
    }
    let core = text.strip_prefix("pods \"").and_then(|rest| after(rest, "\" is forbidden: ")).unwrap_or(text);
    let core = core.strip_prefix("Internal error occurred: ").unwrap_or(core);
    let one = webhook::read(core)
        .or_else(|| control_plane::read(core))
        .or_else(|| policy(core))
        .or_else(|| quota(core))
        .or_else(|| pod_security(core))
        .or_else(|| named_object(core))
        .or_else(|| runtime_class(core))
        .or_else(|| opt_in(core));
    if let Some(one) = one {
        return vec![one];
    }
    limit_ranges(core).unwrap_or_else(|| vec![AdmissionRejection::Rejected { rejection: text.to_owned() }])
}

fn policy(core: &str) -> Option<AdmissionRejection> {
    const DENIED: &str = " denied request: ";
    const WITH_BINDING: &str = " with binding '";
    let (kind, rest) = match core.strip_prefix("ValidatingAdmissionPolicy ") {
        Some(rest) => (PolicyKind::ValidatingAdmissionPolicy, rest),
        None => (PolicyKind::MutatingAdmissionPolicy, core.strip_prefix("policy ")?),
    };
    let (names, detail) = rest.split_once(DENIED)?;
    let (policy, binding) = match names.split_once(WITH_BINDING) {
        Some((policy, binding)) => (policy, Some(binding.trim_end_matches('\'').to_owned())),
        None => (names, None),
    };
    let policy = policy.trim_matches(['\'', '"']).to_owned();
    Some(AdmissionRejection::PolicyDenied { kind, policy, binding, detail: detail.to_owned() })
}

fn quota(core: &str) -> Option<AdmissionRejection> {
    if let Some((quota, rest)) = between(core, "exceeded quota: ", ", requested: ") {
        let (requested, rest) = rest.split_once(", used: ")?;
        let (used, limited) = rest.split_once(", limited: ")?;
        let amount = |list: &str, resource: &str| {
            let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(name, _)| *name == resource).map(|(_, amount)| amount.to_owned())
        };
        let resources = requested.split(',').filter_map(|pair| pair.split_once('='));
        let share = |(resource, requested): (&str, &str)| QuotaUsage {
            resource: resource.to_owned(),
            requested: requested.to_owned(),
            used: amount(used, resource).unwrap_or_default(),
            limited: amount(limited, resource).unwrap_or_default(),
        };
        return Some(AdmissionRejection::QuotaExceeded {
            quota: quota.to_owned(),
            resources: resources.map(share).collect(),
        });
    }
    if let Some((quota, missing)) = between(core, "failed quota: ", ": must specify ") {
        return Some(AdmissionRejection::QuotaRequestMissing {
            quota: quota.to_owned(),
            missing: unspecified(missing),
        });
    }
    if let Some((quota, _)) = between(core, "status unknown for quota: ", ",") {
        return Some(AdmissionRejection::QuotaStatusMissing { quota: quota.to_owned() });
    }
    let uncovered = core
        .strip_prefix("insufficient quota to match these scopes: ")
        .or_else(|| core.strip_prefix("insufficient quota to consume: "))?;
    Some(AdmissionRejection::QuotaUncovered { uncovered: uncovered.to_owned() })
}

/// Parses `requests.cpu for: a,b; memory for: c`. Before 1.24 the message lists only the resources, separated by
/// commas.
fn unspecified(text: &str) -> Vec<MissingQuotaRequest> {
    let words = |list: &str| list.split(',').map(str::to_owned).collect::<Vec<_>>();
    let one = |part: &str| match part.split_once(" for: ") {
        Some((resource, containers)) => {
            vec![MissingQuotaRequest { resource: resource.to_owned(), containers: words(containers) }]
        }
        None => {
            words(part).into_iter().map(|resource| MissingQuotaRequest { resource, containers: Vec::new() }).collect()
        }
    };
    text.split("; ").flat_map(one).collect()
}

fn pod_security(core: &str) -> Option<AdmissionRejection> {
    let (policy, violations) = between(core, "violates PodSecurity \"", "\": ")?;
    let (level, version) = policy.split_once(':').unwrap_or((policy, "latest"));
    let violations = outer_parts(violations).into_iter().map(str::to_owned).collect();
    Some(AdmissionRejection::PodSecurity { level: level.to_owned(), version: version.to_owned(), violations })
}

/// Splits at the commas that are outside of parentheses and quotes.
fn outer_parts(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted) = (0usize, false);
    let parts = text.split(|c: char| {
        match c {
            '"' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0 && !is_quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Priority classes and service accounts that do not exist, or that contradict the template.
fn named_object(core: &str) -> Option<AdmissionRejection> {
    if let Some((name, _)) = between(core, "no PriorityClass with name ", " was found") {
        return Some(AdmissionRejection::PriorityClassMissing { priority_class: name.to_owned() });
    }
    let stated = ["the integer value of priority (", "the string value of PreemptionPolicy ("];
    if let Some((stated, rest)) = stated.iter().find_map(|start| between(core, start, ") must not be provided")) {
        let computed = after(rest, "admission controller computed ").and_then(|rest| rest.split(' ').next());
        let computed = computed.unwrap_or_default().to_owned();
        return Some(AdmissionRejection::PriorityMismatch { stated: stated.to_owned(), computed });
    }
    if let Some((class, rest)) = between(core, "pods with ", " priorityClass is not permitted in ") {
        let namespace = rest.split(' ').next().unwrap_or_default().to_owned();
        return Some(AdmissionRejection::PriorityNotPermitted { priority_class: class.to_owned(), namespace });
    }
    if let Some((namespace, _)) = between(core, "namespaces \"", "\" not found") {
        return Some(AdmissionRejection::NamespaceMissing { namespace: namespace.to_owned() });
    }
    let (account, why) = between(core, "error looking up service account ", ": ")?;
    let (_, account) = account.split_once('/')?;
    // An empty name is none that could be missing.
    (why.ends_with("not found") && !account.is_empty())
        .then(|| AdmissionRejection::ServiceAccountMissing { service_account: account.to_owned() })
}

fn runtime_class(core: &str) -> Option<AdmissionRejection> {
    if let Some((class, _)) = between(core, "pod rejected: RuntimeClass \"", "\" not found") {
        return Some(AdmissionRejection::RuntimeClassMissing { runtime_class: class.to_owned() });
    }
    if core.starts_with("pod rejected: Pod") && core.contains("verhead") {
        return Some(AdmissionRejection::OverheadMismatch);
    }
    let (key, rest) = between(core, "conflict: runtimeClass.scheduling.nodeSelector[", "] = ")?;
    let (class_value, rest) = rest.split_once("; ")?;
    let (_, pod_value) = rest.split_once("] = ")?;
    let (key, class_value, pod_value) = (key.to_owned(), class_value.to_owned(), pod_value.to_owned());
    Some(AdmissionRejection::RuntimeClassConflict { key, class_value, pod_value })
}

fn opt_in(core: &str) -> Option<AdmissionRejection> {
    let detail = core.to_owned();
    if core.starts_with("pod node label selector ") {
        return Some(AdmissionRejection::NamespaceSelectorConflict { detail });
    }
    if core.starts_with("pod tolerations ") {
        return Some(AdmissionRejection::NamespaceTolerations { detail });
    }
    if core.starts_with("unable to validate against any security context constraint") {
        return Some(AdmissionRejection::SecurityContextConstraints { detail });
    }
    if core.starts_with("PodSecurityPolicy: ") || core.starts_with("unable to validate against any pod security policy")
    {
        return Some(AdmissionRejection::PodSecurityPolicy { detail });
    }
    if let Some(images) = core.strip_prefix("image policy webhook backend denied one or more images: ") {
        return Some(AdmissionRejection::ImagePolicy { detail: images.to_owned() });
    }
    if core.starts_with("pods \"") && core.ends_with("\" already exists") {
        return Some(AdmissionRejection::NameTaken { detail });
    }
    core.contains(" because it is being terminated").then_some(AdmissionRejection::NamespaceTerminating)
}

/// Parses one violation, or several in brackets. None unless every part is recognized.
fn limit_ranges(core: &str) -> Option<Vec<AdmissionRejection>> {
    let list = core.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(core);
    let mut offences: Vec<String> = Vec::new();
    for part in list.split(", ") {
        match offences.last_mut() {
            // A comma within a violation.
            Some(last) if part.starts_with("but ") => *last = format!("{last}, {part}"),
            _ => offences.push(part.to_owned()),
        }
    }
    offences.iter().map(|offence| limit_range(offence)).collect()
}

/// Parses `minimum cpu usage per Container is 100m, but request is 50m`; `... is 1.  No limit is specified`; `cpu max
/// limit to request ratio per Pod is 2, but provided ratio is 3.000000`.
fn limit_range(offence: &str) -> Option<AdmissionRejection> {
    let (bound, resource, rest) = if let Some((resource, rest)) = between(offence, "minimum ", " usage per ") {
        (Bound::Minimum, resource, rest)
    } else if let Some((resource, rest)) = between(offence, "maximum ", " usage per ") {
        (Bound::Maximum, resource, rest)
    } else {
        let (resource, rest) = offence.split_once(" max limit to request ratio per ")?;
        (Bound::Ratio, resource, rest)
    };
    let (per, rest) = rest.split_once(" is ")?;
    let (allowed, found) = rest.split_once(", but ").or_else(|| rest.split_once(".  "))?;
    let (measure, found) = if let Some(found) = found.strip_prefix("request is ") {
        (Measure::Request, Some(found))
    } else if let Some(found) = found.strip_prefix("limit is ") {
        (Measure::Limit, Some(found))
    } else if let Some(found) = found.strip_prefix("provided ratio is ") {
        (Measure::Ratio, Some(found))
    } else {
        let is_limit = found.starts_with("No limit ") || found.starts_with("no limit ");
        (if is_limit { Measure::Limit } else { Measure::Request }, None)
    };
    Some(AdmissionRejection::LimitRange {
        limit_range: None,
        per: per.to_owned(),
        container: None,
        resource: resource.to_owned(),
        bound,
        allowed: allowed.to_owned(),
        measure,
        found: found.map(str::to_owned),
    })
}

/// Parses the message about an invalid pod: one field, or several in brackets.
fn invalid(detail: &str, pod: &Pod) -> Vec<AdmissionRejection> {
    let list = detail.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(detail);
    let mut fields: Vec<String> = Vec::new();
    for (at, part) in list.split(", spec.").enumerate() {
        fields.push(if at == 0 { part.to_owned() } else { format!("spec.{part}") });
    }
    let below = |field: &String| limit_below_request(field, pod);
    let (known, unknown): (Vec<String>, Vec<String>) = fields.into_iter().partition(|field| below(field).is_some());
    let mut rejections: Vec<AdmissionRejection> = known.iter().filter_map(below).collect();
    if !unknown.is_empty() {
        rejections.push(AdmissionRejection::PodInvalid { detail: unknown.join(", ") });
    }
    rejections
}

/// Parses `spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`.
fn limit_below_request(field: &str, pod: &Pod) -> Option<AdmissionRejection> {
    let (path, rest) = field.split_once(".resources.requests: Invalid value: ")?;
    let (request, rest) = rest.split_once(": must be less than or equal to ")?;
    let (resource, limit) = rest.split_once(" limit of ")?;
    Some(AdmissionRejection::LimitBelowRequest {
        container: container_at(path, pod).unwrap_or(path).to_owned(),
        resource: resource.to_owned(),
        request: request.trim_matches('"').to_owned(),
        limit: limit.to_owned(),
        limit_range: None,
    })
}

fn container_at<'p>(path: &str, pod: &'p Pod) -> Option<&'p str> {
    let (list, rest) = path.strip_prefix("spec.")?.split_once('[')?;
    let index: usize = rest.strip_suffix(']')?.parse().ok()?;
    let containers = match list {
        "containers" => &pod.spec.containers,
        "initContainers" => &pod.spec.init_containers,
        _ => return None,
    };
    containers.get(index).map(|container| container.name.as_str())
}

#[cfg(test)]
mod tests;
