//! Which revision a rollback restores.
//!
//! Upstream: `kubectl/pkg/polymorphichelpers/rollback.go` `DaemonSetRollbacker.Rollback`, `findHistory`. It takes the
//! second highest number as the last revision. Here it is the highest one that does not have the current template:
//! the same, once the controller has created the revision of the current template, and one revision later before.

use super::history::{History, Revision};

/// The revision to restore.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RollbackTarget<'h, 'a> {
    Revision(&'h Revision<'a>),
    /// The DaemonSet has the template of the revision already.
    AlreadyCurrent(&'h Revision<'a>),
}

/// Why there is no revision to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RollbackError {
    NoLastRevision,
    NotFound(i64),
}

/// Selects the revision with the number, or the last one before the current template.
///
/// # Errors
/// There is none.
pub(crate) fn rollback_target<'h, 'a>(
    history: &'h History<'a>,
    to_revision: Option<i64>,
) -> Result<RollbackTarget<'h, 'a>, RollbackError> {
    let Some(number) = to_revision else {
        let last = history.revisions.iter().rfind(|revision| !revision.has_template_of(history.daemon_set));
        return last.map(RollbackTarget::Revision).ok_or(RollbackError::NoLastRevision);
    };
    let revision = history.revision(number).ok_or(RollbackError::NotFound(number))?;
    let is_current = revision.has_template_of(history.daemon_set);
    Ok(if is_current { RollbackTarget::AlreadyCurrent(revision) } else { RollbackTarget::Revision(revision) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::snapshot::Known;
    use crate::testing::objects::from_json;
    use crate::testing::rollout_fixture::RolloutFixture;

    fn template(image: &str) -> Value {
        json!({"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "main", "image": image}]}})
    }

    fn revision(number: i64, image: &str) -> Value {
        let mut template = template(image);
        template["$patch"] = json!("replace");
        json!({
            "metadata": {"name": format!("d-{number}"), "namespace": "ns", "labels": {"controller-revision-hash": format!("hash{number}")},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true}]},
            "data": {"spec": {"template": template}},
            "revision": number,
        })
    }

    /// The number that is selected for a current image and these revisions.
    fn selected(current: &str, revisions: &[(i64, &str)], to: Option<i64>) -> Result<(i64, bool), RollbackError> {
        let mut snapshot = RolloutFixture::rolling(1, json!(1)).0;
        snapshot.daemon_sets = vec![from_json(json!({
            "metadata": {"name": "d", "namespace": "ns", "uid": "u"},
            "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template(current)},
        }))];
        snapshot.revisions =
            Known::Known(revisions.iter().map(|(number, image)| from_json(revision(*number, image))).collect());
        let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
        rollback_target(&history, to).map(|target| match target {
            RollbackTarget::Revision(revision) => (revision.number, false),
            RollbackTarget::AlreadyCurrent(revision) => (revision.number, true),
        })
    }

    #[test]
    fn last_revision_is_the_newest_with_another_template() {
        let all = [(1, "a"), (2, "b"), (3, "c")];
        assert_eq!(selected("c", &all, None), Ok((2, false)));
        // After an undo, the current template has the highest number again.
        assert_eq!(selected("a", &[(2, "b"), (3, "c"), (4, "a")], None), Ok((3, false)));
        // The controller has not created the revision of the current template yet.
        assert_eq!(selected("d", &all, None), Ok((3, false)));
    }

    #[test]
    fn revision_is_selected_by_number() {
        let all = [(1, "a"), (2, "b"), (3, "c")];
        assert_eq!(selected("c", &all, Some(1)), Ok((1, false)));
        assert_eq!(selected("c", &all, Some(3)), Ok((3, true)));
        assert_eq!(selected("c", &all, Some(9)), Err(RollbackError::NotFound(9)));
    }

    #[test]
    fn single_revision_has_nothing_to_roll_back_to() {
        assert_eq!(selected("a", &[(1, "a")], None), Err(RollbackError::NoLastRevision));
        assert_eq!(selected("a", &[], None), Err(RollbackError::NoLastRevision));
    }
}
