//! The objects that admission and the scheduler's filters read, besides the node, the DaemonSet and the pods on the
//! node.
//!
//! Each kind is read only if a pod needs it. A kind that was not read is [`Known::Unknown`] with a reason, never empty.

use std::borrow::Cow;

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::{
    LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, ResourceQuota, ServiceAccount,
};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};

use super::pod::Pod;
use super::saved::SavedNamespaces;
use super::{Known, Missing, Node};

/// The minor version of the API server, such as 36 for 1.36. Rules differ between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KubeMinor(pub(crate) u32);

impl KubeMinor {
    /// The version whose rules apply if the server's version is unknown.
    pub(crate) const ASSUMED: Self = Self(36);
}

/// Which objects of a kind are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All objects. The kind has no namespaces.
    Cluster,
    /// Those of all namespaces: the pods of every namespace count on a node.
    AllNamespaces,
    /// Those of the namespaces of the DaemonSets.
    DaemonSetNamespaces,
}

/// The kinds of objects that admission and the filters read, other than pods and nodes. A new kind is one more row.
///
/// Calls a macro with the rows: the field of [`ClusterObjects`], the type, the [`ObjectKind`], the [`Extent`], and the
/// older versions of the API with the same fields, which are read if the server does not serve the version of the type.
macro_rules! with_object_table {
    ($callback:ident) => {
        $callback! {
            /// Read for their labels and annotations.
            namespaces: Namespace, Namespaces, Cluster, [];
            claims: PersistentVolumeClaim, Claims, AllNamespaces, [];
            volumes: PersistentVolume, Volumes, Cluster, [];
            storage_classes: StorageClass, StorageClasses, Cluster, [];
            csi_nodes: CSINode, CsiNodes, Cluster, [];
            csi_drivers: CSIDriver, CsiDrivers, Cluster, [];
            storage_capacities: CSIStorageCapacity, StorageCapacities, AllNamespaces, [];
            volume_attachments: VolumeAttachment, VolumeAttachments, Cluster, [];
            limit_ranges: LimitRange, LimitRanges, DaemonSetNamespaces, [];
            quotas: ResourceQuota, Quotas, DaemonSetNamespaces, [];
            service_accounts: ServiceAccount, ServiceAccounts, DaemonSetNamespaces, [];
            priority_classes: PriorityClass, PriorityClasses, Cluster, [];
            runtime_classes: RuntimeClass, RuntimeClasses, Cluster, [];
            resource_claims: ResourceClaim, ResourceClaims, AllNamespaces, ["v1beta2"];
            resource_claim_templates: ResourceClaimTemplate, ResourceClaimTemplates, DaemonSetNamespaces, ["v1beta2"];
            resource_slices: ResourceSlice, ResourceSlices, Cluster, ["v1beta2"];
            device_classes: DeviceClass, DeviceClasses, Cluster, ["v1beta2"];
        }
    };
}
pub(crate) use with_object_table;

macro_rules! declare {
    ($($(#[$doc:meta])* $field:ident: $type:ident, $kind:ident, $extent:ident, $versions:tt;)+) => {
        /// The kinds of [`ClusterObjects`] that are read only if a pod needs them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum ObjectKind {
            /// All pods of the cluster.
            Pods,
            /// All nodes of the cluster.
            Nodes,
            $($kind,)+
        }

        /// The `kind` of the objects in the API, without pods and nodes.
        pub(crate) const API_KINDS: &[&str] = &[$($type::KIND),+];

        /// All objects by kind. A kind that was not requested is unknown, with that as the reason.
        #[derive(Clone, Debug)]
        pub(crate) struct ClusterObjects {
            pub(crate) minor: Known<KubeMinor>,
            /// All nodes of the cluster, without their resources.
            pub(crate) nodes: Known<Vec<Node>>,
            /// All pods of the cluster that are not terminal.
            pub(crate) pods: Known<Vec<Pod>>,
            /// The namespaces that the files of a saved cluster cover; none for a live cluster, which covers all.
            pub(crate) saved: Option<SavedNamespaces>,
            /// Why pods of some namespaces may be missing; none if all pods are known or no pods were read.
            pub(crate) partial_pods: Option<String>,
            $($(#[$doc])* pub(crate) $field: Known<Vec<$type>>,)+
        }

        impl ClusterObjects {
            /// The same objects with these pods instead of the pods of the cluster, which are not copied.
            pub(crate) fn with_pods(&self, pods: Known<Vec<Pod>>) -> Self {
                Self {
                    minor: self.minor.clone(),
                    nodes: self.nodes.clone(),
                    pods,
                    saved: self.saved.clone(),
                    partial_pods: self.partial_pods.clone(),
                    $($field: self.$field.clone(),)+
                }
            }

            /// The kinds that were requested and could not be read.
            pub(crate) fn failed(&self) -> impl Iterator<Item = &Missing> {
                let all = [self.nodes.missing(), self.pods.missing(), $(self.$field.missing()),+];
                all.into_iter().flatten().filter(|missing| matches!(missing, Missing::Failed(_)))
            }
        }

        impl Default for ClusterObjects {
            fn default() -> Self {
                Self {
                    minor: Known::failed("the version of the API server was not read"),
                    nodes: Known::Unknown(Missing::NotRead("nodes")),
                    pods: Known::Unknown(Missing::NotRead("pods")),
                    saved: None,
                    partial_pods: None,
                    $($field: Known::Unknown(Missing::NotRead($type::URL_PATH_SEGMENT)),)+
                }
            }
        }
    };
}
with_object_table!(declare);

impl ClusterObjects {
    /// The version whose rules apply.
    pub(crate) fn kube_minor_or_default(&self) -> KubeMinor {
        self.minor.known().copied().unwrap_or(KubeMinor::ASSUMED)
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
                Cow::Owned(Known::not_saved(format!("the files contain no {kind} of namespace {namespace}")))
            }
            objects => Cow::Borrowed(objects),
        }
    }
}
