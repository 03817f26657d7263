//! `v1.Pod`, trimmed to the names of its containers: what `logs` needs beside a `PodSummary`.

use serde::Deserialize;

use super::object::Labels;

/// The annotation with the container that kubectl uses by default (`pkg/cmd/util/podcmd/podcmd.go`
/// `DefaultContainerAnnotationName`).
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct PodContainers {
    #[prost(message, required, tag = "1")]
    pub(crate) metadata: ContainersMeta,
    #[prost(message, required, tag = "2")]
    pub(crate) spec: ContainersSpec,
}

/// `metav1.ObjectMeta`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct ContainersMeta {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "5")]
    pub(crate) uid: String,
    #[prost(btree_map = "string, string", tag = "12")]
    pub(crate) annotations: Labels,
}

/// `v1.PodSpec`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainersSpec {
    #[prost(message, repeated, tag = "2")]
    pub(crate) containers: Vec<ContainerName>,
    #[prost(message, repeated, tag = "20")]
    pub(crate) init_containers: Vec<ContainerName>,
    #[prost(message, repeated, tag = "34")]
    pub(crate) ephemeral_containers: Vec<EphemeralName>,
}

/// `v1.Container`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerName {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// `v1.EphemeralContainer`, trimmed: in JSON, the common fields are inline.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct EphemeralName {
    #[prost(message, required, tag = "1")]
    #[serde(flatten)]
    pub(crate) common: ContainerName,
}

impl PodContainers {
    /// The names of all containers, in the order in which kubectl reads their logs.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let ephemeral = self.spec.ephemeral_containers.iter().map(|one| &one.common);
        let all = self.spec.init_containers.iter().chain(&self.spec.containers).chain(ephemeral);
        all.map(|container| container.name.as_str())
    }

    /// The container that kubectl uses if none is named: the one of the annotation if it exists, else the first one.
    /// Init and ephemeral containers are used only if they are named.
    pub(crate) fn default_name(&self) -> Option<&str> {
        let annotated = self.metadata.annotations.get(DEFAULT_CONTAINER);
        let annotated = annotated.and_then(|name| self.names().find(|one| one == name));
        annotated.or_else(|| self.spec.containers.first().map(|container| container.name.as_str()))
    }
}
