//! The causes of rejections, each in a namespace of the same name, and of pods that stay without a node.

use serde_json::{Value, json};

use crate::harness::manifests::{container, namespace, reference, resource_quota};

/// A reason for which the API server rejects a DaemonSet's pods.
pub(super) struct RejectedPod {
    /// Also the name of the namespace.
    pub(super) name: &'static str,
    /// The namespace's labels.
    pub(super) labels: Value,
    /// The objects that cause the rejection.
    pub(super) objects: Vec<Value>,
    /// The template's spec.
    pub(super) spec: Value,
    /// Parts of the API server's message.
    pub(super) message: Vec<&'static str>,
    /// The check, the code and the evidence that `why-not` must report.
    pub(super) check: &'static str,
    pub(super) code: &'static str,
    pub(super) evidence: Value,
}

impl RejectedPod {
    pub(super) fn namespace(&self) -> Value {
        let mut namespace = namespace(self.name);
        namespace["metadata"]["labels"] = self.labels.clone();
        namespace
    }

    fn new(name: &'static str, check: &'static str, code: &'static str) -> Self {
        Self {
            name,
            labels: json!({}),
            objects: Vec::new(),
            spec: json!({}),
            message: Vec::new(),
            check,
            code,
            evidence: json!({}),
        }
    }
}

/// Every cause that a control plane can produce. `webhook` is the URL and the CA bundle of one that denies.
pub(super) fn rejected_pods(webhook: &(String, String)) -> Vec<RejectedPod> {
    [by_resources(), by_references(), by_policies(webhook)].into_iter().flatten().collect()
}

fn by_resources() -> Vec<RejectedPod> {
    let quota = |namespace: &str, hard: Value| resource_quota(namespace, "q", &hard);
    let range = |namespace: &str, item: Value| {
        let mut range = reference("v1", "LimitRange", Some(namespace), "range");
        range["spec"] = json!({"limits": [item]});
        range
    };
    let resources = |resources: Value| {
        let mut container = container("agent");
        container["resources"] = resources;
        json!({"containers": [container]})
    };
    let exceeded = |resource: &str, requested: &str, limited: &str| {
        json!({
            "resource": resource, "requested": requested, "used": "0", "limited": limited,
        })
    };
    vec![
        RejectedPod {
            objects: vec![quota("quota", json!({"pods": "0", "limits.memory": "512Mi"}))],
            spec: resources(json!({"limits": {"memory": "1Gi"}})),
            message: vec![
                "is forbidden: exceeded quota: q, requested: limits.memory=1Gi,pods=1, used: limits.memory=0,pods=0, \
                 limited: limits.memory=512Mi,pods=0",
            ],
            evidence: json!({
                "quota": "q",
                "resources": [exceeded("limits.memory", "1Gi", "512Mi"), exceeded("pods", "1", "0")],
            }),
            ..RejectedPod::new("quota", "ResourceQuota", "QuotaExceeded")
        },
        RejectedPod {
            objects: vec![quota("quota-requires", json!({"limits.cpu": "10", "requests.memory": "1Gi"}))],
            message: vec![
                "is forbidden: failed quota: q: must specify limits.cpu for: main; requests.memory for: main",
            ],
            evidence: json!({"quota": "q", "missing": [
                {"resource": "limits.cpu", "containers": ["main"]},
                {"resource": "requests.memory", "containers": ["main"]},
            ]}),
            ..RejectedPod::new("quota-requires", "ResourceQuota", "QuotaRequestMissing")
        },
        RejectedPod {
            objects: vec![range("range-max", json!({"type": "Container", "max": {"cpu": "1"}}))],
            spec: resources(json!({"requests": {"cpu": "1500m"}, "limits": {"cpu": "2"}})),
            message: vec!["is forbidden: maximum cpu usage per Container is 1, but limit is 2"],
            evidence: json!({
                "limitRange": "range", "container": "main", "resource": "cpu",
                "bound": "Maximum", "allowed": "1", "found": "2",
            }),
            ..RejectedPod::new("range-max", "LimitRanger", "LimitRange")
        },
        RejectedPod {
            objects: vec![range(
                "range-many",
                json!({
                    "type": "Pod", "min": {"cpu": "3"}, "max": {"memory": "1Gi"}, "maxLimitRequestRatio": {"cpu": "2"},
                }),
            )],
            spec: resources(json!({"requests": {"cpu": "500m"}, "limits": {"cpu": "2"}})),
            message: vec![
                "minimum cpu usage per Pod is 3, but request is 500m",
                "maximum memory usage per Pod is 1Gi.  No limit is specified",
                "cpu max limit to request ratio per Pod is 2, but provided ratio is 4.000000",
            ],
            evidence: json!({"per": "Pod", "bound": "Minimum", "found": "500m"}),
            ..RejectedPod::new("range-many", "LimitRanger", "LimitRange")
        },
        RejectedPod {
            objects: vec![range("range-default", json!({"type": "Container", "default": {"cpu": "100m"}}))],
            spec: resources(json!({"requests": {"cpu": "500m"}})),
            message: vec![
                "is invalid: spec.containers[0].resources.requests: Invalid value: \"500m\": must be less than or \
                 equal to cpu limit of 100m",
            ],
            evidence: json!({
                "container": "main", "resource": "cpu", "request": "500m", "limit": "100m", "limitRange": "range",
            }),
            ..RejectedPod::new("range-default", "Validation", "LimitBelowRequest")
        },
    ]
}

