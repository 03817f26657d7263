//! JSON and YAML that are safe to print on a terminal.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::text::is_hostile;
use crate::jsonpath::float_in_json;

/// The `apiVersion` of all documents.
pub(crate) const API_VERSION: &str = "kubectl-ds/v1";

pub(crate) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_json(out, value, PrettyFormatter::with_indent(b"  "), Dialect::Plain)?;
    writeln!(out)
}

pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_json(out, value, CompactFormatter, Dialect::Plain)?;
    writeln!(out)
}

/// Writes a value as Go's `json.Marshal`, without a line break.
pub(super) fn go_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_json(out, value, CompactFormatter, Dialect::Go)
}

/// Writes a value as `json.MarshalIndent` in kubectl's JSONPath printer.
pub(super) fn go_json_indented(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write_json(out, value, PrettyFormatter::with_indent(b"    "), Dialect::Go)?;
    writeln!(out)
}

fn write_json(
    out: &mut impl Write,
    value: &impl Serialize,
    formatter: impl Formatter,
    dialect: Dialect,
) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Escaping { formatter, dialect });
    Ok(value.serialize(&mut serializer)?)
}

/// How characters and numbers are written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Plain,
    /// As Go's `encoding/json`, which escapes the characters of HTML and writes whole numbers without a fraction.
    Go,
}

/// Writes a value as YAML. The library escapes control characters; other hostile characters are replaced by their code
/// point, as in `<U+202E>`, which is valid in every kind of scalar.
pub(crate) fn yaml(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
    for c in text.chars() {
        match c {
            '\n' => out.write_all(b"\n")?,
            c if is_hostile(c) => write!(out, "<U+{:04X}>", u32::from(c))?,
            c => write!(out, "{c}")?,
        }
    }
    Ok(())
}

/// Writes a value as one document of a YAML stream.
pub(crate) fn yaml_document(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    writeln!(out, "---")?;
    yaml(out, value)
}

/// The first fields of each report.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(serialize_with = "to_the_second")]
    as_of: Timestamp,
    /// Objects that could not be read.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unknown: &'a [String],
}

impl<'a> Head<'a> {
    pub(super) fn new(kind: &'static str, as_of: Timestamp, unknown: &'a [String]) -> Self {
        Self { api_version: API_VERSION, kind, as_of, unknown }
    }
}

/// The first fields of each event.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct EventHead<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(serialize_with = "to_the_second")]
    at: Timestamp,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> EventHead<'a> {
    pub(super) fn new(kind: &'static str, at: Timestamp, namespace: &'a str, name: &'a str) -> Self {
        Self { api_version: API_VERSION, kind, at, namespace, name }
    }
}

/// The API's format of timestamps.
pub(super) fn to_the_second<S: serde::Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&instant.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// Escapes hostile characters as JSON escapes, so that a program still reads the original text. `serde_json` alone
/// escapes only what the JSON grammar requires.
struct Escaping<F> {
    formatter: F,
    dialect: Dialect,
}

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        let of_html = |c: char| self.dialect == Dialect::Go && matches!(c, '<' | '>' | '&');
        while let Some((at, hostile)) = rest.char_indices().find(|(_, c)| is_hostile(*c) || of_html(*c)) {
            self.formatter.write_string_fragment(out, &rest[..at])?;
            for unit in hostile.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + hostile.len_utf8()..];
        }
        self.formatter.write_string_fragment(out, rest)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, number: f64) -> io::Result<()> {
        match self.dialect {
            Dialect::Plain => self.formatter.write_f64(out, number),
            Dialect::Go => out.write_all(float_in_json(number).as_bytes()),
        }
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.formatter.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.formatter.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.formatter.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}\u{7f}b\u{202e}c \u{e0041}\nd\"é";

    #[test]
    fn hostile_characters_in_json_are_escaped_and_read_back() {
        let mut out = Vec::new();
        json(&mut out, &serde_json::json!({ "text": HOSTILE })).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.trim_end().chars().any(|c| c != '\n' && is_hostile(c)), "{text:?}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["text"], HOSTILE);
    }

    #[test]
    fn hostile_characters_in_yaml_are_escaped_or_replaced() {
        let mut out = Vec::new();
        yaml(&mut out, &serde_json::json!({ "text": HOSTILE, "other": "yes" })).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)), "{text:?}");
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back["text"], "a\u{1b}[2J\u{9b}\u{7f}b<U+202E>c <U+E0041>\nd\"é");
        assert_eq!(back["other"], "yes");
    }
}
