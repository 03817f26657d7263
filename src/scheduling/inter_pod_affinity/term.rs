//! One term of a pod affinity or anti-affinity, and the pods that it matches.

use crate::scheduling::attempt::Attempt;
use crate::scheduling::rejection::Selected;
use std::ops::RangeInclusive;

use k8s_openapi::api::core::v1::Namespace;

use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::label_selector::selects;
use crate::snapshot::pod::{LabelSelector, Pod, PodAffinityTerm};
use crate::snapshot::{Known, Labels};

/// In these versions the scheduler does not clear the namespace selector of a pod's own term after it has resolved the
/// selector to names (`mergeAffinityTermNamespacesIfNotEmpty` clears it in a copy). It then also evaluates the selector
/// with an empty set of labels, so a selector that is satisfied by a missing label matches every namespace.
const KEEPS_THE_SELECTOR: RangeInclusive<KubeMinor> = KubeMinor(34)..=KubeMinor(36);

/// A term with its defaults, ready to be matched with many pods.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) topology_key: String,
    selector: Option<LabelSelector>,
    namespaces: Vec<String>,
    namespace_selector: Option<LabelSelector>,
}

impl Term {
    /// A term of a stored pod: the API server has merged its label keys.
    pub(super) fn from_existing_pod(term: &PodAffinityTerm, owner: &Pod) -> Self {
        let is_default = term.namespaces.is_empty() && term.namespace_selector.is_none();
        let namespaces = if is_default { vec![owner.metadata.namespace.clone()] } else { term.namespaces.clone() };
        Self {
            topology_key: term.topology_key.clone(),
            selector: term.label_selector.clone(),
            namespaces,
            namespace_selector: term.namespace_selector.clone(),
        }
    }

    /// A term of a pod that may not be stored yet: its label keys are merged as the API server does.
    pub(super) fn from_incoming_pod(term: &PodAffinityTerm, owner: &Pod) -> Self {
        let mut this = Self::from_existing_pod(term, owner);
        if let Some(selector) = &mut this.selector {
            selector.merge_label_keys(&term.match_label_keys, "In", &owner.metadata.labels);
            selector.merge_label_keys(&term.mismatch_label_keys, "NotIn", &owner.metadata.labels);
        }
        this
    }

    pub(super) fn evidence(&self) -> Selected {
        Selected {
            selector: self.selector.as_ref().map(LabelSelector::to_string),
            namespaces: self.namespaces.clone(),
            namespace_selector: self.namespace_selector.as_ref().map(LabelSelector::to_string),
        }
    }

    /// Whether a term of the pod in question matches another pod.
    pub(super) fn selects(&self, other: &Pod, attempt: &Attempt<'_>) -> Known<bool> {
        let namespace = &other.metadata.namespace;
        if !selects(self.selector.as_ref(), &other.metadata.labels) {
            return Known::Known(false);
        }
        let Some(selector) = self.namespace_selector.as_ref().filter(|_| !self.namespaces.contains(namespace)) else {
            return Known::Known(self.namespaces.contains(namespace));
        };
        let needs_no_labels = selector.matches(&Labels::new());
        if selector.is_empty() || (needs_no_labels && KEEPS_THE_SELECTOR.contains(&attempt.minor())) {
            return Known::Known(true);
        }
        // The selector does not match a namespace that no longer exists.
        with_labels(attempt, namespace, |labels| labels.is_some_and(|labels| selector.matches(labels)))
    }

    /// Whether a term of another pod matches the pod in question.
    pub(super) fn keeps_away(&self, attempt: &Attempt<'_>) -> Known<bool> {
        let namespace = &attempt.pod.metadata.namespace;
        if !selects(self.selector.as_ref(), &attempt.pod.metadata.labels) {
            return Known::Known(false);
        }
        match self.namespace_selector.as_ref().filter(|_| !self.namespaces.contains(namespace)) {
            None => Known::Known(self.namespaces.contains(namespace)),
            Some(selector) if selector.is_empty() => Known::Known(true),
            // Here a namespace that no longer exists has no labels.
            Some(selector) => {
                with_labels(attempt, namespace, |labels| selector.matches(labels.unwrap_or(&Labels::new())))
            }
        }
    }
}

fn with_labels(attempt: &Attempt<'_>, namespace: &str, has_labels: impl Fn(Option<&Labels>) -> bool) -> Known<bool> {
    attempt.cluster_objects.namespaces.as_ref().map(|namespaces| {
        let is_named = |one: &&Namespace| one.metadata.name.as_deref() == Some(namespace);
        let none = Labels::new();
        let found = namespaces.iter().find(is_named);
        has_labels(found.map(|one| one.metadata.labels.as_ref().unwrap_or(&none)))
    })
}

/// Logical and: false if one is false, otherwise unknown if one is unknown, otherwise true.
pub(super) fn and(answers: impl IntoIterator<Item = Known<bool>>) -> Known<bool> {
    let mut sum = Known::Known(true);
    for answer in answers {
        match answer {
            Known::Known(true) => {}
            Known::Known(false) => return answer,
            Known::Unknown(_) => sum = answer,
        }
    }
    sum
}
