//! Loads the DaemonSet that a change is about, with its nodes, pods and revisions.

use serde_json::Value;

use crate::coverage::compute_coverage;
use crate::error::Error;
use crate::load::{Request, Source};
use crate::render::{ListLength, terminal};
use crate::rollout::{
    ChangeAction, ChangePlan, History, PauseState, Replacement, RevisionName, field_owners, nodes_with_both_pods,
    replacement,
};
use crate::snapshot::{EventQuery, Snapshot};

/// How often the objects are read until they belong together.
const TRIES: usize = 4;

/// A DaemonSet with its objects.
pub(super) struct ChangeSubject {
    pub(super) snapshot: Snapshot,
    /// The DaemonSet as the API server returned it.
    pub(super) live: Value,
    pub(super) gaps: Vec<String>,
}

impl ChangeSubject {
    /// Loads the objects, and reports those that could not be read.
    ///
    /// # Errors
    /// The DaemonSet does not exist, exists in several namespaces, or cannot be read.
    pub(super) async fn load(source: &mut Source, request: &Request) -> Result<Self, Error> {
        let mut subject = Self::read(source, request).await?;
        for _ in 1..TRIES {
            if subject.is_consistent() || !matches!(source, Source::Live(_)) {
                break;
            }
            subject = Self::read(source, request).await?;
        }
        if !subject.is_consistent() {
            return Err(Error::Changed { message: "the DaemonSet changes all the time: nothing was changed".into() });
        }
        subject.gaps.iter().for_each(|gap| terminal::note(gap));
        Ok(subject)
    }

    async fn read(source: &mut Source, request: &Request) -> Result<Self, Error> {
        let snapshot = source.snapshot(request, |_| EventQuery::default()).await?;
        let (namespace, name) = only_one(&snapshot)?;
        let live = match source {
            Source::Live(access) => access.daemon_set(&namespace, &name).await?,
            Source::Saved(_) => snapshot.daemon_sets.first().and_then(|one| serde_json::to_value(one).ok()),
        };
        let live = live.ok_or_else(|| Error::NotFound {
            message: format!("daemonset {name:?} was deleted"),
            hint: "list the DaemonSets: kubectl get daemonsets -A".into(),
        })?;
        let gaps = snapshot.gaps();
        Ok(Self { snapshot, live, gaps })
    }

    /// Whether the snapshot and the DaemonSet that was read after it have the same spec.
    fn is_consistent(&self) -> bool {
        let metadata = self.snapshot.daemon_sets.first().map(|one| &one.metadata);
        metadata.is_some_and(|metadata| {
            metadata.generation == self.live["metadata"]["generation"].as_i64()
                && metadata.uid.as_deref() == self.live["metadata"]["uid"].as_str()
        })
    }

    pub(super) fn namespace(&self) -> &str {
        self.live["metadata"]["namespace"].as_str().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.live["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `NAMESPACE/NAME`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    pub(super) fn pause_state(&self) -> PauseState {
        self.snapshot.daemon_sets.first().map_or(PauseState::Rolling, PauseState::new)
    }

    /// The history; `None` if revisions could not be read.
    pub(super) fn history(&self) -> Option<History<'_>> {
        History::new(self.snapshot.daemon_sets.first()?, &self.snapshot).ok()
    }

    /// What the controller would replace now; `None` if pods, nodes or revisions could not be read.
    pub(super) fn replacement(&self) -> Option<Replacement> {
        let all = compute_coverage(&self.snapshot);
        let coverage = all.first()?;
        let is_known = self.snapshot.nodes.known().is_some()
            && self.snapshot.missing_pods(coverage.daemon_set).is_none()
            && self.snapshot.revisions.known().is_some();
        is_known.then(|| replacement(coverage, &self.snapshot))
    }

    fn nodes_with_both_pods(&self) -> Vec<String> {
        let all = compute_coverage(&self.snapshot);
        all.first().map(|coverage| nodes_with_both_pods(coverage, &self.snapshot)).unwrap_or_default()
    }

    /// The plan of an action that changes the strategy to `after`.
    pub(super) fn plan(&self, action: ChangeAction, after: Value) -> ChangePlan {
        let history = self.history();
        let owners = match (action, self.snapshot.daemon_sets.first()) {
            // Resuming restores the value of the owners.
            (ChangeAction::Resume | ChangeAction::RemoveAnnotation, _) | (_, None) => Vec::new(),
            (ChangeAction::Pause | ChangeAction::Undo, Some(daemon_set)) => {
                field_owners(&daemon_set.metadata, action.field())
            }
        };
        ChangePlan {
            action,
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
            strategy: self.live["spec"]["updateStrategy"].clone(),
            strategy_after: after,
            paused: match self.pause_state() {
                PauseState::Paused(paused) => Some((paused.at, paused.by)),
                PauseState::Rolling | PauseState::Overridden | PauseState::Invalid(_) | PauseState::OnDelete => None,
            },
            revisions: history.as_ref().map(RevisionName::in_use),
            replaced: Vec::new(),
            newer_pods_deleted: match action {
                ChangeAction::Pause => self.nodes_with_both_pods(),
                ChangeAction::Resume | ChangeAction::RemoveAnnotation | ChangeAction::Undo => Vec::new(),
            },
            rollback: None,
            replacement: None,
            owners,
        }
    }
}

/// The namespace and name of the DaemonSet, if exactly one has the name.
fn only_one(snapshot: &Snapshot) -> Result<(String, String), Error> {
    let names = |one: &k8s_openapi::api::apps::v1::DaemonSet| {
        (one.metadata.namespace.clone().unwrap_or_default(), one.metadata.name.clone().unwrap_or_default())
    };
    let all: Vec<(String, String)> = snapshot.daemon_sets.iter().map(names).collect();
    match all.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let namespaces: Vec<&str> = several.iter().map(|(namespace, _)| namespace.as_str()).collect();
            Err(Error::Usage {
                message: format!(
                    "DaemonSet name is ambiguous: found in namespaces {}",
                    ListLength::Handful.list(&namespaces)
                ),
                hint: "use NAMESPACE/NAME, or select a namespace with -n".into(),
            })
        }
    }
}
