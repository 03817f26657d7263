//! What a container wrote before it ended.

use std::collections::BTreeSet;

use super::Reason;
use super::diagnosis::Diagnosis;

/// The last lines of the previous run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogExcerpt {
    pub(crate) of: ContainerRef,
    pub(crate) lines: Vec<String>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ContainerRef {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
}

impl ContainerRef {
    /// The container whose log explains the reason; `None` if no log does.
    pub(crate) fn explaining(reason: &Reason, diagnosis: &Diagnosis<'_>) -> Option<Self> {
        let (Reason::CrashLoopBackOff { container, .. } | Reason::ContainerTerminated { container, .. }) = reason
        else {
            return None;
        };
        Some(Self {
            namespace: diagnosis.namespace().to_owned(),
            pod: diagnosis.pod?.metadata.name.clone(),
            container: container.clone(),
        })
    }
}

/// The containers that crash, each once.
pub(crate) fn crashed_containers(diagnoses: &[Diagnosis<'_>]) -> Vec<ContainerRef> {
    let of = |diagnosis: &Diagnosis<'_>| {
        diagnosis
            .failures()
            .filter_map(|(_, reason)| ContainerRef::explaining(&reason.reason, diagnosis))
            .collect::<Vec<_>>()
    };
    diagnoses.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The lines of the container; none if its log was not read.
pub(crate) fn lines_of<'l>(logs: &'l [LogExcerpt], container: &ContainerRef) -> &'l [String] {
    logs.iter().find(|log| log.of == *container).map(|log| log.lines.as_slice()).unwrap_or_default()
}
