#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::json;

use super::*;
use crate::admission::{ControlPlaneProblem, PolicyKind, Service};

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "ns", "agent", None);

fn share(resource: &str, requested: &str, used: &str, limited: &str) -> QuotaUsage {
    let [resource, requested, used, limited] = [resource, requested, used, limited].map(str::to_owned);
    QuotaUsage { resource, requested, used, limited }
}

/// Makes the controller retry at once.
const RETRY: &str = "kubectl -n ns annotate ds agent --overwrite kubectl-ds/tried-again=\"$(date +%s)\"";

fn lines(rejection: &AdmissionRejection) -> Vec<String> {
    remedies(rejection, &TARGET).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
}

#[test]
fn quota_is_raised_to_fit_one_more_pod() {
    let resources = vec![share("pods", "1", "10", "10"), share("limits.memory", "512Mi", "3584Mi", "4000Mi")];
    let rejection = AdmissionRejection::QuotaExceeded { quota: "q".into(), resources };
    assert_eq!(
        lines(&rejection),
        [
            r#"kubectl -n ns patch resourcequota q --type=merge -p '{"spec":{"hard":{"limits.memory":"4Gi","pods":"11"}}}'"#,
            RETRY,
            "kubectl -n ns describe resourcequota q",
        ]
    );
    assert_eq!(
        detail(&rejection, ListLength::Handful),
        "quota q exceeded: pods: one more pod needs 1; 10 of 10 used; limits.memory: one more pod needs 512Mi; 3584Mi \
         of 4000Mi used"
    );
    // A quota may be lower than its usage.
    let lowered =
        AdmissionRejection::QuotaExceeded { quota: "q".into(), resources: vec![share("cpu", "150m", "1", "500m")] };
    assert!(lines(&lowered)[0].ends_with(r#"'{"spec":{"hard":{"cpu":"1150m"}}}'"#));
}

#[test]
fn missing_amounts_are_set_for_each_container() {
    let missing = |resource: &str, containers: &[&str]| MissingQuotaRequest {
        resource: resource.into(),
        containers: containers.iter().map(|name| (*name).to_owned()).collect(),
    };
    let of = |missing: Vec<MissingQuotaRequest>| {
        lines(&AdmissionRejection::QuotaRequestMissing { quota: "q".into(), missing })
    };
    assert_eq!(
        of(vec![
            missing("limits.cpu", &["main", "side"]),
            missing("memory", &["main"]),
            missing("requests.memory", &["main"])
        ]),
        [
            "kubectl -n ns set resources ds agent -c main --requests=memory=AMOUNT --limits=cpu=AMOUNT",
            "kubectl -n ns set resources ds agent -c side --limits=cpu=AMOUNT",
        ]
    );
    assert_eq!(of(vec![missing("cpu", &[])]), ["kubectl -n ns set resources ds agent --requests=cpu=AMOUNT"]);
}

#[test]
fn limit_range_sentence_shows_both_numbers() {
    let rejection =
        |container: Option<&str>, bound: Bound, measure: Measure, found: Option<&str>| AdmissionRejection::LimitRange {
            limit_range: container.map(|_| "range".into()),
            per: "Container".into(),
            container: container.map(str::to_owned),
            resource: "cpu".into(),
            bound,
            allowed: "2".into(),
            measure,
            found: found.map(str::to_owned),
        };
    for (rejection, words, fix) in [
        (
            rejection(Some("main"), Bound::Maximum, Measure::Limit, Some("3")),
            "LimitRange range allows at most 2 of cpu per Container; the limit of container main is 3",
            "set the cpu limit of container main to 2 or less",
        ),
        (
            rejection(None, Bound::Minimum, Measure::Request, None),
            "a LimitRange requires at least 2 of cpu per Container; a container has no request",
            "raise the cpu request to 2 or more",
        ),
        (
            rejection(None, Bound::Ratio, Measure::Ratio, Some("4.0")),
            "a LimitRange allows a cpu limit of at most 2 times the request per Container; a container has 4.0 times",
            "set the cpu limit to at most 2 times the request",
        ),
    ] {
        assert_eq!(detail(&rejection, ListLength::Handful), words);
        assert_eq!(remedies(&rejection, &TARGET)[0].text, fix);
    }
}

#[test]
fn pod_security_remedy_uses_the_strictest_level_possible() {
    let level = |violations: &[&str]| {
        let violations = violations.iter().map(|one| (*one).to_owned()).collect();
        let rejection =
            AdmissionRejection::PodSecurity { level: "restricted".into(), version: "latest".into(), violations };
        lines(&rejection).last().unwrap().rsplit_once('=').unwrap().1.to_owned()
    };
    let asked =
        "seccompProfile (pod or container \"main\" must set securityContext.seccompProfile.type to \"RuntimeDefault\")";
    let forbidden = "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")";
    assert_eq!(level(&["runAsNonRoot != true (x)", asked]), "baseline");
    assert_eq!(level(&["runAsNonRoot != true (x)", forbidden]), "privileged");
    assert_eq!(level(&["hostPath volumes (volume \"x\")", asked]), "privileged");
}

#[test]
fn missing_object_is_created_by_name() {
    let account = AdmissionRejection::ServiceAccountMissing { service_account: "sa".into() };
    assert_eq!(lines(&account), ["kubectl -n ns create serviceaccount sa", RETRY]);
    let class = AdmissionRejection::PriorityClassMissing { priority_class: "high".into() };
    assert_eq!(lines(&class)[0], "kubectl create priorityclass high --value=VALUE");
    assert!(remedies(&class, &TARGET)[0].text.contains("your choice"));
}

#[test]
fn failed_webhook_is_found_by_its_service() {
    let failed = |service: Option<Service>| AdmissionRejection::WebhookFailed {
        webhook: "w".into(),
        detail: "x".into(),
        service,
        failure: WebhookFailure::NoEndpoints,
    };
    let service = Service { namespace: "system".into(), name: "hook".into() };
    assert_eq!(
        lines(&failed(Some(service)))[..2],
        [
            "kubectl -n system get service hook",
            "kubectl -n system get endpointslices -l kubernetes.io/service-name=hook",
        ]
    );
    assert_eq!(lines(&failed(None)).len(), 1);
}

#[test]
fn failed_webhook_has_a_remedy_for_its_failure() {
    let first = |failure: WebhookFailure, target: &RemedyContext<'_>| {
        let service = Some(Service { namespace: "system".into(), name: "hook".into() });
        let (webhook, detail) = ("w".to_owned(), "x".to_owned());
        let rejection = AdmissionRejection::WebhookFailed { webhook, detail, service, failure };
        remedies(&rejection, target)[0].text.clone()
    };
    for (failure, words) in [
        (WebhookFailure::Certificate, "renew the certificate of w"),
        (WebhookFailure::Tunnel, "konnectivity"),
        (WebhookFailure::NoEndpoints, "it needs a ready endpoint"),
        (WebhookFailure::NoService, "does not exist"),
        (WebhookFailure::Timeout, "does not answer in time"),
        (WebhookFailure::NotServed, "does not know the path"),
        (WebhookFailure::Other, "cannot call it"),
    ] {
        let text = first(failure, &TARGET);
        assert!(text.contains(words), "{failure:?}: {text}");
    }
    // A webhook whose pods wait for the network that this DaemonSet brings.
    let host_path = json!({ "name": "cni", "hostPath": { "path": "/etc/cni/net.d" } });
    let spec: PodSpec =
        serde_json::from_value(json!({ "containers": [], "hostNetwork": true, "volumes": [host_path] })).unwrap();
    let network = RemedyContext { template: Some(&spec), lacks_network: true, ..TARGET };
    assert!(first(WebhookFailure::NoEndpoints, &network).starts_with("break the circle at the webhook"));
    assert!(!first(WebhookFailure::Certificate, &network).contains("circle"), "its pods run");
    let with_network = RemedyContext { lacks_network: false, ..network };
    assert!(!first(WebhookFailure::NoEndpoints, &with_network).contains("circle"), "its pods could start");
}

