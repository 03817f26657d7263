//! What owns a field of a DaemonSet, and may put back its own value after this program has changed it.
//!
//! The evidence is in the metadata only: labels and annotations that tools set, and `managedFields`. Sources: Helm
//! `pkg/kube/client.go` and `pkg/action/validate.go` (`meta.helm.sh/release-name`), Flux kustomize-controller and
//! helm-controller (`kustomize.toolkit.fluxcd.io`, `helm.toolkit.fluxcd.io`), Argo CD `util/argo/resource_tracking.go`
//! (`argocd.argoproj.io/tracking-id`), kubectl `pkg/util/apply.go` (`last-applied-configuration`), and apiserver's
//! server-side apply (`managedFields` with the operation `Apply`).

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde::Serialize;
use serde_json::Value;

/// The field that is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum OwnedField {
    /// `spec.updateStrategy`.
    UpdateStrategy,
    /// `spec.template`.
    Template,
}

impl OwnedField {
    fn name(self) -> &'static str {
        match self {
            Self::UpdateStrategy => "updateStrategy",
            Self::Template => "template",
        }
    }
}

/// A tool that owns the field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub(crate) enum FieldOwner {
    /// The object is part of a Helm release.
    Helm { namespace: String, release: String },
    /// The object is part of an Argo CD application.
    ArgoCd { application: String },
    /// The object is part of a Flux Kustomization.
    FluxKustomization { namespace: String, name: String },
    /// The object is part of a Flux HelmRelease.
    FluxHelmRelease { namespace: String, name: String },
    /// The annotation of `kubectl apply` contains the field.
    KubectlApply,
    /// This manager owns the field by server-side apply.
    ServerSideApply { manager: String },
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const HELM_RELEASE: &str = "meta.helm.sh/release-name";
const HELM_NAMESPACE: &str = "meta.helm.sh/release-namespace";
const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const INSTANCE: &str = "app.kubernetes.io/instance";
const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const FLUX_HELM: &str = "helm.toolkit.fluxcd.io";

/// The managers of tools that labels and annotations identify: their entries name the same owner again.
const KNOWN_MANAGERS: [&str; 6] = [
    "helm",
    "helm-controller",
    "kustomize-controller",
    "argocd-controller",
    "argocd-application-controller",
    "kubectl-client-side-apply",
];

/// The owners of the field, without duplicates.
pub(crate) fn field_owners(metadata: &ObjectMeta, field: OwnedField) -> Vec<FieldOwner> {
    let owners = [flux_or_helm(metadata), argo_cd(metadata), kubectl_apply(metadata, field)];
    let owners: BTreeSet<FieldOwner> = owners.into_iter().flatten().chain(appliers(metadata, field)).collect();
    owners.into_iter().collect()
}

fn label<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

fn annotation<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// Flux first: an object of a HelmRelease has Helm's annotations too, and Flux runs the upgrades.
fn flux_or_helm(metadata: &ObjectMeta) -> Option<FieldOwner> {
    let flux = |group: &str| {
        let part = |key: &str| label(metadata, &format!("{group}/{key}")).map(str::to_owned);
        Some((part("namespace")?, part("name")?))
    };
    if let Some((namespace, name)) = flux(FLUX_HELM) {
        return Some(FieldOwner::FluxHelmRelease { namespace, name });
    }
    if let Some((namespace, name)) = flux(KUSTOMIZE) {
        return Some(FieldOwner::FluxKustomization { namespace, name });
    }
    let own_namespace = metadata.namespace.as_deref().unwrap_or_default();
    let namespace = annotation(metadata, HELM_NAMESPACE).unwrap_or(own_namespace).to_owned();
    match annotation(metadata, HELM_RELEASE) {
        Some(release) => Some(FieldOwner::Helm { namespace, release: release.to_owned() }),
        // The label alone is also set by charts that are rendered and applied by something else.
        None if label(metadata, MANAGED_BY) == Some("Helm") && has_manager(metadata, "helm") => {
            let release = label(metadata, INSTANCE).unwrap_or_default().to_owned();
            Some(FieldOwner::Helm { namespace, release })
        }
        None => None,
    }
}

/// The annotation is `APPLICATION:GROUP/KIND:NAMESPACE/NAME`. The label is Argo CD's older method, and also a common
/// label: it counts only if Argo CD has written the object.
fn argo_cd(metadata: &ObjectMeta) -> Option<FieldOwner> {
    let tracked = annotation(metadata, ARGO_TRACKING).and_then(|id| id.split(':').next());
    let written = || {
        let is_argo =
            has_manager(metadata, "argocd-controller") || has_manager(metadata, "argocd-application-controller");
        label(metadata, INSTANCE).filter(|_| is_argo)
    };
    tracked.or_else(written).map(|application| FieldOwner::ArgoCd { application: application.to_owned() })
}

/// `kubectl apply` restores the fields that its annotation contains, and leaves the others as they are.
fn kubectl_apply(metadata: &ObjectMeta, field: OwnedField) -> Option<FieldOwner> {
    let applied: Value = serde_json::from_str(annotation(metadata, LAST_APPLIED)?).ok()?;
    applied.get("spec")?.get(field.name()).map(|_| FieldOwner::KubectlApply)
}

