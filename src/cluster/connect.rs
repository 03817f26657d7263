//! From the flags to a client.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use k8s_openapi::ByteString;
use kube::client::ClientBuilder;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, KubeconfigError};
use kube::{Client, Config};
use serde_json::Value;
use tower::buffer::BufferLayer;

use super::bounded::{CONFIG_LIMIT, read_regular};
use super::credentials::{Topology, policy};
pub(crate) use super::kubeconfig::EntryNames;
use super::kubeconfig::{Environment, ResolvedContext, entry_names, non_empty, override_user, resolve};
use super::request::Backoff;
use super::server::{origin, redacted};
use super::{credentials, proxy};
use crate::error::{Error, system_words};

/// kubectl's own flags on which cluster, and as whom. An empty value counts as not given.
// No Debug: it would show the token.
#[derive(Clone, Default)]
pub(crate) struct AccessOptions {
    /// `--kubeconfig`: this file and no other.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub(crate) context: Option<String>,
    /// `--cluster`: an entry of the kubeconfig.
    pub(crate) cluster: Option<String>,
    /// `--user`: an entry of the kubeconfig.
    pub(crate) user: Option<String>,
    /// `--server`.
    pub(crate) server: Option<String>,
    /// `--token`.
    pub(crate) token: Option<String>,
    /// `--certificate-authority`.
    pub(crate) certificate_authority: Option<PathBuf>,
    /// `--tls-server-name`.
    pub(crate) tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub(crate) insecure_skip_tls_verify: bool,
    /// `--as`.
    pub(crate) as_user: Option<String>,
    /// `--as-group`.
    pub(crate) as_group: Vec<String>,
    /// `--as-uid`.
    pub(crate) as_uid: Option<String>,
    /// `--namespace`.
    pub(crate) namespace: Option<String>,
    /// `--request-timeout`; zero is no limit.
    pub(crate) request_timeout: Option<Duration>,
    /// `--kuberc`: kubectl's preferences, with the policy for credential plugins.
    pub(crate) kuberc: Option<PathBuf>,
}

/// A way to one API server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access {
    pub(super) client: Client,
    pub(super) server: String,
    context: Option<String>,
    pub(super) user: String,
    namespace: String,
    /// The proxy in between, for the words of an error; without its password.
    pub(super) proxy: Option<String>,
    pub(super) request_timeout: Option<Duration>,
    /// The server has answered before: what fails now may well pass.
    pub(super) reached: Arc<AtomicBool>,
    pub(super) backoff: Backoff,
    warning: Option<String>,
}

