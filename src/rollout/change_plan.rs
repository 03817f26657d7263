//! What a person sees before a rollout is paused, resumed or undone, and how it ended.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::field_owner::{FieldOwner, OwnedField};
use super::history::{History, Revision};
use super::replacement::Replacement;
use super::template_changes::TemplateChange;

/// What the command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum ChangeAction {
    Pause,
    Resume,
    /// `rollout resume` after something else has changed the update strategy: only the annotation is removed.
    RemoveAnnotation,
    Undo,
}

impl ChangeAction {
    /// The field that the action changes.
    pub(crate) fn field(self) -> OwnedField {
        match self {
            Self::Pause | Self::Resume | Self::RemoveAnnotation => OwnedField::UpdateStrategy,
            Self::Undo => OwnedField::Template,
        }
    }
}

/// A revision with its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevisionName {
    /// The number.
    pub(crate) revision: i64,
    pub(crate) hash: String,
    /// Whether it has the current template.
    pub(crate) current: bool,
    /// The nodes with a pod of this revision; `None` if pods could not be read.
    pub(crate) nodes: Option<Vec<String>>,
}

impl RevisionName {
    pub(crate) fn new(revision: &Revision<'_>) -> Self {
        let nodes = revision.nodes.known();
        Self {
            revision: revision.number,
            hash: revision.hash().to_owned(),
            current: revision.is_current,
            nodes: nodes.map(|nodes| nodes.iter().map(|node| (*node).to_owned()).collect()),
        }
    }

    /// All revisions of a history that nodes run, and the current one.
    pub(crate) fn in_use(history: &History<'_>) -> Vec<Self> {
        let all = history.revisions.iter().map(Self::new);
        all.filter(|one| one.current || one.nodes.as_ref().is_none_or(|nodes| !nodes.is_empty())).collect()
    }
}

/// What a rollback changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RollbackPlan {
    /// The revision of the current template; `None` while the controller has not created it.
    pub(crate) from: Option<RevisionName>,
    pub(crate) to: RevisionName,
    /// The number that the revision gets: the controller reuses its object.
    pub(crate) next_number: i64,
    pub(crate) changes: Vec<TemplateChange>,
}

/// A revision whose pods the controller replaces, and what the current template changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ReplacedRevision {
    /// The number.
    pub(crate) revision: i64,
    pub(crate) hash: String,
    pub(crate) changes: Vec<TemplateChange>,
}

impl ReplacedRevision {
    /// The revisions of the pods on the nodes of a replacement. A deleted revision is left out: its template is unknown.
    pub(crate) fn all(history: &History<'_>, replacement: &Replacement) -> Vec<Self> {
        let is_replaced = |node: &&str| replacement.nodes.iter().chain(&replacement.deleted).any(|one| one == node);
        let old = history.revisions.iter().filter(|revision| !revision.is_current);
        let old = old.filter(|revision| revision.nodes.known().is_some_and(|nodes| nodes.iter().any(is_replaced)));
        let one = |revision: &Revision<'_>| {
            let hash = revision.hash().to_owned();
            Some(Self { revision: revision.number, changes: history.changes_since(&hash)?, hash })
        };
        old.filter_map(one).collect()
    }
}

/// A change of a DaemonSet, before it is made.
#[derive(Clone, Debug)]
pub(crate) struct ChangePlan {
    pub(crate) action: ChangeAction,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// `spec.updateStrategy` before and after the change.
    pub(crate) strategy: Value,
    pub(crate) strategy_after: Value,
    /// When and where it was paused, if it is.
    pub(crate) paused: Option<(Option<Timestamp>, Option<String>)>,
    /// The revisions that nodes run; `None` if they could not be read.
    pub(crate) revisions: Option<Vec<RevisionName>>,
    /// With `rollout pause`: the nodes with an old and a new pod, of which the controller deletes the newer one.
    pub(crate) newer_pods_deleted: Vec<String>,
    pub(crate) rollback: Option<RollbackPlan>,
    /// With `rollout resume`: the revisions whose pods are replaced.
    pub(crate) replaced: Vec<ReplacedRevision>,
    /// What the controller replaces after the change; `None` if it replaces nothing, or if that is unknown.
    pub(crate) replacement: Option<Replacement>,
    pub(crate) owners: Vec<FieldOwner>,
}

impl ChangePlan {
    /// Whether the controller replaces no pods by itself after the change.
    pub(crate) fn is_on_delete_after(&self) -> bool {
        self.strategy_after["type"] == "OnDelete"
    }
}

/// How the command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all_fields = "camelCase")]
pub(crate) enum ChangeOutcome {
    /// The change was made, and the controller has observed it.
    Done,
    /// A dry run.
    Planned,
    /// The DaemonSet is already as requested.
    NotNeeded,
    /// The question was answered with no.
    Declined,
    Halted {
        halt: ChangeHalt,
    },
}

/// Why the command stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum ChangeHalt {
    /// Another command holds the lock. Nothing was changed.
    Locked {
        holder: String,
        /// When the holder acquired the lock, by its own clock.
        since: Option<Timestamp>,
    },
    /// The change was made, and the controller did not observe it in time.
    NotConfirmed { seconds: u64 },
    /// A signal arrived before the change was made.
    Interrupted,
    /// A signal arrived after the change was made, and before the controller observed it.
    InterruptedUnconfirmed,
}
