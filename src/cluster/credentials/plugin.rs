//! Runs a credential plugin: one process, limited by the policy, in time, and in the size of its output.
//!
//! The rules: client-go `plugin/pkg/client/auth/exec/exec.go`, `refreshCredsLocked`.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::look_path::{NotFound, clean, look_path};
use super::policy::Policy;
use crate::activity::{Activity, begin};
use crate::cluster::bounded::TOKEN_LIMIT;
use crate::error::{Error, system_words};
use crate::interrupt::Signals;
use crate::process::{Failure, Group, Process};

/// The settings of a plugin that are not in its kubeconfig entry.
#[derive(Clone, Debug, Default)]
pub(in crate::cluster) struct PluginEnvironment {
    pub(in crate::cluster) policy: Policy,
    /// `PATH`.
    pub(in crate::cluster) path: Option<OsString>,
    /// `--request-timeout`.
    pub(in crate::cluster) timeout: Option<Duration>,
}

/// A credential plugin that is allowed to run.
#[derive(Clone, Debug)]
pub(super) struct Plugin {
    exec: Arc<ExecConfig>,
    user: String,
    program: PathBuf,
    timeout: Option<Duration>,
}

/// `ExecCredential` of `client.authentication.k8s.io`, trimmed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    status: Option<Credential>,
}

/// The credential that a plugin returns.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Credential {
    pub(super) token: Option<String>,
    pub(super) expiration_timestamp: Option<Timestamp>,
    pub(super) client_certificate_data: Option<String>,
    pub(super) client_key_data: Option<String>,
}

impl Plugin {
    /// Finds the program and checks the policy. Does not run it.
    pub(super) fn new(exec: ExecConfig, user: &str, environment: &PluginEnvironment) -> Result<Self, Error> {
        let PluginEnvironment { policy, path, timeout } = environment;
        let mut plugin =
            Self { exec: Arc::new(exec), user: user.to_owned(), program: PathBuf::new(), timeout: *timeout };
        let find = |command: &str| look_path(&clean(command).to_string_lossy(), path.as_deref());
        let found = find(plugin.command());
        let program = found.as_deref().unwrap_or(Path::new(plugin.command()));
        policy.check(plugin.command(), program, |entry| find(entry).ok()).or_else(|why| {
            match (policy, found.is_ok()) {
                // The allowlist does not apply to a program that does not exist.
                (Policy::Allowlist { .. }, false) => Ok(()),
                _ => Err(plugin.denied(&why, program)),
            }
        })?;
        plugin.program = found.map_err(|why| plugin.missing(why))?;
        Ok(plugin)
    }

    /// Runs the plugin until it returns a credential, the time limit expires, or a signal arrives.
    pub(super) async fn run(&self) -> Result<Credential, Error> {
        let interactive = is_interactive(self.exec.interactive_mode.as_ref(), stdin().is_terminal())
            .map_err(|why| self.failed(why))?;
        let _running = begin(Activity::CredentialPlugin { name: self.name(), user: self.user.clone() });
        // Before the plugin starts: a signal would otherwise end this program and leave the plugin running.
        let mut signals = Signals::listen();
        let group = Group::choose(self.exec.interactive_mode == Some(ExecInteractiveMode::Never));
        let mut process =
            Process::start(self.process(interactive), group).map_err(|error| self.failed(&system_words(&error)))?;
        let output = tokio::select! {
            biased;
            code = signals.next() => return Err(Error::Interrupted { code }),
            () = over(self.timeout) => return Err(self.too_slow()),
            output = process.output(TOKEN_LIMIT) => output,
        };
        match output {
            Ok(output) => self.credential(&output),
            Err(Failure::Ended(status)) => Err(self.failed(&status)),
            Err(Failure::TooLong) => Err(self.failed("its output is longer than 1 MiB")),
        }
    }

