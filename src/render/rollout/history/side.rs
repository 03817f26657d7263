//! What `rollout history --diff` compares.

use serde_json::Value;

use crate::rollout::{History, Revision};

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side<'h, 'a> {
    /// A revision.
    Revision(&'h Revision<'a>),
    /// Today's template, of which there is no revision yet.
    Today(&'h History<'a>),
}

impl Side<'_, '_> {
    /// What is compared.
    pub(crate) fn template(&self) -> Value {
        match self {
            Self::Revision(revision) => revision.template(),
            Self::Today(history) => history.current_template(),
        }
    }

    /// The name of a directory for the template.
    pub(crate) fn file_name(&self) -> String {
        match self {
            Self::Revision(revision) => format!("revision-{}", revision.number),
            Self::Today(_) => "current-template".into(),
        }
    }

    /// How it is called.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Revision(revision) => words(revision),
            Self::Today(_) => "the current template".into(),
        }
    }
}

pub(super) fn words(revision: &Revision<'_>) -> String {
    let mark = if revision.is_current { " (current)" } else { "" };
    format!("revision {}{mark}", revision.number)
}
