//! Why the API server rejects a pod: one variant for each cause, with the evidence from the message or from objects.
//! The renderer writes the sentences.

use serde::Serialize;

use super::plugin::AdmissionPlugin;

/// One cause and its evidence. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum AdmissionRejection {
    /// One more pod needs more than the quota leaves.
    QuotaExceeded { quota: String, resources: Vec<QuotaUsage> },
    /// The quota counts a resource that containers do not specify.
    QuotaRequestMissing { quota: String, missing: Vec<MissingQuotaRequest> },
    /// Pods of this kind require a quota that covers them, and no quota does.
    QuotaUncovered {
        /// The scopes or resources, as the server lists them.
        uncovered: String,
    },
    /// The quota controller has not yet counted the usage of the namespace.
    QuotaStatusMissing { quota: String },
    /// An amount violates a bound of a LimitRange.
    LimitRange {
        /// An event does not name the LimitRange.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit_range: Option<String>,
        /// `Container` or `Pod`.
        per: String,
        /// An event does not name the container.
        #[serde(skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        resource: String,
        bound: Bound,
        /// The value of the bound.
        allowed: String,
        /// What violates the bound: `request`, `limit` or `ratio`.
        measure: Measure,
        /// The value of the request, limit or ratio; none where it is not specified.
        found: Option<String>,
    },
    /// A container requests more than its limit.
    LimitBelowRequest {
        /// The name of the container, or its field path if only that is known.
        container: String,
        resource: String,
        request: String,
        limit: String,
        /// The LimitRange that set the limit, if the template does not specify one.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit_range: Option<String>,
    },
    /// The pod violates the Pod Security Standard that its namespace enforces.
    PodSecurity {
        /// `baseline` or `restricted`.
        level: String,
        /// `latest`, or the version of the standard.
        version: String,
        /// Every violation, as the server words it.
        violations: Vec<String>,
    },
    /// The PriorityClass does not exist.
    PriorityClassMissing { priority_class: String },
    /// The template specifies a priority that differs from its class.
    PriorityMismatch {
        /// The priority in the template.
        stated: String,
        /// The value of the class.
        computed: String,
    },
    /// The ServiceAccount does not exist.
    ServiceAccountMissing { service_account: String },
    /// The RuntimeClass does not exist.
    RuntimeClassMissing { runtime_class: String },
    /// The RuntimeClass and the template require different values of one node label.
    RuntimeClassConflict {
        /// The key of the label.
        key: String,
        /// The value that the class requires.
        class_value: String,
        /// The value that the template requires.
        pod_value: String,
    },
    /// The template specifies an overhead that differs from its RuntimeClass.
    OverheadMismatch,
    /// A webhook denied the request.
    WebhookDenied {
        webhook: String,
        /// The message of the webhook.
        detail: String,
    },
    /// The call of a webhook with `failurePolicy: Fail` failed.
    WebhookFailed {
        webhook: String,
        /// The server's message about the call.
        detail: String,
        /// The service that was called, if it is in the cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
        failure: WebhookFailure,
    },
    /// All mutating or all validating webhooks together took too long.
    WebhooksTooSlow {
        /// `MutatingAdmissionWebhook` or `ValidatingAdmissionWebhook`.
        plugin: String,
        /// The server's message.
        detail: String,
    },
    /// The patch of a mutating webhook does not fit the pod. The message does not name the webhook.
    PatchNotApplicable {
        /// The server's message.
        detail: String,
    },
    /// An image policy denied an image of the pod.
    ImagePolicy {
        /// The message of the policy's webhook.
        detail: String,
    },
    /// No PodSecurityPolicy allows the pod (Kubernetes until 1.24).
    PodSecurityPolicy {
        /// The server's message.
        detail: String,
    },
    /// The priority class is reserved for another namespace.
    PriorityNotPermitted { priority_class: String, namespace: String },
    /// The namespace does not exist for the API server.
    NamespaceMissing { namespace: String },
    /// A pod of the generated name exists already.
    NameTaken {
        /// The server's message.
        detail: String,
    },
    /// The control plane cannot process the request. The cause is not the pod.
    ControlPlane {
        problem: ControlPlaneProblem,
        /// The message of the server or the client.
        detail: String,
    },
    /// The DaemonSet controller has no permission to create pods.
    ControllerForbidden {
        /// The server's message.
        detail: String,
    },
    /// The controller has no permission to set an owner reference that blocks the deletion of its owner.
    OwnerReferenceForbidden {
        /// The server's message.
        detail: String,
    },
    /// An admission policy denied the request.
    PolicyDenied {
        /// `ValidatingAdmissionPolicy` or `MutatingAdmissionPolicy`.
        kind: PolicyKind,
        policy: String,
        /// The policy binding.
        #[serde(skip_serializing_if = "Option::is_none")]
        binding: Option<String>,
        /// The message of the policy.
        detail: String,
    },
    /// The node selector of the template contradicts the one of its namespace.
    NamespaceSelectorConflict {
        /// The server's message.
        detail: String,
    },
    /// A toleration of the pod is not allowed in its namespace.
    NamespaceTolerations {
        /// The server's message.
        detail: String,
    },
    /// No SecurityContextConstraints of OpenShift allow the pod.
    SecurityContextConstraints {
        /// The server's message.
        detail: String,
    },
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The pod is invalid.
    PodInvalid {
        /// The server's message.
        detail: String,
    },
    /// The newest rejection on record has lost its cause, and the controller has not retried yet.
    NoLongerRejected {
        /// The message of the rejection.
        rejection: String,
    },
    /// Any other rejection.
    Rejected {
        /// The server's message.
        rejection: String,
    },
}

