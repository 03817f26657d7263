//! Every rejection in the wording of the API server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::read;
use crate::snapshot::pod::Pod;
use crate::testing::objects;

fn pod() -> Pod {
    let containers = json!([{"name": "main"}, {"name": "side"}]);
    objects::pod("ns", "agent-x7k2p", json!({"spec": {"containers": containers, "initContainers": [{"name": "init"}]}}))
}

fn parsed(text: &str) -> Value {
    serde_json::to_value(read(text, &pod())).unwrap()
}

/// The same after the prefix that the server puts before a rejection.
fn forbidden(core: &str) -> Value {
    parsed(&format!("pods \"agent-x7k2p\" is forbidden: {core}"))
}

#[test]
fn quota_exceeded_message_has_numbers() {
    let text = "exceeded quota: q, requested: limits.memory=1Gi,pods=1, used: limits.memory=3Gi,pods=10, limited: limits.memory=3Gi,pods=10";
    let expected = json!([{"code": "QuotaExceeded", "quota": "q", "resources": [
        {"resource": "limits.memory", "requested": "1Gi", "used": "3Gi", "limited": "3Gi"},
        {"resource": "pods", "requested": "1", "used": "10", "limited": "10"},
    ]}]);
    assert_eq!(forbidden(text), expected);
    let whole = format!("(combined from similar events): Error creating: pods \"a-\" is forbidden: {text}");
    assert_eq!(parsed(&whole), expected);
}

#[test]
fn quota_must_specify_message_names_containers() {
    assert_eq!(
        forbidden("failed quota: q: must specify limits.cpu for: main,side; memory for: main"),
        json!([{"code": "QuotaRequestMissing", "quota": "q", "missing": [
            {"resource": "limits.cpu", "containers": ["main", "side"]}, {"resource": "memory", "containers": ["main"]},
        ]}])
    );
    assert_eq!(
        forbidden("failed quota: q: must specify limits.cpu,memory"),
        json!([{"code": "QuotaRequestMissing", "quota": "q", "missing": [
            {"resource": "limits.cpu", "containers": []}, {"resource": "memory", "containers": []},
        ]}])
    );
}

#[test]
fn quota_uncovered_and_status_unknown_messages() {
    let scopes = "[{PriorityClass In [system-node-critical system-cluster-critical]}]";
    assert_eq!(
        parsed(&format!("insufficient quota to match these scopes: {scopes}")),
        json!([{"code": "QuotaUncovered", "uncovered": scopes}])
    );
    assert_eq!(
        forbidden("insufficient quota to consume: requests.storage"),
        json!([{"code": "QuotaUncovered", "uncovered": "requests.storage"}])
    );
    assert_eq!(
        forbidden("status unknown for quota: q, resources: cpu,pods"),
        json!([{"code": "QuotaStatusMissing", "quota": "q"}])
    );
}

#[test]
fn limit_range_message_has_one_or_more_violations() {
    assert_eq!(
        forbidden("maximum cpu usage per Container is 1, but limit is 2"),
        json!([{
            "code": "LimitRange", "per": "Container", "resource": "cpu", "bound": "Maximum", "allowed": "1",
            "measure": "limit", "found": "2",
        }])
    );
    let several = forbidden(
        "[minimum memory usage per Container is 1Gi, but request is 512Mi, maximum cpu usage per Pod is 1.  No limit is \
         specified, cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000, memory max limit to \
         request ratio per Pod is 2, but no request is specified or request is 0]",
    );
    let parsed: Vec<String> = several
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {} {} {}",
                one["bound"], one["resource"], one["per"], one["allowed"], one["measure"], one["found"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        parsed,
        [
            "Minimum memory Container 1Gi request 512Mi",
            "Maximum cpu Pod 1 limit null",
            "Ratio cpu Container 2 ratio 4.000000",
            "Ratio memory Pod 2 request null",
        ]
    );
}

/// Edge case 72 (docs/edge-cases.md).
#[test]
fn invalid_pod_message_names_container() {
    let field = |path: &str, value: &str, limit: &str| {
        format!("spec.{path}.resources.requests: Invalid value: \"{value}\": must be less than or equal to {limit}")
    };
    let one = field("containers[1]", "500m", "cpu limit of 100m");
    let below = |container: &str, resource: &str, request: &str, limit: &str| json!({"code": "LimitBelowRequest", "container": container, "resource": resource, "request": request, "limit": limit});
    assert_eq!(parsed(&format!("Pod \"agent-x\" is invalid: {one}")), json!([below("side", "cpu", "500m", "100m")]));
    let init = field("initContainers[0]", "2Gi", "memory limit of 1Gi");
    let other = "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared";
    assert_eq!(
        parsed(&format!("Pod \"agent-x\" is invalid: [{one}, {init}, {other}]")),
        json!([
            below("side", "cpu", "500m", "100m"),
            below("init", "memory", "2Gi", "1Gi"),
            {"code": "PodInvalid", "detail": other},
        ])
    );
}

