//! Credentials that change while the program runs: those of a credential plugin and of a token file.
//!
//! kube 5.0.0 runs a plugin three times while it builds a client, four times if the plugin returns a certificate (each
//! run may prompt or need a hardware key), and sends the newline of a token file. Therefore both are handled here: the
//! plugin runs once, and again when its credential expires. kube handles everything else.
//!
//! The rules: client-go `plugin/pkg/client/auth/exec` and the token source of `rest.InClusterConfig`.

pub(super) mod look_path;
mod plugin;
pub(super) mod policy;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::client::Body;
use kube::config::{AuthInfo, ExecConfig};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::Mutex;
use tower::{BoxError, Layer, Service};

use self::plugin::Plugin;
pub(super) use self::plugin::PluginEnvironment;
use super::bounded::{CONFIG_LIMIT, TOKEN_LIMIT, read_regular};
use crate::error::{Error, system_words};

/// How long before its expiration a token is renewed.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);
/// How long the content of a token file is used before it is read again, as in client-go.
const FILE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// Rejects a user entry that kubectl rejects for any server: `validateAuthInfo` of client-go
/// (`tools/clientcmd/validation.go`).
///
/// # Errors
/// [`Error::Kubeconfig`] for a contradictory or incomplete entry.
pub(super) fn validate(auth: &AuthInfo, user: &str) -> Result<(), Error> {
    if auth.token.is_some() && (auth.username.is_some() || auth.password.is_some()) {
        return Err(Error::Kubeconfig {
            message: format!("user {user:?} has both a token and a password"),
            hint: "remove one of them from the user entry, or use another user: --user NAME".into(),
        });
    }
    for (what, path) in [("client certificate", &auth.client_certificate), ("client key", &auth.client_key)] {
        if let Some(Err(error)) = path.as_ref().map(std::fs::metadata) {
            let path = path.as_deref().unwrap_or_default();
            return Err(unreadable(what, Path::new(path), user, &error));
        }
    }
    let Some(exec) = &auth.exec else {
        return Ok(());
    };
    match wrong(exec).or(auth.auth_provider.is_some().then_some("a conflicting auth-provider")) {
        None => Ok(()),
        Some(what) => Err(Error::Kubeconfig {
            message: format!("the credential plugin of user {user:?} has {what}"),
            hint: "fix the exec section of the user entry, or use another user: --user NAME".into(),
        }),
    }
}

fn wrong(exec: &ExecConfig) -> Option<&'static str> {
    let is_empty = |value: &Option<String>| value.as_ref().is_none_or(String::is_empty);
    let unnamed = exec.env.iter().flatten().any(|variable| variable.get("name").is_none_or(String::is_empty));
    // interactiveMode has a default in older versions.
    let needs_mode = !matches!(
        exec.api_version.as_deref(),
        Some("client.authentication.k8s.io/v1beta1" | "client.authentication.k8s.io/v1alpha1")
    );
    match exec {
        _ if is_empty(&exec.command) => Some("no command"),
        _ if is_empty(&exec.api_version) => Some("no apiVersion"),
        _ if unnamed => Some("an env entry without a name"),
        _ if needs_mode && exec.interactive_mode.is_none() => Some("no interactiveMode"),
        _ => None,
    }
}

/// Removes the changing credentials from `auth`, so that kube does not handle them too. Runs the plugin once; a
/// certificate that it returns stays in `auth`. `None` if no header needs to be added to requests.
///
/// # Errors
/// [`Error::Kubeconfig`] for a plugin that is missing, not allowed or fails, and for a file that cannot be read.
pub(super) async fn take(
    auth: &mut AuthInfo,
    user: &str,
    environment: &PluginEnvironment,
) -> Result<Option<CredentialLayer>, Error> {
    read_certificates(auth, user)?;
    check_version(auth, user)?;
    if let Some(token) = auth.token.take() {
        // A YAML block scalar ends with a newline, which is not valid in a header.
        let token = token.expose_secret().trim().to_owned();
        bearer(&token)?;
        auth.token = Some(token.into());
    }
    if auth.username.is_some() || auth.password.is_some() {
        // kube sends them only if both are set; client-go also sends one alone.
        auth.username.get_or_insert_default();
        auth.password.get_or_insert_with(|| String::new().into());
    }
    let exec = auth.exec.take();
    // If readable, the file takes precedence over the token of the entry and of the flag:
    // `NewBearerAuthWithRefreshRoundTripper` of client-go.
    if let Some(file) = auth.token_file.take() {
        match CredentialLayer::from_file(file.into(), user) {
            Ok(layer) => {
                auth.token = None;
                return Ok(Some(layer));
            }
            Err(error) if auth.token.is_none() => return Err(error),
            Err(_) => {}
        }
    }
    if let Some(provider) = auth.auth_provider.as_ref().filter(|provider| provider.name != "oidc") {
        // kube would run a command for `gcp`. kubectl removed these providers in 1.26.
        return Err(Error::Kubeconfig {
            message: format!("the auth-provider {:?} of user {user:?} is not supported", provider.name),
            hint: "use the cloud provider's credential plugin (exec), which kubectl requires since 1.26".into(),
        });
    }
    if auth.token.is_some() || auth.auth_provider.is_some() || auth.username.is_some() {
        return Ok(None);
    }
    // client-go does not run the plugin if the entry has a client certificate.
    let Some(exec) = exec.filter(|_| auth.client_certificate_data.is_none()) else {
        return Ok(None);
    };
    let plugin = Plugin::new(exec, user, environment)?;
    let credential = plugin.run().await?;
    if let (Some(certificate), Some(key)) = (credential.client_certificate_data, credential.client_key_data) {
        auth.client_certificate_data = Some(base64(certificate.into_bytes()));
        auth.client_key_data = Some(base64(key.into_bytes()).into());
    }
    let until = credential.expiration_timestamp;
    Ok(credential.token.map(|token| CredentialLayer::from_plugin(plugin, token, until)))
}

