//! The causes, each in a namespace of its own name.

use serde_json::{Value, json};

/// A cause for which the API server refuses a DaemonSet's pods.
pub(super) struct Case {
    /// Also the namespace's name.
    pub(super) name: &'static str,
    /// The namespace's labels.
    pub(super) labels: Value,
    /// What has to be there.
    pub(super) objects: Vec<Value>,
    /// The template's spec.
    pub(super) spec: Value,
    /// What the event assert_contains, in parts.
    pub(super) words: Vec<&'static str>,
    /// The check, the code and the evidence that the command is to tell.
    pub(super) check: &'static str,
    pub(super) code: &'static str,
    pub(super) evidence: Value,
}

impl Case {
    pub(super) fn namespace(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": self.labels}})
    }

    fn new(name: &'static str, check: &'static str, code: &'static str) -> Self {
        let nothing = || json!({});
        Self {
            name,
            labels: nothing(),
            objects: Vec::new(),
            spec: nothing(),
            words: Vec::new(),
            check,
            code,
            evidence: nothing(),
        }
    }
}

/// Every cause that can be made on a plane. The address is that of a webhook which denies.
pub(super) fn refused(address: &(String, String)) -> Vec<Case> {
    [of_amounts(), of_names(), of_rules(address)].into_iter().flatten().collect()
}

fn of_amounts() -> Vec<Case> {
    let quota = |namespace: &str, hard: Value| json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": namespace}, "spec": {"hard": hard}});
    let range = |namespace: &str, item: Value| {
        let metadata = json!({"name": "range", "namespace": namespace});
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [item]}})
    };
    let resources =
        |resources: Value| json!({"containers": [{"name": "main", "image": "agent", "resources": resources}]});
    let share = |resource: &str, requested: &str, limited: &str| json!({"resource": resource, "requested": requested, "used": "0", "limited": limited});
    vec![
        Case {
            objects: vec![quota("quota", json!({"pods": "0", "limits.memory": "512Mi"}))],
            spec: resources(json!({"limits": {"memory": "1Gi"}})),
            words: vec![
                "is forbidden: exceeded quota: q, requested: limits.memory=1Gi,pods=1, used: limits.memory=0,pods=0, limited: \
                 limits.memory=512Mi,pods=0",
            ],
            evidence: json!({
                "quota": "q",
                "resources": [share("limits.memory", "1Gi", "512Mi"), share("pods", "1", "0")],
            }),
            ..Case::new("quota", "ResourceQuota", "QuotaExceeded")
        },
        Case {
            objects: vec![quota("quota-asks", json!({"limits.cpu": "10", "requests.memory": "1Gi"}))],
            words: vec!["is forbidden: failed quota: q: must specify limits.cpu for: main; requests.memory for: main"],
            evidence: json!({"quota": "q", "missing": [
                {"resource": "limits.cpu", "containers": ["main"]}, {"resource": "requests.memory", "containers": ["main"]},
            ]}),
            ..Case::new("quota-asks", "ResourceQuota", "QuotaUnspecified")
        },
        Case {
            objects: vec![range("range-max", json!({"type": "Container", "max": {"cpu": "1"}}))],
            spec: resources(json!({"requests": {"cpu": "1500m"}, "limits": {"cpu": "2"}})),
            words: vec!["is forbidden: maximum cpu usage per Container is 1, but limit is 2"],
            evidence: json!({
                "limitRange": "range", "container": "main", "resource": "cpu", "bound": "Maximum", "allowed": "1", "found": "2",
            }),
            ..Case::new("range-max", "LimitRanger", "LimitRange")
        },
        Case {
            objects: vec![range(
                "range-many",
                json!({"type": "Pod", "min": {"cpu": "3"}, "max": {"memory": "1Gi"}, "maxLimitRequestRatio": {"cpu": "2"}}),
            )],
            spec: resources(json!({"requests": {"cpu": "500m"}, "limits": {"cpu": "2"}})),
            words: vec![
                "minimum cpu usage per Pod is 3, but request is 500m",
                "maximum memory usage per Pod is 1Gi.  No limit is specified",
                "cpu max limit to request ratio per Pod is 2, but provided ratio is 4.000000",
            ],
            evidence: json!({"per": "Pod", "bound": "Minimum", "found": "500m"}),
            ..Case::new("range-many", "LimitRanger", "LimitRange")
        },
        Case {
            objects: vec![range("range-default", json!({"type": "Container", "default": {"cpu": "100m"}}))],
            spec: resources(json!({"requests": {"cpu": "500m"}})),
            words: vec![
                "is invalid: spec.containers[0].resources.requests: Invalid value: \"500m\": must be less than or equal to cpu \
                 limit of 100m",
            ],
            evidence: json!({"container": "main", "resource": "cpu", "request": "500m", "limit": "100m", "limitRange": "range"}),
            ..Case::new("range-default", "Validation", "LimitBelowRequest")
        },
    ]
}

