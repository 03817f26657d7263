//! How an API server is reached.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kube::Client;

use super::backoff::Backoff;

/// kubectl's flags for the cluster and the user. An empty value counts as not given.
// No Debug: it would print the token.
#[derive(Clone, Default)]
pub(crate) struct AccessOptions {
    /// `--kubeconfig`: only this file.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub(crate) context: Option<String>,
    /// `--cluster`: a cluster entry of the kubeconfig.
    pub(crate) cluster: Option<String>,
    /// `--user`: a user entry of the kubeconfig.
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
    /// `--request-timeout`; zero means no limit.
    pub(crate) request_timeout: Option<Duration>,
    /// `--kuberc`: kubectl's preferences, with the credential plugin policy.
    pub(crate) kuberc: Option<PathBuf>,
}

/// Access to one API server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access {
    pub(super) client: Client,
    pub(super) server: String,
    pub(super) context: Option<String>,
    pub(super) user: String,
    pub(super) namespace: String,
    /// The proxy, for error messages; without its password.
    pub(super) proxy: Option<String>,
    pub(super) request_timeout: Option<Duration>,
    /// Whether the server has responded before: then a failed connection is retried.
    pub(super) reached: Arc<AtomicBool>,
    pub(super) backoff: Backoff,
    pub(super) warning: Option<String>,
}

impl Access {
    /// A warning about the configuration.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The server's URL.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The context of the kubeconfig; `None` in a pod and with `--server` alone.
    pub(crate) fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The default namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }
}