#[test]
fn pod_security_message_lists_violations() {
    let words = "violates PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true), allowPrivilegeEscalation != \
                 false (containers \"main\", \"side\" must set securityContext.allowPrivilegeEscalation=false), runAsNonRoot \
                 != true (pod or containers \"main\", \"side\" must set securityContext.runAsNonRoot=true)";
    assert_eq!(
        forbidden(words),
        json!([{"code": "PodSecurity", "level": "restricted", "version": "latest", "violations": [
            "host namespaces (hostNetwork=true)",
            "allowPrivilegeEscalation != false (containers \"main\", \"side\" must set securityContext.allowPrivilegeEscalation=false)",
            "runAsNonRoot != true (pod or containers \"main\", \"side\" must set securityContext.runAsNonRoot=true)",
        ]}])
    );
}

#[test]
fn missing_object_message_has_name() {
    assert_eq!(
        forbidden("no PriorityClass with name high was found"),
        json!([{"code": "PriorityClassMissing", "priorityClass": "high"}])
    );
    assert_eq!(
        forbidden("error looking up service account ns/sa: serviceaccount \"sa\" not found"),
        json!([{"code": "ServiceAccountMissing", "serviceAccount": "sa"}])
    );
    assert_eq!(
        forbidden("pod rejected: RuntimeClass \"kata\" not found"),
        json!([{"code": "RuntimeClassMissing", "runtimeClass": "kata"}])
    );
}

#[test]
fn contradiction_message_has_both_values() {
    assert_eq!(
        forbidden(
            "the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 \
             from the given PriorityClass name"
        ),
        json!([{"code": "PriorityMismatch", "stated": "5", "computed": "0"}])
    );
    assert_eq!(
        forbidden("conflict: runtimeClass.scheduling.nodeSelector[a/b] = x; pod.spec.nodeSelector[a/b] = y"),
        json!([{"code": "RuntimeClassConflict", "key": "a/b", "classValue": "x", "podValue": "y"}])
    );
    assert_eq!(
        forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
        json!([{"code": "OverheadMismatch"}])
    );
}

#[test]
fn webhook_message_has_name_and_detail() {
    assert_eq!(
        parsed("admission webhook \"w.example.com\" denied the request: exceeded quota: no, not really"),
        json!([{"code": "WebhookDenied", "webhook": "w.example.com", "detail": "exceeded quota: no, not really"}])
    );
    assert_eq!(
        parsed("admission webhook \"w\" denied the request without explanation"),
        json!([{"code": "WebhookDenied", "webhook": "w", "detail": "without explanation"}])
    );
    let call = "failed to call webhook: Post \"https://hook.system.svc:443/x?timeout=1s\": service \"hook\" not found";
    assert_eq!(
        parsed(&format!("Internal error occurred: failed calling webhook \"w\": {call}")),
        json!([{"code": "WebhookFailed", "webhook": "w", "detail": call, "failure": "NoService",
            "service": {"namespace": "system", "name": "hook"}}])
    );
    let elsewhere =
        "failed to call webhook: Post \"https://127.0.0.1:9/\": dial tcp 127.0.0.1:9: connect: connection refused";
    assert_eq!(
        parsed(&format!("Internal error occurred: failed calling webhook \"w\": {elsewhere}")),
        json!([{"code": "WebhookFailed", "webhook": "w", "failure": "NoEndpoints", "detail": elsewhere}])
    );
}

#[test]
fn failed_call_of_a_webhook_has_its_kind() {
    let post = "failed to call webhook: Post \"https://hook.system.svc:443/x?timeout=10s\": ";
    let failed =
        |detail: &str| parsed(&format!("Internal error occurred: failed calling webhook \"w\": {detail}"))[0].clone();
    for (detail, failure) in [
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "Certificate"),
        ("x509: certificate has expired or is not yet valid: current time 2026 is after 2025", "Certificate"),
        ("No agent available", "Tunnel"),
        ("no endpoints available for service \"hook\"", "NoEndpoints"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "NoEndpoints"),
        ("service \"hook\" not found", "NoService"),
        ("context deadline exceeded", "Timeout"),
        ("net/http: request canceled (Client.Timeout exceeded while awaiting headers)", "Timeout"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "Timeout"),
        ("EOF", "Other"),
        ("remote error: tls: internal error", "Other"),
        ("tls: first record does not look like a TLS handshake", "Other"),
    ] {
        assert_eq!(failed(&format!("{post}{detail}"))["failure"], failure, "{detail}");
    }
    let missing_path = failed("failed to call webhook: the server could not find the requested resource");
    assert_eq!(missing_path["failure"], "NotServed");
    // Servers before 1.20 do not quote the address.
    let unquoted = "Post https://hook.system.svc:443/x?timeout=30s: no endpoints available for service \"hook\"";
    assert_eq!(failed(unquoted)["service"], json!({"namespace": "system", "name": "hook"}));
}

