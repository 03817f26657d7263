//! KYAML: YAML in flow style with quoted strings and trailing commas, without ambiguous keys.
//!
//! Upstream: `sigs.k8s.io/yaml/kyaml/kyaml.go` `Encoder`. Hostile characters are escaped, also those that upstream prints.

mod ambiguous;
mod tree;

use std::io::{self, Write};

use self::ambiguous::needs_quotes;
use self::tree::Node;
use crate::render::text::is_hostile;

/// Ends a line inside of a string.
const FOLD: &str = "\\\n";

/// Whether a string may take several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    One,
    Many,
}

/// Writes a JSON text as a document with its header.
pub(super) fn write(out: &mut dyn Write, json: &[u8]) -> io::Result<()> {
    let document: Node = serde_json::from_slice(json)?;
    let mut text = String::from("---\n");
    node(&mut text, &document, 0);
    text.push('\n');
    out.write_all(text.as_bytes())
}

fn node(text: &mut String, value: &Node, level: usize) {
    match value {
        Node::Null => text.push_str("null"),
        Node::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Node::Number(number) => text.push_str(number),
        Node::String(value) => string(text, value, level + 1, Lines::Many),
        Node::Array(values) => array(text, values, level),
        Node::Object(fields) => object(text, fields, level),
    }
}

fn indent(text: &mut String, level: usize) {
    (0..level).for_each(|_| text.push_str("  "));
}

/// Arrays of objects and arrays share their brackets' lines.
fn array(text: &mut String, values: &[Node], level: usize) {
    text.push('[');
    if values.iter().all(|value| matches!(value, Node::Array(_) | Node::Object(_))) {
        for (index, value) in values.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            node(text, value, level);
        }
    } else {
        for value in values {
            text.push('\n');
            indent(text, level + 1);
            node(text, value, level + 1);
            text.push(',');
        }
        text.push('\n');
        indent(text, level);
    }
    text.push(']');
}

fn object(text: &mut String, fields: &[(String, Node)], level: usize) {
    if fields.is_empty() {
        return text.push_str("{}");
    }
    text.push_str("{\n");
    for (key, value) in fields {
        indent(text, level + 1);
        match needs_quotes(key) {
            true => string(text, key, level + 1, Lines::One),
            false => text.push_str(key),
        }
        text.push_str(": ");
        node(text, value, level + 1);
        text.push_str(",\n");
    }
    indent(text, level);
    text.push('}');
}

/// Writes a string in double quotes. One with line breaks takes a line for each of its own.
fn string(text: &mut String, value: &str, level: usize, lines: Lines) {
    let is_folded = lines == Lines::Many && value.contains('\n');
    text.push('"');
    if is_folded {
        text.push_str(FOLD);
    }
    for c in value.chars() {
        if text.ends_with(FOLD) {
            indent(text, level);
            // YAML drops blanks at the beginning of a line; an escaped one is kept. The other blank aligns the lines.
            text.push(if matches!(c, ' ' | '\t') { '\\' } else { ' ' });
        }
        match c {
            '\n' if is_folded => {
                text.push_str("\\n");
                text.push_str(FOLD);
            }
            '\t' if lines == Lines::Many => text.push('\t'),
            c => character(text, c),
        }
    }
    if is_folded {
        if !text.ends_with(FOLD) {
            text.push_str(FOLD);
        }
        indent(text, level);
    }
    text.push('"');
}

fn character(text: &mut String, c: char) {
    let escape = match c {
        '"' | '\\' => c,
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\0' => '0',
        '\u{1b}' => 'e',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if c != ' ' && (is_hostile(c) || c.is_whitespace() || is_private(c)) => {
            let code = u32::from(c);
            return text.push_str(&match code {
                0..=0x1f | 0x7f => format!("\\x{code:02x}"),
                0..=0xffff => format!("\\u{code:04x}"),
                _ => format!("\\U{code:08x}"),
            });
        }
        c => return text.push(c),
    };
    text.push('\\');
    text.push(escape);
}

fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}')
}

#[cfg(test)]
mod tests;
