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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn written(format: &DocumentFormat, sequence: Sequence) -> String {
        let mut out = Vec::new();
        let rows = json!([{"name": "a"}, {"name": "b", "n": 1}]);
        let document = json!({"kind": "K", "namespace": "x", "daemonSets": rows});
        let options = DocumentOptions { sequence, rows: Rows::DAEMON_SETS, headers: true };
        format.write(&mut out, &document, options).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn documents_of_a_stream_are_separated() {
        let json = written(&DocumentFormat::Json, Sequence::Stream);
        assert_eq!((json.lines().count(), json.ends_with('\n')), (1, true), "{json}");
        for format in [DocumentFormat::Yaml, DocumentFormat::Kyaml] {
            assert!(written(&format, Sequence::Stream).starts_with("---\n"));
            assert!(written(&format, Sequence::Next).starts_with("---\n"));
        }
        assert!(written(&DocumentFormat::Yaml, Sequence::First).starts_with("daemonSets:"));
        let template = DocumentFormat::JsonPath(Template::parse("{.kind};").unwrap());
        assert_eq!(written(&template, Sequence::Stream), "K;");
    }

    #[test]
    fn columns_have_headers_and_rows_the_fields_around_them() {
        let columns = DocumentFormat::CustomColumns(CustomColumns::parse("NS:.namespace,NAME:.name,N:.n").unwrap());
        let rows = "x     a      <none>\nx     b      1\n";
        assert_eq!(written(&columns, Sequence::First), format!("NS    NAME   N\n{rows}"));
        assert_eq!(written(&columns, Sequence::Next), "x     a     <none>\nx     b     1\n");
        assert_eq!(written(&columns, Sequence::Stream), format!("NS    NAME   N\n{rows}"));
    }
}
