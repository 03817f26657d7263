//! The revisions of a DaemonSet, and the nodes that run each of them.
//!
//! Upstream: `kubectl/pkg/polymorphichelpers/history.go` `controlledHistory`, `printHistory`;
//! `pkg/controller/daemon/update.go` `constructHistory`, `getPatch`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use serde_json::Value;

use super::template_changes::{TemplateChange, template_changes};
use crate::revision::{CurrentRevision, HASH_LABEL, current_of, has_template_of, is_current, is_owned_by, revision_of};
use crate::snapshot::{DaemonPods, Known, PodSummary, Snapshot};

/// The annotation of a revision that contains the reason for the change.
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
/// The directive that makes the stored template a patch. It is not part of the template.
const PATCH_DIRECTIVE: &str = "$patch";

/// The revisions of one DaemonSet.
#[derive(Debug)]
pub(crate) struct History<'a> {
    pub(crate) daemon_set: &'a DaemonSet,
    /// By number, ascending.
    pub(crate) revisions: Vec<Revision<'a>>,
    /// Revisions that no longer exist and that pods still run.
    pub(crate) deleted_revisions: Vec<DeletedRevision<'a>>,
}

/// One ControllerRevision of the DaemonSet.
#[derive(Debug)]
pub(crate) struct Revision<'a> {
    object: &'a ControllerRevision,
    /// A rollback increases the number of the revision that it reuses.
    pub(crate) number: i64,
    /// Whether it has the current template.
    pub(crate) is_current: bool,
    /// The nodes with a pod of this revision, by name; unknown if pods could not be read.
    pub(crate) nodes: Known<Vec<&'a str>>,
}

/// A revision that no longer exists and that pods still run.
#[derive(Debug)]
pub(crate) struct DeletedRevision<'a> {
    /// `None` for pods without the label.
    pub(crate) hash: Option<&'a str>,
    /// The nodes with a pod of this revision, by name.
    pub(crate) nodes: Vec<&'a str>,
}

impl<'a> History<'a> {
    /// # Errors
    /// Why revisions could not be read.
    pub(crate) fn new(daemon_set: &'a DaemonSet, snapshot: &'a Snapshot) -> Result<Self, String> {
        let all = match &snapshot.revisions {
            Known::Known(revisions) => revisions,
            Known::Unknown(missing) => return Err(missing.to_string()),
        };
        let current = current_of(daemon_set, all);
        let mut owned: Vec<&ControllerRevision> =
            all.iter().filter(|revision| is_owned_by(revision, daemon_set)).collect();
        owned.sort_by_key(|revision| (revision.revision, &revision.metadata.name));
        let missing = snapshot.missing_pods(daemon_set);
        let revision = |object: &'a ControllerRevision| Revision {
            object,
            number: object.revision.unwrap_or_default(),
            is_current: current.is_some_and(|current| std::ptr::eq(current, object)),
            nodes: missing.map_or_else(|| Known::Known(Vec::new()), |missing| Known::Unknown(missing.clone())),
        };
        let mut history =
            Self { daemon_set, revisions: owned.into_iter().map(revision).collect(), deleted_revisions: Vec::new() };
        if let (Known::Known(pods), None) = (&snapshot.pods, missing) {
            history.assign_nodes(
                &DaemonPods::new(daemon_set, pods),
                &CurrentRevision::new(daemon_set, &snapshot.revisions),
            );
        }
        Ok(history)
    }

    /// Assigns every node to the revisions of its pods. A node has several during a replacement.
    fn assign_nodes(&mut self, pods: &DaemonPods<'a>, current: &CurrentRevision) {
        let mut of_revisions: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); self.revisions.len()];
        let mut deleted_revisions: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
        for node in pods.nodes() {
            for pod in pods.on(node) {
                let nodes = match self.index_of(pod, current) {
                    Some(index) => &mut of_revisions[index],
                    None => deleted_revisions.entry(revision_of(&pod.metadata.labels)).or_default(),
                };
                nodes.insert(node);
            }
        }
        for (revision, nodes) in self.revisions.iter_mut().zip(of_revisions) {
            revision.nodes = Known::Known(nodes.into_iter().collect());
        }
        let deleted_revisions = deleted_revisions
            .into_iter()
            .map(|(hash, nodes)| DeletedRevision { hash, nodes: nodes.into_iter().collect() });
        self.deleted_revisions = deleted_revisions.collect();
    }

    /// The revision of a pod: by its hash, or by the template generation if no revision has the hash.
    fn index_of(&self, pod: &PodSummary, current: &CurrentRevision) -> Option<usize> {
        let hash = revision_of(&pod.metadata.labels);
        let of_hash = hash.and_then(|hash| self.revisions.iter().rposition(|revision| revision.hash() == hash));
        of_hash.or_else(|| match is_current(pod, current) {
            Some(true) => self.revisions.iter().position(|revision| revision.is_current),
            _ => None,
        })
    }

    /// What the revision changed, compared with the one before it; `None` for the first one.
    pub(crate) fn changes(&self, revision: &Revision<'a>) -> Option<Vec<TemplateChange>> {
        let before = self.revisions.iter().rfind(|earlier| earlier.number < revision.number)?;
        Some(template_changes(&before.template(), &revision.template()))
    }

    /// What the current template changes, compared with the revision with this hash; `None` if that was deleted.
    pub(crate) fn changes_since(&self, hash: &str) -> Option<Vec<TemplateChange>> {
        Some(template_changes(&self.with_hash(hash)?.template(), &self.current_template()))
    }

    /// The revision with this hash; `None` if it was deleted.
    pub(crate) fn with_hash(&self, hash: &str) -> Option<&Revision<'a>> {
        self.revisions.iter().rfind(|revision| revision.hash() == hash)
    }

    pub(crate) fn revision(&self, number: i64) -> Option<&Revision<'a>> {
        self.revisions.iter().rfind(|revision| revision.number == number)
    }

    /// The revision with the current template; `None` while the controller has not created it.
    pub(crate) fn current(&self) -> Option<&Revision<'a>> {
        self.revisions.iter().find(|revision| revision.is_current)
    }

    /// The template in the DaemonSet.
    pub(crate) fn current_template(&self) -> Value {
        serde_json::to_value(&self.daemon_set.spec.template).map(normalize_template).unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &'a str {
        self.daemon_set.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &'a str {
        self.daemon_set.metadata.name.as_deref().unwrap_or_default()
    }
}

