//! Parses YAML to trees, item by item.
//!
//! The parser emits events. The tree is built here, for three reasons. First, plain scalars must be resolved as in
//! kubectl ([`super::scalar`]). Second, the memory is limited: only one item of a list is held at a time, an object
//! cannot be larger than the API server allows, and the copies made by aliases are limited to a small multiple of the
//! text's size. Third, where Kubernetes expects text, as in labels, a scalar is the text as written.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

use super::scalar::resolve;

/// The maximum estimated size of an object's tree, in bytes. An API server accepts requests of at most 3 MiB.
const MOST_PER_OBJECT: usize = 64 << 20;
/// The bytes that aliases may copy in any text.
const ALIAS_FLOOR: usize = 1 << 20;
/// The bytes that aliases may copy per byte of the text.
const ALIAS_FACTOR: usize = 4;
/// The size of a value in a list or a map, without its heap data.
const VALUE: usize = size_of::<Value>();
/// The size of the first node of a map.
const MAP: usize = 11 * (VALUE + size_of::<String>()) + 16;

/// One document without the items of a list, which were passed to the receiver.
#[derive(Debug)]
pub(in crate::cluster) struct Document {
    /// The document without the items.
    pub(in crate::cluster) rest: Value,
    /// The items without a kind, with their index. The kind of a typed list may follow its items.
    pub(in crate::cluster) kindless: Vec<(usize, Value)>,
    /// Whether there was a list of items.
    pub(in crate::cluster) has_items: bool,
}

/// The callback for items with a kind: the index in the list, and the object.
pub(in crate::cluster) type Receiver<'r> = &'r mut dyn FnMut(usize, Value) -> Result<(), String>;

/// How plain scalars are read where Kubernetes expects text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Scalars {
    /// As the text that is written, because the object is from a cluster: some tools do not quote text.
    Lenient,
    /// As kubectl reads them, so that the API server rejects a label that is a number.
    Strict,
}

/// The documents of a text.
pub(in crate::cluster) struct Documents<'t> {
    parser: Parser<'t, StrInput<'t>>,
    scalars: Scalars,
    /// The values with an anchor, and the size of a copy of each.
    anchors: HashMap<usize, (Value, usize)>,
    /// The bytes that aliases may still copy.
    alias_room: usize,
    /// The bytes that the items without a kind may still use.
    kindless_room: usize,
    /// The bytes that the current tree may still use.
    room: usize,
}

/// The position of a value, which determines how a scalar is resolved.
#[derive(Clone, Copy, Default)]
struct Place<'k> {
    /// The key of the map that contains the value.
    outer: &'k str,
    /// The key of the value.
    key: &'k str,
}

impl Place<'_> {
    /// Whether the value is text: in maps with only text values, and in fields that are always text. A quantity is
    /// text as well.
    fn is_text(self) -> bool {
        matches!(
            self.outer,
            "labels" | "annotations" | "matchLabels" | "nodeSelector" | "limits" | "requests" | "capacity" | "allocatable"
                | "hard" | "used" | "overhead" | "podFixed" | "parameters" | "max" | "min" | "default" | "defaultRequest"
        ) || matches!(
                self.key,
                "name" | "namespace" | "uid" | "resourceVersion" | "nodeName" | "image" | "message" | "reason" | "operator"
                    | "values" | "args" | "command" | "topologyKey" | "apiVersion" | "kind"
            )
            // The top-level value of a PriorityClass is a number.
            || matches!(self.key, "key" | "value") && !self.outer.is_empty()
    }
}