/// client-go rejects an unknown version even if the plugin is not needed: `newAuthenticator`.
fn check_version(auth: &AuthInfo, user: &str) -> Result<(), Error> {
    let version = auth.exec.as_ref().map(|exec| exec.api_version.as_deref().unwrap_or_default());
    match version {
        None | Some("client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1") => Ok(()),
        Some(version) => Err(Error::Kubeconfig {
            message: format!("the credential plugin of user {user:?} has an unsupported apiVersion {version:?}"),
            hint: "use client.authentication.k8s.io/v1, or use another user: --user NAME".into(),
        }),
    }
}

/// Replaces the paths of the client certificate and key with their content: kube would read the files without a size
/// limit.
fn read_certificates(auth: &mut AuthInfo, user: &str) -> Result<(), Error> {
    let read = |what: &str, path: String| match read_regular(Path::new(&path), CONFIG_LIMIT) {
        Ok(content) => Ok(base64(content)),
        Err(error) => Err(unreadable(what, Path::new(&path), user, &error)),
    };
    if let (None, Some(path)) = (&auth.client_certificate_data, auth.client_certificate.take()) {
        auth.client_certificate_data = Some(read("client certificate", path)?);
    }
    if let (None, Some(path)) = (&auth.client_key_data, auth.client_key.take()) {
        auth.client_key_data = Some(read("client key", path)?.into());
    }
    Ok(())
}

fn unreadable(what: &str, path: &Path, user: &str, error: &std::io::Error) -> Error {
    Error::Kubeconfig {
        message: format!("cannot read {what} {} of user {user:?}: {}", path.display(), system_words(error)),
        hint: "check the paths in the user entry, or use another user: --user NAME".into(),
    }
}

/// The value of an `Authorization` header, marked as sensitive.
fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Kubeconfig {
        message: "the token contains characters that are not valid in a request header".into(),
        hint: "log in again or renew the token".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn base64(content: Vec<u8>) -> String {
    match serde_json::to_value(ByteString(content)) {
        Ok(Value::String(encoded)) => encoded,
        _ => String::new(),
    }
}

/// The source of a token.
enum Source {
    Plugin(Plugin),
    File(PathBuf),
}

/// The current token.
struct Held {
    token: String,
    /// When to renew it; `None` for never.
    until: Option<Timestamp>,
}

struct Shared {
    source: Source,
    held: Mutex<Held>,
}

impl Shared {
    /// The `Authorization` header with a token that has not expired.
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
                let credential = plugin.run().await?;
                held.token = credential.token.unwrap_or_default();
                held.until = credential.expiration_timestamp;
            }
            Source::File(path) => {
                // If the file cannot be read any more, the last token stays in use, as in client-go.
                if let Ok(token) = read_token(path) {
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
    /// A layer with the token that a plugin has returned.
    fn from_plugin(plugin: Plugin, token: String, until: Option<Timestamp>) -> Self {
        let source = Source::Plugin(plugin);
        Self { shared: Arc::new(Shared { source, held: Mutex::new(Held { token, until }) }) }
    }

    /// A layer with the token of a file.
    fn from_file(path: PathBuf, user: &str) -> Result<Self, Error> {
        let token = read_token(&path).map_err(|error| Error::Kubeconfig {
            message: format!("cannot read token file {} of user {user:?}: {}", path.display(), system_words(&error)),
            hint: "check the tokenFile of the user entry, or pass --token".into(),
        })?;
        let until = Some(Timestamp::now() + FILE_LIFETIME);
        let source = Source::File(path);
        Ok(Self { shared: Arc::new(Shared { source, held: Mutex::new(Held { token, until }) }) })
    }
}

fn read_token(path: &Path) -> std::io::Result<String> {
    let content = read_regular(path, TOKEN_LIMIT)?;
    String::from_utf8(content).map_err(|_| std::io::Error::other("not UTF-8"))
}

impl<S> Layer<S> for CredentialLayer {
    type Service = WithCredential<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithCredential { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A client that adds the token to its requests.
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
        // The service that is ready handles the request; its clone, which is not ready, stays.
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

#[cfg(test)]
mod tests;
