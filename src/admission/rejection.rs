//! Why the API server refuses a pod: one variant for each cause, with what its words or the objects tell. The
//! sentences are the renderer's.

use serde::Serialize;

use super::plugin::AdmissionPlugin;

/// One cause and its evidence. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum AdmissionRejection {
    /// One more pod would need more than the quota leaves.
    QuotaExceeded {
        /// The ResourceQuota.
        quota: String,
        /// What is short.
        resources: Vec<QuotaUsage>,
    },
    /// The quota counts a resource, and containers do not say how much of it they want.
    QuotaRequestMissing {
        /// The ResourceQuota.
        quota: String,
        /// What is to be said, and by which containers.
        missing: Vec<MissingQuotaRequest>,
    },
    /// Pods of this kind may only be made where a quota covers them, and none does.
    QuotaUncovered {
        /// The scopes or resources, in the server's words.
        uncovered: String,
    },
    /// Nobody has counted yet what the quota's namespace uses.
    QuotaStatusMissing {
        /// The ResourceQuota.
        quota: String,
    },
    /// An amount lies outside of what a LimitRange allows.
    LimitRange {
        /// The LimitRange; an event does not name it.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit_range: Option<String>,
        /// `Container` or `Pod`.
        per: String,
        /// The container; an event does not name it.
        #[serde(skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The resource.
        resource: String,
        /// Which of the range's bounds.
        bound: Bound,
        /// The bound's value.
        allowed: String,
        /// What the bound was held against: `request`, `limit` or `ratio`.
        measure: Measure,
        /// Its value; none where it is not stated.
        found: Option<String>,
    },
    /// A container requests more than its limit.
    LimitBelowRequest {
        /// The container by its name, or by its field where only that is known.
        container: String,
        /// The resource.
        resource: String,
        /// The request.
        request: String,
        /// The limit.
        limit: String,
        /// The LimitRange that set the limit, as the template does not state one.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit_range: Option<String>,
    },
    /// The pod violates the level of PodSecurity that its namespace enforces.
    PodSecurity {
        /// `baseline` or `restricted`.
        level: String,
        /// `latest`, or the version of the rules.
        version: String,
        /// Every violation, in the server's words.
        violations: Vec<String>,
    },
    /// There is no PriorityClass of that name.
    PriorityClassMissing {
        /// The name.
        priority_class: String,
    },
    /// The template states a priority that is not that of its class.
    PriorityMismatch {
        /// What the template states.
        stated: String,
        /// What the class gives.
        computed: String,
    },
    /// There is no ServiceAccount of that name.
    ServiceAccountMissing {
        /// The name.
        service_account: String,
    },
    /// There is no RuntimeClass of that name.
    RuntimeClassMissing {
        /// The name.
        runtime_class: String,
    },
    /// The RuntimeClass and the template want different values of one node label.
    RuntimeClassConflict {
        /// The label.
        key: String,
        /// The value that the class wants.
        class_value: String,
        /// The value that the template wants.
        pod_value: String,
    },
    /// The template states an overhead that is not that of its RuntimeClass.
    OverheadMismatch,
    /// A webhook said no.
    WebhookDenied {
        /// The webhook.
        webhook: String,
        /// Its words.
        detail: String,
    },
    /// A webhook that has to be asked did not answer.
    WebhookFailed {
        /// The webhook.
        webhook: String,
        /// The server's words about the call.
        detail: String,
        /// Where it was called, if it is a service of the cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<Service>,
    },
    /// An admission policy said no.
    PolicyDenied {
        /// `ValidatingAdmissionPolicy` or `MutatingAdmissionPolicy`.
        kind: PolicyKind,
        /// The policy.
        policy: String,
        /// The binding that brought it here.
        #[serde(skip_serializing_if = "Option::is_none")]
        binding: Option<String>,
        /// Its words.
        detail: String,
    },
    /// The node selector of the template contradicts that of its namespace.
    NamespaceSelectorConflict {
        /// The server's words.
        detail: String,
    },
    /// The pod's tolerations are not all on its namespace's list.
    NamespaceTolerations {
        /// The server's words.
        detail: String,
    },
    /// No SecurityContextConstraints of OpenShift allow the pod.
    SecurityContextConstraints {
        /// The server's words.
        detail: String,
    },
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The pod as such is not valid.
    PodInvalid {
        /// The server's words.
        detail: String,
    },
    /// The newest refusal on record, the cause of which is gone: the controller has not tried again.
    NoLongerRejected {
        /// The refusal.
        rejection: String,
    },
    /// Anything else.
    Rejected {
        /// The server's words.
        rejection: String,
    },
}

/// One resource that a quota counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct QuotaUsage {
    /// Its name, as the quota spells it.
    pub(crate) resource: String,
    /// What one more pod needs.
    pub(crate) requested: String,
    /// What is used.
    pub(crate) used: String,
    /// What may be used.
    pub(crate) limited: String,
}

/// What a quota wants to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MissingQuotaRequest {
    /// The resource as the quota spells it, such as `requests.cpu`.
    pub(crate) resource: String,
    /// The containers that do not say.
    pub(crate) containers: Vec<String>,
}

/// A bound of a LimitRange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Bound {
    /// `min`.
    Minimum,
    /// `max`.
    Maximum,
    /// `maxLimitRequestRatio`.
    Ratio,
}

/// What a LimitRange compares with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// A service of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Service {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl AdmissionRejection {
    /// The plugin or the part of the API server that refuses, as Kubernetes spells it.
    pub(crate) fn plugin(&self) -> AdmissionPlugin {
        match self {
            Self::QuotaExceeded { .. }
            | Self::QuotaRequestMissing { .. }
            | Self::QuotaUncovered { .. }
            | Self::QuotaStatusMissing { .. } => AdmissionPlugin::ResourceQuota,
            Self::LimitRange { .. } => AdmissionPlugin::LimitRanger,
            Self::LimitBelowRequest { .. } | Self::PodInvalid { .. } => AdmissionPlugin::Validation,
            Self::PodSecurity { .. } => AdmissionPlugin::PodSecurity,
            Self::PriorityClassMissing { .. } | Self::PriorityMismatch { .. } => AdmissionPlugin::Priority,
            Self::ServiceAccountMissing { .. } => AdmissionPlugin::ServiceAccount,
            Self::RuntimeClassMissing { .. } | Self::RuntimeClassConflict { .. } | Self::OverheadMismatch => {
                AdmissionPlugin::RuntimeClass
            }
            Self::WebhookDenied { .. } | Self::WebhookFailed { .. } => AdmissionPlugin::Webhook,
            Self::PolicyDenied { kind: PolicyKind::ValidatingAdmissionPolicy, .. } => {
                AdmissionPlugin::ValidatingAdmissionPolicy
            }
            Self::PolicyDenied { kind: PolicyKind::MutatingAdmissionPolicy, .. } => {
                AdmissionPlugin::MutatingAdmissionPolicy
            }
            Self::NamespaceSelectorConflict { .. } => AdmissionPlugin::PodNodeSelector,
            Self::NamespaceTolerations { .. } => AdmissionPlugin::PodTolerationRestriction,
            Self::SecurityContextConstraints { .. } => AdmissionPlugin::SecurityContextConstraint,
            Self::NamespaceTerminating => AdmissionPlugin::NamespaceLifecycle,
            Self::NoLongerRejected { .. } | Self::Rejected { .. } => AdmissionPlugin::Admission,
        }
    }
}