impl<'t> Documents<'t> {
    pub(in crate::cluster) fn new(text: &'t str, scalars: Scalars) -> Self {
        let mut options = Options::default();
        options.set_emit_comments(false);
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            scalars,
            anchors: HashMap::new(),
            alias_room: text.len().saturating_mul(ALIAS_FACTOR).max(ALIAS_FLOOR),
            kindless_room: text.len().saturating_mul(16).max(MOST_PER_OBJECT),
            room: 0,
        }
    }

    /// The next document; `None` at the end.
    pub(in crate::cluster) fn read_next(&mut self, receiver: Receiver<'_>) -> Option<Result<Document, String>> {
        loop {
            match self.event() {
                Err(rejection) => return Some(Err(rejection)),
                Ok(None | Some(Event::StreamEnd)) => return None,
                Ok(Some(Event::DocumentStart(..))) => {
                    self.anchors.clear();
                    return Some(self.document(receiver));
                }
                Ok(Some(_)) => {}
            }
        }
    }

    fn event(&mut self) -> Result<Option<Event<'t>>, String> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, _))) => Ok(Some(event)),
            Some(Err(error)) => Err(format!("not YAML: {}", first_line(&error.to_string()))),
        }
    }

    fn needed(&mut self) -> Result<Event<'t>, String> {
        self.event()?.ok_or_else(|| "not YAML: the document is not complete".to_owned())
    }

    fn document(&mut self, receiver: Receiver<'_>) -> Result<Document, String> {
        self.room = MOST_PER_OBJECT;
        let mut document = Document { rest: Value::Null, kindless: Vec::new(), has_items: false };
        match self.needed()? {
            Event::DocumentEnd => {}
            Event::MappingStart(_, 0, _) => {
                document.rest = self.top_map(&mut document.kindless, &mut document.has_items, receiver)?
            }
            Event::SequenceStart(_, 0, _) => {
                document.has_items = true;
                self.items(&mut document.kindless, receiver)?;
            }
            other => document.rest = self.value(other, Place::default())?,
        }
        Ok(document)
    }

    /// Reads the top-level map of a document, and passes its items to the receiver.
    fn top_map(
        &mut self,
        kindless: &mut Vec<(usize, Value)>,
        has_items: &mut bool,
        receiver: Receiver<'_>,
    ) -> Result<Value, String> {
        let mut map = Map::new();
        while let Some(key) = self.key()? {
            let event = self.needed()?;
            if key == "items" && matches!(event, Event::SequenceStart(_, 0, _)) {
                *has_items = true;
                self.items(kindless, receiver)?;
                self.room = MOST_PER_OBJECT;
                continue;
            }
            let value = self.value(event, Place { outer: "", key: &key })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }

    fn items(&mut self, kindless: &mut Vec<(usize, Value)>, receiver: Receiver<'_>) -> Result<(), String> {
        let mut place = 0;
        loop {
            let event = self.needed()?;
            if event == Event::SequenceEnd {
                return Ok(());
            }
            self.room = MOST_PER_OBJECT;
            let item = self.value(event, Place::default())?;
            if item.get("kind").is_some_and(Value::is_string) {
                receiver(place, item)?;
            } else {
                let taken = MOST_PER_OBJECT - self.room;
                self.kindless_room = self.kindless_room.checked_sub(taken).ok_or("the list needs too much memory")?;
                kindless.push((place, item));
            }
            place += 1;
        }
    }

    /// The next key of a map; `None` at its end.
    fn key(&mut self) -> Result<Option<String>, String> {
        let key = match self.needed()? {
            Event::MappingEnd => return Ok(None),
            Event::Scalar(text, _, anchor, _) => {
                if anchor != 0 {
                    self.keep(anchor, &Value::String(text.clone().into_owned()), text.len())?;
                }
                text.into_owned()
            }
            Event::Alias(anchor) => match self.alias(anchor)? {
                Value::String(key) => key,
                _ => return Err("a map key is not a string".into()),
            },
            _ => return Err("a map key is not a string".into()),
        };
        self.take(key.len() + MAP / 8)?;
        Ok(Some(key))
    }

    /// Reads the value that begins with this event.
    fn value(&mut self, event: Event<'t>, place: Place<'_>) -> Result<Value, String> {
        let before = self.room;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.take(VALUE + text.len())?;
                let tag = tag.as_deref().and_then(granit_parser::Tag::core_suffix);
                (scalar(&text, style, tag, place.is_text() && self.scalars == Scalars::Lenient), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(place)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(place)?, anchor),
            Event::Alias(anchor) => (self.alias(anchor)?, 0),
            _ => return Err("not YAML: a value is missing".into()),
        };
        if anchor != 0 {
            self.keep(anchor, &value, before - self.room)?;
        }
        Ok(value)
    }

    fn sequence(&mut self, place: Place<'_>) -> Result<Value, String> {
        self.take(VALUE)?;
        let mut items = Vec::new();
        loop {
            let event = self.needed()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            items.push(self.value(event, Place { outer: place.outer, key: place.key })?);
            self.take(VALUE)?;
        }
    }

    fn map(&mut self, place: Place<'_>) -> Result<Value, String> {
        self.take(MAP)?;
        let mut map = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = self.key()? {
            let event = self.needed()?;
            let value = self.value(event, Place { outer: place.key, key: &key })?;
            match (key.as_str(), value) {
                ("<<", Value::Object(others)) => merged.push(others),
                ("<<", Value::Array(all)) => merged.extend(all.into_iter().filter_map(|one| match one {
                    Value::Object(others) => Some(others),
                    _ => None,
                })),
                (_, value) => {
                    map.insert(key, value);
                }
            }
        }
        for (key, value) in merged.into_iter().flatten() {
            map.entry(key).or_insert(value);
        }
        Ok(Value::Object(map))
    }

    /// Copies the value of an anchor.
    fn alias(&mut self, anchor: usize) -> Result<Value, String> {
        let Some(taken) = self.anchors.get(&anchor).map(|(_, taken)| *taken) else {
            return Err("not YAML: an alias refers to the value that contains it".into());
        };
        self.take(taken)?;
        self.take_alias(taken)?;
        Ok(self.anchors.get(&anchor).map(|(value, _)| value.clone()).unwrap_or_default())
    }

    fn keep(&mut self, anchor: usize, value: &Value, taken: usize) -> Result<(), String> {
        self.take_alias(taken)?;
        self.anchors.insert(anchor, (value.clone(), taken));
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.room = self.room.checked_sub(bytes).ok_or("an object is larger than any object in a cluster")?;
        Ok(())
    }

    fn take_alias(&mut self, bytes: usize) -> Result<(), String> {
        self.alias_room =
            self.alias_room.checked_sub(bytes).ok_or("the aliases expand to many times the size of the file")?;
        Ok(())
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>, is_text: bool) -> Value {
    match (style, tag) {
        (_, Some("str")) => Value::String(text.to_owned()),
        (_, Some("int" | "float" | "bool" | "null")) | (ScalarStyle::Plain, None) => match resolve(text) {
            Value::Number(_) | Value::Bool(_) if is_text => Value::String(text.to_owned()),
            value => value,
        },
        _ => Value::String(text.to_owned()),
    }
}

