//! The result of one check, whatever stage it belongs to.

use crate::snapshot::{Known, Missing};

/// The result of a check. `R` is the type of its reasons.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CheckResult<R> {
    Pass,
    /// The check fails, for at least one reason.
    Fail(Vec<R>),
    /// The objects that the check reads are not known.
    Unknown {
        /// What is missing, and why.
        missing: Missing,
    },
}

impl<R> CheckResult<R> {
    /// Fails for these reasons, or passes if there are none.
    pub(crate) fn from_reasons(reasons: Vec<R>) -> Self {
        if reasons.is_empty() { Self::Pass } else { Self::Fail(reasons) }
    }

    /// One reason is enough to fail, whatever is missing. To pass, nothing may be missing.
    pub(crate) fn from_partial(reasons: Vec<R>, missing: Option<Missing>) -> Self {
        match missing {
            Some(missing) if reasons.is_empty() => Self::Unknown { missing },
            _ => Self::from_reasons(reasons),
        }
    }

    /// Checks the objects if they are known.
    pub(crate) fn of_known<T>(objects: &Known<T>, check: impl FnOnce(&T) -> Vec<R>) -> Self {
        match objects {
            Known::Known(objects) => Self::from_reasons(check(objects)),
            Known::Unknown(why) => Self::Unknown { missing: why.clone() },
        }
    }

    pub(crate) fn is_fail(&self) -> bool {
        matches!(self, Self::Fail(_))
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}
