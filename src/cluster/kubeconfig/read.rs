//! Reads one kubeconfig file with a size limit, which kube does not have.

use std::io::{Error as IoError, ErrorKind};
use std::path::{MAIN_SEPARATOR, Path, absolute};

use kube::config::{Kubeconfig, KubeconfigError};
use serde_json::Value;

use crate::cluster::bounded::{CONFIG_LIMIT, read_any};
use crate::error::Error;

/// Reads one file and resolves its relative paths; `None` if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<Kubeconfig>, Error> {
    let content = match read_any(path, CONFIG_LIMIT).and_then(decoded) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(path, &KubeconfigError::ReadConfig(error, path.to_owned()))),
    };
    let mut file = Kubeconfig::from_yaml(&content).map_err(|error| broken(path, &error))?;
    empty_is_unset(&mut file);
    if let Some(folder) = absolute(path).ok().as_deref().and_then(Path::parent) {
        resolve_paths(&mut file, folder);
    }
    Ok(Some(file))
}

/// The error for a file that cannot be read or parsed. Only the first line of the parser's message: the rest quotes the
/// file, which contains secrets.
pub(super) fn broken(path: &Path, error: &KubeconfigError) -> Error {
    let words = match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(error) => error.without_snippet().to_string(),
        other => other.to_string(),
    };
    Error::Kubeconfig {
        message: format!("{}: {}", path.display(), words.lines().next().unwrap_or_default()),
        hint: "fix the file, or use another one: --kubeconfig FILE".into(),
    }
}

/// Decodes the text of a file; on Windows it may be UTF-16.
fn decoded(content: Vec<u8>) -> Result<String, IoError> {
    let units = |from: fn([u8; 2]) -> u16| {
        content[2..].chunks_exact(2).map(|pair| from([pair[0], pair[1]])).collect::<Vec<_>>()
    };
    let text = match content.as_slice() {
        [0xFF, 0xFE, ..] => String::from_utf16(&units(u16::from_le_bytes)).ok(),
        [0xFE, 0xFF, ..] => String::from_utf16(&units(u16::from_be_bytes)).ok(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(content).ok(),
    };
    text.ok_or_else(|| IoError::new(ErrorKind::InvalidData, "not valid UTF-8 or UTF-16"))
}

/// Joins relative paths with the file's directory: `ResolveLocalPaths` of client-go (`tools/clientcmd/loader.go`). A
/// command without a separator is looked up in `PATH`.
fn resolve_paths(file: &mut Kubeconfig, folder: &Path) {
    let resolve = |path: &mut Option<String>| {
        if let Some(joined) = path.as_ref().and_then(|path| folder.join(path).to_str().map(str::to_owned)) {
            *path = Some(joined);
        }
    };
    for cluster in file.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        resolve(&mut cluster.certificate_authority);
    }
    for user in file.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        resolve(&mut user.client_certificate);
        resolve(&mut user.client_key);
        resolve(&mut user.token_file);
        if let Some(exec) = &mut user.exec
            && exec.command.as_ref().is_some_and(|command| command.contains(MAIN_SEPARATOR))
        {
            resolve(&mut exec.command);
        }
    }
}

/// Removes entries with the value `""`, as in client-go: tools write `certificate-authority-data: ""` and
/// `current-context: ""`.
fn empty_is_unset(file: &mut Kubeconfig) {
    let clear = |value: &mut Option<String>| *value = non_empty(value);
    clear(&mut file.current_context);
    for cluster in file.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        clear(&mut cluster.server);
        clear(&mut cluster.certificate_authority);
        clear(&mut cluster.certificate_authority_data);
        clear(&mut cluster.proxy_url);
        clear(&mut cluster.tls_server_name);
    }
    for user in file.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        clear(&mut user.username);
        clear(&mut user.token_file);
        clear(&mut user.client_certificate);
        clear(&mut user.client_certificate_data);
        clear(&mut user.client_key);
        clear(&mut user.impersonate);
        clear(&mut user.impersonate_uid);
        // The type that hides a secret cannot be read directly, but it can be serialized.
        let shown = serde_json::to_value(&*user).unwrap_or_default();
        let clear_secret = |name: &str, unset: &mut dyn FnMut()| {
            if shown.get(name).and_then(Value::as_str) == Some("") {
                unset();
            }
        };
        clear_secret("password", &mut || user.password = None);
        clear_secret("token", &mut || user.token = None);
        clear_secret("client-key-data", &mut || user.client_key_data = None);
    }
}

/// The value unless it is empty: client-go's types do not distinguish an empty value from none.
pub(in crate::cluster) fn non_empty(value: &Option<String>) -> Option<String> {
    value.clone().filter(|value| !value.is_empty())
}