/// Converts YAML 1.1 to 1.2, in which three characters are no longer line breaks. kubectl's writer breaks the line with
/// them within a scalar, and indents what follows: upstream `go.yaml.in/yaml/v2` `yamlprivateh.go` `is_break`,
/// `emitterc.go` `yaml_emitter_write_literal_scalar`.
pub(in crate::cluster) fn without_old_breaks(text: &str) -> Cow<'_, str> {
    let is_old = |letter: char| matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}');
    if !text.contains(is_old) {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_old) {
        whole.push_str(&rest[..at]);
        let behind = rest[at..].trim_start_matches(is_old);
        let breaks = &rest[at..rest.len() - behind.len()];
        rest = behind.trim_start_matches(' ');
        let spaces = behind.len() - rest.len();
        if !(whole.is_empty() || whole.ends_with('\n')) {
            whole.push_str(breaks);
            continue;
        }
        // The line begins with the break: its indentation follows the break, or is on the next line that has one.
        let last = whole.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
        let last_spaces = last.len() - last.trim_start_matches(' ').len();
        let is_header =
            last.trim_end_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9']).ends_with(['|', '>']);
        if spaces < last_spaces && !rest.starts_with('\n') && !is_header {
            // The scalar ends with the break; what follows does not belong to it.
            whole.extend([&" ".repeat(last_spaces), breaks, "\n", &behind[..spaces]]);
            continue;
        }
        let next = behind.trim_start_matches(['\n', '\u{85}', '\u{2028}', '\u{2029}']);
        let indentation = next.len() - next.trim_start_matches(' ').len();
        whole.extend([&next[..indentation], breaks]);
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
