//! Loads the kinds of objects that only some pods need. Each kind is listed at most once.

use std::collections::BTreeSet;

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;

use super::live::readable;
use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::snapshot::cluster_objects::{ClusterObjects, ObjectKind};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// The scope that covers these namespaces: one namespace, or all.
pub(crate) fn scope_of<'n>(mut namespaces: impl Iterator<Item = &'n str>) -> Scope {
    match namespaces.next() {
        Some(first) if namespaces.all(|other| other == first) => Scope::Namespace(first.to_owned()),
        _ => Scope::AllNamespaces,
    }
}

/// Lists the kinds in `needs` that were not listed yet, concurrently.
///
/// # Errors
/// Any error except missing permissions, which make the kind unknown.
pub(crate) async fn read(
    access: &Access,
    cluster_objects: &mut ClusterObjects,
    needs: &BTreeSet<ObjectKind>,
    scope: &Scope,
) -> Result<(), Error> {
    let all = &Scope::AllNamespaces;
    let reader = Reader { access, needs };
    tokio::try_join!(
        reader.pods(&mut cluster_objects.pods),
        reader.nodes(&mut cluster_objects.nodes),
        reader.list(ObjectKind::Namespaces, &Scope::Cluster, &mut cluster_objects.namespaces),
        reader.list(ObjectKind::Claims, all, &mut cluster_objects.claims),
        reader.list(ObjectKind::Volumes, &Scope::Cluster, &mut cluster_objects.volumes),
        reader.list(ObjectKind::StorageClasses, &Scope::Cluster, &mut cluster_objects.storage_classes),
        reader.list(ObjectKind::CsiNodes, &Scope::Cluster, &mut cluster_objects.csi_nodes),
        reader.list(ObjectKind::CsiDrivers, &Scope::Cluster, &mut cluster_objects.csi_drivers),
        reader.list(ObjectKind::StorageCapacities, all, &mut cluster_objects.storage_capacities),
        reader.list(ObjectKind::VolumeAttachments, &Scope::Cluster, &mut cluster_objects.volume_attachments),
        reader.list(ObjectKind::LimitRanges, scope, &mut cluster_objects.limit_ranges),
        reader.list(ObjectKind::Quotas, scope, &mut cluster_objects.quotas),
        reader.list(ObjectKind::ServiceAccounts, scope, &mut cluster_objects.service_accounts),
        reader.list(ObjectKind::PriorityClasses, &Scope::Cluster, &mut cluster_objects.priority_classes),
        reader.list(ObjectKind::RuntimeClasses, &Scope::Cluster, &mut cluster_objects.runtime_classes),
        reader.list(ObjectKind::ResourceClaims, all, &mut cluster_objects.resource_claims),
        reader.list(ObjectKind::ResourceClaimTemplates, scope, &mut cluster_objects.resource_claim_templates),
        reader.list(ObjectKind::ResourceSlices, &Scope::Cluster, &mut cluster_objects.resource_slices),
        reader.list(ObjectKind::DeviceClasses, &Scope::Cluster, &mut cluster_objects.device_classes),
    )?;
    Ok(())
}

struct Reader<'a> {
    access: &'a Access,
    needs: &'a BTreeSet<ObjectKind>,
}

impl Reader<'_> {
    fn wants<T>(&self, need: ObjectKind, place: &Known<Vec<T>>) -> bool {
        self.needs.contains(&need) && place.known().is_none()
    }

    async fn list<K>(&self, need: ObjectKind, scope: &Scope, place: &mut Known<Vec<K>>) -> Result<(), Error>
    where
        K: Resource + DeserializeOwned + 'static,
    {
        if self.wants(need, place) {
            *place = self.access.list_if_served(scope).await?;
        }
        Ok(())
    }

    async fn pods(&self, place: &mut Known<Vec<Pod>>) -> Result<(), Error> {
        if self.wants(ObjectKind::Pods, place) {
            let alive = |pod: Pod| (!pod.is_terminal()).then_some(pod);
            *place = readable(self.access.bulk(&Scope::AllNamespaces, None, alive).await, &mut None)?;
        }
        Ok(())
    }

    async fn nodes(&self, place: &mut Known<Vec<Node>>) -> Result<(), Error> {
        if self.wants(ObjectKind::Nodes, place) {
            let keep = |node: Node| Some(node.compact());
            *place = readable(self.access.bulk(&Scope::Cluster, None, keep).await, &mut None)?;
        }
        Ok(())
    }
}
