//! Lists only the metadata of objects, for completion: `metav1.PartialObjectMetadataList` is much smaller than the
//! objects.

use serde::Deserialize;

use super::{Encoding, Reader};
use crate::cluster::access::Access;
use crate::cluster::json;
use crate::cluster::protobuf::{self, ListDecoder};
use crate::cluster::query::{Query, Scope};
use crate::error::Error;
use crate::snapshot::object::ObjectMeta;

/// A kind whose metadata can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataKind {
    DaemonSets,
    Nodes,
    Namespaces,
}

/// `metav1.PartialObjectMetadata`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
struct Partial {
    #[prost(message, required, tag = "1")]
    metadata: ObjectMeta,
}

impl Encoding<Partial> {
    const METADATA: Self = Self {
        accept: "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, \
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        open: |content_type| match content_type {
            protobuf::CONTENT_TYPE => Some(Box::new(ListDecoder::new("PartialObjectMetadataList"))),
            "application/json" => Some(Box::new(json::ListDecoder::new()) as Box<dyn Reader<Partial> + Send>),
            _ => None,
        },
    };
}

impl Access {
    /// The metadata of all objects of a kind, or of `limit` of them. Without a limit it is read from the server's
    /// cache, which may be slightly outdated and is cheap for the server.
    pub(crate) async fn metadata(
        &self,
        kind: MetadataKind,
        scope: &Scope,
        limit: Option<u32>,
    ) -> Result<Vec<ObjectMeta>, Error> {
        let (group_version, plural) = match kind {
            MetadataKind::DaemonSets => ("apps/v1", "daemonsets"),
            MetadataKind::Nodes => ("v1", "nodes"),
            MetadataKind::Namespaces => ("v1", "namespaces"),
        };
        let mut query = Query::new("list", group_version, plural, scope);
        query.limit = limit;
        // The cache ignores a limit.
        query.may_be_old = limit.is_none();
        let listed = self.gather(&query, &Encoding::METADATA, &mut Some).await?;
        Ok(listed.items.into_iter().map(|partial: Partial| partial.metadata).collect())
    }
}