    fn process(&self, interactive: bool) -> Command {
        let ExecConfig { args, env, provide_cluster_info, cluster, .. } = &*self.exec;
        let mut process = Command::new(&self.program);
        process.args(args.iter().flatten());
        for variable in env.iter().flatten() {
            if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
                process.env(name, value);
            }
        }
        process.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
        // For prompts and error messages of the plugin.
        process.stderr(Stdio::inherit());
        let mut spec = json!({ "interactive": interactive });
        if *provide_cluster_info {
            spec["cluster"] = json!(cluster);
        }
        let request = json!({ "apiVersion": self.api_version(), "kind": "ExecCredential", "spec": spec });
        process.env("KUBERNETES_EXEC_INFO", request.to_string());
        process
    }

    fn credential(&self, output: &[u8]) -> Result<Credential, Error> {
        // client-go also accepts YAML, and some plugins write it.
        let answer: ExecCredential =
            serde_saphyr::from_slice(output).map_err(|_| self.failed("its output is not an ExecCredential"))?;
        if answer.kind != "ExecCredential" {
            return Err(self.failed("its output is not an ExecCredential"));
        }
        if answer.api_version != self.api_version() {
            let (wanted, given) = (self.api_version(), answer.api_version);
            return Err(self.failed(&format!("the kubeconfig has apiVersion {wanted:?}, its output {given:?}")));
        }
        let credential = answer.status.unwrap_or_default();
        let has = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
        match (has(&credential.token), has(&credential.client_certificate_data), has(&credential.client_key_data)) {
            (_, true, false) | (_, false, true) => {
                Err(self.failed("its output has a certificate or a key, but not both"))
            }
            (false, false, false) => Err(self.failed("its output has neither a token nor a certificate with its key")),
            (true, _, _) | (false, true, true) => Ok(credential),
        }
    }

    fn command(&self) -> &str {
        self.exec.command.as_deref().unwrap_or_default()
    }

    /// The command without its directory.
    fn name(&self) -> String {
        let command = Path::new(self.command());
        command.file_name().unwrap_or(command.as_os_str()).to_string_lossy().into_owned()
    }

    fn api_version(&self) -> &str {
        self.exec.api_version.as_deref().unwrap_or_default()
    }

    fn error(&self, what: &str, hint: String) -> Error {
        Error::Kubeconfig {
            message: format!("the credential plugin {:?} of user {:?} {what}", self.command(), self.user),
            hint,
        }
    }

    fn missing(&self, why: NotFound) -> Error {
        match why {
            NotFound::InCurrentFolder => self.error(
                "is not run: PATH finds it in the current directory",
                "set the path of the plugin in the kubeconfig, or remove relative directories from PATH".into(),
            ),
            NotFound::Missing => {
                let install = self.exec.install_hint.iter().flat_map(|hint| hint.split_whitespace());
                let hint = install.collect::<Vec<_>>().join(" ");
                let usual = "install it, or use another user: --user NAME";
                self.error("is not installed", if hint.is_empty() { usual.into() } else { hint })
            }
        }
    }

    fn denied(&self, why: &str, program: &Path) -> Error {
        self.error(
            &format!("is not allowed to run: {why}"),
            format!(
                "if you trust it, add command: {} to the credentialPluginAllowlist of the kuberc file; \
                 or use another user: --user NAME",
                program.display()
            ),
        )
    }

    fn too_slow(&self) -> Error {
        let seconds = self.timeout.unwrap_or_default().as_secs_f64();
        self.error(
            &format!("did not respond within {seconds}s"),
            "raise --request-timeout (0: no timeout), or run the plugin manually to find the cause".into(),
        )
    }

    fn failed(&self, why: &str) -> Error {
        self.error(
            &format!("failed: {why}"),
            "log in again, run the plugin manually to find the cause, or use another user: --user NAME".into(),
        )
    }
}

/// Whether the plugin gets the terminal as its standard input: `isInteractive`. The mode defaults to `IfAvailable` in
/// the API versions in which it is optional.
fn is_interactive(mode: Option<&ExecInteractiveMode>, has_terminal: bool) -> Result<bool, &'static str> {
    match mode {
        Some(ExecInteractiveMode::Never) => Ok(false),
        Some(ExecInteractiveMode::IfAvailable) | None => Ok(has_terminal),
        Some(ExecInteractiveMode::Always) if has_terminal => Ok(true),
        Some(ExecInteractiveMode::Always) => Err("its interactiveMode is Always, but standard input is not a terminal"),
    }
}

async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn interactive_mode_decides_on_the_terminal() {
        use ExecInteractiveMode::{Always, IfAvailable, Never};
        for (mode, with_terminal, without) in [
            (Some(Never), Ok(false), Ok(false)),
            (Some(IfAvailable), Ok(true), Ok(false)),
            (None, Ok(true), Ok(false)),
            (Some(Always), Ok(true), Err(())),
        ] {
            assert_eq!(is_interactive(mode.as_ref(), true).map_err(drop), with_terminal, "{mode:?}");
            assert_eq!(is_interactive(mode.as_ref(), false).map_err(drop), without, "{mode:?}");
        }
    }
}
