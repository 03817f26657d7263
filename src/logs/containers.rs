//! The containers of a pod whose logs are read.
//!
//! Upstream: `staging/src/k8s.io/kubectl/pkg/polymorphichelpers/logsforobject.go` `logsForObjectWithClient`;
//! `staging/src/k8s.io/kubectl/pkg/cmd/util/podcmd/podcmd.go` `FindOrDefaultContainerByName`.

use crate::snapshot::PodContainers;

/// What `-c` and `--all-containers` select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContainerChoice {
    /// The container that kubectl uses by default.
    Default,
    /// One container of any kind: init containers and sidecars too.
    Named(String),
    /// All containers: init containers first, ephemeral ones last.
    All,
}

/// The pod has no container with the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownContainer {
    pub(crate) container: String,
    /// The containers that the pod has.
    pub(crate) names: Vec<String>,
}

/// The names of the containers of this pod that are selected.
pub(crate) fn selected_containers(
    pod: &PodContainers,
    choice: &ContainerChoice,
) -> Result<Vec<String>, UnknownContainer> {
    let names = || pod.names().map(str::to_owned).collect::<Vec<String>>();
    match choice {
        ContainerChoice::All => Ok(names()),
        ContainerChoice::Default => Ok(pod.default_name().map(str::to_owned).into_iter().collect()),
        ContainerChoice::Named(name) => match pod.names().any(|one| one == name) {
            true => Ok(vec![name.clone()]),
            false => Err(UnknownContainer { container: name.clone(), names: names() }),
        },
    }
}