impl Access {
    /// What the user has to know about the configuration, although it can be used.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The server's URL.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The context of the kubeconfig; `None` in a pod and where `--server` stands alone.
    pub(crate) fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The namespace where no other is asked for.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// Finds the cluster and prepares the client. Sends nothing to the API server, but runs a credential plugin.
///
/// # Errors
/// [`Error::NoCluster`] where nothing names one; [`Error::Kubeconfig`] for what is wrong in the files;
/// [`Error::Usage`] for flags that do not go together.
pub(crate) async fn connect(options: &AccessOptions) -> Result<Access, Error> {
    connect_within(options, &Environment::read()).await
}

/// What the contexts, clusters and users are called that the flags can choose from. Asks no server and runs nothing.
///
/// # Errors
/// [`Error::Kubeconfig`] for a file that is there but broken.
pub(crate) fn context_names(options: &AccessOptions) -> Result<EntryNames, Error> {
    entry_names(options.kubeconfig.as_deref(), &Environment::read())
}

/// [`connect`] in given surroundings.
pub(super) async fn connect_within(options: &AccessOptions, environment: &Environment) -> Result<Access, Error> {
    if options.insecure_skip_tls_verify && options.certificate_authority.is_some() {
        return Err(Error::Usage {
            message: "--certificate-authority does not go together with --insecure-skip-tls-verify".into(),
            hint: "give one of the two".into(),
        });
    }
    let policy::Loaded { policy, warning } = policy::load(options.kuberc.as_deref(), &environment.kuberc)?;
    let chosen = resolve(options, environment)?;
    let user = user_name(options, chosen.as_ref());
    let context = chosen.as_ref().and_then(|chosen| chosen.context.clone());
    let mut config = match chosen {
        Some(chosen) => from_entries(chosen, &user)?,
        None if environment.in_cluster => in_cluster(options)?,
        None => return Err(Error::NoCluster),
    };
    prepare(&mut config, environment)?;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = config.default_namespace.clone();
    let proxy = config.proxy_url.as_ref().map(origin);
    let request_timeout = options.request_timeout.filter(|limit| !limit.is_zero());
    let surroundings = Topology { policy, path: environment.path.clone(), timeout: request_timeout };
    Ok(Access {
        client: client(config, &user, &surroundings).await?,
        server,
        context,
        user,
        namespace,
        proxy,
        request_timeout,
        reached: Arc::default(),
        backoff: Backoff::default(),
        warning,
    })
}

fn user_name(options: &AccessOptions, chosen: Option<&ResolvedContext>) -> String {
    match chosen {
        Some(chosen) if !chosen.server.has_tls() => "nobody (no credentials are sent without TLS)".into(),
        _ if non_empty(&options.token).is_some() => "--token".into(),
        Some(chosen) => chosen.user_name.clone().unwrap_or_else(|| "nobody (no credentials)".into()),
        None => "the pod's service account".into(),
    }
}

/// kube's own way from the entries to a [`Config`] reads the proxy variables, so this is done by hand.
fn from_entries(chosen: ResolvedContext, user_name: &str) -> Result<Config, Error> {
    let ResolvedContext { mut cluster, server, mut user, namespace, .. } = chosen;
    check_impersonation(&user)?;
    credentials::validate(&user, user_name)?;
    let root_cert = certificate_authority(&mut cluster, server.has_tls())?;
    let mut config = Config::new(server.url.clone());
    if !server.has_tls() {
        user = without_credentials(user);
    } else if let Some((name, password)) = server.basic {
        // Go's HTTP client sends them, and every other way is for requests that have no credentials yet.
        (user.username, user.password) = (Some(name), Some(password.into()));
        (user.token, user.token_file, user.exec, user.auth_provider) = (None, None, None, None);
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(ExecAuthCluster::try_from(&cluster).map_err(|error| kubeconfig(&error))?);
    }
    config.default_namespace = namespace;
    config.root_cert = root_cert;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    if config.accept_invalid_certs && config.root_cert.is_some() {
        return Err(Error::Kubeconfig {
            message: "a certificate authority does not go together with insecure-skip-tls-verify".into(),
            hint: "take one of the two out of the cluster entry".into(),
        });
    }
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name;
    if let Some(url) = &cluster.proxy_url {
        let usable = url.parse::<http::Uri>().ok().filter(|url| url.scheme().is_some() && url.host().is_some());
        config.proxy_url = Some(usable.ok_or_else(|| bad_proxy(url))?);
    }
    config.auth_info = user;
    Ok(config)
}

/// What is left of a user entry for a server without TLS: whom to impersonate. Whoever listens there would learn the
/// rest: `DirectClientConfig.ClientConfig` of client-go (`tools/clientcmd/client_config.go`).
fn without_credentials(user: AuthInfo) -> AuthInfo {
    AuthInfo {
        impersonate: user.impersonate,
        impersonate_uid: user.impersonate_uid,
        impersonate_groups: user.impersonate_groups,
        impersonate_user_extra: user.impersonate_user_extra,
        ..AuthInfo::default()
    }
}

fn check_impersonation(user: &AuthInfo) -> Result<(), Error> {
    if user.impersonate.is_none() && (user.impersonate_uid.is_some() || user.impersonate_groups.is_some()) {
        return Err(Error::Usage {
            message: "a group or uid to act as needs a user to act as".into(),
            hint: "add --as USER".into(),
        });
    }
    Ok(())
}

/// The certificates that the server's must lead to; `None` leaves it to the operating system. Without TLS the file
/// only has to exist. The content of a file replaces its path, so that kube does not read it without a bound.
fn certificate_authority(cluster: &mut Cluster, has_tls: bool) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let bad = |name: &str, why: String| Error::Kubeconfig {
        message: format!("{name}: {why}"),
        hint: "check the certificate authority of the cluster entry".into(),
    };
    let (name, text) = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (_, Some(path)) if !has_tls => {
            let name = format!("certificate-authority {}", Path::new(path).display());
            return std::fs::metadata(path).map(|_| None).map_err(|error| bad(&name, system_words(&error)));
        }
        (Some(_), None) if !has_tls => return Ok(None),
        (Some(data), _) => {
            let name = "certificate-authority-data".to_owned();
            let text = serde_json::from_value::<ByteString>(Value::String(data.clone()));
            let ByteString(text) = text.map_err(|_| bad(&name, "it is not base64".into()))?;
            (name, text)
        }
        (None, Some(path)) => {
            let name = format!("certificate-authority {}", Path::new(path).display());
            let text = read_regular(Path::new(path), CONFIG_LIMIT).map_err(|error| bad(&name, system_words(&error)))?;
            (name, text)
        }
        (None, None) => return Ok(None),
    };
    cluster.certificate_authority = None;
    cluster.certificate_authority_data = Some(credentials::base64(text.clone()));
    let blocks = pem::parse_many(text).map_err(|error| bad(&name, error.to_string()))?;
    let certificates: Vec<Vec<u8>> =
        blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE").map(pem::Pem::into_contents).collect();
    if certificates.is_empty() {
        return Err(bad(&name, "there is no certificate in it".into()));
    }
    Ok(Some(certificates))
}

