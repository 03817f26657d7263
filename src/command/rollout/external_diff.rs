//! `KUBECTL_EXTERNAL_DIFF`: another program shows the difference between two templates, as in `kubectl diff`.
//!
//! Upstream: `kubectl/pkg/cmd/diff/diff.go` `DiffProgram`.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::process::Command;

use crate::error::{Error, system_words};

const VARIABLE: &str = "KUBECTL_EXTERNAL_DIFF";

/// A program with its arguments. It is run without a shell.
pub(super) struct ExternalDiff {
    program: String,
    arguments: Vec<String>,
}

impl ExternalDiff {
    /// The program of the environment; `None` if there is none.
    pub(super) fn from_environment() -> Option<Self> {
        std::env::var(VARIABLE).ok().as_deref().and_then(Self::parse)
    }

    /// As upstream, arguments with other characters than letters, digits, `-` and `=` are ignored.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let program = words.next().filter(|program| !program.is_empty())?.to_owned();
        let is_valid =
            |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '='));
        Some(Self { program, arguments: words.filter(is_valid).map(str::to_owned).collect() })
    }

    /// Runs the program on two directories with one file each. It exits with 1 if the files differ.
    ///
    /// # Errors
    /// The files cannot be written, or the program fails.
    pub(super) async fn run(&self, one: (&str, &str), other: (&str, &str)) -> Result<(), Error> {
        let folder = Folder::create().map_err(Error::Output)?;
        let paths = [one, other].map(|(name, text)| folder.write(name, text));
        let [one, other] = paths;
        let paths: [OsString; 2] = [one.map_err(Error::Output)?.into(), other.map_err(Error::Output)?.into()];
        let mut command = Command::new(&self.program);
        let status = command.args(&self.arguments).args(paths).kill_on_drop(true).status().await;
        match status {
            Ok(status) if matches!(status.code(), Some(0 | 1)) => Ok(()),
            Ok(status) => Err(self.failed(&status.to_string())),
            Err(error) => Err(self.failed(&system_words(&error))),
        }
    }

    fn failed(&self, why: &str) -> Error {
        Error::Usage {
            message: format!("cannot show the difference with {:?}: {why}", self.program),
            hint: format!("set {VARIABLE} to a program that compares two directories, or unset it"),
        }
    }
}

/// A directory that only the user can read, and that is deleted at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let instant = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let path = std::env::temp_dir().join(format!("kubectl-ds-{}-{instant}", std::process::id()));
        // It fails if something with this name exists, also a link.
        builder().create(&path)?;
        Ok(Self(path))
    }

    /// Writes a file into a directory of its own.
    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path: PathBuf = self.0.join(Path::new(name));
        builder().create(&path)?;
        fs::write(path.join("template.yaml"), text)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A failure cannot be reported.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn builder() -> DirBuilder {
    DirBuilder::new()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn program_is_split_at_spaces_and_unusual_arguments_are_ignored() {
        let diff = ExternalDiff::parse("colordiff -N --color=always ;rm $(x) -u").unwrap();
        assert_eq!(
            (diff.program.as_str(), diff.arguments),
            ("colordiff", ["-N", "--color=always", "-u"].map(String::from).into())
        );
        assert!(ExternalDiff::parse("").is_none());
        assert!(ExternalDiff::parse(" diff").is_none());
    }

    #[test]
    fn files_of_a_comparison_are_deleted() {
        let folder = Folder::create().unwrap();
        let path = folder.write("revision-1", "a: b\n").unwrap();
        assert_eq!(fs::read_to_string(path.join("template.yaml")).unwrap(), "a: b\n");
        drop(folder);
        assert!(!path.exists());
    }
}
