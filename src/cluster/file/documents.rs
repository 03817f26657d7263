//! Splits a text into documents and objects.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::decode::Decode;
use super::event_v1::{self, EventV1};
use super::objects::Objects;
use super::saved_cluster::{Detail, SavedCluster};
use super::{dump, kinds, yaml};

/// Why a text cannot be read.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) message: String,
    /// Whether the text is valid but contains no Kubernetes objects.
    pub(super) is_foreign: bool,
}

const NOT_AN_OBJECT: &str = "not a Kubernetes object";

impl Rejection {
    fn broken(message: String) -> Self {
        Self { message, is_foreign: false }
    }

    fn foreign(message: String) -> Self {
        Self { message, is_foreign: true }
    }

    fn in_document(self, index: usize) -> Self {
        Self { message: format!("document {}: {}", index + 1, self.message), ..self }
    }
}

/// Adds the objects of a text to the cluster.
pub(super) fn read(cluster: &mut SavedCluster, file: &str, text: &str) -> Result<(), Rejection> {
    let mut reader = Reader { cluster, file, index: 0 };
    for part in dump::without_logs(text) {
        let part = part.trim_start();
        match part.chars().next() {
            None => Ok(()),
            Some('{') => reader.json(part),
            // A YAML flow sequence also begins with a bracket.
            Some('[') if serde_json::from_str::<&RawValue>(part).is_ok() => reader.json(part),
            Some(_) => reader.yaml(part),
        }?;
    }
    Ok(())
}

/// The first parse of a document, which is a list or a single object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: Option<String>,
    #[serde(default)]
    api_version: Option<String>,
    /// The items stay text until their kind is known, so that a dump of hundreds of megabytes is never held twice.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    kind: Option<String>,
    api_version: Option<String>,
}

/// The kind and version that apply to the items of a list.
#[derive(Clone, Copy)]
struct List<'l> {
    kind: Option<&'l str>,
    api_version: Option<&'l str>,
}

struct Reader<'c> {
    cluster: &'c mut SavedCluster,
    file: &'c str,
    /// The number of documents read so far.
    index: usize,
}

impl Reader<'_> {
    fn json(&mut self, text: &str) -> Result<(), Rejection> {
        for raw in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            let outcome = match raw {
                Ok(raw) => self.json_document(raw),
                Err(error) => Err(Rejection::broken(format!("not JSON: {error}"))),
            };
            outcome.map_err(|rejection| rejection.in_document(self.index))?;
            self.index += 1;
        }
        Ok(())
    }

    fn json_document(&mut self, raw: &RawValue) -> Result<(), Rejection> {
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            return self.json_items(&items, self.bare_list());
        }
        let document: Document<'_> = serde_json::from_str(raw.get()).map_err(|error| {
            let message = without_position(&error);
            // A string or a number, or fields with these names and another meaning.
            Rejection { message, is_foreign: !kinds::has_objects(raw.get()) }
        })?;
        let list = list_kind(self.cluster, document.kind.as_deref());
        let Some(items) = &document.items else {
            if list.is_some() {
                // Some tools write an empty list as null.
                self.cluster.saved.end_list();
                return Ok(());
            }
            return put(self.cluster, (document.kind.as_deref(), document.api_version.as_deref()), (raw, ""));
        };
        let own = List { kind: list, api_version: document.api_version.as_deref() };
        self.json_items(items, own)
    }

    /// The kind of a list without kind and apiVersion, as in support bundles: the file is named after it.
    fn bare_list(&self) -> List<'static> {
        List { kind: kinds::by_name(self.file), api_version: None }
    }

    fn json_items(&mut self, items: &[&RawValue], list: List<'_>) -> Result<(), Rejection> {
        self.cluster.saved.begin_list(true);
        for (item, raw) in items.iter().enumerate() {
            let at = format!(".items[{item}]");
            let header: Header =
                serde_json::from_str(raw.get()).map_err(|_| Rejection::foreign(format!("{at}: {NOT_AN_OBJECT}")))?;
            let kind = header.kind.as_deref().or(list.kind);
            let api_version = header.api_version.as_deref().or(list.api_version);
            put(self.cluster, (kind, api_version), (*raw, at.as_str()))?;
        }
        self.cluster.saved.end_list();
        Ok(())
    }

    fn yaml(&mut self, text: &str) -> Result<(), Rejection> {
        let text = yaml::without_old_breaks(text);
        let mut documents = yaml::Documents::new(&text, yaml::Scalars::Lenient);
        loop {
            let (cluster, index) = (&mut *self.cluster, self.index);
            let mut rejection = None;
            cluster.saved.begin_list(true);
            let read = documents.read_next(&mut |place, item| {
                let outcome = put_item(cluster, List { kind: None, api_version: None }, place, item);
                outcome.map_err(|reason| rejection.insert(reason).message.clone())
            });
            let document = match read {
                None => {
                    cluster.saved.end_list();
                    return Ok(());
                }
                Some(Ok(document)) => document,
                Some(Err(message)) => {
                    return Err(rejection.unwrap_or_else(|| Rejection::broken(message)).in_document(index));
                }
            };
            self.yaml_document(document).map_err(|rejection| rejection.in_document(index))?;
            self.index += 1;
        }
    }

    fn yaml_document(&mut self, document: yaml::Document) -> Result<(), Rejection> {
        let yaml::Document { mut rest, kindless, has_items } = document;
        let text_of = |field: &str| rest.get(field).and_then(Value::as_str).map(str::to_owned);
        let (kind, api_version) = (text_of("kind"), text_of("apiVersion"));
        if has_items {
            let named = list_kind(self.cluster, kind.as_deref());
            let bare = if rest.is_null() { self.bare_list().kind } else { None };
            let list = List { kind: named.or(bare), api_version: api_version.as_deref() };
            for (place, item) in kindless {
                put_item(self.cluster, list, place, item)?;
            }
            self.cluster.saved.end_list();
            return Ok(());
        }
        self.cluster.saved.begin_list(false);
        match rest.get_mut("items").map(Value::take) {
            // Some tools write an empty list as null.
            Some(Value::Null) => {
                list_kind(self.cluster, kind.as_deref());
                self.cluster.saved.end_list();
                Ok(())
            }
            Some(_) => Err(Rejection { message: ".items: not a list".into(), is_foreign: kind.is_none() }),
            // An empty document, or only a comment.
            None if rest.is_null() && self.index > 0 => Ok(()),
            None if !rest.is_object() => Err(Rejection::foreign(NOT_AN_OBJECT.into())),
            None => put(self.cluster, (kind.as_deref(), api_version.as_deref()), (rest, "")),
        }
    }
}

