//! Reads manifest files as kubectl does: files, directories and standard input, with several documents and lists.
//!
//! Input: the arguments of `--filename`. Output: one [`Manifest`] for each object, of any kind, in the order of the files.
//! The files are untrusted: their size is limited, and YAML is read by the reader of saved clusters, which limits what
//! aliases expand to.
//!
//! Upstream: `cli-runtime/pkg/resource/visitor.go` `ExpandPathsToFileVisitors`, `StreamVisitor`, `FlattenListVisitor`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::bounded::{read_any, read_stream};
use super::file::yaml::{Document, Documents, Scalars, without_old_breaks};
use crate::activity::{Activity, begin};
use crate::error::{Error, system_words};
use crate::program;

/// The maximum size of all files together, in bytes.
const LIMIT: u64 = 64 << 20;
/// The maximum size of an object in JSON, in bytes. An API server accepts requests of at most 3 MiB.
const OBJECT_LIMIT: usize = 3 << 20;
/// The extensions of manifests in a directory.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];
/// The argument for standard input.
const STDIN: &str = "-";

/// An object that is to be applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) value: Value,
    /// The file and the document, for messages.
    pub(crate) place: String,
}

impl Manifest {
    pub(crate) fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> &str {
        self.value["apiVersion"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The namespace; `None` if the manifest has none.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.value["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty())
    }

    /// The manifest with its namespace: its own, the one of `--namespace`, or the default one.
    ///
    /// # Errors
    /// The manifest has another namespace than `--namespace` (`RequireNamespace` in the upstream file), or no metadata.
    pub(crate) fn in_namespace(&self, flag: Option<&str>, default: &str) -> Result<Self, Error> {
        let flag = flag.filter(|flag| !flag.is_empty());
        let mut manifest = self.clone();
        match (self.namespace(), flag) {
            (Some(own), Some(flag)) if own != flag => Err(Error::Usage {
                message: format!(
                    "{}: the namespace from the provided object {own:?} does not match the namespace {flag:?}",
                    self.place
                ),
                hint: "pass the namespace of the manifests with --namespace, or omit it".into(),
            }),
            (Some(_), _) => Ok(manifest),
            (None, _) => {
                let metadata = manifest.value.get_mut("metadata").and_then(Value::as_object_mut);
                let metadata = metadata.ok_or_else(|| self.error("metadata is missing"))?;
                metadata.insert("namespace".into(), flag.unwrap_or(default).into());
                Ok(manifest)
            }
        }
    }

    /// An error about this manifest.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        broken(&self.place, message)
    }
}

/// The DaemonSet of a JSON object.
///
/// # Errors
/// A field has another type: the message names it.
pub(crate) fn daemon_set(value: &Value) -> Result<DaemonSet, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

/// Reads the objects of the files. `recursive` includes the directories in a directory.
///
/// # Errors
/// A file cannot be read, is not YAML or JSON, or contains something that is not an object of Kubernetes; there are no
/// objects at all; an argument is a URL.
pub(crate) fn read(paths: &[PathBuf], recursive: bool) -> Result<Vec<Manifest>, Error> {
    let mut reader = Reader { manifests: Vec::new(), left: LIMIT };
    let mut has_stdin = false;
    for path in paths {
        if path.as_os_str() == STDIN {
            if std::mem::replace(&mut has_stdin, true) {
                return Err(Error::Usage {
                    message: "standard input can be read only once".into(),
                    hint: "pass -f - once".into(),
                });
            }
            reader.read_stdin()?;
        } else if is_url(path) {
            return Err(Error::Usage {
                message: format!("{}: cannot read manifests from a URL", path.display()),
                hint: format!("download it first: curl -fsSL URL | {} plan apply -f -", program::name()),
            });
        } else if path.is_dir() {
            for file in files_below(path, recursive)? {
                reader.read_file(&file)?;
            }
        } else {
            reader.read_file(path)?;
        }
    }
    match (reader.manifests.is_empty(), paths.first()) {
        (true, Some(path)) => Err(broken(&name_of(path), "contains no objects")),
        _ => Ok(reader.manifests),
    }
}

fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
}

fn name_of(path: &Path) -> String {
    if path.as_os_str() == STDIN { "standard input".into() } else { path.display().to_string() }
}

fn broken(file: &str, message: impl Into<String>) -> Error {
    let hint = "each document must be an object with apiVersion and kind, in YAML or JSON".into();
    Error::File { file: file.to_owned(), message: message.into(), hint }
}

/// The manifests in a directory, sorted by path. Links to directories are not followed, and pipes are not read.
fn files_below(root: &Path, recursive: bool) -> Result<Vec<PathBuf>, Error> {
    let mut files = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let cannot_read = |error: std::io::Error| broken(&folder.display().to_string(), system_words(&error));
        for entry in std::fs::read_dir(&folder).map_err(cannot_read)? {
            let entry = entry.map_err(cannot_read)?;
            let path = entry.path();
            let has_extension =
                path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|one| extension == *one));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if recursive {
                    folders.push(path);
                }
            } else if has_extension && path.is_file() {
                files.insert(path);
            }
        }
    }
    match files.is_empty() {
        true => Err(broken(&root.display().to_string(), "the directory contains no .yaml, .yml or .json file")),
        false => Ok(files.into_iter().collect()),
    }
}

struct Reader {
    manifests: Vec<Manifest>,
    /// How many bytes may still be read.
    left: u64,
}

impl Reader {
    fn read_stdin(&mut self) -> Result<(), Error> {
        let name = "standard input";
        let _reading = begin(Activity::File { path: name.into() });
        let bytes = read_stream(std::io::stdin().lock(), self.left);
        self.bytes(name, bytes)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), Error> {
        let name = path.display().to_string();
        let _reading = begin(Activity::File { path: name.clone() });
        let bytes = read_any(path, self.left);
        self.bytes(&name, bytes)
    }