#[test]
fn control_plane_problems_are_no_rejections() {
    for (text, problem) in [
        ("etcdserver: mvcc: database space exceeded", "EtcdSpace"),
        ("etcdserver: request timed out", "Etcd"),
        ("etcdserver: leader changed", "Etcd"),
        ("Timeout: request did not complete within requested timeout - context deadline exceeded", "Timeout"),
        (
            "the server was unable to return a response in the time allotted, but may still be processing the request \
             (post pods)",
            "Timeout",
        ),
        ("the server has received too many requests and has asked us to try again later (post pods)", "Overload"),
        (
            "Post \"https://10.0.0.1:6443/api/v1/namespaces/foo/pods\": dial tcp 10.0.0.1:6443: connect: connection \
             refused",
            "Unreachable",
        ),
        ("Unauthorized", "Unauthorized"),
    ] {
        assert_eq!(
            parsed(&format!("Error creating: {text}")),
            json!([{"code": "ControlPlane", "problem": problem, "detail": text}])
        );
    }
    let code = |text: &str| parsed(&format!("Error creating: {text}"))[0]["code"].clone();
    let user = "User \"system:serviceaccount:kube-system:daemon-set-controller\" cannot create resource \"pods\"";
    assert_eq!(
        code(&format!("pods is forbidden: {user} in API group \"\" in the namespace \"foo\"")),
        "ControllerForbidden"
    );
    let owner =
        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>";
    assert_eq!(forbidden(owner)[0]["code"], "OwnerReferenceForbidden");
}

#[test]
fn rejections_without_a_name_of_a_plugin_are_recognized() {
    let code = |text: &str| parsed(&format!("Error creating: {text}"))[0]["code"].clone();
    for (core, expected) in [
        (
            "PodSecurityPolicy: unable to admit pod: [spec.securityContext.hostNetwork: Invalid value: true]",
            "PodSecurityPolicy",
        ),
        ("PodSecurityPolicy: no providers available to validate pod request", "PodSecurityPolicy"),
        ("unable to validate against any pod security policy: []", "PodSecurityPolicy"),
        ("image policy webhook backend denied one or more images: not signed", "ImagePolicy"),
        ("pods with system-node-critical priorityClass is not permitted in my-ns namespace", "PriorityNotPermitted"),
    ] {
        assert_eq!(code(&format!("pods \"x-\" is forbidden: {core}")), expected, "{core}");
    }
    assert_eq!(code("namespaces \"foo\" not found"), "NamespaceMissing");
    assert_eq!(code("pods \"x-abcde\" already exists"), "NameTaken");
    let slow =
        "Internal error occurred: admission plugin \"MutatingAdmissionWebhook\" failed to complete mutation in 13s";
    assert_eq!(parsed(slow)[0]["plugin"], "MutatingAdmissionWebhook");
    let patch = "Internal error occurred: Internal error occurred: jsonpatch add operation does not apply: doc is missing \
                 path: \"/spec/tolerations/-\": missing value";
    assert_eq!(code(patch), "PatchNotApplicable");
    // An empty name is no missing ServiceAccount.
    let account = "error looking up service account ns/: serviceaccount \"\" not found";
    assert_eq!(forbidden(account)[0]["code"], "Rejected");
}

#[test]
fn policy_message_has_name_and_binding() {
    let policy = |kind: &str, binding: Value| {
        let mut policy = json!({"code": "PolicyDenied", "kind": kind, "policy": "p", "detail": "no: never"});
        if !binding.is_null() {
            policy["binding"] = binding;
        }
        json!([policy])
    };
    let validating = "ValidatingAdmissionPolicy";
    assert_eq!(
        forbidden(&format!("{validating} 'p' with binding 'b' denied request: no: never")),
        policy(validating, json!("b"))
    );
    assert_eq!(forbidden(&format!("{validating} 'p' denied request: no: never")), policy(validating, Value::Null));
    assert_eq!(
        forbidden("policy 'p' with binding 'b' denied request: no: never"),
        policy("MutatingAdmissionPolicy", json!("b"))
    );
}

#[test]
fn opt_in_plugin_message_keeps_detail() {
    for (core, code) in [
        ("pod node label selector conflicts with its namespace node label selector", "NamespaceSelectorConflict"),
        ("pod node label selector conflicts with its project node label selector", "NamespaceSelectorConflict"),
        (
            "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist",
            "NamespaceTolerations",
        ),
        (
            "unable to validate against any security context constraint: [provider \"anyuid\": Forbidden]",
            "SecurityContextConstraints",
        ),
    ] {
        assert_eq!(forbidden(core), json!([{"code": code, "detail": core}]));
    }
    assert_eq!(
        forbidden("unable to create new content in namespace ns because it is being terminated"),
        json!([{"code": "NamespaceTerminating"}])
    );
}

#[test]
fn unrecognized_message_is_kept_whole() {
    for text in [
        "pods \"x\" is forbidden: something else",
        "Time is out",
        "pods \"x\" is forbidden: exceeded quota: broken",
        "pods \"x\" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, something else]",
        "",
    ] {
        assert_eq!(parsed(text), json!([{"code": "Rejected", "rejection": text}]), "{text}");
    }
}
