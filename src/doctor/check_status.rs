//! The result of a check.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum CheckStatus {
    Pass,
    /// Not a problem.
    Note,
    /// Something does not work, or may be inaccurate.
    Warning,
    /// Commands do not work.
    Fail,
    /// What the check needs could not be read.
    Unknown,
}
