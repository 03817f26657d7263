//! What keeps nodes, or the whole rollout, from being done.

use serde::Serialize;

use crate::explain::{ImageProblem, Reason};

/// Which pod has the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum ProblemType {
    /// The API server rejects new pods. While it does, the controller does not continue the rollout either.
    PodCreation,
    /// The new pod is not available.
    NewPod,
    /// The old pod does not terminate, or remains where its node is deleted.
    OldPod,
}

/// A reason, and which pod it is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    pub(crate) problem_type: ProblemType,
    pub(crate) reason: Reason,
}

/// A problem of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NodeProblem {
    pub(super) problem: Problem,
    /// Whether it remains until something outside of the rollout changes.
    pub(super) needs_intervention: bool,
}

/// A problem with all nodes that have it. Its evidence is that of the first node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blocker<'a> {
    #[serde(flatten)]
    pub(crate) problem: Problem,
    /// In the order of the nodes; empty for a problem of no particular node.
    pub(crate) nodes: Vec<&'a str>,
    /// Whether it remains until something outside of the rollout changes.
    pub(crate) needs_intervention: bool,
    /// Whether the whole rollout cannot continue because of it. The rollout is stuck only if a blocker is blocking.
    pub(crate) blocking: bool,
}

/// Where the fault lies. It separates bad pods from nodes that are down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultDomain {
    /// The node is down.
    Node,
    /// The pod is bad.
    Pod,
    /// The cluster has no room for the pod, or rejects it.
    Cluster,
    /// The update strategy cannot work for this template.
    Strategy,
}

impl Problem {
    pub(super) fn new_pod(reason: Reason) -> Self {
        Self { problem_type: ProblemType::NewPod, reason }
    }

    pub(super) fn old_pod(reason: Reason) -> Self {
        Self { problem_type: ProblemType::OldPod, reason }
    }

    pub(crate) fn fault(&self) -> FaultDomain {
        match (self.problem_type, &self.reason) {
            (ProblemType::PodCreation, _) => FaultDomain::Cluster,
            (ProblemType::OldPod, _) | (ProblemType::NewPod, Reason::NodeNotReady { .. }) => FaultDomain::Node,
            (ProblemType::NewPod, Reason::SurgeHostPortConflict { .. } | Reason::SurgeAntiAffinityConflict) => {
                FaultDomain::Strategy
            }
            (ProblemType::NewPod, Reason::Unschedulable { .. } | Reason::SchedulingGated) => FaultDomain::Cluster,
            (ProblemType::NewPod, _) => FaultDomain::Pod,
        }
    }

    /// Whether a node with this problem is failing. A node that is only slow is not.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(
            self.reason,
            Reason::ContainersNotReady { .. } | Reason::ReadinessGatesNotReady { .. } | Reason::Warning { .. }
        )
    }

    /// The container that has the problem, if it is a problem of one container.
    pub(super) fn container(&self) -> Option<&str> {
        self.reason.container()
    }

    /// Whether both have the same cause. Numbers and messages may differ.
    pub(crate) fn has_same_cause(&self, other: &Self) -> bool {
        let has_same_code = std::mem::discriminant(&self.reason) == std::mem::discriminant(&other.reason);
        let has_same_part = match (&self.reason, &other.reason) {
            (Reason::Rejected { rejection: a, .. }, Reason::Rejected { rejection: b, .. }) => {
                std::mem::discriminant(a) == std::mem::discriminant(b)
            }
            (
                Reason::ImageError { reason: a, detail: a_detail, .. },
                Reason::ImageError { reason: b, detail: b_detail, .. },
            ) => {
                let (a, b) = (ImageProblem::new(a, a_detail), ImageProblem::new(b, b_detail));
                // Between two attempts, older kubelets do not say why the last one failed.
                let is_same_problem = a == b || a == ImageProblem::Unknown || b == ImageProblem::Unknown;
                self.container() == other.container() && is_same_problem
            }
            (Reason::PodFailed { reason: a, .. }, Reason::PodFailed { reason: b, .. })
            | (Reason::Warning { reason: a, .. }, Reason::Warning { reason: b, .. }) => a == b,
            (Reason::CrashLoopBackOff { last_exit: a, .. }, Reason::CrashLoopBackOff { last_exit: b, .. }) => {
                // Out of memory, a command that does not exist and an error of the program have other remedies.
                let has_same_end = a.as_ref().map(|exit| &exit.reason) == b.as_ref().map(|exit| &exit.reason);
                self.container() == other.container() && has_same_end
            }
            (Reason::ContainerError { reason: a, .. }, Reason::ContainerError { reason: b, .. }) => {
                self.container() == other.container() && a == b
            }
            _ => self.container() == other.container(),
        };
        self.problem_type == other.problem_type && has_same_code && has_same_part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Exit;

    fn crash(reason: &str, exit_code: i32) -> Problem {
        let last_exit = Some(Exit { exit_code, signal: 0, reason: reason.into(), message: String::new() });
        Problem::new_pod(Reason::CrashLoopBackOff { container: "main".into(), restarts: 3, last_exit })
    }

    fn warning(reason: &str) -> Problem {
        Problem::new_pod(Reason::Warning { reason: reason.into(), detail: "x".into(), count: 1, last_seen: None })
    }

    #[test]
    fn problems_with_other_remedies_are_not_merged() {
        assert!(crash("Error", 1).has_same_cause(&crash("Error", 2)));
        assert!(!crash("Error", 137).has_same_cause(&crash("OOMKilled", 137)));
        assert!(warning("FailedMount").has_same_cause(&warning("FailedMount")));
        assert!(!warning("FailedMount").has_same_cause(&warning("Unhealthy")));
    }
}
