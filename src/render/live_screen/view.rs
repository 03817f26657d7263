//! Which lines of a frame are on the screen: scrolling and the filter. Pure.

use jiff::Timestamp;

use crate::render::age::age;
use crate::render::text::{sanitize, truncate};

/// Whether the frame shows the cluster as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Current,
    /// The connection is lost.
    Stale,
}

/// What the first line says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) now: Timestamp,
    /// The time of the last frame that showed the cluster as it was.
    pub(super) updated: Timestamp,
    pub(super) freshness: Freshness,
    /// Whether keys are read.
    pub(super) has_keys: bool,
}

/// The part of the frame that the user looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The number of lines above the screen.
    offset: usize,
    /// The lines that fit on the screen at the last frame.
    page: usize,
    filter: String,
    /// Whether letters belong to the filter.
    is_typing: bool,
}

/// The keys that a view knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Escape,
    Enter,
    Backspace,
    Letter(char),
}

impl View {
    pub(super) const fn new() -> Self {
        Self { offset: 0, page: 0, filter: String::new(), is_typing: false }
    }

    /// Whether other lines are shown than those of an untouched screen.
    pub(super) fn is_browsing(&self) -> bool {
        self.offset > 0 || self.is_typing || !self.filter.is_empty()
    }

    /// Applies what was typed. Returns `true` if the user wants to leave.
    pub(super) fn type_keys(&mut self, bytes: &[u8]) -> bool {
        keys(bytes).into_iter().any(|key| self.apply(key))
    }

    fn apply(&mut self, key: Key) -> bool {
        match key {
            Key::Up => self.offset = self.offset.saturating_sub(1),
            Key::Down => self.offset += 1,
            Key::PageUp => self.offset = self.offset.saturating_sub(self.page.max(1)),
            Key::PageDown => self.offset += self.page.max(1),
            Key::Home => self.offset = 0,
            Key::End => self.offset = usize::MAX / 2,
            Key::Escape => {
                (self.is_typing, self.offset) = (false, {
                    self.filter.clear();
                    0
                })
            }
            Key::Enter => self.is_typing = false,
            Key::Backspace if self.is_typing => {
                self.filter.pop();
            }
            Key::Letter(letter) if self.is_typing => {
                self.filter.push(letter);
                self.offset = 0;
            }
            Key::Letter('/') => self.is_typing = true,
            Key::Letter('j') => self.offset += 1,
            Key::Letter('k') => self.offset = self.offset.saturating_sub(1),
            Key::Letter(' ') => self.offset += self.page.max(1),
            Key::Letter('g') => self.offset = 0,
            Key::Letter('G') => self.offset = usize::MAX / 2,
            Key::Letter('q' | 'Q') => return true,
            Key::Letter(_) | Key::Backspace => {}
        }
        false
    }

    /// The lines of the screen, at most as many as it has.
    pub(super) fn compose(
        &mut self,
        picture: &[&str],
        notes: &[String],
        header: Header,
        (columns, height): (usize, usize),
    ) -> Vec<String> {
        let needle = self.filter.to_lowercase();
        let matching: Vec<&str> =
            picture.iter().filter(|line| plain(line).to_lowercase().contains(&needle)).copied().collect();
        let mut lines = vec![truncate(&first_line(header), columns)];
        lines.extend(notes.iter().map(|note| truncate(note, columns)));
        lines.truncate(height.saturating_sub(2).max(1));
        let room = height.saturating_sub(lines.len());
        let with_status = self.is_browsing() || matching.len() > room;
        let room = if with_status { room.saturating_sub(1) } else { room };
        self.page = room;
        self.offset = self.offset.min(matching.len().saturating_sub(room));
        let shown = matching.iter().skip(self.offset).take(room);
        let end = (self.offset + room).min(matching.len());
        lines.extend(shown.map(|line| (*line).to_owned()));
        if with_status && height > lines.len() {
            let range = match matching.len() {
                0 => "no line".to_owned(),
                number => format!("lines {}-{end} of {number}", self.offset + 1),
            };
            let filter = match (self.is_typing, self.filter.is_empty()) {
                (true, _) => format!("  /{}_", sanitize(&self.filter)),
                (false, false) => format!("  /{}  Esc: all lines", sanitize(&self.filter)),
                (false, true) => String::new(),
            };
            lines.push(truncate(&format!("{range}{filter}"), columns));
        }
        lines
    }
}

fn first_line(header: Header) -> String {
    let Header { now, updated, freshness, has_keys } = header;
    let time = match freshness {
        Freshness::Current => format!("updated {}", updated.strftime("%H:%M:%S UTC")),
        Freshness::Stale => format!("not updated for {}", age(updated, now)),
    };
    match has_keys {
        true => format!("{time}   q: quit   /: filter   arrows: scroll"),
        false => time,
    }
}

/// The text of a line without its colors.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(|letter| letter.is_ascii_alphabetic());
        } else {
            text.push(letter);
        }
    }
    text
}

