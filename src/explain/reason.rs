//! Why a DaemonSet has its state on a node: one variant for each cause, with values of the objects as evidence. The
//! renderer writes the sentences.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use crate::admission::{AdmissionRejection, FailedCreateEvent};
use crate::placement::PlacementFailure;
use crate::scheduling::FilterRejection;
use crate::snapshot::{Generation, Node, PodSummary, VirtualNode};

/// One cause and its evidence. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum Reason {
    /// The pod is missing, and no object or event shows why.
    NotCreated,
    /// The DaemonSet's spec is newer than the one that the controller has observed.
    NotObserved {
        /// `metadata.generation`.
        generation: i64,
        /// `status.observedGeneration`.
        observed: i64,
    },
    /// The scheduler found no node for the pod.
    Unschedulable {
        /// The message of the scheduler.
        scheduler: String,
    },
    /// The scheduler found no node for the pod, but no filter rejects the pod now.
    NoLongerUnschedulable {
        /// The message of the scheduler.
        scheduler: String,
    },
    /// The pod has scheduling gates.
    SchedulingGated,
    /// The scheduler failed with an error.
    SchedulerError {
        /// The message of the scheduler.
        scheduler: String,
    },
    /// No scheduler has processed the pod.
    NotScheduled {
        /// The scheduler that the pod names; none in states that are found without the pod's spec.
        #[serde(skip_serializing_if = "Option::is_none")]
        scheduler_name: Option<String>,
    },
    /// Data that is required could not be read.
    NotKnown { missing: String },
    /// The node is under pressure, and its kubelet rejects pods that are not critical.
    NodePressure {
        /// The condition of the node, such as `DiskPressure`.
        condition: String,
    },
    /// A `NoExecute` taint evicts the pod, because the pod tolerates it only for a limited time.
    TaintEviction {
        taint: String,
        /// The time for which it is tolerated.
        seconds: i64,
    },
    /// The pod as a whole failed: the kubelet rejected it, it was evicted, or its containers failed.
    PodFailed {
        /// `status.reason`.
        reason: String,
        /// `status.message`.
        detail: String,
        /// What ended the pod.
        #[serde(skip)]
        by: FailedBy,
        /// The reason of the condition `DisruptionTarget`, if a pressure, a preemption or a shutdown ended the pod.
        #[serde(skip_serializing_if = "Option::is_none")]
        disruption: Option<String>,
    },
    /// All containers exited with 0, which the containers of a daemon should not do.
    PodSucceeded,
    /// The image cannot be pulled.
    ImageError {
        container: String,
        /// The image that the template names; none where the template was not read.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// The kubelet's reason, such as `ImagePullBackOff` or `InvalidImageName`.
        reason: String,
        /// The kubelet's message.
        detail: String,
    },
    /// The container cannot be created or started: a missing ConfigMap or Secret, an invalid command, a failing hook.
    ContainerError {
        container: String,
        /// The kubelet's reason, such as `CreateContainerConfigError` or `RunContainerError`.
        reason: String,
        /// The kubelet's message.
        detail: String,
    },
    /// The container exits repeatedly.
    CrashLoopBackOff {
        container: String,
        restarts: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_exit: Option<Exit>,
    },
    /// The container exited and has not been restarted yet.
    ContainerTerminated { container: String, restarts: i32, last_exit: Exit },
    /// Init containers are running.
    Initializing {
        /// The number of init containers that are done.
        done: usize,
        /// The number of init containers.
        total: usize,
        /// The init container that runs; the others wait for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        container: Option<String>,
    },
    /// The containers are being created.
    ContainerCreating,
    /// The kubelet has not reported any status of the pod.
    NotSeenByKubelet,
    /// All containers run, but these are not ready.
    ContainersNotReady { containers: Vec<String> },
    /// A readiness gate is not satisfied.
    ReadinessGatesNotReady {
        /// The kubelet's message.
        detail: String,
    },
    /// The `Ready` condition of the node is not `True`.
    NodeNotReady {
        status: ReadyStatus,
        /// The reason of the condition.
        reason: String,
        /// The message of the condition: why the kubelet is not ready, such as a network plugin that is not initialized.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
        since: Option<Timestamp>,
    },
    /// The node is virtual: no pod of a DaemonSet runs on it.
    VirtualNode { provider: VirtualNode },
    /// The node is being deleted: nothing that is done for its pods lasts.
    NodeDeleting {
        /// Since when.
        since: Timestamp,
        /// What has to be done before the node is removed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        finalizers: Vec<String>,
    },
    /// The node is being maintained or drained, by a lifecycle condition of the node.
    NodeMaintenance {
        /// The type of the condition, such as `DrainInProgress`.
        condition: String,
        /// The reason of the condition.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
        /// The message of the condition.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
        since: Option<Timestamp>,
    },
    /// The pod is ready, but not yet for `minReadySeconds`.
    MinReadySeconds {
        min_ready_seconds: i32,
        /// The time since which the pod is ready.
        since: Option<Timestamp>,
    },
    /// The pod is being deleted, and its grace period has not expired.
    Terminating {
        /// The end of the grace period.
        deadline: Timestamp,
    },
    /// The DaemonSet is being deleted: the controller creates no more pods.
    DaemonSetDeleting {
        since: Timestamp,
        /// What keeps the object from being removed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        finalizers: Vec<String>,
    },
    /// The pod is being deleted, and its grace period has expired.
    StuckTerminating {
        /// The end of the grace period.
        deadline: Timestamp,
        /// What may keep the object from being removed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        finalizers: Vec<String>,
        /// Whether the kubelet of the pod's node reports, so that the containers may still run.
        #[serde(skip)]
        kubelet_reports: bool,
    },
    /// The newest warning event about the pod.
    Warning {
        /// The reason of the event, such as `FailedMount` or `FailedCreatePodSandBox`.
        reason: String,
        /// The message of the event.
        detail: String,
        count: i32,
        last_seen: Option<Timestamp>,
    },
    /// With a surge, the new pod and the old pod next to it need the same host port, and the old pod remains until the
    /// new pod is available.
    SurgeHostPortConflict {
        port: i32,
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
    },
    /// With a surge, the required anti-affinity of the new pod or of the old pod next to it excludes the other one, and the
    /// old pod remains until the new pod is available.
    SurgeAntiAffinityConflict,
    /// With a surge, an old pod on a node that was deleted stops the rollout until the pod is garbage-collected.
    OldPodOnDeletedNode {
        /// The name of the pod.
        pod: String,
    },
    /// The node has more than one pod of the DaemonSet.
    ExtraPods {
        /// The pods other than the one that counts.
        pods: Vec<String>,
    },
    /// The node is not eligible.
    #[serde(untagged)]
    NotEligible(PlacementFailure),
    /// The API server rejects the pod.
    #[serde(untagged)]
    Rejected {
        #[serde(flatten)]
        rejection: AdmissionRejection,
        /// The number of occurrences of the event, if an event reports the rejection. The event names no node.
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
    },
    /// A filter of the scheduler rejects the node.
    #[serde(untagged)]
    FilterRejection(FilterRejection),
}

