//! The kinds that are listed as a stream and watched, with their paths.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;
use serde::de::DeserializeOwned;

use super::json::Tree;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Node, PodContainers, PodSummary};

/// A kind that can be watched.
pub(crate) trait ApiKind: DeserializeOwned + Send + 'static {
    /// `v1`, `apps/v1`.
    const GROUP_VERSION: &'static str;
    /// The resource name in paths.
    const PLURAL: &'static str;

    /// Decodes a changed object.
    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }
}

impl ApiKind for PodSummary {
    const GROUP_VERSION: &'static str = "v1";
    const PLURAL: &'static str = "pods";
}

impl ApiKind for Node {
    const GROUP_VERSION: &'static str = "v1";
    const PLURAL: &'static str = "nodes";
}

impl ApiKind for DaemonSet {
    const GROUP_VERSION: &'static str = Self::API_VERSION;
    const PLURAL: &'static str = Self::URL_PATH_SEGMENT;

    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).map(|Tree(object)| object)
    }
}

impl ApiKind for ControllerRevision {
    const GROUP_VERSION: &'static str = Self::API_VERSION;
    const PLURAL: &'static str = Self::URL_PATH_SEGMENT;

    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).map(|Tree(object)| object)
    }
}

impl ApiKind for Event {
    const GROUP_VERSION: &'static str = Self::API_VERSION;
    const PLURAL: &'static str = Self::URL_PATH_SEGMENT;
}

/// A kind with up to hundreds of thousands of objects: a trimmed type with decoders for both encodings.
pub(crate) trait StreamedKind: prost::Message + Default + ApiKind {
    /// The kind of the list.
    const LIST: &'static str;
}

impl StreamedKind for PodSummary {
    const LIST: &'static str = "PodList";
}

impl ApiKind for Pod {
    const GROUP_VERSION: &'static str = PodSummary::GROUP_VERSION;
    const PLURAL: &'static str = PodSummary::PLURAL;
}

impl StreamedKind for Pod {
    const LIST: &'static str = PodSummary::LIST;
}

impl ApiKind for PodContainers {
    const GROUP_VERSION: &'static str = PodSummary::GROUP_VERSION;
    const PLURAL: &'static str = PodSummary::PLURAL;
}

impl StreamedKind for PodContainers {
    const LIST: &'static str = PodSummary::LIST;
}

impl StreamedKind for Node {
    const LIST: &'static str = "NodeList";
}
