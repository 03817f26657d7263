//! What a request asks for: scope, selectors and path.

use kube::api::{ListParams, Request};

use super::request::RequestInfo;

/// The scope of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A namespaced kind in every namespace.
    AllNamespaces,
    /// A namespaced kind in this namespace.
    Namespace(String),
    /// A cluster-scoped kind.
    Cluster,
}

/// The parameters of a request.
pub(super) struct Query {
    pub(super) subject: RequestInfo,
    pub(super) path: String,
    pub(super) label_selector: Option<String>,
    pub(super) field_selector: Option<String>,
    /// Only one page of at most this many objects.
    pub(super) limit: Option<u32>,
    /// Whether an old state from the server's cache is good enough (`resourceVersion=0`).
    pub(super) may_be_old: bool,
}

impl Query {
    pub(super) fn new(verb: &'static str, group_version: &str, plural: &str, scope: &Scope) -> Self {
        // The core group has no name and has its own path.
        let root = if group_version.contains('/') { "apis" } else { "api" };
        let namespace = match scope {
            Scope::Namespace(namespace) => Some(namespace.clone()),
            Scope::AllNamespaces | Scope::Cluster => None,
        };
        let inside = namespace.as_deref().map(|name| format!("namespaces/{}/", escaped(name))).unwrap_or_default();
        Self {
            subject: RequestInfo { verb, resource: plural.to_owned(), namespace },
            path: format!("/{root}/{group_version}/{inside}{plural}"),
            label_selector: None,
            field_selector: None,
            limit: None,
            may_be_old: false,
        }
    }

    /// The request for the page of the continue token. Without a limit, because one page is fastest, and since 1.31 the
    /// server's cache serves it as the latest state.
    pub(super) fn list(&self, token: &str) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> {
        Request::new(&self.path).list(&ListParams {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            limit: self.limit,
            resource_version: self.may_be_old.then(|| "0".to_owned()),
            continue_token: Some(token.to_owned()).filter(|token| !token.is_empty()),
            ..ListParams::default()
        })
    }
}

/// Escapes a path segment, so that it cannot change the path.
pub(super) fn escaped(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.');
    let dots_only = segment.bytes().all(|byte| byte == b'.');
    let each = segment.bytes().map(|byte| match byte {
        byte if plain(byte) && !dots_only => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    each.collect()
}
