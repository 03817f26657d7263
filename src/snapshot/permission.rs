//! A permission of a user.

/// What a user may do with the objects of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permission {
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    /// With its subresource: `pods/eviction`.
    pub(crate) resource: &'static str,
}