impl Reason {
    /// The reason for a pod that is missing and that nothing else explains.
    pub(crate) fn not_created(daemon_set: &DaemonSet) -> Self {
        let generation = Generation::new(daemon_set);
        match generation.is_observed() {
            true => Self::NotCreated,
            false => Self::NotObserved { generation: generation.current, observed: generation.observed },
        }
    }

    /// A rejection with the count and time of the event that reports it, if there is one.
    pub(crate) fn rejected(rejection: AdmissionRejection, event: Option<&FailedCreateEvent>) -> Self {
        Self::Rejected {
            rejection,
            count: event.map(|event| event.count),
            last_seen: event.and_then(|event| event.last_seen),
        }
    }

    /// Whether the kubelet reports that the node is not ready for lack of a network
    /// (`pkg/kubelet/runtime.go` `networkErrors`; the words after it are those of the container runtime).
    pub(crate) fn is_without_network(&self) -> bool {
        match self {
            Self::NodeNotReady { status: ReadyStatus::False, detail, .. } => {
                detail.contains("container runtime network not ready") || detail.contains("cni plugin not initialized")
            }
            _ => false,
        }
    }

    /// Whether `status.reason` of a failed pod is one with which a kubelet reports that a filter rejects the pod
    /// (`pkg/kubelet/lifecycle/predicate.go` `Admit`).
    pub(crate) fn is_filter_rejection_of_kubelet(status_reason: &str) -> bool {
        status_reason.starts_with("OutOf") || matches!(status_reason, "NodePorts" | "NodeAffinity")
    }

