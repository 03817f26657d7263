//! `-o` of all commands.

use std::fs::File;
use std::io::Read;

use clap::builder::{PossibleValue, TypedValueParser};

use crate::error::system_words;
use crate::jsonpath::Template;
use crate::render::document::{CustomColumns, DocumentFormat};

/// The largest file with a template, in bytes.
const LARGEST_FILE: u64 = 64 * 1024;

/// A value of `-o`.
#[derive(Clone, Debug)]
pub(crate) enum OutputFormat {
    /// The table with additional columns.
    Wide,
    /// Resource names.
    Name,
    /// A document.
    Document(DocumentFormat),
}

impl OutputFormat {
    /// The format of documents; `None` for text.
    pub(crate) fn document(&self) -> Option<&DocumentFormat> {
        match self {
            Self::Wide | Self::Name => None,
            Self::Document(format) => Some(format),
        }
    }

    pub(crate) fn is_wide(&self) -> bool {
        matches!(self, Self::Wide)
    }

    pub(crate) fn is_name(&self) -> bool {
        matches!(self, Self::Name)
    }
}

/// The forms of `-o`, by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Wide,
    Json,
    Yaml,
    Kyaml,
    Name,
    JsonPath,
    JsonPathAsJson,
    JsonPathFile,
    CustomColumns,
    CustomColumnsFile,
}

/// Parses `-o` of a command that supports some of the forms. The command line help and the completion list them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputParser(&'static [Form]);

/// Of commands that print a table of objects.
pub(crate) const TABLE: OutputParser = OutputParser(&[
    Form::Wide,
    Form::Json,
    Form::Yaml,
    Form::Kyaml,
    Form::Name,
    Form::JsonPath,
    Form::JsonPathAsJson,
    Form::JsonPathFile,
    Form::CustomColumns,
    Form::CustomColumnsFile,
]);

/// Of commands that print a table of what has no name.
pub(crate) const TABLE_WITHOUT_NAMES: OutputParser = OutputParser(&[
    Form::Wide,
    Form::Json,
    Form::Yaml,
    Form::Kyaml,
    Form::JsonPath,
    Form::JsonPathAsJson,
    Form::JsonPathFile,
    Form::CustomColumns,
    Form::CustomColumnsFile,
]);

/// Of commands that print one event after another, and whose text can include all names.
pub(crate) const EVENTS: OutputParser = OutputParser(&[
    Form::Wide,
    Form::Json,
    Form::Yaml,
    Form::Kyaml,
    Form::JsonPath,
    Form::JsonPathAsJson,
    Form::JsonPathFile,
]);

/// Of commands that print documents or plain text.
pub(crate) const DOCUMENT: OutputParser =
    OutputParser(&[Form::Json, Form::Yaml, Form::Kyaml, Form::JsonPath, Form::JsonPathAsJson, Form::JsonPathFile]);

