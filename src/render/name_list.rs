//! Lists of names for people: a handful, and how many more there are.

/// How many entries of a list a person is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListLength {
    /// A handful, on a terminal and in a pipe alike.
    #[default]
    Handful,
    /// All: `-o wide`.
    All,
}

/// So many are a handful, where nothing else asks for the room.
pub(crate) const HANDFUL: usize = 5;

impl ListLength {
    /// All with `-o wide`.
    pub(crate) fn wide(is_wide: bool) -> Self {
        if is_wide { Self::All } else { Self::Handful }
    }

    /// How many of so many are shown.
    pub(crate) fn room(self, handful: usize, all: usize) -> usize {
        match self {
            Self::Handful => handful.min(all),
            Self::All => all,
        }
    }

    /// `a, b, c and 4 more`. Not made safe.
    pub(crate) fn list<T: AsRef<str>>(self, all: &[T]) -> String {
        self.join(all, HANDFUL, ", ", |name| name.as_ref().to_owned())
    }

    /// The same of anything in words, so many of them, with another separator.
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
    fn list_of_names_ends_after_a_handful_unless_wide() {
        let all = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(ListLength::Handful.list(&all), "a, b, c, d, e and 2 more");
        assert_eq!(ListLength::wide(true).list(&all), "a, b, c, d, e, f, g");
        assert_eq!(ListLength::Handful.list(&all[..5]), "a, b, c, d, e");
        assert_eq!(ListLength::Handful.list::<&str>(&[]), "");
        assert_eq!(ListLength::Handful.join(&all, 2, "; ", |name| format!("<{name}>")), "<a>; <b> and 5 more");
    }
}
