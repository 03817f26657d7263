//! What can go wrong, in words: the only mapping from a failure to its message, its hint and the exit code.

use std::process::ExitCode;

/// A failure that ends the command. `Display` says what failed, in one line; [`Error::hint`] what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line asks for something that does not go together.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },

    /// No kubeconfig and not inside a cluster.
    #[error("no cluster is configured: there is no kubeconfig, and this is not a pod inside a cluster")]
    NoCluster,

    /// A kubeconfig that cannot be read, parsed or followed.
    #[error("kubeconfig: {message}")]
    Kubeconfig {
        /// What is wrong, naming the file, context, cluster or user.
        message: String,
        /// How to mend it.
        hint: String,
    },

    /// No answer from the API server: name, connection, TLS or a broken-off answer.
    #[error("cannot reach the API server {server}: {cause}")]
    Unreachable {
        /// The server's URL.
        server: String,
        /// The innermost cause.
        cause: String,
    },

    /// `--request-timeout` ran out.
    #[error("the API server {server} did not answer within {seconds} s")]
    Timeout {
        /// The server's URL.
        server: String,
        /// The limit.
        seconds: f64,
    },

    /// 401.
    #[error("the API server {server} does not accept the credentials of {user}")]
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
        /// ` in namespace "x"`, or empty for the whole cluster.
        scope: String,
        /// The server's own words.
        message: String,
    },

    /// Any other refusal of the API server.
    #[error("the API server refused to {verb} {resource}: {message} ({code})")]
    Api {
        /// `list`, `get`, ...
        verb: &'static str,
        /// The resource in the plural.
        resource: String,
        /// The server's own words.
        message: String,
        /// The HTTP status code.
        code: u16,
    },

    /// An answer that is not what the Kubernetes API sends.
    #[error("the answer of {server} to {verb} {resource} is broken: {message}")]
    BadAnswer {
        /// The server's URL.
        server: String,
        /// `list`, `get`, ...
        verb: &'static str,
        /// The resource in the plural.
        resource: String,
        /// What is wrong with it.
        message: String,
    },

    /// An object that was asked for by name is not there.
    #[error("{message}")]
    NotFound {
        /// Which, and where it was looked for.
        message: String,
        /// The nearest name there is, or how to list them.
        hint: String,
    },

    /// A saved file that cannot be read or understood.
    #[error("{file}: {message}")]
    File {
        /// The file as it was given; `standard input` for `-`.
        file: String,
        /// The document, the field, and what is wrong with it.
        message: String,
        /// What a good file is.
        hint: String,
    },

    /// A yes or no was asked for, and the facts do not tell.
    #[error("--min cannot judge {what}: not all of its facts could be read")]
    Unjudged {
        /// The DaemonSet.
        what: String,
    },

    /// Whether a rollout is complete was asked, and the facts do not tell.
    #[error("cannot tell whether the rollout of {what} is complete: not all of its facts could be read")]
    UnjudgedRollout {
        /// The DaemonSet.
        what: String,
    },

    /// Pods are not to be replaced by who does not see everything.
    #[error("{gap}: without it no pod is replaced")]
    Blind {
        /// What could not be read.
        gap: String,
    },

    /// Pods are not to be replaced without a lock by who did not ask for that.
    #[error("cannot lock the DaemonSet: {cause}")]
    NoLock {
        /// Why not.
        cause: String,
    },

    /// Standard output is not writable for another reason than a closed pipe.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),

    /// Ctrl-C, a termination signal, or a terminal that is gone.
    #[error("interrupted")]
    Interrupted {
        /// 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
        code: u8,
    },
}

impl Error {
    /// What to do about it: one line.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Usage { hint, .. }
            | Self::Kubeconfig { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::File { hint, .. } => hint.clone(),
            Self::NoCluster => "set KUBECONFIG or --kubeconfig to your cluster's file, or try a saved cluster: \
                --from FILE"
                .into(),
            Self::Unreachable { .. } => "check the server's address, the network and the proxy: kubectl cluster-info; \
                 another cluster: --context NAME"
                .into(),
            Self::Timeout { .. } => "raise --request-timeout (0 waits for ever), or ask for less: -n NAMESPACE".into(),
            Self::Unauthorized { .. } => "log in again or renew the token; who you are: kubectl auth whoami".into(),
            Self::Forbidden { verb, resource, .. } => {
                format!(
                    "ask for the right to {verb} {resource}; the README holds the ClusterRole that this command needs"
                )
            }
            Self::Api { .. } => "-v=6 shows the requests".into(),
            Self::BadAnswer { .. } => {
                "is this a Kubernetes API server, or a proxy's page? kubectl get --raw /version shows".into()
            }
            Self::Unjudged { .. } | Self::UnjudgedRollout { .. } => "the notes above say what is missing".into(),
            Self::Blind { .. } => {
                "ask for the right to read it; the README holds the ClusterRole that this command needs".into()
            }
            Self::NoLock { .. } => {
                "ask for the rights on leases.coordination.k8s.io that the README names, or pass --no-lock \
                 if no other cycle runs"
                    .into()
            }
            Self::Output(_) => "check the disk and the target of the output".into(),
            Self::Interrupted { .. } => String::new(),
        }
    }

    /// Whether it may be over in a while: the server or the way to it, and nothing that was asked.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Api { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }

    /// The exit code: 2 for an error; 129, 130 and 143 for an interruption.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted { code } => ExitCode::from(*code),
            _ => ExitCode::from(2),
        }
    }
}

/// What the operating system says, without its number; what is frequent in the same words on every system, as those of
/// Windows come in the user's language.
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
