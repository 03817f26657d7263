//! What holds a rollout.

use jiff::Timestamp;
use serde::Serialize;

use crate::admission::AdmissionRejection;
use crate::explain::Exit;

/// One cause that keeps nodes from being done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blocker<'a> {
    /// What it is, with its evidence.
    #[serde(flatten)]
    pub(crate) cause: Cause,
    /// The nodes it is found on, in the order of the nodes; empty where it concerns no node in particular.
    pub(crate) nodes: Vec<&'a str>,
    /// Whether it lasts until something outside of the rollout changes.
    pub(crate) needs_intervention: bool,
    /// Whether the rollout as a whole does not go on because of it: then, and only then, is it stuck.
    pub(crate) blocking: bool,
}

/// Why nodes are not done. Where several nodes share a cause, the evidence is that of the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Cause {
    /// The API server refuses new pods; while it does, the controller does not go on with the rollout either.
    CreatesRefused {
        /// Why.
        rejection: AdmissionRejection,
        /// How often the event says so.
        count: Option<i32>,
        /// When it said so last.
        last_seen: Option<Timestamp>,
    },
    /// The old pod is being deleted on a node whose kubelet does not answer: it stays, and counts, until the node is
    /// back or the pod is deleted by force.
    TerminatingOnDeadNode {
        /// The reason of the node's condition `Ready`.
        reason: String,
        /// Since when the node is down.
        since: Option<Timestamp>,
    },
    /// The pod is past its grace period on a node that answers.
    TerminatingPastGrace {
        /// When it was to be gone.
        deadline: Timestamp,
        /// What may hold it.
        finalizers: Vec<String>,
    },
    /// The new pod is there, and its node is down.
    NewPodOnDeadNode {
        /// The reason of the node's condition `Ready`.
        reason: String,
        /// Since when the node is down.
        since: Option<Timestamp>,
    },
    /// The new pod's image cannot be had.
    BadImage {
        /// The container.
        container: String,
        /// The image that the template names for it.
        image: Option<String>,
        /// The kubelet's reason: `ImagePullBackOff`, `InvalidImageName`, ...
        reason: String,
        /// The kubelet's words.
        detail: String,
    },
    /// A container of the new pod ends again and again.
    CrashLoop {
        /// The container.
        container: String,
        /// How often it was started again, on the node where it was most often.
        restarts: i32,
        /// How it ended last.
        last_exit: Option<Exit>,
    },
    /// A container of the new pod cannot be made: a missing ConfigMap or Secret, a bad command, a failing hook.
    ContainerConfig {
        /// The container.
        container: String,
        /// The kubelet's reason: `CreateContainerConfigError`, `RunContainerError`, ...
        reason: String,
        /// The kubelet's words.
        detail: String,
    },
    /// The new pod wants a port of the node that the old pod beside it has, and the old one goes only when the new
    /// one is available.
    SurgeHostPort {
        /// The port.
        port: i32,
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
    },
    /// An old pod is left on a node that was deleted: the controller's rollout fails on it until the pod is
    /// garbage-collected.
    SurgeOldPodOnDeletedNode {
        /// The pod.
        pod: String,
    },
    /// The scheduler does not find room for the new pod.
    NewPodUnschedulable {
        /// The scheduler's words.
        scheduler: String,
    },
    /// A scheduling gate is on the new pod.
    NewPodGated,
    /// The new pod failed as a whole, and is made again.
    NewPodFailed {
        /// `status.reason`.
        reason: String,
        /// `status.message`.
        detail: String,
    },
    /// The new pod runs, and is not ready.
    NewPodNotReady {
        /// The containers that are not.
        containers: Vec<String>,
        /// The kubelet's words about a readiness gate.
        detail: Option<String>,
    },
    /// The new pod does not come up, and an event says why.
    NewPodWarned {
        /// The event's reason: `FailedMount`, ...
        reason: String,
        /// The event's words.
        detail: String,
    },
}

/// Where the fault lies: bad new pods and dead nodes are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum FaultDomain {
    /// The nodes are down.
    Node,
    /// The new pods are bad.
    Pod,
    /// The cluster does not take the pods.
    Cluster,
    /// The strategy cannot work for this template.
    Strategy,
}

impl Cause {
    /// Where the fault lies.
    pub(crate) fn fault(&self) -> FaultDomain {
        match self {
            Self::TerminatingOnDeadNode { .. }
            | Self::TerminatingPastGrace { .. }
            | Self::NewPodOnDeadNode { .. }
            | Self::SurgeOldPodOnDeletedNode { .. } => FaultDomain::Node,
            Self::CreatesRefused { .. } | Self::NewPodUnschedulable { .. } | Self::NewPodGated => FaultDomain::Cluster,
            Self::SurgeHostPort { .. } => FaultDomain::Strategy,
            Self::BadImage { .. }
            | Self::CrashLoop { .. }
            | Self::ContainerConfig { .. }
            | Self::NewPodFailed { .. }
            | Self::NewPodNotReady { .. }
            | Self::NewPodWarned { .. } => FaultDomain::Pod,
        }
    }
}
