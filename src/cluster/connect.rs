//! Builds a client from the flags and the kubeconfig.

use std::path::Path;
use std::sync::Arc;

use http::header::{HeaderValue, USER_AGENT};
use k8s_openapi::ByteString;
use kube::client::ClientBuilder;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, KubeconfigError};
use kube::{Client, Config};
use serde_json::Value;
use tower::buffer::BufferLayer;

use super::access::{Access, AccessOptions};
use super::backoff::Backoff;
use super::bounded::{CONFIG_LIMIT, read_regular};
use super::credentials::{PluginEnvironment, policy};
use super::kubeconfig::EntryNames;
use super::kubeconfig::non_empty;
use super::kubeconfig::{Environment, ResolvedContext, entry_names, override_user, resolve};
use super::server::{origin, redacted};
use super::{credentials, proxy};
use crate::error::{Error, system_words};

/// Resolves the cluster and builds the client. Sends no request to the API server, but may run a credential plugin.
///
/// # Errors
/// [`Error::NoCluster`] if no cluster is configured; [`Error::Kubeconfig`] for an invalid file; [`Error::Usage`] for
/// flags that cannot be combined.
pub(crate) async fn connect(options: &AccessOptions) -> Result<Access, Error> {
    connect_within(options, &Environment::read()).await
}

/// The names of the contexts, clusters and users in the kubeconfig. Sends no request and runs no plugin.
///
/// # Errors
/// [`Error::Kubeconfig`] for an invalid file.
pub(crate) fn context_names(options: &AccessOptions) -> Result<EntryNames, Error> {
    entry_names(options.kubeconfig.as_deref(), &Environment::read())
}

/// As [`connect`], with a given environment.
pub(super) async fn connect_within(options: &AccessOptions, environment: &Environment) -> Result<Access, Error> {
    if options.insecure_skip_tls_verify && options.certificate_authority.is_some() {
        return Err(Error::Usage {
            message: "--certificate-authority cannot be combined with --insecure-skip-tls-verify".into(),
            hint: "remove one of the two flags".into(),
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
    let plugin_environment = PluginEnvironment { policy, path: environment.path.clone(), timeout: request_timeout };
    Ok(Access {
        client: client(config, &user, &plugin_environment).await?,
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
        Some(chosen) if !chosen.server.has_tls() => "an anonymous user (no credentials are sent without TLS)".into(),
        _ if non_empty(&options.token).is_some() => "--token".into(),
        Some(chosen) => chosen.user_name.clone().unwrap_or_else(|| "an anonymous user (no credentials)".into()),
        None => "the pod's service account".into(),
    }
}

/// Builds a [`Config`] by hand, because kube's own conversion reads the proxy variables.
fn from_entries(chosen: ResolvedContext, user_name: &str) -> Result<Config, Error> {
    let ResolvedContext { mut cluster, server, mut user, namespace, .. } = chosen;
    check_impersonation(&user)?;
    credentials::validate(&user, user_name)?;
    let root_cert = certificate_authority(&mut cluster, server.has_tls())?;
    let mut config = Config::new(server.url.clone());
    if !server.has_tls() {
        user = without_credentials(user);
    } else if let Some((name, password)) = server.basic {
        // Go's HTTP client sends these, and ignores other credentials for requests that already have some.
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
            message: "a certificate authority cannot be combined with insecure-skip-tls-verify".into(),
            hint: "remove one of the two from the cluster entry".into(),
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

/// Reduces a user entry to the impersonation. Credentials are not sent without TLS, because anybody on the network
/// could read them: `DirectClientConfig.ClientConfig` of client-go (`tools/clientcmd/client_config.go`).
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
            message: "--as-group and --as-uid require --as".into(),
            hint: "pass --as USER".into(),
        });
    }
    Ok(())
}

/// The certificate authorities; `None` for those of the operating system. Without TLS, the file must exist but is not
/// read. The content of a file replaces its path, because kube would read the file without a size limit.
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
            let ByteString(text) = text.map_err(|_| bad(&name, "not valid base64".into()))?;
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
        return Err(bad(&name, "contains no certificate".into()));
    }
    Ok(Some(certificates))
}

/// The configuration in a pod: the service account, overridden by the flags.
fn in_cluster(options: &AccessOptions) -> Result<Config, Error> {
    let mut config = Config::incluster().map_err(|error| Error::Kubeconfig {
        message: format!("cannot use the pod's service account: {error}"),
        hint: "use a kubeconfig file instead: --kubeconfig FILE".into(),
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

/// Sets the proxy, compression, TLS and headers of every request.
fn prepare(config: &mut Config, environment: &Environment) -> Result<(), Error> {
    if config.proxy_url.is_none() {
        config.proxy_url = proxy::from_environment(&config.cluster_url, &environment.proxy);
    }
    if let Some(url) = config.proxy_url.clone() {
        config.proxy_url = Some(normalize_proxy_scheme(&url)?);
    }
    // kube retries silently, 15 times from 5 ms on, and also the 429 of an eviction. Lists have their own retries.
    config.default_retry = false;
    // On loopback, compression costs more time than it saves.
    config.disable_compression |= is_loopback(&config.cluster_url);
    let no_tls = config.cluster_url.scheme_str() == Some("http")
        && config.proxy_url.as_ref().is_none_or(|proxy| proxy.scheme_str() != Some("https"));
    if config.root_cert.is_none() && (no_tls || config.accept_invalid_certs) {
        // No certificate is verified: prevents kube from loading those of the operating system.
        config.root_cert = Some(Vec::new());
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let agent = format!("kubectl-ds/{} ({os}/{arch})", env!("CARGO_PKG_VERSION"));
    if let Ok(agent) = HeaderValue::try_from(agent) {
        config.headers.push((USER_AGENT, agent));
    }
    Ok(())
}

/// Converts the proxy's scheme to one that kube supports. Its `socks5` lets the proxy resolve the server's name, as
/// Go's `socks5h` does.
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
        hint: "use http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT".into(),
    }
}

fn is_loopback(url: &http::Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn client(mut config: Config, user: &str, plugin_environment: &PluginEnvironment) -> Result<Client, Error> {
    let layer = credentials::take(&mut config.auth_info, user, plugin_environment).await?;
    let builder = ClientBuilder::try_from(config).map_err(|error| unusable(&error))?;
    Ok(match layer {
        // The buffer makes kube's service cloneable.
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

/// The error for a client that kube cannot build: a certificate, a key, an auth provider.
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