    fn bytes(&mut self, name: &str, bytes: std::io::Result<Vec<u8>>) -> Result<(), Error> {
        let bytes = bytes.map_err(|error| broken(name, system_words(&error)))?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        let text = std::str::from_utf8(&bytes).map_err(|_| broken(name, "the file is not UTF-8 text"))?;
        let mut file = File { name, index: 0, manifests: &mut self.manifests };
        file.text(text.trim_start_matches('\u{feff}')).map_err(|message| broken(name, message))
    }
}

/// The file that is read.
struct File<'r> {
    name: &'r str,
    /// The number of documents before the current one.
    index: usize,
    manifests: &'r mut Vec<Manifest>,
}

impl File<'_> {
    fn text(&mut self, text: &str) -> Result<(), String> {
        // JSON is YAML, too. Several documents can follow each other without a separator only in JSON.
        match text.trim_start().starts_with('{').then(|| json_documents(text)).flatten() {
            Some(documents) => documents.into_iter().try_for_each(|document| {
                let read = self.json(document);
                self.finish(read)
            }),
            None => self.yaml(&without_old_breaks(text)),
        }
    }

    /// Adds the number of the document to the message.
    fn finish(&mut self, read: Result<(), String>) -> Result<(), String> {
        self.index += 1;
        read.map_err(|message| format!("document {}: {message}", self.index))
    }

    fn json(&mut self, document: &RawValue) -> Result<(), String> {
        let text = document.get();
        let Ok(list) = serde_json::from_str::<JsonList<'_>>(text) else {
            return self.object(parse(text)?, String::new());
        };
        let header = Header { kind: list.kind.as_deref(), api_version: list.api_version.as_deref() };
        list.items.iter().enumerate().try_for_each(|(index, item)| {
            let item = parse(item.get()).map_err(|message| format!(".items[{index}]: {message}"))?;
            self.item(item, header, index, "")
        })
    }

    fn yaml(&mut self, text: &str) -> Result<(), String> {
        let mut documents = Documents::new(text, Scalars::Strict);
        loop {
            let mut items = Vec::new();
            let read = documents.read_next(&mut |index, item| {
                items.push((index, item));
                Ok(())
            });
            let read = match read {
                None => return Ok(()),
                Some(read) => read.and_then(|document| self.document(document, items)),
            };
            self.finish(read)?;
        }
    }

    /// A YAML document and those items of its list that have a kind.
    fn document(&mut self, document: Document, mut items: Vec<(usize, Value)>) -> Result<(), String> {
        let Document { rest, kindless, has_items } = document;
        if !has_items {
            return if rest.is_null() { Ok(()) } else { self.object(rest, String::new()) };
        }
        items.extend(kindless);
        items.sort_by_key(|(index, _)| *index);
        let header = Header::of(&rest);
        items.into_iter().try_for_each(|(index, item)| self.item(item, header, index, ""))
    }

    /// An item of a list. It has the kind of a typed list, such as `DaemonSetList`, if it has no own one.
    fn item(&mut self, mut item: Value, list: Header<'_>, index: usize, outer: &str) -> Result<(), String> {
        if let Value::Object(fields) = &mut item {
            let kind = list.kind.and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
            if let (Some(kind), Some(api_version), false) = (kind, list.api_version, fields.contains_key("kind")) {
                fields.insert("kind".into(), kind.into());
                fields.entry("apiVersion").or_insert_with(|| api_version.into());
            }
        }
        self.object(item, format!("{outer}.items[{index}]"))
    }

    /// An object, or a list of objects. `at` is its path in the document.
    fn object(&mut self, value: Value, at: String) -> Result<(), String> {
        let lead = if at.is_empty() { String::new() } else { format!("{at}: ") };
        let Value::Object(mut fields) = value else {
            return Err(format!("{lead}not a Kubernetes object"));
        };
        let items = fields.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        if let Some(items) = items {
            let rest = Value::Object(fields);
            let header = Header::of(&rest);
            let mut items = items.into_iter().enumerate();
            return items.try_for_each(|(index, item)| self.item(item, header, index, &at));
        }
        for field in ["kind", "apiVersion"] {
            if !has_text(&fields, field) {
                return Err(format!("{lead}not a Kubernetes object: {field} is missing"));
            }
        }
        let place = format!("{} (document {}{at})", self.name, self.index + 1);
        self.manifests.push(Manifest { value: Value::Object(fields), place });
        Ok(())
    }
}

fn has_text(fields: &Map<String, Value>, field: &str) -> bool {
    fields.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
}

/// The kind of a list.
#[derive(Clone, Copy)]
struct Header<'h> {
    kind: Option<&'h str>,
    api_version: Option<&'h str>,
}

impl<'h> Header<'h> {
    fn of(list: &'h Value) -> Self {
        Self {
            kind: list.get("kind").and_then(Value::as_str),
            api_version: list.get("apiVersion").and_then(Value::as_str),
        }
    }
}

/// A list whose items are not parsed yet, so that the size of each is limited.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonList<'t> {
    kind: Option<String>,
    api_version: Option<String>,
    #[serde(borrow)]
    items: Vec<&'t RawValue>,
}

/// The documents of a JSON text; `None` if it is not JSON.
fn json_documents(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().ok()
}

fn parse(text: &str) -> Result<Value, String> {
    match text.len() > OBJECT_LIMIT {
        true => Err("an object is larger than any object in a cluster".into()),
        false => serde_json::from_str(text).map_err(|error| format!("not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests;
