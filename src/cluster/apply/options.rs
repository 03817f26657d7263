//! How manifests are applied.

use std::path::PathBuf;

use crate::cluster::access::AccessOptions;

/// How the manifests are applied: the flags of `kubectl apply`.
// No Debug: the access has a token.
#[derive(Clone, Default)]
pub(crate) struct ApplyOptions {
    /// The flags with which the API server is reached.
    pub(crate) access: AccessOptions,
    /// `--server-side`.
    pub(crate) server_side: bool,
    /// `--field-manager`.
    pub(crate) field_manager: Option<String>,
    /// `--force-conflicts`, with `--server-side`.
    pub(crate) force_conflicts: bool,
    /// kubectl, if it may be run: see [`crate::cluster::kubectl::find`].
    pub(crate) kubectl: Option<PathBuf>,
}

/// Who computed the desired objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApplyMethod {
    /// `kubectl apply --dry-run=server`.
    Kubectl,
    /// The same requests as those of `kubectl apply --dry-run=server`.
    ClientSideApply,
    /// The same requests as those of `kubectl apply --server-side --dry-run=server`.
    ServerSideApply,
}
