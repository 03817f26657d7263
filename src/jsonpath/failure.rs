//! What is wrong with a template.

use std::fmt;

/// A mistake in a template, or a value that the template cannot be applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    /// In the template: an offset in bytes while it is parsed, then in characters from 1 on.
    position: usize,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>, position: usize) -> Self {
        Self { message: message.into(), position }
    }

    /// Converts the offset in bytes to the position of the character.
    pub(super) fn in_text(self, text: &str) -> Self {
        Self { position: position_in(text, self.position), ..self }
    }

    /// For a template with this many more characters at its beginning than the text of the user.
    pub(super) fn moved_back(self, characters: usize) -> Self {
        Self { position: self.position.saturating_sub(characters).max(1), ..self }
    }
}

/// The number of the character at an offset, from 1 on.
pub(super) fn position_in(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).count() + 1
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (character {})", self.message, self.position)
    }
}

impl std::error::Error for Failure {}
