//! Files, their documents, and the objects in them.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::culprit::culprit;
use super::event_v1::{self, EventV1};
use super::{Detail, Objects, SavedCluster};
use crate::activity::{Activity, begin};
use crate::error::{Error, system_words};

/// The name that stands for standard input.
const STDIN: &str = "-";
/// What counts as a saved object in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// What a good file is.
pub(crate) const HINT: &str = "a saved cluster is what this prints: \
    kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o json > FILE";

/// Reads all files that are named, and all files with a known ending below the folders that are named.
///
/// # Errors
/// The first file that cannot be read or understood: file, document, field.
pub(crate) fn read(sources: &[PathBuf], detail: Detail) -> Result<SavedCluster, Error> {
    let mut cluster = SavedCluster { detail, ..SavedCluster::default() };
    for source in sources {
        if source.as_os_str() == STDIN {
            let mut bytes = Vec::new();
            let _reading = begin(Activity::File { path: "standard input".into() });
            let end = std::io::stdin().lock().read_to_end(&mut bytes);
            end.map_err(|error| broken("standard input", error.to_string()))?;
            read_bytes(&mut cluster, "standard input", &bytes)?;
        } else {
            for file in files_of(source)? {
                let name = file.display().to_string();
                let _reading = begin(Activity::File { path: name.clone() });
                let bytes = std::fs::read(&file).map_err(|error| broken(&name, system_words(&error)))?;
                read_bytes(&mut cluster, &name, &bytes)?;
            }
        }
    }
    Ok(cluster)
}

fn broken(file: &str, message: impl Into<String>) -> Error {
    Error::File { file: file.to_owned(), message: message.into(), hint: HINT.into() }
}

/// The file itself, or what a folder holds, in the order of the names.
fn files_of(source: &Path) -> Result<Vec<PathBuf>, Error> {
    if !source.is_dir() {
        return Ok(vec![source.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error: std::io::Error| broken(&folder.display().to_string(), system_words(&error));
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            // A link to a folder is not followed, as it may lead in a circle; nor is a pipe read, as it may never end.
            if entry.file_type().map_err(unreadable)?.is_dir() {
                folders.push(path);
            } else if ENDINGS.contains(&ending) && path.is_file() {
                files.push(path);
            }
        }
    }
    if files.is_empty() {
        return Err(broken(&source.display().to_string(), "the folder holds no .yaml, .yml or .json file"));
    }
    files.sort();
    Ok(files)
}

fn read_bytes(cluster: &mut SavedCluster, file: &str, bytes: &[u8]) -> Result<(), Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| broken(file, "the file is not UTF-8 text"))?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err(broken(file, "the file is empty"));
    }
    let read = if text.trim_start().starts_with('{') { read_json } else { read_yaml };
    read(cluster, text).map_err(|message| broken(file, message))
}

/// A document as far as it is looked into at first: a list or a single object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: Option<String>,
    #[serde(default)]
    api_version: Option<String>,
    /// The items stay text until their kind is known: a dump of hundreds of megabytes is never held twice.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    kind: Option<String>,
    api_version: Option<String>,
}

fn read_json(cluster: &mut SavedCluster, text: &str) -> Result<(), String> {
    let documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    for (index, raw) in documents.enumerate() {
        let in_document = |message: String| format!("document {}: {message}", index + 1);
        let raw = raw.map_err(|error| in_document(format!("not JSON: {error}")))?;
        let document: Document<'_> =
            serde_json::from_str(raw.get()).map_err(|error| in_document(without_position(&error)))?;
        let list = list_kind(cluster, document.kind.as_deref());
        let Some(items) = &document.items else {
            if list.is_some() {
                // An empty list is written as null by some.
                continue;
            }
            let header = (document.kind.as_deref(), document.api_version.as_deref());
            put(cluster, header, (raw, "")).map_err(in_document)?;
            continue;
        };
        for (item, raw) in items.iter().enumerate() {
            let at = format!(".items[{item}]");
            let header: Header =
                (*raw, at.as_str()).decode_bulk().map_err(|_| in_document(format!("{at}: not a Kubernetes object")))?;
            let api_version = header.api_version.or_else(|| document.api_version.clone());
            let kind = header.kind.as_deref().or(list);
            put(cluster, (kind, api_version.as_deref()), (*raw, at.as_str())).map_err(in_document)?;
        }
    }
    Ok(())
}

fn read_yaml(cluster: &mut SavedCluster, text: &str) -> Result<(), String> {
    let mut bytes = text.as_bytes();
    let documents = serde_saphyr::read_with_options::<_, serde_json::Value>(&mut bytes, yaml_options());
    for (index, document) in documents.enumerate() {
        let in_document = |message: String| format!("document {}: {message}", index + 1);
        let mut document = document.map_err(|error| in_document(format!("not YAML: {}", first_line(&error))))?;
        let text_of = |value: &serde_json::Value, field: &str| value.get(field)?.as_str().map(str::to_owned);
        let (kind, api_version) = (text_of(&document, "kind"), text_of(&document, "apiVersion"));
        let Some(items) = document.get_mut("items").map(serde_json::Value::take) else {
            if !document.is_object() {
                return Err(in_document("not a Kubernetes object".into()));
            }
            let header = (kind.as_deref(), api_version.as_deref());
            put(cluster, header, (document, "")).map_err(in_document)?;
            continue;
        };
        let list = list_kind(cluster, kind.as_deref());
        let items: Vec<serde_json::Value> = match items {
            serde_json::Value::Null => Vec::new(),
            serde_json::Value::Array(items) => items,
            _ => return Err(in_document(".items: not a list".into())),
        };
        for (item, value) in items.into_iter().enumerate() {
            let at = format!(".items[{item}]");
            let item_kind = text_of(&value, "kind");
            let item_version = text_of(&value, "apiVersion").or_else(|| api_version.clone());
            let kind = item_kind.as_deref().or(list);
            put(cluster, (kind, item_version.as_deref()), (value, at.as_str())).map_err(in_document)?;
        }
    }
    Ok(())
}

