//! The checks of a diagnosis: their stages, their names, and what they found.

use std::borrow::Cow;

use serde::Serialize;

use crate::admission::AdmissionPlugin;
use crate::check_result::CheckResult;
use crate::explain::Reason;
use crate::scheduling::Filter;
use crate::snapshot::Missing;

/// The stages of a daemon pod, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Stage {
    /// The DaemonSet controller: is the node eligible?
    Controller,
    /// The API server: does it accept the pod?
    Admission,
    /// The scheduler: does the pod fit on the node?
    Scheduler,
    /// The kubelet: does it accept and keep the pod?
    Kubelet,
    /// The pod itself: does it run and is it ready?
    Pod,
}

/// The name of a check. A plugin keeps the name that Kubernetes gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum CheckName {
    NodeName,
    NodeSelector,
    NodeAffinity,
    TaintToleration,
    /// OpenShift's node selector of a namespace.
    NamespaceSelector,
    DaemonSetDeleted,
    PodCreated,
    /// The condition `PodScheduled`.
    PodScheduled,
    Bound,
    /// The node is not virtual. Only checked where it is.
    VirtualNode,
    /// The node is not being deleted. Only checked where it is.
    NodeDeletion,
    NodeMaintenance,
    NodeReady,
    PodAdmission,
    Pressure,
    TaintEviction,
    Termination,
    Phase,
    InitContainers,
    Image,
    Containers,
    Readiness,
    /// Exactly one pod of the DaemonSet is on the node.
    OnePod,
    #[serde(untagged)]
    Admission(AdmissionPlugin),
    #[serde(untagged)]
    Filter(Filter),
}

impl CheckName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NodeName => "NodeName",
            Self::NodeSelector => "NodeSelector",
            Self::NodeAffinity => "NodeAffinity",
            Self::TaintToleration => "TaintToleration",
            Self::NamespaceSelector => "NamespaceSelector",
            Self::DaemonSetDeleted => "DaemonSetDeleted",
            Self::PodCreated => "PodCreated",
            Self::Admission(plugin) => plugin.name(),
            Self::Filter(filter) => filter.name(),
            Self::PodScheduled => "PodScheduled",
            Self::Bound => "Bound",
            Self::VirtualNode => "VirtualNode",
            Self::NodeDeletion => "NodeDeletion",
            Self::NodeMaintenance => "NodeMaintenance",
            Self::NodeReady => "NodeReady",
            Self::PodAdmission => "PodAdmission",
            Self::Pressure => "Pressure",
            Self::TaintEviction => "TaintEviction",
            Self::Termination => "Termination",
            Self::Phase => "Phase",
            Self::InitContainers => "InitContainers",
            Self::Image => "Image",
            Self::Containers => "Containers",
            Self::Readiness => "Readiness",
            Self::OnePod => "OnePod",
        }
    }
}

/// One check at one stage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) stage: Stage,
    pub(crate) name: CheckName,
    pub(crate) result: CheckResult<CheckReason>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckReason {
    pub(crate) reason: Reason,
    /// The message of the scheduler, if it has one for this reason.
    pub(crate) scheduler: Option<String>,
}

impl Check {
    pub(super) fn pass(stage: Stage, name: CheckName) -> Self {
        Self { stage, name, result: CheckResult::Pass }
    }

    /// Fails for these reasons, and passes where there are none.
    pub(super) fn from_reasons(stage: Stage, name: CheckName, reasons: Vec<Reason>) -> Self {
        let reasons = reasons.into_iter().map(|reason| CheckReason { reason, scheduler: None }).collect();
        Self { stage, name, result: CheckResult::from_reasons(reasons) }
    }

    pub(super) fn unknown(stage: Stage, name: CheckName, missing: Missing) -> Self {
        Self { stage, name, result: CheckResult::Unknown { missing } }
    }

    /// Why the check fails; empty if it does not.
    pub(crate) fn failures(&self) -> &[CheckReason] {
        match &self.result {
            CheckResult::Fail(reasons) => reasons,
            CheckResult::Pass | CheckResult::Unknown { .. } => &[],
        }
    }

    /// Why the check fails, or why its result is unknown; empty for a pass.
    pub(crate) fn reasons(&self) -> Cow<'_, [CheckReason]> {
        match &self.result {
            CheckResult::Pass => Cow::Borrowed(&[]),
            CheckResult::Fail(reasons) => Cow::Borrowed(reasons),
            CheckResult::Unknown { missing } => {
                let reason = Reason::NotKnown { missing: missing.to_string() };
                Cow::Owned(vec![CheckReason { reason, scheduler: None }])
            }
        }
    }
}