fn of_names() -> Vec<Case> {
    let kata = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "picky"}, "handler": "picky",
        "scheduling": {"nodeSelector": {"disk": "hdd"}},
    });
    vec![
        Case {
            spec: json!({"priorityClassName": "high"}),
            words: vec!["is forbidden: no PriorityClass with name high was found"],
            evidence: json!({"priorityClass": "high"}),
            ..Case::new("no-priority", "Priority", "PriorityClassMissing")
        },
        Case {
            spec: json!({"priority": 5}),
            words: vec![
                "the integer value of priority (5) must not be provided in pod spec",
                "admission controller computed 0 ",
            ],
            evidence: json!({"stated": "5", "computed": "0"}),
            ..Case::new("own-priority", "Priority", "PriorityMismatch")
        },
        Case {
            spec: json!({"serviceAccountName": "robot"}),
            words: vec![
                "is forbidden: error looking up service account no-account/robot: serviceaccount \"robot\" not found",
            ],
            evidence: json!({"serviceAccount": "robot"}),
            ..Case::new("no-account", "ServiceAccount", "ServiceAccountMissing")
        },
        Case {
            spec: json!({"runtimeClassName": "kata"}),
            words: vec!["is forbidden: pod rejected: RuntimeClass \"kata\" not found"],
            evidence: json!({"runtimeClass": "kata"}),
            ..Case::new("no-runtime", "RuntimeClass", "RuntimeClassMissing")
        },
        Case {
            objects: vec![kata],
            spec: json!({"runtimeClassName": "picky", "nodeSelector": {"disk": "ssd"}}),
            words: vec![
                "conflict: runtimeClass.scheduling.nodeSelector[disk] = hdd; pod.spec.nodeSelector[disk] = ssd",
            ],
            evidence: json!({"key": "disk", "classValue": "hdd", "podValue": "ssd"}),
            ..Case::new("runtime-conflict", "RuntimeClass", "RuntimeClassConflict")
        },
    ]
}

fn of_rules((url, ca): &(String, String)) -> Vec<Case> {
    let selector = |namespace: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let pods = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let webhook = |namespace: &str, client: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": namespace},
            "webhooks": [{
                "name": format!("{namespace}.ds.test"), "clientConfig": client, "failurePolicy": "Fail", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "namespaceSelector": selector(namespace), "rules": [pods], "timeoutSeconds": 5,
            }],
        })
    };
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-agents"},
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
        Case {
            labels: json!({"pod-security.kubernetes.io/enforce": "restricted"}),
            spec: json!({"hostNetwork": true}),
            words: vec![
                "is forbidden: violates PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true), ",
                "allowPrivilegeEscalation != false (container \"main\" must set securityContext.allowPrivilegeEscalation=false), ",
            ],
            evidence: json!({"level": "restricted", "version": "latest", "violations": [
                "host namespaces (hostNetwork=true)",
                "allowPrivilegeEscalation != false (container \"main\" must set securityContext.allowPrivilegeEscalation=false)",
                "unrestricted capabilities (container \"main\" must set securityContext.capabilities.drop=[\"ALL\"])",
                "runAsNonRoot != true (pod or container \"main\" must set securityContext.runAsNonRoot=true)",
                "seccompProfile (pod or container \"main\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            ]}),
            ..Case::new("security", "PodSecurity", "PodSecurity")
        },
        Case {
            objects: vec![policy, binding],
            words: vec![
                "is forbidden: ValidatingAdmissionPolicy 'no-agents' with binding 'no-agents-here' denied request: agents: not \
                 today",
            ],
            evidence: json!({"policy": "no-agents", "binding": "no-agents-here", "detail": "agents: not today"}),
            ..Case::new("policy", "ValidatingAdmissionPolicy", "PolicyDenied")
        },
        Case {
            objects: vec![webhook("webhook-gone", json!({"service": {"namespace": "hooks", "name": "nowhere"}}))],
            words: vec![
                "Internal error occurred: failed calling webhook \"webhook-gone.ds.test\": failed to call webhook: Post \
                 \"https://nowhere.hooks.svc:443/?timeout=5s\"",
            ],
            evidence: json!({"webhook": "webhook-gone.ds.test", "service": {"namespace": "hooks", "name": "nowhere"}}),
            ..Case::new("webhook-gone", "Webhook", "WebhookFailed")
        },
        Case {
            objects: vec![webhook("webhook-denies", json!({"url": url, "caBundle": ca}))],
            words: vec!["admission webhook \"webhook-denies.ds.test\" denied the request: no agents: never"],
            evidence: json!({"webhook": "webhook-denies.ds.test", "detail": "no agents: never"}),
            ..Case::new("webhook-denies", "Webhook", "WebhookDenied")
        },
    ]
}

/// A pod that is made and that no scheduler takes up.
pub(super) struct Held {
    pub(super) name: &'static str,
    /// The reason of its condition `PodScheduled`, if it has one.
    pub(super) condition: Option<&'static str>,
    /// What the command is to tell.
    pub(super) stage: &'static str,
    pub(super) check: &'static str,
    pub(super) code: &'static str,
}

impl Held {
    pub(super) fn spec(&self) -> Value {
        match self.condition {
            Some(_) => json!({"schedulingGates": [{"name": "ds.test/gate"}]}),
            None => json!({"schedulerName": "nobody"}),
        }
    }
}

pub(super) const HELD: [Held; 2] = [
    Held {
        name: "gated",
        condition: Some("SchedulingGated"),
        stage: "Scheduler",
        check: "SchedulingGates",
        code: "SchedulingGates",
    },
    Held { name: "foreign", condition: None, stage: "Scheduler", check: "PodScheduled", code: "NotScheduled" },
];
