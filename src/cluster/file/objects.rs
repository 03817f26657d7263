//! Saved objects of the kinds that few questions need: kept as they are, and decoded when one asks.

use std::collections::HashMap;

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Kind;
use crate::snapshot::Known;

/// The kinds that are kept.
const KINDS: [&str; 16] = [
    "CSIDriver",
    "CSINode",
    "CSIStorageCapacity",
    "DeviceClass",
    "LimitRange",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PriorityClass",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "ResourceQuota",
    "ResourceSlice",
    "RuntimeClass",
    "ServiceAccount",
    "StorageClass",
    "VolumeAttachment",
];

/// Objects by the name of their kind.
#[derive(Debug, Default)]
pub(crate) struct Objects(HashMap<&'static str, Kind<Value>>);

impl Objects {
    /// The kind under the name that it is kept by, if it is.
    pub(super) fn kept(kind: &str) -> Option<&'static str> {
        KINDS.into_iter().find(|kept| *kept == kind)
    }

    /// Keeps an object, and tells its namespace.
    pub(super) fn put(&mut self, kind: &'static str, object: Value) -> String {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        self.0.entry(kind).or_default().put(&namespace, &name, object);
        namespace
    }

    /// That the files speak of the kind counts even where they hold none of it.
    pub(super) fn saw(&mut self, kind: &'static str) {
        self.0.entry(kind).or_default().is_there = true;
    }

    /// Objects of this kind are missing.
    pub(super) fn lose(&mut self, kind: &'static str, why: &str) {
        self.0.entry(kind).or_default().lose(why);
    }

    /// All objects of a kind.
    pub(crate) fn all<K: Resource + DeserializeOwned>(&self) -> Known<Vec<K>> {
        let plural = K::URL_PATH_SEGMENT;
        let Some(kind) = self.0.get(K::KIND) else {
            return Known::Unknown(format!("the files hold no {plural}"));
        };
        if let Some(why) = &kind.lost {
            return Known::Unknown(format!("not all {plural} are in the files: {why}"));
        }
        let decoded: Result<Vec<K>, _> = kind.objects.iter().map(K::deserialize).collect();
        match decoded {
            Ok(objects) => Known::Known(objects),
            Err(error) => Known::Unknown(format!("the {plural} in the files cannot be read: {error}")),
        }
    }
}
