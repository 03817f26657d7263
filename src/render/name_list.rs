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

impl ListLength {
    pub(crate) fn wide(is_wide: bool) -> Self {
        if is_wide { Self::All } else { Self::Handful }
    }

    /// How many of `all` entries are shown.
    pub(crate) fn room(self, handful: usize, all: usize) -> usize {
        match self {
            Self::Handful => handful.min(all),
            Self::All => all,
        }
    }

    /// `a, b, c and 4 more`. Does not escape the names.
    pub(crate) fn list<T: AsRef<str>>(self, all: &[T]) -> String {
        self.join(all, HANDFUL, ", ", |name| name.as_ref().to_owned())
    }

    /// Like [`Self::list`], with another limit, separator and format.
    pub(crate) fn join<T>(self, all: &[T], handful: usize, separator: &str, words: impl Fn(&T) -> String) -> String {
        let first: Vec<String> = all.iter().take(self.room(handful, all.len())).map(words).collect();
        match all.len() - first.len() {
            0 => first.join(separator),
            more => format!("{} and {more} more", first.join(separator)),
        }
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