#[test]
fn hostile_name_offers_no_command() {
    let account = AdmissionRejection::ServiceAccountMissing { service_account: "$(reboot)\u{1b}[2J".into() };
    assert!(lines(&account).is_empty());
    let quota = AdmissionRejection::QuotaExceeded {
        quota: "--kubeconfig=x".into(),
        resources: vec![share("pods", "1", "1", "1")],
    };
    assert!(lines(&quota).is_empty());
    let missing =
        vec![MissingQuotaRequest { resource: "limits.cpu$(touch x)".into(), containers: vec!["main".into()] }];
    assert!(lines(&AdmissionRejection::QuotaRequestMissing { quota: "q".into(), missing }).is_empty());
}

#[test]
fn each_rejection_has_sentences_and_remedies() {
    let text = || "x".to_owned();
    for rejection in [
        AdmissionRejection::QuotaUncovered { uncovered: "[{PriorityClass In [high]}]".into() },
        AdmissionRejection::QuotaStatusMissing { quota: text() },
        AdmissionRejection::PriorityMismatch { stated: text(), computed: text() },
        AdmissionRejection::RuntimeClassMissing { runtime_class: text() },
        AdmissionRejection::RuntimeClassConflict { key: text(), class_value: text(), pod_value: text() },
        AdmissionRejection::OverheadMismatch,
        AdmissionRejection::WebhookDenied { webhook: text(), detail: text() },
        AdmissionRejection::WebhooksTooSlow { plugin: text(), detail: text() },
        AdmissionRejection::PatchNotApplicable { detail: text() },
        AdmissionRejection::ImagePolicy { detail: text() },
        AdmissionRejection::PodSecurityPolicy { detail: text() },
        AdmissionRejection::PriorityNotPermitted { priority_class: text(), namespace: text() },
        AdmissionRejection::NamespaceMissing { namespace: text() },
        AdmissionRejection::NameTaken { detail: text() },
        AdmissionRejection::ControlPlane { problem: ControlPlaneProblem::EtcdSpace, detail: text() },
        AdmissionRejection::ControllerForbidden { detail: text() },
        AdmissionRejection::OwnerReferenceForbidden { detail: text() },
        AdmissionRejection::PolicyDenied {
            kind: PolicyKind::ValidatingAdmissionPolicy,
            policy: text(),
            binding: None,
            detail: text(),
        },
        AdmissionRejection::NamespaceSelectorConflict { detail: text() },
        AdmissionRejection::NamespaceTolerations { detail: text() },
        AdmissionRejection::SecurityContextConstraints { detail: text() },
        AdmissionRejection::NamespaceTerminating,
        AdmissionRejection::PodInvalid { detail: text() },
        AdmissionRejection::NoLongerRejected { rejection: text() },
        AdmissionRejection::Rejected { rejection: text() },
    ] {
        assert!(
            !summary(&rejection).is_empty() && !detail(&rejection, ListLength::Handful).is_empty(),
            "{rejection:?}"
        );
        let remedies = remedies(&rejection, &TARGET);
        assert!(!remedies.is_empty(), "{rejection:?}");
        let begins_low = remedies.iter().all(|remedy| remedy.text.starts_with(|c: char| c.is_ascii_lowercase()));
        assert!(begins_low, "{remedies:?}");
    }
}
