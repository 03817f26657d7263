//! Why a node and a DaemonSet stand as they do: one variant for each cause, with the objects' own values. The words
//! are the renderer's.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use crate::admission::{AdmissionRejection, FailedCreateEvent};
use crate::placement::PlacementFailure;
use crate::scheduling::FilterRejection;
use crate::snapshot::Generation;

/// One cause and its evidence. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Reason {
    /// A pod is wanted, there is none, and nothing on record says why.
    NotCreated,
    /// The API holds a newer spec than the controller has looked at.
    NotObserved {
        /// `metadata.generation`.
        generation: i64,
        /// `status.observedGeneration`.
        observed: i64,
    },
    /// The scheduler found that the pod fits nowhere it may go.
    Unschedulable {
        /// The scheduler's words.
        scheduler: String,
    },
    /// The scheduler found so, and no filter refuses the pod any more.
    NoLongerUnschedulable {
        /// The scheduler's words.
        scheduler: String,
    },
    /// A scheduling gate is still on the pod.
    SchedulingGated,
    /// The scheduler failed.
    SchedulerError {
        /// The scheduler's words.
        scheduler: String,
    },
    /// No scheduler has looked at the pod.
    NotScheduled {
        /// The scheduler that the pod asks for, where that was looked at.
        #[serde(skip_serializing_if = "Option::is_none")]
        scheduler_name: Option<String>,
    },
    /// What would tell could not be read.
    NotKnown {
        /// What is missing.
        missing: String,
    },
    /// The node is short of something, and its kubelet takes no pods that are not critical.
    NodePressure {
        /// The node's condition: `DiskPressure`, ...
        condition: String,
    },
    /// A taint takes the pod away again: it is tolerated for a time only.
    TaintEviction {
        /// The taint.
        taint: String,
        /// For how long it is tolerated.
        seconds: i64,
    },
    /// The pod has failed as a whole: rejected by the kubelet, evicted, or ended.
    PodFailed {
        /// `status.reason`.
        reason: String,
        /// `status.message`.
        detail: String,
        /// What ended the pod.
        #[serde(skip)]
        by: FailedBy,
        /// When a pressure or a shutdown took it: the reason of the condition `DisruptionTarget`.
        #[serde(skip_serializing_if = "Option::is_none")]
        disruption: Option<String>,
    },
    /// All containers have ended well, which those of a daemon should not.
    PodSucceeded,
    /// The image cannot be had.
    ImageError {
        container: String,
        /// The image that the template names; none where the template was not read.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// The kubelet's reason: `ImagePullBackOff`, `InvalidImageName`, ...
        reason: String,
        /// The kubelet's words.
        detail: String,
    },
    /// The container cannot be made: a missing ConfigMap or Secret, a bad command, a failing hook.
    ContainerError {
        /// The container.
        container: String,
        /// The kubelet's reason: `CreateContainerConfigError`, `RunContainerError`, ...
        reason: String,
        /// The kubelet's words.
        detail: String,
    },
    /// The container ends again and again.
    CrashLoopBackOff {
        /// The container.
        container: String,
        /// How often it was started again.
        restarts: i32,
        /// How it ended last.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_exit: Option<Exit>,
    },
    /// The container has ended and was not started again yet.
    ContainerTerminated {
        /// The container.
        container: String,
        /// How often it was started again.
        restarts: i32,
        /// How it ended.
        last_exit: Exit,
    },
    /// Init containers are at work.
    Initializing {
        /// How many have done their part.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// The containers are being created.
    ContainerCreating,
    /// The kubelet has said nothing about the pod.
    NotSeenByKubelet,
    /// Containers run, and are not ready.
    ContainersNotReady {
        /// Which.
        containers: Vec<String>,
    },
    /// A readiness gate is not met.
    ReadinessGatesNotReady {
        /// The kubelet's words.
        detail: String,
    },
    /// The node does not report as ready.
    NodeNotReady {
        /// The condition's reason.
        reason: String,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Ready, and counted as available only after `minReadySeconds`.
    MinReadySeconds {
        /// The seconds that are asked for.
        min_ready_seconds: i32,
        /// Since when the pod is ready.
        since: Option<Timestamp>,
    },
    /// Deleted, and within its grace period.
    Terminating {
        /// When it is to be gone.
        deadline: Timestamp,
    },
    /// The DaemonSet itself is being deleted: no pod is made any more.
    DaemonSetDeleting {
        /// Since when.
        since: Timestamp,
        /// What holds it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        finalizers: Vec<String>,
    },
    /// Deleted, and past its grace period still there.
    StuckTerminating {
        /// When it was to be gone.
        deadline: Timestamp,
        /// What may hold it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        finalizers: Vec<String>,
    },
    /// A newest warning about the pod.
    Warning {
        /// The event's reason: `FailedMount`, `FailedCreatePodSandBox`, ...
        reason: String,
        /// The event's words.
        detail: String,
        /// How often.
        count: i32,
        /// When last.
        last_seen: Option<Timestamp>,
    },
    /// With a surge, the new pod and the old pod next to it need the same host port, and the old pod remains until the
    /// new pod is available.
    SurgeHostPortConflict {
        port: i32,
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
    },
    /// With a surge, an old pod on a node that was deleted stops the rollout until the pod is garbage-collected.
    OldPodOnDeletedNode {
        /// The name of the pod.
        pod: String,
    },
    /// More pods than one on the node.
    ExtraPods {
        /// The others.
        pods: Vec<String>,
    },
    /// The controller does not want a pod here.
    #[serde(untagged)]
    NotEligible(PlacementFailure),
    /// The API server does not let the pod be made.
    #[serde(untagged)]
    Rejected {
        /// Why.
        #[serde(flatten)]
        rejection: AdmissionRejection,
        /// How often an event says so; an event names no node.
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<i32>,
        /// When it said so last.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
    },
    /// The scheduler finds that the node does not take the pod.
    #[serde(untagged)]
    FilterRejection(FilterRejection),
}

impl Reason {
    /// A pod is wanted, there is none, and nothing on record says why.
    pub(crate) fn not_created(daemon_set: &DaemonSet) -> Self {
        let generation = Generation::new(daemon_set);
        match generation.is_observed() {
            true => Self::NotCreated,
            false => Self::NotObserved { generation: generation.current, observed: generation.observed },
        }
    }

    /// A refusal with the event that speaks of it, if one does.
    pub(crate) fn rejected(rejection: AdmissionRejection, event: Option<&FailedCreateEvent>) -> Self {
        Self::Rejected {
            rejection,
            count: event.map(|event| event.count),
            last_seen: event.and_then(|event| event.last_seen),
        }
    }

    /// The one reason to show where there is room for one: the first, unless an event says more than that.
    pub(crate) fn leading(reasons: &[Self]) -> Option<&Self> {
        let first = reasons.first()?;
        let warning = reasons.iter().find(|reason| matches!(reason, Self::Warning { .. }));
        warning.filter(|_| first.is_transitional()).or(Some(first))
    }

    /// Whether it only says that something is not done yet, so that an event may say more.
    pub(crate) fn is_transitional(&self) -> bool {
        matches!(
            self,
            Self::Initializing { .. }
                | Self::ContainerCreating
                | Self::NotSeenByKubelet
                | Self::ContainersNotReady { .. }
                | Self::ReadinessGatesNotReady { .. }
        )
    }
}

/// What ended a pod that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailedBy {
    /// The kubelet rejected or evicted it, and says so in `status.reason`.
    Kubelet,
    /// A container ended, and the pod may not restart it.
    Containers,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exit {
    /// The exit code.
    pub(crate) exit_code: i32,
    /// The signal, 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) signal: i32,
    /// `Error`, `OOMKilled`, `Completed`, ...
    pub(crate) reason: String,
    /// What it left behind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(signal: &i32) -> bool {
    *signal == 0
}