/// The keys in what a terminal sends; unknown sequences are dropped.
fn keys(bytes: &[u8]) -> Vec<Key> {
    const SEQUENCES: [(&str, Key); 12] = [
        ("\u{1b}[A", Key::Up),
        ("\u{1b}OA", Key::Up),
        ("\u{1b}[B", Key::Down),
        ("\u{1b}OB", Key::Down),
        ("\u{1b}[5~", Key::PageUp),
        ("\u{1b}[6~", Key::PageDown),
        ("\u{1b}[H", Key::Home),
        ("\u{1b}OH", Key::Home),
        ("\u{1b}[1~", Key::Home),
        ("\u{1b}[F", Key::End),
        ("\u{1b}OF", Key::End),
        ("\u{1b}[4~", Key::End),
    ];
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.as_ref();
    let mut keys = Vec::new();
    while let Some(letter) = rest.chars().next() {
        if let Some((sequence, key)) = SEQUENCES.iter().find(|(sequence, _)| rest.starts_with(sequence)) {
            keys.push(*key);
            rest = &rest[sequence.len()..];
            continue;
        }
        if rest.starts_with("\u{1b}[") || rest.starts_with("\u{1b}O") {
            let end = rest.char_indices().skip(2).find(|(_, letter)| letter.is_ascii_alphabetic() || *letter == '~');
            rest = end.map_or("", |(index, letter)| &rest[index + letter.len_utf8()..]);
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\u{1b}' => keys.push(Key::Escape),
            '\r' | '\n' => keys.push(Key::Enter),
            '\u{7f}' | '\u{8}' => keys.push(Key::Backspace),
            letter if !letter.is_control() => keys.push(Key::Letter(letter)),
            _ => {}
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn header(freshness: Freshness) -> Header {
        let now: Timestamp = "2026-01-01T12:00:30Z".parse().unwrap();
        let updated: Timestamp = "2026-01-01T12:00:10Z".parse().unwrap();
        Header { now, updated, freshness, has_keys: false }
    }

    fn screen(view: &mut View, lines: usize, height: usize) -> Vec<String> {
        let picture: Vec<String> = (1..=lines).map(|number| format!("\u{1b}[1mnode-{number}\u{1b}[0m ok")).collect();
        let picture: Vec<&str> = picture.iter().map(String::as_str).collect();
        view.compose(&picture, &[], header(Freshness::Current), (80, height)).iter().map(|line| plain(line)).collect()
    }

    #[test]
    fn first_line_says_how_old_the_frame_is() {
        assert_eq!(first_line(header(Freshness::Current)), "updated 12:00:10 UTC");
        assert_eq!(first_line(header(Freshness::Stale)), "not updated for 20s");
    }

    #[test]
    fn short_frame_is_shown_whole() {
        let shown = screen(&mut View::new(), 3, 10);
        assert_eq!(shown, ["updated 12:00:10 UTC", "node-1 ok", "node-2 ok", "node-3 ok"]);
    }

    #[test]
    fn long_frame_scrolls_within_its_lines() {
        let mut view = View::new();
        assert_eq!(screen(&mut view, 20, 5).last().unwrap(), "lines 1-3 of 20");
        view.type_keys(b"\x1b[B\x1b[B");
        assert_eq!(screen(&mut view, 20, 5)[1], "node-3 ok");
        view.type_keys(b"\x1b[6~");
        assert_eq!(screen(&mut view, 20, 5)[1], "node-6 ok");
        view.type_keys(b"G\x1b[B");
        assert_eq!(screen(&mut view, 20, 5).last().unwrap(), "lines 18-20 of 20");
        view.type_keys(b"g");
        assert_eq!(screen(&mut view, 20, 5)[1], "node-1 ok");
        assert!(!view.is_browsing());
    }

    #[test]
    fn filter_keeps_matching_lines_until_escape() {
        let mut view = View::new();
        view.type_keys(b"/NODE-2");
        assert_eq!(
            screen(&mut view, 25, 10),
            [
                "updated 12:00:10 UTC",
                "node-2 ok",
                "node-20 ok",
                "node-21 ok",
                "node-22 ok",
                "node-23 ok",
                "node-24 ok",
                "node-25 ok",
                "lines 1-7 of 7  /NODE-2_"
            ]
        );
        view.type_keys(b"\x7f\x7f9q\r");
        assert_eq!(screen(&mut view, 25, 10), ["updated 12:00:10 UTC", "no line  /NODE9q  Esc: all lines"]);
        assert!(view.is_browsing());
        assert!(!view.type_keys(b"\x1b"));
        assert!(!view.is_browsing());
    }

    #[test]
    fn q_leaves_unless_it_belongs_to_the_filter() {
        assert!(View::new().type_keys(b"q"));
        assert!(!View::new().type_keys(b"/q"));
        assert!(View::new().type_keys(b"/x\rq"));
        assert!(!View::new().type_keys(b"\x1b[99;99Xab"));
    }

    #[test]
    fn screen_is_never_exceeded() {
        for height in 1..8 {
            for lines in [0, 1, 5, 30] {
                for typed in [&b""[..], b"jj", b"/zzz", b"G"] {
                    let mut view = View::new();
                    view.type_keys(typed);
                    let notes = vec!["note: x".to_owned(); 4];
                    let picture = vec!["line"; lines];
                    let shown = view.compose(&picture, &notes, header(Freshness::Stale), (20, height));
                    assert!(shown.len() <= height.max(1), "{height} {lines} {typed:?}: {shown:?}");
                }
            }
        }
    }
}
