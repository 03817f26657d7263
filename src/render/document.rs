//! Documents in the formats of `-o`: JSON, YAML, KYAML, and what a template selects in them.

mod custom_columns;
mod json_path;
mod kyaml;
mod rows;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

pub(crate) use custom_columns::CustomColumns;
pub(crate) use rows::Rows;

use super::structured;
use crate::jsonpath::Template;

/// A format of documents. All of them show the value that `-o json` prints.
#[derive(Clone, Debug)]
pub(crate) enum DocumentFormat {
    Json,
    Yaml,
    Kyaml,
    JsonPath(Template),
    JsonPathAsJson(Template),
    CustomColumns(CustomColumns),
}

/// Where a document is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// The only document, or the first of several.
    First,
    /// Documents were written before.
    Next,
    /// Documents are written as changes occur: JSON takes one line, and each document of YAML has a header.
    Stream,
}

/// How a document is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentOptions {
    pub(crate) sequence: Sequence,
    /// The rows of custom columns.
    pub(crate) rows: Rows,
    /// Whether custom columns have headers.
    pub(crate) headers: bool,
}

impl DocumentOptions {
    pub(crate) fn new(sequence: Sequence) -> Self {
        Self { sequence, rows: Rows::DOCUMENT, headers: true }
    }
}

impl DocumentFormat {
    /// Writes a document.
    ///
    /// # Errors
    /// The output cannot be written. If the template cannot be applied to the document, the error contains a
    /// [`crate::jsonpath::Failure`].
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        document: &impl Serialize,
        options: DocumentOptions,
    ) -> io::Result<()> {
        let value = || serde_json::to_value(document).map_err(io::Error::from);
        match self {
            Self::Json if options.sequence == Sequence::Stream => structured::json_line(out, document),
            Self::Json => structured::json(out, document),
            Self::Yaml if options.sequence == Sequence::First => structured::yaml(out, document),
            Self::Yaml => structured::yaml_document(out, document),
            Self::Kyaml => kyaml::write(out, &serde_json::to_vec(document)?),
            Self::JsonPath(template) => json_path::text(out, template, &value()?),
            Self::JsonPathAsJson(template) => json_path::json(out, template, &value()?),
            Self::CustomColumns(columns) => {
                let rows: Vec<Value> = options.rows.of(&value()?);
                columns.write(out, &rows, options.headers && options.sequence != Sequence::Next)
            }
        }
    }
}
