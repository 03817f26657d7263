//! What was read, and what could not be.

/// A value that was read, or the reason why it could not be read. An unknown value is never treated as empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known<T> {
    Known(T),
    /// What is missing and why, such as "cannot list nodes: ...".
    Unknown(String),
}

impl<T> Known<T> {
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// The reason, if the value could not be read.
    pub(crate) fn missing(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }
}
