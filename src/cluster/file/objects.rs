//! Saved objects of the kinds that are rarely needed: kept undecoded, and decoded on demand.

use std::collections::HashMap;

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kind_objects::Kind;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::API_KINDS;

/// Objects by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects(HashMap<&'static str, Kind<Value>>);

impl Objects {
    /// The kind as a key, if a filter or admission reads it.
    pub(super) fn kept(kind: &str) -> Option<&'static str> {
        API_KINDS.iter().copied().find(|kept| *kept == kind)
    }

    /// Adds an object, and returns its namespace.
    pub(super) fn put(&mut self, kind: &'static str, object: Value) -> String {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        self.0.entry(kind).or_default().put(&namespace, &name, object);
        namespace
    }

    /// Records that the files contain a list of this kind, even if it is empty.
    pub(super) fn saw(&mut self, kind: &'static str) {
        self.0.entry(kind).or_default().is_there = true;
    }

    /// Records that objects of this kind are missing.
    pub(super) fn lose(&mut self, kind: &'static str, why: &str) {
        self.0.entry(kind).or_default().lose(why);
    }

    /// All objects of a kind.
    pub(crate) fn all<K: Resource + DeserializeOwned>(&self) -> Known<Vec<K>> {
        let plural = K::URL_PATH_SEGMENT;
        let Some(kind) = self.0.get(K::KIND) else {
            return Known::not_saved(format!("the files contain no {plural}"));
        };
        if let Some(why) = &kind.lost {
            return Known::not_saved(format!("some {plural} could not be read: {why}"));
        }
        let decoded: Result<Vec<K>, _> = kind.objects.iter().map(K::deserialize).collect();
        match decoded {
            Ok(objects) => Known::Known(objects),
            Err(error) => Known::failed(format!("cannot decode the {plural} in the files: {error}")),
        }
    }
}
