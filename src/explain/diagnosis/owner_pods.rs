//! The pods of those who remove the taints of a node, such as the network plugin.

use super::input::DiagnosisInput;
use crate::explain::{Reason, State, pod as pod_state};
use crate::placement::{Startup, TaintMeaning, TaintOwner, taint_owner};
use crate::snapshot::Taint;
use crate::snapshot::pod::Pod;

/// The pod of a taint's owner on the node, which removes the taint once it is ready.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OwnerPod<'a> {
    pub(crate) owner: &'static TaintOwner,
    pub(crate) pod: &'a Pod,
    pub(crate) state: State,
    pub(crate) reasons: Vec<Reason>,
}

impl OwnerPod<'_> {
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready | State::Available)
    }

    /// The DaemonSet of the pod.
    pub(crate) fn daemon_set(&self) -> Option<&str> {
        daemon_set(self.pod)
    }
}

fn daemon_set(pod: &Pod) -> Option<&str> {
    let owner = pod.metadata.controller().filter(|owner| owner.kind == "DaemonSet")?;
    Some(&owner.name)
}

/// The pods on the node of the owners of these taints, as far as they are known.
pub(super) fn owner_pods<'a>(input: &DiagnosisInput<'a>, taints: &[Taint]) -> Vec<OwnerPod<'a>> {
    let find = |taint: &Taint| {
        let owner = taint_owner(taint)?;
        let TaintMeaning::Startup(Startup { label: Some((key, value)), .. }) = owner.meaning else { return None };
        // The value of the label is also the usual name of the DaemonSet.
        let is_of_owner = |pod: &&Pod| {
            let has_label = pod.metadata.labels.get(key).is_some_and(|found| found == value);
            has_label || daemon_set(pod) == Some(value)
        };
        let pod = input.bound.known()?.iter().find(is_of_owner)?;
        let (state, reasons) = pod_state::pod_state(&pod.summary(), Some(input.node), 0, input.now);
        Some(OwnerPod { owner, pod, state, reasons })
    };
    let mut found: Vec<OwnerPod<'a>> = Vec::new();
    for owner_pod in taints.iter().filter_map(find) {
        if !found.contains(&owner_pod) {
            found.push(owner_pod);
        }
    }
    found
}
