//! Finds kubectl, and hands a command over to it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

/// `kubectl exec` in one pod.
// No Debug: the access has a token.
#[derive(Clone, Default)]
pub(crate) struct ExecCommand {
    pub(crate) access: AccessOptions,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// `None` for kubectl's default.
    pub(crate) container: Option<String>,
    /// `--stdin`.
    pub(crate) stdin: bool,
    /// `--tty`.
    pub(crate) tty: bool,
    /// The program to run in the container, with its arguments.
    pub(crate) command: Vec<OsString>,
}

impl ExecCommand {
    /// The arguments of kubectl. Every value is part of the word of its flag, of `pod/NAME`, or after `--`, so that none of
    /// them can be a flag. Unlike [`access_flags`], they have the token: the user wrote it on a command line already, and
    /// kubectl replaces this process.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let access = AccessOptions { namespace: Some(self.namespace.clone()), ..self.access.clone() };
        let mut arguments = vec![OsString::from("exec")];
        arguments.extend(access_flags(&access));
        if let Some(token) = non_empty(&access.token) {
            arguments.push(format!("--token={token}").into());
        }
        if let Some(container) = &self.container {
            arguments.push(format!("--container={container}").into());
        }
        for (flag, is_set) in [("--stdin", self.stdin), ("--tty", self.tty)] {
            if is_set {
                arguments.push(flag.into());
            }
        }
        arguments.extend([format!("pod/{}", self.pod).into(), OsString::from("--")]);
        arguments.extend(self.command.iter().cloned());
        arguments
    }

    /// Replaces this process by kubectl. Returns only if kubectl cannot be run.
    #[cfg(unix)]
    pub(crate) fn replace_process(&self, kubectl: &Path) -> std::io::Result<u8> {
        use std::os::unix::process::CommandExt;
        Err(std::process::Command::new(kubectl).args(self.arguments()).exec())
    }

    /// Runs kubectl and returns its exit code.
    #[cfg(not(unix))]
    pub(crate) fn replace_process(&self, kubectl: &Path) -> std::io::Result<u8> {
        let status = std::process::Command::new(kubectl).args(self.arguments()).status()?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(command: &ExecCommand) -> Vec<String> {
        command.arguments().into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn values_of_exec_never_become_flags() {
        let command = ExecCommand {
            access: AccessOptions {
                context: Some("--as=root".into()),
                token: Some("-t".into()),
                namespace: Some("other".into()),
                ..AccessOptions::default()
            },
            namespace: "-n".into(),
            pod: "--rm".into(),
            container: Some("--stdin".into()),
            stdin: false,
            tty: true,
            command: vec!["--help".into(), "$(id)".into()],
        };
        let expected = [
            "exec",
            "--context=--as=root",
            "--namespace=-n",
            "--token=-t",
            "--container=--stdin",
            "--tty",
            "pod/--rm",
            "--",
            "--help",
            "$(id)",
        ];
        assert_eq!(arguments(&command), expected);
    }

    #[test]
    fn exec_without_options_leaves_the_container_to_kubectl() {
        let command = ExecCommand {
            namespace: "n".into(),
            pod: "p".into(),
            command: vec!["sh".into()],
            ..ExecCommand::default()
        };
        assert_eq!(arguments(&command), ["exec", "--namespace=n", "pod/p", "--", "sh"]);
    }
}