impl<'a> Revision<'a> {
    /// The hash in the labels of its pods. Upstream labels a revision that has no hash with its own name.
    pub(crate) fn hash(&self) -> &'a str {
        let label = self.object.metadata.labels.as_ref().and_then(|labels| labels.get(HASH_LABEL));
        label.map(String::as_str).unwrap_or(self.name())
    }

    pub(crate) fn name(&self) -> &'a str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The annotation `kubernetes.io/change-cause`, if it is not empty.
    pub(crate) fn change_cause(&self) -> Option<&'a str> {
        let cause = self.object.metadata.annotations.as_ref()?.get(CHANGE_CAUSE)?;
        Some(cause.as_str()).filter(|cause| !cause.is_empty())
    }

    /// When the revision was first created. A rollback does not change it.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.object.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    /// Whether it has the template of the DaemonSet, also if a newer revision has the same one.
    pub(crate) fn has_template_of(&self, daemon_set: &DaemonSet) -> bool {
        has_template_of(self.object, daemon_set)
    }

    /// The data of the ControllerRevision: a strategic merge patch that restores the template.
    pub(crate) fn data(&self) -> &'a Value {
        &self.object.data.0
    }

    /// The template with all stored fields, including those that this program does not know.
    pub(crate) fn template(&self) -> Value {
        normalize_template(self.object.data.0.pointer("/spec/template").cloned().unwrap_or_default())
    }
}

/// Removes the patch directive, and the nulls that older API servers stored.
pub(super) fn normalize_template(mut template: Value) -> Value {
    if let Some(fields) = template.as_object_mut() {
        fields.remove(PATCH_DIRECTIVE);
    }
    drop_nulls(&mut template);
    template
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Two revisions to compare: `FROM..TO`, or `FROM..` for the current template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevisionRange {
    pub(crate) from: i64,
    /// `None` for the current template.
    pub(crate) to: Option<i64>,
}

impl FromStr for RevisionRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number > 0);
        let read = || {
            let (from, to) = text.split_once("..")?;
            let to = if to.is_empty() { None } else { Some(number(to)?) };
            Some(Self { from: number(from)?, to })
        };
        read().ok_or_else(|| "must be two revision numbers such as 1..3, or 1.. for the current template".into())
    }
}

#[cfg(test)]
mod tests;
