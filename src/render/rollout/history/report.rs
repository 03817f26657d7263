//! `-o json` and `-o yaml` of `rollout history`.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Side, yaml};
use crate::render::structured::Head;
use crate::rollout::{DeletedRevision, History, Revision, TemplateChange};

/// `kind: RolloutHistory`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    namespace: &'a str,
    name: &'a str,
    current: Option<i64>,
    revisions: Vec<RevisionView<'a>>,
    deleted_revisions: Vec<DeletedRevisionView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<Vec<String>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct RevisionView<'a> {
    revision: i64,
    name: &'a str,
    hash: &'a str,
    current: bool,
    created: Option<String>,
    change_cause: Option<&'a str>,
    /// What changed since the revision before; `null` for the first one.
    changes: Option<Vec<TemplateChange>>,
    nodes: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<Value>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DeletedRevisionView<'a> {
    hash: Option<&'a str>,
    nodes: &'a [&'a str],
}

impl<'a> Report<'a> {
    /// The report of these revisions, in this order.
    pub(crate) fn new(
        history: &'a History<'_>,
        revisions: &[&'a Revision<'_>],
        unknown: &'a [String],
        as_of: Timestamp,
    ) -> Self {
        Self {
            head: Head::new("RolloutHistory", as_of, unknown),
            namespace: history.namespace(),
            name: history.name(),
            current: history.current().map(|revision| revision.number),
            revisions: revisions.iter().map(|revision| RevisionView::new(history, revision)).collect(),
            deleted_revisions: history.deleted_revisions.iter().map(DeletedRevisionView::new).collect(),
            diff: None,
        }
    }

    /// Limits the report to these revisions, and adds their templates.
    pub(crate) fn only(mut self, history: &'a History<'_>, revisions: &[&'a Revision<'_>]) -> Self {
        let with_template = |revision: &&'a Revision<'_>| RevisionView {
            template: Some(revision.template()),
            ..RevisionView::new(history, revision)
        };
        self.revisions = revisions.iter().map(with_template).collect();
        self
    }

    /// Limits the report to these two revisions, and adds their difference.
    ///
    /// # Errors
    /// If a template cannot be serialized as YAML.
    pub(crate) fn compared(self, history: &'a History<'_>, one: Side<'a, 'a>, other: Side<'a, 'a>) -> io::Result<Self> {
        let revisions: Vec<&Revision<'_>> = [one, other]
            .into_iter()
            .filter_map(|side| match side {
                Side::Revision(revision) => Some(revision),
                Side::Today(_) => None,
            })
            .collect();
        Ok(Self { diff: Some(yaml::diff(one, other)?), ..self.only(history, &revisions) })
    }
}

impl<'a> RevisionView<'a> {
    fn new(history: &'a History<'_>, revision: &'a Revision<'_>) -> Self {
        Self {
            revision: revision.number,
            name: revision.name(),
            hash: revision.hash(),
            current: revision.is_current,
            created: revision.created().map(|created| created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            change_cause: revision.change_cause(),
            changes: history.changes(revision),
            nodes: revision.nodes.known().map(Vec::as_slice),
            template: None,
        }
    }
}

impl<'a> DeletedRevisionView<'a> {
    fn new(deleted_revisions: &'a DeletedRevision<'_>) -> Self {
        Self { hash: deleted_revisions.hash, nodes: &deleted_revisions.nodes }
    }
}
