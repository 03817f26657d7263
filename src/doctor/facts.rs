//! What was read from the kubeconfig, the API server and this machine.

use super::clock::ClockSample;
use super::permissions::Answers;

/// What was read. A part is missing if a part before it failed.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) configuration: Result<Configuration, Failure>,
    pub(crate) server: Option<Result<Server, Failure>>,
    pub(crate) session: Option<Session>,
    pub(crate) programs: Programs,
}

/// A request or a file that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// No request can reach the server.
    Unreachable,
    /// The server rejected the credentials.
    Unauthorized,
    Other,
}

/// The cluster that the flags and the kubeconfig select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) context: Option<String>,
    pub(crate) server: String,
    /// `None` for all namespaces.
    pub(crate) namespace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) version: String,
    /// The major and minor version.
    pub(crate) minor: Option<(u32, u32)>,
    pub(crate) clock: Option<ClockSample>,
}

/// What a server answers to a user.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` if the server cannot tell.
    pub(crate) user: Result<Option<String>, Failure>,
    pub(crate) answers: Answers,
    /// Whether the metrics API is served.
    pub(crate) metrics: Result<bool, Failure>,
}

/// Programs on the `PATH`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    /// The completion helper of kubectl; `None` if the program has a name with which it is no plugin.
    pub(crate) completion: Option<bool>,
    pub(crate) kubectl: bool,
    /// This program, by the name with which kubectl finds it.
    pub(crate) plugin: bool,
}
