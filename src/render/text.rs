//! Makes text from a cluster safe for a terminal, and measures, cuts and wraps it.

use std::borrow::Cow;

use icu_properties::props::{BinaryProperty, DefaultIgnorableCodePoint};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::name_list::ListLength;

/// The longest word of a screen, in columns. No valid value is longer: a namespace and a name take 317, the key and
/// value of a label 381, an image with its tag and digest about 460.
const LONGEST_WORD: usize = 512;
/// The longest line of a screen, in columns: an event's message has at most 1024 bytes (`NoteLengthLimit` of
/// `pkg/apis/core/validation/events.go`), and five node names of the maximum length take 1273.
const LONGEST_LINE: usize = 2000;

/// Whether a character could mislead a terminal or a reader: control characters, line and paragraph separators, marks
/// that change the direction of text, and invisible characters (Unicode's Default_Ignorable_Code_Point, and the
/// annotation marks, which only some terminals display).
pub(crate) fn is_hostile(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || DefaultIgnorableCodePoint::for_char(c)
}

/// Returns one line with hostile characters as escapes (`\u{1b}`), and line breaks and tabs as spaces. Does not limit
/// its length: screens apply [`bounded`], and JSON keeps the whole text.
pub(crate) fn sanitize(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if is_hostile(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// As [`sanitize`], but keeps line breaks, tabs and trailing spaces: a program reads the text.
pub(crate) fn sanitize_lines(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| !matches!(c, '\n' | '\t') && is_hostile(c);
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_escaped(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Limits the length of a line and of its words for a screen. Valid values are never cut. With [`ListLength::All`],
/// only words are cut.
pub(crate) fn bounded(line: &str, names: ListLength) -> Cow<'_, str> {
    // A character takes at most as many columns as bytes.
    if line.len() <= LONGEST_WORD {
        return Cow::Borrowed(line);
    }
    let line = line.split(' ').map(|word| truncate(word, LONGEST_WORD)).collect::<Vec<_>>().join(" ");
    if names == ListLength::All || width(&line) <= LONGEST_LINE {
        return Cow::Owned(line);
    }
    let kept = truncate(&line, LONGEST_LINE);
    let more = line.chars().count().saturating_sub(kept.chars().count() - 1);
    Cow::Owned(format!("{kept} ({})", pluralize(more, "more character")))
}

/// The number of terminal columns that a line takes.
pub(crate) fn width(line: &str) -> usize {
    UnicodeWidthStr::width(line)
}

/// Cuts a line to at most `limit` columns, and ends a cut line with an ellipsis.
pub(crate) fn truncate(line: &str, limit: usize) -> String {
    if width(line) <= limit {
        return line.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let fits = |c: &char| {
        let columns = c.width().unwrap_or_default();
        let fits = columns <= room;
        room = room.saturating_sub(columns);
        fits
    };
    let mut kept: String = line.chars().take_while(fits).collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Applies [`bounded`], and breaks the line at its spaces into lines of at most `limit` columns. Breaks a longer word
/// anywhere.
pub(crate) fn wrap(line: &str, limit: usize, names: ListLength) -> Vec<String> {
    let limit = limit.max(1);
    let line = bounded(line, names);
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.is_empty() && width(&current) + 1 + width(word) > limit {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        for c in word.chars() {
            if !current.is_empty() && width(&current) + c.width().unwrap_or_default() > limit {
                lines.push(std::mem::take(&mut current));
            }
            current.push(c);
        }
    }
    lines.push(current);
    lines
}

/// `1 node`, `2 nodes`.
pub(crate) fn pluralize(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_direction_marks_are_escaped() {
        assert_eq!(sanitize("a\u{1b}[31mred"), "a\\u{1b}[31mred");
        assert_eq!(sanitize("a\u{202e}b\u{9b}2J\u{7f}\u{200b}"), "a\\u{202e}b\\u{9b}2J\\u{7f}\\u{200b}");
        assert_eq!(sanitize("two\nlines\tand\r\n"), "two lines and");
        assert_eq!(sanitize("über 日本"), "über 日本");
    }

    #[test]
    fn invisible_characters_are_escaped() {
        let invisible = ['\u{34f}', '\u{fe0f}', '\u{e0100}', '\u{17b4}', '\u{180b}', '\u{1d173}', '\u{ffa0}', '\u{ad}'];
        let others = ['\u{115f}', '\u{1160}', '\u{200b}', '\u{2060}', '\u{206f}', '\u{3164}', '\u{feff}', '\u{fffa}'];
        for c in invisible.into_iter().chain(others) {
            assert_eq!(sanitize(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
    }

    #[test]
    fn word_or_line_longer_than_any_valid_value_is_cut() {
        let image = format!("{}:{}@sha256:{}", "x".repeat(255), "t".repeat(128), "a".repeat(64));
        let names = vec!["n".repeat(253); 5].join(", ");
        for valid in [image, names, format!("{}/{}", "s".repeat(63), "n".repeat(253)), "w ".repeat(900)] {
            assert_eq!(bounded(&valid, ListLength::Handful), valid);
        }
        assert_eq!(
            bounded(&format!("{} y", "x".repeat(10_000)), ListLength::Handful),
            format!("{}… y", "x".repeat(LONGEST_WORD - 1))
        );
        let long = "word ".repeat(2_000);
        let cut = format!("{}word… (8001 more characters)", "word ".repeat(399));
        assert_eq!(bounded(&long, ListLength::Handful), cut);
        assert_eq!(bounded(&long, ListLength::All), long);
        assert!(width(&bounded(&sanitize(&"\u{1b}".repeat(10_000)), ListLength::Handful)) <= LONGEST_WORD);
        assert!(width(&bounded(&"日 ".repeat(10_000), ListLength::Handful)) <= LONGEST_LINE + 30);
    }

    #[test]
    fn long_text_for_a_program_is_not_cut() {
        assert_eq!(sanitize(&"x".repeat(10_000)), "x".repeat(10_000));
    }

    #[test]
    fn line_wraps_at_spaces_and_a_long_word_anywhere() {
        assert_eq!(wrap("one two three", 7, ListLength::Handful), ["one two", "three"]);
        assert_eq!(wrap("one", 80, ListLength::Handful), ["one"]);
        assert_eq!(wrap("abcdefgh ij", 3, ListLength::Handful), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("日本語", 4, ListLength::Handful), ["日本", "語"]);
        assert_eq!(wrap("", 4, ListLength::Handful), [""]);
    }

    #[test]
    fn cut_line_is_never_wider_than_its_limit() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 4), "abc…");
        assert_eq!(truncate("日本語", 4), "日…");
        assert_eq!(truncate("a b c", 3), "a…");
        assert_eq!(truncate("abc", 0), "…");
    }
}
