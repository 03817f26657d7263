//! Credentials that change while the program runs: a credential plugin's, and a token file's.
//!
//! kube 5.0.0 runs a plugin three times while it builds a client, four times where the plugin answers with a
//! certificate (each may be a prompt or a touch of a hardware key), and sends a token file's newline. So the two
//! are done here: the plugin runs once, and again when what it gave expires. Everything else is left to kube.
//!
//! The rules: client-go `plugin/pkg/client/auth/exec` and `rest.InClusterConfig`'s token source.

mod look_path;
mod plugin;
pub(super) mod policy;
mod process;

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
pub(super) use self::plugin::Topology;
use super::bounded::{CONFIG_LIMIT, TOKEN_LIMIT, read_regular};
use crate::error::{Error, system_words};

/// A token is renewed this long before it expires.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);
/// A token file is read again after this long, as client-go does.
const FILE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// Refuses a user entry that kubectl refuses whatever the server: `validateAuthInfo` of client-go
/// (`tools/clientcmd/validation.go`).
///
/// # Errors
/// [`Error::Kubeconfig`] for an entry that says two things, or too little.
pub(super) fn validate(auth: &AuthInfo, user: &str) -> Result<(), Error> {
    if auth.token.is_some() && (auth.username.is_some() || auth.password.is_some()) {
        return Err(Error::Kubeconfig {
            message: format!("user {user:?} has a token and a password, and only one of them can be sent"),
            hint: "remove one of them from the user entry, or choose another user: --user NAME".into(),
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
    match wrong(exec).or(auth.auth_provider.is_some().then_some("an auth-provider beside it")) {
        None => Ok(()),
        Some(what) => Err(Error::Kubeconfig {
            message: format!("the credential plugin of user {user:?} has {what}"),
            hint: "fix the exec of the user entry, or choose another user: --user NAME".into(),
        }),
    }
}

fn wrong(exec: &ExecConfig) -> Option<&'static str> {
    let is_empty = |value: &Option<String>| value.as_ref().is_none_or(String::is_empty);
    let unnamed = exec.env.iter().flatten().any(|variable| variable.get("name").is_none_or(String::is_empty));
    // Older versions have a default.
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

/// Takes the changing credentials out of `auth`, so that kube does not handle them too. A plugin runs here, once;
/// a certificate that it gives stays in `auth`. `None` where nothing is left to add to a request.
///
/// # Errors
/// [`Error::Kubeconfig`] for a plugin that is missing, is denied or fails, and for a file that cannot be read.
pub(super) async fn take(
    auth: &mut AuthInfo,
    user: &str,
    surroundings: &Topology,
) -> Result<Option<CredentialLayer>, Error> {
    read_certificates(auth, user)?;
    check_version(auth, user)?;
    if let Some(token) = auth.token.take() {
        // A block of YAML ends in a newline, which kube would send, and fail on.
        let token = token.expose_secret().trim().to_owned();
        bearer(&token)?;
        auth.token = Some(token.into());
    }
    if auth.username.is_some() || auth.password.is_some() {
        // kube sends them only as a pair, client-go also apart.
        auth.username.get_or_insert_default();
        auth.password.get_or_insert_with(|| String::new().into());
    }
    let exec = auth.exec.take();
    // The file goes before the token of the entry and that of the flag, as long as it can be read:
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
        // kube would run a command for `gcp`. kubectl has had none of these since 1.26.
        return Err(Error::Kubeconfig {
            message: format!("the auth-provider {:?} of user {user:?} is not supported", provider.name),
            hint: "use the credential plugin (exec) of the cloud provider, as kubectl requires since 1.26".into(),
        });
    }
    if auth.token.is_some() || auth.auth_provider.is_some() || auth.username.is_some() {
        return Ok(None);
    }
    // A client certificate of the entry's own speaks for it: client-go does not run the plugin then.
    let Some(exec) = exec.filter(|_| auth.client_certificate_data.is_none()) else {
        return Ok(None);
    };
    let plugin = Plugin::new(exec, user, surroundings)?;
    let credential = plugin.run().await?;
    if let (Some(certificate), Some(key)) = (credential.client_certificate_data, credential.client_key_data) {
        auth.client_certificate_data = Some(base64(certificate.into_bytes()));
        auth.client_key_data = Some(base64(key.into_bytes()).into());
    }
    let until = credential.expiration_timestamp;
    Ok(credential.token.map(|token| CredentialLayer::from_plugin(plugin, token, until)))
}

/// client-go refuses a version that it does not know even where the plugin is not needed: `newAuthenticator`.
fn check_version(auth: &AuthInfo, user: &str) -> Result<(), Error> {
    let version = auth.exec.as_ref().map(|exec| exec.api_version.as_deref().unwrap_or_default());
    match version {
        None | Some("client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1") => Ok(()),
        Some(version) => Err(Error::Kubeconfig {
            message: format!("the credential plugin of user {user:?} has the unknown apiVersion {version:?}"),
            hint: "client.authentication.k8s.io/v1 is the current one, or choose another user: --user NAME".into(),
        }),
    }
}

/// Puts the files of the client certificate into the entry itself: kube would read them without a bound.
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
        message: format!("the {what} {} of user {user:?}: {}", path.display(), system_words(error)),
        hint: "check the paths in the user entry, or choose another user: --user NAME".into(),
    }
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

pub(super) fn base64(content: Vec<u8>) -> String {
    match serde_json::to_value(ByteString(content)) {
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
                let credential = plugin.run().await?;
                held.token = credential.token.unwrap_or_default();
                held.until = credential.expiration_timestamp;
            }
            Source::File(path) => {
                // A file that has gone away leaves the last token in force, as in client-go.
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
    /// The token of a plugin that has just run.
    fn from_plugin(plugin: Plugin, token: String, until: Option<Timestamp>) -> Self {
        let source = Source::Plugin(plugin);
        Self { shared: Arc::new(Shared { source, held: Mutex::new(Held { token, until }) }) }
    }

    /// The token of a file, which is read for the first time.
    fn from_file(path: PathBuf, user: &str) -> Result<Self, Error> {
        let token = read_token(&path).map_err(|error| Error::Kubeconfig {
            message: format!("the token file {} of user {user:?}: {}", path.display(), system_words(&error)),
            hint: "check the tokenFile of the user entry, or give --token".into(),
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

#[cfg(test)]
mod tests;
