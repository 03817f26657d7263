//! The objects after a change.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{ResourceQuota, ServiceAccount};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Change, ChangeError, NodeCase, NodeEdit, Patch, PodEdit};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node, Taint};

/// The taint of a cordoned node, which the node lifecycle controller adds
/// (`pkg/controller/nodelifecycle/node_lifecycle_controller.go` `doNoScheduleTaintingPass`).
const UNSCHEDULABLE_TAINT: &str = "node.kubernetes.io/unschedulable";

impl NodeCase<'_> {
    /// The case after the changes, in their order.
    ///
    /// # Errors
    /// The effect of one of them is not known.
    pub(crate) fn after(mut self, changes: &[Change]) -> Result<Self, ChangeError> {
        for change in changes {
            self.apply(change)?;
        }
        self.settle();
        Ok(self)
    }

    fn apply(&mut self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::DaemonSet { namespace, name, patch } => self.patch_daemon_set(namespace, name, patch),
            Change::Node { name, edit } if *name == self.node.metadata.name => {
                edit_node(self.node.to_mut(), edit);
                Ok(())
            }
            Change::Node { .. } => Err(ChangeError::NotComputable),
            Change::Pod { namespace, name, edit } => self.edit_pod(namespace, name, *edit),
            Change::Quota { namespace, name, hard } => self.set_quota(namespace, name, hard),
            Change::ServiceAccount { namespace, name } => self.add_service_account(namespace, name),
            Change::PriorityClass { name, value } => {
                self.add_priority_class(name, *value);
                Ok(())
            }
            Change::Retry => Ok(()),
        }
    }

    fn patch_daemon_set(&mut self, namespace: &str, name: &str, patch: &Patch) -> Result<(), ChangeError> {
        let metadata = &self.daemon_set.metadata;
        if metadata.namespace.as_deref() != Some(namespace) || metadata.name.as_deref() != Some(name) {
            return Err(ChangeError::NotComputable);
        }
        let changed = patch.apply(self.daemon_set.as_ref())?;
        self.replace_daemon_set(changed)
    }

    fn edit_pod(&mut self, namespace: &str, name: &str, edit: PodEdit) -> Result<(), ChangeError> {
        let is_it = |pod: &Pod| pod.metadata.namespace == namespace && pod.metadata.name == name;
        let own = self.own_pods.iter().position(|pod| is_it(pod));
        match (edit, own) {
            (PodEdit::RemoveSchedulingGates, Some(own)) => {
                self.own_pods[own].to_mut().spec.scheduling_gates.clear();
                Ok(())
            }
            (PodEdit::RemoveSchedulingGates, None) => Err(ChangeError::NotComputable),
            (PodEdit::Delete | PodEdit::Evict, Some(own)) => {
                self.remove_own_pod(own);
                Ok(())
            }
            (PodEdit::Delete | PodEdit::Evict, None) => self.remove_other_pod(namespace, name),
        }
    }

    fn set_quota(&mut self, namespace: &str, name: &str, hard: &[(String, String)]) -> Result<(), ChangeError> {
        let Known::Known(quotas) = &mut self.cluster_objects.to_mut().quotas else {
            return Err(ChangeError::NotComputable);
        };
        let quota = quotas
            .iter_mut()
            .find(|quota| is_named(&quota.metadata, namespace, name))
            .ok_or(ChangeError::NotComputable)?;
        let ResourceQuota { spec, status, .. } = quota;
        for (resource, amount) in hard {
            // The quota controller copies the limits to the status, which admission reads.
            for hard in [&mut spec.get_or_insert_default().hard, &mut status.get_or_insert_default().hard] {
                hard.get_or_insert_default().insert(resource.clone(), Quantity(amount.clone()));
            }
        }
        Ok(())
    }

    fn add_service_account(&mut self, namespace: &str, name: &str) -> Result<(), ChangeError> {
        let Known::Known(accounts) = &mut self.cluster_objects.to_mut().service_accounts else {
            return Err(ChangeError::NotComputable);
        };
        let metadata =
            ObjectMeta { namespace: Some(namespace.to_owned()), name: Some(name.to_owned()), ..ObjectMeta::default() };
        accounts.push(ServiceAccount { metadata, ..ServiceAccount::default() });
        Ok(())
    }

    fn add_priority_class(&mut self, name: &str, value: i32) {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let class = PriorityClass { metadata, value: Some(value), ..PriorityClass::default() };
        match &mut self.cluster_objects.to_mut().priority_classes {
            Known::Known(classes) => classes.push(class),
            // No other class is looked up after this change.
            unknown => *unknown = Known::Known(vec![class]),
        }
    }

    /// Removes the pod from those that are bound to the node.
    pub(super) fn unbind(&mut self, is_gone: impl Fn(&Pod) -> bool) {
        if let Known::Known(bound) = self.bound.as_ref() {
            let rest = bound.iter().filter(|pod| !is_gone(pod)).cloned().collect();
            self.bound = Cow::Owned(Known::Known(rest));
        }
    }
}

fn is_named(metadata: &ObjectMeta, namespace: &str, name: &str) -> bool {
    metadata.namespace.as_deref() == Some(namespace) && metadata.name.as_deref() == Some(name)
}

/// Changes a node as the API server and the node lifecycle controller do.
pub(crate) fn edit_node(node: &mut Node, edit: &NodeEdit) {
    let is_cordon = |taint: &Taint| taint.key == UNSCHEDULABLE_TAINT && taint.effect == "NoSchedule";
    match edit {
        NodeEdit::Labels(labels) => {
            for (key, value) in labels {
                match value {
                    Some(value) => node.metadata.labels.insert(key.clone(), value.clone()),
                    None => node.metadata.labels.remove(key),
                };
            }
        }
        NodeEdit::AddTaint(taint) => {
            node.spec.taints.retain(|other| other.key != taint.key || other.effect != taint.effect);
            node.spec.taints.push(taint.clone());
        }
        NodeEdit::RemoveTaint { key, effect } => {
            let is_it = |taint: &Taint| taint.key == *key && (effect.is_empty() || taint.effect == *effect);
            node.spec.taints.retain(|taint| !is_it(taint));
        }
        NodeEdit::Cordon => {
            node.spec.unschedulable = true;
            if !node.spec.taints.iter().any(is_cordon) {
                let (key, effect) = (UNSCHEDULABLE_TAINT.to_owned(), "NoSchedule".to_owned());
                node.spec.taints.push(Taint { key, effect, ..Taint::default() });
            }
        }
        NodeEdit::Uncordon => {
            node.spec.unschedulable = false;
            node.spec.taints.retain(|taint| !is_cordon(taint));
        }
    }
}