impl TypedValueParser for OutputParser {
    type Value = OutputFormat;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<OutputFormat, clap::Error> {
        let forms = self.0;
        let parser = move |text: &str| parse(forms, text);
        TypedValueParser::parse_ref(&parser, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |form: &Form| PossibleValue::new(form.name()).help(form.help());
        Some(Box::new(self.0.iter().map(value)))
    }
}

/// Parses a value: the name of a form, and after `=` its template.
///
/// Upstream: `cli-runtime/pkg/genericclioptions/jsonpath_flags.go`, `kubectl/pkg/cmd/get/customcolumn_flags.go`.
fn parse(forms: &[Form], text: &str) -> Result<OutputFormat, String> {
    let (name, argument) = text.split_once('=').map_or((text, None), |(name, argument)| (name, Some(argument)));
    let form = forms.iter().find(|form| form.name() == name && (argument.is_none() || form.example().is_some()));
    let Some(form) = form else {
        let names: Vec<&str> = forms.iter().map(|form| form.name()).collect();
        return Err(format!("must be one of: {}", names.join(", ")));
    };
    let argument = argument.unwrap_or_default();
    if let (Some(example), true) = (form.example(), argument.is_empty()) {
        return Err(format!("{name} needs a value: -o {name}={example}"));
    }
    let template = |text: &str| Template::parse(text).map_err(|failure| failure.to_string());
    Ok(OutputFormat::Document(match form {
        Form::Wide => return Ok(OutputFormat::Wide),
        Form::Name => return Ok(OutputFormat::Name),
        Form::Json => DocumentFormat::Json,
        Form::Yaml => DocumentFormat::Yaml,
        Form::Kyaml => DocumentFormat::Kyaml,
        Form::JsonPath => DocumentFormat::JsonPath(template(argument)?),
        Form::JsonPathAsJson => DocumentFormat::JsonPathAsJson(template(argument)?),
        Form::JsonPathFile => DocumentFormat::JsonPath(template(&read(argument)?)?),
        Form::CustomColumns => DocumentFormat::CustomColumns(CustomColumns::parse(argument)?),
        Form::CustomColumnsFile => DocumentFormat::CustomColumns(CustomColumns::parse_file(&read(argument)?)?),
    }))
}

fn read(path: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {path}: {}", system_words(&error));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    match u64::try_from(text.len()) {
        Ok(0..=LARGEST_FILE) => Ok(text),
        _ => Err(format!("{path} is larger than {} KiB", LARGEST_FILE / 1024)),
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Kyaml => "kyaml",
            Self::Name => "name",
            Self::JsonPath => "jsonpath",
            Self::JsonPathAsJson => "jsonpath-as-json",
            Self::JsonPathFile => "jsonpath-file",
            Self::CustomColumns => "custom-columns",
            Self::CustomColumnsFile => "custom-columns-file",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Wide => "Table with additional columns, nothing truncated",
            Self::Json => "JSON output for scripts",
            Self::Yaml => "YAML output for scripts",
            Self::Kyaml => "YAML in flow style, without ambiguous values",
            Self::Name => "Resource names only (TYPE/NAME), one per line",
            Self::JsonPath => "Fields that a template selects in the JSON output: jsonpath='{.kind}'",
            Self::JsonPathAsJson => "The same as a JSON array for each expression: jsonpath-as-json='{.kind}'",
            Self::JsonPathFile => "The same with a template in a file: jsonpath-file=FILE",
            Self::CustomColumns => {
                "Table with columns of your own, a row for each object of the JSON output: \
                 custom-columns=NAME:.name,READY:.ready"
            }
            Self::CustomColumnsFile => {
                "The same with a file of two lines, the headers and the paths: custom-columns-file=FILE"
            }
        }
    }

    /// An example of the form's value; `None` if it takes none.
    fn example(self) -> Option<&'static str> {
        match self {
            Self::Wide | Self::Json | Self::Yaml | Self::Kyaml | Self::Name => None,
            Self::JsonPath | Self::JsonPathAsJson => Some("'{.kind}'"),
            Self::CustomColumns => Some("HEADER:PATH,…"),
            Self::JsonPathFile | Self::CustomColumnsFile => Some("FILE"),
        }
    }
}

/// Parses the path of `--sort-by`.
pub(crate) fn sort_path(text: &str) -> Result<SortPath, String> {
    match Template::parse_path(text) {
        Ok(path) => Ok(SortPath { path, text: text.to_owned() }),
        Err(failure) => Err(failure.to_string()),
    }
}

/// The path of `--sort-by`.
#[derive(Clone, Debug)]
pub(crate) struct SortPath {
    pub(crate) path: Template,
    /// As the user wrote it.
    pub(crate) text: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(forms: OutputParser, text: &str) -> String {
        parse(forms.0, text).unwrap_err()
    }

    #[test]
    fn unknown_format_is_answered_with_those_of_the_command() {
        let all = "must be one of: json, yaml, kyaml, jsonpath, jsonpath-as-json, jsonpath-file";
        for text in ["", "JSON", "wide", "json=", "json=x", "custom-columns=A:.a", "go-template={{.}}", "jsonpath {}"] {
            assert_eq!(message(DOCUMENT, text), all, "{text}");
        }
    }

    #[test]
    fn forms_with_a_value_need_one() {
        for (text, expected) in [
            ("jsonpath", "jsonpath needs a value: -o jsonpath='{.kind}'"),
            ("jsonpath=", "jsonpath needs a value: -o jsonpath='{.kind}'"),
            ("custom-columns", "custom-columns needs a value: -o custom-columns=HEADER:PATH,…"),
            ("jsonpath-file=", "jsonpath-file needs a value: -o jsonpath-file=FILE"),
            ("jsonpath-file=/none", "cannot read /none: no such file or directory"),
            ("jsonpath={.a", "the expression has no closing brace (character 4)"),
        ] {
            assert_eq!(message(TABLE, text), expected);
        }
    }

    #[test]
    fn templates_are_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let template = parse(TABLE.0, &format!("jsonpath-file={}", file("a", "{.a==b}"))).unwrap();
        assert!(matches!(template, OutputFormat::Document(DocumentFormat::JsonPath(_))));
        let columns = parse(TABLE.0, &format!("custom-columns-file={}", file("b", "A\n.a\n"))).unwrap();
        assert!(matches!(columns, OutputFormat::Document(DocumentFormat::CustomColumns(_))));
        let large = file("c", &"x".repeat(70_000));
        assert_eq!(message(TABLE, &format!("jsonpath-file={large}")), format!("{large} is larger than 64 KiB"));
    }
}
