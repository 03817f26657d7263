//! Decodes lists in JSON: for servers without protobuf, and for kinds with few objects.
//!
//! The items are decoded one by one from the stream. Only one item and the text around the items are held, both with a
//! size limit, so that an endless response does not fill the memory.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

use super::protobuf::{Broken, LONGEST_HEAD, LONGEST_ITEM, ListMeta};

/// An object of k8s-openapi, decoded from a [`Value`]. These types are large, and each additional deserializer adds
/// considerably to the size of the binary, so all use this one. Pods and nodes, of which there may be hundreds of
/// thousands, are trimmed types that are decoded from the text.
pub(super) struct Tree<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Tree<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Value::deserialize(deserializer)?;
        T::deserialize(&tree).map(Self).map_err(D::Error::custom)
    }
}

/// A list without its items.
#[derive(Deserialize)]
struct Envelope {
    kind: Option<String>,
    #[serde(default)]
    metadata: Option<Meta>,
    /// Whether `items` is present, and empty or null.
    #[serde(default, deserialize_with = "present")]
    items: bool,
}

/// `metav1.ListMeta` as JSON.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    continue_: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    // Go may write an empty list as null.
    match Option::<Vec<Value>>::deserialize(deserializer)?.is_none_or(|items| items.is_empty()) {
        true => Ok(true),
        false => Err(D::Error::custom("misplaced items")),
    }
}

/// The position of the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the list's opening brace.
    Before,
    /// Inside the list and outside its items.
    Envelope,
    /// Between two items.
    Between,
    /// Inside an item.
    Item,
    /// After the list's closing brace.
    After,
}

