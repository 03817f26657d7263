//! Every failure that ends a command, and the only mapping from it to a message, a hint and an exit code.

use std::process::ExitCode;

use crate::jsonpath::Failure;
use crate::program;

/// A failure that ends the command. `Display` reports what failed, in one line; [`Error::hint`] what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Arguments that are invalid or cannot be combined.
    #[error("{message}")]
    Usage {
        message: String,
        /// The valid form.
        hint: String,
    },

    /// No kubeconfig and not inside a cluster.
    #[error("no cluster configured: no kubeconfig found and not running in a cluster")]
    NoCluster,

    /// A kubeconfig that cannot be read, parsed or followed.
    #[error("kubeconfig: {message}")]
    Kubeconfig {
        /// Names the file, context, cluster or user.
        message: String,
        hint: String,
    },

    /// No complete response from the API server: a failure of DNS, the connection, TLS, or a truncated body.
    #[error("cannot reach the API server at {server}: {cause}")]
    Unreachable {
        /// The server's URL.
        server: String,
        /// The innermost cause.
        cause: String,
    },

    /// `--request-timeout` expired.
    #[error("the API server at {server} did not respond within {seconds}s")]
    Timeout {
        /// The server's URL.
        server: String,
        seconds: f64,
    },

    /// 401.
    #[error("authentication failed: {server} rejected the credentials of {user} (Unauthorized)")]
    Unauthorized {
        /// The server's URL.
        server: String,
        /// The user entry of the kubeconfig, or where the credentials came from.
        user: String,
    },

    /// 403.
    #[error("cannot {verb} {resource}{scope}: {message}")]
    Forbidden {
        /// `list`, `get`, `watch`, `delete`, ...
        verb: &'static str,
        /// The resource in the plural.
        resource: String,
        /// ` in namespace "x"`, or empty for the cluster scope.
        scope: String,
        /// The server's own message.
        message: String,
    },

    /// Any other error status of the API server.
    #[error("cannot {verb} {resource}: {message} (HTTP status {code})")]
    Api {
        /// `list`, `get`, ...
        verb: &'static str,
        /// The resource in the plural.
        resource: String,
        /// The server's own message.
        message: String,
        /// The HTTP status code.
        code: u16,
    },

    /// The API server, or kubectl, rejects a manifest.
    #[error("cannot apply {what}: {message}")]
    RejectedManifest {
        /// The object, or the number of objects.
        what: String,
        /// The server's own message.
        message: String,
    },

    /// A response that does not follow the Kubernetes API.
    #[error("cannot {verb} {resource}: invalid response from {server}: {message}")]
    BadAnswer {
        /// The server's URL.
        server: String,
        /// `list`, `get`, ...
        verb: &'static str,
        /// The resource in the plural.
        resource: String,
        message: String,
    },

    /// An object that was requested by name does not exist.
    #[error("{message}")]
    NotFound {
        /// Names the object and the scope of the search.
        message: String,
        /// The most similar name, or how to list the names.
        hint: String,
    },

    /// A file that cannot be read or parsed.
    #[error("{file}: {message}")]
    File {
        /// The path as given; `standard input` for `-`.
        file: String,
        /// Names the document and the field.
        message: String,
        hint: String,
    },

    /// `--min` needs objects that could not be read.
    #[error("cannot evaluate --min for {what}: some objects could not be read")]
    UndeterminedCoverage {
        /// The DaemonSet.
        what: String,
    },

    /// The exit code of a rollout needs objects that could not be read.
    #[error("cannot determine whether the rollout of {what} is complete: some objects could not be read")]
    UndeterminedRollout {
        /// The DaemonSet.
        what: String,
    },

    /// `cycle` replaces no pod unless it can read every object that the decision depends on.
    #[error("{gap}; without these objects, cycle replaces no pods")]
    IncompleteView {
        /// The objects that could not be read.
        gap: String,
        /// Whether they are missing in the files of a saved cluster.
        is_saved: bool,
    },

    /// The DaemonSet, or the lock, has changed since the plan was made.
    #[error("{message}")]
    Changed { message: String },

    /// The lock could not be acquired, and `--no-lock` was not given.
    #[error("cannot lock the DaemonSet: {cause}")]
    NoLock { cause: String },

    /// A write to standard output failed, other than by a closed pipe.
    #[error("cannot write the output: {0}")]
    Output(std::io::Error),

    /// Ctrl-C, a termination signal, or a closed terminal.
    #[error("interrupted")]
    Interrupted {
        /// 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
        code: u8,
    },
}

impl From<std::io::Error> for Error {
    /// A failed write, or a template of `-o` that cannot be applied to the document.
    fn from(error: std::io::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => Self::Usage {
                message: format!("cannot apply the template of --output: {failure}"),
                hint: "show the whole document with -o json".into(),
            },
            Err(error) => Self::Output(error),
        }
    }
}

impl Error {
    /// A usage error with a hint to the help of the command.
    pub(crate) fn usage_of(command: &str, message: &str) -> Self {
        let hint = format!("see {} {command} --help", program::name());
        Self::Usage { message: message.to_owned(), hint }
    }

    /// What to do about the error, in one line.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Usage { hint, .. }
            | Self::Kubeconfig { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::File { hint, .. } => hint.clone(),
            Self::NoCluster => "set KUBECONFIG or pass --kubeconfig FILE; to read a saved cluster, pass \
                --from FILE"
                .into(),
            Self::Unreachable { .. } => "check the server address, the network and the proxy: kubectl cluster-info; \
                 or use another cluster: --context NAME"
                .into(),
            Self::Timeout { .. } => "raise --request-timeout (0: no timeout), or request less with -n NAMESPACE".into(),
            Self::Unauthorized { .. } => {
                "log in again or renew the token; to check your identity: kubectl auth whoami".into()
            }
            Self::Forbidden { verb, resource, .. } => {
                format!(
                    "you need RBAC permission to {verb} {resource}; see docs/rbac for the ClusterRole of this command"
                )
            }
            Self::Api { .. } => "pass -v=6 to log the requests".into(),
            Self::RejectedManifest { .. } => "fix the manifest; nothing was changed".into(),
            Self::BadAnswer { .. } => {
                "check that the server is a Kubernetes API server, not a proxy: kubectl get --raw /version".into()
            }
            Self::UndeterminedCoverage { .. } | Self::UndeterminedRollout { .. } => {
                "see the notes above for what is missing".into()
            }
            Self::IncompleteView { is_saved: true, .. } => {
                "save them too: kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > FILE".into()
            }
            Self::IncompleteView { is_saved: false, .. } => {
                "you need RBAC permission to read them; see docs/rbac for the ClusterRole of this command".into()
            }
            Self::Changed { .. } => "run the command again to see the new plan".into(),
            Self::NoLock { .. } => {
                "you need RBAC permissions on leases.coordination.k8s.io, see docs/rbac; or pass --no-lock \
                 if no other command is running"
                    .into()
            }
            Self::Output(_) => "check the free disk space and where the output goes".into(),
            Self::Interrupted { .. } => String::new(),
        }
    }

    /// Whether a retry may succeed: the server or the network failed, not the request.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Api { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }

    /// The exit code: 2 for an error; 129, 130 or 143 for a signal.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted { code } => ExitCode::from(*code),
            _ => ExitCode::from(2),
        }
    }
}

/// The operating system's message without its error number. Common errors have the same message on every system,
/// because Windows localizes its messages.
pub(crate) fn system_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}
