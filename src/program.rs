//! The name of the program. kubectl finds a plugin by the name of its file. When the file is renamed, or installed by
//! krew under another name, every help text and hint shows that name.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file name unless renamed.
pub(crate) const USUAL_FILE: &str = "kubectl-ds";
/// The command name unless renamed.
pub(crate) const USUAL_NAME: &str = "kubectl ds";

static FILE: OnceLock<String> = OnceLock::new();
static NAME: OnceLock<String> = OnceLock::new();

/// Whether the objects come from the sample cluster.
static HAS_SAMPLE: AtomicBool = AtomicBool::new(false);

/// Records that the objects come from the sample cluster, so that suggested commands read it too.
pub(crate) fn use_sample() {
    HAS_SAMPLE.store(true, Ordering::Relaxed);
}

/// What is added to the commands of this program that are suggested.
pub(crate) fn source() -> &'static str {
    if HAS_SAMPLE.load(Ordering::Relaxed) { " --from demo" } else { "" }
}

/// Sets the name from the zeroth argument. Must be called once, before any other function of this module.
pub(crate) fn take_name(zeroth: &OsStr) {
    if let Some(file) = file_of(zeroth) {
        let _ = NAME.set(name_of(&file));
        let _ = FILE.set(file);
    }
}

/// The command that a user types: `kubectl ds`.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or(USUAL_NAME, String::as_str)
}

/// The name of the executable file: `kubectl-ds`.
pub(crate) fn file() -> &'static str {
    FILE.get().map_or(USUAL_FILE, String::as_str)
}

/// The file name without its directory and the `.exe` extension. `None` if a shell would need quotes for it, because
/// hints show it as part of commands to paste.
fn file_of(zeroth: &OsStr) -> Option<String> {
    let name = Path::new(zeroth).file_name()?.to_str()?;
    let name = name.strip_suffix(".exe").unwrap_or(name).replace("kubectl_complete-", "kubectl-");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A word that begins with a dash, or with an underscore (which kubectl maps to a dash), would be an option.
    let is_option = name.split('-').any(|word| word.starts_with('_')) || name.starts_with('-');
    (!name.is_empty() && name.chars().all(is_plain) && !is_option).then_some(name)
}

/// The command by which kubectl runs a plugin of this file name: a dash separates two words, an underscore represents a
/// dash (`DefaultPluginHandler.Lookup` and `HandlePluginCommand` in kubectl's `pkg/cmd/cmd.go`).
fn name_of(file: &str) -> String {
    match file.strip_prefix("kubectl-") {
        Some(words) => format!("kubectl {}", words.replace('-', " ").replace('_', "-")),
        None => file.to_owned(),
    }
}

/// The stack size of the thread that does the work, in bytes. On Windows the main thread has 1 MiB, which is too little
/// for `why-not` in a debug build.
pub(crate) const STACK: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_follows_kubectl_plugin_lookup() {
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
