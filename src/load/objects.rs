//! Loads the kinds of objects that only some pods need. Each kind is listed at most once.

use std::collections::BTreeSet;

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;

use super::live::readable;
use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::snapshot::cluster_objects::{ClusterObjects, Extent, ObjectKind, with_object_table};
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
    let reader = Reader { access, needs, daemon_set_namespaces: scope };
    macro_rules! read_all {
        ($($(#[$doc:meta])* $field:ident: $type:ident, $kind:ident, $extent:ident, $versions:tt;)+) => {
            tokio::try_join!(
                reader.pods(&mut cluster_objects.pods),
                reader.nodes(&mut cluster_objects.nodes),
                $(reader.list(ObjectKind::$kind, Extent::$extent, &$versions, &mut cluster_objects.$field)),+
            )
        };
    }
    with_object_table!(read_all)?;
    Ok(())
}

struct Reader<'a> {
    access: &'a Access,
    needs: &'a BTreeSet<ObjectKind>,
    daemon_set_namespaces: &'a Scope,
}

impl Reader<'_> {
    fn needs_now<T>(&self, kind: ObjectKind, place: &Known<Vec<T>>) -> bool {
        self.needs.contains(&kind) && place.known().is_none()
    }

    async fn list<K>(
        &self,
        kind: ObjectKind,
        extent: Extent,
        older_versions: &[&'static str],
        place: &mut Known<Vec<K>>,
    ) -> Result<(), Error>
    where
        K: Resource + DeserializeOwned + 'static,
    {
        if self.needs_now(kind, place) {
            let scope = match extent {
                Extent::Cluster => &Scope::Cluster,
                Extent::AllNamespaces => &Scope::AllNamespaces,
                Extent::DaemonSetNamespaces => self.daemon_set_namespaces,
            };
            *place = self.access.list_if_served(scope, older_versions).await?;
        }
        Ok(())
    }

    async fn pods(&self, place: &mut Known<Vec<Pod>>) -> Result<(), Error> {
        if self.needs_now(ObjectKind::Pods, place) {
            let alive = |pod: Pod| (!pod.is_terminal()).then_some(pod);
            *place = readable(self.access.bulk(&Scope::AllNamespaces, None, alive).await, &mut None)?;
        }
        Ok(())
    }

    async fn nodes(&self, place: &mut Known<Vec<Node>>) -> Result<(), Error> {
        if self.needs_now(ObjectKind::Nodes, place) {
            let keep = |node: Node| Some(node.compact());
            *place = readable(self.access.bulk(&Scope::Cluster, None, keep).await, &mut None)?;
        }
        Ok(())
    }
}
