//! Revisions: the pod templates that a DaemonSet had or has.
//!
//! Upstream: `pkg/controller/daemon/update.go` `constructHistory`, `Match`, `getPatch`;
//! `pkg/controller/daemon/util/daemonset_util.go` `IsPodUpdated`. The hash is that of a Go struct and differs between
//! versions. It is never computed, but read from the revision that has the current template.

mod inferred;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};

use crate::snapshot::{Known, Labels, PodSummary};

/// The label of a pod, and of a ControllerRevision, that contains the hash of the revision.
pub(crate) const HASH_LABEL: &str = "controller-revision-hash";
/// The label of a pod that contains the generation of the template that the pod was created from.
const GENERATION_LABEL: &str = "pod-template-generation";
/// The annotation of the DaemonSet that contains the generation of its current template.
pub(crate) const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";

/// How up-to-date pods are identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum RevisionSource {
    /// By the revision of the current template.
    ControllerRevision,
    /// By pods that were created from the current template, which have its generation.
    TemplateGeneration,
    /// By the number of up-to-date pods in `.status`.
    Status,
}

/// What identifies an up-to-date pod.
#[derive(Clone, Debug)]
pub(crate) struct CurrentRevision {
    /// The hash of the current template. `None` while the controller has not created a revision of it, or if the hash
    /// is inferred and no pod has it.
    pub(crate) hash: Known<Option<String>>,
    /// How up-to-date pods are identified; `None` if they cannot be.
    pub(crate) source: Option<RevisionSource>,
    pub(crate) generation: Option<i64>,
}

impl CurrentRevision {
    /// Finds the revision of the current template.
    pub(crate) fn new(daemon_set: &DaemonSet, revisions: &Known<Vec<ControllerRevision>>) -> Self {
        let hash_of = |revision: &ControllerRevision| revision.metadata.labels.as_ref()?.get(HASH_LABEL).cloned();
        let (hash, source) = match revisions {
            Known::Known(revisions) => (
                Known::Known(current_of(daemon_set, revisions).and_then(hash_of)),
                Some(RevisionSource::ControllerRevision),
            ),
            Known::Unknown(why) => (Known::Unknown(why.clone()), None),
        };
        let annotations = daemon_set.metadata.annotations.as_ref();
        Self {
            hash,
            source,
            generation: annotations
                .and_then(|annotations| annotations.get(GENERATION_ANNOTATION))
                .and_then(|generation| generation.parse().ok()),
        }
    }

    /// Whether it is certain that the controller has created a revision of the current template.
    pub(crate) fn exists(&self) -> bool {
        match self.source {
            Some(RevisionSource::ControllerRevision) => self.hash.known().is_some_and(Option::is_some),
            // The controller creates the revision before it writes the status or creates a pod.
            Some(RevisionSource::TemplateGeneration | RevisionSource::Status) => true,
            None => false,
        }
    }
}

/// The revision of the current template. If there are several, the newest counts, as in `dedupCurHistories`.
pub(crate) fn current_of<'r>(
    daemon_set: &DaemonSet,
    revisions: &'r [ControllerRevision],
) -> Option<&'r ControllerRevision> {
    revisions
        .iter()
        .filter(|revision| is_owned_by(revision, daemon_set))
        .filter(|revision| has_template_of(revision, daemon_set))
        .max_by_key(|revision| revision.revision)
}

pub(crate) fn is_owned_by(revision: &ControllerRevision, daemon_set: &DaemonSet) -> bool {
    let owners = revision.metadata.owner_references.iter().flatten();
    revision.metadata.namespace == daemon_set.metadata.namespace
        && owners
            .filter(|owner| owner.controller == Some(true))
            .any(|owner| Some(&owner.uid) == daemon_set.metadata.uid.as_ref())
}

/// Whether the current template is one that the DaemonSet had before: its revision is older than another one. The
/// controller reuses the object and increases only its number, so the creation time shows the age.
pub(crate) fn is_rollback(daemon_set: &DaemonSet, revisions: &[ControllerRevision]) -> bool {
    let created = |revision: &ControllerRevision| revision.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let own = || revisions.iter().filter(|revision| is_owned_by(revision, daemon_set));
    let is_current = |revision: &&ControllerRevision| has_template_of(revision, daemon_set);
    let current = own().filter(is_current).max_by_key(|revision| revision.revision).and_then(created);
    current.is_some_and(|current| own().filter_map(created).any(|other| other > current))
}

/// The template of the DaemonSet's revision with this hash, if the revision exists.
pub(crate) fn template_with(
    hash: &str,
    daemon_set: &DaemonSet,
    revisions: &[ControllerRevision],
) -> Option<PodTemplateSpec> {
    let has_hash = |revision: &&ControllerRevision| {
        revision.metadata.labels.as_ref().and_then(|labels| labels.get(HASH_LABEL)).is_some_and(|label| label == hash)
    };
    revisions.iter().filter(|revision| is_owned_by(revision, daemon_set)).find(has_hash).and_then(template_of)
}

/// Whether the revision has the template of the DaemonSet.
pub(crate) fn has_template_of(revision: &ControllerRevision, daemon_set: &DaemonSet) -> bool {
    template_of(revision).as_ref() == Some(&daemon_set.spec.template)
}

/// The template of a revision. Its data is `{"spec": {"template": {…, "$patch": "replace"}}}`.
fn template_of(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let template = revision.data.0.get("spec")?.get("template")?;
    PodTemplateSpec::deserialize(template).ok()
}

/// The revision hash in the labels of a pod or of a ControllerRevision.
pub(crate) fn revision_of(labels: &Labels) -> Option<&str> {
    labels.get(HASH_LABEL).map(String::as_str)
}

/// Whether the pod has the label with the generation of the current template.
pub(crate) fn has_current_generation(pod: &PodSummary, current: &CurrentRevision) -> bool {
    let generation = pod.metadata.labels.get(GENERATION_LABEL).and_then(|generation| generation.parse::<i64>().ok());
    generation.is_some_and(|generation| Some(generation) == current.generation)
}

/// Whether only the generation label makes the pod up to date: its revision is another one. This happens if a DaemonSet
/// was deleted without its pods, and created again with another template.
pub(crate) fn is_counted_by_generation_only(pod: &PodSummary, current: &CurrentRevision) -> bool {
    let hash = current.hash.known().and_then(Option::as_deref);
    let own = revision_of(&pod.metadata.labels);
    has_current_generation(pod, current) && hash.is_some() && own.is_some() && own != hash
}

/// Whether the pod is up to date; `None` if that is unknown. As upstream, one matching label is enough.
pub(crate) fn is_current(pod: &PodSummary, current: &CurrentRevision) -> Option<bool> {
    if has_current_generation(pod, current) {
        return Some(true);
    }
    let hash = current.hash.known()?;
    Some(hash.is_some() && revision_of(&pod.metadata.labels) == hash.as_deref())
}
