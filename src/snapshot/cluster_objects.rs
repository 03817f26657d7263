//! The objects that admission and the scheduler's filters read, besides the node, the DaemonSet and the pods on the
//! node.
//!
//! Each kind is read only if a pod needs it. A kind that was not read is [`Known::Unknown`] with a reason, never empty.

use std::borrow::Cow;

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{
    LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, ResourceQuota, ServiceAccount,
};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};

use super::pod::Pod;
use super::saved::SavedNamespaces;
use super::{Known, Node};

/// The minor version of the API server, such as 36 for 1.36. Rules differ between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KubeMinor(pub(crate) u32);

impl KubeMinor {
    /// The version whose rules apply if the server's version is unknown.
    pub(crate) const ASSUMED: Self = Self(36);
}

/// The kinds of [`ClusterObjects`] that are read only if a pod needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectKind {
    /// All pods of the cluster.
    Pods,
    /// All nodes of the cluster.
    Nodes,
    Namespaces,
    Claims,
    Volumes,
    StorageClasses,
    CsiNodes,
    CsiDrivers,
    StorageCapacities,
    VolumeAttachments,
    LimitRanges,
    Quotas,
    ServiceAccounts,
    PriorityClasses,
    RuntimeClasses,
    ResourceClaims,
    ResourceClaimTemplates,
    ResourceSlices,
    DeviceClasses,
}

/// All objects by kind. A kind that was not requested is unknown, with that as the reason.
#[derive(Clone, Debug)]
pub(crate) struct ClusterObjects {
    pub(crate) minor: Known<KubeMinor>,
    /// All nodes of the cluster, without their resources.
    pub(crate) nodes: Known<Vec<Node>>,
    /// All pods of the cluster that are not terminal.
    pub(crate) pods: Known<Vec<Pod>>,
    /// All namespaces, for their labels and annotations.
    pub(crate) namespaces: Known<Vec<Namespace>>,
    /// Those of all namespaces: the volumes of every pod on a node count against its limits.
    pub(crate) claims: Known<Vec<PersistentVolumeClaim>>,
    pub(crate) volumes: Known<Vec<PersistentVolume>>,
    pub(crate) storage_classes: Known<Vec<StorageClass>>,
    /// At least the one of the node in question.
    pub(crate) csi_nodes: Known<Vec<CSINode>>,
    pub(crate) csi_drivers: Known<Vec<CSIDriver>>,
    /// Those of all namespaces.
    pub(crate) storage_capacities: Known<Vec<CSIStorageCapacity>>,
    pub(crate) volume_attachments: Known<Vec<VolumeAttachment>>,
    /// Those of the DaemonSets' namespaces.
    pub(crate) limit_ranges: Known<Vec<LimitRange>>,
    /// Those of the DaemonSets' namespaces.
    pub(crate) quotas: Known<Vec<ResourceQuota>>,
    /// Those of the DaemonSets' namespaces.
    pub(crate) service_accounts: Known<Vec<ServiceAccount>>,
    pub(crate) priority_classes: Known<Vec<PriorityClass>>,
    pub(crate) runtime_classes: Known<Vec<RuntimeClass>>,
    /// Those of all namespaces.
    pub(crate) resource_claims: Known<Vec<ResourceClaim>>,
    /// Those of the DaemonSets' namespaces.
    pub(crate) resource_claim_templates: Known<Vec<ResourceClaimTemplate>>,
    pub(crate) resource_slices: Known<Vec<ResourceSlice>>,
    pub(crate) device_classes: Known<Vec<DeviceClass>>,
    /// The namespaces that the files of a saved cluster cover; none for a live cluster, which covers all of them.
    pub(crate) saved: Option<SavedNamespaces>,
    /// Why pods of some namespaces may be missing; none if all pods are known or no pods were read.
    pub(crate) partial_pods: Option<String>,
}

impl ClusterObjects {
    /// The version whose rules apply.
    pub(crate) fn kube_minor_or_default(&self) -> KubeMinor {
        self.minor.known().copied().unwrap_or(KubeMinor::ASSUMED)
    }

