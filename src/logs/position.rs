//! The place in a log up to which lines were shown.
//!
//! The kubelet leads each line by its time (`timestamps=true`) and can start a stream at a time, but the API server passes
//! this time on without fractions of a second (`pkg/registry/core/pod/strategy.go` `LogLocation`). So a stream that
//! continues repeats the lines of its first second. They are recognized by their times, and, because several lines may
//! have one time, by their number.

use jiff::Timestamp;

/// How far a log was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The time of the last line.
    last: Option<Timestamp>,
    /// How many of the last lines have this time.
    at_last: u64,
    /// While a stream repeats lines: how many lines with the last time are still to be skipped.
    repeated: Option<u64>,
    /// The last line without a time, which only the kubelet itself writes, such as the reason why a log cannot be read.
    without_time: Option<Vec<u8>>,
}

impl Position {
    /// The time from which a new stream continues; `None` to read from the beginning. Must be called for each stream.
    pub(crate) fn resume(&mut self) -> Option<Timestamp> {
        self.repeated = self.last.map(|_| self.at_last);
        self.last
    }

    /// Whether a line was not shown yet. A clock that is set back makes a line appear twice rather than never.
    pub(crate) fn is_new(&mut self, time: Option<Timestamp>, line: &[u8]) -> bool {
        let Some(time) = time else { return self.is_new_without_time(line) };
        if let (Some(repeated), Some(last)) = (&mut self.repeated, self.last) {
            if time < last {
                return false;
            }
            if time == last && *repeated > 0 {
                *repeated -= 1;
                return false;
            }
            self.repeated = None;
        }
        self.at_last = if self.last == Some(time) { self.at_last + 1 } else { 1 };
        self.last = Some(time);
        true
    }

    fn is_new_without_time(&mut self, line: &[u8]) -> bool {
        let is_new = self.without_time.as_deref() != Some(line);
        if is_new {
            self.without_time = Some(line.to_vec());
        }
        is_new
    }
}

/// Splits a line with a time into both; `None` without a valid time.
pub(crate) fn split_time(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let end = line.iter().take(40).position(|byte| *byte == b' ').unwrap_or(line.len().min(40));
    let time = std::str::from_utf8(&line[..end]).ok().and_then(|text| text.parse().ok());
    match time {
        Some(time) => (Some(time), line.get(end + 1..).unwrap_or_default()),
        None => (None, line),
    }
}
