//! Finds the program of a credential plugin by the rules of Go's `exec.LookPath` (`os/exec/lp_unix.go`,
//! `lp_windows.go`), which client-go uses. Unlike the operating system, it never runs a program from the current
//! directory.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Why no program was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum NotFound {
    /// No directory of `PATH` contains the program, or the path is not a program.
    Missing,
    /// `PATH` finds the program in a relative directory: `ErrDot`.
    InCurrentFolder,
}

/// The program of a command: a path with a separator is used directly, a bare name is looked up in `PATH`.
pub(in crate::cluster) fn look_path(command: &str, path: Option<&OsStr>) -> Result<PathBuf, NotFound> {
    if command.is_empty() || command == "." || command == ".." {
        return Err(NotFound::Missing);
    }
    if command.contains(std::path::is_separator) {
        return program(PathBuf::from(command)).ok_or(NotFound::Missing);
    }
    let folders = path.map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    for folder in folders {
        // Go stops at a relative directory, because a later match would be unexpected.
        let is_relative = !folder.is_absolute();
        match program(folder.join(command)) {
            Some(_) if is_relative => return Err(NotFound::InCurrentFolder),
            Some(found) => return Ok(found),
            None => {}
        }
    }
    Err(NotFound::Missing)
}

/// Go's `filepath.Clean`: the shortest equivalent path, computed from the text only.
pub(super) fn clean(path: &str) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in Path::new(path).components() {
        match (component, cleaned.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            _ => cleaned.push(component),
        }
    }
    if cleaned.as_os_str().is_empty() { PathBuf::from(".") } else { cleaned }
}

#[cfg(unix)]
fn program(path: PathBuf) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(&path).ok()?;
    (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0).then_some(path)
}

/// The file itself if it has an extension, or the first existing file with an extension of `PATHEXT`.
#[cfg(not(unix))]
fn program(path: PathBuf) -> Option<PathBuf> {
    if path.extension().is_some() && path.is_file() {
        return Some(path);
    }
    let extensions = std::env::var("PATHEXT").unwrap_or_else(|_| ".com;.exe;.bat;.cmd".into());
    extensions.split(';').filter(|extension| !extension.is_empty()).find_map(|extension| {
        let mut name = path.clone().into_os_string();
        name.push(extension);
        Some(PathBuf::from(name)).filter(|path| path.is_file())
    })
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn folder_with(name: &str, mode: u32) -> TempDir {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    /// Looks up `plugin` in these directories.
    fn found(folders: &[&Path]) -> Result<PathBuf, NotFound> {
        look_path("plugin", Some(&std::env::join_paths(folders).unwrap()))
    }

    #[test]
    fn bare_name_is_the_first_program_of_path() {
        let (data, first, second) =
            (folder_with("plugin", 0o644), folder_with("plugin", 0o755), folder_with("plugin", 0o755));
        let folders = [data.path(), first.path(), second.path()];
        assert_eq!(found(&folders).unwrap(), first.path().join("plugin"));
        assert_eq!(found(&[data.path()]), Err(NotFound::Missing));
        assert_eq!(look_path("plugin", None), Err(NotFound::Missing));
    }

    #[test]
    fn bare_name_in_a_relative_directory_is_rejected() {
        let absolute = folder_with("plugin", 0o755);
        // A relative path from the current directory to the other one.
        let up: PathBuf = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
        let relative = up.join(absolute.path().strip_prefix("/").unwrap());
        assert_eq!(found(&[&relative, absolute.path()]), Err(NotFound::InCurrentFolder));
        assert_eq!(found(&[absolute.path(), &relative]).unwrap(), absolute.path().join("plugin"));
        // An empty element of PATH is the current directory.
        let cargo = look_path("Cargo.toml", Some(OsStr::new(":.")));
        assert_eq!(cargo, Err(NotFound::Missing), "it is not a program");
    }

    #[test]
    fn path_with_a_separator_is_not_searched() {
        let folder = folder_with("plugin", 0o755);
        let path = folder.path().join("plugin");
        assert_eq!(look_path(path.to_str().unwrap(), None).unwrap(), path);
        assert_eq!(look_path("./no/such", Some(folder.path().as_os_str())), Err(NotFound::Missing));
        assert_eq!(look_path(folder.path().to_str().unwrap(), None), Err(NotFound::Missing));
    }

    #[test]
    fn cleaned_path_equals_go_result() {
        for (path, expected) in [
            ("aws", "aws"),
            ("/usr//bin/./aws", "/usr/bin/aws"),
            ("/usr/lib/../bin/aws/", "/usr/bin/aws"),
            ("/../aws", "/aws"),
            ("../aws", "../aws"),
            ("a/..", "."),
            ("", "."),
        ] {
            assert_eq!(clean(path).to_str(), Some(expected), "{path}");
        }
    }
}
