//! Finds kubectl, and passes the access to the API server on to it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::access::AccessOptions;
use super::credentials::look_path::look_path;
use super::kubeconfig::non_empty;

/// Finds kubectl: `KUBECTL_PATH`, which kubectl sets for its plugins since 1.37, or the first one on the `PATH`.
pub(crate) fn find() -> Option<PathBuf> {
    let named = std::env::var_os("KUBECTL_PATH").filter(|path| !path.is_empty());
    let path = std::env::var_os("PATH");
    let found = named.and_then(|named| look_path(&named.to_string_lossy(), path.as_deref()).ok());
    found.or_else(|| look_path("kubectl", path.as_deref()).ok())
}

/// The flags of kubectl for the same API server, user and namespace, without the token: other users of this machine can read it
/// in the list of processes.
pub(crate) fn access_flags(access: &AccessOptions) -> Vec<OsString> {
    let AccessOptions {
        kubeconfig,
        context,
        cluster,
        user,
        server,
        token: _,
        certificate_authority,
        tls_server_name,
        insecure_skip_tls_verify,
        as_user,
        as_group,
        as_uid,
        namespace,
        request_timeout,
        kuberc,
    } = access;
    let mut flags = Vec::new();
    let mut add = |flag: &str, value: OsString| {
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value);
        flags.push(argument);
    };
    for (flag, path) in
        [("kubeconfig", kubeconfig), ("certificate-authority", certificate_authority), ("kuberc", kuberc)]
    {
        if let Some(path) = path.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            add(flag, path.clone().into());
        }
    }
    for (flag, value) in [
        ("context", context),
        ("cluster", cluster),
        ("user", user),
        ("server", server),
        ("tls-server-name", tls_server_name),
        ("as", as_user),
        ("as-uid", as_uid),
        ("namespace", namespace),
    ] {
        if let Some(value) = non_empty(value) {
            add(flag, value.into());
        }
    }
    as_group.iter().for_each(|group| add("as-group", group.into()));
    if *insecure_skip_tls_verify {
        add("insecure-skip-tls-verify", "true".into());
    }
    if let Some(limit) = request_timeout {
        add("request-timeout", format!("{}ms", limit.as_millis()).into());
    }
    flags
}
