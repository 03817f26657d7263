//! What admission and the scheduler's filters read besides the node, the DaemonSet and the pods on the node. Each kind
//! is read only where a pod in question needs it.

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

/// The minor version of the API server: the 36 of 1.36. Rules differ between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KubeMinor(pub(crate) u32);

impl KubeMinor {
    /// The version whose rules are taken where the server's is not known.
    pub(crate) const ASSUMED: Self = Self(36);
}

/// The kinds of [`ClusterObjects`] that are read only where a pod needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectKind {
    /// All pods of the cluster.
    Pods,
    /// All nodes of the cluster.
    Nodes,
    /// `namespaces`.
    Namespaces,
    /// `persistentvolumeclaims`.
    Claims,
    /// `persistentvolumes`.
    Volumes,
    /// `storageclasses`.
    StorageClasses,
    /// `csinodes`.
    CsiNodes,
    /// `csidrivers`.
    CsiDrivers,
    /// `csistoragecapacities`.
    StorageCapacities,
    /// `volumeattachments`.
    VolumeAttachments,
    /// `limitranges`.
    LimitRanges,
    /// `resourcequotas`.
    Quotas,
    /// `serviceaccounts`.
    ServiceAccounts,
    /// `priorityclasses`.
    PriorityClasses,
    /// `runtimeclasses`.
    RuntimeClasses,
    /// `resourceclaims`.
    ResourceClaims,
    /// `resourceclaimtemplates`.
    ResourceClaimTemplates,
    /// `resourceslices`.
    ResourceSlices,
    /// `deviceclasses`.
    DeviceClasses,
}

/// Everything by its kind. What was not asked for is unknown, and says so.
#[derive(Clone, Debug)]
pub(crate) struct ClusterObjects {
    /// The API server's version.
    pub(crate) minor: Known<KubeMinor>,
    /// All nodes of the cluster, without their resources.
    pub(crate) nodes: Known<Vec<Node>>,
    /// All pods of the cluster that are not terminal.
    pub(crate) pods: Known<Vec<Pod>>,
    /// All namespaces, for their labels and annotations.
    pub(crate) namespaces: Known<Vec<Namespace>>,
    /// `persistentvolumeclaims` of all namespaces: the volumes of every pod on a node count against its limits.
    pub(crate) claims: Known<Vec<PersistentVolumeClaim>>,
    /// `persistentvolumes`.
    pub(crate) volumes: Known<Vec<PersistentVolume>>,
    /// `storageclasses`.
    pub(crate) storage_classes: Known<Vec<StorageClass>>,
    /// `csinodes`: that of the node in question at least.
    pub(crate) csi_nodes: Known<Vec<CSINode>>,
    /// `csidrivers`.
    pub(crate) csi_drivers: Known<Vec<CSIDriver>>,
    /// `csistoragecapacities` of all namespaces.
    pub(crate) storage_capacities: Known<Vec<CSIStorageCapacity>>,
    /// `volumeattachments`.
    pub(crate) volume_attachments: Known<Vec<VolumeAttachment>>,
    /// `limitranges` of the DaemonSets' namespaces.
    pub(crate) limit_ranges: Known<Vec<LimitRange>>,
    /// `resourcequotas` of the DaemonSets' namespaces.
    pub(crate) quotas: Known<Vec<ResourceQuota>>,
    /// `serviceaccounts` of the DaemonSets' namespaces.
    pub(crate) service_accounts: Known<Vec<ServiceAccount>>,
    /// `priorityclasses`.
    pub(crate) priority_classes: Known<Vec<PriorityClass>>,
    /// `runtimeclasses`.
    pub(crate) runtime_classes: Known<Vec<RuntimeClass>>,
    /// `resourceclaims` of all namespaces.
    pub(crate) resource_claims: Known<Vec<ResourceClaim>>,
    /// `resourceclaimtemplates` of the DaemonSets' namespaces.
    pub(crate) resource_claim_templates: Known<Vec<ResourceClaimTemplate>>,
    /// `resourceslices`.
    pub(crate) resource_slices: Known<Vec<ResourceSlice>>,
    /// `deviceclasses`.
    pub(crate) device_classes: Known<Vec<DeviceClass>>,
    /// Which namespaces a saved cluster covers; none for a live one, which covers all.
    pub(crate) saved: Option<SavedNamespaces>,
    /// Why pods of some namespaces may be missing; none where all are known or none were read.
    pub(crate) partial_pods: Option<String>,
}

impl ClusterObjects {
    /// The version whose rules hold.
    pub(crate) fn kube_minor_or_default(&self) -> KubeMinor {
        self.minor.known().copied().unwrap_or(KubeMinor::ASSUMED)
    }

    /// The same with these pods in the place of those of the cluster, which are not copied.
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

    /// The objects of a kind as far as they tell about one namespace: unknown where that was not saved.
    pub(crate) fn in_namespace<'a, K: Resource + Clone>(
        &self,
        objects: &'a Known<Vec<K>>,
        namespace: &str,
    ) -> Cow<'a, Known<Vec<K>>> {
        let is_covered = self.saved.as_ref().is_none_or(|saved| saved.covers(K::KIND, namespace));
        match objects {
            Known::Known(_) if !is_covered => {
                let kind = K::URL_PATH_SEGMENT;
                Cow::Owned(Known::Unknown(format!("the files hold no {kind} of namespace {namespace}")))
            }
            objects => Cow::Borrowed(objects),
        }
    }

    /// Why pods of this DaemonSet that its status counts are not in the files of a saved cluster.
    pub(crate) fn unsaved_pods(&self, daemon_set: &DaemonSet) -> Option<String> {
        let saved = self.saved.as_ref().filter(|saved| saved.lacks_pods(daemon_set))?;
        saved.partial_pods(std::slice::from_ref(daemon_set))
    }

    /// What was asked for and may not be read, each once.
    pub(crate) fn refused(&self) -> Vec<&str> {
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
            minor: Known::Unknown("the server's version was not read".into()),
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
