//! `-o jsonpath` and `-o jsonpath-as-json`.
//!
//! Upstream: `client-go/util/jsonpath/jsonpath.go` `PrintResults`.

use std::io::{self, Write};

use serde_json::Value;

use crate::jsonpath::{Item, Template, scalar_text};
use crate::render::structured;
use crate::render::text::sanitize_lines;

/// The largest output in bytes. `{..}` prints each value once for every level above it.
const LARGEST: usize = 1 << 28;

/// Writes the selected values, those of an expression separated by spaces. There is no line break at the end.
pub(super) fn text(out: &mut dyn Write, template: &Template, document: &Value) -> io::Result<()> {
    let selected = template.select(document).map_err(io::Error::other)?;
    let mut out = Limited { out, left: LARGEST };
    for items in selected {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.write_all(b" ")?;
            }
            match item {
                // The user's own text.
                Item::Text(text) => out.write_all(text.as_bytes())?,
                Item::Literal(value) => write_value(&mut out, value)?,
                Item::Document(value) => write_value(&mut out, value)?,
                Item::Nothing => {}
            }
        }
    }
    Ok(())
}

fn write_value(out: &mut impl Write, value: &Value) -> io::Result<()> {
    match scalar_text(value) {
        Some(text) => out.write_all(sanitize_lines(&text).as_bytes()),
        None => structured::go_json(out, value),
    }
}

/// Writes the selected values of each expression as an array.
pub(super) fn json(out: &mut dyn Write, template: &Template, document: &Value) -> io::Result<()> {
    let selected = template.select(document).map_err(io::Error::other)?;
    let mut out = Limited { out, left: LARGEST };
    selected.iter().try_for_each(|items| structured::go_json_indented(&mut out, items))
}

/// Fails instead of writing more than a number of bytes.
struct Limited<'w> {
    out: &'w mut dyn Write,
    left: usize,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            return Err(io::Error::other(format!("the template selects more than {} MiB", LARGEST >> 20)));
        }
        let written = self.out.write(bytes)?;
        self.left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::render::text::is_hostile;

    fn written(write: fn(&mut dyn Write, &Template, &Value) -> io::Result<()>, template: &str) -> String {
        let document = json!({
            "a": {"z": 1.0, "b": "x < y & z > \u{2028}"},
            "hostile": "a\u{1b}[2J\u{202e}\nb\t",
            "list": [1e21, 0.0000001, true, null],
            "empty": [],
        });
        let mut out = Vec::new();
        write(&mut out, &Template::parse(template).unwrap(), &document).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn objects_print_as_json_of_go_and_scalars_as_text() {
        assert_eq!(written(text, "{.a}"), "{\"b\":\"x \\u003c y \\u0026 z \\u003e \\u2028\",\"z\":1}");
        assert_eq!(written(text, "{.list[*]} {.list}"), "1e+21 1e-07 true null [1e+21,1e-7,true,null]");
    }

    #[test]
    fn results_as_json_are_one_array_for_each_expression() {
        assert_eq!(written(json, "{.list[2:4]}{.none}"), "[\n    true,\n    null\n]\n[]\n");
        assert_eq!(written(json, "{.empty}x"), "[\n    []\n]\n[\n    \"x\"\n]\n");
    }

    #[test]
    fn text_of_the_cluster_is_safe_and_text_of_the_template_is_not_changed() {
        assert_eq!(written(text, "{.hostile}\u{1b}[1m"), "a\\u{1b}[2J\\u{202e}\nb\t\u{1b}[1m");
        for all in [written(text, "{@}"), written(json, "{.hostile}")] {
            assert!(!all.chars().any(|c| c != '\n' && is_hostile(c)), "{all:?}");
        }
    }

    #[test]
    fn output_is_limited() {
        let mut out = Vec::new();
        let mut limited = Limited { out: &mut out, left: 3 };
        limited.write_all(b"abc").unwrap();
        assert!(limited.write_all(b"d").unwrap_err().to_string().contains("256 MiB"));
    }
}