/// Decodes the bytes of one list in chunks of any size.
pub(super) struct ListDecoder<T> {
    place: Place,
    /// The number of open braces and brackets, in the envelope or within the item.
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// At the first level of the envelope: the beginning of the next field's name.
    name: Vec<u8>,
    /// The text around the items.
    envelope: Vec<u8>,
    /// The received bytes of an item.
    item: Vec<u8>,
    items: usize,
    decoded: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> ListDecoder<T> {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Before,
            depth: 0,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            envelope: Vec::new(),
            item: Vec::new(),
            items: 0,
            decoded: PhantomData,
        }
    }

    /// Decodes the next bytes and passes each completed item to `each`.
    ///
    /// # Errors
    /// [`Broken::Malformed`], after which the decoder must not be used.
    pub(super) fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        // The start of the part of `bytes` that belongs to the item and is not copied yet.
        let mut start = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let before = self.place;
            match before {
                Place::Item => {
                    if self.ends_item(byte) {
                        self.hold(&bytes[start..at])?;
                        self.complete(each)?;
                        self.leave_item(byte);
                    }
                }
                Place::Between => self.between(byte),
                Place::Before | Place::Envelope | Place::After => self.envelope(byte)?,
            }
            if self.place == Place::Item && before != Place::Item {
                start = at;
            }
        }
        match self.place {
            Place::Item => self.hold(bytes.get(start..).unwrap_or_default()),
            _ => Ok(()),
        }
    }

    /// Ends the list and returns its metadata.
    ///
    /// # Errors
    /// [`Broken::Truncated`] if the text ends too early, [`Broken::Malformed`] if it is not a list.
    pub(super) fn finish(self) -> Result<ListMeta, Broken> {
        if self.place != Place::After {
            return Err(Broken::Truncated { items: self.items });
        }
        let envelope: Envelope =
            serde_json::from_slice(&self.envelope).map_err(|error| Broken::Malformed(error.to_string()))?;
        if let Some(kind) = envelope.kind.filter(|kind| !kind.ends_with("List")) {
            return Err(Broken::Malformed(format!("expected a list, got {kind:?}")));
        }
        if !envelope.items {
            return Err(Broken::Malformed("items are missing".into()));
        }
        let meta = envelope.metadata.unwrap_or_default();
        Ok(ListMeta {
            resource_version: meta.resource_version.unwrap_or_default(),
            continue_: meta.continue_.unwrap_or_default(),
        })
    }

    /// Tracks strings, in which braces and commas have no meaning. Returns whether the byte belongs to one.
    fn is_text(&mut self, byte: u8) -> bool {
        if !self.in_string {
            self.in_string = byte == b'"';
            return self.in_string;
        }
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
        true
    }

    fn envelope(&mut self, byte: u8) -> Result<(), Broken> {
        if self.place != Place::Envelope {
            let opens = self.place == Place::Before && byte == b'{';
            if !opens && !byte.is_ascii_whitespace() {
                return Err(Broken::Malformed("not a list of the Kubernetes API".into()));
            }
            if !opens {
                return Ok(());
            }
            self.place = Place::Envelope;
        }
        self.envelope.push(byte);
        if self.envelope.len() as u64 > LONGEST_HEAD {
            return Err(Broken::Malformed("the text around the items is too long".into()));
        }
        let was_text = self.in_string;
        if self.is_text(byte) {
            if !was_text {
                self.name.clear();
            } else if self.in_string && self.name.len() < 16 {
                self.name.push(byte);
            }
            return Ok(());
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth == 0 {
            self.place = Place::After;
        } else if self.depth == 2 && byte == b'[' && self.name == b"items" {
            self.place = Place::Between;
        }
        if byte == b',' {
            self.name.clear();
        }
        Ok(())
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b']' => {
                self.envelope.push(byte);
                self.depth = 1;
                self.place = Place::Envelope;
            }
            b',' => {}
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                self.place = Place::Item;
                self.depth = 0;
                // The first byte of an item does not end it.
                self.ends_item(byte);
            }
        }
    }

    /// Whether the byte is the first one after the item.
    fn ends_item(&mut self, byte: u8) -> bool {
        if self.is_text(byte) {
            return false;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b',' | b']' if self.depth == 0 => return true,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }

    fn leave_item(&mut self, byte: u8) {
        self.place = Place::Between;
        self.between(byte);
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.item.extend_from_slice(bytes);
        match self.item.len() as u64 > LONGEST_ITEM {
            true => Err(Broken::Malformed(format!("item {} is too long", self.items + 1))),
            false => Ok(()),
        }
    }

    fn complete(&mut self, each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        let item = serde_json::from_slice(&self.item)
            .map_err(|error| Broken::Malformed(format!("item {}: {error}", self.items + 1)))?;
        each(item);
        self.items += 1;
        self.item.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::snapshot::Node;

    fn names(text: &str) -> Result<(Vec<String>, ListMeta), Broken> {
        let whole = names_in_pieces(text, text.len().max(1));
        for length in [1, 2, 7] {
            assert_eq!(names_in_pieces(text, length), whole, "in pieces of {length}");
        }
        whole
    }

    fn names_in_pieces(text: &str, length: usize) -> Result<(Vec<String>, ListMeta), Broken> {
        let mut names = Vec::new();
        let mut decoder = ListDecoder::new();
        for piece in text.as_bytes().chunks(length) {
            decoder.push(piece, &mut |node: Node| names.push(node.metadata.name))?;
        }
        decoder.finish().map(|meta| (names, meta))
    }

    const LIST: &str = r#"{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"a"}},
        {"metadata":{"name":"b"},"spec":{"unknown":[{}]}}],"metadata":{"resourceVersion":"7","continue":"c"}}"#;

    #[test]
    fn items_keep_order_and_metadata_position_is_free() {
        let (names, meta) = names(LIST).unwrap();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((meta.resource_version.as_str(), meta.continue_.as_str()), ("7", "c"));
    }

    #[test]
    fn null_items_are_an_empty_list() {
        let (names, meta) = names(r#"{"kind":"NodeList","metadata":{"resourceVersion":"7"},"items":null}"#).unwrap();
        assert!(names.is_empty());
        assert_eq!(meta.resource_version, "7");
    }

    #[test]
    fn truncated_list_differs_from_malformed_list() {
        for end in 0..LIST.len() {
            let outcome = names(&LIST[..end]);
            assert!(matches!(outcome, Err(Broken::Truncated { .. })), "{end}: {outcome:?}");
        }
        for text in [
            "[]",
            "<html>",
            r#"{"it\u0065ms":[{}]}"#,
            r#"{"kind":"Status","items":[]}"#,
            r#"{"kind":"NodeList"}"#,
            "{\"items\":[]} x",
        ] {
            assert!(matches!(names(text), Err(Broken::Malformed(_))), "{text}");
        }
        let outcome = names(r#"{"items":[{"metadata":{"name":7}}]}"#);
        assert!(matches!(outcome, Err(Broken::Malformed(message)) if message.contains("column")));
    }

    #[test]
    fn braces_and_commas_in_strings_are_text() {
        let text = r#"{"note":"{\"items\":[","items":[{"metadata":{"name":"a]},{\"\\"}},{"metadata":{"name":"b"}} ,
            {"other":[[{}],{}],"metadata":{"name":"c"}}],"other":{"items":[1,[2]]},"metadata":{"continue":"}"}}"#;
        let (names, meta) = names(text).unwrap();
        assert_eq!(names, ["a]},{\"\\", "b", "c"]);
        assert_eq!(meta.continue_, "}");
    }

    #[test]
    fn endless_response_is_rejected() {
        let endless = |head: &str, limit: u64| {
            let mut decoder = ListDecoder::new();
            let mut each = |_: Node| {};
            decoder.push(head.as_bytes(), &mut each).unwrap();
            let piece = vec![b'x'; 1 << 20];
            let pushed = (0..).find(|_| decoder.push(&piece, &mut each).is_err()).unwrap();
            assert!(pushed <= limit >> 20, "{head}: {pushed} MiB");
        };
        endless("{\"items\":[{\"metadata\":{\"name\":\"", LONGEST_ITEM);
        endless("{\"kind\":\"", LONGEST_HEAD);
        endless("{\"items\":[],\"metadata\":{\"continue\":\"", LONGEST_HEAD);
    }
}
