//! A DaemonSet as a command line names it.

use std::fmt;

use k8s_openapi::api::apps::v1::DaemonSet;

/// The name of a DaemonSet, and its namespace if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DaemonSetName {
    /// `None` for a name that is looked for in the namespaces of the request.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl DaemonSetName {
    /// Whether the DaemonSet has this name, and this namespace if there is one.
    pub(crate) fn matches(&self, daemon_set: &DaemonSet) -> bool {
        let is_in = |namespace: &String| daemon_set.metadata.namespace.as_ref() == Some(namespace);
        daemon_set.metadata.name.as_ref() == Some(&self.name) && self.namespace.as_ref().is_none_or(is_in)
    }
}

impl fmt::Display for DaemonSetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{namespace}/{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}
