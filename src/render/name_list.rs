//! Lists of names: the first few and the number of the rest.

/// How many entries of a list are shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListLength {
    /// The first few, on a terminal and in a pipe alike.
    #[default]
    Handful,
    /// All entries: `-o wide`.
    All,
}

/// The usual number of entries for [`ListLength::Handful`].
pub(crate) const HANDFUL: usize = 5;
/// The number of long entries, such as pods with their node, or nodes with their reasons.
pub(crate) const HANDFUL_OF_LONG: usize = 3;
/// The number of node names in a line that contains little else.
pub(crate) const HANDFUL_OF_NODES: usize = 8;

impl ListLength {
    pub(crate) fn wide(is_wide: bool) -> Self {
        if is_wide { Self::All } else { Self::Handful }
    }

    /// All entries in a pipe; on a terminal, where they would push other output off the screen, the first few.
    pub(crate) fn for_terminal(terminal_width: Option<usize>) -> Self {
        if terminal_width.is_some() { Self::Handful } else { Self::All }
    }

    /// The entries to show, and the number of the others.
    pub(crate) fn split<T>(self, all: &[T], handful: usize) -> (&[T], usize) {
        let shown = match self {
            Self::Handful => handful.min(all.len()),
            Self::All => all.len(),
        };
        (&all[..shown], all.len() - shown)
    }

    /// `a, b, c and 4 more`. Does not escape the names.
    pub(crate) fn list<T: AsRef<str>>(self, all: &[T]) -> String {
        self.join(all, HANDFUL, ", ", |name| name.as_ref().to_owned())
    }

    /// Like [`Self::list`], with another limit, separator and format.
    pub(crate) fn join<T>(self, all: &[T], handful: usize, separator: &str, words: impl Fn(&T) -> String) -> String {
        let (shown, more) = self.split(all, handful);
        let shown = shown.iter().map(words).collect::<Vec<String>>().join(separator);
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_shortened_unless_wide() {
        let all = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(ListLength::Handful.list(&all), "a, b, c, d, e and 2 more");
        assert_eq!(ListLength::wide(true).list(&all), "a, b, c, d, e, f, g");
        assert_eq!(ListLength::Handful.list(&all[..5]), "a, b, c, d, e");
        assert_eq!(ListLength::Handful.list::<&str>(&[]), "");
        assert_eq!(ListLength::Handful.join(&all, 2, "; ", |name| format!("<{name}>")), "<a>; <b> and 5 more");
    }
}
