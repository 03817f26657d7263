//! The parts of the API server that can reject a pod.

use serde::Serialize;

/// An admission plugin, or another part of the API server, by the name that Kubernetes gives it.
///
/// The order is that in which the API server runs them: first those that change the pod, then validation, then those
/// that only validate (`pkg/kubeapiserver/options/plugins.go` `AllOrderedPlugins`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum AdmissionPlugin {
    NamespaceLifecycle,
    ServiceAccount,
    PodNodeSelector,
    Priority,
    PodTolerationRestriction,
    RuntimeClass,
    MutatingAdmissionPolicy,
    Validation,
    LimitRanger,
    PodSecurity,
    PodSecurityPolicy,
    ImagePolicyWebhook,
    OwnerReferencesPermissionEnforcement,
    SecurityContextConstraint,
    ValidatingAdmissionPolicy,
    Webhook,
    ResourceQuota,
    /// A rejection whose message names no plugin.
    Admission,
}

impl AdmissionPlugin {
    /// Every plugin, in the order of the API server.
    pub(super) const ALL: [Self; 18] = [
        Self::NamespaceLifecycle,
        Self::ServiceAccount,
        Self::PodNodeSelector,
        Self::Priority,
        Self::PodTolerationRestriction,
        Self::RuntimeClass,
        Self::MutatingAdmissionPolicy,
        Self::Validation,
        Self::LimitRanger,
        Self::PodSecurity,
        Self::PodSecurityPolicy,
        Self::ImagePolicyWebhook,
        Self::OwnerReferencesPermissionEnforcement,
        Self::SecurityContextConstraint,
        Self::ValidatingAdmissionPolicy,
        Self::Webhook,
        Self::ResourceQuota,
        Self::Admission,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NamespaceLifecycle => "NamespaceLifecycle",
            Self::ServiceAccount => "ServiceAccount",
            Self::PodNodeSelector => "PodNodeSelector",
            Self::Priority => "Priority",
            Self::PodTolerationRestriction => "PodTolerationRestriction",
            Self::RuntimeClass => "RuntimeClass",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
            Self::Validation => "Validation",
            Self::LimitRanger => "LimitRanger",
            Self::PodSecurity => "PodSecurity",
            Self::PodSecurityPolicy => "PodSecurityPolicy",
            Self::ImagePolicyWebhook => "ImagePolicyWebhook",
            Self::OwnerReferencesPermissionEnforcement => "OwnerReferencesPermissionEnforcement",
            Self::SecurityContextConstraint => "SecurityContextConstraint",
            Self::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::Webhook => "Webhook",
            Self::ResourceQuota => "ResourceQuota",
            Self::Admission => "Admission",
        }
    }

    /// Whether the cluster may run without it, so that only a rejection shows that it is there.
    pub(super) fn is_optional(self) -> bool {
        match self {
            Self::PodNodeSelector
            | Self::PodTolerationRestriction
            | Self::MutatingAdmissionPolicy
            | Self::PodSecurityPolicy
            | Self::ImagePolicyWebhook
            | Self::OwnerReferencesPermissionEnforcement
            | Self::SecurityContextConstraint
            | Self::Admission => true,
            Self::NamespaceLifecycle
            | Self::ServiceAccount
            | Self::Priority
            | Self::RuntimeClass
            | Self::Validation
            | Self::LimitRanger
            | Self::PodSecurity
            | Self::ValidatingAdmissionPolicy
            | Self::Webhook
            | Self::ResourceQuota => false,
        }
    }

    /// Whether its decision shows only when a pod is created: it depends on objects that are not read.
    pub(crate) fn is_opaque(self) -> bool {
        matches!(self, Self::PodSecurity | Self::ValidatingAdmissionPolicy | Self::Webhook)
    }

    /// Whether its decision is computed from objects, without an event.
    pub(crate) fn is_evaluated(self) -> bool {
        match self {
            Self::NamespaceLifecycle
            | Self::ServiceAccount
            | Self::Priority
            | Self::RuntimeClass
            | Self::LimitRanger
            | Self::ResourceQuota => true,
            // Only the contradiction of limits and requests is computed.
            Self::Validation
            | Self::PodNodeSelector
            | Self::PodTolerationRestriction
            | Self::MutatingAdmissionPolicy
            | Self::PodSecurity
            | Self::PodSecurityPolicy
            | Self::ImagePolicyWebhook
            | Self::OwnerReferencesPermissionEnforcement
            | Self::SecurityContextConstraint
            | Self::ValidatingAdmissionPolicy
            | Self::Webhook
            | Self::Admission => false,
        }
    }
}