/// The usual limits of the YAML reader are for configuration files; a saved cluster has millions of nodes. The limits
/// on depth and on aliases stay, as those are what a hostile file would use.
fn yaml_options() -> serde_saphyr::Options {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_reader_input_bytes = None;
    budget.max_events = usize::MAX;
    budget.max_nodes = usize::MAX;
    budget.max_documents = usize::MAX;
    budget.max_total_scalar_bytes = usize::MAX;
    budget.max_total_comment_bytes = usize::MAX;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.with_snippet = false;
    options
}

fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The kind of a typed list's items (`NodeList`); that the list is there counts even when it is empty.
fn list_kind<'k>(cluster: &mut SavedCluster, kind: Option<&'k str>) -> Option<&'k str> {
    let items = kind?.strip_suffix("List").filter(|items| !items.is_empty())?;
    match items {
        "Node" => cluster.nodes.is_there = true,
        "Pod" => {
            cluster.pods.is_there = true;
            cluster.full_pods.is_there = true;
        }
        "DaemonSet" => cluster.daemon_sets.is_there = true,
        "ControllerRevision" => cluster.revisions.is_there = true,
        "Event" => cluster.events.is_there = true,
        "Namespace" => cluster.namespaces.is_there = true,
        other => {
            if let Some(kind) = Objects::kept(other) {
                cluster.objects.saw(kind);
            }
        }
    }
    Some(items)
}

/// An object whose type is decided by the place it is put into.
trait Decode: Sized {
    /// By way of a tree, for which a null where a list or a map belongs means none; names the field that is wrong.
    fn decode<T: DeserializeOwned>(self) -> Result<T, String>;

    /// What comes by the hundred thousand: pods, nodes, and the heads of all objects.
    fn decode_bulk<T: DeserializeOwned>(self) -> Result<T, String> {
        self.decode()
    }
}

impl Decode for (&RawValue, &str) {
    fn decode<T: DeserializeOwned>(self) -> Result<T, String> {
        let (raw, at) = self;
        let tree: serde_json::Value = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        (tree, at).decode()
    }

    fn decode_bulk<T: DeserializeOwned>(self) -> Result<T, String> {
        // Straight from the text; the long way round only where that fails.
        serde_json::from_slice(self.0.get().as_bytes()).or_else(|_| self.decode())
    }
}

impl Decode for (serde_json::Value, &str) {
    fn decode<T: DeserializeOwned>(self) -> Result<T, String> {
        let tree = without_nulls(self.0);
        T::deserialize(&tree).map_err(|error| {
            let refusal = error.to_string();
            let refused =
                |tree: &serde_json::Value| T::deserialize(tree).is_err_and(|error| error.to_string() == refusal);
            let path = format!("{}{}", self.1, culprit(&tree, &refused));
            if path.is_empty() { refusal } else { format!("{path}: {refusal}") }
        })
    }
}

/// The same without fields that are null, as the API server takes it: a null is a field that is not there.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// The words of an error without line and column, which would count from the beginning of the document.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Puts an object where its kind belongs.
fn put(
    cluster: &mut SavedCluster,
    (kind, api_version): (Option<&str>, Option<&str>),
    object: impl Decode,
) -> Result<(), String> {
    let Some(kind) = kind else {
        return Err("not a Kubernetes object: it has no kind".into());
    };
    match (api_version.unwrap_or_default(), kind) {
        ("v1" | "", "Node") => cluster.put_node(object.decode_bulk()?),
        ("v1" | "", "Pod") => match cluster.detail {
            Detail::Placement => cluster.put_pod(object.decode_bulk()?),
            Detail::Scheduling => cluster.put_full_pod(object.decode_bulk()?),
        },
        ("v1" | "", "Event") => cluster.put_event(object.decode()?),
        (version, "Event") if event_v1::API_VERSIONS.contains(&version) => {
            cluster.put_event(object.decode::<EventV1>()?.into());
        }
        ("v1" | "", "Namespace") => cluster.put_namespace(object.decode()?),
        ("apps/v1" | "", "DaemonSet") => cluster.put_daemon_set(object.decode()?),
        ("apps/v1" | "", "ControllerRevision") => cluster.put_revision(object.decode()?),
        (_, other) => match Objects::kept(other).filter(|_| cluster.detail == Detail::Scheduling) {
            Some(kind) => cluster.objects.put(kind, object.decode()?),
            None => cluster.others += 1,
        },
    }
    Ok(())
}
