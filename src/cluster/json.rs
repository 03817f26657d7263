//! Lists in JSON: what comes where protobuf is not spoken, and for the kinds that come by the dozen.
//!
//! The items are decoded one by one as the bytes come in. What is kept of an answer is one item, and the text around the
//! items; both are bounded, so an answer without an end does not fill the memory.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

use super::protobuf::{Broken, LONGEST_HEAD, LONGEST_ITEM, ListMeta};

/// An object of k8s-openapi, by way of a tree. Those types are large, and each further way to read them takes a good part
/// of the program's size; they come by the dozen, so there is one way for all. Pods and nodes, which come by the hundred
/// thousand, are trimmed types and read straight from the text.
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
    /// There, and empty or null.
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
    // Go writes an empty list as null too.
    match Option::<Vec<Value>>::deserialize(deserializer)?.is_none_or(|items| items.is_empty()) {
        true => Ok(true),
        false => Err(D::Error::custom("its items are not where they belong")),
    }
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In front of the list's opening brace.
    Before,
    /// Inside the list and outside of its items.
    Envelope,
    /// Between two items.
    Between,
    /// Inside an item.
    Item,
    /// Behind the list's closing brace.
    After,
}

/// Takes the bytes of one list in pieces of any size.
pub(super) struct ListDecoder<T> {
    place: Place,
    /// Braces and brackets that are open: in the envelope, or within the item.
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// At the first level of the envelope: the name of the field that comes next, or the beginning of it.
    name: Vec<u8>,
    /// The text around the items.
    envelope: Vec<u8>,
    /// The bytes of an item that are there.
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

    /// Takes the next bytes and gives each item that they complete to `each`.
    ///
    /// # Errors
    /// [`Broken::Malformed`]; the decoder is of no use after it.
    pub(super) fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        // Where the part of `bytes` begins that belongs to the item and was not copied yet.
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

    /// Ends the list: what it says of itself.
    ///
    /// # Errors
    /// [`Broken::Truncated`] where the text ends too early, [`Broken::Malformed`] where it is no list.
    pub(super) fn finish(self) -> Result<ListMeta, Broken> {
        if self.place != Place::After {
            return Err(Broken::Truncated { items: self.items });
        }
        let envelope: Envelope =
            serde_json::from_slice(&self.envelope).map_err(|error| Broken::Malformed(error.to_string()))?;
        if let Some(kind) = envelope.kind.filter(|kind| !kind.ends_with("List")) {
            return Err(Broken::Malformed(format!("it is a {kind:?}, not a list")));
        }
        if !envelope.items {
            return Err(Broken::Malformed("it has no items".into()));
        }
        let meta = envelope.metadata.unwrap_or_default();
        Ok(ListMeta {
            resource_version: meta.resource_version.unwrap_or_default(),
            continue_: meta.continue_.unwrap_or_default(),
        })
    }

    /// Follows strings, in which braces and commas mean nothing; whether the byte belongs to one.
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
                return Err(Broken::Malformed("it is no list of the Kubernetes API".into()));
            }
            if !opens {
                return Ok(());
            }
            self.place = Place::Envelope;
        }
        self.envelope.push(byte);
        if self.envelope.len() as u64 > LONGEST_HEAD {
            return Err(Broken::Malformed("the text around its items is too long".into()));
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
                // The first byte of an item ends none.
                self.ends_item(byte);
            }
        }
    }

    /// Whether the byte is the first one behind the item.
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
    fn items_come_in_order_and_the_metadata_may_stand_anywhere() {
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
    fn every_truncation_is_told_apart_from_nonsense() {
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
    fn answer_without_an_end_is_refused() {
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
