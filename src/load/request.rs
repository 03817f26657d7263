//! Which objects to load.

/// Selects the objects to load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Only this namespace; `None` for all.
    pub(crate) namespace: Option<String>,
    /// Only DaemonSets of these names; empty for all.
    pub(crate) names: Vec<String>,
    /// Only DaemonSets with these labels.
    pub(crate) selector: Option<String>,
    /// Only nodes with these labels.
    pub(crate) nodes: Option<String>,
}
