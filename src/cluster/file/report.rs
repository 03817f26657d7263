//! What was skipped, for the notes below a command's answer.

/// What was skipped.
#[derive(Debug, Default)]
pub(super) struct Report {
    foreign: usize,
    first_foreign: Option<String>,
    broken: Vec<String>,
    more_broken: usize,
}

/// How many broken files are named.
const NAMED: usize = 5;

impl Report {
    /// A file that holds no Kubernetes objects.
    pub(super) fn foreign(&mut self, name: &str) {
        self.foreign += 1;
        self.first_foreign.get_or_insert_with(|| name.to_owned());
    }

    /// A file that may hold objects and cannot be read.
    pub(super) fn broken(&mut self, message: String) {
        if self.broken.len() < NAMED { self.broken.push(message) } else { self.more_broken += 1 }
    }

    /// The notes.
    pub(super) fn notes(self) -> Vec<String> {
        let mut notes: Vec<String> =
            self.broken.into_iter().map(|message| format!("{message}; the objects in it are missing")).collect();
        match self.more_broken {
            0 => {}
            1 => notes.push("1 more file cannot be read".to_owned()),
            several => notes.push(format!("{several} more files cannot be read")),
        }
        if let Some(first) = self.first_foreign {
            notes.push(match self.foreign {
                1 => format!("1 file skipped: {first} holds no Kubernetes objects"),
                several => format!("{several} files skipped: not Kubernetes objects, such as {first}"),
            });
        }
        notes
    }
}