    /// The same objects with these pods instead of the pods of the cluster. The cluster's pods are not copied.
    pub(crate) fn with_pods(&self, pods: Known<Vec<Pod>>) -> Self {
        Self {
            pods,
            minor: self.minor.clone(),
            nodes: self.nodes.clone(),
            namespaces: self.namespaces.clone(),
            claims: self.claims.clone(),
            volumes: self.volumes.clone(),
            storage_classes: self.storage_classes.clone(),
            csi_nodes: self.csi_nodes.clone(),
            csi_drivers: self.csi_drivers.clone(),
            storage_capacities: self.storage_capacities.clone(),
            volume_attachments: self.volume_attachments.clone(),
            limit_ranges: self.limit_ranges.clone(),
            quotas: self.quotas.clone(),
            service_accounts: self.service_accounts.clone(),
            priority_classes: self.priority_classes.clone(),
            runtime_classes: self.runtime_classes.clone(),
            resource_claims: self.resource_claims.clone(),
            resource_claim_templates: self.resource_claim_templates.clone(),
            resource_slices: self.resource_slices.clone(),
            device_classes: self.device_classes.clone(),
            saved: self.saved.clone(),
            partial_pods: self.partial_pods.clone(),
        }
    }

    /// The objects of a kind, if they are complete for one namespace: unknown if that namespace was not saved.
    pub(crate) fn in_namespace<'a, K: Resource + Clone>(
        &self,
        objects: &'a Known<Vec<K>>,
        namespace: &str,
    ) -> Cow<'a, Known<Vec<K>>> {
        let is_covered = self.saved.as_ref().is_none_or(|saved| saved.covers(K::KIND, namespace));
        match objects {
            Known::Known(_) if !is_covered => {
                let kind = K::URL_PATH_SEGMENT;
                Cow::Owned(Known::Unknown(format!("the files contain no {kind} of namespace {namespace}")))
            }
            objects => Cow::Borrowed(objects),
        }
    }

    /// Why the saved files lack pods that the status of this DaemonSet counts.
    pub(crate) fn unsaved_pods(&self, daemon_set: &DaemonSet) -> Option<String> {
        let saved = self.saved.as_ref().filter(|saved| saved.lacks_pods(daemon_set))?;
        saved.partial_pods(std::slice::from_ref(daemon_set))
    }

    /// The kinds that were requested and could not be read. Their reasons begin with "cannot".
    pub(crate) fn forbidden(&self) -> Vec<&str> {
        let all = [
            self.nodes.missing(),
            self.pods.missing(),
            self.namespaces.missing(),
            self.claims.missing(),
            self.volumes.missing(),
            self.storage_classes.missing(),
            self.csi_nodes.missing(),
            self.csi_drivers.missing(),
            self.storage_capacities.missing(),
            self.volume_attachments.missing(),
            self.limit_ranges.missing(),
            self.quotas.missing(),
            self.service_accounts.missing(),
            self.priority_classes.missing(),
            self.runtime_classes.missing(),
            self.resource_claims.missing(),
            self.resource_claim_templates.missing(),
            self.resource_slices.missing(),
            self.device_classes.missing(),
        ];
        all.into_iter().flatten().filter(|missing| missing.starts_with("cannot ")).collect()
    }
}

impl Default for ClusterObjects {
    fn default() -> Self {
        fn unread<T>(what: &str) -> Known<T> {
            Known::Unknown(format!("{what} were not read"))
        }
        Self {
            minor: Known::Unknown("the version of the API server was not read".into()),
            nodes: unread("nodes"),
            pods: unread("pods"),
            namespaces: unread("namespaces"),
            claims: unread("persistentvolumeclaims"),
            volumes: unread("persistentvolumes"),
            storage_classes: unread("storageclasses"),
            csi_nodes: unread("csinodes"),
            csi_drivers: unread("csidrivers"),
            storage_capacities: unread("csistoragecapacities"),
            volume_attachments: unread("volumeattachments"),
            limit_ranges: unread("limitranges"),
            quotas: unread("resourcequotas"),
            service_accounts: unread("serviceaccounts"),
            priority_classes: unread("priorityclasses"),
            runtime_classes: unread("runtimeclasses"),
            resource_claims: unread("resourceclaims"),
            resource_claim_templates: unread("resourceclaimtemplates"),
            resource_slices: unread("resourceslices"),
            device_classes: unread("deviceclasses"),
            saved: None,
            partial_pods: None,
        }
    }
}