/// One resource of a quota, with amounts as the quota writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct QuotaUsage {
    /// The name as the quota writes it, such as `requests.cpu`.
    pub(crate) resource: String,
    /// What one more pod needs.
    pub(crate) requested: String,
    pub(crate) used: String,
    pub(crate) limited: String,
}

/// A resource that a quota requires containers to specify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MissingQuotaRequest {
    /// The resource as the quota writes it, such as `requests.cpu`.
    pub(crate) resource: String,
    /// The containers that do not specify it. Empty for a message of a server before 1.24.
    pub(crate) containers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Bound {
    /// `min` of the LimitRange.
    Minimum,
    /// `max`.
    Maximum,
    /// `maxLimitRequestRatio`.
    Ratio,
}

/// What a LimitRange compares with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum Measure {
    Request,
    Limit,
    /// The limit divided by the request.
    Ratio,
}

impl Measure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Limit => "limit",
            Self::Ratio => "ratio",
        }
    }
}

/// The kind of a policy that denied a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum PolicyKind {
    ValidatingAdmissionPolicy,
    MutatingAdmissionPolicy,
}

impl PolicyKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
        }
    }
}

/// Why a webhook could not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum WebhookFailure {
    /// It answers, and its certificate is not accepted.
    Certificate,
    /// The API server's tunnel to the nodes has no agent.
    Tunnel,
    /// No pod answers: the service has no ready endpoint, or nothing listens.
    NoEndpoints,
    /// The service, or its port or host name, does not exist.
    NoService,
    /// It did not answer in time.
    Timeout,
    /// It answers, and does not know the path.
    NotServed,
    Other,
}

/// What is wrong with the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum ControlPlaneProblem {
    /// etcd has no space left and accepts no writes.
    EtcdSpace,
    /// etcd does not answer.
    Etcd,
    /// The API server did not answer in time.
    Timeout,
    /// The API server has too many requests.
    Overload,
    /// kube-controller-manager does not reach the API server.
    Unreachable,
    /// The API server does not accept the credentials of kube-controller-manager.
    Unauthorized,
}

/// A service of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl AdmissionRejection {
    /// The plugin or the part of the API server that rejects the pod, by its name in Kubernetes.
    pub(crate) fn plugin(&self) -> AdmissionPlugin {
        match self {
            Self::QuotaExceeded { .. }
            | Self::QuotaRequestMissing { .. }
            | Self::QuotaUncovered { .. }
            | Self::QuotaStatusMissing { .. } => AdmissionPlugin::ResourceQuota,
            Self::LimitRange { .. } => AdmissionPlugin::LimitRanger,
            Self::LimitBelowRequest { .. } | Self::PodInvalid { .. } => AdmissionPlugin::Validation,
            Self::PodSecurity { .. } => AdmissionPlugin::PodSecurity,
            Self::PriorityClassMissing { .. } | Self::PriorityMismatch { .. } | Self::PriorityNotPermitted { .. } => {
                AdmissionPlugin::Priority
            }
            Self::ServiceAccountMissing { .. } => AdmissionPlugin::ServiceAccount,
            Self::RuntimeClassMissing { .. } | Self::RuntimeClassConflict { .. } | Self::OverheadMismatch => {
                AdmissionPlugin::RuntimeClass
            }
            Self::WebhookDenied { .. }
            | Self::WebhookFailed { .. }
            | Self::WebhooksTooSlow { .. }
            | Self::PatchNotApplicable { .. } => AdmissionPlugin::Webhook,
            Self::PolicyDenied { kind: PolicyKind::ValidatingAdmissionPolicy, .. } => {
                AdmissionPlugin::ValidatingAdmissionPolicy
            }
            Self::PolicyDenied { kind: PolicyKind::MutatingAdmissionPolicy, .. } => {
                AdmissionPlugin::MutatingAdmissionPolicy
            }
            Self::NamespaceSelectorConflict { .. } => AdmissionPlugin::PodNodeSelector,
            Self::NamespaceTolerations { .. } => AdmissionPlugin::PodTolerationRestriction,
            Self::SecurityContextConstraints { .. } => AdmissionPlugin::SecurityContextConstraint,
            Self::NamespaceTerminating | Self::NamespaceMissing { .. } => AdmissionPlugin::NamespaceLifecycle,
            Self::ImagePolicy { .. } => AdmissionPlugin::ImagePolicyWebhook,
            Self::PodSecurityPolicy { .. } => AdmissionPlugin::PodSecurityPolicy,
            Self::OwnerReferenceForbidden { .. } => AdmissionPlugin::OwnerReferencesPermissionEnforcement,
            Self::NameTaken { .. }
            | Self::ControlPlane { .. }
            | Self::ControllerForbidden { .. }
            | Self::NoLongerRejected { .. }
            | Self::Rejected { .. } => AdmissionPlugin::Admission,
        }
    }
}
