//! What was read, and what could not be.

/// Something that was read, or the reason why it could not be: what is not known is never taken for empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known<T> {
    /// It was read.
    Known(T),
    /// It was not; the words say what is missing and why.
    Unknown(String),
}

impl<T> Known<T> {
    /// The value, if it was read.
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// What is missing, if it was not read.
    pub(crate) fn missing(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }
}
