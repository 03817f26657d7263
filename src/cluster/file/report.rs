//! Collects skipped files for the notes of a command.

use crate::error::Error;

#[derive(Debug, Default)]
pub(super) struct Report {
    foreign: usize,
    first_foreign: Option<String>,
    broken: Vec<String>,
    more_broken: usize,
}

/// How many unreadable files are named.
const NAMED: usize = 5;

impl Report {
    /// Records a file without Kubernetes objects.
    pub(super) fn foreign(&mut self, name: &str) {
        self.foreign += 1;
        self.first_foreign.get_or_insert_with(|| name.to_owned());
    }

    /// Records a file that may contain objects and cannot be read.
    pub(super) fn broken(&mut self, message: String) {
        if self.broken.len() < NAMED { self.broken.push(message) } else { self.more_broken += 1 }
    }

    pub(super) fn notes(self) -> Vec<String> {
        let mut notes: Vec<String> =
            self.broken.into_iter().map(|message| format!("{message}; its objects are missing")).collect();
        match self.more_broken {
            0 => {}
            1 => notes.push("1 more file could not be read".to_owned()),
            several => notes.push(format!("{several} more files could not be read")),
        }
        if let Some(first) = self.first_foreign {
            notes.push(match self.foreign {
                1 => format!("1 file skipped: {first} contains no Kubernetes objects"),
                several => format!("{several} files without Kubernetes objects skipped, such as {first}"),
            });
        }
        notes
    }
}

/// How to save a cluster.
pub(crate) const HINT: &str = "save a cluster with: \
    kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > FILE";

/// The error for a file that cannot be read.
pub(super) fn broken(file: &str, message: impl Into<String>) -> Error {
    Error::File { file: file.to_owned(), message: message.into(), hint: HINT.into() }
}
