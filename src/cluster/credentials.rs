//! Credentials that change while the program runs: a credential plugin's, and a token file's.
//!
//! kube 5.0.0 runs a plugin three times while it builds a client, four times where the plugin answers with a
//! certificate (each may be a prompt or a touch of a hardware key), and sends a token file's newline. So the two
//! are done here: the plugin runs once, and again when what it gave expires. Everything else is left to kube.
//!
//! The rules: client-go `plugin/pkg/client/auth/exec` and `rest.InClusterConfig`'s token source.

use std::io::{ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::client::Body;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tower::{BoxError, Layer, Service};

use crate::error::{Error, system_words};

/// A token is renewed this long before it expires.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);
/// A token file is read again after this long, as client-go does.
const FILE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// Takes the changing credentials out of `auth`, so that kube does not handle them too. A plugin runs here, once;
/// a certificate that it gives stays in `auth`. `None` where nothing is left to add to a request.
///
/// # Errors
/// [`Error::Kubeconfig`] for a plugin that is missing or fails, and for a token file that cannot be read.
pub(super) async fn take(auth: &mut AuthInfo, user: &str) -> Result<Option<CredentialLayer>, Error> {
    if let Some(token) = auth.token.take() {
        // A block of YAML ends in a newline, which kube would send, and fail on.
        let token = token.expose_secret().trim().to_owned();
        bearer(&token)?;
        auth.token = Some(token.into());
    }
    let exec = auth.exec.take();
    let file = auth.token_file.take();
    let has_password = auth.username.is_some() && auth.password.is_some();
    if auth.token.is_some() || auth.auth_provider.is_some() || has_password {
        return Ok(None);
    }
    if let Some(file) = file {
        return CredentialLayer::of_file(file.into(), user).map(Some);
    }
    // A client certificate of the entry's own speaks for it: client-go does not run the plugin then.
    let has_certificate = auth.client_certificate.is_some() || auth.client_certificate_data.is_some();
    let Some(exec) = exec.filter(|_| !has_certificate) else {
        return Ok(None);
    };
    let plugin = Plugin { exec: Arc::new(exec), user: user.to_owned() };
    let credential = plugin.run_apart().await?;
    if let (Some(certificate), Some(key)) = (credential.client_certificate_data, credential.client_key_data) {
        auth.client_certificate_data = Some(base64(certificate));
        auth.client_key_data = Some(base64(key).into());
    }
    let until = credential.expiration_timestamp;
    Ok(credential.token.map(|token| CredentialLayer::of_plugin(plugin, token, until)))
}

/// The value of an `Authorization` header, which is never shown.
fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Kubeconfig {
        message: "the token holds characters that a request cannot carry".into(),
        hint: "log in again or renew the token".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn base64(text: String) -> String {
    match serde_json::to_value(ByteString(text.into_bytes())) {
        Ok(Value::String(encoded)) => encoded,
        _ => String::new(),
    }
}

/// Where a token comes from.
enum Source {
    Plugin(Plugin),
    File(PathBuf),
}

/// The token of now.
struct Held {
    token: String,
    /// `None`: for as long as the program runs.
    until: Option<Timestamp>,
}

struct Shared {
    source: Source,
    held: Mutex<Held>,
}

impl Shared {
    /// `Authorization: Bearer ...` with a token that has not expired.
    async fn header(&self) -> Result<HeaderValue, Error> {
        let mut held = self.held.lock().await;
        if held.until.is_some_and(|until| Timestamp::now() + MARGIN >= until) {
            self.renew(&mut held).await?;
        }
        bearer(held.token.trim())
    }

    async fn renew(&self, held: &mut Held) -> Result<(), Error> {
        match &self.source {
            Source::Plugin(plugin) => {
                let credential = plugin.run_apart().await?;
                held.token = credential.token.unwrap_or_default();
                held.until = credential.expiration_timestamp;
            }
            Source::File(path) => {
                // A file that has gone away leaves the last token in force, as in client-go.
                if let Ok(token) = std::fs::read_to_string(path) {
                    held.token = token;
                }
                held.until = Some(Timestamp::now() + FILE_LIFETIME);
            }
        }
        Ok(())
    }
}

/// Adds the token to each request.
#[derive(Clone)]
pub(super) struct CredentialLayer {
    shared: Arc<Shared>,
}

impl CredentialLayer {
    /// The token of a plugin that has just run.
    fn of_plugin(plugin: Plugin, token: String, until: Option<Timestamp>) -> Self {
        let source = Source::Plugin(plugin);
        Self { shared: Arc::new(Shared { source, held: Mutex::new(Held { token, until }) }) }
    }

    /// The token of a file, which is read for the first time.
    fn of_file(path: PathBuf, user: &str) -> Result<Self, Error> {
        let token = std::fs::read_to_string(&path).map_err(|error| Error::Kubeconfig {
            message: format!("the token file {} of user {user:?}: {}", path.display(), system_words(&error)),
            hint: "check the tokenFile of the user entry, or give --token".into(),
        })?;
        let until = Some(Timestamp::now() + FILE_LIFETIME);
        let source = Source::File(path);
        Ok(Self { shared: Arc::new(Shared { source, held: Mutex::new(Held { token, until }) }) })
    }
}

impl<S> Layer<S> for CredentialLayer {
    type Service = WithCredential<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithCredential { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A client whose requests carry the token.
#[derive(Clone)]
pub(super) struct WithCredential<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<http::Request<Body>> for WithCredential<S>
where
    S: Service<http::Request<Body>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The one that is ready answers; its clone, which is not, stays.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let shared = Arc::clone(&self.shared);
        async move {
            let header = shared.header().await?;
            request.headers_mut().insert(AUTHORIZATION, header);
            inner.call(request).await
        }
        .boxed()
    }
}

/// A credential plugin of a user entry.
#[derive(Clone)]
struct Plugin {
    exec: Arc<ExecConfig>,
    user: String,
}

/// `ExecCredential` of `client.authentication.k8s.io`, trimmed.
#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Credential>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Credential {
    token: Option<String>,
    expiration_timestamp: Option<Timestamp>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Plugin {
    /// Runs it where waiting for it holds up nothing else.
    async fn run_apart(&self) -> Result<Credential, Error> {
        let plugin = self.clone();
        match spawn_blocking(move || plugin.run()).await {
            Ok(outcome) => outcome,
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    fn run(&self) -> Result<Credential, Error> {
        let output = self.command()?.output().map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.missing(),
            _ => self.failed(error.to_string()),
        })?;
        if !output.status.success() {
            return Err(self.failed(output.status.to_string()));
        }
        // client-go reads YAML here too, and some plugins write it.
        let answer: ExecCredential = serde_saphyr::from_slice(&output.stdout)
            .map_err(|_| self.failed("its answer is not an ExecCredential".into()))?;
        let credential = answer.status.unwrap_or_default();
        let has_pair = credential.client_certificate_data.is_some() && credential.client_key_data.is_some();
        if credential.token.as_deref().unwrap_or_default().is_empty() && !has_pair {
            return Err(self.failed("its answer holds neither a token nor a certificate with its key".into()));
        }
        Ok(credential)
    }

    fn command(&self) -> Result<Command, Error> {
        let ExecConfig { command, args, env, interactive_mode, provide_cluster_info, cluster, .. } = &*self.exec;
        let program = command.as_deref().filter(|command| !command.is_empty());
        let mut process = Command::new(program.ok_or_else(|| self.failed("the entry names no command".into()))?);
        process.args(args.iter().flatten());
        for variable in env.iter().flatten() {
            if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
                process.env(name, value);
            }
        }
        let interactive = *interactive_mode != Some(ExecInteractiveMode::Never) && std::io::stdin().is_terminal();
        process.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
        // A prompt, or the plugin's own words on what went wrong.
        process.stderr(Stdio::inherit());
        let mut spec = json!({ "interactive": interactive });
        if *provide_cluster_info {
            spec["cluster"] = json!(cluster);
        }
        let request = json!({ "apiVersion": self.exec.api_version, "kind": "ExecCredential", "spec": spec });
        process.env("KUBERNETES_EXEC_INFO", request.to_string());
        Ok(process)
    }

    fn name(&self) -> &str {
        self.exec.command.as_deref().unwrap_or_default()
    }

    fn missing(&self) -> Error {
        let install = self.exec.install_hint.iter().flat_map(|hint| hint.split_whitespace());
        let hint = install.collect::<Vec<_>>().join(" ");
        Error::Kubeconfig {
            message: format!("the credential plugin {:?} of user {:?} is not installed", self.name(), self.user),
            hint: if hint.is_empty() { "install it, or choose another user: --user NAME".into() } else { hint },
        }
    }

    fn failed(&self, why: String) -> Error {
        Error::Kubeconfig {
            message: format!("the credential plugin {:?} of user {:?} failed: {why}", self.name(), self.user),
            hint: "log in again, or run the plugin by hand to see why; another user: --user NAME".into(),
        }
    }
}
