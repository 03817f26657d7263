//! The policy for credential plugins: `credentialPluginPolicy` and `credentialPluginAllowlist` of the kuberc file.
//!
//! The rules: `k8s.io/kubectl/pkg/kuberc` (`LoadKuberc`, `DefaultGetPreferences`, `decodePreference`) and
//! `ValidatePluginPolicy` and `checkAllowlistLocked` of client-go's `plugin/pkg/client/auth/exec`, at 1.36. kubectl
//! exits with an error if the file is invalid and was named by the flag or by `KUBERC`. It ignores an invalid default
//! file with a warning.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::DuplicateKeyPolicy;

use super::look_path::clean;
use crate::cluster::bounded::{CONFIG_LIMIT, read_any};
use crate::error::{Error, system_words};

/// The settings for the location of the kuberc file.
#[derive(Clone, Debug, Default)]
pub(crate) struct KubercSource {
    /// `KUBERC`: a path, or `off`.
    pub(crate) variable: Option<OsString>,
    /// `KUBECTL_KUBERC=false`.
    pub(crate) disabled: bool,
    /// The home directory, which contains `.kube/kuberc`.
    pub(crate) home: Option<PathBuf>,
}

/// The plugins that are allowed to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) enum Policy {
    /// All, which is the default.
    #[default]
    AllowAll,
    /// None.
    DenyAll {
        /// The kuberc file with this policy.
        file: PathBuf,
    },
    /// These only.
    Allowlist {
        /// The kuberc file with this policy.
        file: PathBuf,
        /// Paths, or names to look up in `PATH`.
        commands: Vec<String>,
    },
}

/// A policy, and the warning that kubectl prints for the file.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Loaded {
    pub(in crate::cluster) policy: Policy,
    pub(in crate::cluster) warning: Option<String>,
}

/// Reads the policy. `flag` is `--kuberc`.
///
/// # Errors
/// [`Error::Kubeconfig`] for an explicitly named file that cannot be used, and for an invalid policy.
pub(in crate::cluster) fn load(flag: Option<&Path>, source: &KubercSource) -> Result<Loaded, Error> {
    if source.disabled {
        return Ok(Loaded::default());
    }
    let flag = flag.filter(|path| !path.as_os_str().is_empty());
    let variable = source.variable.as_ref().filter(|value| !value.is_empty());
    if variable.is_some_and(|value| value == "off") {
        return match flag {
            Some(_) => Err(Error::Usage {
                message: "--kuberc cannot be combined with KUBERC=off".into(),
                hint: "unset KUBERC, or omit --kuberc".into(),
            }),
            None => Ok(Loaded::default()),
        };
    }
    let explicit = flag.map(Path::to_owned).or_else(|| variable.map(PathBuf::from));
    let is_explicit = explicit.is_some();
    let Some(file) = explicit.or_else(|| source.home.as_ref().map(|home| home.join(".kube").join("kuberc"))) else {
        return Ok(Loaded::default());
    };
    match read(&file) {
        Ok(None) => Ok(Loaded::default()),
        Ok(Some(preference)) => {
            let policy = preference.policy(&file).map_err(|why| invalid(&file, &why))?;
            Ok(Loaded { policy, warning: None })
        }
        Err(why) if is_explicit => Err(invalid(&file, &why.text())),
        Err(Unusable::NoFile) => Ok(Loaded::default()),
        Err(why) => {
            let warning = format!("ignoring the kuberc file {}: {}", file.display(), why.text());
            Ok(Loaded { policy: Policy::AllowAll, warning: Some(warning) })
        }
    }
}

fn invalid(file: &Path, why: &str) -> Error {
    Error::Kubeconfig {
        message: format!("invalid kuberc file {}: {why}", file.display()),
        hint: "fix the file, or set KUBERC=off to ignore it".into(),
    }
}

/// Why a file has no usable preferences.
enum Unusable {
    NoFile,
    Unreadable(String),
    NoPreference,
}

impl Unusable {
    fn text(&self) -> String {
        match self {
            Self::NoFile => "no such file or directory".into(),
            Self::Unreadable(why) => why.clone(),
            Self::NoPreference => "contains no valid Preference of kubectl.config.k8s.io/v1beta1".into(),
        }
    }
}

/// The first valid Preference of the file; `None` for an empty file.
fn read(file: &Path) -> Result<Option<Preference>, Unusable> {
    let content = read_any(file, CONFIG_LIMIT).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Unusable::NoFile,
        _ => Unusable::Unreadable(system_words(&error)),
    })?;
    parse(&String::from_utf8_lossy(&content))
}

fn parse(text: &str) -> Result<Option<Preference>, Unusable> {
    let mut documents = documents(text).into_iter().filter(|document| !document.trim().is_empty()).peekable();
    if documents.peek().is_none() {
        return Ok(None);
    }
    documents.find_map(|document| decode(&document)).map(Some).ok_or(Unusable::NoPreference)
}

