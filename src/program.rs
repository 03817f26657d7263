//! What the program is called. kubectl finds a plugin by the name of its file, so whoever renames the file, or gets it
//! from krew under another name, calls it differently, and reads that name in every help text and hint.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// Of whoever did not rename it.
pub(crate) const USUAL_FILE: &str = "kubectl-ds";
/// What kubectl calls it then.
pub(crate) const USUAL_NAME: &str = "kubectl ds";

static FILE: OnceLock<String> = OnceLock::new();
static NAME: OnceLock<String> = OnceLock::new();

/// Takes the name from the zeroth argument; once, at the door.
pub(crate) fn take_name(zeroth: &OsStr) {
    if let Some(file) = file_of(zeroth) {
        let _ = NAME.set(name_of(&file));
        let _ = FILE.set(file);
    }
}

/// What a user writes: `kubectl ds`.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or(USUAL_NAME, String::as_str)
}

/// The file that kubectl finds: `kubectl-ds`.
pub(crate) fn file() -> &'static str {
    FILE.get().map_or(USUAL_FILE, String::as_str)
}

/// The name of the file, without the folder and Windows' ending. `None` for one that no shell takes unquoted: it is
/// shown to be pasted.
fn file_of(zeroth: &OsStr) -> Option<String> {
    let name = Path::new(zeroth).file_name()?.to_str()?;
    let name = name.strip_suffix(".exe").unwrap_or(name).replace("kubectl_complete-", "kubectl-");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A word that begins with a dash or, as kubectl reads it, with an underscore would be an option.
    let is_option = name.split('-').any(|word| word.starts_with('_')) || name.starts_with('-');
    (!name.is_empty() && name.chars().all(is_plain) && !is_option).then_some(name)
}

/// How kubectl calls a plugin of this file: a dash parts two words, an underscore stands for a dash
/// (`DefaultPluginHandler.Lookup` and `HandlePluginCommand` of kubectl's `pkg/cmd/cmd.go`).
fn name_of(file: &str) -> String {
    match file.strip_prefix("kubectl-") {
        Some(words) => format!("kubectl {}", words.replace('-', " ").replace('_', "-")),
        None => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_by_which_kubectl_finds_the_file() {
        let name = |zeroth: &str| file_of(OsStr::new(zeroth)).map(|file| name_of(&file));
        for (zeroth, shown) in [
            ("kubectl-ds", "kubectl ds"),
            ("/home/x/.krew/bin/kubectl-ds", "kubectl ds"),
            ("kubectl-foo_bar", "kubectl foo-bar"),
            ("kubectl-foo-bar", "kubectl foo bar"),
            ("kubectl-ds.exe", "kubectl ds"),
            ("./kubectl_complete-foo_bar", "kubectl foo-bar"),
            ("kds", "kds"),
        ] {
            assert_eq!(name(zeroth).as_deref(), Some(shown), "{zeroth}");
        }
        for zeroth in ["", "/", "kubectl-\u{1b}[31m", "a b", "$(x)", "kubectl-_o", "kubectl-ds-_o", "-bash"] {
            assert_eq!(name(zeroth), None, "{zeroth:?}");
        }
    }
}