fn has_manager(metadata: &ObjectMeta, manager: &str) -> bool {
    let entries = metadata.managed_fields.iter().flatten();
    entries.filter_map(|entry| entry.manager.as_deref()).any(|name| name == manager)
}

/// The managers that own a part of the field by server-side apply.
fn appliers(metadata: &ObjectMeta, field: OwnedField) -> impl Iterator<Item = FieldOwner> {
    let owns = move |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        let part = fields.and_then(|fields| fields.get("f:spec")?.get(format!("f:{}", field.name())));
        entry.operation.as_deref() == Some("Apply") && part.is_some()
    };
    let entries = metadata.managed_fields.iter().flatten().filter(owns);
    let managers = entries.filter_map(|entry| entry.manager.as_deref());
    managers
        .filter(|manager| !KNOWN_MANAGERS.contains(manager))
        .map(|manager| FieldOwner::ServerSideApply { manager: manager.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::objects::from_json;

    fn owners(metadata: Value, field: OwnedField) -> Vec<FieldOwner> {
        field_owners(&from_json(metadata), field)
    }

    fn helm(namespace: &str, release: &str) -> FieldOwner {
        FieldOwner::Helm { namespace: namespace.into(), release: release.into() }
    }

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": {"f:spec": fields}})
    }

    #[test]
    fn object_without_marks_has_no_owner() {
        let edited = entry("kubectl-edit", "Update", json!({"f:template": {}}));
        let metadata = json!({"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "x"},
            "managedFields": [edited]});
        assert_eq!(owners(metadata, OwnedField::Template), []);
        assert_eq!(owners(json!({}), OwnedField::UpdateStrategy), []);
    }

    #[test]
    fn helm_is_found_by_its_annotations_or_its_manager() {
        let annotations = json!({"meta.helm.sh/release-name": "agent", "meta.helm.sh/release-namespace": "logging"});
        assert_eq!(owners(json!({"annotations": annotations}), OwnedField::Template), [helm("logging", "agent")]);
        let metadata = json!({
            "namespace": "ns",
            "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "agent"},
            "managedFields": [entry("helm", "Update", json!({"f:template": {}}))],
        });
        assert_eq!(owners(metadata, OwnedField::Template), [helm("ns", "agent")]);
    }

    #[test]
    fn flux_is_named_once_and_before_helm() {
        let (namespace, name) = ("flux-system".to_owned(), "apps".to_owned());
        let metadata = json!({
            "labels": {"helm.toolkit.fluxcd.io/name": "apps", "helm.toolkit.fluxcd.io/namespace": "flux-system"},
            "annotations": {"meta.helm.sh/release-name": "agent"},
            "managedFields": [entry("helm-controller", "Update", json!({"f:template": {}}))],
        });
        let expected = FieldOwner::FluxHelmRelease { namespace: namespace.clone(), name: name.clone() };
        assert_eq!(owners(metadata, OwnedField::Template), [expected]);
        let metadata = json!({
            "labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"},
            "managedFields": [entry("kustomize-controller", "Apply", json!({"f:updateStrategy": {}}))],
        });
        let expected = FieldOwner::FluxKustomization { namespace, name };
        assert_eq!(owners(metadata, OwnedField::UpdateStrategy), [expected]);
    }

    #[test]
    fn argo_cd_is_found_by_tracking_id_or_manager() {
        let expected = FieldOwner::ArgoCd { application: "logging".into() };
        let tracked = json!({"annotations": {"argocd.argoproj.io/tracking-id": "logging:apps/DaemonSet:ns/agent"}});
        assert_eq!(owners(tracked, OwnedField::Template), std::slice::from_ref(&expected));
        let labels = json!({"app.kubernetes.io/instance": "logging"});
        assert_eq!(owners(json!({"labels": labels}), OwnedField::Template), []);
        let written = json!({"labels": labels, "managedFields": [entry("argocd-controller", "Update", json!({}))]});
        assert_eq!(owners(written, OwnedField::Template), [expected]);
    }

    #[test]
    fn kubectl_apply_owns_only_the_fields_that_it_applied() {
        let applied = json!({"spec": {"template": {"spec": {}}}}).to_string();
        let metadata = json!({"annotations": {LAST_APPLIED: applied}});
        assert_eq!(owners(metadata.clone(), OwnedField::Template), [FieldOwner::KubectlApply]);
        assert_eq!(owners(metadata, OwnedField::UpdateStrategy), []);
        assert_eq!(owners(json!({"annotations": {LAST_APPLIED: "{broken"}}), OwnedField::Template), []);
    }

    #[test]
    fn server_side_appliers_of_the_field_are_named() {
        let metadata = json!({"managedFields": [
            entry("my-pipeline", "Apply", json!({"f:updateStrategy": {"f:type": {}}})),
            entry("other", "Apply", json!({"f:template": {}})),
            entry("editor", "Update", json!({"f:updateStrategy": {}})),
        ]});
        let expected = FieldOwner::ServerSideApply { manager: "my-pipeline".into() };
        assert_eq!(owners(metadata, OwnedField::UpdateStrategy), [expected]);
    }
}
