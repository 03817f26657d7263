//! Splits a stream into lines of limited length: a container may write gigabytes without a line break.

/// The longest line in bytes; a longer one is broken.
pub(crate) const LONGEST_LINE: usize = 64 << 10;

/// Whether a piece of text begins a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Start,
    /// The rest of a line that was broken.
    Rest,
}

/// The incomplete last line of a stream.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    pending: Vec<u8>,
    /// Whether the beginning of the line was passed on already.
    is_broken: bool,
}

impl LineSplitter {
    /// Passes on each line that the bytes complete, without its line break.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8], Part)) {
        while !bytes.is_empty() {
            let room = LONGEST_LINE.saturating_sub(self.pending.len()).max(1);
            let head = &bytes[..bytes.len().min(room)];
            if let Some(end) = head.iter().position(|byte| *byte == b'\n') {
                self.pending.extend_from_slice(&head[..end]);
                bytes = &bytes[end + 1..];
                self.line(&mut take);
            } else {
                self.pending.extend_from_slice(head);
                bytes = &bytes[head.len()..];
                if self.pending.len() >= LONGEST_LINE {
                    self.break_line(&mut take);
                }
            }
        }
    }

    /// Passes on the last line if it has no line break.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(&[u8], Part)) {
        if !self.pending.is_empty() {
            self.line(&mut take);
        }
        self.is_broken = false;
    }

    fn line(&mut self, take: &mut impl FnMut(&[u8], Part)) {
        let line = self.pending.strip_suffix(b"\r").unwrap_or(&self.pending);
        // A line that was broken exactly at its end has no rest.
        if !(self.is_broken && line.is_empty()) {
            take(line, self.part());
        }
        self.pending.clear();
        self.is_broken = false;
    }

    fn break_line(&mut self, take: &mut impl FnMut(&[u8], Part)) {
        let end = character_boundary(&self.pending);
        take(&self.pending[..end], self.part());
        self.pending.drain(..end);
        self.is_broken = true;
    }

    fn part(&self) -> Part {
        if self.is_broken { Part::Rest } else { Part::Start }
    }
}

/// The end of the last complete character. A character of UTF-8 has at most four bytes.
fn character_boundary(bytes: &[u8]) -> usize {
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let last = bytes.iter().rev().take(4).position(is_start);
    match last {
        Some(back)
            if back < 3 && bytes.len() > back + 1 && std::str::from_utf8(&bytes[bytes.len() - back - 1..]).is_err() =>
        {
            bytes.len() - back - 1
        }
        _ => bytes.len(),
    }
}
