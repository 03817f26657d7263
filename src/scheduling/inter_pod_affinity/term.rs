//! One term of a pod affinity or anti-affinity, and the pods that meet it.

use crate::scheduling::attempt::Attempt;
use crate::scheduling::rejection::Selected;
use std::ops::RangeInclusive;

use k8s_openapi::api::core::v1::Namespace;

use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::label_selector::selects;
use crate::snapshot::pod::{LabelSelector, Pod, PodAffinityTerm};
use crate::snapshot::{Known, Labels};

/// In these versions the scheduler keeps the namespace selector of a pod's own term and holds it against no labels at
/// all besides: one that is met by a missing label selects every namespace. (`mergeAffinityTermNamespacesIfNotEmpty`
/// clears the selector in a copy.)
const KEEPS_THE_SELECTOR: RangeInclusive<KubeMinor> = KubeMinor(34)..=KubeMinor(36);

/// A term, made ready to be held against many pods.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) topology_key: String,
    selector: Option<LabelSelector>,
    namespaces: Vec<String>,
    namespace_selector: Option<LabelSelector>,
}

impl Term {
    /// The term of a pod that the API server has stored, its label keys merged.
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

    /// The term of a pod that may not have been stored yet: its label keys get merged as the API server would.
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

    /// Whether a term of the pod in question speaks of another pod.
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
        // A namespace that is gone is not among those that the selector selects.
        with_labels(attempt, namespace, |labels| labels.is_some_and(|labels| selector.matches(labels)))
    }

    /// Whether a term of another pod speaks of the pod in question.
    pub(super) fn keeps_away(&self, attempt: &Attempt<'_>) -> Known<bool> {
        let namespace = &attempt.pod.metadata.namespace;
        if !selects(self.selector.as_ref(), &attempt.pod.metadata.labels) {
            return Known::Known(false);
        }
        match self.namespace_selector.as_ref().filter(|_| !self.namespaces.contains(namespace)) {
            None => Known::Known(self.namespaces.contains(namespace)),
            Some(selector) if selector.is_empty() => Known::Known(true),
            // A namespace that is gone counts as one without labels.
            Some(selector) => {
                with_labels(attempt, namespace, |labels| selector.matches(labels.unwrap_or(&Labels::new())))
            }
        }
    }
}

fn with_labels(attempt: &Attempt<'_>, namespace: &str, judge: impl Fn(Option<&Labels>) -> bool) -> Known<bool> {
    match &attempt.facts.namespaces {
        Known::Known(namespaces) => {
            let is_named = |one: &&Namespace| one.metadata.name.as_deref() == Some(namespace);
            let none = Labels::new();
            let found = namespaces.iter().find(is_named);
            Known::Known(judge(found.map(|one| one.metadata.labels.as_ref().unwrap_or(&none))))
        }
        Known::Unknown(why) => Known::Unknown(why.clone()),
    }
}

/// No if one says no, else unknown if one is unknown, else yes.
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
