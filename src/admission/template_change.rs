//! A pod after a change of its template.
//!
//! The pod keeps what admission added to it (a webhook may have changed it), and gets only what differs between the two
//! templates. A difference in a field that no suggested change touches makes the result unknown.

use k8s_openapi::api::apps::v1::DaemonSet;

use super::daemonset_template::pin;
use super::{plugins, predict_from};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::{Container, Pod, PodSpec, Resources};
use crate::snapshot::resource_list::ResourceList;
use crate::snapshot::shared::Shared;

/// The pod that the controller creates after the change, derived from a pod of the DaemonSet before it. None if the
/// templates differ in a field whose effect is not computed.
pub(crate) fn with_template_change(
    pod: &Pod,
    before: &DaemonSet,
    after: &DaemonSet,
    cluster_objects: &ClusterObjects,
) -> Option<Pod> {
    let node = pod.target_node()?.to_owned();
    let namespace = &pod.metadata.namespace;
    let old = Pod::from_template(namespace, &before.spec.template);
    let new = Pod::from_template(namespace, &after.spec.template);
    if !differ_only_in_known_fields(&old.spec, &new.spec) {
        return None;
    }
    let mut changed = predict_from(pod, &node);
    carry_map(&mut changed.metadata.labels, &old.metadata.labels, &new.metadata.labels);
    let spec = &mut changed.spec;
    let (old, new) = (old.spec, new.spec);
    carry_map(&mut spec.node_selector, &old.node_selector, &new.node_selector);
    carry_list(&mut spec.tolerations, &old.tolerations, &new.tolerations);
    carry_list(&mut spec.scheduling_gates, &old.scheduling_gates, &new.scheduling_gates);
    spec.node_name.clone_from(&new.node_name);
    if old.scheduler_name != new.scheduler_name {
        spec.scheduler_name.clone_from(&new.scheduler_name);
    }
    if old.affinity != new.affinity {
        spec.affinity.clone_from(&new.affinity);
        pin(spec, &node);
    }
    if old.resources != new.resources {
        spec.resources.clone_from(&new.resources);
    }
    carry_containers(&mut spec.containers, &old.containers, &new.containers)?;
    carry_containers(&mut spec.init_containers, &old.init_containers, &new.init_containers)?;
    if old.priority_class_name != new.priority_class_name {
        let classes = cluster_objects.priority_classes.known().map_or(&[][..], Vec::as_slice);
        let (priority, policy) = plugins::priority_of(classes, &new.priority_class_name)?;
        spec.priority = Some(priority);
        spec.preemption_policy = policy.unwrap_or_else(|| "PreemptLowerPriority".to_owned());
        spec.priority_class_name.clone_from(&new.priority_class_name);
    } else if old.preemption_policy != new.preemption_policy {
        spec.preemption_policy.clone_from(&new.preemption_policy);
    }
    Some(changed)
}

/// Whether the specs are equal apart from the fields that [`with_template_change`] carries over.
fn differ_only_in_known_fields(old: &PodSpec, new: &PodSpec) -> bool {
    let without = |spec: &PodSpec| PodSpec {
        node_selector: Default::default(),
        tolerations: Shared::default(),
        scheduling_gates: Vec::new(),
        node_name: String::new(),
        scheduler_name: String::new(),
        affinity: None,
        resources: None,
        containers: Shared::default(),
        init_containers: Shared::default(),
        priority: None,
        priority_class_name: String::new(),
        preemption_policy: String::new(),
        ..spec.clone()
    };
    without(old) == without(new)
}

fn carry_map(target: &mut crate::snapshot::Labels, old: &crate::snapshot::Labels, new: &crate::snapshot::Labels) {
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        target.remove(key);
    }
    for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
        target.insert(key.clone(), value.clone());
    }
}

fn carry_list<T: Clone + PartialEq>(target: &mut Vec<T>, old: &[T], new: &[T]) {
    target.retain(|item| !old.contains(item) || new.contains(item));
    target.extend(new.iter().filter(|item| !old.contains(item)).cloned());
}

/// Carries over the resources and ports of containers that both templates have.
fn carry_containers(target: &mut [Container], old: &[Container], new: &[Container]) -> Option<()> {
    if old.len() != new.len() {
        return None;
    }
    for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
        let others = |container: &Container| Container { resources: None, ports: Vec::new(), ..container.clone() };
        if others(old) != others(new) {
            return None;
        }
        let container = target.iter_mut().find(|container| container.name == new.name)?;
        if old.ports != new.ports {
            container.ports.clone_from(&new.ports);
        }
        let none = Resources::default();
        let (old, new) = (old.resources.as_ref().unwrap_or(&none), new.resources.as_ref().unwrap_or(&none));
        let resources = container.resources.get_or_insert_default();
        carry_amounts(&mut resources.requests, &old.requests, &new.requests)?;
        carry_amounts(&mut resources.limits, &old.limits, &new.limits)?;
    }
    Some(())
}

/// None if admission replaced an amount of the old template: it may replace the new one too.
fn carry_amounts(target: &mut ResourceList, old: &ResourceList, new: &ResourceList) -> Option<()> {
    let is_replaced = |resource: &String| old.get(resource).is_some_and(|amount| target.get(resource) != Some(amount));
    if old.keys().chain(new.keys()).any(|resource| old.get(resource) != new.get(resource) && is_replaced(resource)) {
        return None;
    }
    for resource in old.keys().filter(|resource| !new.contains_key(*resource)) {
        target.remove(resource);
    }
    for (resource, amount) in new.iter().filter(|(resource, amount)| old.get(*resource) != Some(amount)) {
        target.insert(resource.clone(), amount.clone());
    }
    Some(())
}