    /// Whether it is the event of a probe whose failure restarts the container (`pkg/kubelet/prober/prober.go`
    /// `probe`).
    pub(crate) fn is_restarting_probe(&self) -> bool {
        let Self::Warning { reason, detail, .. } = self else { return false };
        reason == "Unhealthy" && ["Liveness probe", "Startup probe"].iter().any(|probe| detail.starts_with(probe))
    }

    /// Whether the API server rejects the pod.
    pub(crate) fn is_rejection(&self) -> bool {
        matches!(self, Self::Rejected { .. })
    }

    /// The one reason to show where only one fits: the first one, unless it is transitional and an event says more.
    pub(crate) fn leading(reasons: &[Self]) -> Option<&Self> {
        let first = reasons.first()?;
        let warning = reasons.iter().find(|reason| matches!(reason, Self::Warning { .. }));
        warning.filter(|_| first.is_transitional()).or(Some(first))
    }

    /// The container that the reason is about, if it is about one.
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            Self::ImageError { container, .. }
            | Self::ContainerError { container, .. }
            | Self::CrashLoopBackOff { container, .. }
            | Self::ContainerTerminated { container, .. } => Some(container),
            Self::NotCreated
            | Self::NotObserved { .. }
            | Self::Unschedulable { .. }
            | Self::NoLongerUnschedulable { .. }
            | Self::SchedulingGated
            | Self::SchedulerError { .. }
            | Self::NotScheduled { .. }
            | Self::NotKnown { .. }
            | Self::NodePressure { .. }
            | Self::TaintEviction { .. }
            | Self::PodFailed { .. }
            | Self::PodSucceeded
            | Self::Initializing { .. }
            | Self::ContainerCreating
            | Self::NotSeenByKubelet
            | Self::ContainersNotReady { .. }
            | Self::ReadinessGatesNotReady { .. }
            | Self::NodeNotReady { .. }
            | Self::VirtualNode { .. }
            | Self::NodeDeleting { .. }
            | Self::NodeMaintenance { .. }
            | Self::MinReadySeconds { .. }
            | Self::Terminating { .. }
            | Self::DaemonSetDeleting { .. }
            | Self::StuckTerminating { .. }
            | Self::Warning { .. }
            | Self::SurgeHostPortConflict { .. }
            | Self::SurgeAntiAffinityConflict
            | Self::OldPodOnDeletedNode { .. }
            | Self::ExtraPods { .. }
            | Self::NotEligible(_)
            | Self::Rejected { .. }
            | Self::FilterRejection(_) => None,
        }
    }

    /// That the node is not ready, if it is not: then no pod on the node is ready.
    pub(crate) fn node_not_ready(node: &Node) -> Option<Self> {
        let condition = node.not_ready_condition()?;
        Some(Self::NodeNotReady {
            status: if condition.status == "False" { ReadyStatus::False } else { ReadyStatus::Unknown },
            reason: condition.reason.clone(),
            detail: condition.message.trim_end_matches('.').to_owned(),
            since: condition.last_transition_time.map(|time| time.timestamp()),
        })
    }

    /// For a pod whose grace period ended at `deadline`; `node` is its node, if it is known.
    pub(crate) fn stuck_terminating(pod: &PodSummary, deadline: Timestamp, node: Option<&Node>) -> Self {
        let ready = node.and_then(|node| node.condition("Ready"));
        Self::StuckTerminating {
            deadline,
            finalizers: pod.metadata.finalizers.clone(),
            kubelet_reports: ready.is_some_and(|ready| ready.status != "Unknown"),
        }
    }

    /// Whether the reason only shows that a step is not finished yet, so that an event can say more.
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

/// The status of a `Ready` condition that is not `True`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum ReadyStatus {
    /// The kubelet runs, and reports that the node is not ready. It still starts and stops pods, and it starts pods with
    /// the network of the host even if the network plugin is not ready (`pkg/kubelet/kubelet.go` `SyncPod`).
    False,
    /// The kubelet does not report: the node, its kubelet or its network is down.
    Unknown,
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exit {
    pub(crate) exit_code: i32,
    /// The signal, or 0 if the container was not ended by one.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) signal: i32,
    /// The reason, such as `Error`, `OOMKilled` or `Completed`.
    pub(crate) reason: String,
    /// The termination message that the container wrote.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(signal: &i32) -> bool {
    *signal == 0
}
