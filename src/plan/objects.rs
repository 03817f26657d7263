//! Objects of other kinds that a change adds or replaces.

use k8s_openapi::api::core::v1::{LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, ServiceAccount};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use crate::admission;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;

/// An object as it would be after the change, of a kind that decides about pods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ObjectChange {
    Namespace(Box<Namespace>),
    PriorityClass(Box<PriorityClass>),
    RuntimeClass(Box<RuntimeClass>),
    ResourceQuota(Box<ResourceQuota>),
    LimitRange(Box<LimitRange>),
    ServiceAccount(Box<ServiceAccount>),
    PersistentVolumeClaim(Box<PersistentVolumeClaim>),
    StorageClass(Box<StorageClass>),
}

impl ObjectChange {
    /// The object of a manifest. `None` for a kind that decides nothing about the pods of DaemonSets.
    ///
    /// # Errors
    /// A field has a wrong type.
    pub(crate) fn from_manifest(manifest: &Value, namespace: &str) -> Option<Result<Self, serde_json::Error>> {
        fn typed<'m, T: Deserialize<'m>>(
            manifest: &'m Value,
            wrap: impl FnOnce(Box<T>) -> ObjectChange,
        ) -> Result<ObjectChange, serde_json::Error> {
            T::deserialize(manifest).map(|object| wrap(Box::new(object)))
        }
        let mut change = match manifest["kind"].as_str()? {
            "Namespace" => typed(manifest, Self::Namespace),
            "PriorityClass" => typed(manifest, Self::PriorityClass),
            "RuntimeClass" => typed(manifest, Self::RuntimeClass),
            "ResourceQuota" => typed(manifest, Self::ResourceQuota),
            "LimitRange" => typed(manifest, Self::LimitRange),
            "ServiceAccount" => typed(manifest, Self::ServiceAccount),
            "PersistentVolumeClaim" => typed(manifest, Self::PersistentVolumeClaim),
            "StorageClass" => typed(manifest, Self::StorageClass),
            _ => return None,
        };
        if let Ok(change) = &mut change
            && let Some(metadata) = change.namespaced()
        {
            metadata.namespace.get_or_insert_with(|| namespace.to_owned());
        }
        Some(change)
    }

    /// The metadata of an object that belongs to a namespace.
    fn namespaced(&mut self) -> Option<&mut ObjectMeta> {
        match self {
            Self::ResourceQuota(object) => Some(&mut object.metadata),
            Self::LimitRange(object) => Some(&mut object.metadata),
            Self::ServiceAccount(object) => Some(&mut object.metadata),
            Self::PersistentVolumeClaim(object) => Some(&mut object.metadata),
            Self::Namespace(_) | Self::PriorityClass(_) | Self::RuntimeClass(_) | Self::StorageClass(_) => None,
        }
    }

    /// Puts the object among the others. `pods` are the pods of the cluster, which a new quota counts.
    pub(super) fn apply(&self, objects: &mut ClusterObjects, pods: &[Pod]) {
        match self {
            Self::Namespace(object) => {
                let name = object.metadata.name.clone().unwrap_or_default();
                put(&mut objects.namespaces, object, |namespace| &namespace.metadata);
                // The controller of service accounts adds one to every namespace
                // (`pkg/controller/serviceaccount/serviceaccounts_controller.go` `syncNamespace`).
                let mut account = ServiceAccount::default();
                account.metadata.name = Some("default".to_owned());
                account.metadata.namespace = Some(name);
                put(&mut objects.service_accounts, &account, |account| &account.metadata);
            }
            Self::PriorityClass(object) => put(&mut objects.priority_classes, object, |class| &class.metadata),
            Self::RuntimeClass(object) => put(&mut objects.runtime_classes, object, |class| &class.metadata),
            Self::ResourceQuota(object) => {
                let known = objects.quotas.known().map_or(&[][..], Vec::as_slice).iter();
                let known = known.rev().find(|quota| is_same(&quota.metadata, &object.metadata));
                let counted = admission::quota_in_force(object, known, pods);
                put(&mut objects.quotas, &counted, |quota| &quota.metadata);
            }
            Self::LimitRange(object) => put(&mut objects.limit_ranges, object, |range| &range.metadata),
            Self::ServiceAccount(object) => put(&mut objects.service_accounts, object, |account| &account.metadata),
            // A claim that exists keeps its volume: its other fields cannot be changed.
            Self::PersistentVolumeClaim(object) => match &mut objects.claims {
                Known::Known(claims) if !claims.iter().any(|claim| is_same(&claim.metadata, &object.metadata)) => {
                    claims.push((**object).clone());
                }
                _ => {}
            },
            Self::StorageClass(object) => put(&mut objects.storage_classes, object, |class| &class.metadata),
        }
    }
}

fn is_same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.namespace == other.namespace && one.name == other.name
}

/// Replaces the object of the same name, or adds it. What could not be read stays unknown.
fn put<T: Clone>(known: &mut Known<Vec<T>>, object: &T, metadata: impl Fn(&T) -> &ObjectMeta) {
    let Known::Known(known) = known else { return };
    match known.iter_mut().find(|other| is_same(metadata(other), metadata(object))) {
        Some(other) => *other = object.clone(),
        None => known.push(object.clone()),
    }
}