fn by_references() -> Vec<RejectedPod> {
    let picky = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "picky"}, "handler": "picky",
        "scheduling": {"nodeSelector": {"disk": "hdd"}},
    });
    vec![
        RejectedPod {
            spec: json!({"priorityClassName": "high"}),
            message: vec!["is forbidden: no PriorityClass with name high was found"],
            evidence: json!({"priorityClass": "high"}),
            ..RejectedPod::new("no-priority", "Priority", "PriorityClassMissing")
        },
        RejectedPod {
            spec: json!({"priority": 5}),
            message: vec![
                "the integer value of priority (5) must not be provided in pod spec",
                "admission controller computed 0 ",
            ],
            evidence: json!({"stated": "5", "computed": "0"}),
            ..RejectedPod::new("own-priority", "Priority", "PriorityMismatch")
        },
        RejectedPod {
            spec: json!({"serviceAccountName": "robot"}),
            message: vec![
                "is forbidden: error looking up service account no-account/robot: serviceaccount \"robot\" not found",
            ],
            evidence: json!({"serviceAccount": "robot"}),
            ..RejectedPod::new("no-account", "ServiceAccount", "ServiceAccountMissing")
        },
        RejectedPod {
            spec: json!({"runtimeClassName": "kata"}),
            message: vec!["is forbidden: pod rejected: RuntimeClass \"kata\" not found"],
            evidence: json!({"runtimeClass": "kata"}),
            ..RejectedPod::new("no-runtime", "RuntimeClass", "RuntimeClassMissing")
        },
        RejectedPod {
            objects: vec![picky],
            spec: json!({"runtimeClassName": "picky", "nodeSelector": {"disk": "ssd"}}),
            message: vec![
                "conflict: runtimeClass.scheduling.nodeSelector[disk] = hdd; pod.spec.nodeSelector[disk] = ssd",
            ],
            evidence: json!({"key": "disk", "classValue": "hdd", "podValue": "ssd"}),
            ..RejectedPod::new("runtime-conflict", "RuntimeClass", "RuntimeClassConflict")
        },
    ]
}

