//! JSONPath templates in kubectl's dialect, for `-o jsonpath`, `-o custom-columns` and `--sort-by`.
//!
//! A [`Template`] is parsed once (`parse` into the steps of `syntax`) and selects values of a JSON document (`evaluate`).
//! `number` and `text` print a value as kubectl does, and `sort` orders rows by the value of a path. kubectl iterates over
//! the fields of an object in random order; here the order is that of the keys.
//!
//! Upstream: `client-go/util/jsonpath/{parser,jsonpath}.go`, `cli-runtime/pkg/printers/jsonpath.go`,
//! `kubectl/pkg/cmd/get/{customcolumn,sorter}.go`.

mod compare;
mod evaluate;
mod failure;
mod number;
mod parse;
mod sort;
mod syntax;
mod text;

pub(crate) use evaluate::Item;
pub(crate) use failure::Failure;
pub(crate) use number::float_in_json;
pub(crate) use sort::{Unsortable, order};
pub(crate) use text::{column_text, scalar_text};

use serde_json::Value;

use self::syntax::Block;

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Block>);

impl Template {
    /// Parses a template: text, and expressions in braces.
    ///
    /// # Errors
    /// The first mistake, with its position.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        parse::template(text).map(Self)
    }

    /// Parses the path of a column or of `--sort-by`: `.a.b`, `a.b`, `{.a.b}` or `{a.b}`. An empty path selects nothing.
    ///
    /// Upstream: `kubectl/pkg/cmd/get/customcolumn.go` `RelaxedJSONPathExpression`.
    ///
    /// # Errors
    /// The path has braces elsewhere, or is not valid as an expression.
    pub(crate) fn parse_path(text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let (inner, braces) = match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(inner) => (inner, 1),
            None => (text, 0),
        };
        if inner.is_empty() || inner.contains(['{', '}']) {
            let at = inner.find(['{', '}']).unwrap_or_default() + braces;
            return Err(Failure::new("expected a path such as .metadata.name or {.metadata.name}", at).in_text(text));
        }
        let (path, dot) = match inner.strip_prefix('.') {
            Some(path) if !path.is_empty() => (path, 1),
            _ => (inner, 0),
        };
        let template = parse::template(&format!("{{.{path}}}"));
        // The user has not necessarily written the brace and the dot.
        template.map(Self).map_err(|failure| failure.moved_back(2 - braces - dot))
    }

    /// The selected values: a list for each text and each expression, in order.
    ///
    /// # Errors
    /// An index out of bounds, a value of the wrong type, or too many values.
    pub(crate) fn select<'v>(&'v self, document: &'v Value) -> Result<Vec<Vec<Item<'v>>>, Failure> {
        evaluate::select(&self.0, document)
    }
}

#[cfg(test)]
mod tests;
