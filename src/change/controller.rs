//! What the controllers do after a change: they replace, create and delete pods.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `manage`, `podsShouldBeOnNode`; `pkg/controller/daemon/update.go`
//! `rollingUpdate`. The result is the end of a rollout on this node: the controller replaces a pod that is not available
//! whatever the budget is.

use std::borrow::Cow;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::{ChangeError, NodeCase};
use crate::admission::{self, PredictedPod};
use crate::placement::{self, Placement};
use crate::scheduling::{accepts_node, tied_to_node};
use crate::snapshot::pod::Pod;

impl NodeCase<'_> {
    /// Whether the controller wants a pod on the node.
    pub(crate) fn placement(&self) -> Placement {
        placement::evaluate(&self.daemon_set, &self.node, self.openshift).placement
    }

    pub(super) fn replace_daemon_set(&mut self, changed: DaemonSet) -> Result<(), ChangeError> {
        let had_surge = allows_surge(&self.daemon_set);
        if changed.spec.template != self.daemon_set.spec.template {
            let reference = self.own_pods.first().map(Cow::as_ref);
            let reference = reference.or(self.predicted.as_ref().map(|predicted| &predicted.pod));
            let pod = match reference {
                Some(pod) => admission::with_template_change(pod, &self.daemon_set, &changed, &self.cluster_objects)
                    .ok_or(ChangeError::NotComputable)?,
                None => admission::predict(&changed, &self.node.metadata.name, &self.cluster_objects).pod,
            };
            self.predict(pod);
            if !is_on_delete(&changed) {
                while !self.own_pods.is_empty() {
                    self.remove_own_pod(0);
                }
            }
        } else if had_surge && !allows_surge(&changed) {
            // Without a surge, the controller deletes the old pods before it creates new ones.
            while let Some(old) = self.own_pods.iter().position(|pod| !pod.spec.node_name.is_empty()) {
                self.remove_own_pod(old);
            }
        }
        self.daemon_set = Cow::Owned(changed);
        Ok(())
    }

    fn predict(&mut self, pod: Pod) {
        let assumptions = self.predicted.as_ref().map(|known| known.assumptions.clone()).unwrap_or_default();
        self.predicted = Some(Cow::Owned(PredictedPod { pod, from_existing: false, assumptions }));
    }

    /// Removes a pod of the DaemonSet. The next one will be like it, unless another one is predicted.
    pub(super) fn remove_own_pod(&mut self, index: usize) {
        let pod = self.own_pods.remove(index).into_owned();
        let uid = pod.metadata.uid.clone();
        if self.predicted.is_none() {
            self.predict(admission::predict_from(&pod, &self.node.metadata.name));
        }
        self.unbind(|other| other.metadata.uid == uid);
    }

    /// Removes a pod of another owner from the node, unless it would come back.
    pub(super) fn remove_other_pod(&mut self, namespace: &str, name: &str) -> Result<(), ChangeError> {
        let is_it = |pod: &&Pod| pod.metadata.namespace == namespace && pod.metadata.name == name;
        let bound = self.bound.known().ok_or(ChangeError::NotComputable)?;
        let pod = bound.iter().find(is_it).ok_or(ChangeError::NotComputable)?;
        // Without a cordon, the scheduler may choose this node again.
        let comes_back = match pod.metadata.controller() {
            None => false,
            Some(_) if !self.node.spec.unschedulable || tied_to_node(pod).is_some() => true,
            Some(_) => self.is_only_node(pod)?,
        };
        if !comes_back {
            if !pod.metadata.finalizers.is_empty() || self.others_wait_for_the_node() {
                return Err(ChangeError::NotComputable);
            }
            let uid = pod.metadata.uid.clone();
            self.unbind(|other| other.metadata.uid == uid);
        }
        Ok(())
    }

    /// Whether another unscheduled pod for the node may take a place that becomes free. Its priority does not matter: the
    /// scheduler may try it first while a pod that failed lately still waits for its next attempt
    /// (`pkg/scheduler/backend/queue/scheduling_queue.go` `moveToActiveQ`, `backoffQ`).
    fn others_wait_for_the_node(&self) -> bool {
        let own = self.own_pods.first().map(|pod| pod.metadata.uid.as_str());
        let Some(pinned) = self.pinned.known() else { return true };
        pinned.iter().any(|pod| Some(pod.metadata.uid.as_str()) != own && !pod.is_terminating())
    }

    /// Whether no other node accepts the pod. Its resources are not compared.
    fn is_only_node(&self, pod: &Pod) -> Result<bool, ChangeError> {
        let nodes = self.cluster_objects.nodes.known().ok_or(ChangeError::NotComputable)?;
        let mut others = nodes.iter().filter(|node| node.metadata.name != self.node.metadata.name);
        Ok(!others.any(|node| accepts_node(&pod.spec, node)))
    }

    /// What the controller does in the end: it deletes the pods of a node that is not eligible.
    pub(super) fn settle(&mut self) {
        if self.placement() == Placement::Exclude {
            while !self.own_pods.is_empty() {
                self.remove_own_pod(0);
            }
        }
    }
}

fn is_on_delete(daemon_set: &DaemonSet) -> bool {
    let strategy = daemon_set.spec.update_strategy.as_ref();
    strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete")
}

/// Whether the DaemonSet creates a new pod beside the old one (`pkg/controller/daemon/util/daemonset_util.go`
/// `AllowsSurge`).
pub(crate) fn allows_surge(daemon_set: &DaemonSet) -> bool {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    let strategy = daemon_set.spec.update_strategy.as_ref();
    match strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.max_surge.as_ref()) {
        Some(IntOrString::Int(number)) => *number > 0,
        Some(IntOrString::String(text)) => text.trim_end_matches('%') != "0",
        None => false,
    }
}
