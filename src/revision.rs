//! Revisions: the templates that a DaemonSet had.
//!
//! Upstream: `pkg/controller/daemon/update.go` `constructHistory`, `Match`, `getPatch`;
//! `pkg/controller/daemon/util/daemonset_util.go` `IsPodUpdated`. The hash is that of a Go struct and differs between
//! versions, so it is read from the revision whose template is today's and never computed.

mod inferred;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};

use crate::snapshot::{Known, Labels, PodSummary};

/// The label that tells a pod's revision.
pub(crate) const HASH_LABEL: &str = "controller-revision-hash";
/// The label that tells the generation of the template a pod was made from.
const GENERATION_LABEL: &str = "pod-template-generation";
/// The same of the DaemonSet.
const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";

/// What tells which pods are up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum RevisionSource {
    /// The revision that holds today's template.
    ControllerRevision,
    /// Pods that were created from today's template, by its generation.
    TemplateGeneration,
    /// The number of pods that the controller counts as up to date.
    Status,
}

/// What a pod has to show to be up to date.
#[derive(Clone, Debug)]
pub(crate) struct CurrentRevision {
    /// The hash of today's template; none while the controller has not yet made a revision of it, or where it is
    /// inferred and no pod runs it.
    pub(crate) hash: Known<Option<String>>,
    /// What tells which pods are up to date; none where nothing does.
    pub(crate) source: Option<RevisionSource>,
    pub(crate) generation: Option<i64>,
}

impl CurrentRevision {
    /// Finds the revision that holds today's template.
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

    /// Whether the controller is known to have made a revision of today's template.
    pub(crate) fn exists(&self) -> bool {
        match self.source {
            Some(RevisionSource::ControllerRevision) => self.hash.known().is_some_and(Option::is_some),
            // It makes one before it writes the status or a pod.
            Some(RevisionSource::TemplateGeneration | RevisionSource::Status) => true,
            None => false,
        }
    }
}

/// The revision that holds today's template. Several may: the newest one counts, as in `dedupCurHistories`.
pub(crate) fn current_of<'r>(
    daemon_set: &DaemonSet,
    revisions: &'r [ControllerRevision],
) -> Option<&'r ControllerRevision> {
    revisions
        .iter()
        .filter(|revision| is_owned_by(revision, daemon_set))
        .filter(|revision| template_of(revision).as_ref() == Some(&daemon_set.spec.template))
        .max_by_key(|revision| revision.revision)
}

/// Whether the DaemonSet controls the revision.
pub(crate) fn is_owned_by(revision: &ControllerRevision, daemon_set: &DaemonSet) -> bool {
    let owners = revision.metadata.owner_references.iter().flatten();
    revision.metadata.namespace == daemon_set.metadata.namespace
        && owners
            .filter(|owner| owner.controller == Some(true))
            .any(|owner| Some(&owner.uid) == daemon_set.metadata.uid.as_ref())
}

/// Whether today's template was rolled out before: its revision is older than another one.
pub(crate) fn is_rollback(daemon_set: &DaemonSet, revisions: &[ControllerRevision]) -> bool {
    let created = |revision: &ControllerRevision| revision.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let own = || revisions.iter().filter(|revision| is_owned_by(revision, daemon_set));
    let is_current = |revision: &&ControllerRevision| template_of(revision).as_ref() == Some(&daemon_set.spec.template);
    let current = own().filter(is_current).max_by_key(|revision| revision.revision).and_then(created);
    current.is_some_and(|current| own().filter_map(created).any(|other| other > current))
}

/// The template of the DaemonSet's revision with that hash, if the revision is there.
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

/// The template that a revision stores as `{"spec": {"template": {…, "$patch": "replace"}}}`.
fn template_of(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let template = revision.data.0.get("spec")?.get("template")?;
    PodTemplateSpec::deserialize(template).ok()
}

/// The hash that a pod, or a revision, is labelled with.
pub(crate) fn revision_of(labels: &Labels) -> Option<&str> {
    labels.get(HASH_LABEL).map(String::as_str)
}

/// Whether the pod is labelled with the generation of today's template.
pub(crate) fn has_current_generation(pod: &PodSummary, current: &CurrentRevision) -> bool {
    let generation = pod.metadata.labels.get(GENERATION_LABEL).and_then(|generation| generation.parse::<i64>().ok());
    generation.is_some_and(|generation| Some(generation) == current.generation)
}

/// Whether the pod runs today's template; none when that cannot be known.
pub(crate) fn is_current(pod: &PodSummary, current: &CurrentRevision) -> Option<bool> {
    if has_current_generation(pod, current) {
        return Some(true);
    }
    let hash = current.hash.known()?;
    Some(hash.is_some() && revision_of(&pod.metadata.labels) == hash.as_deref())
}
