//! Why the effect of a change is not known.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeError {
    /// It cannot be computed from what was read.
    NotComputable,
    /// The API server, or kubectl, rejects the change: it does not fit the object.
    Rejected,
}