fn by_policies((url, ca): &(String, String)) -> Vec<RejectedPod> {
    let selector = |namespace: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let pods = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let webhook = |namespace: &str, client: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [{
                "name": format!("{namespace}.ds.test"), "clientConfig": client, "rules": [pods],
                "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"], "namespaceSelector": selector(namespace),
            }],
        })
    };
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-agents"},
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [pods]},
            "validations": [{"expression": "false", "message": "agents: not today"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-agents-here"},
        "spec": {
            "policyName": "no-agents", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": selector("policy")},
        },
    });
    vec![
        RejectedPod {
            labels: json!({"pod-security.kubernetes.io/enforce": "restricted"}),
            spec: json!({"hostNetwork": true}),
            message: vec![
                "is forbidden: violates PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true), ",
                "allowPrivilegeEscalation != false \
                 (container \"main\" must set securityContext.allowPrivilegeEscalation=false), ",
            ],
            evidence: json!({"level": "restricted", "version": "latest", "violations": [
                "host namespaces (hostNetwork=true)",
                "allowPrivilegeEscalation != false \
                 (container \"main\" must set securityContext.allowPrivilegeEscalation=false)",
                "unrestricted capabilities (container \"main\" must set securityContext.capabilities.drop=[\"ALL\"])",
                "runAsNonRoot != true (pod or container \"main\" must set securityContext.runAsNonRoot=true)",
                "seccompProfile (pod or container \"main\" must set securityContext.seccompProfile.type to \
                 \"RuntimeDefault\" or \"Localhost\")",
            ]}),
            ..RejectedPod::new("security", "PodSecurity", "PodSecurity")
        },
        RejectedPod {
            objects: vec![policy, binding],
            message: vec![
                "is forbidden: ValidatingAdmissionPolicy 'no-agents' with binding 'no-agents-here' denied request: \
                 agents: not today",
            ],
            evidence: json!({"policy": "no-agents", "binding": "no-agents-here", "detail": "agents: not today"}),
            ..RejectedPod::new("policy", "ValidatingAdmissionPolicy", "PolicyDenied")
        },
        RejectedPod {
            objects: vec![webhook("webhook-missing", json!({"service": {"namespace": "hooks", "name": "nowhere"}}))],
            message: vec![
                "Internal error occurred: failed calling webhook \"webhook-missing.ds.test\": failed to call webhook: \
                 Post \"https://nowhere.hooks.svc:443/?timeout=5s\"",
            ],
            evidence: json!({
                "webhook": "webhook-missing.ds.test", "service": {"namespace": "hooks", "name": "nowhere"},
            }),
            ..RejectedPod::new("webhook-missing", "Webhook", "WebhookFailed")
        },
        RejectedPod {
            objects: vec![webhook("webhook-denies", json!({"url": url, "caBundle": ca}))],
            message: vec!["admission webhook \"webhook-denies.ds.test\" denied the request: no agents: never"],
            evidence: json!({"webhook": "webhook-denies.ds.test", "detail": "no agents: never"}),
            ..RejectedPod::new("webhook-denies", "Webhook", "WebhookDenied")
        },
    ]
}

/// A pod that is created and that no scheduler binds.
pub(super) struct UnscheduledPod {
    pub(super) name: &'static str,
    /// The reason of its condition `PodScheduled`, if it has this condition.
    pub(super) condition: Option<&'static str>,
    /// What `why-not` must report.
    pub(super) stage: &'static str,
    pub(super) check: &'static str,
    pub(super) code: &'static str,
}

impl UnscheduledPod {
    pub(super) fn spec(&self) -> Value {
        match self.condition {
            Some(_) => json!({"schedulingGates": [{"name": "ds.test/gate"}]}),
            None => json!({"schedulerName": "unknown"}),
        }
    }
}

pub(super) const UNSCHEDULED_PODS: [UnscheduledPod; 2] = [
    UnscheduledPod {
        name: "gated",
        condition: Some("SchedulingGated"),
        stage: "Scheduler",
        check: "SchedulingGates",
        code: "SchedulingGates",
    },
    UnscheduledPod {
        name: "foreign",
        condition: None,
        stage: "Scheduler",
        check: "PodScheduled",
        code: "NotScheduled",
    },
];
