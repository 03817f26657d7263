//! What was read, and what could not be.

use std::fmt;

/// A value that was read, or the reason why it is unknown. An unknown value is never treated as empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known<T> {
    Known(T),
    Unknown(Missing),
}

/// Why a value is unknown. Its text says what is missing and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No check needed the objects of this name, so they were not read.
    NotRead(&'static str),
    /// The files of a saved cluster do not have the value.
    NotSaved(String),
    /// Reading or decoding failed, or a permission is missing: `cannot list nodes: ...`.
    Failed(String),
    /// Everything was read, and it does not determine the value.
    Undetermined(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRead(what) => write!(f, "{what} were not read"),
            Self::NotSaved(text) | Self::Failed(text) | Self::Undetermined(text) => f.write_str(text),
        }
    }
}

impl<T> Known<T> {
    /// A value that could not be read.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Unknown(Missing::Failed(text.into()))
    }

    /// A value that the files of a saved cluster do not have.
    pub(crate) fn not_saved(text: impl Into<String>) -> Self {
        Self::Unknown(Missing::NotSaved(text.into()))
    }

    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why the value is unknown.
    pub(crate) fn missing(&self) -> Option<&Missing> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(missing) => Some(missing),
        }
    }

    pub(crate) fn as_ref(&self) -> Known<&T> {
        match self {
            Self::Known(value) => Known::Known(value),
            Self::Unknown(missing) => Known::Unknown(missing.clone()),
        }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Known(value) => Known::Known(change(value)),
            Self::Unknown(missing) => Known::Unknown(missing),
        }
    }

    /// Both values; unknown if one of them is.
    pub(crate) fn zip<U>(self, other: Known<U>) -> Known<(T, U)> {
        match (self, other) {
            (Self::Known(one), Known::Known(other)) => Known::Known((one, other)),
            (Self::Unknown(missing), _) | (_, Known::Unknown(missing)) => Known::Unknown(missing),
        }
    }
}