fn put_item(cluster: &mut SavedCluster, list: List<'_>, place: usize, item: Value) -> Result<(), Rejection> {
    let at = format!(".items[{place}]");
    let text_of = |field: &str| item.get(field).and_then(Value::as_str).map(str::to_owned);
    let (kind, api_version) = (text_of("kind"), text_of("apiVersion"));
    let kind = kind.as_deref().or(list.kind);
    let api_version = api_version.as_deref().or(list.api_version);
    if !item.is_object() {
        return Err(Rejection::foreign(format!("{at}: {NOT_AN_OBJECT}")));
    }
    put(cluster, (kind, api_version), (item, at.as_str()))
}

/// The item kind of a typed list (`NodeList`). Records that the list exists, even if it is empty.
fn list_kind<'k>(cluster: &mut SavedCluster, kind: Option<&'k str>) -> Option<&'k str> {
    let items = kind?.strip_suffix("List").filter(|items| !items.is_empty())?;
    match items {
        "Node" => cluster.nodes.is_there = true,
        "Pod" => {
            cluster.pods.is_there = true;
            cluster.scheduling_pods.is_there = true;
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
    cluster.saved.saw_list(items);
    Some(items)
}

/// The error message without line and column, which would be relative to the document and not the file.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Adds an object.
fn put(
    cluster: &mut SavedCluster,
    (kind, api_version): (Option<&str>, Option<&str>),
    object: impl Decode,
) -> Result<(), Rejection> {
    let Some(kind) = kind else {
        return Err(Rejection::foreign(format!("{NOT_AN_OBJECT}: kind is missing")));
    };
    let mut bad_times = 0;
    let outcome = put_kind(cluster, (kind, api_version.unwrap_or_default()), object, &mut bad_times);
    cluster.bad_times += bad_times;
    outcome.map_err(Rejection::broken)
}

fn put_kind(
    cluster: &mut SavedCluster,
    (kind, api_version): (&str, &str),
    object: impl Decode,
    times: &mut usize,
) -> Result<(), String> {
    match (api_version, kind) {
        ("v1" | "", "Node") => cluster.put_node(object.decode_bulk(times)?),
        ("v1" | "", "Pod") => match cluster.detail {
            Detail::Placement => cluster.put_pod(object.decode_bulk(times)?),
            Detail::Scheduling => cluster.put_full_pod(object.decode_bulk(times)?),
        },
        ("v1" | "", "Event") => cluster.put_event(object.decode(times)?),
        (version, "Event") if event_v1::API_VERSIONS.contains(&version) => {
            cluster.put_event(object.decode::<EventV1>(times)?.into());
        }
        ("v1" | "", "Namespace") => cluster.put_namespace(object.decode(times)?),
        ("apps/v1" | "", "DaemonSet") => cluster.put_daemon_set(object.decode(times)?),
        ("apps/v1" | "", "ControllerRevision") => cluster.put_revision(object.decode(times)?),
        (_, other) => match Objects::kept(other).filter(|_| cluster.detail == Detail::Scheduling) {
            Some(kind) => {
                let namespace = cluster.objects.put(kind, object.decode(times)?);
                cluster.saved.saw(kind, &namespace);
            }
            None => cluster.others += 1,
        },
    }
    Ok(())
}