/// In a pod: the service account, under what the flags say.
fn in_cluster(options: &AccessOptions) -> Result<Config, Error> {
    let mut config = Config::incluster().map_err(|error| Error::Kubeconfig {
        message: format!("the pod's service account: {error}"),
        hint: "name a kubeconfig instead: --kubeconfig FILE".into(),
    })?;
    if non_empty(&options.token).is_some() {
        config.auth_info.token_file = None;
    }
    override_user(&mut config.auth_info, options);
    check_impersonation(&config.auth_info)?;
    if let Some(namespace) = non_empty(&options.namespace) {
        config.default_namespace = namespace;
    }
    if options.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    if let Some(path) = &options.certificate_authority {
        let path = Some(path.to_string_lossy().into_owned());
        let mut cluster = Cluster { certificate_authority: path, ..Cluster::default() };
        config.root_cert = certificate_authority(&mut cluster, true)?;
        config.root_cert_file = None;
    }
    config.tls_server_name = non_empty(&options.tls_server_name);
    Ok(config)
}

/// What every request carries and how it travels.
fn prepare(config: &mut Config, environment: &Environment) -> Result<(), Error> {
    if config.proxy_url.is_none() {
        config.proxy_url = proxy::from_environment(&config.cluster_url, &environment.proxy);
    }
    if let Some(url) = config.proxy_url.clone() {
        config.proxy_url = Some(normalize_proxy_scheme(&url)?);
    }
    // kube tries 15 times from 5 ms on, in silence, and eviction's 429 too. Lists have their own, bounded.
    config.default_retry = false;
    // Nothing to gain there: the server would spend its time on packing, we ours on unpacking.
    config.disable_compression |= is_loopback(&config.cluster_url);
    let no_tls = config.cluster_url.scheme_str() == Some("http")
        && config.proxy_url.as_ref().is_none_or(|proxy| proxy.scheme_str() != Some("https"));
    if config.root_cert.is_none() && (no_tls || config.accept_invalid_certs) {
        // No certificate will be checked: do not make kube look for the operating system's.
        config.root_cert = Some(Vec::new());
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let agent = format!("kubectl-ds/{} ({os}/{arch})", env!("CARGO_PKG_VERSION"));
    if let Ok(agent) = HeaderValue::try_from(agent) {
        config.headers.push((USER_AGENT, agent));
    }
    Ok(())
}

/// kube knows `socks5` alone, which leaves the name of the server to the proxy, as Go's `socks5h` does.
fn normalize_proxy_scheme(url: &http::Uri) -> Result<http::Uri, Error> {
    let text = url.to_string();
    match url.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(url.clone()),
        Some("socks5h") => text.replacen("socks5h", "socks5", 1).parse().map_err(|_| bad_proxy(&text)),
        _ => Err(bad_proxy(&text)),
    }
}

fn bad_proxy(url: &str) -> Error {
    Error::Kubeconfig {
        message: format!("cannot use the proxy {:?}", redacted(url)),
        hint: "a proxy is written as http://, https:// or socks5:// with HOST:PORT".into(),
    }
}

fn is_loopback(url: &http::Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn client(mut config: Config, user: &str, surroundings: &Topology) -> Result<Client, Error> {
    let layer = credentials::take(&mut config.auth_info, user, surroundings).await?;
    let builder = ClientBuilder::try_from(config).map_err(|error| unusable(&error))?;
    Ok(match layer {
        // The buffer makes kube's service one that can be cloned.
        Some(layer) => builder.with_layer(&BufferLayer::new(64)).with_layer(&layer).build(),
        None => builder.build(),
    })
}

fn kubeconfig(error: &KubeconfigError) -> Error {
    Error::Kubeconfig {
        message: error.to_string(),
        hint: "check the entries of the cluster and the user in the kubeconfig".into(),
    }
}

/// kube's reason for not building a client: a certificate, a key, an auth provider.
fn unusable(error: &kube::Error) -> Error {
    let message = match error {
        kube::Error::InferKubeconfig(error) => return kubeconfig(error),
        kube::Error::Auth(error) => error.to_string(),
        kube::Error::RustlsTls(error) => error.to_string(),
        other => super::request::root_cause(other),
    };
    Error::Kubeconfig {
        message,
        hint: "check the certificates and the credentials of the user entry in the kubeconfig".into(),
    }
}

#[cfg(test)]
pub(super) mod tests;
