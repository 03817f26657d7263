//! Compares the clock of the API server with the clock of this machine.
//!
//! The `Date` header of a response has whole seconds, and the response may have been written at any time between the
//! request and its arrival. So the offset is the smallest one that explains the header.

use jiff::Timestamp;

/// A `Date` header, and the time of this machine before the request and after the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClockSample {
    pub(crate) server: Timestamp,
    pub(crate) before: Timestamp,
    pub(crate) after: Timestamp,
}

/// How many seconds the server is ahead at least; negative if it is behind, 0 if the clocks may be equal.
pub(crate) fn offset_seconds(sample: &ClockSample) -> i64 {
    let server = sample.server.as_second();
    let (before, after) = (sample.before.as_second(), sample.after.as_second());
    if server > after {
        server - after
    } else if server < before {
        server - before
    } else {
        0
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses the format of HTTP (RFC 9110, IMF-fixdate): `Sat, 28 Nov 2026 04:07:55 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let mut words = text.split(' ').skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next() != Some("GMT") {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}
