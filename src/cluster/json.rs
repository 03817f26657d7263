//! Lists in JSON: what comes where protobuf is not spoken, and for the kinds that come by the dozen.
//!
//! The text is collected, but never a tree of it: each item goes straight into its type and on.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::protobuf::{Broken, ListMeta};

/// Reads a whole list and gives each item to `each`. `items: null` is an empty list, as Go writes one.
///
/// # Errors
/// [`Broken::Truncated`] where the text ends too early, [`Broken::Malformed`] where it is no list.
pub(super) fn read<T: DeserializeOwned>(text: &[u8], each: &mut dyn FnMut(T)) -> Result<ListMeta, Broken> {
    let mut items = 0;
    let mut counted = |item| {
        items += 1;
        each(item);
    };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let outcome = ListSeed { each: &mut counted, item: PhantomData }
        .deserialize(&mut deserializer)
        .and_then(|meta| deserializer.end().map(|()| meta));
    outcome.map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => Broken::Truncated { items },
        _ => Broken::Malformed(error.to_string()),
    })
}

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

/// `metav1.ListMeta` as JSON.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    continue_: Option<String>,
}

struct ListSeed<'a, T> {
    each: &'a mut dyn FnMut(T),
    item: PhantomData<fn() -> T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for ListSeed<'_, T> {
    type Value = ListMeta;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListMeta, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for ListSeed<'_, T> {
    type Value = ListMeta;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of the Kubernetes API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListMeta, A::Error> {
        let mut meta = Meta::default();
        let mut has_items = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => {
                    let kind: String = map.next_value()?;
                    if !kind.ends_with("List") {
                        return Err(A::Error::custom(format!("it is a {kind:?}, not a list")));
                    }
                }
                "metadata" => meta = map.next_value::<Option<Meta>>()?.unwrap_or_default(),
                "items" => {
                    map.next_value_seed(ItemsSeed { each: &mut *self.each, item: PhantomData })?;
                    has_items = true;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !has_items {
            return Err(A::Error::custom("it has no items"));
        }
        Ok(ListMeta {
            resource_version: meta.resource_version.unwrap_or_default(),
            continue_: meta.continue_.unwrap_or_default(),
        })
    }
}

struct ItemsSeed<'a, T> {
    each: &'a mut dyn FnMut(T),
    item: PhantomData<fn() -> T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for ItemsSeed<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for ItemsSeed<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("items")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.each)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::snapshot::Node;

    fn names(text: &str) -> Result<(Vec<String>, ListMeta), Broken> {
        let mut names = Vec::new();
        let meta = read(text.as_bytes(), &mut |node: Node| names.push(node.metadata.name))?;
        Ok((names, meta))
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
        for text in ["[]", "<html>", r#"{"kind":"Status","items":[]}"#, r#"{"kind":"NodeList"}"#, "{\"items\":[]} x"] {
            assert!(matches!(names(text), Err(Broken::Malformed(_))), "{text}");
        }
        let outcome = names(r#"{"items":[{"metadata":{"name":7}}]}"#);
        assert!(matches!(outcome, Err(Broken::Malformed(message)) if message.contains("column")));
    }
}