/// Splits a YAML stream into documents before parsing, so that an invalid document does not affect the others
/// (`NewYAMLReader` of apimachinery).
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let separator = line.strip_prefix("---").map(str::trim);
        match (separator.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')), documents.last_mut()) {
            (false, Some(last)) => last.push_str(line),
            _ => documents.push(String::new()),
        }
    }
    documents
}

/// `Preference` of `kubectl.config.k8s.io/v1beta1`, trimmed to the plugin fields.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preference {
    api_version: String,
    kind: String,
    credential_plugin_policy: Option<String>,
    credential_plugin_allowlist: Option<Vec<Option<Entry>>>,
}

/// An entry of the allowlist. `name` is the deprecated spelling of `command`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: Option<String>,
    command: Option<String>,
}

impl Entry {
    fn command(&self) -> &str {
        let given = |value: &'_ Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
        let chosen = if given(&self.command) { &self.command } else { &self.name };
        chosen.as_deref().unwrap_or_default()
    }

    /// Whether both spellings are set to different values, which kubectl cannot decode.
    fn is_contradictory(&self) -> bool {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        matches!((given(&self.name), given(&self.command)), (Some(name), Some(command)) if name != command)
    }
}

/// Decodes one document; `None` if it is not a valid Preference.
fn decode(document: &str) -> Option<Preference> {
    // For kubectl a repeated key is a warning, and the last value counts.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    // Through JSON, so that a number is not accepted as a string.
    let value: Value = serde_saphyr::from_str_with_options(document, options).ok()?;
    let preference: Preference = serde_json::from_value(value).ok()?;
    match (preference.api_version.as_str(), preference.kind.as_str()) {
        ("kubectl.config.k8s.io/v1beta1", "Preference") => {
            let entries = preference.credential_plugin_allowlist.iter().flatten().flatten();
            (!entries.into_iter().any(Entry::is_contradictory)).then_some(preference)
        }
        // v1alpha1 has no policy.
        ("kubectl.config.k8s.io/v1alpha1", "Preference") => Some(Preference::default()),
        _ => None,
    }
}

impl Preference {
    /// `ValidatePluginPolicy` and `validateAllowlist`.
    fn policy(&self, file: &Path) -> Result<Policy, String> {
        let file = file.to_owned();
        match (self.credential_plugin_policy.as_deref().unwrap_or_default(), &self.credential_plugin_allowlist) {
            ("" | "AllowAll", None) => Ok(Policy::AllowAll),
            ("DenyAll", None) => Ok(Policy::DenyAll { file }),
            ("Allowlist", None) => {
                Err("credentialPluginPolicy is Allowlist, but credentialPluginAllowlist is not set".into())
            }
            ("Allowlist", Some(entries)) => Ok(Policy::Allowlist { file, commands: commands(entries)? }),
            (policy @ ("" | "AllowAll" | "DenyAll"), Some(_)) => {
                Err(format!("credentialPluginPolicy is {policy:?}, but credentialPluginAllowlist is set"))
            }
            (policy, _) => Err(format!("unknown credentialPluginPolicy {policy:?}")),
        }
    }
}

fn commands(entries: &[Option<Entry>]) -> Result<Vec<String>, String> {
    if entries.is_empty() {
        return Err("credentialPluginAllowlist is empty: use the policy DenyAll instead".into());
    }
    let checked = entries.iter().enumerate().map(|(index, entry)| {
        let command = entry.as_ref().map(Entry::command).unwrap_or_default();
        if command.is_empty() {
            return Err(format!("entry {} of credentialPluginAllowlist has no command", index + 1));
        }
        match clean(command) {
            cleaned if cleaned.as_os_str() == command => Ok(command.to_owned()),
            cleaned => Err(format!(
                "entry {} of credentialPluginAllowlist is {command:?}, but must be {:?}",
                index + 1,
                cleaned.display().to_string()
            )),
        }
    });
    checked.collect()
}

impl Policy {
    /// Checks that the plugin is allowed to run. `command` is the kubeconfig's, `program` the file that it resolves to,
    /// and `look_path` resolves an entry of the allowlist. The error is the reason why it is not allowed.
    pub(super) fn check(
        &self,
        command: &str,
        program: &Path,
        look_path: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<(), String> {
        match self {
            Self::AllowAll => Ok(()),
            Self::DenyAll { file } => Err(format!("credentialPluginPolicy is DenyAll in {}", file.display())),
            Self::Allowlist { file, commands } => {
                let command = clean(command);
                let is_same = |entry: &String| {
                    let entry = entry.as_str();
                    command.as_os_str() == entry
                        || program.as_os_str() == entry
                        || (Path::new(entry).file_name() == program.file_name()
                            && look_path(entry).is_some_and(|found| found == program))
                };
                match commands.iter().any(is_same) {
                    true => Ok(()),
                    false => Err(format!(
                        "{} is not in the credentialPluginAllowlist of {}",
                        program.display(),
                        file.display()
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
